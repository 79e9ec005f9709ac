//! Looking at many paths: the folder of the last one stays open, so that files of one folder cost
//! one system call each.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use keel_engine::digest::Digest;
use keel_engine::resource::{Failure, ObserveError};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::place::{self, PlaceError};
use super::{Host, Stat, fault};

/// How many bytes are read at once: nearly all configuration files whole.
const READ_BYTES: usize = 128 << 10;

/// A look at the host's files that remembers the last folder. Each thread has its own.
pub struct Folders<'h> {
    host: &'h Host,
    last: Option<(PathBuf, OwnedFd)>,
    buffer: Vec<u8>,
}

impl<'h> Folders<'h> {
    pub(super) fn new(host: &'h Host) -> Self {
        Self { host, last: None, buffer: Vec::new() }
    }

    /// What stands at a path; a link stands for itself. None if there is nothing.
    ///
    /// # Errors
    /// A path that cannot be looked at.
    pub fn stat(&mut self, path: impl AsRef<Path>) -> Result<Option<Stat>, Failure> {
        let path = path.as_ref();
        let (folder, name) = place::split(path);
        let Some(folder) = self.open(folder, path)? else { return Ok(None) };
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stat::of(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(fault::failure("look at", path, errno)),
        }
    }

    /// Opens a regular file for reading; a link is not followed.
    ///
    /// # Errors
    /// There is something else, or it may not be read.
    pub fn open_file(&mut self, path: impl AsRef<Path>) -> Result<Option<(File, Stat)>, Failure> {
        let path = path.as_ref();
        let (folder, name) = place::split(path);
        let Some(folder) = self.open(folder, path)? else { return Ok(None) };
        open_file_at(folder, name, path)
    }

    /// The digest of a file that was found in this state; read only where no earlier run knows it.
    /// None if the file is gone.
    ///
    /// # Errors
    /// As [`Folders::open_file`].
    pub fn digest(&mut self, path: impl AsRef<Path>, stat: &Stat) -> Result<Option<Digest>, Failure> {
        if let Some(digest) = self.host.digests.as_ref().and_then(|digests| digests.get(stat)) {
            return Ok(Some(digest));
        }
        let path = path.as_ref();
        let Some((mut file, opened)) = self.open_file(path)? else { return Ok(None) };
        let digest = self.hash(&mut file, opened.size).map_err(|error| fault::io_failure("read", path, &error))?;
        if let Some(digests) = &self.host.digests {
            digests.add(&opened, digest);
        }
        Ok(Some(digest))
    }

    /// Reads and hashes a whole file with a buffer that all files share.
    fn hash(&mut self, file: &mut File, size: u64) -> std::io::Result<Digest> {
        self.buffer.resize(READ_BYTES, 0);
        let first = file.read(&mut self.buffer)?;
        let bytes = self.buffer.get(..first).unwrap_or_default();
        if first < READ_BYTES && first as u64 == size {
            return Ok(Digest::of(bytes));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(bytes);
        loop {
            let count = file.read(&mut self.buffer)?;
            if count == 0 {
                return Ok(Digest::from_bytes(*hasher.finalize().as_bytes()));
            }
            hasher.update(self.buffer.get(..count).unwrap_or_default());
        }
    }

    /// Whether something can be made at a path: its folder is there, or a resource of the catalog brings it.
    ///
    /// # Errors
    /// There is no such folder and nobody declares it.
    pub fn expect_folder_of(&mut self, path: impl AsRef<Path>) -> Result<(), ObserveError> {
        let path = path.as_ref();
        let (folder, _) = place::split(path);
        if self.open(folder, path)?.is_some() || self.host.claims().brings(&format!("path:{}", folder.display())) {
            return Ok(());
        }
        let failure = Failure::new(format!("cannot make {}: the directory {} does not exist", path.display(), folder.display()));
        Err(ObserveError::NotYet(failure.help(format!("declare it: file {:?} ensure=directory", folder.display().to_string()))))
    }

    fn open(&mut self, folder: &Path, path: &Path) -> Result<Option<&OwnedFd>, Failure> {
        let known = self.last.as_ref().is_some_and(|(last, _)| last.as_os_str() == folder.as_os_str());
        if !known {
            match place::open_folder(self.host.root_folder()?, folder) {
                Ok(opened) => self.last = Some((folder.to_owned(), opened)),
                Err(PlaceError::Errno(Errno::NOENT | Errno::NOTDIR)) => return Ok(None),
                Err(error) => return Err(place_failure("look at", path, &error)),
            }
        }
        Ok(self.last.as_ref().map(|(_, folder)| folder))
    }
}

/// Opens a regular file in a folder without following a link and without waiting for a pipe's other end.
pub(super) fn open_file_at(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<Option<(File, Stat)>, Failure> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = match openat(folder, name, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::LOOP) => return Err(Failure::new(format!("{} is a link and not a file", path.display()))),
        Err(errno) => return Err(fault::failure("open", path, errno)),
    };
    let stat = rustix::fs::fstat(&opened).map_err(|errno| fault::failure("look at", path, errno))?;
    let stat = Stat::of(&stat);
    if stat.kind != super::FileKind::File {
        return Err(Failure::new(format!("{} is a {} and not a file", path.display(), stat.kind.as_str())));
    }
    Ok(Some((File::from(opened), stat)))
}

/// Says why a path was not resolved.
pub(super) fn place_failure(act: &str, path: &Path, error: &PlaceError) -> Failure {
    match error {
        PlaceError::Errno(errno) => fault::failure(act, path, *errno),
        PlaceError::UntrustedLink(link) => {
            Failure::new(format!("cannot {act} {}: the link {:?} on the way stands where others can write", path.display(), link))
                .help("name the path without the link, or give its folder to root with mode 0755")
        }
    }
}
