//! A report as people read it all day: grouped by module, a line a resource, its attributes below,
//! the refreshes it causes, totals and time last.

use std::fmt::Write;

use keel_engine::change::{Action, Change, Shown};
use keel_engine::report::{Cause, Mode, Outcome, Reason, Report, ReportedChange, ResourceReport};

use super::counted;
use super::diff;
use super::moment::span;
use super::paint::{Paint, printable};

/// How much to show, and how.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Colour or none.
    pub paint: Paint,
    /// Unchanged and filtered resources, too.
    pub all: bool,
    /// Diffs of any length.
    pub full: bool,
}

/// Prints a report.
pub fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let verb = match report.mode {
        Mode::Plan => "plan",
        Mode::Apply => "apply",
    };
    let head = format!("{verb} {}", report.host);
    let resources = counted(report.totals.resources, "resource");
    let catalog = format!("site {}, catalog {}, {resources}", report.site, report.catalog.short());
    line(&mut out, format_args!("{}   {}", style.paint.bold(&head), style.paint.dim(&catalog)));
    for warning in &report.warnings {
        line(&mut out, format_args!("{} {}", style.paint.yellow("warning:"), printable(warning)));
    }
    for (module, resources) in by_module(report, style) {
        line(&mut out, format_args!(""));
        line(&mut out, format_args!("{}", style.paint.bold(&module)));
        for resource in resources {
            resource_lines(&mut out, resource, style);
        }
    }
    closing(&mut out, report, style);
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

/// The resources worth showing, under the outermost module they stand in, in the order of application.
fn by_module(report: &Report, style: Style) -> Vec<(String, Vec<&ResourceReport>)> {
    let mut groups: Vec<(String, Vec<&ResourceReport>)> = Vec::new();
    for resource in report.resources.iter().filter(|resource| is_shown(resource, style)) {
        let path: Vec<&str> = resource.modules.iter().rev().map(String::as_str).collect();
        let name = if path.is_empty() { report.site.clone() } else { path.join(" > ") };
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, members)) => members.push(resource),
            None => groups.push((name, vec![resource])),
        }
    }
    groups
}

fn is_shown(resource: &ResourceReport, style: Style) -> bool {
    style.all || !matches!((resource.outcome, &resource.reason), (Outcome::Unchanged, _) | (_, Some(Reason::Filtered)))
}

/// Prints one resource.
pub fn resource_text(resource: &ResourceReport, style: Style) -> String {
    let mut out = String::new();
    resource_lines(&mut out, resource, style);
    out
}

fn resource_lines(out: &mut String, resource: &ResourceReport, style: Style) {
    let paint = style.paint;
    let glyph = resource.glyph().to_string();
    let glyph = match resource.glyph() {
        '+' => paint.green(&glyph),
        '-' | 'x' => paint.red(&glyph),
        '~' | '*' => paint.yellow(&glyph),
        '=' | '.' => paint.dim(&glyph),
        _ => paint.cyan(&glyph),
    };
    let address = format!("{:<44}", resource.address.to_string());
    line(out, format_args!("{glyph} {}  {}  {}", address, why(resource, paint), paint.dim(&resource.origin)));
    for reported in &resource.changes {
        change_lines(out, reported, style);
    }
    if let Some(refresh) = &resource.refresh {
        let sources: Vec<String> = refresh.sources.iter().map(ToString::to_string).collect();
        line(out, format_args!("    {} because of {}", paint.yellow(&refresh.done), sources.join(", ")));
    }
    for target in &resource.refreshes {
        line(out, format_args!("    {} {} {}", paint.dim("then"), target.effect, target.target));
    }
    if let Some(help) = help(resource.reason.as_ref()) {
        line(out, format_args!("    {} {}", paint.cyan("try:"), printable(help)));
    }
}

fn help(reason: Option<&Reason>) -> Option<&str> {
    match reason? {
        Reason::CannotTell { help, .. } | Reason::ApplyFailed { help, .. } | Reason::RefreshFailed { help, .. } => help.as_deref(),
        _ => None,
    }
}

/// The reason in a few words: for a change who moved, for all else what stands in the way.
fn why(resource: &ResourceReport, paint: Paint) -> String {
    match &resource.reason {
        Some(reason) => paint_reason(resource.outcome, &reason_text(reason), paint),
        None => {
            let causes: Vec<Cause> = resource.changes.iter().map(|reported| reported.cause).collect();
            let word = if causes.contains(&Cause::Drift) {
                "drift"
            } else if causes.contains(&Cause::Intent) {
                "intent"
            } else if causes.contains(&Cause::New) {
                "new"
            } else if resource.refresh.is_some() {
                "refresh"
            } else {
                "unchanged"
            };
            paint.dim(word)
        }
    }
}

fn paint_reason(outcome: Outcome, text: &str, paint: Paint) -> String {
    let text = printable(text);
    match outcome {
        Outcome::Failed => paint.red(&text),
        _ => paint.cyan(&text),
    }
}

/// A reason as a sentence.
pub fn reason_text(reason: &Reason) -> String {
    match reason {
        Reason::CannotTell { message, .. } => format!("cannot tell: {message}"),
        Reason::ApplyFailed { message, .. } => format!("failed: {message}"),
        Reason::DidNotConverge { attributes } => format!("did not converge: {} still differs after the change", attributes.join(", ")),
        Reason::RefreshFailed { message, .. } => format!("refresh failed, still owed: {message}"),
        Reason::RefreshOwed { message } => format!("not refreshed, still owed: {message}"),
        Reason::DependencyFailed { root } => format!("skipped, {root} failed"),
        Reason::Filtered => "left out by --only or --skip".to_owned(),
        Reason::Stopped => "skipped, the run was asked to stop".to_owned(),
        Reason::Noop => "noop, only planned".to_owned(),
        Reason::Schedule { name, opens } => format!("waiting for schedule {name}: opens {opens}"),
        Reason::Gate { host, target, why: None } => format!("waiting on {host}: {target}"),
        Reason::Gate { host, target, why: Some(why) } => format!("waiting on {host}: {target} ({why})"),
        Reason::DependencyWaiting { root } => format!("waiting, because {root} waits"),
        Reason::Until { root, message: None } => format!("unknown until {root}"),
        Reason::Until { root, message: Some(message) } => format!("unknown until {root} ({message})"),
    }
}

fn change_lines(out: &mut String, reported: &ReportedChange, style: Style) {
    let Change { attribute, action, before, after } = &reported.change;
    match (before, after) {
        (Shown::Text(_), _) | (_, Shown::Text(_)) => text_lines(out, attribute, before, after, style),
        (Shown::Hidden, _) | (_, Shown::Hidden) => line(out, format_args!("    {attribute:<12} {}", hidden(before, after))),
        (Shown::Absent, after) => line(out, format_args!("    {attribute:<12} {}", printable(&after.summary()))),
        (before, after) => {
            let (before, after) = (printable(&before.summary()), printable(&after.summary()));
            if *action == Action::Run {
                // What it is for is said behind it: nothing goes from one value to another.
                return line(out, format_args!("    {attribute:<12} {after}, {before}"));
            }
            line(out, format_args!("    {attribute:<12} {} -> {}", style.paint.red(&before), style.paint.green(&after)));
        }
    }
}

fn hidden(before: &Shown, after: &Shown) -> &'static str {
    match (before, after) {
        (Shown::Absent, _) => "(secret) is set",
        (_, Shown::Absent) => "(secret) is removed",
        _ => "(secret) differs",
    }
}

fn text_lines(out: &mut String, attribute: &str, before: &Shown, after: &Shown, style: Style) {
    line(out, format_args!("    {attribute}"));
    match (before.as_text(), after.as_text()) {
        (Some(before), Some(after)) => {
            for text in diff::lines(before, after, style.paint, style.full) {
                line(out, format_args!("      {text}"));
            }
        }
        _ => line(out, format_args!("      {} -> {}", before.summary(), after.summary())),
    }
}

fn closing(out: &mut String, report: &Report, style: Style) {
    let paint = style.paint;
    if !report.owed.is_empty() || !report.released.is_empty() {
        line(out, format_args!(""));
    }
    for owed in &report.owed {
        let age = report.started_ms.saturating_sub(owed.since_ms) / 1000;
        let text = format!("owed for {}: {} {} because of {}", span(age), owed.effect, owed.target, owed.source);
        line(out, format_args!("{}", paint.yellow(&text)));
    }
    for address in &report.released {
        line(out, format_args!("{} {address} is no longer declared; it stays as it is", paint.dim("released:")));
    }
    line(out, format_args!(""));
    let seconds = report.duration_ms / 1000;
    let rest = report.duration_ms % 1000;
    line(out, format_args!("{}  {}", paint.bold(&totals(report)), paint.dim(&format!("in {seconds}.{rest:03} s"))));
}

/// The totals in one line; what there is none of is left out, but for the words that everybody looks for.
pub fn totals(report: &Report) -> String {
    let totals = report.totals;
    let mut parts = match report.mode {
        Mode::Plan => vec![format!("{} would change", totals.would_change)],
        Mode::Apply => vec![format!("{} changed", totals.changed)],
    };
    let refreshed = if report.mode == Mode::Plan { "would be refreshed" } else { "refreshed" };
    let rest = [
        (totals.refreshed, refreshed),
        (if report.mode == Mode::Apply { totals.would_change } else { 0 }, "noop"),
        (totals.unknown, "unknown"),
        (totals.failed, "failed"),
        (totals.skipped, "skipped"),
        (totals.waiting, "waiting"),
    ];
    parts.extend(rest.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    parts.push(format!("{} unchanged", totals.unchanged));
    parts.join(", ")
}
