//! A folder's whole state: every byte, mode, owner and time below it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What stands at one path. Folders have no times here: they move with what is made inside them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mode: u32,
    owner: (u32, u32),
    modified: Option<(i64, i64)>,
    inode: u64,
    bytes: Vec<u8>,
}

/// All entries by their path, `/` being the folder itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<String, Entry>);

impl Snapshot {
    pub(super) fn of(folder: &Path) -> Self {
        let mut entries = BTreeMap::new();
        collect(folder, "", &mut entries);
        Self(entries)
    }
}

fn collect(folder: &Path, below: &str, entries: &mut BTreeMap<String, Entry>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        let metadata = entry.path().symlink_metadata().unwrap();
        let bytes = if metadata.is_file() {
            std::fs::read(entry.path()).unwrap()
        } else if metadata.is_symlink() {
            std::fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()
        } else {
            Vec::new()
        };
        let modified = (!metadata.is_dir()).then(|| (metadata.mtime(), metadata.mtime_nsec()));
        let owner = (metadata.uid(), metadata.gid());
        entries.insert(path.clone(), Entry { mode: metadata.mode(), owner, modified, inode: metadata.ino(), bytes });
        if metadata.is_dir() {
            collect(&entry.path(), &path, entries);
        }
    }
}

/// The paths that came, went or are not the same.
pub(super) fn differing_paths(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let all = before.0.keys().chain(after.0.keys().filter(|path| !before.0.contains_key(*path)));
    let mut paths: Vec<String> = all.filter(|path| before.0.get(*path) != after.0.get(*path)).cloned().collect();
    paths.sort();
    paths
}
