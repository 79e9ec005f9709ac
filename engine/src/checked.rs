//! What `keel check` and `keel test` say of a site, as data: the forms that are published.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// The version of these forms; it grows when something is added, and its first number when something is removed or
/// changes its meaning.
pub const FORMAT_VERSION: &str = "1.0";

/// What `keel check --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckedSite {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// What was found.
    pub diagnostics: Vec<Finding>,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The stable code; `keel explain CODE` says what it means.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// What to try, one sentence each.
    pub help: Vec<String>,
    /// The host whose compile found it; none if it concerns the site.
    pub host: Option<String>,
    /// The places, the chief one first.
    pub labels: Vec<LabelledPlace>,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It stands in the way.
    Error,
    /// Probably not meant.
    Warning,
    /// Good to know.
    Note,
}

/// A place with what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabelledPlace {
    /// The path below the site's folder.
    pub file: String,
    /// A few words.
    pub text: String,
    /// The bytes of the file.
    pub span: ByteSpan,
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// Bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ByteSpan {
    /// The first one, from 0.
    pub start: usize,
    /// The one behind the last.
    pub end: usize,
}

/// A place in a text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// What `keel test --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestedSite {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// The site's name.
    pub site: String,
    /// Whether everything is as expected.
    pub holds: bool,
    /// The tests, in the order of their files.
    pub tests: Vec<TestedClaim>,
    /// How much of the site they reach.
    pub coverage: SiteCoverage,
    /// Where chance began, where hosts were converged.
    pub seed: Option<u64>,
    /// What came of converging hosts.
    pub converged: Vec<ConvergedHosts>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestedClaim {
    /// What holds, in a few words.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Whether it holds for all whom it is about.
    pub holds: bool,
    /// One for each host that it is about.
    pub cases: Vec<TestedCase>,
}

/// A test and a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestedCase {
    /// The host; none if the test is about nobody.
    pub host: Option<String>,
    /// Whether it holds.
    pub holds: bool,
    /// What is not as expected.
    pub failures: Vec<Finding>,
}

/// How much of a site its tests reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteCoverage {
    /// The site's own modules.
    pub modules: ModuleCoverage,
    /// The declarations in its manifests.
    pub resources: ResourceCoverage,
}

/// Modules that tests reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModuleCoverage {
    /// How many there are.
    pub all: usize,
    /// How many of them are in a catalog of a test.
    pub reached: usize,
    /// The names of the others.
    pub missed: Vec<String>,
}

/// Declarations that tests reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceCoverage {
    /// How many there are.
    pub all: usize,
    /// How many of them are in a catalog of a test.
    pub reached: usize,
    /// How many of them a test expects something of.
    pub expected: usize,
    /// The ones that are in no catalog of a test.
    pub missed: Vec<Declaration>,
}

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Declaration {
    /// The path below the site's folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is declared.
    pub what: String,
}

/// Hosts with the same files, converged from many states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConvergedHosts {
    /// The hosts.
    pub hosts: Vec<String>,
    /// Whether all states came to the same end, and a second run was empty.
    pub converges: bool,
    /// How many resources took part.
    pub resources: usize,
    /// How many states a run was started from.
    pub states: usize,
    /// What did not take part.
    pub left_out: Vec<LeftOut>,
    /// What is wrong.
    pub failures: Vec<Finding>,
}

/// A resource that did not take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// Which.
    pub address: Address,
    /// Why.
    pub why: String,
}
