//! The contents of the cached catalogs, one file each under its address. They are fetched before a
//! catalog counts as good, so that a run never depends on the server.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use keel_engine::catalog::Catalog;
use keel_engine::contents::{Blob, Contents};
use keel_engine::digest::Digest;
use keel_engine::value::Value;

use super::home::Home;

/// The contents on disk.
#[derive(Debug, Clone)]
pub struct ContentStore {
    folder: PathBuf,
}

impl ContentStore {
    /// The contents of a host.
    pub fn of(home: &Home) -> Self {
        Self { folder: home.kept.join("contents") }
    }

    /// What a catalog names and is not here, each once.
    pub fn missing(&self, catalog: &Catalog) -> Vec<Blob> {
        let is_here = |blob: &Blob| std::fs::metadata(self.path(&blob.digest)).is_ok_and(|file| file.len() == blob.size);
        let mut missing: Vec<Blob> = named(catalog).into_iter().filter(|blob| !is_here(blob)).collect();
        missing.sort_by_key(|blob| blob.digest);
        missing.dedup();
        missing
    }

    /// How much of a content an earlier fetch left behind.
    pub fn begun(&self, blob: &Blob) -> u64 {
        std::fs::metadata(self.part(&blob.digest)).map_or(0, |file| if file.len() < blob.size { file.len() } else { 0 })
    }

    /// A file to fetch a content into, from `begun` bytes on.
    ///
    /// # Errors
    /// Says why there can be none.
    pub fn fetch_into(&self, blob: &Blob, begun: u64) -> Result<File, String> {
        let failed = |error: std::io::Error| format!("cannot write below {}: {error}", self.folder.display());
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600).append(begun > 0).write(true).truncate(begun == 0);
        options.open(self.part(&blob.digest)).map_err(failed)
    }

    /// Takes in a fetched content, if it is what its address says; what is not is thrown away.
    ///
    /// # Errors
    /// It is another one, or cannot be kept.
    pub fn take_in(&self, blob: &Blob) -> Result<(), String> {
        let part = self.part(&blob.digest);
        let failed = |error: std::io::Error| format!("cannot keep content {}: {error}", blob.digest.short());
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(&part).map_err(failed)?).map_err(failed)?;
        if hasher.finalize().as_bytes() != blob.digest.as_bytes() {
            let _ = std::fs::remove_file(&part);
            return Err(format!("what came as content {} is something else", blob.digest.short()));
        }
        std::fs::rename(&part, self.path(&blob.digest)).map_err(failed)
    }

    /// A content, if it is here and what its address says.
    pub fn look(&self, blob: &Blob) -> Option<Arc<[u8]>> {
        let mut bytes = Vec::new();
        let limit = blob.size.saturating_add(1);
        File::open(self.path(&blob.digest)).and_then(|file| file.take(limit).read_to_end(&mut bytes)).ok()?;
        (Digest::of(&bytes) == blob.digest).then(|| Arc::from(bytes))
    }

    /// Removes what none of these catalogs names.
    pub fn keep_only(&self, catalogs: &[Catalog]) {
        let needed: BTreeSet<String> = catalogs.iter().flat_map(named).map(|blob| blob.digest.to_string()).collect();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if !entry.file_name().to_str().is_some_and(|name| needed.contains(name)) {
                // A content too many costs only its space.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    fn part(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}.part"))
    }
}

impl Contents for ContentStore {
    fn read(&self, blob: &Blob) -> Result<Arc<[u8]>, String> {
        if let Some(bytes) = self.look(blob) {
            return Ok(bytes);
        }
        // The next round fetches it anew.
        let path = self.path(&blob.digest);
        let _ = std::fs::remove_file(&path);
        Err(format!("the cached content {} is damaged; the next run fetches it again", path.display()))
    }
}

/// Writes a part of a content.
///
/// # Errors
/// Says why it cannot be written.
pub fn write_part(file: &mut File, part: &[u8]) -> Result<(), String> {
    file.write_all(part).map_err(|error| format!("cannot write a content: {error}"))
}

/// All contents that a catalog names.
fn named(catalog: &Catalog) -> Vec<Blob> {
    let mut found = Vec::new();
    for value in catalog.resources.iter().flat_map(|resource| resource.attributes.values()) {
        collect(value, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut Vec<Blob>) {
    match value {
        Value::Blob(blob) => found.push(*blob),
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Map(map) => map.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_engine::address::Address;
    use keel_engine::catalog::Resource;
    use keel_engine::value::Map;

    fn catalog(blobs: &[Blob]) -> Catalog {
        let mut catalog = Catalog::empty("h", "s");
        let attributes = Map::from_iter([("parts".to_owned(), Value::List(blobs.iter().map(|blob| Value::Blob(*blob)).collect()))]);
        let address = Address::new("file", "/a");
        catalog.resources.push(Resource::new(address, attributes));
        catalog
    }

    fn store(root: &tempfile::TempDir) -> ContentStore {
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        ContentStore::of(&home)
    }

    #[test]
    fn a_fetch_goes_on_where_it_was_cut() {
        let root = tempfile::tempdir().unwrap();
        let store = store(&root);
        let blob = Blob::of(b"hello world");
        assert_eq!(store.missing(&catalog(&[blob, blob])), [blob]);
        write_part(&mut store.fetch_into(&blob, 0).unwrap(), b"hello ").unwrap();
        assert_eq!(store.begun(&blob), 6);
        write_part(&mut store.fetch_into(&blob, 6).unwrap(), b"world").unwrap();
        store.take_in(&blob).unwrap();
        assert!(store.missing(&catalog(&[blob])).is_empty());
        assert_eq!(&*store.read(&blob).unwrap(), b"hello world");
        store.keep_only(&[catalog(&[])]);
        assert_eq!(store.missing(&catalog(&[blob])), [blob]);
    }

    #[test]
    fn what_is_not_what_its_address_says_is_thrown_away() {
        let root = tempfile::tempdir().unwrap();
        let store = store(&root);
        let blob = Blob::of(b"hello");
        write_part(&mut store.fetch_into(&blob, 0).unwrap(), b"hullo").unwrap();
        assert!(store.take_in(&blob).unwrap_err().contains("something else"));
        assert_eq!(store.begun(&blob), 0);
        std::fs::write(store.path(&blob.digest), "hullo").unwrap();
        assert!(store.read(&blob).unwrap_err().contains("is damaged"));
        assert_eq!(store.missing(&catalog(&[blob])), [blob], "it is fetched again");
    }
}
