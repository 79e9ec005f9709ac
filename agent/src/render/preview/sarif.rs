//! A preview as a SARIF 2.1.0 log: each change is a result at the manifest line that declares it.

use keel_engine::difference::{Fate, ResourceDifference};
use keel_engine::digest::Digest;
use keel_engine::preview::{Entry, HostState, Level, Place, Preview, Problem};
use serde_json::{Value, json};

use super::{address, disruption, on_hosts, place_of, problem, remark};

/// The rules besides the compiler's codes: what can become of a resource.
const RULES: [(&str, &str); 4] = [
    ("keel-change", "A resource comes, goes or changes on hosts."),
    ("keel-disruption", "A service restarts or stops, or software changes, on hosts."),
    ("keel-failed", "What would change cannot be told."),
    ("keel-silent", "A host did not answer."),
];

/// Makes the log.
pub fn render(preview: &Preview) -> Value {
    let mut results: Vec<Value> = preview.problems.iter().map(|one| of_problem(preview, one, "the site")).collect();
    for entry in &preview.entries {
        let hosts = on_hosts(entry);
        results.extend(entry.problems.iter().map(|one| of_problem(preview, one, &hosts)));
        if entry.state == HostState::Silent {
            results.push(result(preview, "keel-silent", "error", &format!("{hosts}: no answer in time"), None));
        }
        results.extend(entry.difference.resources.iter().map(|one| of_resource(preview, entry, one)));
        for one in &entry.difference.disruptions {
            let text = format!("{}\n{hosts}", disruption(one));
            let declared = entry
                .difference
                .resources
                .iter()
                .find(|known| known.address == one.address || one.sources.iter().any(|cause| cause.is(&known.address)));
            results.push(result(preview, "keel-disruption", "warning", &text, declared.and_then(|one| place_of(&one.origin))));
        }
    }
    let rules: Vec<Value> = rules(&results);
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "keel", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    })
}

fn rules(results: &[Value]) -> Vec<Value> {
    let mut used: Vec<&str> = results.iter().filter_map(|result| result.get("ruleId")?.as_str()).collect();
    used.sort_unstable();
    used.dedup();
    let rule = |id: &str| {
        let own = RULES.iter().find(|(known, _)| *known == id).map(|(_, text)| (*text, *text));
        let code = keel_manifests::codes::find(id).map(|code| (code.title, code.explanation));
        let (short, full) = own.or(code).unwrap_or((id, id));
        json!({ "id": id, "name": id, "shortDescription": { "text": short }, "fullDescription": { "text": full } })
    };
    used.into_iter().map(rule).collect()
}

fn of_problem(preview: &Preview, one: &Problem, hosts: &str) -> Value {
    let level = match one.level {
        _ if one.in_base => "note",
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    };
    let help: String = one.help.iter().map(|help| format!("\n{help}")).collect();
    let place = one.place.clone().filter(|place| !place.file.starts_with('('));
    result(preview, one.code.as_deref().unwrap_or("keel-failed"), level, &format!("{}{help}\n{hosts}", problem(one)), place)
}

fn of_resource(preview: &Preview, entry: &Entry, one: &ResourceDifference) -> Value {
    let attributes: Vec<&str> = one.changes.iter().map(|change| change.attribute.as_str()).collect();
    let attributes = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    let text = format!("{} {}: {}{attributes}\n{}", one.fate.glyph(), address(&one.address), remark(one), on_hosts(entry));
    let (rule, level) = match one.fate {
        Fate::Failed => ("keel-failed", "error"),
        Fate::Deleted | Fate::Held => ("keel-change", "warning"),
        _ => ("keel-change", "note"),
    };
    result(preview, rule, level, &text, place_of(&one.origin))
}

fn result(preview: &Preview, rule: &str, level: &str, text: &str, place: Option<Place>) -> Value {
    let uri = |file: &str| uri(&format!("{}{file}", preview.folder));
    let location = place.map(|place| {
        json!({ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.file) },
            "region": { "startLine": place.line, "startColumn": place.column },
        } })
    });
    let locations: Vec<Value> = location.into_iter().collect();
    // The line is no part of it: what moves up or down is the same finding.
    let print = Digest::of(format!("{rule}\0{text}").as_bytes()).to_string();
    json!({
        "ruleId": rule,
        "level": level,
        "message": { "text": text },
        "locations": locations,
        "partialFingerprints": { "keel/v1": print },
    })
}

/// A path as a relative address: everything but letters, digits and a few marks is escaped.
fn uri(path: &str) -> String {
    let mut safe = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => safe.push(char::from(byte)),
            other => safe.push_str(&format!("%{other:02X}")),
        }
    }
    safe
}
