//! The workers of a walk: they carry out jobs on the host and send back what came of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::gates::Answer;
use super::groups::Groups;
use super::guards::{LeaseAnswer, LeaseSource};
use crate::catalog::{Catalog, Effect};
use crate::change::{Action, Change};
use crate::resource::{Failure, ObserveError, Refreshed};

/// What was found out about a resource.
pub(super) type Observation = Result<Vec<Change>, ObserveError>;

/// Work on the host. Resources are named by their position in the catalog; those of one job are of one
/// type.
pub(super) enum Job {
    /// Look again, because something upstream changed.
    Observe(usize),
    /// Look again and make what changes there are, at once.
    Converge(Vec<usize>),
    /// Make these changes.
    Apply(Vec<(usize, Vec<Change>)>),
    /// Refresh.
    Refresh { resource: usize, effect: Effect, made: Vec<Change> },
}

/// What came of a job, or what another host says.
pub(super) enum Event {
    /// Who was only looked at, and what came of the changes of the others.
    Done { observed: Vec<(usize, Observation)>, applied: Vec<Applied>, took: Duration },
    /// The refresh was not begun: its lease is over.
    Late(usize),
    /// The refresh.
    Refreshed { resource: usize, result: Result<Refreshed, Failure>, took: Duration },
    /// What is known of gates.
    Answered(Vec<Answer>),
    /// Nothing more will be known of them in this walk.
    NoMoreAnswers,
    /// What came of leases.
    Leased(Vec<LeaseAnswer>),
    /// Nothing more will come of them in this walk.
    NoMoreLeases,
}

/// What came of one resource's changes.
pub(super) struct Applied {
    pub(super) resource: usize,
    /// The changes that were to be made.
    pub(super) changes: Vec<Change>,
    /// Whether the type says that it made them.
    pub(super) result: Result<(), Failure>,
    /// What differs after it.
    pub(super) after: Observation,
}

/// The other side of the coordinator's channels.
pub(super) struct Worker<'a, H: ?Sized> {
    pub(super) host: &'a H,
    pub(super) groups: &'a Groups<'a, H>,
    pub(super) clock: &'a (dyn Fn() -> Duration + Sync),
    pub(super) catalog: &'a Catalog,
    pub(super) leases: LeaseSource<'a>,
    pub(super) jobs: &'a Mutex<Receiver<Job>>,
}

impl<H: ?Sized + Sync> Worker<'_, H> {
    /// Takes jobs until the coordinator hangs up.
    pub(super) fn work(&self, events: &Sender<Event>) {
        loop {
            // The guard is gone before the job begins, so that other workers can take the next one.
            let job = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if events.send(self.carry_out(job)).is_err() {
                return;
            }
        }
    }

    fn carry_out(&self, job: Job) -> Event {
        let began = (self.clock)();
        let took = || (self.clock)().saturating_sub(began);
        match job {
            Job::Observe(resource) => Event::Done { observed: self.observe(vec![resource]), applied: Vec::new(), took: took() },
            Job::Converge(resources) => {
                let mut observed = self.observe(resources);
                // Whether a change is this host's to make may only show in this look.
                let differs = |(resource, observation): &mut (usize, Observation)| {
                    matches!(observation, Ok(changes) if !changes.is_empty() && !self.is_late(*resource, changes, None))
                        && self.groups.held(*resource).is_none()
                };
                let differing = observed.extract_if(.., differs);
                let members = differing.filter_map(|(resource, observation)| Some((resource, observation.ok()?))).collect();
                let applied = self.apply(members);
                Event::Done { observed, applied, took: took() }
            }
            // It may have waited long for its worker. What goes together goes or stays together.
            Job::Apply(members) if members.iter().any(|(resource, changes)| self.is_late(*resource, changes, None)) => {
                let observed = members.into_iter().map(|(resource, changes)| (resource, Ok(changes))).collect();
                Event::Done { observed, applied: Vec::new(), took: took() }
            }
            Job::Refresh { resource, effect, .. } if self.is_late(resource, &[], Some(effect)) => Event::Late(resource),
            Job::Apply(members) => Event::Done { observed: Vec::new(), applied: self.apply(members), took: took() },
            Job::Refresh { resource, effect, made } => {
                let place = self.groups.places[resource];
                let group = &self.groups.groups[place.group].group;
                let result = guarded(|| group.refresh(self.host, place.member, effect, &made)).unwrap_or_else(Err);
                Event::Refreshed { resource, result, took: took() }
            }
        }
    }

    /// Whether this would interrupt a member whose lease is over by now.
    fn is_late(&self, resource: usize, changes: &[Change], refresh: Option<Effect>) -> bool {
        let guard = self.catalog.guard_of(&self.catalog.resources[resource]);
        if !guard.is_some_and(|guard| self.leases.is_over(guard)) {
            return false;
        }
        // What cannot be told is looked into where it is judged.
        let disrupts = guarded(|| self.groups.disrupts(self.host, resource, changes, refresh)).unwrap_or_else(Err);
        disrupts.map_or(true, |disrupts| disrupts.is_some())
    }

    fn observe(&self, resources: Vec<usize>) -> Vec<(usize, Observation)> {
        let Some(&first) = resources.first() else { return Vec::new() };
        let group = &self.groups.groups[self.groups.places[first].group].group;
        let members: Vec<usize> = resources.iter().map(|&resource| self.groups.places[resource].member).collect();
        let found = guarded(|| group.observe(self.host, &members));
        let found = found.unwrap_or_else(|failure| members.iter().map(|_| Err(failure.clone().into())).collect());
        let nothing = || Err(ObserveError::Failed(Failure::new("the type observed nothing")));
        resources.into_iter().zip(found.into_iter().chain(std::iter::repeat_with(nothing))).collect()
    }

    fn apply(&self, members: Vec<(usize, Vec<Change>)>) -> Vec<Applied> {
        let Some(&(first, _)) = members.first() else { return Vec::new() };
        let group = &self.groups.groups[self.groups.places[first].group].group;
        let works: Vec<(usize, &[Change])> =
            members.iter().map(|(resource, changes)| (self.groups.places[*resource].member, changes.as_slice())).collect();
        let results = guarded(|| group.apply(self.host, &works));
        let results = results.unwrap_or_else(|failure| works.iter().map(|_| Err(failure.clone())).collect());
        let positions: Vec<usize> = works.iter().map(|(member, _)| *member).collect();
        let after = guarded(|| group.observe(self.host, &positions));
        let after = after.unwrap_or_else(|failure| positions.iter().map(|_| Err(failure.clone().into())).collect());
        let outcomes = members.into_iter().zip(results).zip(after);
        outcomes.map(|(((resource, changes), result), after)| Applied { resource, changes, result, after: settled(after) }).collect()
    }
}

/// Leaves out acts: that a command could be run once more says nothing about the first time.
fn settled(after: Observation) -> Observation {
    after.map(|mut changes| {
        changes.retain(|change| change.action != Action::Run);
        changes
    })
}

/// Calls a type's code. A defect in it fails the resource and not the run.
pub(super) fn guarded<R>(call: impl FnOnce() -> R) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        Failure::new(format!("internal error: {}", panic_text(&*panic))).help("this is a defect of the program; please report it")
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}
