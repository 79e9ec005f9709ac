//! Compiles of unchanged sites: a catalog on disk with everything that it was made from, so that a
//! run of an unchanged site starts with reading a file instead of compiling.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keel_engine::catalog::Catalog;
use keel_engine::contents::{Blob, Contents, MemoryContents};
use keel_engine::digest::Digest;
use keel_engine::value::Map;
use serde::{Deserialize, Serialize};

use crate::run::Desired;
use crate::site_folder::SiteFolder;
use crate::state::{read_if_there, replace};

/// A file whose times are younger than this may still change without its times changing.
const SETTLED: Duration = Duration::from_secs(2);

/// Everything that a compile depends on, as one hash.
pub struct Key {
    digest: Digest,
    /// Whether all files were old enough for their times to tell of every later change.
    settled: bool,
}

/// What a compile is asked for besides the site.
#[derive(Debug, Serialize)]
pub struct Request<'a> {
    /// The host, if it was named.
    pub host: Option<&'a str>,
    /// `--var`.
    pub variables: &'a [String],
    /// The facts.
    pub facts: &'a Map,
}

impl Key {
    /// Looks at the site's files, without reading them. None if that is not possible.
    pub fn of(site: &SiteFolder, request: &Request<'_>) -> Option<Self> {
        let newest = SystemTime::now().checked_sub(SETTLED)?.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let mut hasher = blake3::Hasher::new();
        hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
        let mut settled = true;
        let mut stamp = |path: &Path| -> Option<()> {
            let file = std::fs::metadata(path).ok()?;
            let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
            settled &= [file.mtime(), file.ctime()].into_iter().all(|time| u64::try_from(time).is_ok_and(|time| time < newest));
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(&postcard::to_stdvec(&(file.dev(), file.ino(), file.size(), times)).ok()?);
            Some(())
        };
        stamp(&std::env::current_exe().ok()?)?;
        for file in site.stamps().ok()? {
            stamp(&file)?;
        }
        hasher.update(&postcard::to_stdvec(request).ok()?);
        Some(Self { digest: Digest::from_bytes(*hasher.finalize().as_bytes()), settled })
    }
}

/// A compile on disk.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    key: Digest,
    #[serde(borrow)]
    catalog: &'a [u8],
    /// Where each content stands in the file of contents.
    places: Vec<(Digest, u64)>,
}

/// Where the compiles of one site in one place are kept.
pub struct CompileCache {
    entry: PathBuf,
    contents: PathBuf,
}

impl CompileCache {
    /// The cache of a site for the host below a root.
    pub fn of(root: &Path, site: &SiteFolder, host: Option<&str>) -> Self {
        let name = Digest::of(format!("{}\0{}", site.folder().display(), host.unwrap_or_default()).as_bytes()).short();
        let folder = root.join("var/cache/keel/compiled");
        Self { entry: folder.join(format!("{name}.catalog")), contents: folder.join(format!("{name}.contents")) }
    }

    /// The compile, if there is one for exactly this key. Whatever is wrong with the files, the answer
    /// is that there is none.
    pub fn load(&self, key: &Key) -> Option<Desired> {
        let bytes = read_if_there(&self.entry).ok()??;
        let entry: Entry<'_> = postcard::from_bytes(&bytes).ok()?;
        if entry.key != key.digest {
            return None;
        }
        let catalog = Catalog::from_bytes(entry.catalog).ok()?;
        let places = entry.places.into_iter().collect();
        let contents = StoredContents { file: File::open(&self.contents).ok()?, places };
        Some(Desired { catalog, bytes: entry.catalog.to_vec(), contents: Arc::new(contents) })
    }

    /// Keeps a compile. A failure only costs the next run the time of a compile.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn store(&self, key: &Key, catalog: &[u8], contents: &MemoryContents) -> Result<(), String> {
        if !key.settled {
            return Ok(());
        }
        if let Some(folder) = self.entry.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| error.to_string())?;
        }
        let mut all = Vec::new();
        let mut places = Vec::new();
        for (digest, bytes) in contents.iter() {
            places.push((digest, all.len() as u64));
            all.write_all(bytes).map_err(|error| error.to_string())?;
        }
        let entry = Entry { key: key.digest, catalog, places };
        let entry = postcard::to_stdvec(&entry).map_err(|error| error.to_string())?;
        replace(&self.contents, &all)?;
        replace(&self.entry, &entry)
    }
}

/// Contents in a file, read when they are asked for and checked against their address.
struct StoredContents {
    file: File,
    places: HashMap<Digest, u64>,
}

impl Contents for StoredContents {
    fn read(&self, blob: &Blob) -> Result<Arc<[u8]>, String> {
        let damaged = |why: &str| {
            format!("content {} in the cache of compiles {why}: remove the folder var/cache/keel and run again", blob.digest.short())
        };
        let place = self.places.get(&blob.digest).ok_or_else(|| damaged("is missing"))?;
        let size = usize::try_from(blob.size).map_err(|_| damaged("is too large"))?;
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, *place).map_err(|error| damaged(&format!("cannot be read ({error})")))?;
        if Digest::of(&bytes) == blob.digest { Ok(Arc::from(bytes)) } else { Err(damaged("is damaged")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(folder: &Path) -> SiteFolder {
        std::fs::write(folder.join("keel.toml"), "name = \"s\"\n").unwrap();
        SiteFolder::find(Some(folder), folder).unwrap()
    }

    fn key(site: &SiteFolder, variables: &[String]) -> Key {
        Key::of(site, &Request { host: Some("h"), variables, facts: &Map::new() }).unwrap()
    }

    #[test]
    fn every_input_is_part_of_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let first = key(&site, &[]);
        assert_eq!(first.digest, key(&site, &[]).digest);
        assert_ne!(first.digest, key(&site, &["a=1".to_owned()]).digest);
        std::fs::write(folder.path().join("keel.toml"), "name = \"t\"\n").unwrap();
        let second = key(&site, &[]);
        assert_ne!(first.digest, second.digest);
        std::fs::write(folder.path().join("new.kdl"), "").unwrap();
        assert_ne!(second.digest, key(&site, &[]).digest);
    }

    #[test]
    fn a_site_that_was_just_written_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let cache = CompileCache::of(folder.path(), &site, Some("h"));
        let fresh = key(&site, &[]);
        cache.store(&fresh, b"", &MemoryContents::default()).unwrap();
        assert!(cache.load(&fresh).is_none());
    }

    #[test]
    fn what_is_kept_comes_back_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let cache = CompileCache::of(folder.path(), &site, Some("h"));
        let old = Key { settled: true, ..key(&site, &[]) };
        let catalog = Catalog::empty("h", "s");
        let mut contents = MemoryContents::default();
        let blob = contents.insert(b"some bytes".to_vec());
        cache.store(&old, &catalog.to_bytes().unwrap(), &contents).unwrap();
        let desired = cache.load(&old).unwrap();
        assert_eq!(desired.catalog, catalog);
        assert_eq!(&*desired.contents.read(&blob).unwrap(), b"some bytes");
        std::fs::write(&cache.contents, "other byte").unwrap();
        assert!(cache.load(&old).unwrap().contents.read(&blob).unwrap_err().contains("damaged"));
    }
}
