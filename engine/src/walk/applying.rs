//! How a walk applies: what waits for its type's one place, what goes together, what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use super::Progress;
use super::coordinator::Coordinator;
use super::refresh::targets;
use super::worker::{Applied, Job, Observation};
use crate::catalog::Effect;
use crate::change::Change;
use crate::report::{Outcome, Owed, Reason};
use crate::resource::Failure;

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    pub(super) fn park_or_apply(&mut self, resource: usize) {
        let nature = self.run.groups.nature(resource);
        if nature.serial || nature.batch {
            self.parked[self.run.groups.places[resource].group].push_back(resource);
        } else {
            self.start_apply(vec![resource]);
        }
    }

    /// Starts what waits for its serial type's place, batches together.
    pub(super) fn start_parked(&mut self) {
        for group in 0..self.parked.len() {
            if self.busy[group] || self.parked[group].is_empty() {
                continue;
            }
            let batch = self.run.groups.groups[group].nature.batch;
            let mut resources: Vec<usize> =
                if batch { self.parked[group].drain(..).collect() } else { self.parked[group].pop_front().into_iter().collect() };
            if batch {
                self.extend_batch(group, &mut resources);
            }
            self.busy[group] = true;
            if !self.start_apply(resources) {
                self.busy[group] = false;
            }
        }
    }

    /// Adds resources whose open relations all lie within the batch.
    fn extend_batch(&self, group: usize, batch: &mut Vec<usize>) {
        loop {
            let before = batch.len();
            for &candidate in &self.run.groups.groups[group].resources {
                if !batch.contains(&candidate) && self.may_join(candidate, batch) {
                    batch.push(candidate);
                }
            }
            if batch.len() == before {
                return;
            }
        }
    }

    fn may_join(&self, candidate: usize, batch: &[usize]) -> bool {
        let slot = &self.slots[candidate];
        let open = slot.end.is_none() && !slot.begun && slot.differs();
        if !open || self.plans_only(candidate) || self.gatehouse.shut(candidate).is_some() {
            return false;
        }
        let mark = self.marks[candidate];
        let unmarked = mark.failed.is_none() && mark.waiting.is_none() && !mark.moved;
        let mut before = self.run.graph.vertices().neighbors_directed(NodeIndex::new(candidate), Direction::Incoming);
        unmarked && before.all(|vertex| batch.contains(&vertex.index()) || self.over[vertex.index()])
    }

    /// Writes down what will be owed, then lets the workers make the changes. Says whether it did.
    fn start_apply(&mut self, resources: Vec<usize>) -> bool {
        let mut members = Vec::with_capacity(resources.len());
        for resource in resources {
            if let Err(message) = self.owe_for(resource) {
                let message = format!("the refreshes it causes could not be written down: {message}");
                self.end(resource, Outcome::Failed, Some(Reason::ApplyFailed { message, help: None }));
                continue;
            }
            if let Some(Ok(changes)) = self.slots[resource].observation.take() {
                self.slots[resource].begun = true;
                members.push((resource, changes));
            }
        }
        let Some(&(first, _)) = members.first() else { return false };
        let current = &self.run.catalog.resources[first].address;
        (self.progress)(Progress { done: self.done, total: self.slots.len(), current: Some(current) });
        self.send(Job::Apply(members));
        true
    }

    pub(super) fn owe_for(&mut self, resource: usize) -> Result<(), String> {
        let targets = targets(self.run.catalog, self.run.graph, &self.members, resource);
        let entries = self.entries(resource, &targets);
        if !entries.is_empty() {
            let written: Vec<Owed> = entries.iter().map(|(_, owed)| owed.clone()).collect();
            self.ledger.owe(&written)?;
        }
        self.slots[resource].owing = entries;
        self.slots[resource].refreshes = targets.into_iter().collect();
        Ok(())
    }

    /// What the targets are owed because of this resource, each with the target's position.
    pub(super) fn entries(&self, resource: usize, targets: &BTreeMap<usize, Effect>) -> Vec<(usize, Owed)> {
        let entry = |(&target, &effect): (&usize, &Effect)| {
            let (source, since_ms) = (self.address(resource), self.run.started_ms);
            (target, Owed { target: self.address(target), source, effect, since_ms })
        };
        targets.iter().map(entry).collect()
    }

    pub(super) fn take_in_applied(&mut self, results: Vec<Applied>, took: Duration) {
        let share = took / u32::try_from(results.len().max(1)).unwrap_or(u32::MAX);
        if let Some(first) = results.first() {
            self.busy[self.run.groups.places[first.resource].group] = false;
        }
        // Who has open relations inside the batch gets its result when its turn comes, not before.
        let (early, ready): (Vec<Applied>, Vec<Applied>) = results.into_iter().partition(|applied| self.is_blocked(applied.resource));
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
