//! `pcmk_template`: what several resources of a cluster have in common.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};

super::element::element! {
    /// What several primitives of a Pacemaker cluster have in common; they name it as their agent, `@NAME`.
    ///
    ///     pcmk_template address agent="ocf:heartbeat:IPaddr2" {
    ///         params { cidr_netmask 24 }
    ///         op monitor interval="10s"
    ///     }
    ///     pcmk_primitive vip-1 agent="@address" {
    ///         params { ip "10.0.1.1" }
    ///     }
    pub struct Template: "pcmk_template" [id] {
        /// The agent: `ocf:PROVIDER:TYPE`, `systemd:UNIT` or `stonith:TYPE`.
        pub agent: Option<String>,
    } [description params meta operations utilization may_stop]
}

/// The type `pcmk_template`.
pub static TYPE: PacemakerType = PacemakerType::new::<Template>("pcmk_template", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "resources",
    tag: Tag::Always("template"),
    parts: &[
        Part::Agent,
        Part::Text("description"),
        Part::Pairs { name: "params", tag: "instance_attributes" },
        Part::Pairs { name: "meta", tag: "meta_attributes" },
        Part::Operations,
        Part::Pairs { name: "utilization", tag: "utilization" },
    ],
};
