//! When changes that wait for the hours of a schedule may be made: a run leaves it for the agent, which wakes then.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use keel_engine::catalog::Catalog;
use keel_engine::report::{Reason, Report};

use super::home::Home;
use super::round::now;
use crate::run::wall_clock::opens_at;
use crate::state::read_if_there;

const FILE: &str = "opening.json";

/// The first moment at which something that waits may be changed, in milliseconds since 1970.
pub fn first(catalog: &Catalog, report: &Report, now: Timestamp) -> Option<u64> {
    let reasons = report.resources.iter().filter_map(|resource| resource.reason.as_ref());
    let names: BTreeSet<&String> = reasons.filter_map(schedule_of).collect();
    let waited = catalog.schedules.iter().filter(|schedule| names.contains(&schedule.name));
    let opening = waited.filter_map(|schedule| opens_at(schedule, now)).min()?;
    u64::try_from(opening.as_millisecond()).ok()
}

/// The schedule that a resource waits for.
fn schedule_of(reason: &Reason) -> Option<&String> {
    match reason {
        Reason::Schedule { name, .. } => Some(name),
        _ => None,
    }
}

/// Leaves it for the agent.
///
/// # Errors
/// It cannot be written.
pub fn keep(home: &Home, opening_ms: Option<u64>) -> Result<(), String> {
    if load(home) == opening_ms {
        return Ok(());
    }
    let text = serde_json::to_vec(&opening_ms).map_err(|error| error.to_string())?;
    crate::state::replace(&home.running.join(FILE), &text)
}

/// How long it is until something that waits may be changed; none where nothing waits, or where the moment has passed: a
/// run that did not see it is not tried at once again and again. A moment later, so that the hours have begun for sure.
pub fn until_next(home: &Home) -> Option<Duration> {
    let until = Duration::from_millis(load(home)?).checked_sub(now())?;
    Some(until + Duration::from_secs(1))
}

/// What the last run left.
fn load(home: &Home) -> Option<u64> {
    serde_json::from_slice(&read_if_there(&home.running.join(FILE)).ok()??).ok()?
}
