//! `pcmk_property`: a property of a cluster.

use keel_engine::value::Value;

use super::PacemakerType;
use super::declared::Keeps;
use super::setting::Drawer;
use super::word::{Plain, Word};
use crate::ensure::Ensure;

keel_engine::attributes! {
    /// A property of a Pacemaker cluster. Those that are not declared stay as they are.
    ///
    /// As long as `stonith-enabled` is false, every report warns of it.
    ///
    ///     pcmk_property no-quorum-policy value=stop
    ///     pcmk_property stonith-enabled value=#true
    pub struct Property: "pcmk_property" {
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

/// The type `pcmk_property`.
pub static TYPE: PacemakerType = PacemakerType::new::<Property>("pcmk_property", Keeps::Settings(&DRAWER));

static DRAWER: Drawer = Drawer { section: "crm_config", tag: "cluster_property_set", default_set: "cib-bootstrap-options" };
