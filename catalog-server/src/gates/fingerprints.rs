//! The definitions of a catalog that was delivered, small enough to be kept for every host.

use keel_engine::address::Address;
use keel_engine::catalog::Resource;
use keel_engine::definitions::Definitions;
use keel_engine::digest::Digest;

/// How many bytes of a digest are kept. Only the same host's catalogs are compared, so nobody gains by a collision.
const KEPT: usize = 8;

type Short = [u8; KEPT];

/// The beginnings of the digests of a resource's address and of its definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(Short, Short);

impl Fingerprint {
    /// That of a resource.
    pub fn of(resource: &Resource) -> Self {
        Self(key(&resource.address), short(&resource.definition()))
    }
}

/// For every resource of a catalog the beginnings of the digests of its address and its definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    sorted: Vec<Fingerprint>,
}

impl Fingerprints {
    /// Those of a catalog.
    pub fn of(definitions: &Definitions) -> Self {
        definitions.resources.iter().map(|(address, definition)| Fingerprint(key(address), short(definition))).collect()
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sorted.iter().flat_map(|Fingerprint(key, definition)| key.iter().chain(definition)).copied().collect()
    }

    /// From bytes; what is cut off at the end is not there.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let pairs = bytes.chunks_exact(2 * KEPT).filter_map(|pair| {
            let (key, definition) = pair.split_first_chunk::<KEPT>()?;
            Some(Fingerprint(*key, *definition.first_chunk::<KEPT>()?))
        });
        Self { sorted: pairs.collect() }
    }

    /// Whether the catalog has the resource.
    pub fn has(&self, address: &Address) -> bool {
        self.find(address).is_some()
    }

    /// Whether the catalog declares the resource just so.
    pub fn declares(&self, address: &Address, definition: &Digest) -> bool {
        self.find(address) == Some(short(definition))
    }

    fn find(&self, address: &Address) -> Option<Short> {
        let wanted = key(address);
        let at = self.sorted.binary_search_by_key(&wanted, |Fingerprint(key, _)| *key).ok()?;
        self.sorted.get(at).map(|Fingerprint(_, definition)| *definition)
    }
}

impl FromIterator<Fingerprint> for Fingerprints {
    fn from_iter<T: IntoIterator<Item = Fingerprint>>(all: T) -> Self {
        let mut sorted: Vec<Fingerprint> = all.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }
}

fn key(address: &Address) -> Short {
    short(&Digest::of(format!("{}\0{}", address.type_name, address.title).as_bytes()))
}

fn short(digest: &Digest) -> Short {
    digest.as_bytes().first_chunk::<KEPT>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn they_tell_what_was_declared() {
        let (a, b, c) = (Address::new("file", "/a"), Address::new("file", "/b"), Address::new("service", "/a"));
        let resources = BTreeMap::from([(a.clone(), Digest::of(b"1")), (b.clone(), Digest::of(b"2"))]);
        let kept =
            Fingerprints::of(&Definitions { catalog: Digest::of(b"x"), resources, modules: BTreeMap::new(), guards: BTreeMap::new() });
        let kept = Fingerprints::from_bytes(&kept.to_bytes());
        assert!(kept.declares(&a, &Digest::of(b"1")) && kept.declares(&b, &Digest::of(b"2")));
        assert!(!kept.declares(&a, &Digest::of(b"2")) && kept.has(&a) && !kept.has(&c));
    }
}
