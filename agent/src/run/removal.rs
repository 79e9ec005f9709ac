//! What a run removes: orphans of the catalog that was applied last, and what nobody declares.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Resource};
use keel_engine::ledger::Enforced;
use keel_engine::orphan::{self, Orphans, absent};
use keel_engine::report::{Mode, Outcome, Reason, ResourceReport};
use keel_engine::resource::AnyType;
use keel_resources::host::Host;

use super::Options;
use super::purge::{self, Purged};
use crate::error::{Error, Result};
use crate::state::memory::Memory;
use crate::state::previous::PreviousCatalog;

/// What is said of what no run ever found or made as it was declared.
const FORGOTTEN: &str = "is no longer declared; no run ever brought it about, and what there may be of it stays";

/// What came of looking for what is to be removed.
pub(super) struct Removals {
    /// What held secrets when it was last applied.
    pub(super) concealed: HashSet<Address>,
    /// Orphans that stay as they are.
    pub(super) released: Vec<Address>,
    pub(super) warnings: Vec<String>,
}

/// Adds all removals behind what a catalog declares.
///
/// # Errors
/// An apply would remove more than is allowed.
pub(super) fn add(
    catalog: &mut Catalog,
    memory: &Memory,
    bytes: &[u8],
    options: &Options<'_>,
    types: &[&'static dyn AnyType<Host>],
) -> Result<Removals> {
    let previous = &memory.previous;
    let is_known = previous.is(bytes);
    let (mut orphans, warning) = if is_known { Default::default() } else { sort_orphans(previous, catalog, options, types)? };
    let concealed = if is_known { HashSet::new() } else { previous.with_secrets() };
    orphan::append(catalog, &mut orphans);
    let Purged { removals, warnings } = purge::find(catalog, options, types)?;
    let mut released = orphans.released;
    released.retain(|address| removals.iter().all(|(resource, _)| resource.address != *address));
    keel_engine::purge::append(catalog, removals);
    let never = never_enforced(&released, memory);
    released.retain(|address| !never.contains(address));
    let never = never.iter().map(|address| format!("{address} {FORGOTTEN}"));
    Ok(Removals { concealed, released, warnings: warning.into_iter().chain(warnings).chain(never).collect() })
}

/// Those that no run ever found or made as they were declared: they cannot be released.
fn never_enforced(released: &[Address], memory: &Memory) -> BTreeSet<Address> {
    if released.is_empty() {
        return BTreeSet::new();
    }
    let Some(last) = memory.last_report() else { return BTreeSet::new() };
    let is_made = |resource: &ResourceReport| {
        let by_refresh = matches!(resource.reason, Some(Reason::RefreshFailed { .. } | Reason::RefreshOwed { .. }));
        by_refresh || matches!(resource.outcome, Outcome::Unchanged | Outcome::Changed)
    };
    let unmade = last.resources.into_iter().filter(|resource| !is_made(resource)).map(|resource| resource.address);
    unmade.filter(|address| released.contains(address) && !memory.enforced.knows(address)).collect()
}

/// The resource that removes another one; none if its type cannot remove anything.
pub(super) fn of(types: &[&'static dyn AnyType<Host>], orphan: &Resource) -> Option<Resource> {
    let kind = types.iter().find(|kind| *kind.schema().name == *orphan.address.type_name)?;
    by(*kind, orphan)
}

/// The same, by the orphan's own type.
pub(crate) fn by(kind: &dyn AnyType<Host>, orphan: &Resource) -> Option<Resource> {
    let (attribute, value) = kind.removal()?;
    let whole = absent(orphan, attribute, value);
    if kind.check(&whole).is_ok() {
        return Some(whole);
    }
    // Attributes that describe what should be there do not go with its absence: the title must do.
    let mut bare = whole;
    let title = kind.schema().title_attribute;
    Arc::make_mut(&mut bare.attributes).retain(|name, _| name == attribute || name == title);
    kind.check(&bare).is_ok().then_some(bare)
}

/// What becomes of the orphans. More removals than allowed stop an apply; a plan shows them, with a warning.
fn sort_orphans(
    previous: &PreviousCatalog,
    catalog: &Catalog,
    options: &Options<'_>,
    types: &[&'static dyn AnyType<Host>],
) -> Result<(Orphans, Option<String>)> {
    let Some(previous) = previous.catalog() else { return Ok((Orphans::default(), None)) };
    let removal = |orphan: &Resource| of(types, orphan);
    let too_many = match orphan::sort(&previous, catalog, options.choice.prune_max, removal) {
        Ok(orphans) => return Ok((orphans, None)),
        Err(too_many) => too_many,
    };
    let sample: Vec<String> = too_many.sample.iter().map(Address::to_string).collect();
    let message = format!("the run would remove {} resources and may remove {}: {} ...", too_many.count, too_many.max, sample.join(", "));
    let flag = format!("if that is what you want: --prune-max {}", too_many.count);
    match (options.mode, orphan::sort(&previous, catalog, Some(usize::MAX), removal)) {
        (Mode::Plan, Ok(orphans)) => Ok((orphans, Some(format!("{message}; an apply refuses this, {flag}")))),
        _ => Err(Error::host(message).hint(flag)),
    }
}
