//! Tests of a site, without a host: `tests/*.kdl` says what is given and what the catalogs shall hold.

mod coverage;
mod expectation;
mod given;
mod judge;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::files::{SiteFiles, list_with_extension};
use crate::lower::lower_tests;
use crate::parse::document;
use crate::syntax::{AssignmentWord, Attribute, Name, Reference, Scalar, Span};
use crate::workers::for_each;

pub use coverage::{Coverage, Place};
pub use trial::{Case, Stage, TestResult, run};

/// Where tests stand.
pub const TESTS_FOLDER: &str = "tests";

/// One test.
#[derive(Debug, Clone)]
pub struct SiteTest {
    /// What holds, in a few words.
    pub name: Name,
    /// The file it stands in.
    pub file: Arc<str>,
    /// Who it is about.
    pub(crate) subjects: Vec<(AssignmentWord, Name)>,
    /// Facts beside the recorded ones.
    pub(crate) facts: Vec<FactsOf>,
    /// Variables beside the inventory's.
    pub(crate) variables: Vec<Attribute>,
    /// What is expected.
    pub(crate) expectations: Vec<Expectation>,
}

/// `facts "FILE" host=NAME { ... }`
#[derive(Debug, Clone)]
pub(crate) struct FactsOf {
    /// A file of the site that replaces the recorded facts.
    pub(crate) file: Option<Name>,
    /// Whose facts; those of whom the test is about, if nobody is named.
    pub(crate) host: Option<Name>,
    /// Single facts.
    pub(crate) values: Vec<Attribute>,
}

/// Something that a test expects.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) claim: Claim,
    /// The word's place.
    pub(crate) span: Span,
}

/// What is expected.
#[derive(Debug, Clone)]
pub(crate) enum Claim {
    /// The catalog has it, with these attributes.
    Contains { target: Reference, attributes: Vec<ExpectedAttribute> },
    /// The catalog has no such thing.
    Lacks(Reference),
    /// One thing comes before another.
    Orders { first: Reference, then: Reference },
    /// A change of `after` refreshes the target.
    Refreshes { target: Reference, after: Reference, effect: Option<Name> },
    /// The host does not compile.
    Fails(Option<Name>),
}

/// An attribute, or an entry of a table.
#[derive(Debug, Clone)]
pub(crate) struct ExpectedAttribute {
    pub(crate) name: Name,
    pub(crate) value: Expected,
}

/// What a value shall be.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// This value.
    Scalar(Scalar, Span),
    /// This secret and nothing else.
    Secret(Arc<str>, Span),
    /// A text with this in it.
    Part(Arc<str>, Span),
    /// A text that this regular expression finds something in.
    Pattern(Arc<str>, Span),
    /// These items and no others.
    List(Vec<Expected>, Span),
    /// A table with these entries, and perhaps others.
    Table(Vec<ExpectedAttribute>, Span),
}

/// Reads all tests of a site, in the order of their files.
pub fn load(files: &dyn SiteFiles) -> (Vec<SiteTest>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let paths = list_with_extension(files, TESTS_FOLDER, ".kdl", &mut found);
    let mut tests: Vec<SiteTest> = Vec::new();
    for (read, diagnostics) in for_each(&paths, |path| read(files, path)) {
        tests.extend(read);
        found.extend(diagnostics);
    }
    refuse_doubled(&tests, &mut found);
    (tests, found)
}

fn read(files: &dyn SiteFiles, path: &str) -> (Vec<SiteTest>, Vec<Diagnostic>) {
    let file: Arc<str> = Arc::from(path);
    match files.read(path) {
        Ok(bytes) => match document(&file, &bytes.unwrap_or_default()) {
            Ok(document) => lower_tests(&file, &document),
            Err(found) => (Vec::new(), found),
        },
        Err(why) => (Vec::new(), vec![Diagnostic::error(codes::UNREADABLE, why).at(&file, 0..0, "this file")]),
    }
}

/// A name means one test: reports and people tell them apart by it.
fn refuse_doubled(tests: &[SiteTest], found: &mut Vec<Diagnostic>) {
    let mut first_by_name: BTreeMap<&str, &SiteTest> = BTreeMap::new();
    for test in tests {
        let first = first_by_name.entry(&test.name.text).or_insert(test);
        if !std::ptr::eq(*first, test) {
            let diagnostic = Diagnostic::error(codes::TEST_FORM, format!("two tests are called `{}`", test.name.text));
            let diagnostic = diagnostic.at(&test.file, test.name.span.into(), "again here");
            found.push(diagnostic.at(&first.file, first.name.span.into(), "first here").help("give one of them another name"));
        }
    }
}

impl Expected {
    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        match self {
            Expected::Scalar(_, span)
            | Expected::Secret(_, span)
            | Expected::Part(_, span)
            | Expected::Pattern(_, span)
            | Expected::List(_, span)
            | Expected::Table(_, span) => *span,
        }
    }
}
