//! What is on the host and no resource declares, where a manifest purges such things.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, PurgeRule, Resource};
use keel_engine::footprint::{Footprint, Key};
use keel_engine::purge::{self, Declared};
use keel_engine::report::Mode;
use keel_engine::resource::{AnyType, Described, Failure};
use keel_engine::value::Value;
use keel_manifests::diagnostic::did_you_mean;
use keel_resources::host::Host;
use keel_resources::package;
use serde::{Deserialize, Serialize};

use super::{Options, removal};
use crate::error::{Error, Result};
use crate::state::State;
use crate::state::previous::PreviousCatalog;

/// How many things of a type a run may purge, whatever the manifests say: `TYPE=COUNT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeLimit {
    /// The type.
    pub type_name: String,
    /// How many.
    pub count: usize,
}

impl FromStr for PurgeLimit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let limit = parts.and_then(|(name, count)| Some(Self { type_name: name.to_owned(), count: count.parse().ok()? }));
        let limit = limit.ok_or_else(|| "write the type and the number, such as host=3".to_owned())?;
        expect_purgeable(&limit.type_name).map(|()| limit)
    }
}

/// A limit for what no rule can name would be passed over in silence.
fn expect_purgeable(name: &str) -> std::result::Result<(), String> {
    let types = keel_resources::all();
    let Some(kind) = types.iter().find(|kind| kind.schema().name == name) else {
        let advice = did_you_mean(name, types.iter().map(|kind| kind.schema().name));
        return Err(format!("there is no resource type {name}; {}", advice.unwrap_or_else(|| "keel doc lists all types".to_owned())));
    };
    let able = || types.iter().filter(|kind| kind.removable().is_some()).map(|kind| kind.schema().name).collect::<Vec<_>>().join(", ");
    if kind.removable().is_some() { Ok(()) } else { Err(format!("nothing of the type {name} is ever purged; these can be: {}", able())) }
}

/// A thing to be removed, as a resource, with what it touches.
type Removal = (Resource, Footprint);

/// A thing that may go, unless what holds it stays.
struct Candidate {
    resource: Resource,
    footprint: Footprint,
    /// The keys of what holds it.
    holders: Vec<Key>,
}

/// What is to be removed, and what there is to say of it.
#[derive(Default)]
pub(super) struct Purged {
    pub(super) removals: Vec<Removal>,
    pub(super) warnings: Vec<String>,
}

/// Looks for what the rules of a catalog let go. A type that cannot be listed loses nothing.
///
/// # Errors
/// An apply would remove more than a rule allows.
pub(super) fn find(catalog: &Catalog, options: &Options<'_>, types: &[&'static dyn AnyType<Host>]) -> Result<Purged> {
    let mut purged = Purged::default();
    if catalog.purge.is_empty() {
        return Ok(purged);
    }
    let by_name: BTreeMap<&str, &'static dyn AnyType<Host>> = types.iter().map(|kind| (kind.schema().name, *kind)).collect();
    let footprint = |resource: &Resource| by_name.get(&*resource.address.type_name)?.check(resource).ok();
    // What another site looks after on this host is declared, too.
    let others = match others(catalog, options) {
        Ok(others) => others,
        Err(why) => {
            purged.warnings.push(format!("nothing is purged: what another site declares on this host cannot be told: {why}"));
            return Ok(purged);
        }
    };
    let all: Vec<Resource> = catalog.resources.iter().chain(others.iter().flat_map(|other| &other.resources)).cloned().collect();
    let footprints: Vec<Footprint> = all.iter().map(|resource| footprint(resource).unwrap_or_default()).collect();
    let search = Search {
        host: options.host(),
        declared: Declared::of(&all, &footprints),
        taken: catalog.resources.iter().map(|resource| resource.address.clone()).collect(),
    };
    let mut found = Vec::new();
    for rule in &catalog.purge {
        let Some(kind) = by_name.get(rule.type_name.as_str()) else { continue };
        match search.undeclared(rule, *kind) {
            Ok((candidates, left)) => {
                purged.warnings.extend(left.into_iter().map(|why| format!("purge {} leaves something out: {why}", rule.type_name)));
                found.push((rule, candidates));
            }
            Err(failure) => purged.warnings.push(format!("nothing of the type {} is purged: {failure}", rule.type_name)),
        }
    }
    let takes_part = |resource: &Resource| !resource.noop && options.choice.filter.admits(catalog, resource);
    spare_held(&mut found, takes_part);
    let mut excesses = Vec::new();
    for (rule, candidates) in found {
        let removals: Vec<Removal> = candidates.into_iter().map(|candidate| (candidate.resource, candidate.footprint)).collect();
        excesses.extend(Excess::of(rule, &removals, catalog, options));
        purged.removals.extend(removals);
    }
    purged.warnings.extend(Excess::judge(&excesses, options.mode)?);
    Ok(purged)
}

/// Leaves out what something holds that stays; what goes with its holders goes after them.
fn spare_held(found: &mut [(&PurgeRule, Vec<Candidate>)], takes_part: impl Fn(&Resource) -> bool) {
    let candidates = found.iter().flat_map(|(_, candidates)| candidates);
    let going = candidates.filter(|candidate| takes_part(&candidate.resource)).flat_map(|candidate| candidate.footprint.writes.clone());
    let going: BTreeSet<Key> = going.collect();
    let mut held: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for (_, candidates) in found.iter_mut() {
        candidates.retain(|candidate| candidate.holders.iter().all(|holder| going.contains(holder)));
        for candidate in candidates {
            for holder in &candidate.holders {
                held.entry(holder.clone()).or_default().extend(candidate.footprint.writes.iter().cloned());
            }
        }
    }
    for candidate in found.iter_mut().flat_map(|(_, candidates)| candidates) {
        let footprint = std::mem::take(&mut candidate.footprint);
        let needed: Vec<Key> = footprint.writes.iter().filter_map(|key| held.get(key)).flatten().cloned().collect();
        candidate.footprint = needed.into_iter().fold(footprint, Footprint::need);
    }
}

/// The catalogs that other sites last applied to this host.
///
/// # Errors
/// One of them cannot be read: then nobody knows what it declares.
fn others(catalog: &Catalog, options: &Options<'_>) -> std::result::Result<Vec<Catalog>, String> {
    let own = State::of_site(&options.root, &catalog.site).kept;
    let states = State::all(&options.root)?.into_iter().filter(|state| state.kept != own);
    let catalogs = states.map(|state| PreviousCatalog::load(&state)?.whole_catalog());
    catalogs.filter_map(std::result::Result::transpose).collect()
}

/// What a search knows of the host and the catalog.
struct Search<'a> {
    host: Host,
    declared: Declared<'a>,
    taken: BTreeSet<Address>,
}

impl Search<'_> {
    /// The removals of what is there of a type, nobody declares, no package brought and no rule keeps; and what
    /// is left out, with the reasons.
    fn undeclared(
        &self,
        rule: &PurgeRule,
        kind: &'static dyn AnyType<Host>,
    ) -> std::result::Result<(Vec<Candidate>, Vec<String>), Failure> {
        let Some(list) = kind.removable() else { return Ok(Default::default()) };
        let title_attribute = kind.schema().title_attribute;
        let mut taken = self.taken.clone();
        let listed = list(&self.host)?;
        let mut left = listed.left;
        let mut found: Vec<Removal> = Vec::new();
        for thing in listed.things.into_iter().filter(|thing| !is_kept(rule, title_attribute, thing)) {
            let orphan = purge::resource(rule, title_attribute, thing, &mut taken);
            let removal = removal::by(kind, &orphan).and_then(|resource| Some((kind.check(&resource).ok()?, resource)));
            match removal {
                Some((footprint, resource)) if !self.declared.holds(&rule.type_name, &footprint) => found.push((resource, footprint)),
                Some(_) => {}
                None => left.push(format!("no manifest can say {} {:?}: remove it by hand", rule.type_name, orphan.address.title)),
            }
        }
        let packaged = package::owned(&self.host, &found.iter().flat_map(|(_, footprint)| paths(footprint)).collect())?;
        found.retain(|(_, footprint)| !paths(footprint).any(|path| packaged.contains(path)));
        let candidate = |(resource, footprint): Removal| {
            let name = resource.attributes.get(title_attribute).and_then(Value::as_str).unwrap_or(&resource.address.title);
            Ok(Candidate { holders: kind.holders(&self.host, name)?, resource, footprint })
        };
        Ok((found.into_iter().map(candidate).collect::<std::result::Result<_, Failure>>()?, left))
    }
}

/// The whole files that it writes.
fn paths(footprint: &Footprint) -> impl Iterator<Item = &str> {
    footprint.writes.iter().filter_map(|key| key.strip_prefix("path:")).filter(|path| !path.contains('#'))
}

fn is_kept(rule: &PurgeRule, title_attribute: &str, thing: &Described) -> bool {
    let own = thing.attributes.get(title_attribute).and_then(Value::as_str);
    purge::is_kept(rule, &thing.title) || own.is_some_and(|name| purge::is_kept(rule, name))
}

/// More removals than a rule allows.
struct Excess {
    /// What it comes to, with the rule's place and some names.
    message: String,
    /// What allows it once.
    flag: String,
}

impl Excess {
    fn of(rule: &PurgeRule, found: &[Removal], catalog: &Catalog, options: &Options<'_>) -> Option<Self> {
        let takes_part = |resource: &Resource| !resource.noop && options.choice.filter.admits(catalog, resource);
        let meant: Vec<String> =
            found.iter().filter(|(resource, _)| takes_part(resource)).map(|(resource, _)| resource.address.to_string()).collect();
        let name = &rule.type_name;
        let max = options.choice.purge_max.iter().find(|allowed| allowed.type_name == *name).map_or(rule.max, |allowed| allowed.count);
        if meant.len() <= max {
            return None;
        }
        let place = catalog.place(rule.origin);
        let sample = meant.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if meant.len() > 5 { " ..." } else { "" };
        let message = format!("the run would purge {} of the type {name} and may purge {max} ({place}): {sample}{more}", meant.len());
        Some(Self { message, flag: format!("--purge-max {name}={}", meant.len()) })
    }

    /// Refuses an apply for all of them at once; a plan warns of them.
    fn judge(excesses: &[Self], mode: Mode) -> Result<Option<String>> {
        if excesses.is_empty() {
            return Ok(None);
        }
        let join = |part: fn(&Self) -> &str, by: &str| excesses.iter().map(part).collect::<Vec<_>>().join(by);
        let message = join(|excess| &excess.message, "; ");
        let flag = format!("if that is what you want: {}", join(|excess| &excess.flag, " "));
        match mode {
            Mode::Plan => Ok(Some(format!("{message}; an apply refuses this, {flag}"))),
            Mode::Apply => Err(Error::host(message).hint(flag)),
        }
    }
}
