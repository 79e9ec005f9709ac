//! Scratch roots: folders that go when nobody needs them any more.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// A folder of its own, for its owner alone.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("keel-test-{}-{number}", process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let message = format!("cannot make a scratch folder in {}: {error}", folder.display());
                    return Err(Error::host(message).hint("name another folder with TMPDIR"));
                }
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// One like it.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub(super) fn copy(&self, folder: &Path) -> Result<Self> {
        let other = Self::make(folder)?;
        copy_inside(self.path(), other.path()).map_err(|error| Error::host(format!("cannot copy {}: {error}", self.path().display())))?;
        Ok(other)
    }

    /// Becomes what another one is.
    ///
    /// # Errors
    /// It cannot be removed or moved.
    pub(super) fn replace_with(&self, other: Self) -> Result<()> {
        let moved = remove(self.path()).and_then(|()| fs::rename(other.path(), self.path()));
        moved.map_err(|error| Error::host(format!("cannot put {} back: {error}", self.path().display())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may have been moved, and what stays only takes room.
        let _ = remove(self.path());
    }
}

/// Removes a tree, also where folders forbid it to their owner.
fn remove(folder: &Path) -> std::io::Result<()> {
    let _ = open_up(folder);
    fs::remove_dir_all(folder)
}

fn open_up(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

fn copy_inside(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path)?, &target)?;
        } else if kind.is_dir() {
            fs::create_dir(&target)?;
            copy_inside(&path, &target)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
        } else if kind.is_file() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
