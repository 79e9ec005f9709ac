//! A preview as a JUnit report: a suite a set of hosts, a case a resource. Only what cannot be told or does not
//! compile fails; a change is a case that passes, with the change as its output.

use std::collections::BTreeMap;
use std::fmt::Write;

use keel_engine::difference::ResourceDifference;
use keel_engine::preview::{Entry, HostState, Level, Preview, Problem};

use super::{address, disruption, on_hosts, problem, refresh, relation, remark, subject, verb};
use crate::render::change;
use crate::render::paint::{Paint, printable};
use crate::render::report::Style;

/// One test case.
struct Case {
    name: String,
    class: String,
    /// The element that says why it did not pass, with its message.
    wrong: Option<(&'static str, String)>,
    output: String,
}

/// Prints a preview.
pub fn render(preview: &Preview) -> String {
    let mut suites: Vec<(String, Vec<Case>)> = Vec::new();
    if !preview.problems.is_empty() {
        suites.push(("site".to_owned(), problem_cases("site", &preview.problems)));
    }
    suites.extend(preview.entries.iter().map(|entry| (on_hosts(entry), cases(preview, entry))));
    let unchanged = preview.unchanged.iter().map(|host| passed(host, preview.words(HostState::Unchanged), String::new()));
    suites.push((format!("{} hosts", preview.words(HostState::Unchanged)), unchanged.collect()));
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = format!("keel {} {}", verb(preview), subject(preview));
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        xml(&name),
        all().count(),
        count(all(), "failure"),
        count(all(), "error")
    );
    suites.iter().for_each(|(name, cases)| suite(&mut out, name, cases));
    out.push_str("</testsuites>\n");
    out
}

fn count<'a>(cases: impl Iterator<Item = &'a Case>, element: &str) -> usize {
    cases.filter(|case| case.wrong.as_ref().is_some_and(|(name, _)| *name == element)).count()
}

fn suite(out: &mut String, name: &str, cases: &[Case]) {
    let (failures, errors) = (count(cases.iter(), "failure"), count(cases.iter(), "error"));
    let _ = writeln!(out, "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">", xml(name), cases.len());
    for case in cases {
        let _ = write!(out, "    <testcase name=\"{}\" classname=\"{}\">", xml(&case.name), xml(&case.class));
        if let Some((element, message)) = &case.wrong {
            let _ = write!(out, "\n      <{element} message=\"{0}\">{0}</{element}>", xml(message));
        }
        if !case.output.is_empty() {
            let _ = write!(out, "\n      <system-out>{}</system-out>", xml(&case.output));
        }
        let _ = writeln!(out, "\n    </testcase>");
    }
    out.push_str("  </testsuite>\n");
}

fn passed(name: &str, class: &str, output: String) -> Case {
    Case { name: name.to_owned(), class: class.to_owned(), wrong: None, output }
}

/// A case for each problem. Collectors know a case by its name, so no two have the same.
fn problem_cases(class: &str, problems: &[Problem]) -> Vec<Case> {
    let mut known = BTreeMap::<String, usize>::new();
    let case = |one: &Problem| {
        let name = problem_name(one);
        let count = known.entry(name.clone()).or_default();
        *count += 1;
        let name = if *count == 1 { name } else { format!("{name} ({count})") };
        of_problem(name, class, one)
    };
    problems.iter().map(case).collect()
}

/// What a problem is and where: `KE0202 manifests/site.kdl:2:5`; of one without a place, what it says.
fn problem_name(one: &Problem) -> String {
    let code = one.code.as_deref().unwrap_or("compiles");
    match &one.place {
        Some(place) => format!("{code} {}:{}:{}", printable(&place.file), place.line, place.column),
        None => format!("{code} {}", printable(&one.message)),
    }
}

fn of_problem(name: String, class: &str, one: &Problem) -> Case {
    let help: String = one.help.iter().map(|help| format!("\ntry: {help}")).collect();
    let text = format!("{}{help}", problem(one));
    let wrong = (one.level == Level::Error && !one.in_base).then(|| ("failure", text.clone()));
    Case { name, class: class.to_owned(), output: if wrong.is_some() { String::new() } else { text }, wrong }
}

fn cases(preview: &Preview, entry: &Entry) -> Vec<Case> {
    let class = on_hosts(entry);
    let mut cases = problem_cases(&class, &entry.problems);
    let missing = match entry.state {
        HostState::Broken if cases.is_empty() && entry.difference.is_empty() => Some("there is no catalog"),
        HostState::Silent => Some("the host did not answer in time: what would change there is not known"),
        _ => None,
    };
    cases.extend(missing.map(|why| Case {
        name: "answers".to_owned(),
        class: class.clone(),
        wrong: Some(("error", why.to_owned())),
        output: String::new(),
    }));
    cases.extend(entry.difference.resources.iter().map(|one| of_resource(&class, one)));
    let lines = |texts: Vec<String>| texts.join("\n");
    let difference = &entry.difference;
    let settings = difference.settings.iter().flat_map(|one| change::lines(one, style())).collect();
    let besides = [
        ("relations", lines(difference.relations.iter().map(relation).collect())),
        ("settings", lines(settings)),
        ("refreshes", lines(difference.refreshes.iter().map(refresh).collect())),
        ("disruptions", lines(difference.disruptions.iter().map(disruption).collect())),
    ];
    cases.extend(besides.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| passed(name, &class, text)));
    if cases.is_empty() {
        cases.push(passed(preview.words(entry.state), &class, String::new()));
    }
    cases
}

fn of_resource(class: &str, resource: &ResourceDifference) -> Case {
    let mut lines = vec![format!("{}  {}", remark(resource), resource.origin)];
    lines.extend(resource.changes.iter().flat_map(|one| change::lines(one, style())));
    let failed = resource.fate == keel_engine::difference::Fate::Failed;
    let name = format!("{} {}", resource.fate.glyph(), address(&resource.address));
    let wrong = failed.then(|| ("failure", remark(resource)));
    Case { name, class: class.to_owned(), wrong, output: lines.join("\n") }
}

fn style() -> Style {
    Style { paint: Paint { colour: false }, all: false, full: true }
}

/// Text between tags or in attributes. What XML has no way to say is left out.
pub(in crate::render) fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(character),
            hidden if hidden.is_control() || matches!(hidden, '\u{fffe}' | '\u{ffff}') => safe.extend(hidden.escape_default()),
            plain => safe.push(plain),
        }
    }
    safe
}
