//! `pcmk_alert`: who is told what happens in a cluster.

use indexmap::IndexMap;
use keel_engine::value::Value;

use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};
use super::word::{Plain, Word};
use super::{PacemakerType, Tables};

super::element::element! {
    /// A program that a Pacemaker cluster starts when something happens, and whom it tells.
    ///
    ///     pcmk_alert mail path="/usr/share/pacemaker/alerts/alert_smtp.sh" {
    ///         select { fencing #true; nodes #true }
    ///         recipient ops value="ops@example.org"
    ///     }
    pub struct Alert: "pcmk_alert" [id] {
        /// The program.
        pub path: Plain,
        /// What it is for.
        pub description: Option<String>,
        /// What it is told of: `nodes`, `fencing`, `resources`, each `#true`, and `attributes`, a list of attributes of nodes
        /// (`#true` for all). Everything but attributes where nothing is said.
        pub select: Option<IndexMap<String, Value>>,
        /// Whom it tells, each by a name: `value`, `description`, `params`, `meta`.
        pub recipient: Tables,
        /// Variables of its environment: exactly these.
        pub params: IndexMap<String, Word>,
        /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
        pub params_set: Tables,
        /// Sets of other elements that count here, too, by their ids.
        pub params_from: Vec<String>,
        /// Its meta attributes, such as `timeout` and `timestamp-format`: exactly these.
        pub meta: IndexMap<String, Word>,
        /// More sets of them by their ids, each with `values`, and with a `rule` or `score`.
        pub meta_set: Tables,
        /// Sets of other elements that count here, too, by their ids.
        pub meta_from: Vec<String>,
    } []
}

/// The type `pcmk_alert`.
pub static TYPE: PacemakerType = PacemakerType::new::<Alert>("pcmk_alert", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "alerts",
    tag: Tag::Always("alert"),
    parts: &[
        Part::Attribute("path"),
        Part::Text("description"),
        Part::Pairs { name: "params", tag: "instance_attributes" },
        Part::Pairs { name: "meta", tag: "meta_attributes" },
        Part::One { name: "select", tag: "select", parts: SELECT },
        Part::Keyed { name: "recipient", tag: "recipient", parts: RECIPIENT },
    ],
};

/// What an alert is told of.
static SELECT: &[Part] = &[
    Part::Flag { name: "nodes", tag: "select_nodes" },
    Part::Flag { name: "fencing", tag: "select_fencing" },
    Part::Flag { name: "resources", tag: "select_resources" },
    Part::Names { name: "attributes", wrapper: Some("select_attributes"), tag: "attribute", attribute: "name" },
];

/// What is said of who is told.
static RECIPIENT: &[Part] = &[
    Part::Attribute("value"),
    Part::Text("description"),
    Part::Pairs { name: "params", tag: "instance_attributes" },
    Part::Pairs { name: "meta", tag: "meta_attributes" },
];
