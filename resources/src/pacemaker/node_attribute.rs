//! `pcmk_node_attribute`: an attribute of a node of a cluster.

use keel_engine::value::Value;

use super::PacemakerType;
use super::declared::Keeps;
use super::member_node::ATTRIBUTES;
use super::word::{Plain, Word};
use crate::ensure::Ensure;

keel_engine::attributes! {
    /// A permanent attribute of a node of a Pacemaker cluster, or what it has to offer. Rules of constraints ask for them.
    ///
    ///     pcmk_node_attribute "n1 rack" node=n1 name=rack value=a
    ///     pcmk_node_attribute "n1 memory" node=n1 name=memory value=4096 utilization=#true
    pub struct NodeAttribute: "pcmk_node_attribute" {
        /// The name.
        [title] pub name: String,
        /// Whether it is there.
        pub ensure: Ensure = Ensure::Present,
        /// The node.
        pub node: String,
        /// Whether it is something that resources take a part of.
        pub utilization: bool = false,
        /// The value.
        pub value: Option<Word>,
        /// The set that it stands in, by id. Not given: the first one without a rule.
        pub set: Option<String>,
        /// When its whole set holds, such as `date spec hours=22-23`; only with `set`.
        pub rule: Option<Value>,
        /// Which of several sets comes first: the higher; only with `set`.
        pub score: Option<Plain>,
        /// Resources of the cluster that this may stop or move, beside those that it names itself; `*` for all. A change that
        /// would stop anything else, or fence a node, is refused in the plan already.
        [how] pub may_stop: Vec<String>,
    }
}

/// The type `pcmk_node_attribute`.
pub static TYPE: PacemakerType = PacemakerType::new::<NodeAttribute>("pcmk_node_attribute", Keeps::Settings(&ATTRIBUTES));
