//! `pcmk_colocation`: resources that run together, or apart.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, RESOURCE_SET, Shape, Tag};
use super::word::Plain;

super::element::element! {
    /// A resource of a Pacemaker cluster that runs where another one runs, or never there.
    ///
    ///     pcmk_colocation vip-with-db rsc=vip with_rsc=db-clone with_rsc_role=Promoted score=INFINITY
    pub struct Colocation: "pcmk_colocation" [id] {
        /// The resource that goes where the other is.
        pub rsc: Option<Plain>,
        /// The other one.
        pub with_rsc: Option<Plain>,
        /// How strongly: a number, `INFINITY` or `-INFINITY`.
        pub score: Option<Plain>,
        /// The role of the first that is meant.
        pub rsc_role: Option<Plain>,
        /// The role of the other that is meant: `Promoted`.
        pub with_rsc_role: Option<Plain>,
        /// What has to be equal instead of the node: an attribute of nodes.
        pub node_attribute: Option<Plain>,
        /// Whether the first has a say in where the other goes.
        pub influence: Option<Plain>,
        /// Which instance of a clone is the first.
        pub rsc_instance: Option<Plain>,
        /// Which instance of a clone is the other.
        pub with_rsc_instance: Option<Plain>,
    } [resource_sets lifetime may_stop]
}

/// The type `pcmk_colocation`.
pub static TYPE: PacemakerType = PacemakerType::new::<Colocation>("pcmk_colocation", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "constraints",
    tag: Tag::Always("rsc_colocation"),
    parts: &[
        Part::Attribute("rsc"),
        Part::Attribute("with-rsc"),
        Part::Attribute("score"),
        Part::Attribute("rsc-role"),
        Part::Attribute("with-rsc-role"),
        Part::Attribute("node-attribute"),
        Part::Attribute("influence"),
        Part::Attribute("rsc-instance"),
        Part::Attribute("with-rsc-instance"),
        Part::One { name: "lifetime", tag: "lifetime", parts: &[Part::Rule { is_many: true }] },
        Part::Ordered { name: "set", tag: "resource_set", parts: RESOURCE_SET },
    ],
};
