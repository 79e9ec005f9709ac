//! The catalog that was last applied to this host: what it has and the next one lacks is an orphan.
//!
//! A run writes down which catalog it begins with before it changes anything, so that what a killed run
//! brought is known to the next one.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Resource};
use keel_engine::value::Value;

use super::{State, read_if_there, replace};

/// The last applied catalog on disk, and the one that a run began with and did not end.
pub struct PreviousCatalog {
    path: PathBuf,
    bytes: Option<Vec<u8>>,
    begun_path: PathBuf,
    begun: Option<Vec<u8>>,
}

impl PreviousCatalog {
    /// Reads both.
    ///
    /// # Errors
    /// Names the file and says why it cannot be read.
    pub fn load(state: &State) -> Result<Self, String> {
        let (path, begun_path) = (state.kept.join("catalog.bin"), state.kept.join("catalog-begun.bin"));
        let (bytes, begun) = (read_if_there(&path)?, read_if_there(&begun_path)?);
        Ok(Self { path, bytes, begun_path, begun })
    }

    /// Whether these are the bytes of what was applied last, to its end.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.begun.is_none() && self.bytes.as_deref() == Some(bytes)
    }

    /// All that may have been applied; none before the first run. A catalog of an older program's form
    /// counts as none: its resources are then simply not known as orphans.
    pub fn catalog(&self) -> Option<Catalog> {
        let read = |bytes: &Option<Vec<u8>>| Catalog::from_bytes(bytes.as_deref()?).ok();
        match (read(&self.bytes), read(&self.begun)) {
            (Some(last), Some(begun)) => Some(with_begun(last, &begun)),
            (last, begun) => last.or(begun),
        }
    }

    /// The same, for whom nothing may be missing; none before the first run.
    ///
    /// # Errors
    /// Names the file that no catalog can be read from.
    pub fn whole_catalog(&self) -> Result<Option<Catalog>, String> {
        for (path, bytes) in [(&self.path, &self.bytes), (&self.begun_path, &self.begun)] {
            if let Some(Err(why)) = bytes.as_deref().map(Catalog::from_bytes) {
                return Err(format!("{}: {why}", path.display()));
            }
        }
        Ok(self.catalog())
    }

    /// The resources that held secrets.
    pub fn with_secrets(&self) -> HashSet<Address> {
        let resources = self.catalog().map(|catalog| catalog.resources).unwrap_or_default();
        resources.into_iter().filter(has_secret).map(|resource| resource.address).collect()
    }

    /// Writes down that a run begins with this catalog. On return it is on disk.
    ///
    /// # Errors
    /// Names the file and says why it cannot be written.
    pub fn begin(&self, bytes: &[u8]) -> Result<(), String> {
        if self.is(bytes) || self.begun.as_deref() == Some(bytes) {
            return Ok(());
        }
        if let (Some(_), Some(all)) = (&self.begun, self.catalog()) {
            // Another catalog was begun and not ended: what it brought is not to be forgotten.
            replace(&self.path, &all.to_bytes().map_err(|error| error.to_string())?)?;
        }
        replace(&self.begun_path, bytes)
    }

    /// Keeps a catalog, with its binary form at hand, as the last applied one, with those orphans that are still to be removed.
    ///
    /// # Errors
    /// Names the file and says why it cannot be written.
    pub fn store(&self, next: &Catalog, bytes: &[u8], remaining: &[Address]) -> Result<(), String> {
        if remaining.is_empty() {
            return if self.is(bytes) { Ok(()) } else { self.end(bytes) };
        }
        let mut kept = next.clone();
        if let Some(previous) = self.catalog() {
            kept.adopt(&previous, |resource| remaining.contains(&resource.address));
        }
        let bytes = kept.to_bytes().map_err(|error| error.to_string())?;
        if self.is(&bytes) { Ok(()) } else { self.end(&bytes) }
    }

    fn end(&self, bytes: &[u8]) -> Result<(), String> {
        replace(&self.path, bytes)?;
        match std::fs::remove_file(&self.begun_path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {error}", self.begun_path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// The last catalog with what a later one may have brought. Where only one of them had a secret, that one
/// counts: what a file held is not shown as long as it may be the secret.
fn with_begun(mut last: Catalog, begun: &Catalog) -> Catalog {
    let known: BTreeMap<Address, bool> = last.resources.iter().map(|resource| (resource.address.clone(), has_secret(resource))).collect();
    last.adopt(begun, |resource| match known.get(&resource.address) {
        Some(had_secret) => !had_secret && has_secret(resource),
        None => true,
    });
    last
}

fn has_secret(resource: &Resource) -> bool {
    resource.attributes.values().any(Value::has_secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_engine::value::Map;

    fn catalog(titles: &[&str]) -> (Catalog, Vec<u8>) {
        let mut catalog = Catalog::empty("h", "s");
        catalog.resources.extend(titles.iter().map(|title| Resource::new(Address::new("file", *title), Map::new())));
        let bytes = catalog.to_bytes().unwrap();
        (catalog, bytes)
    }

    fn titles(previous: &PreviousCatalog) -> Vec<String> {
        previous.catalog().unwrap().resources.iter().map(|resource| resource.address.title.to_string()).collect()
    }

    #[test]
    fn what_unfinished_runs_began_with_stays_known_until_one_ends() {
        let root = tempfile::tempdir().unwrap();
        let state = State::of_site(root.path(), "s");
        state.make_folders().unwrap();
        let load = || PreviousCatalog::load(&state).unwrap();
        let ((first, first_bytes), (_, second_bytes), (third, third_bytes)) = (catalog(&["a"]), catalog(&["b"]), catalog(&["c"]));
        load().begin(&first_bytes).unwrap();
        load().store(&first, &first_bytes, &[]).unwrap();
        assert!(load().is(&first_bytes));
        load().begin(&second_bytes).unwrap();
        assert!(!load().is(&first_bytes), "the host may be half way to the second one");
        load().begin(&third_bytes).unwrap();
        assert_eq!(titles(&load()), ["a", "b", "c"]);
        load().store(&third, &third_bytes, &[]).unwrap();
        assert!(load().is(&third_bytes));
    }
}
