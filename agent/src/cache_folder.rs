//! A folder with what commands keep for the next one: a file of each kind for a site. What was written longest ago
//! goes where there are too many, so that sites that come and go leave no more than that behind.

use std::fs::{DirBuilder, DirEntry};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use keel_engine::digest::Digest;

use crate::site_folder::SiteFolder;
use crate::state::{read_if_there, replace};

/// How many files of one kind a folder may have.
const FILES_MAX: usize = 32;

/// Such a folder, and which of its files are meant.
#[derive(Debug, Clone)]
pub struct CacheFolder {
    folder: PathBuf,
    site: String,
}

impl CacheFolder {
    /// One for many sites, which are told by where they stand.
    pub fn of_many(folder: &Path, site: &SiteFolder) -> Self {
        Self { folder: folder.to_owned(), site: Digest::of(site.folder().as_os_str().as_encoded_bytes()).short() }
    }

    /// One for a single site, wherever it stands: hooks check copies of it.
    pub fn of_one(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), site: "site".to_owned() }
    }

    /// The site's file of a kind.
    pub fn file(&self, kind: &str) -> CachedFile {
        CachedFile { path: self.folder.join(format!("{}.{kind}", self.site)) }
    }
}

/// A file that costs only time where it is missing.
#[derive(Debug, Clone)]
pub struct CachedFile {
    path: PathBuf,
}

impl CachedFile {
    /// What is in it; none where it cannot be read.
    pub fn read(&self) -> Option<Vec<u8>> {
        read_if_there(&self.path).ok()?
    }

    /// Replaces what is in it, if that is possible.
    pub fn write(&self, bytes: &[u8]) {
        let Some(folder) = self.path.parent() else { return };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        if made.is_ok() && replace(&self.path, bytes).is_ok() {
            self.forget_others(folder);
        }
    }

    /// Removes the oldest files of this kind beyond the limit. What another command removes first is gone all the same.
    fn forget_others(&self, folder: &Path) {
        let same_kind = |entry: &DirEntry| entry.path().extension() == self.path.extension();
        let written = |entry: &DirEntry| entry.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(same_kind);
        let mut others: Vec<_> = entries.map(|entry| (written(&entry), entry.path())).filter(|(_, path)| *path != self.path).collect();
        others.sort();
        for (_, path) in others.iter().take((others.len() + 1).saturating_sub(FILES_MAX)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_go_where_there_are_too_many_and_other_kinds_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = |site: String| CacheFolder { folder: folder.path().to_owned(), site };
        for number in 0..FILES_MAX + 3 {
            let file = cache(format!("s{number:02}")).file("checks");
            std::fs::write(&file.path, "old").unwrap();
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + number as u64);
            std::fs::File::options().write(true).open(&file.path).unwrap().set_modified(written).unwrap();
        }
        std::fs::write(cache("s00".to_owned()).file("lowered").path, "other").unwrap();
        cache("new".to_owned()).file("checks").write(b"new");
        let there = |site: &str| cache(site.to_owned()).file("checks").read().is_some();
        assert_eq!([there("s03"), there("s04"), there("s34"), there("new")], [false, true, true, true]);
        assert!(cache("s00".to_owned()).file("lowered").read().is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), FILES_MAX + 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("taken"), "").unwrap();
        let file = CacheFolder::of_one(&folder.path().join("taken/keel")).file("checks");
        file.write(b"x");
        assert_eq!(file.read(), None);
    }
}
