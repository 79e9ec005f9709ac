//! `pcmk_clone`: a resource that runs on several nodes.

use indexmap::IndexMap;

use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};
use super::word::Word;
use super::{PacemakerType, Tables};
use crate::ensure::Ensure;

keel_engine::attributes! {
    /// A primitive or group that runs on several nodes at once, also with one of them promoted.
    ///
    /// What makes it promotable is a meta attribute, `promotable #true`; how many of it there are, too: `clone-max`,
    /// `clone-node-max`, `promoted-max`, `promoted-node-max`. The older element `ms` is still to be had.
    ///
    ///     pcmk_clone db-clone resource=db {
    ///         meta {
    ///             promotable #true
    ///             promoted-max 1
    ///             clone-max 2
    ///             notify #true
    ///         }
    ///     }
    pub struct CloneResource: "pcmk_clone" {
        /// Its id in the cluster.
        [title] pub id: String,
        /// Whether it is there.
        pub ensure: Ensure = Ensure::Present,
        /// The primitive or group that is cloned.
        pub resource: Option<String>,
        /// Whether it is the `master` element of before Pacemaker 2, `ms` in crmsh. What it does a clone with the meta
        /// attribute `promotable` does as well.
        pub ms: bool = false,
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

/// The type `pcmk_clone`.
pub static TYPE: PacemakerType = PacemakerType::new::<CloneResource>("pcmk_clone", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "resources",
    tag: Tag::By { attribute: "ms", tags: &[("false", "clone"), ("true", "master")] },
    parts: &[
        Part::Text("description"),
        Part::Pairs { name: "params", tag: "instance_attributes" },
        Part::Pairs { name: "meta", tag: "meta_attributes" },
        Part::Members { is_many: false },
    ],
};
