//! `pcmk_rsc_default`: what holds for all resources of a cluster.

use keel_engine::value::Value;

use super::PacemakerType;
use super::declared::Keeps;
use super::setting::Drawer;
use super::word::{Plain, Word};
use crate::ensure::Ensure;

keel_engine::attributes! {
    /// A meta attribute that holds for all resources of a Pacemaker cluster that do not say otherwise.
    ///
    ///     pcmk_rsc_default resource-stickiness value=100
    ///     pcmk_rsc_default "less sticky at night" name=resource-stickiness value=0 set=night score=10 rule="date spec hours=2-4"
    pub struct ResourceDefault: "pcmk_rsc_default" {
        /// The name.
        [title] pub name: String,
        /// Whether it is there.
        pub ensure: Ensure = Ensure::Present,
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

/// The type `pcmk_rsc_default`.
pub static TYPE: PacemakerType = PacemakerType::new::<ResourceDefault>("pcmk_rsc_default", Keeps::Settings(&DRAWER));

static DRAWER: Drawer = Drawer { section: "rsc_defaults", tag: "meta_attributes", default_set: "rsc-options" };
