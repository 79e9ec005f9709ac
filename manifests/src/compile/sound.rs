//! What the checks of whole catalogs look at, kept of catalogs with which nothing was wrong: hosts of one kind
//! declare the same things in other words, and need no second look.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use keel_engine::catalog::{Catalog, Node};
use keel_engine::footprint::Footprint;

use crate::footprints::is_absent;

/// How many kinds of hosts are remembered.
const KINDS_MAX: usize = 16;

/// Everything that [`crate::footprints::check`] looks at, but for what only its words need.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline {
    resources: Vec<Thing>,
    /// The container around each container.
    containers: Vec<Option<usize>>,
    relations: Vec<(Node, Node)>,
}

/// A resource in an outline.
#[derive(Debug, PartialEq, Eq)]
struct Thing {
    footprint: Arc<Footprint>,
    type_name: Arc<str>,
    container: Option<usize>,
    absent: bool,
}

impl Outline {
    /// The outline of a catalog. `footprints` are those of its resources, in their order.
    pub(super) fn of(catalog: &Catalog, footprints: Vec<Arc<Footprint>>) -> Self {
        let things = catalog.resources.iter().zip(footprints).map(|(resource, footprint)| Thing {
            footprint,
            type_name: Arc::clone(&resource.address.type_name),
            container: resource.container,
            absent: is_absent(resource),
        });
        Self {
            resources: things.collect(),
            containers: catalog.containers.iter().map(|container| container.parent).collect(),
            relations: catalog.relations.iter().map(|relation| (relation.first, relation.then)).collect(),
        }
    }

    /// The footprints of the resources, in their order.
    pub(super) fn footprints(&self) -> impl Iterator<Item = &Footprint> {
        self.resources.iter().map(|thing| &*thing.footprint)
    }
}

/// The outlines of catalogs with which nothing was wrong, the one that was met last in front.
#[derive(Default)]
pub(crate) struct SoundOutlines {
    known: Mutex<VecDeque<Arc<Outline>>>,
}

impl SoundOutlines {
    /// Whether a catalog of this outline was looked at before.
    pub(super) fn has(&self, outline: &Outline) -> bool {
        // Several hosts are compiled at once: outlines are compared outside of the lock.
        let known: Vec<Arc<Outline>> = self.known().iter().cloned().collect();
        let Some(found) = known.into_iter().find(|known| **known == *outline) else { return false };
        let mut known = self.known();
        if let Some(position) = known.iter().position(|one| Arc::ptr_eq(one, &found)).filter(|position| *position > 0) {
            known.remove(position);
            known.push_front(found);
        }
        true
    }

    /// Remembers an outline with which nothing was wrong.
    pub(super) fn keep(&self, outline: Outline) {
        let mut known = self.known();
        known.push_front(Arc::new(outline));
        known.truncate(KINDS_MAX);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Outline>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::address::Address;
    use keel_engine::catalog::{Container, Origin, Relation, RelationWord, Resource};
    use keel_engine::value::Value;

    use super::*;

    /// Two files in a module, the first before the second.
    fn catalog() -> Catalog {
        let resource = |title: &str| Resource {
            address: Address::new("file", title),
            attributes: Arc::default(),
            origin: Origin::default(),
            container: Some(0),
            tags: Vec::new(),
            noop: false,
            schedule: None,
            guard: None,
        };
        let container = Container { address: Address::new("module", "m"), parent: None, origin: Origin::default() };
        let (first, then) = (Node::Resource(0), Node::Resource(1));
        let relation = Relation { first, then, notify: None, word: RelationWord::Before, origin: Origin::default() };
        Catalog {
            resources: vec![resource("/a"), resource("/b")],
            containers: vec![container],
            relations: vec![relation],
            ..Catalog::empty("h", "s")
        }
    }

    fn outline(key: &str, change: fn(&mut Catalog)) -> Outline {
        let mut catalog = catalog();
        change(&mut catalog);
        Outline::of(&catalog, vec![Arc::new(Footprint::default().own(key)), Arc::default()])
    }

    #[test]
    fn whatever_the_checks_look_at_makes_another_outline_and_words_do_not() {
        let sound = SoundOutlines::default();
        sound.keep(outline("path:/a", |_| {}));
        assert!(sound.has(&outline("path:/a", |_| {})));
        let words = |catalog: &mut Catalog| {
            catalog.host = "other".to_owned();
            catalog.relations[0].origin.line = 7;
            catalog.resources[0].attributes = Arc::new([("content".to_owned(), Value::from("x"))].into_iter().collect());
        };
        assert!(sound.has(&outline("path:/a", words)));
        assert!(!sound.has(&outline("path:/b", |_| {})));
        let others: [fn(&mut Catalog); 6] = [
            |catalog| catalog.resources[0].address.type_name = Arc::from("line"),
            |catalog| catalog.resources[0].container = None,
            |catalog| catalog.resources[0].attributes = Arc::new([("ensure".to_owned(), Value::from("absent"))].into_iter().collect()),
            |catalog| catalog.containers[0].parent = Some(0),
            |catalog| catalog.relations[0].then = Node::Container(0),
            |catalog| catalog.relations.clear(),
        ];
        for other in others {
            assert!(!sound.has(&outline("path:/a", other)));
        }
    }

    #[test]
    fn what_was_not_met_for_long_is_forgotten_first() {
        let sound = SoundOutlines::default();
        for number in 0..KINDS_MAX {
            sound.keep(outline(&number.to_string(), |_| {}));
        }
        assert!(sound.has(&outline("0", |_| {})), "met again");
        sound.keep(outline("new", |_| {}));
        assert!(sound.has(&outline("0", |_| {})) && !sound.has(&outline("1", |_| {})));
    }
}
