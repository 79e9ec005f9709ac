//! Removing, and setting owner and mode of what stays.

use std::ffi::{CString, OsStr};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use keel_engine::resource::Failure;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chmod, chownat, fsync, openat, openat2, statat, unlinkat};
use rustix::io::Errno;

use super::folders::{open_file_at, place_failure};
use super::place::{self, Place};
use super::replace::stat_at;
use super::{Backup, FileKind, Host, Ownership, Stat, fault};

pub(super) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// How deep a tree may be: each level costs a descriptor.
const DEPTH_MAX: usize = 200;
/// How large a removed file may be for the store to keep it.
const KEPT_BYTES_MAX: u64 = 16 << 20;

impl Host {
    /// Removes a file, a link, or a folder that is empty. Returns whether there was anything.
    ///
    /// # Errors
    /// A folder that is not empty, or the system refuses.
    pub fn remove(&self, path: impl AsRef<Path>) -> Result<bool, Failure> {
        let path = path.as_ref();
        let Some((place, stat)) = self.standing(path, "remove")? else { return Ok(false) };
        let flags = if stat.kind == FileKind::Folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(&place.folder, &place.name, flags).map_err(|errno| match errno {
            Errno::NOTEMPTY | Errno::EXIST => {
                Failure::new(format!("the directory {} is not empty", path.display())).help("with force=#true it goes with all it holds")
            }
            errno => fault::failure("remove", path, errno),
        })?;
        fsync(&place.folder).map_err(|errno| fault::failure("remove", path, errno))?;
        Ok(true)
    }

    /// Removes a file, and has the store keep what it held if that is wished, there is a store, and it is not
    /// larger than 16 MiB: who removes large files wants the room. Else as [`Host::remove`].
    ///
    /// # Errors
    /// As [`Host::remove`]; what cannot be kept is not removed.
    pub fn remove_file(&self, path: impl AsRef<Path>, backup: Backup<'_>) -> Result<bool, Failure> {
        let path = path.as_ref();
        let is_kept = |(_, stat): &(Place, Stat)| stat.kind == FileKind::File && stat.size <= KEPT_BYTES_MAX;
        let standing = self.standing(path, "remove")?.filter(is_kept);
        if let (Some((place, _)), Backup::Store, Some(backups)) = (standing, backup, &self.backups)
            && let Some((mut file, stat)) = open_file_at(&place.folder, &place.name, path)?
        {
            backups.keep(path, (&mut file, &stat), None)?;
        }
        self.remove(path)
    }

    /// Removes whatever stands at a path, a folder with all it holds. Returns whether there was anything.
    ///
    /// # Errors
    /// Something is mounted below it: then nothing is removed at all.
    pub fn remove_tree(&self, path: impl AsRef<Path>) -> Result<bool, Failure> {
        let path = path.as_ref();
        let Some((place, stat)) = self.standing(path, "remove")? else { return Ok(false) };
        if stat.kind != FileKind::Folder {
            return self.remove(path);
        }
        let failed = |errno| fault::failure("remove", path, errno);
        let folder = openat(&place.folder, &place.name, FOLDER, Mode::empty()).map_err(failed)?;
        let mut found = Vec::new();
        Collecting { top: path, depth_max: DEPTH_MAX, deeper: Deeper::Refused, found: &mut found }.collect(&folder, Path::new(""), 1)?;
        empty(&folder, path)?;
        unlinkat(&place.folder, &place.name, AtFlags::REMOVEDIR).map_err(failed)?;
        fsync(&place.folder).map_err(failed)?;
        Ok(true)
    }

    /// What is below a folder down to so many levels, by its path below it, parents first; links are
    /// not followed.
    ///
    /// # Errors
    /// There is no folder, or something is mounted below it.
    pub fn list_tree(&self, path: impl AsRef<Path>, depth: usize) -> Result<Vec<(PathBuf, Stat)>, Failure> {
        let path = path.as_ref();
        let mut found = Vec::new();
        let Some((place, _)) = self.standing(path, "list")? else { return Ok(found) };
        let folder = openat(&place.folder, &place.name, FOLDER, Mode::empty()).map_err(|errno| fault::failure("list", path, errno))?;
        let (depth_max, deeper) = if depth > DEPTH_MAX { (DEPTH_MAX, Deeper::Refused) } else { (depth, Deeper::LeftOut) };
        Collecting { top: path, depth_max, deeper, found: &mut found }.collect(&folder, Path::new(""), 1)?;
        Ok(found)
    }

    /// Removes what a killed run left in a folder of this machine, named by its [`super::Journal`].
    pub fn clear_strays(&self, folder: impl AsRef<Path>) {
        let Ok(below) = folder.as_ref().strip_prefix(&self.root) else { return };
        let Ok(root) = self.root_folder() else { return };
        let opened = place::open_folder(root, &Path::new("/").join(below)).map_err(|_| Errno::NOENT);
        let opened = opened.and_then(|folder| openat(&folder, ".", FOLDER, Mode::empty()));
        // A folder that is gone holds nothing, and what cannot be removed harms nobody.
        let _ = opened.and_then(|folder| self.candidates.clear_strays(&folder, &Stat::of(&rustix::fs::fstat(&folder)?)));
    }

    /// Sets owner and mode of what stands at a path, without following a link.
    ///
    /// # Errors
    /// There is nothing, or it has other names in a folder where others can write.
    pub fn set_ownership(&self, path: impl AsRef<Path>, ownership: Ownership) -> Result<(), Failure> {
        let path = path.as_ref();
        let act = "set owner and mode of";
        let failed = |errno| fault::failure(act, path, errno);
        let Some((place, _)) = self.standing(path, act)? else {
            return Err(fault::failure(act, path, Errno::NOENT));
        };
        let opened =
            openat(&place.folder, &place.name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let stat = Stat::of(&rustix::fs::fstat(&opened).map_err(failed)?);
        if stat.kind == FileKind::File && stat.links > 1 && !place::is_trusted(&place.folder).map_err(failed)? {
            return Err(Failure::new(format!("{} has other names, and others can write to its directory", path.display()))
                .help("it may be a second name of a file that is not theirs; remove it, or give its directory to root"));
        }
        if ownership.uid.is_some() || ownership.gid.is_some() {
            let (uid, gid) = (ownership.uid.map(Uid::from_raw), ownership.gid.map(Gid::from_raw));
            chownat(&opened, "", uid, gid, AtFlags::EMPTY_PATH).map_err(failed)?;
        }
        // Changing the owner clears setuid, so the mode comes second. Links have none.
        if let Some(mode) = ownership.mode.filter(|_| stat.kind != FileKind::Link) {
            chmod(format!("/proc/self/fd/{}", opened.as_raw_fd()), Mode::from_raw_mode(mode)).map_err(failed)?;
        }
        if matches!(stat.kind, FileKind::File | FileKind::Folder) {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            if let Ok(opened) = openat(&place.folder, &place.name, flags, Mode::empty()) {
                fsync(&opened).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The opened folder of a path and what stands there.
    fn standing(&self, path: &Path, act: &str) -> Result<Option<(Place, Stat)>, Failure> {
        let (folder, name) = place::split(path);
        let folder = match place::open_folder(self.root_folder()?, folder) {
            Ok(folder) => folder,
            Err(place::PlaceError::Errno(Errno::NOENT | Errno::NOTDIR)) => return Ok(None),
            Err(error) => return Err(place_failure(act, path, &error)),
        };
        let folder = openat(&folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| fault::failure(act, path, errno))?;
        let place = Place::new(folder, name.to_owned());
        Ok(stat_at(&place.folder, &place.name, path)?.map(|stat| (place, stat)))
    }
}

/// Opens a folder inside a folder; never one on which something is mounted.
pub(super) fn descend(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, Failure> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let opened = match openat2(folder, name, FOLDER, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => openat(folder, name, FOLDER, Mode::empty()),
        opened => opened,
    };
    opened.map_err(|errno| match errno {
        Errno::XDEV => Failure::new(format!("something is mounted on {}", path.display())).help("unmount it first, or name a smaller tree"),
        errno => fault::failure("open", path, errno),
    })
}

pub(super) fn entries(folder: &OwnedFd, path: &Path) -> Result<Vec<CString>, Failure> {
    let failed = |errno| fault::failure("list", path, errno);
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What happens below the last level that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deeper {
    /// Nobody asked for it.
    LeftOut,
    /// Somebody wants all of it.
    Refused,
}

/// A walk through a tree.
struct Collecting<'a> {
    top: &'a Path,
    depth_max: usize,
    deeper: Deeper,
    found: &'a mut Vec<(PathBuf, Stat)>,
}

impl Collecting<'_> {
    fn collect(&mut self, folder: &OwnedFd, below: &Path, depth: usize) -> Result<(), Failure> {
        for name in entries(folder, &self.top.join(below))? {
            let path = below.join(OsStr::from_bytes(name.to_bytes()));
            let stat = match statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => Stat::of(&other.map_err(|errno| fault::failure("look at", &self.top.join(&path), errno))?),
            };
            self.found.push((path.clone(), stat));
            if stat.kind != FileKind::Folder {
                continue;
            }
            if depth < self.depth_max {
                let inner = descend(folder, OsStr::from_bytes(name.to_bytes()), &self.top.join(&path))?;
                self.collect(&inner, &path, depth + 1)?;
            } else if self.deeper == Deeper::Refused {
                return Err(Failure::new(format!("{} is more than {DEPTH_MAX} directories deep", self.top.display())));
            }
        }
        Ok(())
    }
}

/// Removes all that a folder holds, and nothing on which something is mounted.
pub(super) fn empty(folder: &OwnedFd, path: &Path) -> Result<(), Failure> {
    for name in entries(folder, path)? {
        let inner = path.join(OsStr::from_bytes(name.to_bytes()));
        let failed = |errno| fault::failure("remove", &inner, errno);
        let stat = match statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other.map_err(failed)?,
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            empty(&descend(folder, OsStr::from_bytes(name.to_bytes()), &inner)?, &inner)?;
            unlinkat(folder, &name, AtFlags::REMOVEDIR).map_err(failed)?;
        } else {
            unlinkat(folder, &name, AtFlags::empty()).map_err(failed)?;
        }
    }
    Ok(())
}
