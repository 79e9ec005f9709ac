//! The fleet as operators see it: how every host is, what its runs were, and why a resource is as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::environment::Finding;
use super::leases::Lease;
use super::reports::Trigger;
use crate::address::Address;
use crate::digest::Digest;
use crate::host_name::HostName;
use crate::report::{Owed, Report, ResourceReport, Totals};

/// How a host is, as its last report says; the gravest that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// No report came for three of its intervals, or none since it was let in hours ago.
    Silent,
    /// A resource failed, or the run did not happen.
    Failing,
    /// It waits for another host.
    Waiting,
    /// Something moved it away from its catalog since the run before, it is only observed and differs, or its run
    /// was stopped before the end.
    Drifting,
    /// It was let in a while ago at most and has not reported yet.
    New,
    /// It is as it should be.
    Converged,
}

impl Condition {
    /// All conditions, the gravest first.
    pub const ALL: [Condition; 6] =
        [Condition::Silent, Condition::Failing, Condition::Waiting, Condition::Drifting, Condition::New, Condition::Converged];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Condition::Silent => "silent",
            Condition::Failing => "failing",
            Condition::Waiting => "waiting",
            Condition::Drifting => "drifting",
            Condition::New => "new",
            Condition::Converged => "converged",
        }
    }

    /// The condition of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.word() == word)
    }
}

/// The fleet at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FleetStatus {
    /// When it was looked at, in milliseconds since 1970 by the server's clock.
    pub now_ms: i64,
    /// How many hosts are in each condition, all hosts counted.
    pub counts: BTreeMap<Condition, u64>,
    /// The hosts that were asked for, the gravest condition first, then by name.
    pub hosts: Vec<HostStatus>,
    /// Where the list goes on, if there are more hosts: the last one's condition and name, `failing/db-1`.
    pub after: Option<String>,
    /// What is wrong with the server and the site.
    #[serde(default)]
    pub troubles: Vec<Trouble>,
    /// Who holds the lease of a guard, and who waits for one.
    #[serde(default)]
    pub leases: Vec<Lease>,
}

/// Something that is wrong with the server or the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trouble {
    /// What, in one sentence.
    pub what: String,
    /// What the compiler found, if it is about that; the gravest first.
    pub findings: Vec<Finding>,
}

/// How one host is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostStatus {
    /// The host.
    pub host: String,
    /// How it is.
    pub condition: Condition,
    /// Since when, in milliseconds since 1970 by the server's clock.
    pub since_ms: i64,
    /// The environment that it follows.
    pub environment: String,
    /// Its last report; none before the first.
    pub last: Option<ReportSummary>,
    /// What its last run waited for.
    pub waiting_for: Vec<Wait>,
    /// Refreshes that it still owes.
    pub owed: Vec<Owed>,
    /// How many reports before the last one have not come.
    pub missing_reports: u64,
    /// Whether it was given a newer catalog than the one that its last report is about.
    #[serde(default)]
    pub behind: bool,
}

/// Something of another host that a host waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wait {
    /// The other host.
    pub host: String,
    /// Its thing.
    pub target: Address,
}

/// A report without its resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportSummary {
    /// What the agent calls it.
    pub id: String,
    /// The host.
    pub host: String,
    /// When the server got it, in milliseconds since 1970 by its own clock.
    pub received_ms: i64,
    /// When the run began, in milliseconds since 1970 by the host's clock.
    pub started_ms: u64,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
    /// How the host was after it.
    pub condition: Condition,
    /// The environment that the catalog came from.
    pub environment: Option<String>,
    /// The commit that the catalog came from.
    pub commit: Option<String>,
    /// The catalog.
    pub catalog: Digest,
    /// What started the run.
    pub trigger: Trigger,
    /// Why the run did not happen, if it did not.
    pub failure: Option<String>,
    /// How many resources had each outcome.
    pub totals: Totals,
    /// What the server found odd in it.
    pub remarks: Vec<String>,
}

/// Some reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportList {
    /// The newest first.
    pub reports: Vec<ReportSummary>,
    /// What to give as `before` to get older ones; none if there are none.
    pub before: Option<u64>,
}

/// One report, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredReport {
    /// What is said of it.
    pub summary: ReportSummary,
    /// The report; what it does not list was unchanged.
    pub report: Report,
}

/// What happened to one resource lately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceHistory {
    /// The host.
    pub host: String,
    /// The resource.
    pub address: Address,
    /// Whether the host's newest catalog has the resource; none if it has not been given any.
    #[serde(default)]
    pub declared: Option<bool>,
    /// Where it has not: resources of the host with such a name of which something is known.
    #[serde(default)]
    pub near: Vec<String>,
    /// The newest run of the host, whether the resource did anything in it or not.
    pub last: Option<ReportSummary>,
    /// The runs in which it was not simply unchanged, the newest first.
    pub runs: Vec<ResourceRun>,
}

/// What came of a resource in one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceRun {
    /// The run.
    pub run: ReportSummary,
    /// What came of the resource.
    pub resource: ResourceReport,
}

/// Asks hosts to run at once: `POST /operator/v1/run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The hosts.
    pub hosts: Vec<HostName>,
}

/// Which hosts were told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunAnswer {
    /// They run at once if their agents are there; otherwise as soon as they come back.
    pub told: Vec<String>,
}
