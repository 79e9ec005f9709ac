//! Reports: what came of a run, or what a plan would make, as data. Programs print it.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::catalog::Effect;
use crate::change::{Action, Change};
use crate::digest::Digest;

/// The version of the report's serial form; it grows when something is added, and its first number
/// when something is removed or changes its meaning.
pub const FORMAT_VERSION: &str = "1.0";

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// The run's name, unique for its host.
    pub run: String,
    /// The host.
    pub host: String,
    /// The site's name.
    pub site: String,
    /// The catalog that was converged to.
    pub catalog: Digest,
    /// Plan or apply.
    pub mode: Mode,
    /// When it began, in milliseconds since 1970 by the host's clock.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Every resource with its one outcome, in the order of application.
    pub resources: Vec<ResourceReport>,
    /// How many of each outcome.
    pub totals: Totals,
    /// Refreshes that are still owed after the run.
    pub owed: Vec<Owed>,
    /// What an earlier catalog declared, this one does not, and nothing removes: released.
    pub released: Vec<Address>,
    /// What everybody should know who reads the report.
    pub warnings: Vec<String>,
}

/// What a run does with the changes it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Stops before every change.
    Plan,
    /// Makes them.
    Apply,
}

/// What came of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceReport {
    /// Its address.
    pub address: Address,
    /// `file:line` of its declaration.
    pub origin: String,
    /// The modules it stands in, the innermost first.
    pub modules: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, where the outcome alone does not say it.
    pub reason: Option<Reason>,
    /// What was changed, or would be.
    pub changes: Vec<ReportedChange>,
    /// The refresh that it got, or would get.
    pub refresh: Option<RefreshReport>,
    /// Who is refreshed because of its changes.
    pub refreshes: Vec<RefreshTarget>,
    /// How long its observation after changes, its changes and its refresh took, in microseconds.
    pub duration_us: u64,
}

/// A change with the cause that the engine found for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportedChange {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Who moved: the host or the desired state.
    pub cause: Cause,
}

/// Who moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// It was never enforced here before.
    New,
    /// The desired state is another than the one last enforced: intentional.
    Intent,
    /// The host is no longer as it was left: corrective.
    Drift,
    /// No resource declares it, and the manifests purge such things.
    Purge,
    /// Somebody took back what an earlier run had made.
    Undo,
}

impl Cause {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Cause::New => "new",
            Cause::Intent => "intent",
            Cause::Drift => "drift",
            Cause::Purge => "purge",
            Cause::Undo => "undo",
        }
    }
}

/// Exactly one per resource per run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was as it should be.
    Unchanged,
    /// It was changed or refreshed, and is as it should be.
    Changed,
    /// It could not be observed, changed or refreshed.
    Failed,
    /// It was left out.
    Skipped,
    /// It waits for another host, for its hour or for a lease, or for something that does.
    Waiting,
    /// In a plan: it would be changed.
    WouldChange,
    /// In a plan: it cannot be told before something else has changed.
    Unknown,
}

impl Outcome {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Unchanged => "unchanged",
            Outcome::Changed => "changed",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Waiting => "waiting",
            Outcome::WouldChange => "would change",
            Outcome::Unknown => "unknown",
        }
    }
}

/// Why a resource has the outcome that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason {
    /// It could not be observed.
    CannotTell {
        /// What went wrong.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// A change could not be made.
    ApplyFailed {
        /// What went wrong.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// After the change it was not as it should be.
    DidNotConverge {
        /// The attributes that still differ.
        attributes: Vec<String>,
    },
    /// The refresh failed; it stays owed.
    RefreshFailed {
        /// What went wrong.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// Its refresh cannot be done on this host as it is; it stays owed.
    RefreshOwed {
        /// Why it cannot be done.
        message: String,
    },
    /// Something that it depends on failed.
    DependencyFailed {
        /// The first thing that failed.
        root: Address,
    },
    /// `--only` or `--skip` left it out.
    Filtered,
    /// The run was asked to stop.
    Stopped,
    /// It is `noop`.
    Noop,
    /// It is not the time for its changes.
    Schedule {
        /// The schedule.
        name: String,
        /// When it opens next.
        opens: String,
    },
    /// Its changes are not this host's to make, or not now.
    Held {
        /// Whose they are, or what they wait for.
        message: String,
    },
    /// In a plan: it interrupts a member of a cluster, and is made only with the lease of its guard.
    Guarded {
        /// The guard.
        guard: String,
        /// When it may be had, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<String>,
    },
    /// It would interrupt a member of a cluster, and there is no lease for that now.
    Lease {
        /// The guard.
        guard: String,
        /// Why not.
        why: String,
    },
    /// It waits for another host's thing.
    Gate {
        /// The other host.
        host: String,
        /// The other host's thing.
        target: Address,
        /// Why it is not open, if anybody said so.
        #[serde(default)]
        why: Option<String>,
    },
    /// Something that it depends on waits.
    DependencyWaiting {
        /// The first thing that waits.
        root: Address,
    },
    /// It cannot be told before this has changed.
    Until {
        /// What has to change first.
        root: Address,
        /// What cannot be told yet, if the observation said so.
        message: Option<String>,
    },
}

/// A reason as a sentence.
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::CannotTell { message, .. } => write!(f, "cannot tell: {message}"),
            Reason::ApplyFailed { message, .. } => write!(f, "failed: {message}"),
            Reason::DidNotConverge { attributes } => {
                write!(f, "did not converge: {} still differs after the change", attributes.join(", "))
            }
            Reason::RefreshFailed { message, .. } => write!(f, "refresh failed, still owed: {message}"),
            Reason::RefreshOwed { message } => write!(f, "not refreshed, still owed: {message}"),
            Reason::DependencyFailed { root } => write!(f, "skipped, {root} failed"),
            Reason::Filtered => f.write_str("left out by --only or --skip"),
            Reason::Stopped => f.write_str("skipped, the run was asked to stop"),
            Reason::Noop => f.write_str("noop, only planned"),
            Reason::Schedule { name, opens } => write!(f, "waiting for schedule {name}: opens {opens}"),
            Reason::Held { message } => write!(f, "waiting: {message}"),
            Reason::Guarded { guard, when: None } => write!(f, "guarded by {guard}, made with its lease"),
            Reason::Guarded { guard, when: Some(when) } => write!(f, "guarded by {guard}: {when}"),
            Reason::Lease { guard, why } => write!(f, "waiting for the lease of guard {guard}: {why}"),
            Reason::Gate { host, target, why: None } => write!(f, "waiting on {host}: {target}"),
            Reason::Gate { host, target, why: Some(why) } => write!(f, "waiting on {host}: {target} ({why})"),
            Reason::DependencyWaiting { root } => write!(f, "waiting, because {root} waits"),
            Reason::Until { root, message: None } => write!(f, "unknown until {root}"),
            Reason::Until { root, message: Some(message) } => write!(f, "unknown until {root} ({message})"),
        }
    }
}

/// A refresh that a resource got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshReport {
    /// How.
    pub effect: Effect,
    /// Who asked for it.
    pub sources: Vec<Address>,
    /// What was done: `restarted`, `reloaded`, why nothing was, or `would restart`.
    pub done: String,
}

/// Somebody who is refreshed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshTarget {
    /// Who.
    pub target: Address,
    /// How.
    pub effect: Effect,
}

/// A refresh that has not happened yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Owed {
    /// Who is to be refreshed.
    pub target: Address,
    /// Who changed.
    pub source: Address,
    /// How.
    pub effect: Effect,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

/// How many resources had each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Totals {
    /// All of them.
    pub resources: usize,
    /// As they should be.
    pub unchanged: usize,
    /// Changed; who was only refreshed counts there.
    pub changed: usize,
    /// Failed.
    pub failed: usize,
    /// Left out.
    pub skipped: usize,
    /// Waiting.
    pub waiting: usize,
    /// Would be changed, likewise.
    pub would_change: usize,
    /// Cannot be told yet.
    pub unknown: usize,
    /// Refreshed, or would be, without a change of their own.
    pub refreshed: usize,
}

impl Totals {
    /// Counts every resource once.
    pub fn of(resources: &[ResourceReport]) -> Self {
        let mut totals = Self { resources: resources.len(), ..Self::default() };
        for resource in resources {
            let made = matches!(resource.outcome, Outcome::Changed | Outcome::WouldChange);
            let made = made && resource.reason != Some(Reason::Noop);
            let only_refreshed = made && resource.changes.is_empty() && resource.refresh.is_some();
            *(if only_refreshed { &mut totals.refreshed } else { totals.of_outcome(resource.outcome) }) += 1;
        }
        totals
    }

    fn of_outcome(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Changed => &mut self.changed,
            Outcome::Failed => &mut self.failed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Waiting => &mut self.waiting,
            Outcome::WouldChange => &mut self.would_change,
            Outcome::Unknown => &mut self.unknown,
        }
    }
}

impl ResourceReport {
    /// The mark in front of it: what its changes do, else what its outcome is.
    pub fn glyph(&self) -> char {
        match self.outcome {
            Outcome::Failed => 'x',
            Outcome::Unknown => '?',
            Outcome::Waiting => '^',
            Outcome::Skipped => '.',
            Outcome::Unchanged => '=',
            Outcome::Changed | Outcome::WouldChange => self.action().map_or('*', Action::glyph),
        }
    }

    /// Whether a run made changes to it; of one that failed half way, some of them.
    pub fn has_made_changes(&self) -> bool {
        matches!(self.outcome, Outcome::Changed | Outcome::Failed) && !self.changes.is_empty()
    }

    /// What happens to the resource as a whole; none if it is only refreshed.
    pub fn action(&self) -> Option<Action> {
        self.changes.first().map(|reported| reported.change.action)
    }
}

impl Report {
    /// A copy that keeps only the resources that were not simply unchanged.
    pub fn without_unchanged(&self) -> Self {
        let resources = self.resources.iter().filter(|resource| resource.outcome != Outcome::Unchanged).cloned().collect();
        let (owed, released, warnings) = (self.owed.clone(), self.released.clone(), self.warnings.clone());
        let (format_version, run) = (self.format_version.clone(), self.run.clone());
        let (host, site) = (self.host.clone(), self.site.clone());
        Self { format_version, run, host, site, resources, owed, released, warnings, ..*self }
    }

    /// Whether anything failed, or was left undone because the run was asked to stop.
    pub fn has_failures(&self) -> bool {
        self.totals.failed > 0 || self.resources.iter().any(|resource| resource.reason == Some(Reason::Stopped))
    }

    /// Whether the run left resources out, and so says nothing of them.
    pub fn is_partial(&self) -> bool {
        self.is_undo() || self.resources.iter().any(|resource| matches!(resource.reason, Some(Reason::Filtered | Reason::Stopped)))
    }

    /// Whether this is no convergence: somebody took back what an earlier run had made.
    pub fn is_undo(&self) -> bool {
        self.resources.iter().flat_map(|resource| &resource.changes).any(|reported| reported.cause == Cause::Undo)
    }

    /// Whether it made changes, see [`ResourceReport::has_made_changes`].
    pub fn has_made_changes(&self) -> bool {
        self.mode == Mode::Apply && self.resources.iter().any(ResourceReport::has_made_changes)
    }

    /// Whether anything was changed, or would be, or may be.
    pub fn has_changes(&self) -> bool {
        self.totals.changed + self.totals.refreshed + self.totals.would_change + self.totals.unknown > 0
    }
}
