//! `pcmk_op_default`: what holds for all operations of a cluster.

use super::PacemakerType;
use super::declared::Keeps;
use super::setting::Drawer;

super::element::element! {
    /// An attribute that holds for all operations of a Pacemaker cluster that do not say otherwise.
    ///
    ///     pcmk_op_default timeout value="60s"
    ///     pcmk_op_default "patient monitors" name=timeout value="90s" set=monitors rule="operation name=monitor"
    pub struct OperationDefault: "pcmk_op_default" [name] {
    } [value may_stop]
}

/// The type `pcmk_op_default`.
pub static TYPE: PacemakerType = PacemakerType::new::<OperationDefault>("pcmk_op_default", Keeps::Settings(&DRAWER));

static DRAWER: Drawer = Drawer { section: "op_defaults", tag: "meta_attributes", default_set: "op-options" };
