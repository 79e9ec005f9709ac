//! `pcmk_location`: where a resource runs.

use keel_engine::value::Value;

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, RESOURCE_SET, Shape, Tag};
use super::word::Plain;

super::element::element! {
    /// On which nodes a resource of a Pacemaker cluster runs, and on which not.
    ///
    /// A rule speaks of nodes and times: `#uname eq n1`, `pingd number:gte 100`, `defined rack`, `date gt start=2026-01-01`,
    /// `date in start=2026-01-01 end=2026-02-01`, `date spec hours=9-17 weekdays=1-5`, joined by `and` or `or`, with parentheses.
    ///
    ///     pcmk_location vip-prefers-n1 rsc=vip node=n1 score=100
    ///     pcmk_location vip-needs-network rsc=vip {
    ///         rule score="-INFINITY" expression="not_defined pingd or pingd number:lte 0"
    ///     }
    pub struct Location: "pcmk_location" [id] {
        /// The resource.
        pub rsc: Option<Plain>,
        /// A pattern of resources instead of one.
        pub rsc_pattern: Option<Plain>,
        /// The node.
        pub node: Option<Plain>,
        /// How much it is drawn there: a number, `INFINITY` or `-INFINITY`.
        pub score: Option<Plain>,
        /// The role that is meant: `Promoted`, `Started`.
        pub role: Option<Plain>,
        /// Where the cluster looks for it when nobody started it: `always`, `never`, `exclusive`.
        pub resource_discovery: Option<Plain>,
        /// Instead of node and score: a table with `expression`, and `score` or `score_attribute`, and `role`; or several
        /// such tables, by any names.
        pub rule: Option<Value>,
    } [resource_sets lifetime may_stop]
}

/// The type `pcmk_location`.
pub static TYPE: PacemakerType = PacemakerType::new::<Location>("pcmk_location", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "constraints",
    tag: Tag::Always("rsc_location"),
    parts: &[
        Part::Attribute("rsc"),
        Part::Attribute("rsc-pattern"),
        Part::Attribute("node"),
        Part::Attribute("score"),
        Part::Attribute("role"),
        Part::Attribute("resource-discovery"),
        Part::Ordered { name: "set", tag: "resource_set", parts: RESOURCE_SET },
        Part::Rule { is_many: true },
        Part::One { name: "lifetime", tag: "lifetime", parts: &[Part::Rule { is_many: true }] },
    ],
};
