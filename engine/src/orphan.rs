//! Orphans: what an earlier catalog declared and this one does not. They are released and reported
//! once, or, where a rule of the site says so, removed.

use std::collections::HashSet;
use std::sync::Arc;

use crate::address::Address;
use crate::catalog::{Catalog, Node, PruneRule, Relation, RelationWord, Resource};
use crate::guard::Guard;
use crate::schedule::Schedule;
use crate::value::Value;

/// What becomes of the orphans of a run.
#[derive(Debug, Default, PartialEq)]
pub struct Orphans {
    /// Removed, in the reverse of the order in which they were declared.
    pub removed: Vec<Resource>,
    /// Left as they are, and no longer looked after.
    pub released: Vec<Address>,
    /// The files that the origins of what is removed point into.
    pub files: Vec<Arc<str>>,
    /// The schedules that what is removed had.
    pub schedules: Vec<Schedule>,
    /// The guards that it had: what leaves a site is still a member's.
    pub guards: Vec<Guard>,
}

/// More removals than a rule allows in one run.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany {
    /// How many it would be.
    pub count: usize,
    /// How many the rule allows.
    pub max: usize,
    /// The first few of them.
    pub sample: Vec<Address>,
}

/// Sorts the orphans. `removal` makes the resource that removes another one, if its type can.
///
/// # Errors
/// More removals than a rule, or `max` if it is given, allows.
pub fn sort(
    previous: &Catalog,
    next: &Catalog,
    max: Option<usize>,
    removal: impl Fn(&Resource) -> Option<Resource>,
) -> Result<Orphans, TooMany> {
    let declared: HashSet<&Address> = next.resources.iter().map(|resource| &resource.address).collect();
    let mut orphans = Orphans {
        files: previous.files.clone(),
        schedules: previous.schedules.clone(),
        guards: previous.guards.clone(),
        ..Orphans::default()
    };
    let mut removed_by_rule = vec![Vec::new(); next.prune.len()];
    for orphan in previous.resources.iter().rev().filter(|resource| !declared.contains(&resource.address)) {
        let rule = next.prune.iter().position(|rule| applies(rule, previous, orphan));
        match rule.and_then(|rule| Some((rule, removal(orphan)?))) {
            Some((rule, mut resource)) => {
                resource.tags.push(REMOVAL_TAG.to_owned());
                removed_by_rule[rule].push(resource.address.clone());
                orphans.removed.push(resource);
            }
            None if !is_gone(orphan) => orphans.released.push(orphan.address.clone()),
            None => {}
        }
    }
    for (rule, removed) in next.prune.iter().zip(removed_by_rule) {
        let max = max.unwrap_or(rule.max);
        if removed.len() > max {
            return Err(TooMany { count: removed.len(), max, sample: removed.into_iter().take(5).collect() });
        }
    }
    Ok(orphans)
}

fn applies(rule: &PruneRule, previous: &Catalog, orphan: &Resource) -> bool {
    let of_type = rule.type_name.as_deref().is_none_or(|name| *name == *orphan.address.type_name);
    let of_module = rule.module.as_deref().is_none_or(|name| previous.modules_of(orphan).any(|module| module == name));
    of_type && of_module
}

/// Whether the earlier catalog had already asked for its removal.
fn is_gone(orphan: &Resource) -> bool {
    matches!(orphan.attributes.get("ensure").and_then(Value::as_str), Some("absent" | "purged"))
}

/// Adds the removals behind everything else, one after the other.
pub fn append(catalog: &mut Catalog, orphans: &mut Orphans) {
    // What the new catalog says of a schedule counts also for what it no longer has.
    let is_new = |schedule: &Schedule| catalog.schedules.iter().all(|known| known.name != schedule.name);
    let adopted: Vec<Schedule> = std::mem::take(&mut orphans.schedules).into_iter().filter(is_new).collect();
    catalog.schedules.extend(adopted);
    let is_new = |guard: &Guard| catalog.guards.iter().all(|known| known.name != guard.name);
    let is_named = |guard: &Guard| orphans.removed.iter().any(|resource| resource.guard.as_deref() == Some(&guard.name));
    let adopted: Vec<Guard> = orphans.guards.iter().filter(|guard| is_new(guard) && is_named(guard)).cloned().collect();
    catalog.guards.extend(adopted);
    for mut resource in std::mem::take(&mut orphans.removed) {
        let position = catalog.resources.len();
        let origin = catalog.adopt_origin(&orphans.files, resource.origin);
        resource.origin = origin;
        let follows_removal = catalog.resources.last().is_some_and(|last| last.tags.iter().any(|tag| tag == REMOVAL_TAG));
        if follows_removal {
            let (first, then) = (Node::Resource(position - 1), Node::Resource(position));
            catalog.relations.push(Relation { first, then, notify: None, word: RelationWord::Before, origin });
        }
        catalog.resources.push(resource);
    }
}

/// The tag that removals carry, for `--only` and `--skip`.
pub const REMOVAL_TAG: &str = "prune";

/// The resource that removes another one: the same attributes, but absent.
pub fn absent(orphan: &Resource, attribute: &str, value: &str) -> Resource {
    let mut resource = orphan.clone();
    Arc::make_mut(&mut resource.attributes).insert(attribute.to_owned(), Value::from(value));
    resource.container = None;
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(titles: &[&str], prune: &[(&str, usize)]) -> Catalog {
        let mut catalog = Catalog::empty("h", "s");
        for title in titles {
            let (address, attributes) = (Address::new("file", *title), Arc::default());
            catalog.resources.push(Resource::new(address, attributes));
        }
        let rule = |(name, max): &(&str, usize)| PruneRule { type_name: Some((*name).to_owned()), module: None, max: *max };
        catalog.prune = prune.iter().map(rule).collect();
        catalog
    }

    fn titles(orphans: &Orphans) -> (Vec<&str>, Vec<&str>) {
        let removed = orphans.removed.iter().map(|resource| &*resource.address.title);
        (removed.collect(), orphans.released.iter().map(|address| &*address.title).collect())
    }

    #[test]
    fn without_a_rule_they_are_released() {
        let orphans = sort(&catalog(&["a", "b"], &[]), &catalog(&["b"], &[]), None, |_| None).unwrap();
        assert_eq!(titles(&orphans), (vec![], vec!["a"]));
    }

    #[test]
    fn a_rule_removes_them_in_reverse_and_up_to_its_limit() {
        let (previous, next) = (catalog(&["a", "b", "c"], &[]), catalog(&["c"], &[("file", 1)]));
        let removal = |orphan: &Resource| Some(absent(orphan, "ensure", "absent"));
        assert_eq!(sort(&previous, &next, None, removal).unwrap_err().count, 2);
        let orphans = sort(&previous, &next, Some(2), removal).unwrap();
        assert_eq!(titles(&orphans), (vec!["b", "a"], vec![]));
    }

    #[test]
    fn what_was_already_absent_is_no_orphan() {
        let mut previous = catalog(&["a"], &[]);
        Arc::make_mut(&mut previous.resources[0].attributes).insert("ensure".to_owned(), Value::from("absent"));
        assert_eq!(sort(&previous, &catalog(&[], &[]), None, |_| None).unwrap(), Orphans::default());
    }

    #[test]
    fn a_removal_keeps_the_guard_that_left_with_it() {
        let guard = |name: &str| Guard {
            name: name.to_owned(),
            members: Vec::new(),
            max: 1,
            ready: Default::default(),
            withdrawal: None,
            turns: None,
        };
        let mut previous = catalog(&["/a", "/b"], &[]);
        previous.guards = vec![guard("galera"), guard("other")];
        previous.resources[0].guard = Some("galera".to_owned());
        let mut next = catalog(&[], &[("file", 5)]);
        let mut orphans = sort(&previous, &next, None, |orphan| Some(absent(orphan, "ensure", "absent"))).unwrap();
        append(&mut next, &mut orphans);
        let guarded = next.resources.iter().find(|resource| *resource.address.title == *"/a").unwrap();
        assert_eq!(next.guards, [guard("galera")]);
        assert_eq!(next.guard_of(guarded), Some(0));
    }
}
