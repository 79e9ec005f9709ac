//! Reading: what stands at a path, a file's bytes, a link's target, a folder's entries.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use keel_engine::resource::Failure;
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::folders::{open_file_at, place_failure};
use super::place::{self, LastLink, Place, PlaceError};
use super::{FileKind, Folders, Host, Stat, fault};

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name.
    pub name: OsString,
}

impl Host {
    /// A look at many paths in turn; cheaper than asking the host for each.
    pub fn folders(&self) -> Folders<'_> {
        Folders::new(self)
    }

    /// What stands at a path; a link stands for itself. None if there is nothing.
    ///
    /// # Errors
    /// A path that cannot be looked at.
    pub fn stat(&self, path: impl AsRef<Path>) -> Result<Option<Stat>, Failure> {
        self.folders().stat(path)
    }

    /// The bytes of a file, through links that nobody else can bend. None if there is nothing.
    ///
    /// # Errors
    /// There is something else than a file, or it may not be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>, Failure> {
        let path = path.as_ref();
        let Some(place) = self.find(path, LastLink::Followed)? else { return Ok(None) };
        Ok(read_at(&place.folder, &place.name, path)?.map(|(bytes, _)| bytes))
    }

    /// The text of a file, see [`Host::read`].
    ///
    /// # Errors
    /// Also where the bytes are no UTF-8.
    pub fn read_text(&self, path: impl AsRef<Path>) -> Result<Option<String>, Failure> {
        let path = path.as_ref();
        let Some(bytes) = self.read(path)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| Failure::new(format!("{} is not UTF-8", path.display())))?;
        Ok(Some(text))
    }

    /// Where a link points, as it is written in it. None if there is no link.
    ///
    /// # Errors
    /// A path that cannot be looked at.
    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<Option<PathBuf>, Failure> {
        let path = path.as_ref();
        let Some(place) = self.find(path, LastLink::Kept)? else { return Ok(None) };
        match readlinkat(&place.folder, &place.name, Vec::new()) {
            Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes())))),
            Err(Errno::NOENT | Errno::INVAL | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(fault::failure("read the link", path, errno)),
        }
    }

    /// What stands at the end of the links that start at a path. None if there is nothing.
    ///
    /// # Errors
    /// A link on the way stands where others can write.
    pub fn stat_followed(&self, path: impl AsRef<Path>) -> Result<Option<Stat>, Failure> {
        let path = path.as_ref();
        let Some(place) = self.find(path, LastLink::Followed)? else { return Ok(None) };
        super::replace::stat_at(&place.folder, &place.name, path)
    }

    /// The path at the end of the links that start at a path; the path itself where there is no link.
    ///
    /// # Errors
    /// A link on the way stands where others can write.
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf, Failure> {
        let path = path.as_ref();
        place::resolve(self.root_folder()?, path).map_err(|error| place_failure("look at", path, &error))
    }

    /// The names in a folder, in order, without `.` and `..`. None if there is no folder.
    ///
    /// # Errors
    /// A folder that may not be read.
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Option<Vec<Entry>>, Failure> {
        let path = path.as_ref();
        let failed = |errno| fault::failure("list", path, errno);
        let Some(place) = self.find(path, LastLink::Followed)? else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match openat(&place.folder, &place.name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            other => other.map_err(failed)?,
        };
        let mut entries = Vec::new();
        for entry in Dir::new(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push(Entry { name: std::ffi::OsStr::from_bytes(name).to_owned() });
            }
        }
        entries.sort();
        Ok(Some(entries))
    }

    /// Resolves a path; none where its folder does not exist.
    pub(super) fn find(&self, path: &Path, last: LastLink) -> Result<Option<Place>, Failure> {
        match place::walk(self.root_folder()?, path, last) {
            Ok(place) => Ok(Some(place)),
            Err(PlaceError::Errno(Errno::NOENT | Errno::NOTDIR)) => Ok(None),
            Err(error) => Err(place_failure("look at", path, &error)),
        }
    }
}

/// Reads a whole file.
pub(super) fn read_at(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<Option<(Vec<u8>, Stat)>, Failure> {
    let Some((mut file, stat)) = open_file_at(folder, name, path)? else { return Ok(None) };
    debug_assert_eq!(stat.kind, FileKind::File);
    let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(|error| fault::io_failure("read", path, &error))?;
    Ok(Some((bytes, stat)))
}
