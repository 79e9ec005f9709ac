//! A report as people read it all day: grouped by module, a line a resource, its attributes below,
//! the refreshes it causes, totals and time last.

use std::fmt::Write;

use keel_engine::report::{Cause, Mode, Outcome, Reason, Report, ResourceReport};

use super::change;
use super::counted;
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
    // Of a run that did not happen, or in which nothing did, the site is not known.
    let site = if report.site.is_empty() { String::new() } else { format!("site {}, ", report.site) };
    let catalog = format!("{site}catalog {}, {resources}", report.catalog.short());
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
        change::lines(&reported.change, style).iter().for_each(|text| line(out, format_args!("    {text}")));
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
        Some(reason) => paint_reason(resource.outcome, &reason.to_string(), paint),
        None => {
            let causes: Vec<Cause> = resource.changes.iter().map(|reported| reported.cause).collect();
            let first =
                [Cause::Undo, Cause::Purge, Cause::Drift, Cause::Intent, Cause::New].into_iter().find(|cause| causes.contains(cause));
            let word = first.map_or(if resource.refresh.is_some() { "refresh" } else { "unchanged" }, Cause::word);
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
    // Whoever wants to take it back has to name it.
    let name = if report.has_made_changes() { format!(", run {}", report.run) } else { String::new() };
    line(out, format_args!("{}  {}", paint.bold(&totals(report)), paint.dim(&format!("in {seconds}.{rest:03} s{name}"))));
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
