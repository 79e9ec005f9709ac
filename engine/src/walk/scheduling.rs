//! How a walk keeps to schedules: what it finds is shown at any time, and changed in its hours only.

use super::coordinator::Coordinator;
use crate::report::Reason;

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    /// Why a resource may not be changed now, if its schedule says so. What is `noop` is never changed anyway.
    pub(super) fn shut_schedule(&self, resource: usize) -> Option<Reason> {
        let declared = &self.run.catalog.resources[resource];
        let schedule = self.run.catalog.schedule_of(declared).filter(|_| !declared.noop)?;
        let opens = (self.run.opening)(schedule)?;
        Some(Reason::Schedule { name: schedule.name.clone(), opens })
    }
}
