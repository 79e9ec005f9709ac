//! The catalog that was last applied to this host: what it has and the next one lacks is an orphan.

use std::collections::HashSet;
use std::path::PathBuf;

use keel_engine::address::Address;
use keel_engine::catalog::Catalog;
use keel_engine::value::Value;

use super::{State, read_if_there, replace};

/// The last applied catalog on disk.
pub struct PreviousCatalog {
    path: PathBuf,
    bytes: Option<Vec<u8>>,
}

impl PreviousCatalog {
    /// Reads it.
    ///
    /// # Errors
    /// Names the file and says why it cannot be read.
    pub fn load(state: &State) -> Result<Self, String> {
        let path = state.kept.join("catalog.bin");
        let bytes = read_if_there(&path)?;
        Ok(Self { path, bytes })
    }

    /// Whether these are its bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.bytes.as_deref() == Some(bytes)
    }

    /// The catalog; none before the first run. One of an older program's form counts as none: its
    /// resources are then simply not known as orphans.
    pub fn catalog(&self) -> Option<Catalog> {
        Catalog::from_bytes(self.bytes.as_deref()?).ok()
    }

    /// The resources that held secrets.
    pub fn with_secrets(&self) -> HashSet<Address> {
        let resources = self.catalog().map(|catalog| catalog.resources).unwrap_or_default();
        let secret = resources.into_iter().filter(|resource| resource.attributes.values().any(Value::has_secret));
        secret.map(|resource| resource.address).collect()
    }

    /// Keeps a catalog, with its binary form at hand, as the last applied one, with those orphans that are still to be removed.
    ///
    /// # Errors
    /// Names the file and says why it cannot be written.
    pub fn store(&self, next: &Catalog, bytes: &[u8], remaining: &[Address]) -> Result<(), String> {
        if remaining.is_empty() {
            return if self.is(bytes) { Ok(()) } else { replace(&self.path, bytes) };
        }
        let mut kept = next.clone();
        let previous = self.catalog();
        let orphans = previous.iter().flat_map(|previous| &previous.resources).filter(|resource| remaining.contains(&resource.address));
        for orphan in orphans {
            let mut orphan = orphan.clone();
            orphan.container = None;
            kept.resources.push(orphan);
        }
        let bytes = kept.to_bytes().map_err(|error| error.to_string())?;
        if self.is(&bytes) { Ok(()) } else { replace(&self.path, &bytes) }
    }
}
