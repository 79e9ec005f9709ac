//! Catalogs as they travel: compressed, with everything beside them that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keel_engine::catalog::Catalog;
use keel_engine::contents::Blob;
use keel_engine::digest::Digest;
use keel_engine::protocol::catalog::CATALOG_BYTES_MAX;
use keel_engine::secret::SealedPart;
use keel_engine::value::Value;
use keel_manifests::secrets::SecretNames;

use super::fingerprinter::Fingerprinter;
use crate::compiler::messages::{Bytes, ClosedSecret, Packed};

/// How hard zstd tries: more costs more than it saves at this size.
const LEVEL: i32 = 1;

/// A catalog, ready to be sent.
pub(super) fn pack(catalog: &Catalog, secrets: &SecretNames, fingerprinter: &mut Fingerprinter) -> Result<Packed, String> {
    let bytes = catalog.to_bytes().map_err(|error| error.to_string())?;
    if bytes.len() > CATALOG_BYTES_MAX {
        return Err(format!("the catalog has {} bytes; at most {} MiB are sent", bytes.len(), CATALOG_BYTES_MAX >> 20));
    }
    let mut named = Named::default();
    catalog.resources.iter().flat_map(|resource| resource.attributes.values()).for_each(|value| named.look(value));
    let closed = |path: &String| Some(ClosedSecret { path: path.clone(), closed: secrets.ciphertext(path)?.to_owned() });
    let gates: BTreeSet<&String> = catalog.gates.iter().map(|gate| &gate.host).collect();
    let id = Digest::of(&bytes);
    Ok(Packed {
        id,
        size: bytes.len() as u64,
        compressed: Bytes(zstd::bulk::compress(&bytes, LEVEL).map_err(|error| error.to_string())?),
        contents: named.contents.into_iter().map(|(digest, size)| Blob { digest, size }).collect(),
        secrets: named.secrets.iter().filter_map(closed).collect(),
        gates: gates.into_iter().cloned().collect(),
        fingerprints: Bytes(fingerprinter.of(catalog).to_bytes()),
    })
}

/// A packed catalog, unpacked.
pub(super) fn unpack(compressed: &[u8]) -> Result<Catalog, String> {
    let bytes = zstd::bulk::decompress(compressed, CATALOG_BYTES_MAX).map_err(|error| error.to_string())?;
    Catalog::from_bytes(&bytes).map_err(|error| error.to_string())
}

/// A catalog without what relations across hosts do not need: thousands of them have to fit in memory.
pub(super) fn skeleton(mut catalog: Catalog) -> Catalog {
    for resource in &mut catalog.resources {
        resource.attributes = Arc::default();
        resource.tags = Vec::new();
    }
    catalog
}

/// What the values of a catalog name.
#[derive(Default)]
struct Named {
    contents: BTreeMap<Digest, u64>,
    secrets: BTreeSet<String>,
}

impl Named {
    fn look(&mut self, value: &Value) {
        match value {
            Value::Blob(blob) => {
                self.contents.insert(blob.digest, blob.size);
            }
            Value::Sealed(sealed) => self.secrets.extend(sealed.parts.iter().filter_map(|part| match part {
                SealedPart::Secret(secret) => Some(secret.path.clone()),
                SealedPart::Text(_) => None,
            })),
            Value::List(items) => items.iter().for_each(|item| self.look(item)),
            Value::Map(map) => map.values().for_each(|item| self.look(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::address::Address;
    use keel_engine::catalog::Resource;
    use keel_engine::secret::{Sealed, SecretRef};
    use keel_engine::value::Map;

    use super::*;

    #[test]
    fn what_is_named_anywhere_is_found_and_catalogs_come_back() {
        let blob = Blob::of(b"bytes");
        let secret = SecretRef { path: "a/b".to_owned(), fingerprint: String::new(), filters: Vec::new() };
        let values = Value::List(vec![Value::Blob(blob), Value::Sealed(Sealed::whole(secret))]);
        let attributes: Map = [("x".to_owned(), Value::Map([("y".to_owned(), values)].into_iter().collect()))].into_iter().collect();
        let mut catalog = Catalog::empty("h", "s");
        let address = Address::new("file", "/x");
        catalog.resources.push(Resource { tags: vec!["t".into()], ..Resource::new(address, attributes) });
        let packed = pack(&catalog, &SecretNames::default(), &mut Fingerprinter::default()).unwrap();
        assert_eq!(packed.contents, [blob]);
        assert_eq!(packed.id, catalog.id().unwrap());
        assert_eq!(unpack(&packed.compressed.0).unwrap(), catalog);
        assert!(unpack(b"no zstd").is_err());
        let bare = skeleton(catalog);
        assert!(bare.resources[0].attributes.is_empty() && bare.resources[0].tags.is_empty());
    }
}
