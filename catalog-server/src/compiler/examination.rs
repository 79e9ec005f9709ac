//! The examination of a commit, before any host gets it: the site loads, every host compiles, and the
//! relations between hosts hold together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keel_engine::protocol::environment::Finding;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::messages::{Compiled, Packed};
use super::process::{Fleet, Received, WorkerFailure};
use super::{Brief, Commit, Compiler, Lane, Slot, entry_of};

/// The most findings that are kept of a commit.
const FINDINGS_MAX: usize = 200;

/// What came of an examination.
#[derive(Debug)]
pub enum Examination {
    /// Hosts may get the commit.
    Good,
    /// They must not.
    Bad {
        /// Why, in one sentence.
        reason: String,
        /// What was found, the gravest first.
        findings: Vec<Finding>,
    },
    /// Nobody can tell now: a worker was stopped, or facts, files or the folder of catalogs cannot be had.
    CannotTell {
        /// Why, in one sentence.
        reason: String,
    },
}

/// How one host's compile went.
enum Outcome {
    /// It has a catalog; its gates point at these hosts.
    Good { gates: Vec<String> },
    /// It has none, and the commit is to blame.
    Bad,
    /// It has none, but that is not the commit's fault, or cannot be judged yet.
    Excused,
}

struct Examined {
    host: String,
    outcome: Outcome,
    findings: Vec<Finding>,
}

impl Compiler {
    /// Examines a commit for an environment. The catalogs are kept: they are compiled ahead.
    pub async fn examine(&self, environment: &str, commit: &Arc<Commit>) -> Examination {
        let opened = match self.inner.pool.open(commit).await {
            Ok(opened) => opened,
            Err(failure) => return cannot_tell(format!("loading the site {failure}")),
        };
        if !opened.good {
            return bad(format!("the site does not load: {}", count(&opened.findings)), opened.findings);
        }
        let mut findings = Findings::default();
        findings.add(opened.findings);
        let mut verdict = Verdict::default();
        let mut tasks = JoinSet::new();
        let slots = Arc::new(Semaphore::new(self.inner.workers * 2));
        for host in opened.hosts {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            while let Some(done) = tasks.try_join_next() {
                match done {
                    Ok(Ok(examined)) => verdict.take(examined, &mut findings),
                    Ok(Err(reason)) => return cannot_tell(reason),
                    Err(error) => return cannot_tell(error.to_string()),
                }
            }
            let (compiler, environment, commit) = (self.clone(), environment.to_owned(), Arc::clone(commit));
            tasks.spawn(async move {
                let examined = compiler.examine_host(&environment, &commit, host).await;
                drop(slot);
                examined
            });
        }
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(Ok(examined)) => verdict.take(examined, &mut findings),
                Ok(Err(reason)) => return cannot_tell(reason),
                Err(error) => return cannot_tell(error.to_string()),
            }
        }
        verdict.bad.sort();
        match verdict.bad.as_slice() {
            [] => {}
            [one] => return bad(format!("{one} does not compile"), findings.all()),
            [one, rest @ ..] => return bad(format!("{one} and {} more hosts do not compile", rest.len()), findings.all()),
        }
        self.examine_fleet(commit, verdict, &opened.pointed_at, findings).await
    }

    /// Compiles one host for an examination.
    ///
    /// # Errors
    /// Why the examination is over: a worker had to be stopped, or facts cannot be had.
    async fn examine_host(&self, environment: &str, commit: &Arc<Commit>, host: String) -> Result<Examined, String> {
        let facts = self.inner.facts.facts(&host).await?;
        let clock = self.inner.known.clock();
        let (digest, json) = facts.map_or((None, None), |facts| (Some(facts.digest), Some(facts.json)));
        let stopped = |failure: WorkerFailure| format!("compiling {host} {failure}");
        let (compiled, contents) = self.inner.pool.compile(Lane::Ahead, commit, &host, json.clone(), false).await.map_err(stopped)?;
        let Compiled { catalog, findings, reads, fleet_state, .. } = compiled;
        let Some(packed) = catalog else {
            let without_facts = reads.iter().any(|read| read.host == host && !read.existed);
            let excused = without_facts || (json.is_some() && self.failed_before(environment, &host, json).await);
            let outcome = if excused { Outcome::Excused } else { Outcome::Bad };
            return Ok(Examined { host, outcome, findings });
        };
        let gates = packed.gates.clone();
        let entry = entry_of(&packed, &commit.id, environment, reads, fleet_state);
        let brief = Brief::of(&host, &entry, &self.inner.known.names, digest, Some(clock));
        self.keep_ahead(&host, entry, packed, contents).await?;
        let mut hosts = self.inner.known.hosts();
        let known = hosts.entry(host.clone()).or_default();
        self.set_fleet_state(&brief.commit, fleet_state);
        known.ahead = Some(brief);
        drop(hosts);
        Ok(Examined { host, outcome: Outcome::Good { gates }, findings })
    }

    async fn keep_ahead(&self, host: &str, entry: super::Entry, packed: Packed, contents: Received) -> Result<(), String> {
        self.keep(host, entry, packed, contents, Slot::Ahead).await.map_err(|error| error.to_string())
    }

    /// Whether a host fails in the commit that the environment has now, with the same facts: then it is
    /// the host's trouble, and must not keep the others from what is new.
    async fn failed_before(&self, environment: &str, host: &str, json: Option<Vec<u8>>) -> bool {
        let Ok(current) = self.commit(environment) else { return false };
        matches!(self.inner.pool.compile(Lane::Ahead, &current, host, json, false).await, Ok((Compiled { catalog: None, .. }, _)))
    }

    /// Judges relations across hosts, over the hosts that have any or are meant by one.
    async fn examine_fleet(&self, commit: &Arc<Commit>, verdict: Verdict, pointed_at: &[String], mut findings: Findings) -> Examination {
        let Verdict { gates, excused, .. } = verdict;
        let involved: BTreeSet<&String> = gates.iter().flat_map(|(host, to)| to.iter().chain([host])).chain(pointed_at).collect();
        if !involved.is_empty() {
            let mut fleet = Fleet { without: excused, ..Fleet::default() };
            for host in involved {
                let shelf = Arc::clone(&self.inner.shelf);
                let Some(brief) = self.inner.known.hosts().get(host).and_then(|known| known.ahead.clone()) else { continue };
                let read = tokio::task::spawn_blocking(move || shelf.catalog(&brief.id)).await.ok().flatten();
                if read.is_none() && *brief.commit == *commit.id {
                    return cannot_tell(format!("the catalog of {host} cannot be read back: is the disk full?"));
                }
                fleet.catalogs.extend(read);
            }
            match self.inner.pool.judge(commit, fleet).await {
                Ok(found) if found.iter().any(|finding| finding.error) => {
                    let reason = format!("relations between hosts do not hold: {}", count(&found));
                    findings.add(found);
                    return bad(reason, findings.all());
                }
                Ok(_) => {}
                Err(failure) => return cannot_tell(format!("judging relations between hosts {failure}")),
            }
        }
        Examination::Good
    }
}

/// What is known of the hosts so far.
#[derive(Default)]
struct Verdict {
    bad: Vec<String>,
    excused: BTreeSet<String>,
    /// The hosts whose gates point at others, and at whom.
    gates: BTreeMap<String, Vec<String>>,
}

impl Verdict {
    fn take(&mut self, examined: Examined, findings: &mut Findings) {
        findings.add(examined.findings);
        match examined.outcome {
            Outcome::Bad => self.bad.push(examined.host),
            Outcome::Good { gates } if gates.is_empty() => {}
            Outcome::Good { gates } => {
                self.gates.insert(examined.host, gates);
            }
            Outcome::Excused => {
                self.excused.insert(examined.host);
            }
        }
    }
}

fn bad(reason: String, findings: Vec<Finding>) -> Examination {
    Examination::Bad { reason, findings }
}

fn cannot_tell(reason: String) -> Examination {
    Examination::CannotTell { reason }
}

fn count(findings: &[Finding]) -> String {
    match findings.iter().filter(|finding| finding.error).count() {
        1 => "1 error".to_owned(),
        errors => format!("{errors} errors"),
    }
}

/// Findings of many hosts: what several say in the same words is kept once.
#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    seen: BTreeSet<(String, String, String)>,
}

impl Findings {
    fn add(&mut self, found: Vec<Finding>) {
        for finding in found {
            let place = finding.places.first().map(|place| format!("{}:{}:{}", place.file, place.line, place.column));
            let new = self.seen.insert((finding.code.clone(), finding.message.clone(), place.unwrap_or_default()));
            if new && self.all.len() < FINDINGS_MAX {
                self.all.push(finding);
            }
        }
    }

    fn all(mut self) -> Vec<Finding> {
        self.all.sort_by_key(|finding| !finding.error);
        self.all
    }
}
