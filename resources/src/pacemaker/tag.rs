//! `pcmk_tag`: a name for several things of a cluster.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};

super::element::element! {
    /// A name for several things of a Pacemaker cluster; constraints may name it in their place.
    ///
    ///     pcmk_tag addresses {
    ///         resources vip-1 vip-2
    ///     }
    pub struct TagOf: "pcmk_tag" [id] {
        /// What it stands for, by id.
        pub resources: Vec<String>,
    } []
}

/// The type `pcmk_tag`.
pub static TYPE: PacemakerType = PacemakerType::new::<TagOf>("pcmk_tag", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "tags",
    tag: Tag::Always("tag"),
    parts: &[Part::Names { name: "resources", wrapper: None, tag: "obj_ref", attribute: "id" }],
};
