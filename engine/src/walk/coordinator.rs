//! The coordinator: it alone holds the state of a walk, decides what happens to each resource when
//! its turn comes, and takes in what the workers report.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use super::gates::Gatehouse;
use super::guards::Guardroom;
use super::mark::Mark;
use super::refresh::{Members, targets};
use super::refreshing::due_from_before;
use super::slot::{End, Slot};
use super::worker::{Event, Job, Observation};
use super::{Progress, Run};
use crate::address::Address;
use crate::graph::Vertex;
use crate::ledger::Ledger;
use crate::queue::Queue;
use crate::report::{Mode, Outcome, Owed, Reason, ResourceReport};
use crate::resource::{Failure, ObserveError};

pub(super) struct Coordinator<'r, 'a, H: ?Sized> {
    pub(super) run: &'r Run<'a, H>,
    pub(super) ledger: &'r mut dyn Ledger,
    pub(super) progress: &'r mut dyn FnMut(Progress<'_>),
    pub(super) jobs: Sender<Job>,
    queue: Queue,
    pub(super) slots: Vec<Slot>,
    pub(super) marks: Vec<Mark>,
    pub(super) members: Members,
    /// Refreshes to be done in this run, by target.
    pub(super) due: HashMap<usize, Vec<Owed>>,
    pub(super) gatehouse: Gatehouse,
    pub(super) guardroom: Guardroom,
    /// Resources that wait for a place among those of their type that are being applied, by group.
    pub(super) parked: Vec<VecDeque<usize>>,
    /// How many jobs of a group are under way.
    pub(super) busy: Vec<usize>,
    /// Which vertices have handed on.
    pub(super) over: Vec<bool>,
    running: usize,
    /// What is being changed or refreshed.
    under_way: BTreeSet<usize>,
    pub(super) done: usize,
}

impl<'r, 'a, H: ?Sized + Sync> Coordinator<'r, 'a, H> {
    pub(super) fn new(
        run: &'r Run<'a, H>,
        ledger: &'r mut dyn Ledger,
        progress: &'r mut dyn FnMut(Progress<'_>),
        observed: Vec<Option<Observation>>,
        jobs: Sender<Job>,
    ) -> Self {
        let vertices = run.graph.vertices();
        let groups = run.groups.groups.len();
        let due = due_from_before(run, &*ledger);
        let gatehouse = Gatehouse::new(run, |resource| observed.get(resource).is_some_and(Option::is_some));
        Self {
            queue: Queue::new(vertices, run.graph.resource_count()),
            slots: observed.into_iter().map(|observation| Slot { observation, ..Slot::default() }).collect(),
            marks: vec![Mark::default(); vertices.node_count()],
            members: Members::of(run.catalog, |position| run.groups.nature(position).refreshable),
            due,
            gatehouse,
            guardroom: Guardroom::new(run.catalog),
            parked: vec![VecDeque::new(); groups],
            busy: vec![0; groups],
            over: vec![false; vertices.node_count()],
            running: 0,
            under_way: BTreeSet::new(),
            done: 0,
            run,
            ledger,
            progress,
            jobs,
        }
    }

    /// The loop. It never returns early: every job's event is taken in.
    pub(super) fn run(mut self, events: &Receiver<Event>, over: &AtomicBool) -> Vec<ResourceReport> {
        self.ask();
        loop {
            while let Some(vertex) = self.queue.pop() {
                self.take_turn(vertex);
            }
            self.start_parked();
            if !self.queue.is_empty() {
                continue;
            }
            if self.running == 0 && self.gatehouse.held.is_empty() && self.guardroom.standing.is_empty() {
                break;
            }
            self.ask();
            if self.running == 0 {
                self.tell();
            }
            match events.recv() {
                Ok(event) => self.take_in(event),
                Err(_) => break,
            }
        }
        over.store(true, Ordering::Release);
        self.stop_asking();
        self.reports()
    }

    fn take_turn(&mut self, vertex: usize) {
        match self.run.graph.vertices()[NodeIndex::new(vertex)] {
            Vertex::Resource(resource) => self.decide(resource),
            Vertex::Begin(_) | Vertex::End(_) => self.hand_on(vertex),
        }
    }

    /// Hands a finished vertex's mark to those after it.
    fn hand_on(&mut self, vertex: usize) {
        let mark = self.marks[vertex];
        self.over[vertex] = true;
        for next in self.run.graph.vertices().neighbors_directed(NodeIndex::new(vertex), Direction::Outgoing) {
            self.marks[next.index()].merge(mark);
        }
        self.queue.finish(self.run.graph.vertices(), vertex);
    }

    pub(super) fn end(&mut self, resource: usize, outcome: Outcome, reason: Option<Reason>) {
        let mark = &mut self.marks[resource];
        match outcome {
            Outcome::Failed => mark.failed = mark.failed.or(Some(resource)),
            Outcome::Waiting => mark.waiting = mark.waiting.or(Some(resource)),
            Outcome::Changed => mark.moved = true,
            // What a `noop` resource would change is not made, so nothing has to wait for it.
            Outcome::WouldChange | Outcome::Unknown if !self.run.catalog.resources[resource].noop => {
                mark.pending = Some(resource);
                if self.run.groups.nature(resource).opaque {
                    mark.opaque = Some(resource);
                }
            }
            Outcome::Skipped if reason == Some(Reason::Stopped) => mark.failed = mark.failed.or(Some(resource)),
            Outcome::Unchanged | Outcome::Skipped | Outcome::WouldChange | Outcome::Unknown => {}
        }
        self.note_settled(resource, outcome);
        self.leave_guard(resource);
        self.slots[resource].end = Some(End { outcome, reason });
        self.done += 1;
        self.under_way.remove(&resource);
        self.tell();
        self.hand_on(resource);
    }

    /// Says how far the walk is.
    fn tell(&mut self) {
        let current = self.under_way.first().map(|&resource| &self.run.catalog.resources[resource].address);
        let held = self.gatehouse.held.first().filter(|_| self.running == 0);
        let gate = held.and_then(|&resource| self.run.catalog.gates.get(self.gatehouse.shut(resource)?));
        let standing = self.guardroom.standing.first().filter(|_| self.running == 0);
        let guard = standing.and_then(|(_, guard)| Some(self.run.catalog.guards.get(*guard)?.name.as_str()));
        (self.progress)(Progress { done: self.done, total: self.slots.len(), current, gate, guard });
    }

    /// What to do with a resource whose turn it is.
    pub(super) fn decide(&mut self, resource: usize) {
        if let Some(applied) = self.slots[resource].early.take() {
            return self.after_apply(applied);
        }
        if self.slots[resource].observation.is_none() {
            return self.end(resource, Outcome::Skipped, Some(Reason::Filtered));
        }
        let mark = self.marks[resource];
        if let Some(root) = mark.failed {
            let stopped = matches!(&self.slots[root].end, Some(End { reason: Some(Reason::Stopped), .. }));
            let reason = if stopped { Reason::Stopped } else { Reason::DependencyFailed { root: self.address(root) } };
            return self.end(resource, Outcome::Skipped, Some(reason));
        }
        if let Some(gate) = self.gatehouse.shut(resource) {
            return self.stand_at(resource, gate);
        }
        // What cannot be had at all says more than what it would wait for.
        let is_refused = !mark.moved && matches!(self.slots[resource].observation, Some(Err(ObserveError::Failed(_))));
        if let Some(root) = mark.waiting.filter(|_| !is_refused) {
            let reason = Reason::DependencyWaiting { root: self.address(root) };
            return self.end(resource, Outcome::Waiting, Some(reason));
        }
        if (self.run.stop)() {
            return self.end(resource, Outcome::Skipped, Some(Reason::Stopped));
        }
        if mark.moved && self.run.mode == Mode::Apply {
            return self.look_again(resource);
        }
        self.judge(resource);
    }

    /// Something upstream changed, so the first look may be out of date.
    fn look_again(&mut self, resource: usize) {
        let nature = self.run.groups.nature(resource);
        let free = !self.plans_only(resource) && self.held(resource).is_none() && self.guard_ahead(resource).is_none();
        if nature.serial || !free || !self.is_silent(resource) {
            self.slots[resource].begun = true;
            return self.send(Job::Observe(resource));
        }
        self.slots[resource].stale = true;
        self.park(resource);
    }

    /// Whether nobody is refreshed because of it, and it is not owed a refresh itself.
    pub(super) fn is_silent(&self, resource: usize) -> bool {
        targets(self.run.catalog, self.run.graph, &self.members, resource).is_empty() && !self.due.contains_key(&resource)
    }

    pub(super) fn plans_only(&self, resource: usize) -> bool {
        self.run.mode == Mode::Plan || self.run.catalog.resources[resource].noop
    }

    /// Goes by the observation: fail, leave alone, plan or change.
    pub(super) fn judge(&mut self, resource: usize) {
        let mark = self.marks[resource];
        let plans_only = self.plans_only(resource);
        match self.slots[resource].observation.take() {
            Some(Ok(changes)) if plans_only => self.plan(resource, changes),
            Some(Ok(changes)) if changes.is_empty() => self.refresh_or_end(resource),
            Some(Ok(changes)) => {
                if let Some(shut) = self.held(resource) {
                    self.slots[resource].changes = changes;
                    return self.end(resource, Outcome::Waiting, Some(shut));
                }
                let lease = self.lease_wanted(resource, &changes, None);
                self.slots[resource].observation = Some(Ok(changes));
                match lease {
                    Ok(None) => self.park(resource),
                    Ok(Some(guard)) => self.stand_for_lease(resource, guard),
                    Err(Failure { message, help }) => {
                        self.end(resource, Outcome::Failed, Some(Reason::CannotTell { message, help }));
                    }
                }
            }
            Some(Err(ObserveError::NotYet(failure))) if plans_only && mark.pending.is_some() => {
                let root = mark.opaque.or(mark.pending).unwrap_or(resource);
                self.end_unknown(resource, root, Some(failure.message));
            }
            Some(Err(error)) => {
                let Failure { message, help } = error.failure().clone();
                self.end(resource, Outcome::Failed, Some(Reason::CannotTell { message, help }));
            }
            None => self.end(resource, Outcome::Skipped, Some(Reason::Filtered)),
        }
    }

    pub(super) fn send(&mut self, job: Job) {
        let group = self.group_of(&job);
        match &job {
            Job::Observe(_) => {}
            Job::Converge(resources) => self.under_way.extend(resources),
            Job::Apply(members) => self.under_way.extend(members.iter().map(|(resource, _)| resource)),
            Job::Refresh { resource, .. } => drop(self.under_way.insert(*resource)),
        }
        self.tell();
        self.running += 1;
        self.busy[group] += 1;
        // The workers live as long as the coordinator; a failed send would leave the loop without events.
        if self.jobs.send(job).is_err() {
            self.running -= 1;
            self.busy[group] -= 1;
        }
    }

    fn group_of(&self, job: &Job) -> usize {
        let first = match job {
            Job::Observe(resource) | Job::Refresh { resource, .. } => Some(*resource),
            Job::Converge(resources) => resources.first().copied(),
            Job::Apply(members) => members.first().map(|(resource, _)| *resource),
        };
        first.map_or(0, |resource| self.run.groups.places[resource].group)
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Answered(answers) => self.take_in_answers(answers),
            Event::NoMoreAnswers => self.take_in_end_of_answers(),
            Event::Leased(answers) => self.take_in_leases(answers),
            Event::NoMoreLeases => self.take_in_end_of_leases(),
            Event::Done { observed, applied, took } => {
                self.running -= 1;
                self.take_in_done(observed, applied, took);
            }
            Event::Late(resource) => {
                self.running -= 1;
                self.busy[self.run.groups.places[resource].group] -= 1;
                self.slots[resource].refresh = None;
                self.under_way.remove(&resource);
                self.withdraw(resource);
                self.refresh_or_end(resource);
            }
            Event::Refreshed { resource, result, took } => {
                self.running -= 1;
                self.busy[self.run.groups.places[resource].group] -= 1;
                self.slots[resource].took += took;
                self.after_refresh(resource, result);
            }
        }
    }

    pub(super) fn end_well(&mut self, resource: usize) {
        let slot = &self.slots[resource];
        let outcome = if slot.changes.is_empty() && slot.refresh.is_none() { Outcome::Unchanged } else { Outcome::Changed };
        self.end(resource, outcome, None);
    }

    pub(super) fn address(&self, resource: usize) -> Address {
        self.run.catalog.resources[resource].address.clone()
    }
}
