//! What came of a site's tests, in all its forms.

pub mod json;
pub mod junit;
pub mod text;

use std::collections::BTreeMap;

use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::site_tests::{Coverage, TestResult};

use super::counted;
use crate::convergence::Convergence;

/// What came of all tests.
pub struct Tested {
    /// The site's name.
    pub site: String,
    /// Each test.
    pub results: Vec<TestResult>,
    /// How much of the site they reach.
    pub coverage: Coverage,
    /// What came of converging, if that was asked for.
    pub converged: Vec<Converged>,
    /// Where chance began.
    pub seed: u64,
}

/// What came of converging hosts with the same files.
pub struct Converged {
    /// The hosts.
    pub hosts: Vec<String>,
    /// What was tried.
    pub convergence: Convergence,
    /// What is wrong.
    pub failures: Vec<Diagnostic>,
}

impl Tested {
    /// Whether anything is not as expected.
    pub fn failed(&self) -> bool {
        self.failures().next().is_some()
    }

    /// All that is not as expected.
    pub fn failures(&self) -> impl Iterator<Item = &Diagnostic> {
        let of_tests = self.results.iter().flat_map(|result| &result.cases).flat_map(|case| &case.failures);
        of_tests.chain(self.converged.iter().flat_map(|one| &one.failures))
    }
}

/// Failures that several hosts have in the same words, once, with whose they are.
fn folded(result: &TestResult) -> Vec<Diagnostic> {
    let mut folded: Vec<(Diagnostic, Vec<String>)> = Vec::new();
    for failure in result.cases.iter().flat_map(|case| &case.failures) {
        let nobodys = Diagnostic { host: None, ..failure.clone() };
        match folded.iter_mut().find(|(known, _)| *known == nobodys) {
            Some((_, hosts)) => hosts.extend(failure.host.clone()),
            None => folded.push((nobodys, failure.host.iter().cloned().collect())),
        }
    }
    folded.into_iter().map(|(failure, hosts)| Diagnostic { host: (!hosts.is_empty()).then(|| names(&hosts)), ..failure }).collect()
}

/// `web-1, web-2 and 7 more`.
fn names(hosts: &[String]) -> String {
    const NAMED: usize = 3;
    let named = hosts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if hosts.len() > NAMED { format!("{named} and {} more", hosts.len() - NAMED) } else { named }
}

/// `3 of 4 modules, 7 of 8 resources, 5 of them expected`.
fn coverage(coverage: &Coverage) -> String {
    let resources = counted(coverage.declarations.len(), "resource");
    let (modules, of) = (coverage.modules_reached.len(), counted(coverage.modules.len(), "module"));
    format!("{modules} of {of}, {} of {resources}, of {} something is expected", coverage.reached.len(), coverage.expected.len())
}

/// `package 2, service 1`.
fn left_out(convergence: &Convergence) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    convergence.left_out.iter().for_each(|one| *counts.entry(&one.address.type_name).or_default() += 1);
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
