//! A preview for people at a terminal.

use std::fmt::Write;

use keel_engine::difference::{Difference, Fate, ResourceDifference};
use keel_engine::preview::{Entry, Preview, Problem};

use super::{address, disruption, entry_totals, host_totals, hosts, problem, refresh, relation, remark, resource_totals, subject, verb};
use crate::render::change;
use crate::render::counted;
use crate::render::paint::printable;
use crate::render::report::Style;

/// Prints a preview.
pub fn render(preview: &Preview, style: Style) -> String {
    let paint = style.paint;
    let mut out = String::new();
    let head = format!("{} {}", verb(preview), subject(preview));
    let totals = format!("site {}, {}", printable(&preview.site), counted(preview.totals.hosts, "host"));
    line(&mut out, &format!("{}   {}", paint.bold(&head), paint.dim(&totals)));
    problems(&mut out, &preview.problems, style);
    for entry in &preview.entries {
        line(&mut out, "");
        entry_lines(&mut out, preview, entry, style);
    }
    line(&mut out, "");
    line(&mut out, &format!("{}  {}", paint.bold(&host_totals(preview)), paint.dim(&resource_totals(preview))));
    out
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

fn entry_lines(out: &mut String, preview: &Preview, entry: &Entry, style: Style) {
    let paint = style.paint;
    let head = match entry.hosts.as_slice() {
        [one] => one.clone(),
        several => format!("{}: {}", counted(several.len(), "host"), hosts(entry, style.full)),
    };
    line(out, &format!("{}  {}", paint.bold(&head), paint.dim(&entry_totals(preview, entry))));
    problems(out, &entry.problems, style);
    difference_lines(out, &entry.difference, style);
}

fn difference_lines(out: &mut String, difference: &Difference, style: Style) {
    let paint = style.paint;
    for resource in &difference.resources {
        resource_lines(out, resource, style);
    }
    for one in &difference.relations {
        line(out, &format!("{}  {}", relation(one), paint.dim(&printable(&one.origin))));
    }
    for one in &difference.settings {
        change::lines(one, style).iter().for_each(|text| line(out, text));
    }
    for one in &difference.refreshes {
        line(out, &format!("{} {}", paint.dim("then"), paint.yellow(&refresh(one))));
    }
    for one in &difference.disruptions {
        line(out, &paint.red(&format!("disruption: {}", disruption(one))));
    }
}

fn resource_lines(out: &mut String, resource: &ResourceDifference, style: Style) {
    let paint = style.paint;
    let glyph = resource.fate.glyph().to_string();
    let glyph = match resource.fate {
        Fate::Added => paint.green(&glyph),
        Fate::Changed => paint.yellow(&glyph),
        Fate::Deleted | Fate::Held | Fate::Failed => paint.red(&glyph),
        Fate::Restated | Fate::Noop | Fate::Released | Fate::Forgotten => paint.dim(&glyph),
        Fate::Run | Fate::Unknown | Fate::Waiting => paint.cyan(&glyph),
    };
    let shown = format!("{:<44}", address(&resource.address));
    line(out, &format!("{glyph} {shown}  {}  {}", remark(resource), paint.dim(&printable(&resource.origin))));
    for one in &resource.changes {
        change::lines(one, style).iter().for_each(|text| line(out, &format!("    {text}")));
    }
}

fn problems(out: &mut String, found: &[Problem], style: Style) {
    for one in found {
        line(out, &format!("  {}", style.paint.red(&problem(one))));
        one.help.iter().for_each(|help| line(out, &format!("      {} {}", style.paint.cyan("try:"), printable(help))));
    }
}
