//! Adoption: a catalog takes over resources of another one, with the modules they stand in and the
//! places they were declared at.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::{Catalog, Container, Origin, Resource};

impl Catalog {
    /// Takes over these resources of another catalog. A resource of the same address makes room.
    pub fn adopt(&mut self, other: &Catalog, wanted: impl Fn(&Resource) -> bool) {
        let mut positions: BTreeMap<_, usize> =
            self.resources.iter().enumerate().map(|(position, resource)| (resource.address.clone(), position)).collect();
        let mut containers = BTreeMap::new();
        for resource in other.resources.iter().filter(|resource| wanted(resource)) {
            let container = resource.container.map(|container| self.adopt_container(other, container, &mut containers));
            let origin = self.adopt_origin(&other.files, resource.origin);
            let adopted = Resource { container, origin, ..resource.clone() };
            match positions.get(&resource.address) {
                Some(&position) => self.resources[position] = adopted,
                None => {
                    positions.insert(resource.address.clone(), self.resources.len());
                    self.resources.push(adopted);
                }
            }
        }
    }

    /// A use of a module with all that it stands in; `known` has those that were taken over before.
    fn adopt_container(&mut self, other: &Catalog, container: usize, known: &mut BTreeMap<usize, usize>) -> usize {
        if let Some(&position) = known.get(&container) {
            return position;
        }
        let theirs = &other.containers[container];
        let parent = theirs.parent.map(|parent| self.adopt_container(other, parent, known));
        let origin = self.adopt_origin(&other.files, theirs.origin);
        self.containers.push(Container { parent, origin, ..theirs.clone() });
        known.insert(container, self.containers.len() - 1);
        self.containers.len() - 1
    }

    /// A place in the files of another catalog as a place of this one.
    pub(crate) fn adopt_origin(&mut self, files: &[Arc<str>], origin: Origin) -> Origin {
        let Some(file) = files.get(origin.file as usize) else { return origin };
        let position = self.files.iter().position(|own| own == file).unwrap_or_else(|| {
            self.files.push(Arc::clone(file));
            self.files.len() - 1
        });
        Origin { file: u32::try_from(position).unwrap_or(u32::MAX), ..origin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn catalog(file: &str, modules: &[&str], titles: &[&str]) -> Catalog {
        let mut catalog = Catalog::empty("h", "s");
        let origin = Origin { file: 0, line: 7, column: 1 };
        catalog.files.push(Arc::from(file));
        for (position, name) in modules.iter().enumerate() {
            catalog.containers.push(Container { address: Address::new("module", *name), parent: position.checked_sub(1), origin });
        }
        let container = modules.len().checked_sub(1);
        catalog.resources.extend(titles.iter().map(|title| Resource {
            address: Address::new("file", *title),
            attributes: Arc::default(),
            origin,
            container,
            tags: Vec::new(),
            noop: false,
            schedule: None,
            guard: None,
        }));
        catalog
    }

    #[test]
    fn what_is_taken_over_keeps_its_modules_and_its_place() {
        let mut own = catalog("new.kdl", &["web"], &["/a"]);
        let other = catalog("old.kdl", &["outer", "inner"], &["/b", "/c", "/d"]);
        own.adopt(&other, |resource| &*resource.address.title != "/d");
        let titles: Vec<&str> = own.resources.iter().map(|resource| &*resource.address.title).collect();
        assert_eq!(titles, ["/a", "/b", "/c"]);
        assert_eq!(own.modules_of(&own.resources[2]).collect::<Vec<_>>(), ["inner", "outer"]);
        assert_eq!(own.place(own.resources[2].origin), "old.kdl:7");
        assert_eq!(own.containers.len(), 3, "each module once");
    }

    #[test]
    fn taking_over_again_adds_nothing() {
        let mut own = catalog("new.kdl", &[], &["/a"]);
        let other = catalog("new.kdl", &[], &["/a", "/b"]);
        own.adopt(&other, |_| true);
        own.adopt(&other, |_| true);
        assert_eq!((own.resources.len(), own.files.len()), (2, 1));
    }
}
