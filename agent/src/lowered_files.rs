//! Manifests as the compiler read them before, under the hash of their text: one file a site, which holds what
//! the last compile used and nothing older.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use keel_engine::digest::Digest;
use keel_manifests::sources::LoweredCache;
use serde::{Deserialize, Serialize};

use crate::cache_folder::{CacheFolder, CachedFile};

/// A cache of lowered manifests.
pub struct LoweredFiles {
    file: Option<CachedFile>,
    known: BTreeMap<Digest, Vec<u8>>,
    used: Mutex<Used>,
}

/// What this compile asked for.
#[derive(Default)]
struct Used {
    entries: BTreeMap<Digest, Vec<u8>>,
    /// Whether something is in it that the file does not have.
    more: bool,
}

/// The file: its entries as bytes, behind the hash of those bytes.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    digest: Digest,
    entries: &'a [u8],
}

impl LoweredFiles {
    /// The cache in a folder. Whatever is wrong with its file, it is then empty; without a folder it stays so.
    pub fn of(folder: Option<&CacheFolder>) -> Self {
        let file = folder.map(|folder| folder.file("lowered"));
        let known = file.as_ref().and_then(read).unwrap_or_default();
        Self { file, known, used: Mutex::default() }
    }

    /// Writes what was used, if the file does not have it all. A failure only costs the next compile time.
    pub fn keep(&self) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(file), true) = (&self.file, used.more) else { return };
        // Without the cache the next compile parses again, and is right all the same.
        let _ = write(file, &used.entries);
    }
}

fn read(file: &CachedFile) -> Option<BTreeMap<Digest, Vec<u8>>> {
    let bytes = file.read()?;
    let stored: Stored<'_> = postcard::from_bytes(&bytes).ok()?;
    if Digest::of(stored.entries) != stored.digest {
        return None;
    }
    postcard::from_bytes(stored.entries).ok()
}

fn write(file: &CachedFile, entries: &BTreeMap<Digest, Vec<u8>>) -> postcard::Result<()> {
    let entries = postcard::to_stdvec(entries)?;
    file.write(&postcard::to_stdvec(&Stored { digest: Digest::of(&entries), entries: &entries })?);
    Ok(())
}

impl LoweredCache for LoweredFiles {
    fn get(&self, key: Digest) -> Option<Vec<u8>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = used.entries.get(&key) {
            return Some(found.clone());
        }
        let found = self.known.get(&key)?.clone();
        used.entries.insert(key, found.clone());
        Some(found)
    }

    fn put(&self, key: Digest, bytes: &[u8]) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.entries.insert(key, bytes.to_vec());
        used.more = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_there_the_next_time_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache/keel");
        let open = || LoweredFiles::of(Some(&CacheFolder::of_one(&cache)));
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let first = open();
        assert_eq!(first.get(one), None);
        first.put(one, b"one");
        first.put(two, b"two");
        first.keep();
        let second = open();
        assert_eq!(second.get(one).as_deref(), Some(&b"one"[..]));
        second.put(Digest::of(b"3"), b"three");
        second.keep();
        assert_eq!(open().get(two), None, "a text that is gone is forgotten");
        let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(open().get(one), None, "a damaged file is as none");
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let cache = LoweredFiles::of(None);
        cache.put(Digest::of(b"1"), b"one");
        cache.keep();
        assert_eq!(LoweredFiles::of(None).get(Digest::of(b"1")), None);
    }
}
