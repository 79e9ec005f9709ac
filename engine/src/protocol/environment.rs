//! Environments: the git refs that hosts follow, and what became of their commits.

use serde::{Deserialize, Serialize};

/// Where operators ask how the environments stand.
pub const ENVIRONMENTS_PATH: &str = "/operator/v1/environments";

/// All environments, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvironmentList {
    /// The environments by name.
    pub environments: Vec<EnvironmentState>,
    /// What is wrong with the repository as a whole.
    pub trouble: Option<String>,
    /// The hosts that do not compile with the facts they sent; they keep what they had.
    pub failing: Vec<FailingHost>,
}

/// A host that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailingHost {
    /// The host.
    pub host: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What the compiler found, the gravest first.
    pub findings: Vec<Finding>,
}

/// One environment, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvironmentState {
    /// The name of the branch.
    pub name: String,
    /// The commit that hosts get, in hexadecimal; none if no commit was good yet.
    pub commit: Option<String>,
    /// When hosts began to get it, in seconds since 1970.
    pub since: Option<i64>,
    /// The newest commit, if it is not the one that hosts get.
    pub refused: Option<RefusedCommit>,
}

/// A commit that hosts do not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedCommit {
    /// The commit, in hexadecimal.
    pub commit: String,
    /// When it was refused, in seconds since 1970.
    pub at: i64,
    /// Why, in one sentence.
    pub reason: String,
    /// What the compiler found, the gravest first.
    pub findings: Vec<Finding>,
    /// Whether the commit is to blame.
    #[serde(default)]
    pub verdict: Verdict,
}

/// The first digits of a commit, as people read it.
pub fn short_commit(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Whether a commit that hosts do not get is to blame for that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is: another commit has to mend it.
    #[default]
    Bad,
    /// Nobody can tell now, for something that the server stands on failed: it is tried again by itself.
    CannotTell,
}

/// One thing that the compiler found in a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// Whether it keeps hosts from having a catalog.
    pub error: bool,
    /// The stable name of the kind of finding.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The host whose compile found it; none if it concerns the site.
    pub host: Option<String>,
    /// The places to blame, the chief one first.
    pub places: Vec<FoundAt>,
    /// What to try.
    pub help: Vec<String>,
}

/// A place in one of the site's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FoundAt {
    /// The file's path below the site.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is said of the place.
    pub text: String,
}
