//! `pcmk_group`: resources that stay together and start in order.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};

super::element::element! {
    /// Primitives that run on one node, started in the given order and stopped in the other.
    ///
    /// Its members are primitives that are declared or there already. One that leaves the group stays in the cluster; so do all
    /// when the group goes.
    ///
    ///     pcmk_group keystone {
    ///         members keystone-ip keystone-service
    ///     }
    pub struct ResourceGroup: "pcmk_group" [id] {
        /// The primitives in it, in their order.
        pub members: Vec<String>,
    } [description passed_params meta may_stop]
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
