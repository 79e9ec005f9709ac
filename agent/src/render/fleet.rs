//! The fleet as people look at it: hosts with their conditions, reports in a list, a resource's history.

use keel_engine::protocol::environment::short_commit;
use keel_engine::protocol::fleet::{Condition, FleetStatus, HostStatus, ReportList, ReportSummary, ResourceHistory, ResourceRun};
use keel_engine::protocol::leases::Lease;
use keel_engine::report::{Cause, Totals};

use super::moment::{ago, moment, span};
use super::paint::{Paint, printable};
use super::report::{Style, resource_text};
use super::{counted, table, trouble};

/// The fleet: the counts, then the hosts that were asked for.
pub fn status(fleet: &FleetStatus, paint: Paint) -> String {
    let total: u64 = fleet.counts.values().sum();
    let counts: Vec<String> = fleet
        .counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(condition, count)| paint_condition(*condition, &format!("{count} {}", condition.word()), paint))
        .collect();
    let mut text = format!(
        "{}{}\n",
        counted(usize::try_from(total).unwrap_or(usize::MAX), "host"),
        if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) }
    );
    if !fleet.hosts.is_empty() {
        let rows: Vec<Vec<String>> = fleet.hosts.iter().map(|host| host_row(host, fleet.now_ms)).collect();
        let lines = table::lines(&["HOST", "CONDITION", "SINCE", "ENVIRONMENT", "COMMIT", "LAST REPORT", ""], &rows);
        let painted = lines.iter().skip(1).zip(&fleet.hosts).map(|(line, host)| paint_condition(host.condition, line, paint));
        let head = lines.first().map(|head| paint.bold(head));
        text.push('\n');
        text.extend(head.into_iter().chain(painted).map(|line| line + "\n"));
    }
    if let Some(after) = &fleet.after {
        text.push_str(&format!("... and more: --after {}; --condition picks some\n", printable(after)));
    }
    if !fleet.leases.is_empty() {
        text.push('\n');
        text.push_str(&leases(&fleet.leases, fleet.now_ms, paint));
    }
    text.extend(fleet.troubles.iter().map(|one| format!("\n{}", trouble::text(one, paint))));
    text
}

/// Who holds leases, and who waits for one.
pub fn leases(leases: &[Lease], now_ms: i64, paint: Paint) -> String {
    let row = |lease: &Lease| {
        let since = span(u64::try_from(now_ms.saturating_sub(lease.since_ms) / 1000).unwrap_or(0));
        let state = if lease.held { "held" } else { "waiting" };
        vec![printable(&lease.guard), printable(&lease.host), state.to_owned(), since, printable(&lease.reason)]
    };
    let rows: Vec<Vec<String>> = leases.iter().map(row).collect();
    let lines = table::lines(&["GUARD", "HOST", "LEASE", "SINCE", ""], &rows);
    let painted = lines.iter().skip(1).zip(leases).map(|(line, lease)| if lease.held { paint.yellow(line) } else { paint.cyan(line) });
    lines.first().map(|head| paint.bold(head)).into_iter().chain(painted).map(|line| line + "\n").collect()
}

fn host_row(host: &HostStatus, now_ms: i64) -> Vec<String> {
    let since = span(u64::try_from(now_ms.saturating_sub(host.since_ms) / 1000).unwrap_or(0));
    let commit = host.last.as_ref().and_then(|last| last.commit.as_deref()).map_or("-".to_owned(), short);
    let last = host.last.as_ref().map_or("never".to_owned(), |last| ago(last.received_ms, now_ms));
    vec![host.host.clone(), host.condition.word().to_owned(), since, printable(&host.environment), commit, last, remarks(host, now_ms)]
}

/// What is worth saying of a host beside its condition.
fn remarks(host: &HostStatus, now_ms: i64) -> String {
    let mut parts = Vec::new();
    if let Some(last) = &host.last {
        parts.extend(last.failure.as_deref().map(printable));
        if last.totals.failed > 0 {
            parts.push(format!("{} failed", last.totals.failed));
        }
        parts.extend(last.remarks.iter().map(|remark| printable(remark)));
        if host.condition != Condition::Silent && host.condition < last.condition {
            parts.push(format!("{} is what the last run left out", host.condition.word()));
        }
    }
    if host.behind {
        parts.push("it has not run its newest catalog yet".to_owned());
    }
    parts.extend(host.waiting_for.first().map(|wait| {
        let more = host.waiting_for.len().saturating_sub(1);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("waiting on {}: {}{more}", printable(&wait.host), wait.target)
    }));
    if let Some(oldest) = host.owed.iter().map(|owed| owed.since_ms).min() {
        let age = u64::try_from(now_ms).unwrap_or(0).saturating_sub(oldest) / 1000;
        parts.push(format!("{} owed, the oldest for {}", refreshes(host.owed.len()), span(age)));
    }
    if host.missing_reports > 0 {
        parts.push(format!("{} missing", counted(usize::try_from(host.missing_reports).unwrap_or(usize::MAX), "report")));
    }
    parts.join("; ")
}

fn refreshes(count: usize) -> String {
    if count == 1 { "1 refresh".to_owned() } else { format!("{count} refreshes") }
}

/// Reports, a line each.
pub fn reports(list: &ReportList, paint: Paint) -> String {
    let row = |report: &ReportSummary| {
        let commit = report.commit.as_deref().map_or("-".to_owned(), short);
        let outcome = report.failure.as_deref().map_or_else(|| totals(&report.totals), printable);
        let cells = [report.condition.word().to_owned(), commit, printable(&report.trigger.to_string()), report.id.clone(), outcome];
        [moment(report.received_ms), report.host.clone()].into_iter().chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = list.reports.iter().map(row).collect();
    let lines = table::lines(&["RECEIVED", "HOST", "CONDITION", "COMMIT", "TRIGGER", "REPORT", "OUTCOME"], &rows);
    let painted = lines.iter().skip(1).zip(&list.reports).map(|(line, report)| paint_condition(report.condition, line, paint));
    let mut text: String = lines.first().map(|head| paint.bold(head)).into_iter().chain(painted).map(|line| line + "\n").collect();
    if let Some(before) = list.before {
        text.push_str(&format!("... older ones: --before {before}\n"));
    }
    text
}

fn totals(totals: &Totals) -> String {
    let parts = [
        (totals.changed, "changed"),
        (totals.refreshed, "refreshed"),
        (totals.failed, "failed"),
        (totals.waiting, "waiting"),
        (totals.skipped, "skipped"),
    ];
    let mut words: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    words.push(format!("{} unchanged", totals.unchanged));
    words.join(", ")
}

/// What is said above a report.
pub fn heading(summary: &ReportSummary, paint: Paint) -> String {
    let mut text = format!(
        "{} {}\n  received {}, run began {} by the host's clock\n",
        paint.bold("report"),
        summary.id,
        moment(summary.received_ms),
        moment(i64::try_from(summary.started_ms).unwrap_or(i64::MAX))
    );
    text.push_str(&format!("  {}\n", origin(summary)));
    text.extend(summary.failure.iter().map(|why| format!("  {}\n", paint.red(&format!("the run did not happen: {}", printable(why))))));
    text.extend(summary.remarks.iter().map(|remark| format!("  {}\n", paint.yellow(&printable(remark)))));
    text
}

/// Which commit of which environment, and what started the run.
fn origin(summary: &ReportSummary) -> String {
    let commit = summary.commit.as_deref().map_or("no known commit".to_owned(), |commit| format!("commit {}", short(commit)));
    let environment = summary.environment.as_deref().map_or(String::new(), |name| format!(" of {}", printable(name)));
    format!("{commit}{environment}, started by: {}", printable(&summary.trigger.to_string()))
}

/// A resource's history, the newest run first.
pub fn history(history: &ResourceHistory, style: Style) -> String {
    let mut text = format!("{} on {}\n", style.paint.bold(&history.address.to_string()), history.host);
    let is_newest = |last: &ReportSummary| history.runs.first().is_some_and(|newest| newest.run.id == last.id);
    text.push_str(&match (&history.last, history.declared) {
        (None, _) => "  the host has sent no report\n".to_owned(),
        (Some(last), _) if is_newest(last) => String::new(),
        (Some(_), Some(false)) => {
            let near = history.near.iter().map(|near| format!("    there is {}\n", printable(near)));
            near.fold("  it is not in the host's newest catalog\n".to_owned(), |text, near| text + &near)
        }
        (Some(last), _) => format!("  unchanged in the last run, {}, {}\n", moment(last.received_ms), origin(last)),
    });
    if history.runs.is_empty() {
        text.push_str("  nothing happened to it as far back as reports are kept\n");
    }
    text.extend(history.runs.iter().map(|run| run_text(run, style)));
    text
}

fn run_text(ResourceRun { run, resource }: &ResourceRun, style: Style) -> String {
    let time = style.paint.bold(&moment(run.received_ms));
    let mut text = format!("\n{time}  {}\n  report {}, declared at {}\n", origin(run), run.id, printable(&resource.origin));
    let reason = resource.reason.as_ref().map(|reason| format!("  because: {}\n", printable(&reason.to_string())));
    text.extend(reason);
    for change in &resource.changes {
        text.push_str(&format!("  {}: {}\n", printable(&change.change.attribute), cause_text(change.cause)));
    }
    if let Some(refresh) = &resource.refresh {
        let sources: Vec<String> = refresh.sources.iter().map(ToString::to_string).collect();
        text.push_str(&format!("  {} because of {}\n", printable(&refresh.done), sources.join(", ")));
    }
    for target in &resource.refreshes {
        text.push_str(&format!("  {} {} after it\n", target.effect, target.target));
    }
    text + &resource_text(resource, style)
}

fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::New => "enforced for the first time",
        Cause::Intent => "the manifests say something else than before",
        Cause::Drift => "the host was no longer as the last run had left it",
        Cause::Purge => "no resource declares it, and the manifests purge such things",
        Cause::Undo => "somebody took back what an earlier run had made, with `keel undo`",
    }
}

fn short(commit: &str) -> String {
    printable(short_commit(commit))
}

fn paint_condition(condition: Condition, text: &str, paint: Paint) -> String {
    match condition {
        Condition::Silent | Condition::Failing => paint.red(text),
        Condition::Waiting | Condition::New => paint.cyan(text),
        Condition::Drifting => paint.yellow(text),
        Condition::Converged => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keel_engine::address::Address;
    use keel_engine::catalog::Effect;
    use keel_engine::digest::Digest;
    use keel_engine::protocol::fleet::Wait;
    use keel_engine::protocol::reports::Trigger;
    use keel_engine::report::{Outcome, Owed, Reason, RefreshReport, ResourceReport};

    use super::*;

    const PLAIN: Paint = Paint { colour: false };

    fn summary() -> ReportSummary {
        ReportSummary {
            id: "0f-1".to_owned(),
            host: "db-1".to_owned(),
            received_ms: 1_700_000_000_000,
            started_ms: 1_700_000_000_000,
            duration_ms: 5,
            condition: Condition::Failing,
            environment: Some("main".to_owned()),
            commit: Some("0123456789abcdef".to_owned()),
            catalog: Digest::of(b"c"),
            trigger: Trigger::Operator { name: "alice".to_owned() },
            failure: None,
            totals: Totals { failed: 1, unchanged: 3, ..Totals::default() },
            remarks: vec!["odd\u{1b}[2J".to_owned()],
        }
    }

    #[test]
    fn a_host_is_a_line_with_what_matters() {
        let owed = Owed {
            target: Address::new("service", "x"),
            source: Address::new("file", "/a"),
            effect: Effect::Restart,
            since_ms: 1_700_000_000_000,
        };
        let host = HostStatus {
            host: "db-1".to_owned(),
            condition: Condition::Failing,
            since_ms: 1_700_000_000_000,
            environment: "main".to_owned(),
            last: Some(summary()),
            waiting_for: vec![Wait { host: "db-2".to_owned(), target: Address::new("module", "galera") }],
            owed: vec![owed],
            missing_reports: 2,
            behind: true,
        };
        let counts = BTreeMap::from([(Condition::Failing, 1), (Condition::Converged, 7)]);
        let lease = Lease {
            guard: "galera".to_owned(),
            host: "db-2".to_owned(),
            held: true,
            since_ms: 1_700_000_000_000,
            run: "1".to_owned(),
            reason: "it is not ready: 2 of 3\u{1b}[2J".to_owned(),
        };
        let fleet = FleetStatus {
            now_ms: 1_700_000_120_000,
            counts,
            hosts: vec![host],
            after: Some("failing/db-1".to_owned()),
            troubles: Vec::new(),
            leases: vec![lease],
        };
        let text = status(&fleet, PLAIN);
        assert!(text.starts_with("8 hosts: 1 failing, 7 converged\n"), "{text}");
        let line = text.lines().nth(3).unwrap();
        for part in [
            "db-1",
            "failing",
            "2 min ",
            "main",
            "0123456789ab ",
            "2 min ago",
            "1 failed",
            "odd\\u{1b}[2J",
            "2 reports missing",
            "not run its newest",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(line.contains("waiting on db-2: module \"galera\"; 1 refresh owed, the oldest for 2 min"), "{line}");
        assert!(text.contains("--after failing/db-1"));
        let words: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(words.join(" "), "galera db-2 held 2 min it is not ready: 2 of 3\\u{1b}[2J");
    }

    #[test]
    fn a_host_that_fails_in_what_its_last_run_left_out_says_so() {
        let last = ReportSummary { condition: Condition::Converged, totals: Totals::default(), remarks: Vec::new(), ..summary() };
        let host = |condition| HostStatus {
            host: "db-1".to_owned(),
            condition,
            since_ms: 0,
            environment: "main".to_owned(),
            last: Some(last.clone()),
            waiting_for: Vec::new(),
            owed: Vec::new(),
            missing_reports: 0,
            behind: false,
        };
        assert_eq!(remarks(&host(Condition::Failing), 0), "failing is what the last run left out");
        assert_eq!(remarks(&host(Condition::Converged), 0) + &remarks(&host(Condition::Silent), 0), "");
    }

    #[test]
    fn a_history_says_commit_trigger_and_relation() {
        let resource = ResourceReport {
            address: Address::new("service", "nginx"),
            origin: "web.kdl:7".to_owned(),
            modules: Vec::new(),
            outcome: Outcome::Changed,
            reason: None,
            changes: Vec::new(),
            refresh: Some(RefreshReport {
                effect: Effect::Reload,
                sources: vec![Address::new("file", "/etc/nginx.conf")],
                done: "reloaded".to_owned(),
            }),
            refreshes: Vec::new(),
            duration_us: 1,
        };
        let failed = ResourceReport {
            outcome: Outcome::Skipped,
            reason: Some(Reason::DependencyFailed { root: Address::new("package", "nginx") }),
            refresh: None,
            ..resource.clone()
        };
        let mut earlier = summary();
        earlier.id = "0f-0".to_owned();
        let runs = vec![ResourceRun { run: summary(), resource }, ResourceRun { run: earlier, resource: failed }];
        let known = ResourceHistory {
            host: "db-1".to_owned(),
            address: Address::new("service", "nginx"),
            declared: Some(true),
            near: Vec::new(),
            last: Some(summary()),
            runs,
        };
        let text = history(&known, Style { paint: PLAIN, all: true, full: true });
        for part in [
            "service \"nginx\" on db-1",
            "commit 0123456789ab of main, started by: operator alice",
            "report 0f-1, declared at web.kdl:7",
            "reloaded because of file \"/etc/nginx.conf\"",
            "because: skipped, package \"nginx\" failed",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let gone = ResourceHistory { declared: Some(false), near: vec!["(service)nginxx".to_owned()], runs: Vec::new(), ..known.clone() };
        let text = history(&gone, Style { paint: PLAIN, all: true, full: true });
        assert!(text.contains("not in the host's newest catalog\n    there is (service)nginxx"), "{text}");
        let nothing = ResourceHistory { last: None, runs: Vec::new(), ..known };
        assert!(history(&nothing, Style { paint: PLAIN, all: true, full: true }).contains("no report"));
    }

    #[test]
    fn a_list_of_reports_goes_on() {
        let list = ReportList { reports: vec![summary()], before: Some(42) };
        let text = reports(&list, PLAIN);
        assert!(text.contains("1 failed, 3 unchanged") && text.contains("operator alice") && text.contains("--before 42"), "{text}");
    }
}
