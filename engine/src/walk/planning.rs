//! How a walk plans: what would be made, as far as it can be told before anything is.

use super::coordinator::Coordinator;
use super::refresh::targets;
use crate::change::Change;
use crate::report::{Mode, Outcome, Reason, RefreshReport};
use crate::resource::{Refreshed, Reliance};

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    pub(super) fn end_unknown(&mut self, resource: usize, root: usize, message: Option<String>) {
        // What an unknown resource would refresh may be refreshed: the targets say so, too.
        self.plan_refreshes(resource);
        let root = self.address(root);
        self.end(resource, Outcome::Unknown, Some(Reason::Until { root, message }));
    }

    /// The end of a planned resource: what would be made, as far as it can be told.
    pub(super) fn plan(&mut self, resource: usize, changes: Vec<Change>) {
        let mark = self.marks[resource];
        let blocker = match self.run.groups.reliance(resource) {
            Reliance::Firm => None,
            Reliance::UntilOpaque => mark.opaque,
            Reliance::UntilAny => mark.pending,
        };
        if let Some(root) = blocker {
            return self.end_unknown(resource, root, None);
        }
        if !changes.is_empty() {
            self.plan_refreshes(resource);
        }
        self.slots[resource].changes = changes;
        let refresh = self.planned_refresh(resource);
        let quiet = self.slots[resource].changes.is_empty() && refresh.is_none();
        if refresh.is_some() && self.slots[resource].changes.is_empty() {
            self.plan_refreshes(resource);
        }
        self.slots[resource].refresh = refresh;
        let noop = self.run.catalog.resources[resource].noop.then_some(Reason::Noop);
        let outcome = if quiet { Outcome::Unchanged } else { Outcome::WouldChange };
        self.end(resource, outcome, if quiet { None } else { noop });
    }

    /// Notes in a plan who would be refreshed because of this resource.
    fn plan_refreshes(&mut self, resource: usize) {
        let targets = targets(self.run.catalog, self.run.graph, &self.members, resource);
        // What a `noop` resource would change in a real run refreshes nobody.
        if self.run.mode == Mode::Plan && !self.run.catalog.resources[resource].noop {
            for (target, owed) in self.entries(resource, &targets) {
                self.due.entry(target).or_default().push(owed);
            }
        }
        self.slots[resource].refreshes = targets.into_iter().collect();
    }

    fn planned_refresh(&self, resource: usize) -> Option<RefreshReport> {
        let (effect, sources) = self.due_for(resource)?;
        match self.run.groups.plan_refresh(resource, effect, &self.slots[resource].changes) {
            Refreshed::Done(what) => Some(RefreshReport { effect, sources, done: format!("would {what}") }),
            Refreshed::NotNeeded(_) => None,
        }
    }
}
