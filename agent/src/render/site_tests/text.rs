//! Tests for people.

use std::fmt::Write;

use keel_manifests::site_tests::TestResult;

use super::{Converged, Tested, coverage, folded, left_out, names};
use crate::render::counted;
use crate::render::diagnostics::{self, Sources};
use crate::render::paint::{Paint, printable};

/// What no test comes by is listed up to here.
const MISSED_MAX: usize = 10;

/// Prints what came of it.
pub fn render(tested: &Tested, sources: &Sources, paint: Paint) -> String {
    let mut out = String::new();
    let mut file = "";
    for result in &tested.results {
        if file != &*result.file {
            file = &result.file;
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}", printable(file));
        }
        one_test(&mut out, result, sources, paint);
    }
    if !tested.results.is_empty() {
        missed(&mut out, tested, paint);
    }
    tested.converged.iter().for_each(|one| converged(&mut out, one, tested.seed, sources, paint));
    out.push_str(&summary(tested, paint));
    out
}

fn one_test(out: &mut String, result: &TestResult, sources: &Sources, paint: Paint) {
    let hosts: Vec<String> = result.cases.iter().filter_map(|case| case.host.clone()).collect();
    let whom = if hosts.is_empty() { String::new() } else { paint.dim(&format!(" ({})", names(&hosts))) };
    let verdict = if result.failed() { paint.red("fails") } else { paint.green("holds") };
    let _ = writeln!(out, "  {verdict}  {}{whom}", printable(&result.name));
    let failures = folded(result);
    if !failures.is_empty() {
        out.push_str(&diagnostics::text(&failures, sources, paint));
    }
}

fn missed(out: &mut String, tested: &Tested, paint: Paint) {
    let _ = writeln!(out, "coverage: {}", coverage(&tested.coverage));
    let modules = tested.coverage.modules_missed().map(|name| format!("module {name}"));
    let places = tested.coverage.missed().map(|place| format!("{} ({}:{})", place.what, place.file, place.line));
    let missed: Vec<String> = modules.chain(places).collect();
    for one in missed.iter().take(MISSED_MAX) {
        let _ = writeln!(out, "  {}", paint.dim(&format!("not reached: {}", printable(one))));
    }
    if missed.len() > MISSED_MAX {
        let _ = writeln!(out, "  {}", paint.dim(&format!("and {} more, with --json", missed.len() - MISSED_MAX)));
    }
}

fn converged(out: &mut String, one: &Converged, seed: u64, sources: &Sources, paint: Paint) {
    let verdict = match (one.failures.is_empty(), one.convergence.tried) {
        (true, 0) => paint.cyan("has nothing that can be tried"),
        (true, _) => paint.green("converges"),
        (false, _) => paint.red("does not converge"),
    };
    let (tried, states) = (counted(one.convergence.tried, "resource"), counted(one.convergence.states, "state"));
    let _ = writeln!(out, "{}: {verdict}, {tried} from {states} (--seed {seed})", names(&one.hosts));
    if !one.convergence.left_out.is_empty() {
        let _ = writeln!(out, "  {}", paint.dim(&format!("left out: {}", left_out(&one.convergence))));
    }
    // What could have been tried and was not has a reason of its own.
    for left in one.convergence.left_out.iter().filter(|left| !left.why.starts_with("a `")) {
        let _ = writeln!(out, "  {}", paint.dim(&format!("left out {}: {}", left.address, printable(&left.why))));
    }
    if !one.failures.is_empty() {
        out.push_str(&diagnostics::text(&one.failures, sources, paint));
    }
}

fn summary(tested: &Tested, paint: Paint) -> String {
    let failed = tested.results.iter().filter(|result| result.failed()).count();
    let mut parts = Vec::new();
    if !tested.results.is_empty() {
        let tests = counted(tested.results.len(), "test");
        parts.push(if failed == 0 { format!("{tests}, all hold") } else { format!("{tests}, {}", paint.red(&format!("{failed} failed"))) });
    }
    if !tested.converged.is_empty() {
        let hosts: usize = tested.converged.iter().map(|one| one.hosts.len()).sum();
        let wrong: usize = tested.converged.iter().filter(|one| !one.failures.is_empty()).map(|one| one.hosts.len()).sum();
        let hosts = counted(hosts, "host");
        parts.push(if wrong == 0 { format!("{hosts}, all converge") } else { format!("{hosts}, {}", paint.red(&format!("{wrong} not"))) });
    }
    format!("{}: {}\n", tested.site, parts.join("; "))
}
