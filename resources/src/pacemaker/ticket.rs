//! `pcmk_ticket`: what a site may run.

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, RESOURCE_SET, Shape, Tag};
use super::word::Plain;

super::element::element! {
    /// What a Pacemaker cluster may run only as long as its site has a ticket.
    ///
    ///     pcmk_ticket db-needs-ticket ticket=site-a rsc=db loss_policy=stop
    pub struct Ticket: "pcmk_ticket" [id] {
        /// The ticket.
        pub ticket: Plain,
        /// The resource.
        pub rsc: Option<Plain>,
        /// The role of it that needs the ticket.
        pub rsc_role: Option<Plain>,
        /// What happens when the ticket is lost: `stop`, `demote`, `fence`, `freeze`.
        pub loss_policy: Option<Plain>,
    } [resource_sets may_stop]
}

/// The type `pcmk_ticket`.
pub static TYPE: PacemakerType = PacemakerType::new::<Ticket>("pcmk_ticket", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "constraints",
    tag: Tag::Always("rsc_ticket"),
    parts: &[
        Part::Attribute("ticket"),
        Part::Attribute("rsc"),
        Part::Attribute("rsc-role"),
        Part::Attribute("loss-policy"),
        Part::Ordered { name: "set", tag: "resource_set", parts: RESOURCE_SET },
    ],
};
