//! How a walk applies: what waits for its type's one place, what goes together, what came of it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use super::coordinator::Coordinator;
use super::refresh::targets;
use super::worker::{Applied, Job, Observation};
use crate::catalog::Effect;
use crate::change::Change;
use crate::report::{Outcome, Owed, Reason};
use crate::resource::{Failure, Nature, ObserveError};

/// The most that goes together of a type whose resources are applied in lots: enough to share what each
/// would cost, few enough to be over soon after somebody asks the run to stop.
const LOT_MAX: usize = 64;

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    pub(super) fn park(&mut self, resource: usize) {
        self.parked[self.run.groups.places[resource].group].push_back(resource);
    }

    /// Starts what waits and has a place, the first of the catalog first.
    pub(super) fn start_parked(&mut self) {
        while let Some(group) = self.next_group() {
            let lot = self.next_lot(group);
            self.start(lot);
        }
    }

    /// The group with a free place whose first waiting resource stands before those of the others.
    fn next_group(&self) -> Option<usize> {
        let waiting = |&group: &usize| self.busy[group] < self.places(group);
        let first = |group: usize| Some((*self.parked[group].front()?, group));
        (0..self.parked.len()).filter(waiting).filter_map(first).min().map(|(_, group)| group)
    }

    /// How many jobs of a group may be under way. More than the workers can do at once would only be
    /// begun later, and a run that is asked to stop begins nothing.
    fn places(&self, group: usize) -> usize {
        let nature = self.run.groups.groups[group].nature;
        if nature.serial || nature.batch { 1 } else { self.run.workers.max(1) }
    }

    /// Takes what goes together next.
    fn next_lot(&mut self, group: usize) -> Vec<usize> {
        let nature = self.run.groups.groups[group].nature;
        let waiting = self.parked[group].len();
        let count = match nature {
            Nature { batch: true, .. } => waiting,
            Nature { lots: true, .. } => waiting.div_ceil(self.run.workers.max(1)).min(LOT_MAX),
            _ => 1,
        };
        let mut lot: Vec<usize> = self.parked[group].drain(..count.min(waiting)).collect();
        if nature.batch && self.extend_batch(group, &mut lot) {
            self.look_again_together(group, &mut lot);
        }
        lot
    }

    /// Where some of a batch are to be looked at again, all are, so that they stay together. Who has
    /// refreshes to be written down first has its turn after them.
    fn look_again_together(&mut self, group: usize, lot: &mut Vec<usize>) {
        let (stale, later): (Vec<usize>, Vec<usize>) = std::mem::take(lot).into_iter().partition(|&resource| self.is_silent(resource));
        for &resource in &stale {
            self.slots[resource].stale = true;
            self.slots[resource].begun = true;
        }
        for resource in later {
            if !self.is_blocked(resource) {
                self.parked[group].push_back(resource);
            }
        }
        *lot = stale;
    }

    fn start(&mut self, lot: Vec<usize>) {
        if (self.run.stop)() {
            return lot.into_iter().for_each(|resource| self.end(resource, Outcome::Skipped, Some(Reason::Stopped)));
        }
        let (stale, seen): (Vec<usize>, Vec<usize>) =
            lot.into_iter().partition(|&resource| std::mem::take(&mut self.slots[resource].stale));
        if !stale.is_empty() {
            self.send(Job::Converge(stale));
        }
        if !seen.is_empty() {
            self.start_apply(seen);
        }
    }

    /// Adds resources whose open relations all lie within the batch. Whether any of the batch has to be
    /// looked at again.
    fn extend_batch(&self, group: usize, batch: &mut Vec<usize>) -> bool {
        let mut within: HashSet<usize> = batch.iter().copied().collect();
        loop {
            let before = batch.len();
            for &candidate in &self.run.groups.groups[group].resources {
                if !within.contains(&candidate) && self.may_join(candidate, &within) {
                    within.insert(candidate);
                    batch.push(candidate);
                }
            }
            if batch.len() == before {
                return batch.iter().any(|&resource| self.slots[resource].stale || self.is_unclear(resource));
            }
        }
    }

    fn may_join(&self, candidate: usize, batch: &HashSet<usize>) -> bool {
        let slot = &self.slots[candidate];
        let is_unclear = self.is_unclear(candidate);
        let open = slot.end.is_none() && !slot.begun && (slot.differs() || is_unclear);
        if !open
            || self.plans_only(candidate)
            || self.gatehouse.shut(candidate).is_some()
            || self.held(candidate).is_some()
            || self.guard_ahead(candidate).is_some()
        {
            return false;
        }
        let mark = self.marks[candidate];
        let unmarked = mark.failed.is_none() && mark.waiting.is_none() && (!mark.moved || is_unclear);
        let mut before = self.run.graph.vertices().neighbors_directed(NodeIndex::new(candidate), Direction::Incoming);
        unmarked && before.all(|vertex| batch.contains(&vertex.index()) || self.over[vertex.index()])
    }

    /// Whether what a resource's first look found may have become something else with what came before it,
    /// and a second look may be left to who applies it.
    fn is_unclear(&self, resource: usize) -> bool {
        let not_yet = matches!(self.slots[resource].observation, Some(Err(ObserveError::NotYet(_))));
        let moved = self.marks[resource].moved && self.slots[resource].observation.is_some();
        (not_yet || moved) && self.is_blocked(resource) && !self.run.groups.nature(resource).serial && self.is_silent(resource)
    }

    /// Writes down what will be owed, then lets the workers make the changes.
    fn start_apply(&mut self, resources: Vec<usize>) {
        if let Err(message) = self.owe_for(&resources) {
            let message = format!("the refreshes it causes could not be written down: {message}");
            let reason = Reason::ApplyFailed { message, help: None };
            return resources.into_iter().for_each(|resource| self.end(resource, Outcome::Failed, Some(reason.clone())));
        }
        let mut members = Vec::with_capacity(resources.len());
        for resource in resources {
            if let Some(Ok(changes)) = self.slots[resource].observation.take() {
                self.slots[resource].begun = true;
                members.push((resource, changes));
            }
        }
        if !members.is_empty() {
            self.send(Job::Apply(members));
        }
    }

    /// Writes down, at once, what others will be owed because of these resources.
    pub(super) fn owe_for(&mut self, resources: &[usize]) -> Result<(), String> {
        let mut written = Vec::new();
        for &resource in resources {
            let targets = targets(self.run.catalog, self.run.graph, &self.members, resource);
            let entries = self.entries(resource, &targets);
            written.extend(entries.iter().map(|(_, owed)| owed.clone()));
            self.slots[resource].owing = entries;
            self.slots[resource].refreshes = targets.into_iter().collect();
        }
        if written.is_empty() { Ok(()) } else { self.ledger.owe(&written) }
    }

    /// What the targets are owed because of this resource, each with the target's position.
    pub(super) fn entries(&self, resource: usize, targets: &BTreeMap<usize, Effect>) -> Vec<(usize, Owed)> {
        let entry = |(&target, &effect): (&usize, &Effect)| {
            let (source, since_ms) = (self.address(resource), self.run.started_ms);
            (target, Owed { target: self.address(target), source, effect, since_ms })
        };
        targets.iter().map(entry).collect()
    }

    /// Takes in what came of a job, in which every resource had the same share of the time.
    pub(super) fn take_in_done(&mut self, observed: Vec<(usize, Observation)>, applied: Vec<Applied>, took: Duration) {
        let share = took / u32::try_from(observed.len() + applied.len()).unwrap_or(u32::MAX).max(1);
        let first = observed.first().map(|(resource, _)| *resource).or(applied.first().map(|applied| applied.resource));
        if let Some(first) = first {
            self.busy[self.run.groups.places[first].group] -= 1;
        }
        // Who was looked at in a batch before its turn is judged when that comes; also where it comes because of
        // those that are judged here.
        let turns: Vec<usize> = observed.iter().map(|(resource, _)| *resource).filter(|&resource| !self.is_blocked(resource)).collect();
        for (resource, observation) in observed {
            self.slots[resource].took += share;
            self.slots[resource].observation = Some(observation);
            self.slots[resource].begun = false;
        }
        for resource in turns {
            self.judge(resource);
        }
        // Who has open relations inside the batch gets its result when its turn comes, not before.
        let (early, ready): (Vec<Applied>, Vec<Applied>) = applied.into_iter().partition(|applied| self.is_blocked(applied.resource));
        for applied in early {
            self.slots[applied.resource].took += share;
            let resource = applied.resource;
            self.slots[resource].early = Some(applied);
        }
        for applied in ready {
            self.slots[applied.resource].took += share;
            self.after_apply(applied);
        }
    }

    fn is_blocked(&self, resource: usize) -> bool {
        let mut before = self.run.graph.vertices().neighbors_directed(NodeIndex::new(resource), Direction::Incoming);
        before.any(|vertex| !self.over[vertex.index()])
    }

    pub(super) fn after_apply(&mut self, applied: Applied) {
        let Applied { resource, changes, result, after } = applied;
        if let Err(Failure { message, help }) = result {
            self.keep_or_withdraw(resource, &changes, &after);
            return self.end(resource, Outcome::Failed, Some(Reason::ApplyFailed { message, help }));
        }
        self.slots[resource].changes = changes;
        match after {
            Ok(remaining) if remaining.is_empty() => {
                self.become_due(resource);
                self.marks[resource].moved = true;
                self.refresh_or_end(resource);
            }
            Ok(remaining) => {
                let attributes = remaining.into_iter().map(|change| change.attribute).collect();
                self.end(resource, Outcome::Failed, Some(Reason::DidNotConverge { attributes }));
            }
            Err(error) => {
                let Failure { message, help } = error.failure().clone();
                self.end(resource, Outcome::Failed, Some(Reason::CannotTell { message, help }));
            }
        }
    }

    /// After a failed change: what was not changed at all causes no refresh.
    fn keep_or_withdraw(&mut self, resource: usize, wanted: &[Change], after: &Observation) {
        match after {
            Ok(remaining) if remaining.as_slice() == wanted => self.withdraw(resource),
            Ok(remaining) => self.slots[resource].changes = wanted.iter().filter(|change| !remaining.contains(change)).cloned().collect(),
            Err(_) => {}
        }
    }
}
