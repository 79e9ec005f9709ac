//! What is known of hosts in memory: enough to say that nothing changed, and no more.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keel_engine::digest::Digest;
use keel_engine::protocol::environment::Finding;

use super::messages::FactsRead;
use super::shelf::{Entry, Record};

/// After this time a compile that was stopped is tried again: the machine may have been busy.
const STOPPED_AGAIN: Duration = Duration::from_secs(300);

/// A catalog that a host has, in short.
#[derive(Debug, Clone)]
pub struct Brief {
    /// The blake3 of its binary form.
    pub id: Digest,
    /// The commit that it was compiled from.
    pub commit: Arc<str>,
    /// The environment that it was compiled for.
    pub environment: Arc<str>,
    /// The host's facts with which it was last found to be right.
    facts: Option<Digest>,
    /// What the compile read of the facts.
    reads: Arc<[FactsRead]>,
    /// What facts decided for all catalogs together.
    fleet_state: Option<Digest>,
    /// Whether other hosts' facts were among it.
    of_others: bool,
    /// How far the changes of other hosts' facts are taken into account; none if that has yet to be found out.
    clock: Option<u64>,
}

/// A compile that failed, so that it is not tried again at once.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    commit: Arc<str>,
    facts: Digest,
    /// When it was, in changes of facts, if other hosts' facts may be to blame.
    clock: Option<u64>,
    /// When the worker was stopped; none if the compiler itself said no.
    stopped: Option<Instant>,
    /// Why, in one sentence.
    pub reason: String,
    /// What the compiler found.
    pub findings: Vec<Finding>,
}

/// What is known of one host.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) current: Option<Brief>,
    pub(super) ahead: Option<Brief>,
    pub(super) failed: Option<Failed>,
    /// The catalog and commit of which the store remembers that the host was given them.
    pub(super) delivered: Option<(Digest, Arc<str>)>,
}

impl Brief {
    /// An entry in short.
    pub(super) fn of(host: &str, entry: &Entry, names: &SharedNames, facts: Option<Digest>, clock: Option<u64>) -> Self {
        Self {
            id: entry.id,
            of_others: entry.reads.iter().any(|read| read.host != host),
            commit: names.one(&entry.commit),
            environment: names.one(&entry.environment),
            facts,
            reads: Arc::from(entry.reads.as_slice()),
            fleet_state: entry.fleet_state,
            clock,
        }
    }

    /// Whether it is certainly right, without a look at any facts.
    pub(super) fn is_fresh(&self, commit: &str, facts: Digest, fleet_state: Option<Digest>, clock: u64) -> bool {
        let moved = self.of_others && self.clock != Some(clock);
        *self.commit == *commit && self.facts == Some(facts) && self.fleet_state == fleet_state && !moved
    }

    /// What was read of a host's facts.
    pub(super) fn read_of(&self, host: &str) -> Option<&FactsRead> {
        self.reads.iter().find(|read| read.host == host)
    }

    /// What was read of other hosts' facts.
    pub(super) fn reads_of_others<'b>(&'b self, host: &'b str) -> impl Iterator<Item = &'b FactsRead> {
        self.reads.iter().filter(move |read| read.host != host)
    }

    pub(super) fn fleet_state(&self) -> Option<Digest> {
        self.fleet_state
    }

    pub(super) fn clock(&self) -> Option<u64> {
        self.clock
    }

    /// The same, found to be right with these facts at this time.
    pub(super) fn confirmed(self, facts: Digest, clock: u64) -> Self {
        Self { facts: Some(facts), clock: Some(clock), ..self }
    }
}

impl Failed {
    pub(super) fn new(commit: &Arc<str>, facts: Digest, reason: String, findings: Vec<Finding>) -> Self {
        Self { commit: Arc::clone(commit), facts, clock: None, stopped: None, reason, findings }
    }

    /// Other hosts' facts may be to blame, as they were at this time.
    pub(super) fn by_others(self, clock: u64) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// The worker was stopped.
    pub(super) fn stopped(self, at: Instant) -> Self {
        Self { stopped: Some(at), ..self }
    }

    /// Whether another try would end alike.
    pub(super) fn holds(&self, commit: &str, facts: Digest, clock: u64, now: Instant) -> bool {
        let over = self.stopped.is_some_and(|at| now.duration_since(at) >= STOPPED_AGAIN);
        let moved = self.clock.is_some_and(|then| then != clock);
        *self.commit == *commit && self.facts == facts && !over && !moved
    }
}

/// Names that thousands of hosts have in common are kept once.
#[derive(Debug, Default)]
pub(super) struct SharedNames {
    words: Mutex<std::collections::BTreeSet<Arc<str>>>,
}

impl SharedNames {
    pub(super) fn one(&self, word: &str) -> Arc<str> {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = words.get(word) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(word);
        words.insert(Arc::clone(&new));
        new
    }
}

/// All hosts, and when facts changed.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    hosts: Mutex<HashMap<String, Known>>,
    pub(super) names: SharedNames,
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    clock: u64,
    /// The newest facts of a host, and when they came.
    newest: BTreeMap<String, (Digest, u64)>,
}

impl KnownHosts {
    /// What is known from the records of an earlier process.
    pub(super) fn restore(records: &[Record]) -> Self {
        let known = Self::default();
        for record in records {
            let brief = |entry: &Option<Entry>| entry.as_ref().map(|entry| Brief::of(&record.host, entry, &known.names, None, None));
            let host = Known { current: brief(&record.current), ahead: brief(&record.ahead), ..Known::default() };
            known.hosts().insert(record.host.clone(), host);
        }
        known
    }

    pub(super) fn hosts(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a host's facts are these now.
    pub(super) fn facts_are(&self, host: &str, digest: Digest) {
        let mut changes = self.changes();
        match changes.newest.get(host) {
            Some((known, _)) if *known == digest => {}
            _ => {
                changes.clock += 1;
                let clock = changes.clock;
                changes.newest.insert(host.to_owned(), (digest, clock));
            }
        }
    }

    /// How many changes of facts there were.
    pub(super) fn clock(&self) -> u64 {
        self.changes().clock
    }

    /// Whether a host's facts may have changed since a time.
    pub(super) fn changed_since(&self, host: &str, clock: Option<u64>) -> bool {
        clock.is_none_or(|clock| self.changes().newest.get(host).is_some_and(|(_, at)| *at > clock))
    }
}

#[cfg(test)]
mod tests {
    use keel_manifests::fact_reads::FactKeys;

    use super::*;

    fn read(host: &str) -> FactsRead {
        FactsRead { host: host.to_owned(), keys: FactKeys::default(), state: Digest::of(b"s"), existed: true }
    }

    fn brief(reads: Vec<FactsRead>) -> Brief {
        let entry = Entry {
            id: Digest::of(b"c"),
            size: 1,
            commit: "1".to_owned(),
            environment: "main".to_owned(),
            reads,
            fleet_state: None,
            contents: vec![],
            secrets: vec![],
            gates: vec![],
            fingerprints: Default::default(),
        };
        Brief::of("a", &entry, &SharedNames::default(), None, None)
    }

    #[test]
    fn a_catalog_is_fresh_while_nothing_it_depends_on_moved() {
        let (facts, other) = (Digest::of(b"f"), Digest::of(b"g"));
        let own = brief(vec![read("a")]).confirmed(facts, 3);
        assert!(own.is_fresh("1", facts, None, 9), "others do not matter to it");
        assert!(!own.is_fresh("2", facts, None, 3) && !own.is_fresh("1", other, None, 3) && !own.is_fresh("1", facts, Some(other), 3));
        let wide = brief(vec![read("b")]).confirmed(facts, 3);
        assert!(wide.is_fresh("1", facts, None, 3) && !wide.is_fresh("1", facts, None, 4));
        assert!(!brief(vec![]).is_fresh("1", facts, None, 0), "never checked with any facts");
    }

    #[test]
    fn changes_are_counted_once() {
        let known = KnownHosts::default();
        known.facts_are("a", Digest::of(b"1"));
        known.facts_are("a", Digest::of(b"1"));
        assert_eq!(known.clock(), 1);
        known.facts_are("b", Digest::of(b"1"));
        assert!(known.changed_since("b", Some(1)) && !known.changed_since("a", Some(1)) && known.changed_since("x", None));
    }

    #[test]
    fn what_failed_is_tried_again_when_something_changed_or_after_a_while() {
        let now = Instant::now();
        let facts = Digest::of(b"f");
        let failed = Failed::new(&Arc::from("1"), facts, "no".to_owned(), Vec::new());
        assert!(failed.holds("1", facts, 7, now + STOPPED_AGAIN));
        assert!(!failed.holds("2", facts, 7, now) && !failed.holds("1", Digest::of(b"g"), 7, now));
        let by_others = failed.clone().by_others(7);
        assert!(by_others.holds("1", facts, 7, now) && !by_others.holds("1", facts, 8, now));
        let stopped = failed.stopped(now);
        assert!(stopped.holds("1", facts, 7, now) && !stopped.holds("1", facts, 7, now + STOPPED_AGAIN));
    }
}
