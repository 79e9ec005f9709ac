//! Whether a host's files come to the same from wherever a run starts: the file-level part of a catalog is
//! converged in scratch roots, from an empty one, from each half of the way, and from states by chance.
//!
//! The method is that of Hummer, Rosenberg, Oliveira and Eilam, "Testing Idempotence for Infrastructure as Code"
//! (Middleware 2013).

mod file_part;
mod scratch;
mod snapshot;
mod start;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use keel_engine::catalog::{Catalog, Resource};
use keel_engine::contents::Contents;
use keel_engine::report::{Mode, Outcome, Reason, Report};
use keel_engine::walk::{Filter, LeaseSource};

use crate::error::{Error, Result};
use crate::run::{self, Choice, Desired, Options};
pub use file_part::{FilePart, LeftOut};
use scratch::Scratch;
use snapshot::Snapshot;
use start::{Chance, Start};

/// How it is tried.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where scratch folders go.
    pub folder: PathBuf,
    /// Where chance begins.
    pub seed: u64,
    /// How many states by chance.
    pub drifts: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Convergence {
    /// How many states a run was started from.
    pub states: usize,
    /// The resources that took part, by their places in the host's catalog.
    pub tried: usize,
    /// What did not take part, and why.
    pub left_out: Vec<LeftOut>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub fault: Fault,
    /// The state that the run started from, in words.
    pub from: String,
    /// What differs, a line each.
    pub details: Vec<String>,
    /// The resources that have to do with it, by position in the host's catalog.
    pub resources: Vec<usize>,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The end is another one than from an empty root.
    Elsewhere,
    /// A second run changes something.
    SecondRun,
    /// The run fails.
    Fails,
}

/// How many things of one finding are said.
const DETAILS_MAX: usize = 5;

/// Tries a host's catalog.
///
/// # Errors
/// Scratch folders cannot be made, or a run cannot be begun there.
pub fn attempt(catalog: &Catalog, contents: &Arc<dyn Contents>, plan: &Plan) -> Result<Convergence> {
    let mut part = FilePart::of(catalog);
    let mut convergence = Convergence::default();
    let (base, end) = loop {
        if part.catalog.resources.is_empty() {
            return Ok(Convergence { left_out: part.left_out, ..convergence });
        }
        let trial = Trial { part: &part, contents, plan };
        let base = trial.base()?;
        let root = base.copy(&plan.folder)?;
        let report = trial.apply(&root, &[])?;
        let failed: Vec<(usize, String)> = failures(&report, &part.catalog);
        if failed.is_empty() {
            convergence.states += 1;
            let end = Snapshot::of(root.path())?;
            convergence.findings.extend(trial.second_run(&root, &Start::Empty)?);
            break (base, End { root, snapshot: end });
        }
        // What the second run can do the first one should have done; what neither can needs a whole host.
        let again = trial.apply(&root, &[])?;
        let still: BTreeSet<usize> = failures(&again, &part.catalog).into_iter().map(|(position, _)| position).collect();
        if still.is_empty() {
            convergence.states += 1;
            convergence.findings.push(trial.failed(&failed, &Start::Empty));
            let end = Snapshot::of(root.path())?;
            break (base, End { root, snapshot: end });
        }
        let failed = failed.into_iter().filter(|(position, _)| still.contains(position)).collect();
        part = part.without(failed);
    };
    let trial = Trial { part: &part, contents, plan };
    trial.try_steps(&base, &end, &mut convergence)?;
    trial.try_chance(&base, &end, &mut convergence)?;
    convergence.tried = part.catalog.resources.len();
    convergence.left_out = part.left_out;
    fold(&mut convergence.findings);
    Ok(convergence)
}

/// The same thing found from many states is said once, with how often.
fn fold(findings: &mut Vec<Finding>) {
    let mut folded: Vec<(Finding, usize)> = Vec::new();
    for finding in findings.drain(..) {
        match folded.iter_mut().find(|(known, _)| known.fault == finding.fault && known.resources == finding.resources) {
            Some((_, more)) => *more += 1,
            None => folded.push((finding, 0)),
        }
    }
    findings.extend(folded.into_iter().map(|(mut finding, more)| {
        if more > 0 {
            finding.from = format!("{}, and from {more} other states", finding.from);
        }
        finding
    }));
}

/// What a run from an empty root came to.
struct End {
    root: Scratch,
    snapshot: Snapshot,
}

struct Trial<'t> {
    part: &'t FilePart,
    contents: &'t Arc<dyn Contents>,
    plan: &'t Plan,
}

impl Trial<'_> {
    /// A root with what left-out resources would have brought: folders, empty files, accounts.
    fn base(&self) -> Result<Scratch> {
        let scratch = Scratch::make(&self.plan.folder)?;
        self.part.furnish(scratch.path()).map_err(|error| Error::host(format!("cannot furnish {}: {error}", scratch.path().display())))?;
        Ok(scratch)
    }

    fn run(&self, root: &Scratch, mode: Mode, only: &[usize]) -> Result<Report> {
        let words = only.iter().filter_map(|position| self.part.catalog.resources.get(*position)).map(address_word);
        let choice = Choice { filter: Filter { only: words.collect(), skip: Vec::new() }, any_hour: true, ..Choice::default() };
        let bytes = self.part.catalog.to_bytes().map_err(|error| Error::host(format!("cannot encode the catalog: {error}")))?;
        let desired = Desired { catalog: self.part.catalog.clone(), bytes, contents: Arc::clone(self.contents) };
        let options = Options {
            root: root.path().to_owned(),
            name: run::new_name(),
            mode,
            choice,
            stop: &|| false,
            gates: None,
            leases: LeaseSource::NotNeeded,
            turns: None,
        };
        run::make(desired, &options, || Err(Error::host("there are no secrets in a trial")), &mut |_| {})
    }

    /// Applies the whole, or these alone.
    fn apply(&self, root: &Scratch, only: &[usize]) -> Result<Report> {
        self.run(root, Mode::Apply, only)
    }

    /// What a run would still change.
    fn pending(&self, root: &Scratch) -> Result<BTreeSet<usize>> {
        let report = self.run(root, Mode::Plan, &[])?;
        let settled = |outcome| matches!(outcome, Outcome::Unchanged);
        let open = report.resources.iter().filter(|one| !settled(one.outcome));
        Ok(open.filter_map(|one| self.part.catalog.resources.iter().position(|known| known.address == one.address)).collect())
    }

    /// From each step of the way: the first one done, the first two, and so on.
    fn try_steps(&self, base: &Scratch, end: &End, convergence: &mut Convergence) -> Result<()> {
        let order = self.part.order();
        let half = base.copy(&self.plan.folder)?;
        let steps = order.iter().take(order.len().saturating_sub(1)).enumerate();
        for (done, position) in steps {
            self.apply(&half, &[*position])?;
            let start = Start::Half { done: done + 1, of: order.len() };
            self.converge(&half.copy(&self.plan.folder)?, &start, end, convergence)?;
        }
        Ok(())
    }

    fn try_chance(&self, base: &Scratch, end: &End, convergence: &mut Convergence) -> Result<()> {
        let mut chance = Chance::new(self.plan.seed);
        for number in 0..self.plan.drifts {
            let (root, start) =
                if number % 2 == 0 { self.some_in_any_order(base, &mut chance)? } else { self.drifted(base, end, &mut chance)? };
            self.converge(&root, &start, end, convergence)?;
        }
        Ok(())
    }

    /// Some of the resources, in an order that no relation asks for.
    fn some_in_any_order(&self, base: &Scratch, chance: &mut Chance) -> Result<(Scratch, Start)> {
        let mut positions = self.part.order();
        chance.shuffle(&mut positions);
        positions.truncate(chance.below(positions.len().max(1)) + 1);
        let root = base.copy(&self.plan.folder)?;
        for position in &positions {
            // What cannot be done without the others is not done.
            self.apply(&root, &[*position])?;
        }
        let addresses = positions.iter().filter_map(|position| self.part.catalog.resources.get(*position));
        Ok((root, Start::Some(addresses.map(|resource| resource.address.to_string()).collect())))
    }

    /// The end, with a few things changed by hand that a run would change back.
    fn drifted(&self, base: &Scratch, end: &End, chance: &mut Chance) -> Result<(Scratch, Start)> {
        let root = end.root.copy(&self.plan.folder)?;
        let mut made = Vec::new();
        let mut pending = self.pending(&root)?;
        let origin = Snapshot::of(base.path())?;
        for _ in 0..=chance.below(3) {
            let Some(drift) = start::drift(&origin, &end.snapshot, &self.part.catalog, chance) else { break };
            let kept = root.copy(&self.plan.folder)?;
            // What went with something else is gone already.
            if drift.make(root.path()).is_err() {
                root.replace_with(kept)?;
                continue;
            }
            let now = self.pending(&root)?;
            // What no run looks at is none of the site's business, and stays in any case.
            if now == pending {
                root.replace_with(kept)?;
                continue;
            }
            pending = now;
            made.push(drift.to_string());
        }
        Ok((root, Start::Drifted(made)))
    }

    fn converge(&self, root: &Scratch, start: &Start, end: &End, convergence: &mut Convergence) -> Result<()> {
        convergence.states += 1;
        let failed = failures(&self.apply(root, &[])?, &self.part.catalog);
        if !failed.is_empty() {
            convergence.findings.push(self.failed(&failed, start));
            return Ok(());
        }
        let differences = end.snapshot.differences(&Snapshot::of(root.path())?, &self.part.tables);
        if !differences.is_empty() {
            let paths: Vec<&str> = differences.iter().map(|(path, _)| path.as_str()).collect();
            convergence.findings.push(Finding {
                fault: Fault::Elsewhere,
                from: self.words(start),
                details: differences.iter().take(DETAILS_MAX).map(|(path, how)| format!("{path}: {how}")).collect(),
                resources: self.part.writers_of(&paths),
            });
        }
        convergence.findings.extend(self.second_run(root, start)?);
        Ok(())
    }

    fn second_run(&self, root: &Scratch, start: &Start) -> Result<Option<Finding>> {
        let pending = self.pending(root)?;
        if pending.is_empty() {
            return Ok(None);
        }
        let report = self.run(root, Mode::Plan, &[])?;
        let details = report.resources.iter().filter(|one| one.outcome != Outcome::Unchanged).take(DETAILS_MAX);
        let details = details.map(|one| {
            let changes: Vec<String> = one.changes.iter().map(|reported| reported.change.attribute.clone()).collect();
            format!("{} would be changed again: {}", one.address, changes.join(", "))
        });
        Ok(Some(Finding {
            fault: Fault::SecondRun,
            from: self.words(start),
            details: details.collect(),
            resources: pending.into_iter().filter_map(|position| self.part.position(position)).collect(),
        }))
    }

    fn failed(&self, failed: &[(usize, String)], start: &Start) -> Finding {
        Finding {
            fault: Fault::Fails,
            from: self.words(start),
            details: failed.iter().take(DETAILS_MAX).map(|(_, message)| message.clone()).collect(),
            resources: failed.iter().filter_map(|(position, _)| self.part.position(*position)).collect(),
        }
    }

    fn words(&self, start: &Start) -> String {
        start.words(self.plan.seed)
    }
}

/// What failed of itself, by position, with why.
fn failures(report: &Report, catalog: &Catalog) -> Vec<(usize, String)> {
    let failed = report.resources.iter().filter(|one| one.outcome == Outcome::Failed);
    failed
        .filter_map(|one| {
            let position = catalog.resources.iter().position(|known| known.address == one.address)?;
            let why = match &one.reason {
                Some(Reason::CannotTell { message, .. } | Reason::ApplyFailed { message, .. }) => message.clone(),
                Some(Reason::DidNotConverge { attributes }) => format!("after the change it still differs: {}", attributes.join(", ")),
                _ => "it fails".to_owned(),
            };
            Some((position, format!("{}: {why}", one.address)))
        })
        .collect()
}

fn address_word(resource: &Resource) -> String {
    resource.address.reference()
}

#[cfg(test)]
mod tests;
