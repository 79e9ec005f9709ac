//! How a walk refreshes: what is due is done once, after everything that asked for it.

use std::collections::HashMap;

use super::Run;
use super::coordinator::Coordinator;
use super::worker::Job;
use crate::address::Address;
use crate::catalog::Effect;
use crate::ledger::Ledger;
use crate::report::{Outcome, Owed, Reason, RefreshReport};
use crate::resource::{Failure, PlannedRefresh, Refreshed};

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    /// Strikes out what this resource was about to cause. If that fails, a refresh too many is the price.
    pub(super) fn withdraw(&mut self, resource: usize) {
        let owing: Vec<Owed> = std::mem::take(&mut self.slots[resource].owing).into_iter().map(|(_, owed)| owed).collect();
        if !owing.is_empty() && self.ledger.withdraw(&owing).is_ok() {
            self.slots[resource].refreshes.clear();
        }
    }

    pub(super) fn become_due(&mut self, resource: usize) {
        for (target, owed) in std::mem::take(&mut self.slots[resource].owing) {
            self.due.entry(target).or_default().push(owed);
        }
    }

    pub(super) fn due_for(&self, resource: usize) -> Option<(Effect, Vec<Address>)> {
        let entries = self.due.get(&resource)?;
        let effect = entries.iter().map(|owed| owed.effect).max()?;
        let mut sources: Vec<_> = entries.iter().map(|owed| owed.source.clone()).collect();
        sources.sort();
        sources.dedup();
        Some((effect, sources))
    }

    pub(super) fn refresh_or_end(&mut self, resource: usize) {
        let Some((effect, sources)) = self.due_for(resource) else { return self.end_well(resource) };
        let made = self.slots[resource].changes.clone();
        match self.run.groups.plan_refresh(resource, effect, &made) {
            PlannedRefresh::NotNeeded(_) => self.settle(resource),
            PlannedRefresh::Later(why) if made.is_empty() => self.end_owing(resource, why),
            PlannedRefresh::Later(_) => self.end_well(resource),
            PlannedRefresh::Due(_) | PlannedRefresh::Guarded(_) => {
                // A change that has just been made is whole only with its refresh, also where the hour is over by now.
                if let Some(shut) = self.held(resource).filter(|_| made.is_empty()) {
                    return self.end(resource, Outcome::Waiting, Some(shut));
                }
                match self.lease_wanted(resource, &[], Some(effect)) {
                    Ok(None) => {}
                    Ok(Some(guard)) => return self.stand_for_lease(resource, guard),
                    Err(Failure { message, help }) => {
                        return self.end(resource, Outcome::Failed, Some(Reason::RefreshFailed { message, help }));
                    }
                }
                // Whoever this refresh notifies is owed before it happens, like after a change.
                if made.is_empty()
                    && let Err(message) = self.owe_for(&[resource])
                {
                    return self.end(resource, Outcome::Failed, Some(Reason::RefreshFailed { message, help: None }));
                }
                self.slots[resource].refresh = Some(RefreshReport { effect, sources, done: String::new() });
                self.send(Job::Refresh { resource, effect, made });
            }
        }
    }

    pub(super) fn after_refresh(&mut self, resource: usize, result: Result<Refreshed, Failure>) {
        match result {
            Ok(Refreshed::Done(what)) => {
                if let Some(refresh) = &mut self.slots[resource].refresh {
                    refresh.done = what.to_owned();
                }
                self.become_due(resource);
                self.marks[resource].moved = true;
                self.settle(resource);
            }
            Ok(Refreshed::NotNeeded(_)) => {
                self.slots[resource].refresh = None;
                self.withdraw(resource);
                self.settle(resource);
            }
            Err(Failure { message, help }) => {
                self.slots[resource].refresh = None;
                self.withdraw(resource);
                self.end(resource, Outcome::Failed, Some(Reason::RefreshFailed { message, help }));
            }
        }
    }

    /// The end of a resource whose refresh has to wait for another run: what is owed stays written down.
    pub(super) fn end_owing(&mut self, resource: usize, why: &str) {
        self.end(resource, Outcome::Skipped, Some(Reason::RefreshOwed { message: why.to_owned() }));
    }

    fn settle(&mut self, resource: usize) {
        self.due.remove(&resource);
        let address = self.address(resource);
        match self.ledger.settle(&address) {
            Ok(()) => self.end_well(resource),
            Err(message) => {
                let message = format!("the refresh was done but could not be struck out: {message}");
                self.end(resource, Outcome::Failed, Some(Reason::RefreshFailed { message, help: None }));
            }
        }
    }
}

/// What earlier runs left owed to resources of this catalog.
pub(super) fn due_from_before<H: ?Sized>(run: &Run<'_, H>, ledger: &dyn Ledger) -> HashMap<usize, Vec<Owed>> {
    let mut due: HashMap<usize, Vec<Owed>> = HashMap::new();
    for owed in ledger.owed() {
        let position = run.catalog.resources.iter().position(|resource| resource.address == owed.target);
        if let Some(position) = position.filter(|&position| run.groups.nature(position).refreshable) {
            due.entry(position).or_default().push(owed);
        }
    }
    due
}
