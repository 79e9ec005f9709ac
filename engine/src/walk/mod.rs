//! The walk: one coordinator loop over the ready-queue that owns all state, and workers that carry
//! out its jobs on the host. A plan is the same walk, stopped before every change.

mod affected;
mod applying;
mod coordinator;
mod gates;
mod groups;
mod guards;
mod holding;
mod mark;
mod observe;
mod planning;
mod refresh;
mod refreshing;
mod reporting;
mod slot;
mod worker;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::address::Address;
use crate::catalog::{Catalog, Gate, Resource};
use crate::graph::Graph;
use crate::ledger::{Enforced, Ledger};
use crate::orphan::REMOVAL_TAG;
use crate::purge::PURGE_TAG;
use crate::report::{Mode, ResourceReport};
use crate::schedule::Schedule;

pub use affected::affected;
pub use gates::{Answer, GateState, Gates, Question, Settled};
pub use groups::{GroupError, Groups};
pub use guards::{LeaseAnswer, LeaseSource, Leases};
pub(crate) use refresh::{Members, enclosing};

use coordinator::Coordinator;
use worker::Worker;

/// Everything a walk is given.
pub struct Run<'a, H: ?Sized> {
    /// What the host should be, with its secrets closed.
    pub catalog: &'a Catalog,
    /// Its graph.
    pub graph: &'a Graph,
    /// Its resources with their secrets opened.
    pub groups: &'a Groups<'a, H>,
    /// The door to the host.
    pub host: &'a H,
    /// Plan or apply.
    pub mode: Mode,
    /// Which resources take part.
    pub filter: &'a Filter,
    /// How many jobs may run at once; at least one.
    pub workers: usize,
    /// A clock that never goes back.
    pub clock: &'a (dyn Fn() -> Duration + Sync),
    /// When the run began, in milliseconds since 1970.
    pub started_ms: u64,
    /// What was last enforced.
    pub enforced: &'a dyn Enforced,
    /// Resources that held secrets when they were last applied: what they were is not shown.
    pub concealed: &'a HashSet<Address>,
    /// Whether the run was asked to stop: what has begun is finished, nothing new begins.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// When a schedule opens next, in words; none if changes may be made now.
    pub opening: &'a (dyn Fn(&Schedule) -> Option<String> + Sync),
    /// Who knows about other hosts; if nobody does, all gates are shut.
    pub gates: Option<&'a dyn Gates>,
    /// How long an apply waits at shut gates, from the first answer on. A plan waits for one answer.
    pub patience: Duration,
    /// Where leases come from, for what interrupts a member of a cluster.
    pub leases: LeaseSource<'a>,
}

/// Which resources take part in a run, by tag, type, module or address.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those with one of these; all if empty.
    pub only: Vec<String>,
    /// Not those with one of these.
    pub skip: Vec<String>,
}

impl Filter {
    /// Whether a resource takes part.
    pub fn admits(&self, catalog: &Catalog, resource: &Resource) -> bool {
        let tagged = |word: &String| catalog.is_tagged(resource, word);
        (self.only.is_empty() || self.only.iter().any(tagged)) && !self.skip.iter().any(tagged)
    }

    /// The words that mean no resource of the catalog. What stands for removals may simply not be needed.
    pub fn unmatched(&self, catalog: &Catalog) -> Vec<&str> {
        let words = self.only.iter().chain(&self.skip).filter(|word| *word != REMOVAL_TAG && *word != PURGE_TAG);
        words.filter(|word| !catalog.resources.iter().any(|resource| catalog.is_tagged(resource, word))).map(String::as_str).collect()
    }
}

/// How far a walk is, for a line on a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Resources that have their outcome.
    pub done: usize,
    /// All resources.
    pub total: usize,
    /// What is being changed or refreshed now, if anything is.
    pub current: Option<&'a Address>,
    /// The gate that the walk stands at, while there is nothing else to do.
    pub gate: Option<&'a Gate>,
    /// The guard whose lease the walk waits for, while there is nothing else to do.
    pub guard: Option<&'a str>,
}

/// Walks the graph. Every resource gets exactly one outcome; the reports stand in the order of
/// application, whatever order the jobs ended in.
pub fn walk<H: ?Sized + Sync>(run: &Run<'_, H>, ledger: &mut dyn Ledger, progress: &mut dyn FnMut(Progress<'_>)) -> Vec<ResourceReport> {
    let observed = observe::all(run);
    let (jobs, job_receiver) = channel();
    let job_receiver = Mutex::new(job_receiver);
    let (event_sender, events) = channel();
    let walk_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if run.mode == Mode::Apply {
            for _ in 0..run.workers.max(1) {
                let (host, groups, clock, catalog, leases) = (run.host, run.groups, run.clock, run.catalog, run.leases);
                let worker = Worker { host, groups, clock, catalog, leases, jobs: &job_receiver };
                let sender = event_sender.clone();
                scope.spawn(move || worker.work(&sender));
            }
        }
        let coordinator = Coordinator::new(run, ledger, progress, observed, jobs);
        if let Some(gates) = run.gates.filter(|_| coordinator.gatehouse.is_asking()) {
            let (sender, walk_over) = (event_sender.clone(), &walk_over);
            scope.spawn(move || gates::keep_watch(run, gates, walk_over, &sender));
        }
        if let Some(leases) = guards::asked(run) {
            let (sender, walk_over) = (event_sender.clone(), &walk_over);
            scope.spawn(move || guards::keep_watch(run, leases, walk_over, &sender));
        }
        coordinator.run(&events, &walk_over)
    })
}

#[cfg(test)]
mod tests;
