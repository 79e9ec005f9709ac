//! `pcmk_node`: a node of a cluster.

use super::PacemakerType;
use super::declared::Keeps;
use super::word::Plain;

super::element::element! {
    /// A node of a Pacemaker cluster: whether it runs anything, and whether the cluster looks after it.
    ///
    /// What is not given stays as it is. Nodes come into a cluster by joining it; one with an `id` is made known before.
    ///
    ///     pcmk_node n1 standby=#false maintenance=#false
    pub struct ClusterNode: "pcmk_node" [] {
        /// Its name.
        [title] pub uname: String,
        /// Its number, the nodeid of corosync.conf.
        pub id: Option<Plain>,
        /// What it is: `member`, `remote`, `ping`.
        pub r#type: Option<Plain>,
        /// What it is for.
        pub description: Option<String>,
        /// Its score.
        pub score: Option<Plain>,
        /// Whether it runs nothing.
        pub standby: Option<Plain>,
        /// Whether the cluster leaves alone what runs on it.
        pub maintenance: Option<Plain>,
    } [may_stop]
}

/// The type `pcmk_node`.
pub static TYPE: PacemakerType = PacemakerType::new::<ClusterNode>("pcmk_node", Keeps::Nodes);
