//! A preview as a comment on a change: folded details, cut to a size. Whatever a site's authors chose stands
//! inside of `<code>` or fences, where it can neither format nor call anybody.

use std::fmt::Write;

use keel_engine::difference::ResourceDifference;
use keel_engine::preview::{Entry, HostState, Preview, Problem};

use super::{address, disruption, entry_totals, host_totals, hosts, problem, refresh, relation, remark, resource_totals, subject, verb};
use crate::render::change;
use crate::render::counted;
use crate::render::graph::entities;
use crate::render::paint::{Paint, printable};
use crate::render::report::Style;

/// Room for the sentence on what was left out.
const CLOSING_BYTES: usize = 300;

/// Prints a preview in at most so many bytes; `full` shows diffs of any length.
pub fn render(preview: &Preview, max_bytes: usize, full: bool) -> String {
    let mut out = format!("<!-- keel {} -->\n", verb(preview));
    let _ = writeln!(out, "### keel {} {}\n", verb(preview), code(&subject(preview)));
    let _ = writeln!(out, "**{}** · {}\n", host_totals(preview), resource_totals(preview));
    let room = max_bytes.saturating_sub(CLOSING_BYTES);
    let mut left = Left::default();
    for one in &preview.problems {
        add(&mut out, &problem_line(one), room, || left.problems += 1);
    }
    for entry in &preview.entries {
        let whole = entry_block(preview, entry, full);
        if out.len() + whole.len() <= room {
            out.push_str(&whole);
            continue;
        }
        let short = format!("{}: {}\n\n", summary(entry), code(&entry_totals(preview, entry)));
        let mut fits = true;
        add(&mut out, &short, room, || fits = false);
        if fits {
            left.details += 1;
        } else {
            left.entries += 1;
            left.hosts += entry.hosts.len();
        }
    }
    left.say(&mut out);
    out
}

fn add(out: &mut String, text: &str, room: usize, mut left_out: impl FnMut()) {
    if out.len() + text.len() <= room {
        out.push_str(text);
    } else {
        left_out();
    }
}

/// What there was no room for.
#[derive(Default)]
struct Left {
    problems: usize,
    details: usize,
    entries: usize,
    hosts: usize,
}

impl Left {
    fn say(&self, out: &mut String) {
        let parts = [
            (self.problems, counted(self.problems, "problem")),
            (self.details, format!("the details of {} above", counted(self.details, "entry").replace("entrys", "entries"))),
            (self.entries, format!("{} of changes on {}", counted(self.entries, "further set"), counted(self.hosts, "host"))),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
        if !parts.is_empty() {
            let _ = writeln!(out, "_Left out to fit the size: {}. `--format html` or `--max-bytes` shows them._", parts.join("; "));
        }
    }
}

fn summary(entry: &Entry) -> String {
    format!("<b>{}</b> {}", counted(entry.hosts.len(), "host"), code(&hosts(entry, false)))
}

fn entry_block(preview: &Preview, entry: &Entry, full: bool) -> String {
    let mut out = String::new();
    let open = if matches!(entry.state, HostState::Broken | HostState::Silent) { " open" } else { "" };
    let interrupted = entry.difference.disruptions.len();
    let warning = if interrupted > 0 { format!(" · <b>{}</b>", counted(interrupted, "disruption")) } else { String::new() };
    let _ = writeln!(out, "<details{open}><summary>{}: {}{warning}</summary>\n", summary(entry), entities(&entry_totals(preview, entry)));
    entry.problems.iter().for_each(|one| out.push_str(&problem_line(one)));
    let mut body = String::new();
    entry.difference.resources.iter().for_each(|one| resource_lines(&mut body, one, full));
    entry.difference.relations.iter().for_each(|one| body.push_str(&format!("{}\n", relation(one))));
    for one in &entry.difference.settings {
        change::lines(one, style(full)).iter().for_each(|text| body.push_str(&format!("{text}\n")));
    }
    entry.difference.refreshes.iter().for_each(|one| body.push_str(&format!("then {}\n", refresh(one))));
    if !body.is_empty() {
        let fence = fence(&body);
        let _ = writeln!(out, "{fence}diff\n{body}{fence}\n");
    }
    for one in &entry.difference.disruptions {
        let _ = writeln!(out, "- **disruption** {}", code(&disruption(one)));
    }
    if interrupted > 0 {
        out.push('\n');
    }
    out.push_str("</details>\n\n");
    out
}

fn style(full: bool) -> Style {
    Style { paint: Paint { colour: false }, all: false, full }
}

/// Lines of diffs stand at the very left, where forges paint them.
fn resource_lines(out: &mut String, resource: &ResourceDifference, full: bool) {
    let (shown, origin) = (address(&resource.address), printable(&resource.origin));
    let _ = writeln!(out, "{} {shown}  {}  {origin}", resource.fate.glyph(), remark(resource));
    for one in &resource.changes {
        for text in change::lines(one, style(full)) {
            let text = text.strip_prefix("  ").map_or_else(|| format!("    {text}"), str::to_owned);
            let _ = writeln!(out, "{text}");
        }
    }
}

fn problem_line(one: &Problem) -> String {
    let help: String = one.help.iter().map(|help| format!("<br>try: {}", code(&printable(help)))).collect();
    format!("- {}{help}\n\n", code(&problem(one)))
}

/// Text that nobody reads for more than text: entities in `<code>`, and no character that Markdown knows.
fn code(text: &str) -> String {
    let plain = entities(text);
    let mut safe = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '`' | '*' | '_' | '[' | ']' | '\\' | '|' | '~' | '#' | '@' | '!' | ':' => {
                let _ = write!(safe, "&#{};", u32::from(character));
            }
            other => safe.push(other),
        }
    }
    format!("<code>{safe}</code>")
}

/// A fence longer than any run of backticks in the text.
fn fence(body: &str) -> String {
    let longest = body.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(3.max(longest + 1))
}
