//! What a walk finds and does not change now: outside of a schedule's hours, and where the change is
//! another's to make. It is shown at any time.

use super::coordinator::Coordinator;
use crate::report::Reason;

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    /// Why a resource may not be changed now, if anything says so. What is `noop` is never changed anyway.
    pub(super) fn held(&self, resource: usize) -> Option<Reason> {
        let declared = &self.run.catalog.resources[resource];
        if declared.noop {
            return None;
        }
        let schedule = self.run.catalog.schedule_of(declared);
        let shut =
            schedule.and_then(|schedule| Some(Reason::Schedule { name: schedule.name.clone(), opens: (self.run.opening)(schedule)? }));
        shut.or_else(|| self.run.groups.held(resource).map(|message| Reason::Held { message }))
    }
}
