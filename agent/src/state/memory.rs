//! What the agent remembers of earlier runs, loaded before a run and kept after it.

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Resource};
use keel_engine::report::{Outcome, Report, ResourceReport};
use keel_resources::host::Digests;

use super::State;
use super::digests::DigestsFile;
use super::enforced::EnforcedFile;
use super::previous::PreviousCatalog;
use super::reports::{Reports, Written};

/// Everything that is remembered but the ledger, which is written while a run goes on.
pub struct Memory {
    state: State,
    /// The catalog that was applied last.
    pub previous: PreviousCatalog,
    /// What was enforced.
    pub enforced: EnforcedFile,
    /// The files that were read.
    pub digests: DigestsFile,
}

/// What a run applied.
#[derive(Clone, Copy)]
pub struct Applied<'a> {
    /// The catalog, without what stands for orphans.
    pub catalog: &'a Catalog,
    /// Its binary form.
    pub bytes: &'a [u8],
    /// The resources that stand for orphans.
    pub removals: &'a [Resource],
    /// What came of it.
    pub report: &'a Report,
    /// What the resources that changed decide over.
    pub written: &'a Written,
}

impl Memory {
    /// Loads it.
    ///
    /// # Errors
    /// Names the file that cannot be read, and says why.
    pub fn load(state: &State) -> Result<Self, String> {
        let previous = PreviousCatalog::load(state)?;
        let (enforced, digests) = (EnforcedFile::of(state), DigestsFile::load(state));
        Ok(Self { state: state.clone(), previous, enforced, digests })
    }

    /// What came of the last run that left nothing out, as far as a report of it is kept.
    pub fn last_report(&self) -> Option<Report> {
        let reports = Reports::of(&self.state);
        let last = reports.last()?;
        if last.is_partial() { reports.last_whole_before(&last) } else { Some(last) }
    }

    /// Writes down what a run is about to apply. Nothing may be changed before.
    ///
    /// # Errors
    /// Names the file that cannot be written, and says why.
    pub fn begin(&self, bytes: &[u8]) -> Result<(), String> {
        self.previous.begin(bytes)
    }

    /// Keeps what a run came to.
    ///
    /// # Errors
    /// Names the file that cannot be written, and says why.
    pub fn keep(&mut self, applied: &Applied<'_>, digests: Option<&Digests>) -> Result<(), String> {
        let Applied { catalog, bytes, removals, report, written } = *applied;
        if !self.previous.is(bytes) || report.has_changes() {
            self.enforced.update(catalog, &report.resources)?;
        }
        self.previous.store(catalog, bytes, &not_removed(&report.resources, removals))?;
        self.digests.store(digests)?;
        Reports::of(&self.state).keep(report, written)
    }
}

/// The orphans whose removal did not succeed; the next run tries again.
fn not_removed(reports: &[ResourceReport], removals: &[Resource]) -> Vec<Address> {
    let done = |address: &Address| {
        reports.iter().any(|report| report.address == *address && matches!(report.outcome, Outcome::Unchanged | Outcome::Changed))
    };
    removals.iter().map(|resource| resource.address.clone()).filter(|address| !done(address)).collect()
}
