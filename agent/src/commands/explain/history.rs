//! What is known of a resource from earlier runs.

use keel_engine::address::Address;
use keel_engine::catalog::Catalog;
use keel_engine::report::{Report, ResourceReport};

use super::Arguments;
use crate::render::moment::moment;
use crate::render::paint::printable;
use crate::state::State;
use crate::state::reports::Reports;

/// What is known of a resource from earlier runs here: when the last run was, and the last one in which
/// anything happened to it.
pub(super) struct History {
    pub(super) last_run: Option<Report>,
    pub(super) last_event: Option<(Report, ResourceReport)>,
}

impl History {
    pub(super) fn of(arguments: &Arguments, catalog: &Catalog, address: &Address) -> Self {
        let reports = Reports::of(&State::of_site(&arguments.root, &catalog.site));
        let find = |report: Report| {
            let resource = report.resources.iter().find(|resource| resource.address == *address).cloned();
            resource.map(|resource| (report, resource))
        };
        Self { last_run: reports.last(), last_event: reports.newest_first().find_map(find) }
    }
}

/// A run's time by the clock of the host.
fn time(report: &Report) -> String {
    moment(i64::try_from(report.started_ms).unwrap_or(i64::MAX))
}

pub(super) fn history_text(history: &History) -> String {
    let Some(last_run) = &history.last_run else { return "no run is known here\n".to_owned() };
    let Some((report, resource)) = &history.last_event else {
        return format!("last run {}: unchanged, as far back as reports are kept\n", time(last_run));
    };
    let what = resource.reason.as_ref().map_or_else(|| resource.outcome.word().to_owned(), ToString::to_string);
    let mut text = format!("last run {}\nlast event {} (run {}): {what}\n", time(last_run), time(report), report.run);
    for reported in &resource.changes {
        let change = &reported.change;
        let cause = reported.cause.word();
        text.push_str(&format!(
            "  {}  {} -> {}  {cause}\n",
            change.attribute,
            printable(&change.before.summary()),
            printable(&change.after.summary())
        ));
    }
    if let Some(refresh) = &resource.refresh {
        let sources: Vec<String> = refresh.sources.iter().map(ToString::to_string).collect();
        text.push_str(&format!("  {} because of {}\n", refresh.done, sources.join(", ")));
    }
    text
}
