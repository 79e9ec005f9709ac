//! From a path to an opened folder and a name in it, so that nobody can swap a folder in between.
//!
//! Links are followed only as long as every folder on the way belongs to root (or to who runs this)
//! and nobody else may write to it; and never out of the host's root folder.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::Stat;

/// How many links one path may lead through, as in the kernel.
const LINKS_MAX: usize = 40;
/// How often a lookup is tried again that was disturbed by a rename.
const TRIES_MAX: usize = 3;
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether a link at the end of a path stands for itself or for its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLink {
    /// For itself.
    Kept,
    /// For its target.
    Followed,
}

/// An opened folder and a name in it.
pub(super) struct Place {
    pub(super) folder: OwnedFd,
    /// The folder's path below the root, without links.
    pub(super) above: PathBuf,
    /// One component; `.` where the path is the root itself.
    pub(super) name: OsString,
    /// Whether nobody else can put something in the place of what root has in the folder.
    pub(super) steady: bool,
}

impl Place {
    /// A name in a folder that was opened elsewhere.
    pub(super) fn new(folder: OwnedFd, name: OsString) -> Self {
        Self { folder, above: PathBuf::new(), name, steady: false }
    }
}

/// Why a path was not resolved.
#[derive(Debug)]
pub(super) enum PlaceError {
    /// The kernel's refusal.
    Errno(Errno),
    /// This link stands where others can write, so it could lead anywhere.
    UntrustedLink(PathBuf),
}

impl From<Errno> for PlaceError {
    fn from(errno: Errno) -> Self {
        PlaceError::Errno(errno)
    }
}

/// Opens the folder of this absolute path below the root.
pub(super) fn open_folder(root: &OwnedFd, path: &Path) -> Result<OwnedFd, PlaceError> {
    let below = path.strip_prefix("/").unwrap_or(path);
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES_MAX {
        match openat2(root, below, FOLDER, Mode::empty(), resolve) {
            Ok(folder) => return Ok(folder),
            Err(Errno::AGAIN) => {}
            // A link on the way, or a kernel or a sandbox without this call.
            Err(Errno::LOOP | Errno::NOSYS | Errno::PERM) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    let place = walk(root, path, LastLink::Followed)?;
    Ok(openat(&place.folder, &place.name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Finds the folder and the name of an absolute path below the root, a component at a time.
pub(super) fn walk(root: &OwnedFd, path: &Path, last: LastLink) -> Result<Place, PlaceError> {
    let mut pending: VecDeque<OsString> = components(path);
    let mut stack = vec![Level::of(openat(root, ".", FOLDER, Mode::empty())?, true, PathBuf::from("/"))?];
    let mut links = 0;
    let mut name = OsString::from(".");
    while let Some(component) = pending.pop_front() {
        if component == ".." {
            if stack.len() > 1 {
                stack.pop();
            }
            name = OsString::from(".");
            continue;
        }
        let Some(level) = stack.last() else { return Err(Errno::NOENT.into()) };
        let is_last = pending.is_empty();
        let opened = openat(&level.folder, &component, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let entry = match opened {
            Err(Errno::NOENT) if is_last => {
                name = component;
                break;
            }
            other => other?,
        };
        let kind = FileType::from_raw_mode(fstat(&entry)?.st_mode);
        if kind == FileType::Symlink && !(is_last && last == LastLink::Kept) {
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::LOOP.into());
            }
            if !level.trusted {
                return Err(PlaceError::UntrustedLink(PathBuf::from(component)));
            }
            let target = PathBuf::from(OsString::from_vec(readlinkat(&entry, "", Vec::new())?.into_bytes()));
            if target.is_absolute() {
                stack.truncate(1);
            }
            for part in components(&target).into_iter().rev() {
                pending.push_front(part);
            }
            name = OsString::from(".");
            continue;
        }
        if is_last {
            name = component;
        } else if kind == FileType::Directory {
            let level = Level::of(entry, level.steady, level.path.join(&component))?;
            stack.push(level);
        } else {
            return Err(Errno::NOTDIR.into());
        }
    }
    match stack.pop() {
        Some(level) => Ok(Place { folder: level.folder, above: level.path, name, steady: level.steady }),
        None => Err(Errno::NOENT.into()),
    }
}

/// The path at the end of the links that start at a path.
pub(super) fn resolve(root: &OwnedFd, path: &Path) -> Result<PathBuf, PlaceError> {
    let place = walk(root, path, LastLink::Followed)?;
    Ok(if place.name == "." { place.above } else { place.above.join(place.name) })
}

/// A folder on the way.
struct Level {
    folder: OwnedFd,
    /// Whether only root and who runs this can change what it holds.
    trusted: bool,
    /// Whether nobody else can rename or remove what root has in it, as in a folder that is sticky.
    steady: bool,
    path: PathBuf,
}

impl Level {
    fn of(folder: OwnedFd, is_above_steady: bool, path: PathBuf) -> Result<Self, Errno> {
        let found = Stat::of(&fstat(&folder)?);
        let sticky = Stat { mode: if found.mode & 0o1000 != 0 { found.mode & !0o022 } else { found.mode }, ..found };
        Ok(Self { folder, trusted: is_above_steady && is_ours(&found), steady: is_above_steady && is_ours(&sticky), path })
    }
}

/// Whether only root and who runs this can change what a folder holds.
pub(super) fn is_trusted(folder: impl AsFd) -> Result<bool, Errno> {
    Ok(is_ours(&Stat::of(&fstat(folder)?)))
}

/// Whether something belongs to root or who runs this, and nobody else may write to it.
pub(super) fn is_ours(stat: &Stat) -> bool {
    let owner = stat.uid == 0 || stat.uid == geteuid().as_raw();
    let group = stat.mode & 0o020 == 0 || stat.gid == 0 || stat.gid == getegid().as_raw();
    owner && group && stat.mode & 0o002 == 0
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect()
}

/// The folder and the name of an absolute path, as text. The root is `/` and `.`.
pub(super) fn split(path: &Path) -> (&Path, &OsStr) {
    let bytes = path.as_os_str().as_bytes();
    match bytes.iter().rposition(|byte| *byte == b'/') {
        Some(_) if bytes == b"/" => (Path::new("/"), OsStr::new(".")),
        Some(0) => (Path::new("/"), OsStr::from_bytes(&bytes[1..])),
        Some(slash) => (Path::new(OsStr::from_bytes(&bytes[..slash])), OsStr::from_bytes(&bytes[slash + 1..])),
        None => (Path::new("/"), path.as_os_str()),
    }
}
