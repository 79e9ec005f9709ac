//! `pcmk_colocation`: resources that run together, or apart.

use indexmap::IndexMap;
use keel_engine::value::Value;

use super::declared::Keeps;
use super::shape::{Part, RESOURCE_SET, Shape, Tag};
use super::word::Plain;
use super::{PacemakerType, Tables};
use crate::ensure::Ensure;

keel_engine::attributes! {
    /// A resource of a Pacemaker cluster that runs where another one runs, or never there.
    ///
    ///     pcmk_colocation vip-with-db rsc=vip with_rsc=db-clone with_rsc_role=Promoted score=INFINITY
    pub struct Colocation: "pcmk_colocation" {
        /// Its id in the cluster.
        [title] pub id: String,
        /// Whether it is there.
        pub ensure: Ensure = Ensure::Present,
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
        /// Sets of resources instead of single ones, in their order, each by any name: `resources`, `sequential`, `require_all`,
        /// `action`, `role`, `score`.
        pub set: Tables,
        /// When it holds: a `rule`.
        pub lifetime: Option<IndexMap<String, Value>>,
        /// Resources of the cluster that this may stop or move, beside those that it names itself; `*` for all. A change that
        /// would stop anything else, or fence a node, is refused in the plan already.
        [how] pub may_stop: Vec<String>,
    }
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
        Part::Ordered { name: "set", tag: "resource_set", parts: RESOURCE_SET },
        Part::One { name: "lifetime", tag: "lifetime", parts: &[Part::Rule { is_many: true }] },
    ],
};
