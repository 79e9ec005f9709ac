//! What two catalogs of one host differ in, and what follows from it: what a host converged to the first one
//! would change to become the second.

mod attributes;
mod consequences;
mod reach;
mod relations;
#[cfg(test)]
mod tests;

use attributes::Held;
pub use reach::{Reach, follow};
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::catalog::{Catalog, Effect, RelationWord, Resource};
use crate::change::{Action, Change, Shown};
use crate::contents::Contents;
use crate::orphan;
use crate::resource::Disruption;
use crate::value::{Map, Value};

/// A catalog with the bytes that it names.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The catalog.
    pub catalog: &'a Catalog,
    /// Its contents.
    pub contents: &'a dyn Contents,
}

/// What a difference has to know of resource types.
pub trait TypeTraits {
    /// Whether a refresh means something to this type.
    fn is_refreshable(&self, type_name: &str) -> bool;
    /// The resource that removes another one; none if its type cannot.
    fn removal(&self, orphan: &Resource) -> Option<Resource>;
    /// What these changes or this refresh of a resource interrupt.
    fn disruption(&self, type_name: &str, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption>;
    /// Whether a resource may change the host without being refreshed.
    fn acts(&self, resource: &Resource) -> bool;
    /// Whether a change of what is declared is one of the host, too, and not only of how changes are made.
    fn is_of_host(&self, resource: &Resource, change: &Change) -> bool;
    /// Whether an attribute holds a secret, so that nothing is shown of it.
    fn is_secret(&self, type_name: &str, attribute: &str) -> bool;
    /// Whether a refresh of a resource does something, where this differs from what was declared of it before.
    fn heeds_refresh(&self, resource: &Resource, made: &[Change], is_new: bool) -> bool;
}

/// Everything that differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Difference {
    /// Resources that come, go or change, in the order of the manifests; those that go come last.
    pub resources: Vec<ResourceDifference>,
    /// Relations between resources that both sides have, and all relations to other hosts.
    pub relations: Vec<RelationDifference>,
    /// Schedules, guards, prune rules and purge rules. What a purge rule removes only the host can tell.
    pub settings: Vec<Change>,
    /// Who would be refreshed.
    pub refreshes: Vec<ExpectedRefresh>,
    /// What would be interrupted.
    pub disruptions: Vec<ExpectedDisruption>,
}

/// A resource that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceDifference {
    /// Its address.
    pub address: Address,
    /// What becomes of it.
    pub fate: Fate,
    /// `file:line` of its declaration; of the former one, where it goes.
    pub origin: String,
    /// The modules it stands in, the innermost first.
    pub modules: Vec<String>,
    /// What has to be known besides, in a few words; for reading only.
    pub note: Option<String>,
    /// Its attributes, before and after.
    pub changes: Vec<Change>,
}

/// What becomes of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is new.
    Added,
    /// It stays, with other attributes.
    Changed,
    /// It is declared in other words, or changed in other ways: the host stays as it is.
    Restated,
    /// It is only planned, whatever is declared of it.
    Noop,
    /// It is no longer declared, and a prune rule removes it from the host.
    Deleted,
    /// It is no longer declared, and stays on the host as it is.
    Released,
    /// A prune rule would remove it, and with it more than the rule allows: the run does not happen.
    Held,
    /// It was declared absent and is no longer declared: nothing happens.
    Forgotten,
    /// In a plan: it is executed.
    Run,
    /// In a plan: it cannot be told yet.
    Unknown,
    /// In a plan: it waits.
    Waiting,
    /// In a plan: it cannot be told at all.
    Failed,
}

impl Fate {
    /// The mark in front of it.
    pub fn glyph(self) -> char {
        match self {
            Fate::Added => '+',
            Fate::Changed => '~',
            Fate::Deleted => '-',
            Fate::Restated | Fate::Noop | Fate::Released | Fate::Forgotten => '.',
            Fate::Held | Fate::Failed => 'x',
            Fate::Run => '!',
            Fate::Unknown => '?',
            Fate::Waiting => '^',
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Added => "added",
            Fate::Changed => "changed",
            Fate::Restated => "restated",
            Fate::Noop => "noop",
            Fate::Deleted => "deleted",
            Fate::Released => "released",
            Fate::Held => "held",
            Fate::Forgotten => "forgotten",
            Fate::Run => "run",
            Fate::Unknown => "unknown",
            Fate::Waiting => "waiting",
            Fate::Failed => "failed",
        }
    }

    /// What it means for the host, where the word alone does not say it.
    pub fn meaning(self) -> Option<&'static str> {
        match self {
            Fate::Restated => Some("declared otherwise; the host stays as it is"),
            Fate::Noop => Some("noop, only planned"),
            Fate::Released => Some("no longer declared; it stays on the host as it is"),
            Fate::Forgotten => Some("was declared absent; nothing happens"),
            Fate::Deleted => Some("no longer declared; a prune rule removes it"),
            Fate::Held => Some("no longer declared; removing it would pass the limit of its prune rule, so no run happens"),
            _ => None,
        }
    }

    /// Whether the host is another one afterwards.
    pub fn touches_host(self) -> bool {
        !matches!(self, Fate::Restated | Fate::Noop | Fate::Released | Fate::Forgotten | Fate::Held)
    }
}

/// A relation that only one side has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RelationDifference {
    /// Whether it comes or goes.
    pub action: Action,
    /// Who declares it.
    pub from: Address,
    /// How.
    pub word: RelationWord,
    /// What it points at.
    pub target: Address,
    /// The host of the target, if it is another one.
    pub host: Option<String>,
    /// The refresh that it carries.
    pub effect: Option<Effect>,
    /// `file:line`.
    pub origin: String,
}

/// Who would be refreshed because of the changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExpectedRefresh {
    /// Who.
    pub target: Address,
    /// How.
    pub effect: Effect,
    /// Whose changes or refreshes ask for it.
    pub sources: Vec<Cause>,
}

/// Whose change or refresh leads to something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cause {
    /// The resource; a module, where other resources are in it now.
    #[serde(flatten)]
    pub address: Address,
    /// Its host, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What it takes, where that is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<Condition>,
}

impl Cause {
    /// A certain cause on the same host.
    pub fn here(address: Address) -> Self {
        Self { address, host: None, only_if: None }
    }

    /// Whether it is this resource of the same host.
    pub fn is(&self, address: &Address) -> bool {
        self.host.is_none() && self.address == *address
    }
}

/// What only a run decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The other host runs after this one has asked for it. So it is with relations that are new: who finds them
    /// satisfied the first time is not refreshed.
    RunsLater,
    /// It is refreshed itself, which is not certain.
    Refreshed,
}

impl Condition {
    /// In words, behind a cause.
    pub fn words(self) -> &'static str {
        match self {
            Condition::RunsLater => "if it runs later",
            Condition::Refreshed => "if it is refreshed",
        }
    }
}

/// What would be interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExpectedDisruption {
    /// What happens.
    pub kind: Disruption,
    /// To which resource.
    pub address: Address,
    /// Because of whom; empty where its own change does it.
    pub sources: Vec<Cause>,
}

impl Difference {
    /// Compares two catalogs of one host.
    pub fn between(base: Side<'_>, head: Side<'_>, types: &dyn TypeTraits) -> Self {
        let before: HashMap<&Address, &Resource> = base.catalog.resources.iter().map(|one| (&one.address, one)).collect();
        let stays = |resource: &&Resource| before.contains_key(&resource.address);
        let mut resources = Vec::new();
        for resource in &head.catalog.resources {
            let earlier = before.get(&resource.address).map(|earlier| (*earlier, base.contents));
            let found = of_declared(earlier, (resource, head.contents), types);
            resources.extend(found.map(|found| difference(head.catalog, resource, found)));
        }
        let kept = head.catalog.resources.iter().filter(stays).count();
        if kept < base.catalog.resources.len() {
            resources.extend(gone(base, head.catalog, types));
        }
        let relations = relations::between(base.catalog, head.catalog);
        let settings = settings(base.catalog, head.catalog);
        let (refreshes, disruptions) = consequences::of(head.catalog, &resources, types);
        Self { resources, relations, settings, refreshes, disruptions }
    }

    /// Everything of one catalog, as it comes to a host of which nothing is known.
    pub fn everything(head: Side<'_>, types: &dyn TypeTraits) -> Self {
        let nothing = Catalog::empty(&head.catalog.host, &head.catalog.site);
        Self::between(Side { catalog: &nothing, contents: head.contents }, head, types)
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.relations.is_empty() && self.settings.is_empty() && self.refreshes.is_empty()
    }
}

/// What becomes of a resource that the new side declares, and by which changes; nothing if it is the same.
fn of_declared(earlier: Option<Held<'_>>, later: Held<'_>, types: &dyn TypeTraits) -> Option<Found> {
    let (fate, changes) = changes_of_declared(earlier, later, types)?;
    let anew = earlier.map(|(earlier, _)| attributes::closed_anew(earlier, later.0)).unwrap_or_default();
    let names: Vec<&str> = anew.into_iter().collect();
    let note = (!names.is_empty()).then(|| format!("closed anew, of the same value: secret {}", names.join(", ")));
    let is_meant_now = earlier.is_some_and(|(earlier, _)| earlier.noop) && !later.0.noop;
    let may_be_owed = is_meant_now && types.is_refreshable(&later.0.address.type_name);
    let note = note.or_else(|| may_be_owed.then(|| "refreshed, if that is owed to it from before".to_owned()));
    Some(Found { fate, changes, note })
}

fn changes_of_declared(earlier: Option<Held<'_>>, later: Held<'_>, types: &dyn TypeTraits) -> Option<(Fate, Vec<Change>)> {
    let resource = later.0;
    let Some(earlier) = earlier else {
        let fate = if resource.noop { Fate::Noop } else { Fate::Added };
        return Some((fate, attributes::added(resource, later.1, types)));
    };
    let changes = attributes::between(earlier, later, types);
    if changes.is_empty() && attributes::closed_anew(earlier.0, resource).is_empty() {
        return None;
    }
    if resource.noop {
        return Some((Fate::Noop, changes));
    }
    if earlier.0.noop && types.acts(resource) {
        // Nobody knows how far the host is: all that is declared may come to it now.
        let rest = attributes::added(resource, later.1, types).into_iter();
        let rest = rest.filter(|one| changes.iter().all(|change| change.attribute != one.attribute));
        return Some((Fate::Changed, changes.iter().cloned().chain(rest).collect()));
    }
    let acts = types.acts(resource) && changes.iter().any(|change| types.is_of_host(resource, change));
    Some((if acts { Fate::Changed } else { Fate::Restated }, changes))
}

/// What was found out of a resource.
struct Found {
    fate: Fate,
    changes: Vec<Change>,
    note: Option<String>,
}

fn difference(catalog: &Catalog, resource: &Resource, found: Found) -> ResourceDifference {
    let Found { fate, changes, note } = found;
    let is_absent = |change: &Change| change.attribute == "ensure" && change.after == Shown::from("absent");
    let removes = fate == Fate::Added && changes.iter().any(is_absent);
    ResourceDifference {
        address: resource.address.clone(),
        fate,
        origin: catalog.place(resource.origin),
        modules: catalog.modules_of(resource).map(str::to_owned).collect(),
        note: note.or_else(|| removes.then(|| "removed where it is there".to_owned())),
        changes,
    }
}

/// What the new side no longer declares, the last one first: so a run removes it.
fn gone(base: Side<'_>, head: &Catalog, types: &dyn TypeTraits) -> Vec<ResourceDifference> {
    let sorted = orphan::sort(base.catalog, head, None, |orphan| types.removal(orphan));
    let unlimited = || orphan::sort(base.catalog, head, Some(usize::MAX), |orphan| types.removal(orphan)).unwrap_or_default();
    let (orphans, removed) = match sorted {
        Ok(orphans) => (orphans, Fate::Deleted),
        Err(_) => (unlimited(), Fate::Held),
    };
    let removals: HashMap<&Address, &Resource> = orphans.removed.iter().map(|one| (&one.address, one)).collect();
    let released: HashSet<&Address> = orphans.released.iter().collect();
    let declared: HashSet<&Address> = head.resources.iter().map(|one| &one.address).collect();
    let mut found = Vec::new();
    for orphan in base.catalog.resources.iter().rev().filter(|one| !declared.contains(&one.address)) {
        let (fate, changes) = match removals.get(&orphan.address) {
            Some(removal) => (removed, attributes::removed(orphan, removal, base.contents, types)),
            None if released.contains(&orphan.address) => (Fate::Released, Vec::new()),
            None => (Fate::Forgotten, Vec::new()),
        };
        found.push(difference(base.catalog, orphan, Found { fate, changes, note: None }));
    }
    found
}

/// Schedules, guards, prune and purge rules, by name.
fn settings(base: &Catalog, head: &Catalog) -> Vec<Change> {
    let named = |catalog: &Catalog| -> Map {
        let schedules = catalog.schedules.iter().map(|schedule| (format!("schedule {}", schedule.name), Value::from(schedule.to_string())));
        let guards = catalog.guards.iter().map(|guard| (format!("guard {}", guard.name), Value::from(guard.to_string())));
        let rules = catalog.prune.iter().map(|rule| {
            let of_type = rule.type_name.iter().map(|name| format!(" type={name}"));
            let of_module = rule.module.iter().map(|name| format!(" module={name}"));
            let name: String = std::iter::once("prune".to_owned()).chain(of_type).chain(of_module).collect();
            (name, Value::from(format!("up to {}", rule.max)))
        });
        let purges = catalog.purge.iter().map(|rule| {
            let keep = if rule.keep.is_empty() { String::new() } else { format!(", but for {}", rule.keep.join(", ")) };
            (format!("purge {}", rule.type_name), Value::from(format!("up to {}{keep}", rule.max)))
        });
        schedules.chain(guards).chain(rules).chain(purges).collect()
    };
    attributes::of_maps(&named(base), &named(head))
}
