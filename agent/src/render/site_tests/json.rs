//! Tests as data.

use keel_engine::checked::{
    ConvergedHosts, Declaration, FORMAT_VERSION, LeftOut, ModuleCoverage, ResourceCoverage, SiteCoverage, TestedCase, TestedClaim,
    TestedSite,
};
use keel_manifests::site_tests::Place;

use super::Tested;
use crate::render::diagnostics::{Sources, findings};

/// What came of it.
pub fn render(tested: &Tested, sources: &Sources) -> TestedSite {
    let tests = tested.results.iter().map(|result| TestedClaim {
        name: result.name.to_string(),
        file: result.file.to_string(),
        holds: !result.failed(),
        cases: result
            .cases
            .iter()
            .map(|case| TestedCase {
                host: case.host.clone(),
                holds: case.failures.is_empty(),
                failures: findings(&case.failures, sources),
            })
            .collect(),
    });
    let converged = tested.converged.iter().map(|one| ConvergedHosts {
        hosts: one.hosts.clone(),
        converges: one.failures.is_empty(),
        resources: one.convergence.tried,
        states: one.convergence.states,
        left_out: one.convergence.left_out.iter().map(|left| LeftOut { address: left.address.clone(), why: left.why.clone() }).collect(),
        failures: findings(&one.failures, sources),
    });
    let declaration = |place: &Place| Declaration { file: place.file.to_string(), line: place.line, what: place.what.to_string() };
    let coverage = &tested.coverage;
    TestedSite {
        format_version: FORMAT_VERSION.to_owned(),
        site: tested.site.clone(),
        holds: !tested.failed(),
        tests: tests.collect(),
        coverage: SiteCoverage {
            modules: ModuleCoverage {
                all: coverage.modules.len(),
                reached: coverage.modules_reached.len(),
                missed: coverage.modules_missed().map(ToString::to_string).collect(),
            },
            resources: ResourceCoverage {
                all: coverage.declarations.len(),
                reached: coverage.reached.len(),
                expected: coverage.expected.len(),
                missed: coverage.missed().map(declaration).collect(),
            },
        },
        seed: (!tested.converged.is_empty()).then_some(tested.seed),
        converged: converged.collect(),
    }
}
