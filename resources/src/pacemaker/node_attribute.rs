//! `pcmk_node_attribute`: an attribute of a node of a cluster.

use super::PacemakerType;
use super::declared::Keeps;
use super::member_node::ATTRIBUTES;

super::element::element! {
    /// A permanent attribute of a node of a Pacemaker cluster, or what it has to offer. Rules of constraints ask for them.
    ///
    ///     pcmk_node_attribute "n1 rack" node=n1 name=rack value=a
    ///     pcmk_node_attribute "n1 memory" node=n1 name=memory value=4096 utilization=#true
    pub struct NodeAttribute: "pcmk_node_attribute" [name] {
        /// The node.
        pub node: String,
        /// Whether it is something that resources take a part of.
        pub utilization: bool = false,
    } [value may_stop]
}

/// The type `pcmk_node_attribute`.
pub static TYPE: PacemakerType = PacemakerType::new::<NodeAttribute>("pcmk_node_attribute", Keeps::Settings(&ATTRIBUTES));
