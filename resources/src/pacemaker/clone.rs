//! `pcmk_clone`: a resource that runs on several nodes.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};

super::element::element! {
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
    pub struct CloneResource: "pcmk_clone" [id] {
        /// The primitive or group that is cloned.
        pub resource: Option<String>,
        /// Whether it is the `master` element of before Pacemaker 2, `ms` in crmsh. What it does a clone with the meta
        /// attribute `promotable` does as well.
        pub ms: bool = false,
    } [description passed_params meta may_stop]
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
