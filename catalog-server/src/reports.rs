//! What a report means, as plain decisions: how the host is after it, and what is odd about it.

use keel_engine::protocol::fleet::{Condition, ReportSummary, Wait};
use keel_engine::protocol::reports::Delivery;
use keel_engine::report::{Cause, FORMAT_VERSION, Mode, Outcome, Reason, Report};

use crate::gates::Fingerprints;

/// After how many intervals without a report a host counts as silent.
const SILENT_INTERVALS: u64 = 3;
/// The shortest time after which it does, in seconds: a run may take a while.
const SILENT_S_MIN: u64 = 300;
/// How far the host's clock may be from the server's before that is remarked, in milliseconds.
const CLOCK_MS: i64 = 5 * 60 * 1000;
/// How many remarks of one kind are kept.
const REMARKS: usize = 5;

/// What a report means.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What is said of it in lists.
    pub summary: ReportSummary,
    /// What the run waited for.
    pub waiting_for: Vec<Wait>,
    /// Whether the run left resources out, and so says nothing of them.
    pub is_partial: bool,
}

impl Reading {
    /// Reads a delivery that has passed its own check. `declared` is what its catalog declares, if it is known.
    pub fn of(delivery: &Delivery, received_ms: i64, declared: Option<&Fingerprints>) -> Self {
        let report = &delivery.report;
        let summary = ReportSummary {
            id: delivery.id.clone(),
            host: report.host.clone(),
            received_ms,
            started_ms: report.started_ms,
            duration_ms: report.duration_ms,
            condition: condition(delivery),
            environment: delivery.environment.clone(),
            commit: delivery.commit.clone(),
            catalog: report.catalog,
            trigger: delivery.trigger.clone(),
            failure: delivery.failure.clone(),
            totals: report.totals,
            remarks: remarks(delivery, received_ms, declared),
        };
        Self { summary, waiting_for: waiting_for(report), is_partial: report.is_partial() }
    }
}

/// How a host is after a report; the gravest that applies.
fn condition(delivery: &Delivery) -> Condition {
    let report = &delivery.report;
    let totals = &report.totals;
    let drift = report.resources.iter().flat_map(|resource| &resource.changes).any(|change| change.cause == Cause::Drift);
    let stopped = report.resources.iter().any(|resource| resource.reason == Some(Reason::Stopped));
    if delivery.failure.is_some() || totals.failed > 0 {
        Condition::Failing
    } else if totals.waiting > 0 {
        Condition::Waiting
    } else if drift || totals.would_change > 0 || totals.unknown > 0 || stopped {
        Condition::Drifting
    } else {
        Condition::Converged
    }
}

fn waiting_for(report: &Report) -> Vec<Wait> {
    let gates = report.resources.iter().filter_map(|resource| match &resource.reason {
        Some(Reason::Gate { host, target, .. }) => Some(Wait { host: host.clone(), target: target.clone() }),
        _ => None,
    });
    let mut waits: Vec<Wait> = gates.collect();
    waits.sort();
    waits.dedup();
    waits
}

fn remarks(delivery: &Delivery, received_ms: i64, declared: Option<&Fingerprints>) -> Vec<String> {
    let report = &delivery.report;
    let mut remarks = Vec::new();
    let started_ms = i64::try_from(report.started_ms).unwrap_or(i64::MAX);
    if started_ms > received_ms.saturating_add(CLOCK_MS) {
        remarks.push("the host's clock is ahead of the server's".to_owned());
    }
    match declared {
        None if delivery.failure.is_none() => remarks.push("its catalog is none of the last that were delivered to the host".to_owned()),
        None => {}
        Some(declared) => {
            let removed = |resource: &&keel_engine::report::ResourceReport| resource.outcome != Outcome::Changed;
            let strangers = report.resources.iter().filter(removed).filter(|resource| !declared.has(&resource.address));
            remarks.extend(strangers.take(REMARKS).map(|resource| format!("its catalog does not have {}", resource.address)));
        }
    }
    remarks
}

/// Whether nothing happened that anybody would look up: the body of such a report is not kept.
pub fn is_quiet(delivery: &Delivery) -> bool {
    let report = &delivery.report;
    let nothing = report.resources.is_empty() && report.owed.is_empty() && report.released.is_empty() && report.warnings.is_empty();
    nothing && delivery.failure.is_none()
}

/// A quiet report, from what was kept of it.
pub fn quiet(summary: &ReportSummary) -> Report {
    Report {
        format_version: FORMAT_VERSION.to_owned(),
        run: summary.id.clone(),
        host: summary.host.clone(),
        site: String::new(),
        catalog: summary.catalog,
        mode: Mode::Apply,
        started_ms: summary.started_ms,
        duration_ms: summary.duration_ms,
        resources: Vec::new(),
        totals: summary.totals,
        owed: Vec::new(),
        released: Vec::new(),
        warnings: Vec::new(),
    }
}

/// When a host counts as silent, if nothing comes after a report.
pub fn silent_after_ms(received_ms: i64, interval_s: u64) -> i64 {
    let seconds = interval_s.saturating_mul(SILENT_INTERVALS).max(SILENT_S_MIN);
    received_ms.saturating_add(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX))
}
