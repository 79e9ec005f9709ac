//! What differs in the relations. Those of a resource that comes or goes come and go with it and are not
//! listed, but for relations to other hosts: they make somebody else wait.

use std::collections::{BTreeMap, HashSet};

use super::RelationDifference;
use crate::address::Address;
use crate::catalog::{Catalog, Effect, Gate, Origin, Relation, RelationWord};
use crate::change::Action;

/// What makes two relations the same one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    from: &'a Address,
    word: &'static str,
    target: &'a Address,
    host: Option<&'a str>,
    effect: Option<Effect>,
}

pub(super) fn between(base: &Catalog, head: &Catalog) -> Vec<RelationDifference> {
    let (before, after) = (addresses(base), addresses(head));
    let lasting =
        |key: &Key<'_>| key.host.is_some() || [key.from, key.target].iter().all(|end| before.contains(end) && after.contains(end));
    let (earlier, later) = (keys(base), keys(head));
    let gone = earlier.iter().filter(|(key, _)| !later.contains_key(*key)).map(|found| (Action::Delete, base, found));
    let come = later.iter().filter(|(key, _)| !earlier.contains_key(*key)).map(|found| (Action::Create, head, found));
    let mut found: Vec<_> = gone.chain(come).filter(|(_, _, (key, _))| lasting(key)).collect();
    found.sort_by_key(|(_, _, (key, _))| *key);
    found.into_iter().map(|(action, catalog, (key, (word, origin)))| difference(action, catalog, key, *word, *origin)).collect()
}

fn addresses(catalog: &Catalog) -> HashSet<&Address> {
    let resources = catalog.resources.iter().map(|resource| &resource.address);
    resources.chain(catalog.containers.iter().map(|container| &container.address)).collect()
}

fn keys(catalog: &Catalog) -> BTreeMap<Key<'_>, (RelationWord, Origin)> {
    let relations = catalog.relations.iter().map(|relation| (of_relation(catalog, relation), (relation.word, relation.origin)));
    let gates = catalog.gates.iter().map(|gate| (of_gate(catalog, gate), (gate.word, gate.origin)));
    relations.chain(gates).collect()
}

/// `a before b` and `b require a` say the same, so both are kept as who waits for whom.
fn of_relation<'a>(catalog: &'a Catalog, relation: &'a Relation) -> Key<'a> {
    let (from, target) = (catalog.address(relation.then), catalog.address(relation.first));
    Key { from, word: "after", target, host: None, effect: relation.notify }
}

fn of_gate<'a>(catalog: &'a Catalog, gate: &'a Gate) -> Key<'a> {
    let word = if gate.waits() { "after" } else { "before" };
    Key { from: catalog.address(gate.node), word, target: &gate.target, host: Some(&gate.host), effect: gate.notify }
}

fn difference(action: Action, catalog: &Catalog, key: &Key<'_>, word: RelationWord, origin: Origin) -> RelationDifference {
    // As the manifest wrote it: `before` and `notify` stand at the first one.
    let turned = key.host.is_none() && matches!(word, RelationWord::Before | RelationWord::Notify);
    let (from, target) = if turned { (key.target, key.from) } else { (key.from, key.target) };
    RelationDifference {
        action,
        from: from.clone(),
        word,
        target: target.clone(),
        host: key.host.map(str::to_owned),
        effect: key.effect,
        origin: catalog.place(origin),
    }
}
