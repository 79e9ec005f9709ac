//! Tests as a JUnit report: a suite a file, a case a test and host; what converges is a suite of its own.

use std::fmt::Write;

use keel_manifests::diagnostic::Diagnostic;

use super::{Tested, coverage, left_out, names};
use crate::render::diagnostics::{self, Sources};
use crate::render::paint::Paint;
use crate::render::preview::junit::xml;

struct Case<'t> {
    name: String,
    failures: &'t [Diagnostic],
}

/// Prints what came of it.
pub fn render(tested: &Tested, sources: &Sources) -> String {
    let mut suites: Vec<(String, Vec<Case<'_>>, String)> = Vec::new();
    for result in &tested.results {
        let cases = result.cases.iter().map(|case| {
            let whom = case.host.as_ref().map(|host| format!(" [{host}]")).unwrap_or_default();
            Case { name: format!("{}{whom}", result.name), failures: &case.failures }
        });
        match suites.last_mut().filter(|(file, _, _)| **file == *result.file) {
            Some((_, known, _)) => known.extend(cases),
            None => suites.push((result.file.to_string(), cases.collect(), String::new())),
        }
    }
    if let Some((_, _, output)) = suites.last_mut() {
        *output = format!("coverage: {}", coverage(&tested.coverage));
    }
    if !tested.converged.is_empty() {
        let cases = tested.converged.iter().map(|one| Case { name: names(&one.hosts), failures: &one.failures });
        let left = tested.converged.iter().map(|one| format!("{}: left out {}", names(&one.hosts), left_out(&one.convergence)));
        let output = format!("--seed {}\n{}", tested.seed, left.collect::<Vec<_>>().join("\n"));
        suites.push(("converge".to_owned(), cases.collect(), output));
    }
    let all = || suites.iter().flat_map(|(_, cases, _)| cases);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let failed = all().filter(|case| !case.failures.is_empty()).count();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"keel test {}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\">",
        xml(&tested.site),
        all().count()
    );
    for (name, cases, output) in &suites {
        suite(&mut out, name, cases, output, sources);
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(out: &mut String, name: &str, cases: &[Case<'_>], output: &str, sources: &Sources) {
    let failed = cases.iter().filter(|case| !case.failures.is_empty()).count();
    let _ = writeln!(out, "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\">", xml(name), cases.len());
    for case in cases {
        let _ = write!(out, "    <testcase name=\"{}\" classname=\"{}\">", xml(&case.name), xml(name));
        if let Some(first) = case.failures.first() {
            let text = diagnostics::text(case.failures, sources, Paint { colour: false });
            let _ = write!(out, "\n      <failure message=\"{}\">{}</failure>", xml(&first.message), xml(&text));
        }
        let _ = writeln!(out, "\n    </testcase>");
    }
    if !output.is_empty() {
        let _ = writeln!(out, "    <system-out>{}</system-out>", xml(output));
    }
    out.push_str("  </testsuite>\n");
}
