//! Fingerprints of resources, made once for all hosts that share a declaration.

use std::collections::HashMap;
use std::sync::Arc;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Resource};
use keel_engine::value::Map;

use crate::gates::{Fingerprint, Fingerprints};

/// The most resources that are remembered.
const KNOWN_MAX: usize = 20_000;

/// Makes fingerprints, and remembers those of what several catalogs have in common.
#[derive(Default)]
pub(super) struct Fingerprinter {
    /// By where attributes and title are in memory; they stay there as long as they are remembered.
    known: HashMap<(usize, usize), Known>,
}

struct Known {
    address: Address,
    attributes: Arc<Map>,
    fingerprint: Fingerprint,
}

impl Fingerprinter {
    /// The fingerprints of a catalog.
    pub(super) fn of(&mut self, catalog: &Catalog) -> Fingerprints {
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        catalog.resources.iter().map(|resource| self.fingerprint(resource)).collect()
    }

    /// Forgets everything: the site that it was shared by is gone.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    fn fingerprint(&mut self, resource: &Resource) -> Fingerprint {
        let place = (Arc::as_ptr(&resource.attributes).addr(), Arc::as_ptr(&resource.address.title).addr());
        if let Some(known) = self.known.get(&place)
            && Arc::ptr_eq(&known.attributes, &resource.attributes)
            && known.address == resource.address
        {
            return known.fingerprint;
        }
        let fingerprint = Fingerprint::of(resource);
        // What nobody else holds no other catalog has.
        if Arc::strong_count(&resource.attributes) > 1 {
            let (address, attributes) = (resource.address.clone(), Arc::clone(&resource.attributes));
            self.known.insert(place, Known { address, attributes, fingerprint });
        }
        fingerprint
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;

    fn resource(title: &Arc<str>, attributes: &Arc<Map>) -> Resource {
        Resource::new(Address::new("file", Arc::clone(title)), Arc::clone(attributes))
    }

    #[test]
    fn what_is_remembered_is_what_would_be_made() {
        let content = |text: &str| Arc::new(Map::from_iter([("content".to_owned(), Value::from(text))]));
        let (shared, own) = (content("shared"), content("own"));
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("/a"), Arc::from("/b"));
        let mut fingerprinter = Fingerprinter::default();
        for _ in 0..2 {
            let mut catalog = Catalog::empty("h", "s");
            catalog.resources = vec![resource(&a, &shared), resource(&b, &shared), resource(&a, &own)];
            catalog.resources[1].address.type_name = Arc::from("link");
            let expected: Fingerprints = catalog.resources.iter().map(Fingerprint::of).collect();
            assert_eq!(fingerprinter.of(&catalog), expected);
        }
        assert_eq!(fingerprinter.known.len(), 3);
        let mut catalog = Catalog::empty("h", "s");
        catalog.resources = vec![resource(&a, &content("of this catalog only"))];
        fingerprinter.of(&catalog);
        assert_eq!(fingerprinter.known.len(), 3, "what is nobody else's is not kept");
        fingerprinter.forget();
        assert!(fingerprinter.known.is_empty());
    }
}
