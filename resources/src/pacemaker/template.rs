//! `pcmk_template`: what several resources of a cluster have in common.

use indexmap::IndexMap;

use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};
use super::word::Word;
use super::{PacemakerType, Tables};
use crate::ensure::Ensure;

keel_engine::attributes! {
    /// What several primitives of a Pacemaker cluster have in common; they name it as their agent, `@NAME`.
    ///
    ///     pcmk_template address agent="ocf:heartbeat:IPaddr2" {
    ///         params { cidr_netmask 24 }
    ///         op monitor interval="10s"
    ///     }
    ///     pcmk_primitive vip-1 agent="@address" {
    ///         params { ip "10.0.1.1" }
    ///     }
    pub struct Template: "pcmk_template" {
        /// Its id in the cluster.
        [title] pub id: String,
        /// Whether it is there.
        pub ensure: Ensure = Ensure::Present,
        /// The agent: `ocf:PROVIDER:TYPE`, `systemd:UNIT` or `stonith:TYPE`.
        pub agent: Option<String>,
        /// What it is for.
        pub description: Option<String>,
        /// The parameters of the agent: exactly these. Which ones there are the agent says itself; unknown ones are refused.
        pub params: IndexMap<String, Word>,
        /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
        pub params_set: Tables,
        /// Sets of other elements that count here, too, by their ids.
        pub params_from: Vec<String>,
        /// Its meta attributes, such as `target-role`, `is-managed` and `resource-stickiness`: exactly these.
        pub meta: IndexMap<String, Word>,
        /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
        pub meta_set: Tables,
        /// Sets of other elements that count here, too, by their ids.
        pub meta_from: Vec<String>,
        /// The operations by name: exactly these, each with `interval`, `timeout`, `role`, `on_fail`, `enabled`,
        /// `start_delay`, `params`, `meta`. A second one of a name gets another word and its `name`.
        pub op: Tables,
        /// What it takes of its node, such as `cpu` and `memory`: exactly these.
        pub utilization: IndexMap<String, Word>,
        /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
        pub utilization_set: Tables,
        /// Sets of other elements that count here, too, by their ids.
        pub utilization_from: Vec<String>,
        /// Resources of the cluster that this may stop or move, beside those that it names itself; `*` for all. A change that
        /// would stop anything else, or fence a node, is refused in the plan already.
        [how] pub may_stop: Vec<String>,
    }
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
