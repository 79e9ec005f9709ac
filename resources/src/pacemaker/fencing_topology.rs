//! `pcmk_fencing_topology`: how a node is fenced.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};
use super::word::Plain;

super::element::element! {
    /// A level of a Pacemaker cluster's fencing: the devices that fence a node together; the next level is tried when they fail.
    ///
    ///     pcmk_fencing_topology n1-power target=n1 index=1 {
    ///         devices n1-ipmi
    ///     }
    pub struct FencingLevel: "pcmk_fencing_topology" [id] {
        /// The node.
        pub target: Option<Plain>,
        /// A pattern of nodes instead.
        pub target_pattern: Option<Plain>,
        /// An attribute of nodes instead, with its `target_value`.
        pub target_attribute: Option<Plain>,
        /// The value that the attribute has on the nodes that are meant.
        pub target_value: Option<Plain>,
        /// The number of the level; the lowest is tried first.
        pub index: Plain,
        /// The devices, all of which have to succeed.
        pub devices: Vec<String>,
    } []
}

/// The type `pcmk_fencing_topology`.
pub static TYPE: PacemakerType = PacemakerType::new::<FencingLevel>("pcmk_fencing_topology", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "fencing-topology",
    tag: Tag::Always("fencing-level"),
    parts: &[
        Part::Attribute("target"),
        Part::Attribute("target-pattern"),
        Part::Attribute("target-attribute"),
        Part::Attribute("target-value"),
        Part::Attribute("index"),
        Part::List { name: "devices", attribute: "devices" },
    ],
};
