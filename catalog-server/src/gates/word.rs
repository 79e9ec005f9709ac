//! A host's word: how its resources are, as far as it has said.

use std::collections::BTreeMap;

use keel_engine::address::Address;
use keel_engine::digest::Digest;
use keel_engine::protocol::gates::Settled;
use keel_engine::report::{Outcome, Reason, Report, ResourceReport};
use serde::{Deserialize, Serialize};

/// What a host has said of its resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The run of the newest report.
    run: Option<String>,
    /// Its catalog: of what stands nowhere below, it said that it is as this catalog declares it.
    catalog: Option<Digest>,
    /// What it said otherwise.
    #[serde(with = "entries")]
    said: BTreeMap<Address, Said>,
    /// In which run a resource was changed last.
    #[serde(with = "entries")]
    changed: BTreeMap<Address, String>,
}

/// What was said of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Of which catalog it is about.
    pub catalog: Digest,
    /// What came of it.
    pub outcome: Outcome,
}

impl Word {
    /// What was said of a resource last; nothing before the first report.
    pub fn of(&self, address: &Address) -> Option<Said> {
        let unlisted = || self.catalog.map(|catalog| Said { catalog, outcome: Outcome::Unchanged });
        self.said.get(address).cloned().or_else(unlisted)
    }

    /// The run in which a resource was changed last; empty if none is known.
    pub fn changed_in(&self, address: &Address) -> &str {
        self.changed.get(address).map_or("", String::as_str)
    }

    /// Takes in a report that lists what was not unchanged. What a run left out stays as it was said before.
    pub fn hear_report(&mut self, report: &Report) {
        let mut said = BTreeMap::new();
        for resource in &report.resources {
            let now = if was_left_out(resource) { self.of(&resource.address) } else { None };
            let now = now.unwrap_or(Said { catalog: report.catalog, outcome: resource.outcome });
            if now.catalog != report.catalog || now.outcome != Outcome::Unchanged {
                said.insert(resource.address.clone(), now);
            }
            if resource.outcome == Outcome::Changed {
                self.changed.insert(resource.address.clone(), report.run.clone());
            }
        }
        self.said = said;
        self.catalog = Some(report.catalog);
        self.run = Some(report.run.clone());
    }

    /// Takes in what settled so far in a run that goes on. Says whether that was anything new.
    pub fn hear_settled(&mut self, run: &str, catalog: Digest, settled: &[Settled]) -> bool {
        if self.run.as_deref() == Some(run) {
            // The run's report has come already and says more.
            return false;
        }
        let mut is_new = false;
        for Settled { address, outcome } in settled {
            let now = Said { catalog, outcome: *outcome };
            is_new |= self.of(address).as_ref() != Some(&now);
            if *outcome == Outcome::Changed {
                self.changed.insert(address.clone(), run.to_owned());
            }
            self.said.insert(address.clone(), now);
        }
        is_new
    }

    /// Forgets when resources were changed that a catalog no longer has.
    pub fn forget_all_but(&mut self, has: impl Fn(&Address) -> bool) {
        self.changed.retain(|address, _| has(address));
    }
}

/// Whether a run did not look at a resource, so that it says nothing of it.
fn was_left_out(resource: &ResourceReport) -> bool {
    resource.outcome == Outcome::Skipped && matches!(resource.reason, Some(Reason::Filtered | Reason::Stopped))
}

/// Tables by address as lists of pairs, for JSON has texts as keys only.
mod entries {
    use std::collections::BTreeMap;

    use keel_engine::address::Address;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(map: &BTreeMap<Address, T>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Address, T>, D::Error> {
        Ok(Vec::<(Address, T)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use keel_engine::report::{FORMAT_VERSION, Mode, Totals};

    use super::*;

    /// A report that lists these resources.
    pub(in crate::gates) fn report(run: &str, catalog: Digest, listed: &[(&str, Outcome, Option<Reason>)]) -> Report {
        let resource = |(title, outcome, reason): &(&str, Outcome, Option<Reason>)| ResourceReport {
            address: Address::new("file", *title),
            origin: String::new(),
            modules: Vec::new(),
            outcome: *outcome,
            reason: reason.clone(),
            changes: Vec::new(),
            refresh: None,
            refreshes: Vec::new(),
            duration_us: 0,
        };
        Report {
            format_version: FORMAT_VERSION.to_owned(),
            run: run.to_owned(),
            host: "db-1".to_owned(),
            site: "s".to_owned(),
            catalog,
            mode: Mode::Apply,
            started_ms: 0,
            duration_ms: 0,
            resources: listed.iter().map(resource).collect(),
            totals: Totals::default(),
            owed: Vec::new(),
            released: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn a() -> Address {
        Address::new("file", "/a")
    }

    fn outcome(word: &Word) -> Option<Outcome> {
        word.of(&a()).map(|said| said.outcome)
    }

    #[test]
    fn what_a_report_does_not_list_is_unchanged() {
        let mut word = Word::default();
        assert_eq!(outcome(&word), None);
        word.hear_report(&report("1", Digest::of(b"c"), &[("/a", Outcome::Failed, None)]));
        assert_eq!(outcome(&word), Some(Outcome::Failed));
        word.hear_report(&report("2", Digest::of(b"c"), &[]));
        assert_eq!(outcome(&word), Some(Outcome::Unchanged));
    }

    #[test]
    fn what_a_run_left_out_stays_as_it_was() {
        let mut word = Word::default();
        word.hear_report(&report("1", Digest::of(b"old"), &[("/a", Outcome::Failed, None)]));
        word.hear_report(&report("2", Digest::of(b"new"), &[("/a", Outcome::Skipped, Some(Reason::Filtered))]));
        assert_eq!(word.of(&a()), Some(Said { catalog: Digest::of(b"old"), outcome: Outcome::Failed }));
        let root = a();
        word.hear_report(&report("3", Digest::of(b"new"), &[("/a", Outcome::Skipped, Some(Reason::DependencyFailed { root }))]));
        assert_eq!(word.of(&a()), Some(Said { catalog: Digest::of(b"new"), outcome: Outcome::Skipped }));
    }

    #[test]
    fn what_was_never_looked_at_is_not_converged() {
        let mut word = Word::default();
        word.hear_report(&report("1", Digest::of(b"c"), &[("/a", Outcome::Skipped, Some(Reason::Stopped))]));
        assert_eq!(outcome(&word), Some(Outcome::Skipped));
    }

    #[test]
    fn a_change_has_one_name_in_the_run_and_in_its_report() {
        let mut word = Word::default();
        let settled = [Settled { address: a(), outcome: Outcome::Changed }];
        assert!(word.hear_settled("7", Digest::of(b"c"), &settled));
        assert!(!word.hear_settled("7", Digest::of(b"c"), &settled));
        assert_eq!(word.changed_in(&a()), "7");
        word.hear_report(&report("7", Digest::of(b"c"), &[("/a", Outcome::Changed, None)]));
        assert_eq!(word.changed_in(&a()), "7");
        word.hear_report(&report("8", Digest::of(b"c"), &[]));
        assert_eq!(word.changed_in(&a()), "7");
        assert!(!word.hear_settled("8", Digest::of(b"c"), &settled), "a list that comes after its report says nothing");
        word.forget_all_but(|_| false);
        assert_eq!(word.changed_in(&a()), "");
    }

    #[test]
    fn it_comes_back_from_json() {
        let mut word = Word::default();
        word.hear_report(&report("1", Digest::of(b"c"), &[("/a", Outcome::Failed, None), ("/b", Outcome::Changed, None)]));
        let text = serde_json::to_string(&word).unwrap();
        assert_eq!(serde_json::from_str::<Word>(&text).unwrap(), word);
    }
}
