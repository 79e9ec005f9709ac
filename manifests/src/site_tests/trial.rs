//! Trying all tests of a site: each on every host that it is about, with what it gives.

use std::collections::BTreeSet;
use std::sync::Arc;

use keel_engine::resource::Types;

use super::SiteTest;
use super::coverage::{Coverage, Steps};
use super::judge::{Verdict, judge};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::files::SiteFiles;
use crate::site::{LoadOptions, Site};
use crate::site_data::{SiteInput, WithoutFacts};
use crate::sources::{Extent, LoweredCache};
use crate::syntax::{Assignment, AssignmentWord};
use crate::workers::for_each;

/// What tests are tried on.
pub struct Stage<'s> {
    /// The site as it is, loaded.
    pub site: &'s Site,
    /// Its files.
    pub files: Arc<dyn SiteFiles + Send + Sync>,
    /// Manifests as they were read before.
    pub cache: Option<&'s dyn LoweredCache>,
    /// The resource types.
    pub types: &'static dyn Types,
}

/// One test on one host.
#[derive(Debug, Clone)]
pub struct Case {
    /// The host; none where there is nobody that it could be tried on.
    pub host: Option<String>,
    /// What is not as expected.
    pub failures: Vec<Diagnostic>,
}

/// What came of a test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The test's name.
    pub name: String,
    /// The file it stands in.
    pub file: Arc<str>,
    /// Where its name stands there, in bytes.
    pub span: std::ops::Range<usize>,
    /// One for every host.
    pub cases: Vec<Case>,
}

impl TestResult {
    /// Whether anything is not as expected.
    pub fn failed(&self) -> bool {
        self.cases.iter().any(|case| !case.failures.is_empty())
    }
}

/// Tries tests, several at a time; the results come in their order.
pub fn run(tests: &[SiteTest], stage: &Stage<'_>) -> (Vec<TestResult>, Coverage) {
    let mut coverage = Coverage::of(stage.site);
    let tried = for_each(tests, |test| attempt(test, stage));
    let results = tests.iter().zip(tried).map(|(test, tried)| {
        let cases = match tried {
            Ok(cases) => cases,
            Err(found) => vec![(None, Verdict { failures: vec![*found], steps: Steps::default() })],
        };
        cases.iter().for_each(|(_, verdict)| coverage.add(&verdict.steps));
        let cases = cases.into_iter().map(|(host, verdict)| Case { host, failures: verdict.failures }).collect();
        TestResult { name: test.name.text.to_string(), file: Arc::clone(&test.file), span: test.name.span.into(), cases }
    });
    let results: Vec<TestResult> = results.collect();
    (results, coverage)
}

/// Tries a test on each of its hosts.
fn attempt(test: &SiteTest, stage: &Stage<'_>) -> Result<Vec<(Option<String>, Verdict)>, Box<Diagnostic>> {
    let hosts = subjects(test, stage.site)?;
    let of = |site: &Site| {
        let case = |host: &String| {
            let mut verdict = judge(test, site, &site.compile(host));
            verdict.failures.iter_mut().for_each(|failure| failure.host = Some(host.clone()));
            (Some(host.clone()), verdict)
        };
        hosts.iter().map(case).collect()
    };
    if test.gives_nothing() {
        return Ok(of(stage.site));
    }
    let files = test.files(&stage.files, &hosts)?;
    let input = SiteInput { run_variables: test.run_variables()?, without_facts: WithoutFacts::Profile, ..SiteInput::default() };
    let options = LoadOptions { input, extent: Extent::Used, cache: stage.cache };
    let (site, found) = Site::load(Arc::new(files), options, stage.types);
    // A variable that nothing mentions makes a test that cannot fail.
    let wrong = |one: &Diagnostic| one.is_error() || (one.code == codes::RUN_VARIABLE && one.severity == Severity::Warning);
    if let Some(wrong) = found.into_iter().find(wrong) {
        let given = Diagnostic { severity: Severity::Error, labels: Vec::new(), ..wrong.clone() };
        let mut given = given.at(&test.file, test.name.span.into(), "with what this test gives");
        given.labels.extend(wrong.labels.into_iter().filter(|label| !label.file.starts_with("facts/")));
        return Err(Box::new(given));
    }
    site.map(|site| of(&site)).ok_or_else(|| {
        let diagnostic = Diagnostic::error(codes::TEST_FORM, "the site cannot be loaded with what the test gives");
        Box::new(diagnostic.at(&test.file, test.name.span.into(), "this test"))
    })
}

/// The hosts that a test is about, in the order of the inventory.
fn subjects(test: &SiteTest, site: &Site) -> Result<Vec<String>, Box<Diagnostic>> {
    let mut meant: BTreeSet<String> = BTreeSet::new();
    for (word, name) in &test.subjects {
        // Nobody can be meant by a group or a selector, but not by a test.
        if let Some((problem, _)) = site.assignee_problem(*word, &name.text) {
            let problem = Diagnostic { severity: Severity::Error, ..problem };
            return Err(Box::new(problem.at(&test.file, name.span.into(), "here")));
        }
        if *word == AssignmentWord::On {
            meant.extend(site.select(&name.text).unwrap_or_default());
        } else {
            let assignment = Assignment { to: *word, names: vec![name.clone()], body: Vec::new() };
            meant.extend(site.hosts().filter(|host| site.assigned(&assignment, host)).map(str::to_owned));
        }
    }
    Ok(site.hosts().filter(|host| meant.contains(*host)).map(str::to_owned).collect())
}
