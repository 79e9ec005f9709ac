//! `pcmk_order`: what starts before what.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, RESOURCE_SET, Shape, Tag};
use super::word::Plain;

super::element::element! {
    /// A resource of a Pacemaker cluster that does something before another one does.
    ///
    ///     pcmk_order db-before-vip first=db-clone first_action=promote then=vip then_action=start kind=Mandatory
    ///     pcmk_order storage-then-services {
    ///         set storage {
    ///             resources disk-1 disk-2
    ///             sequential #false
    ///         }
    ///         set services { resources web mail }
    ///     }
    pub struct Order: "pcmk_order" [id] {
        /// The resource that goes first.
        pub first: Option<Plain>,
        /// The one that follows.
        pub then: Option<Plain>,
        /// What the first does: `start`, `stop`, `promote`, `demote`.
        pub first_action: Option<Plain>,
        /// What the other does then.
        pub then_action: Option<Plain>,
        /// How strict it is: `Mandatory`, `Optional`, `Serialize`.
        pub kind: Option<Plain>,
        /// The same as a number, of before there was `kind`.
        pub score: Option<Plain>,
        /// Whether it holds the other way round for the opposite actions.
        pub symmetrical: Option<Plain>,
        /// Whether all of the first have to be done.
        pub require_all: Option<Plain>,
        /// Which instance of a clone is the first.
        pub first_instance: Option<Plain>,
        /// Which instance of a clone is the other.
        pub then_instance: Option<Plain>,
    } [resource_sets lifetime may_stop]
}

/// The type `pcmk_order`.
pub static TYPE: PacemakerType = PacemakerType::new::<Order>("pcmk_order", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "constraints",
    tag: Tag::Always("rsc_order"),
    parts: &[
        Part::Attribute("first"),
        Part::Attribute("then"),
        Part::Attribute("first-action"),
        Part::Attribute("then-action"),
        Part::Attribute("kind"),
        Part::Attribute("score"),
        Part::Attribute("symmetrical"),
        Part::Attribute("require-all"),
        Part::Attribute("first-instance"),
        Part::Attribute("then-instance"),
        Part::One { name: "lifetime", tag: "lifetime", parts: &[Part::Rule { is_many: true }] },
        Part::Ordered { name: "set", tag: "resource_set", parts: RESOURCE_SET },
    ],
};
