//! What files held before they were replaced, stored by content, with an index that says which path
//! held it and in which run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use keel_engine::digest::Digest;
use keel_engine::resource::Failure;

use super::fault::io_failure;

/// A folder with one file for each content, `ab/abcdef...`, and the file `index`: a line of run,
/// digest and path for each replacement.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    run: String,
    writing: Mutex<()>,
}

impl Backups {
    /// The store in this folder of the machine (not of the host's root), for this run.
    pub fn new(folder: impl Into<PathBuf>, run: impl Into<String>) -> Self {
        Self { folder: folder.into(), run: run.into(), writing: Mutex::new(()) }
    }

    /// Where a content is kept.
    pub fn locate(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(name.get(..2).unwrap_or_default()).join(name)
    }

    /// Keeps what a file holds. Safe on disk when it returns.
    ///
    /// # Errors
    /// The store cannot be written; nothing must be replaced then.
    pub(super) fn keep(&self, path: &Path, file: &mut File) -> Result<Digest, Failure> {
        self.store(file, path).map_err(|error| io_failure("keep a backup of", path, &error))
    }

    fn store(&self, file: &mut File, path: &Path) -> io::Result<Digest> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = Digest::of(&bytes);
        let kept = self.locate(digest);
        if !kept.exists() {
            self.store_new(&kept, &bytes)?;
        }
        let mut index = OpenOptions::new().append(true).create(true).mode(0o600).open(self.folder.join("index"))?;
        index.write_all(format!("{}\t{digest}\t{:?}\n", self.run, path).as_bytes())?;
        index.sync_data()?;
        Ok(digest)
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
        let digest = backups.keep(&file, &mut File::open(&file).unwrap()).unwrap();
        let kept = backups.locate(digest);
        assert_eq!(fs::read(&kept).unwrap(), b"old");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&kept), mode(kept.parent().unwrap())), (0o600, 0o700));
        let store = folder.path().join("backups");
        assert_eq!((mode(&store), mode(&store.join("index"))), (0o700, 0o600));
    }
}
