//! `pcmk_primitive`: a single resource of a cluster.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};

super::element::element! {
    /// A single resource of a Pacemaker cluster: an agent with its parameters and operations.
    ///
    /// What is declared is the whole of it: parameters, meta attributes and operations that the manifest does not name go.
    /// A clone, group or bundle that it stands in is a resource of its own, and all of them come into the cluster at once.
    /// The types whose names begin with `pcmk_` change the cluster together, in one patch, after Pacemaker has verified and
    /// simulated it: the plan says what would start and stop. All nodes may declare them; the node that is the cluster's
    /// designated controller makes the changes. With `--cib FILE` plans and applies work on a file.
    ///
    ///     pcmk_primitive vip agent="ocf:heartbeat:IPaddr2" {
    ///         params {
    ///             ip "10.0.1.1"
    ///             cidr_netmask 16
    ///         }
    ///         op monitor interval="10s"
    ///     }
    ///     pcmk_primitive db agent="systemd:mariadb" {
    ///         op monitor interval="20s" timeout="30s"
    ///         op start timeout="120s"
    ///     }
    pub struct Primitive: "pcmk_primitive" [id] {
        /// The agent: `ocf:PROVIDER:TYPE`, `systemd:UNIT`, `stonith:TYPE`, or `@TEMPLATE` for what a template says. A template
        /// may say it all.
        pub agent: Option<String>,
    } [description params meta operations utilization may_stop]
}

/// The type `pcmk_primitive`.
pub static TYPE: PacemakerType = PacemakerType::new::<Primitive>("pcmk_primitive", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "resources",
    tag: Tag::Always("primitive"),
    parts: &[
        Part::Agent,
        Part::Text("description"),
        Part::Pairs { name: "params", tag: "instance_attributes" },
        Part::Pairs { name: "meta", tag: "meta_attributes" },
        Part::Operations,
        Part::Pairs { name: "utilization", tag: "utilization" },
    ],
};
