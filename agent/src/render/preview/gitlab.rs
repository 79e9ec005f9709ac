//! A preview as GitLab's code quality report, which it shows beside the lines of a merge request.

use keel_engine::difference::Fate;
use keel_engine::digest::Digest;
use keel_engine::preview::{HostState, Level, Place, Preview, Problem};
use serde_json::{Value, json};

use super::{address, disruption, on_hosts, place_of, problem, remark};

/// Where findings without a place are shown: every site has this file.
const SITE: &str = "keel.toml";

/// Makes the report.
pub fn render(preview: &Preview) -> Value {
    let mut found: Vec<Value> = preview.problems.iter().map(|one| of_problem(preview, one, "")).collect();
    for entry in &preview.entries {
        let hosts = on_hosts(entry);
        found.extend(entry.problems.iter().map(|one| of_problem(preview, one, &format!(" ({hosts})"))));
        if entry.state == HostState::Silent {
            found.push(finding(preview, "keel-silent", "critical", &format!("no answer in time ({hosts})"), None));
        }
        for one in &entry.difference.resources {
            let severity = match one.fate {
                Fate::Failed | Fate::Held => "critical",
                Fate::Deleted => "minor",
                _ => "info",
            };
            let text = format!("{} {}: {} ({hosts})", one.fate.glyph(), address(&one.address), remark(one));
            found.push(finding(preview, "keel-change", severity, &text, place_of(&one.origin)));
        }
        for one in &entry.difference.disruptions {
            let declared = entry
                .difference
                .resources
                .iter()
                .find(|known| known.address == one.address || one.sources.iter().any(|cause| cause.is(&known.address)));
            let place = declared.and_then(|one| place_of(&one.origin));
            found.push(finding(preview, "keel-disruption", "major", &format!("{} ({hosts})", disruption(one)), place));
        }
    }
    Value::Array(found)
}

fn of_problem(preview: &Preview, one: &Problem, hosts: &str) -> Value {
    let severity = match one.level {
        _ if one.in_base => "info",
        Level::Error => "blocker",
        Level::Warning => "minor",
        Level::Note => "info",
    };
    finding(preview, one.code.as_deref().unwrap_or("keel-problem"), severity, &format!("{}{hosts}", problem(one)), one.place.clone())
}

fn finding(preview: &Preview, name: &str, severity: &str, text: &str, place: Option<Place>) -> Value {
    let place = place.filter(|place| !place.file.starts_with('('));
    let (file, line) = place.map_or((SITE.to_owned(), 1), |place| (place.file, place.line));
    // The line is no part of it: what moves up or down is the same finding.
    let print = Digest::of(format!("{name}\0{text}").as_bytes()).to_string();
    json!({
        "description": text,
        "check_name": name,
        "fingerprint": print,
        "severity": severity,
        "location": { "path": format!("{}{file}", preview.folder), "lines": { "begin": line } },
    })
}
