//! `pcmk_group`: resources that stay together and start in order.

use indexmap::IndexMap;

use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};
use super::word::Word;
use super::{PacemakerType, Tables};
use crate::ensure::Ensure;

keel_engine::attributes! {
    /// Primitives that run on one node, started in the given order and stopped in the other.
    ///
    /// Its members are primitives that are declared or there already. One that leaves the group stays in the cluster; so do all
    /// when the group goes.
    ///
    ///     pcmk_group keystone {
    ///         members keystone-ip keystone-service
    ///     }
    pub struct ResourceGroup: "pcmk_group" {
        /// Its id in the cluster.
        [title] pub id: String,
        /// Whether it is there.
        pub ensure: Ensure = Ensure::Present,
        /// The primitives in it, in their order.
        pub members: Vec<String>,
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
        /// Resources of the cluster that this may stop or move, beside those that it names itself; `*` for all. A change that
        /// would stop anything else, or fence a node, is refused in the plan already.
        [how] pub may_stop: Vec<String>,
    }
}

/// The type `pcmk_group`.
pub static TYPE: PacemakerType = PacemakerType::new::<ResourceGroup>("pcmk_group", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "resources",
    tag: Tag::Always("group"),
    parts: &[
        Part::Text("description"),
        Part::Pairs { name: "params", tag: "instance_attributes" },
        Part::Pairs { name: "meta", tag: "meta_attributes" },
        Part::Members { is_many: true },
    ],
};
