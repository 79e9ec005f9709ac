//! What files held before they were replaced or removed, stored by content, with an index that says which
//! path held it, in which run, and what came in its place. Files that a run made are in the index, too.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use keel_engine::digest::Digest;
use keel_engine::resource::Failure;
use serde::{Deserialize, Serialize};

use super::Stat;
use super::fault::io_failure;

/// A folder with one file for each content, `ab/abcdef...`, and the file `index`: a [`Replaced`] as a line
/// of JSON for each replacement.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    run: String,
    /// The index, once something was written to it: one writes at a time.
    writing: Mutex<Option<File>>,
}

/// A file that a run made, replaced or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The run's name.
    pub run: String,
    /// The file.
    pub path: PathBuf,
    /// What it held before; none if the run made it.
    pub before: Option<Digest>,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// The permission bits.
    pub mode: u32,
    /// What came in its place; none if nothing did.
    pub after: Option<Digest>,
}

impl Backups {
    /// The store in this folder of the machine (not of the host's root), for this run.
    pub fn new(folder: impl Into<PathBuf>, run: impl Into<String>) -> Self {
        Self { folder: folder.into(), run: run.into(), writing: Mutex::new(None) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a content is kept.
    pub fn locate(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(name.get(..2).unwrap_or_default()).join(name)
    }

    /// Keeps what a file holds before these bytes, or nothing, come in its place. Safe on disk when it returns.
    ///
    /// # Errors
    /// The store cannot be written; nothing must be replaced then.
    pub(super) fn keep(&self, path: &Path, (file, stat): (&mut File, &Stat), after: Option<&[u8]>) -> Result<Digest, Failure> {
        self.store(file, stat, path, after.map(Digest::of)).map_err(|error| io_failure("keep a backup of", path, &error))
    }

    /// Writes down that a run makes a file. It need not be on disk before the file is: without it a file that
    /// was changed again would seem to have been there, and that line takes this one along. Nor is it a reason not
    /// to make the file that its making cannot be written down: nothing is lost by it.
    pub(super) fn note_made(&self, path: &Path, bytes: &[u8]) {
        let (run, path) = (self.run.clone(), path.to_owned());
        let made = Replaced { run, before: None, uid: 0, gid: 0, mode: 0, after: Some(Digest::of(bytes)), path };
        let _ = self.append(&mut self.writing.lock().unwrap_or_else(PoisonError::into_inner), &made);
    }

    /// Adds a line to the index, which is opened once.
    fn append<'f>(&self, index: &'f mut Option<File>, replaced: &Replaced) -> io::Result<&'f File> {
        let mut line = serde_json::to_vec(replaced)?;
        line.push(b'\n');
        let mut file = match index.take() {
            Some(file) => file,
            None => {
                // Who wrote before may have been cut short in the middle of a line.
                line.insert(0, b'\n');
                self.open_index()?
            }
        };
        file.write_all(&line)?;
        Ok(index.insert(file))
    }

    fn open_index(&self) -> io::Result<File> {
        let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(self.folder.join("index"));
        match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
                open()
            }
            opened => opened,
        }
    }

    fn store(&self, file: &mut File, stat: &Stat, path: &Path, after: Option<Digest>) -> io::Result<Digest> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut index = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Digest::of(&bytes);
        let kept = self.locate(before);
        if !kept.exists() {
            self.store_new(&kept, &bytes)?;
        }
        let (run, path) = (self.run.clone(), path.to_owned());
        let replaced = Replaced { run, path, before: Some(before), uid: stat.uid, gid: stat.gid, mode: stat.mode, after };
        self.append(&mut index, &replaced)?.sync_data()?;
        Ok(before)
    }

    /// What a run made, replaced and removed, each file once: as it was before the run, and as it was left.
    ///
    /// # Errors
    /// There is an index, and it cannot be read.
    pub fn replaced_in(&self, run: &str) -> io::Result<Vec<Replaced>> {
        match fs::read(self.folder.join("index")) {
            Ok(bytes) => Ok(replaced_in(&bytes, run)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// A content that was kept.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is not what it was.
    pub fn read(&self, digest: Digest) -> io::Result<Vec<u8>> {
        let bytes = fs::read(self.locate(digest))?;
        if Digest::of(&bytes) == digest {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the kept content is damaged"))
        }
    }

    /// Writes a content beside its place and moves it there; what a failure leaves of it is removed.
    fn store_new(&self, kept: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = kept.parent().unwrap_or(&self.folder);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let candidate = kept.with_extension(format!("new-{}", std::process::id()));
        let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&candidate)?;
        let stored = copy.write_all(bytes).and_then(|()| copy.sync_all()).and_then(|()| fs::rename(&candidate, kept));
        if stored.is_err() {
            let _ = fs::remove_file(&candidate);
        }
        stored?;
        File::open(folder)?.sync_all()?;
        // The folder may be as new as what it holds.
        File::open(&self.folder)?.sync_all()
    }
}

/// A line that a crash cut short tells of nothing that was replaced: the change comes after it.
fn replaced_in(index: &[u8], run: &str) -> Vec<Replaced> {
    let mut files: BTreeMap<PathBuf, Replaced> = BTreeMap::new();
    let lines = index.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Replaced>(line).ok());
    for replaced in lines.filter(|replaced| replaced.run == run) {
        match files.entry(replaced.path.clone()) {
            Entry::Occupied(mut known) => known.get_mut().after = replaced.after,
            Entry::Vacant(place) => drop(place.insert(replaced)),
        }
    }
    // What was not there before and is not there now never mattered.
    files.into_values().filter(|file| file.before.is_some() || file.after.is_some()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_can_read_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let backups = Backups::new(folder.path().join("backups"), "run");
        let stat = super::super::Host::new("/").stat(&file).unwrap().unwrap();
        let digest = backups.keep(&file, (&mut File::open(&file).unwrap(), &stat), Some(b"new")).unwrap();
        let kept = backups.locate(digest);
        assert_eq!(fs::read(&kept).unwrap(), b"old");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&kept), mode(kept.parent().unwrap())), (0o600, 0o700));
        let store = folder.path().join("backups");
        assert_eq!((mode(&store), mode(&store.join("index"))), (0o700, 0o600));
    }

    #[test]
    fn of_several_changes_in_a_run_the_first_before_and_the_last_after_count() {
        let line = |run: &str, path: &str, before: &str, after: Option<&str>| {
            let before = (!before.is_empty()).then(|| Digest::of(before.as_bytes()));
            let (run, path) = (run.to_owned(), PathBuf::from(path));
            let after = after.map(|after| Digest::of(after.as_bytes()));
            serde_json::to_string(&Replaced { run, path, before, uid: 0, gid: 0, mode: 0o644, after }).unwrap()
        };
        let lines =
            [line("1", "/a", "a", Some("b")), line("2", "/a", "b", None), line("1", "/b", "x", None), line("1", "/a", "b", Some("c"))];
        let made = [
            line("1", "/new", "", Some("n")),
            line("1", "/new", "n", Some("m")),
            line("1", "/came", "", Some("n")),
            line("1", "/came", "n", None),
        ];
        let lines = [&lines[..], &made[..]].concat();
        let index = format!("{}\n{{\"run\":\"1\",\"pa", lines.join("\n"));
        let found = replaced_in(index.as_bytes(), "1");
        let digests: Vec<_> = found.iter().map(|one| (one.path.to_str().unwrap(), one.before, one.after)).collect();
        let (a, b) = (("/a", Some(Digest::of(b"a")), Some(Digest::of(b"c"))), ("/b", Some(Digest::of(b"x")), None));
        assert_eq!(digests, [a, b, ("/new", None, Some(Digest::of(b"m")))]);
    }
}
