//! Definitions: what a catalog says of each resource, as digests that can be compared across catalogs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::catalog::Catalog;
use crate::digest::Digest;
use crate::guard::Rule;

/// A catalog's definitions. Where a resource stands in the manifests does not count: a comment above it
/// makes another catalog, and the same definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definitions {
    /// The catalog.
    pub catalog: Digest,
    /// Every resource with its definition.
    pub resources: BTreeMap<Address, Digest>,
    /// Every module that is used, with the resources that stand in it at any depth.
    pub modules: BTreeMap<Arc<str>, Vec<Address>>,
    /// Every guard, with its rule.
    pub guards: BTreeMap<String, Rule>,
}

impl Definitions {
    /// The definitions of a catalog whose id is known.
    pub fn of(id: Digest, catalog: &Catalog) -> Self {
        let mut resources = BTreeMap::new();
        let mut modules: BTreeMap<Arc<str>, Vec<Address>> =
            catalog.containers.iter().map(|container| (Arc::clone(&container.address.title), Vec::new())).collect();
        for resource in &catalog.resources {
            resources.insert(resource.address.clone(), resource.definition());
            for module in catalog.modules_of(resource) {
                modules.entry(Arc::from(module)).or_default().push(resource.address.clone());
            }
        }
        let guards = catalog.guards.iter().map(|guard| (guard.name.clone(), guard.rule())).collect();
        Self { catalog: id, resources, modules, guards }
    }

    /// The resources behind an address: itself, or those of a module. None if the catalog does not have it.
    pub fn behind(&self, address: &Address) -> Option<Vec<&Address>> {
        if address.is_container() {
            return self.modules.get(&address.title).map(|members| members.iter().collect());
        }
        self.resources.get_key_value(address).map(|(address, _)| vec![address])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Container, Origin, Resource};
    use crate::value::{Map, Value};

    fn catalog(mode: &str, line: u32) -> Catalog {
        let mut catalog = Catalog::empty("h", "s");
        let origin = Origin { file: 0, line, column: 1 };
        for (title, parent) in [("outer", None), ("inner", Some(0))] {
            catalog.containers.push(Container { address: Address::new("module", title), parent, origin });
        }
        let attributes = Arc::new(Map::from_iter([("mode".to_owned(), Value::from(mode))]));
        for (title, container) in [("/a", None), ("/b", Some(1))] {
            let address = Address::new("file", title);
            catalog.resources.push(Resource {
                address,
                attributes: Arc::clone(&attributes),
                origin,
                container,
                tags: Vec::new(),
                noop: false,
                schedule: None,
                guard: None,
            });
        }
        catalog
    }

    fn of(catalog: &Catalog) -> Definitions {
        Definitions::of(catalog.id().unwrap(), catalog)
    }

    #[test]
    fn a_definition_is_what_is_said_and_not_where() {
        let (one, moved, other) = (of(&catalog("0644", 1)), of(&catalog("0644", 9)), of(&catalog("0600", 1)));
        assert_ne!(one.catalog, moved.catalog);
        assert_eq!(one.resources, moved.resources);
        assert_ne!(one.resources, other.resources);
    }

    #[test]
    fn a_module_is_all_that_stands_in_it() {
        let definitions = of(&catalog("0644", 1));
        let b = Address::new("file", "/b");
        assert_eq!(definitions.behind(&Address::new("module", "outer")), Some(vec![&b]));
        assert_eq!(definitions.behind(&b), Some(vec![&b]));
        assert_eq!(definitions.behind(&Address::new("module", "none")), None);
        assert_eq!(definitions.behind(&Address::new("file", "/c")), None);
    }
}
