//! `pcmk_rsc_default`: what holds for all resources of a cluster.

use super::PacemakerType;
use super::declared::Keeps;
use super::setting::Drawer;

super::element::element! {
    /// A meta attribute that holds for all resources of a Pacemaker cluster that do not say otherwise.
    ///
    ///     pcmk_rsc_default resource-stickiness value=100
    ///     pcmk_rsc_default "less sticky at night" name=resource-stickiness value=0 set=night score=10 rule="date spec hours=2-4"
    pub struct ResourceDefault: "pcmk_rsc_default" [name] {
    } [value may_stop]
}

/// The type `pcmk_rsc_default`.
pub static TYPE: PacemakerType = PacemakerType::new::<ResourceDefault>("pcmk_rsc_default", Keeps::Settings(&DRAWER));

static DRAWER: Drawer = Drawer { section: "rsc_defaults", tag: "meta_attributes", default_set: "rsc-options" };
