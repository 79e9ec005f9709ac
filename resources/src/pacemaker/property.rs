//! `pcmk_property`: a property of a cluster.

use super::PacemakerType;
use super::declared::Keeps;
use super::setting::Drawer;

super::element::element! {
    /// A property of a Pacemaker cluster. Those that are not declared stay as they are.
    ///
    /// As long as `stonith-enabled` is false, every report warns of it.
    ///
    ///     pcmk_property no-quorum-policy value=stop
    ///     pcmk_property stonith-enabled value=#true
    pub struct Property: "pcmk_property" [name] {
    } [value may_stop]
}

/// The type `pcmk_property`.
pub static TYPE: PacemakerType = PacemakerType::new::<Property>("pcmk_property", Keeps::Settings(&DRAWER));

static DRAWER: Drawer = Drawer { section: "crm_config", tag: "cluster_property_set", default_set: "cib-bootstrap-options" };
