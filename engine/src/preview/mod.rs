//! What a commit or a run would change in a fleet, before it does: the one thing that all formats show. Hosts
//! that would change in the same way are folded into one entry.

mod mark;
mod of_report;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::difference::{Difference, Fate};

/// The version of a preview's serial form; it grows when something is added, and its first number when
/// something is removed or changes its meaning.
pub const FORMAT_VERSION: &str = "1.1";

/// What would change, on which hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Preview {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// The site's name.
    pub site: String,
    /// The site's folder in its repository, with a `/` behind it; empty where it is the top. Paths in the
    /// preview are below it.
    pub folder: String,
    /// What leads to the changes.
    pub subject: Subject,
    /// How many of each.
    pub totals: PreviewTotals,
    /// Hosts with what would change on them, those that need somebody's eye first.
    pub entries: Vec<Entry>,
    /// The hosts on which nothing would change.
    pub unchanged: Vec<String>,
    /// The groups of every host.
    pub groups: BTreeMap<String, Vec<String>>,
    /// What there is to say of the site as a whole.
    pub problems: Vec<Problem>,
}

/// What leads to the changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Subject {
    /// From one state of the site to another.
    Difference {
        /// What hosts are converged to.
        base: Revision,
        /// What they would be converged to.
        head: Revision,
    },
    /// Whether every host compiles.
    Check {
        /// The state of the site.
        of: Revision,
    },
    /// A run that changes nothing.
    Plan {
        /// The commit or catalog that was asked for.
        of: Revision,
    },
}

/// A state of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Revision {
    /// As it was named: a branch, a tag, a folder.
    pub name: String,
    /// The commit behind it; none for a folder.
    pub commit: Option<String>,
}

impl Revision {
    /// The site's folder as it is now.
    pub fn folder() -> Self {
        Self { name: "folder".to_owned(), commit: None }
    }
}

/// Hosts on which the same would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// The hosts, in the order of the inventory.
    pub hosts: Vec<String>,
    /// How they stand.
    pub state: HostState,
    /// What would change.
    #[serde(flatten)]
    pub difference: Difference,
    /// What is wrong, where something is.
    pub problems: Vec<Problem>,
}

impl Entry {
    /// Whether the same would change on this host.
    fn is_of(&self, host: &HostPreview) -> bool {
        (self.state, &self.difference, &self.problems) == (host.state, &host.difference, &host.problems)
    }
}

impl From<HostPreview> for Entry {
    fn from(host: HostPreview) -> Self {
        Self { hosts: vec![host.host], state: host.state, difference: host.difference, problems: host.problems }
    }
}

/// How a host stands in a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// It has no catalog, or its plan failed.
    Broken,
    /// It was asked and did not answer in time.
    Silent,
    /// It had no catalog before because its manifests did not compile; now they do.
    Mended,
    /// Something would change.
    Changed,
    /// It is new.
    Added,
    /// The inventory no longer has it; it stays as it is.
    Removed,
    /// Nothing would change.
    Unchanged,
}

impl HostState {
    /// What to say of such hosts.
    pub fn words(self) -> &'static str {
        match self {
            HostState::Broken => "broken",
            HostState::Silent => "silent",
            HostState::Mended => "compiles again",
            HostState::Changed => "changed",
            HostState::Added => "new",
            HostState::Removed => "removed",
            HostState::Unchanged => "unchanged",
        }
    }
}

/// Something wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// The stable code, where there is one.
    pub code: Option<String>,
    /// One sentence.
    pub message: String,
    /// What to try, one sentence each.
    pub help: Vec<String>,
    /// Where.
    pub place: Option<Place>,
    /// Whether it is a matter of the former state of the site.
    pub in_base: bool,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It stands in the way.
    Error,
    /// Probably not meant.
    Warning,
    /// Good to know.
    Note,
}

/// A place in a file, lines and columns from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// The path below the site's folder.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// How many of each, hosts counted one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreviewTotals {
    /// All hosts.
    pub hosts: usize,
    /// Hosts by how they stand.
    pub states: BTreeMap<HostState, usize>,
    /// Resources by what becomes of them, over all hosts.
    pub fates: BTreeMap<Fate, usize>,
    /// Refreshes, over all hosts.
    pub refreshes: usize,
    /// Interruptions, over all hosts.
    pub disruptions: usize,
}

/// One host, before equal ones are folded.
#[derive(Debug, Clone, PartialEq)]
pub struct HostPreview {
    /// Its name.
    pub host: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// How it stands.
    pub state: HostState,
    /// What would change.
    pub difference: Difference,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Preview {
    /// Folds hosts that would change in the same way.
    pub fn fold(site: &str, subject: Subject, hosts: Vec<HostPreview>, problems: Vec<Problem>) -> Self {
        let totals = PreviewTotals::of(&hosts);
        let mut groups = BTreeMap::new();
        let mut unchanged = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
        for host in hosts {
            groups.insert(host.host.clone(), host.groups.clone());
            if host.state == HostState::Unchanged && host.problems.is_empty() {
                unchanged.push(host.host);
                continue;
            }
            let alike = known.entry(mark::mark(&host)).or_default();
            let same = alike.iter().copied().find(|position| entries.get(*position).is_some_and(|entry| entry.is_of(&host)));
            match same.and_then(|position| entries.get_mut(position)) {
                Some(entry) => entry.hosts.push(host.host),
                None => {
                    alike.push(entries.len());
                    entries.push(Entry::from(host));
                }
            }
        }
        entries.sort_by_key(|entry| entry.state);
        let (format_version, site) = (FORMAT_VERSION.to_owned(), site.to_owned());
        Self { format_version, site, folder: String::new(), subject, totals, entries, unchanged, groups, problems }
    }

    /// The same, of a site that stands in this folder of its repository.
    pub fn below(self, folder: &str) -> Self {
        Self { folder: folder.to_owned(), ..self }
    }

    /// What to say of hosts that stand so.
    pub fn words(&self, state: HostState) -> &'static str {
        match (&self.subject, state) {
            (Subject::Check { .. }, HostState::Unchanged) => "compiled",
            (Subject::Check { .. }, HostState::Broken) => "not compiled",
            (_, state) => state.words(),
        }
    }

    /// Whether anything would change.
    pub fn has_changes(&self) -> bool {
        let counts = |state: &HostState| !matches!(state, HostState::Unchanged | HostState::Broken | HostState::Silent);
        self.totals.states.iter().any(|(state, count)| counts(state) && *count > 0)
    }

    /// Whether something could not be told.
    pub fn has_failures(&self) -> bool {
        let failed = [HostState::Broken, HostState::Silent].iter().any(|state| self.totals.states.contains_key(state));
        let wrong = self.problems.iter().any(|problem| problem.level == Level::Error && !problem.in_base);
        failed || wrong || self.totals.fates.contains_key(&Fate::Failed)
    }
}

impl PreviewTotals {
    fn of(hosts: &[HostPreview]) -> Self {
        let mut totals = Self { hosts: hosts.len(), ..Self::default() };
        for host in hosts {
            *totals.states.entry(host.state).or_default() += 1;
            for resource in &host.difference.resources {
                *totals.fates.entry(resource.fate).or_default() += 1;
            }
            totals.refreshes += host.difference.refreshes.len();
            totals.disruptions += host.difference.disruptions.len();
        }
        totals
    }

    /// How many hosts stand so.
    pub fn state(&self, state: HostState) -> usize {
        self.states.get(&state).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::change::{Change, Shown};
    use crate::difference::ResourceDifference;

    fn host(name: &str, title: Option<&str>) -> HostPreview {
        let resource = |title: &str| ResourceDifference {
            address: Address::new("file", title),
            fate: Fate::Added,
            origin: "m:1".to_owned(),
            modules: Vec::new(),
            note: None,
            changes: Vec::new(),
        };
        let difference = Difference { resources: title.map(resource).into_iter().collect(), ..Difference::default() };
        let state = if title.is_some() { HostState::Changed } else { HostState::Unchanged };
        HostPreview { host: name.to_owned(), groups: vec!["all".to_owned()], state, difference, problems: Vec::new() }
    }

    #[test]
    fn hosts_that_differ_in_a_byte_of_a_text_are_not_folded() {
        let with = |name: &str, text: &str| {
            let mut host = host(name, Some("/x"));
            host.difference.resources[0].changes = vec![Change::create("content", Shown::bytes(text.as_bytes()))];
            host
        };
        let texts = ["a\nb\n", "a\nc\n", "a\nb\n"];
        let hosts = ["h1", "h2", "h3"].into_iter().zip(texts).map(|(name, text)| with(name, text)).collect();
        let preview = Preview::fold("s", Subject::Check { of: Revision::folder() }, hosts, Vec::new());
        let entries: Vec<_> = preview.entries.iter().map(|entry| entry.hosts.join(" ")).collect();
        assert_eq!(entries, ["h1 h3", "h2"]);
    }

    #[test]
    fn hosts_with_the_same_changes_are_one_entry_and_each_is_counted() {
        let revision = || Revision { name: "x".to_owned(), commit: None };
        let mut broken = host("e", None);
        broken.state = HostState::Broken;
        let hosts = vec![host("a", Some("/x")), host("b", None), host("c", Some("/y")), host("d", Some("/x")), broken];
        let preview = Preview::fold("s", Subject::Plan { of: revision() }, hosts, Vec::new());
        let entries: Vec<_> = preview.entries.iter().map(|entry| entry.hosts.join(" ")).collect();
        assert_eq!(entries, ["e", "a d", "c"]);
        assert_eq!(preview.unchanged, ["b"]);
        assert_eq!((preview.totals.state(HostState::Changed), preview.totals.fates[&Fate::Added]), (3, 3));
        assert!(preview.has_changes() && preview.has_failures());
        let back: Preview = serde_json::from_str(&serde_json::to_string(&preview).unwrap()).unwrap();
        assert_eq!(back, preview);
    }
}
