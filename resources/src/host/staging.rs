//! A folder of our own in which something is made out of everybody's reach, beside where it belongs: tools that go
//! by path may work in it, and what they made goes into place by descriptors.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use keel_engine::resource::Failure;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Uid, chownat, fchmod, fchown, fstat, fsync, mkdirat, openat, renameat,
    renameat_with, statat, syncfs, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::folders::{open_file_at, place_failure};
use super::place::{self, LastLink};
use super::remove::{FOLDER, descend, empty, entries};
use super::replace::stat_at;
use super::{Host, Stat, fault};

/// What is made for the folder stands here; the rest of a staging is thrown away.
pub const TREE: &str = "tree";

/// A folder that nobody else may enter, in the folder that its tree goes into.
pub struct Staging<'h> {
    host: &'h Host,
    /// The folder that the tree goes into.
    path: PathBuf,
    target: OwnedFd,
    name: OsString,
    folder: OwnedFd,
}

/// Whose what goes into place is. What is none stays as it was made.
#[derive(Clone, Copy)]
struct Owner {
    uid: Option<Uid>,
    gid: Option<Gid>,
}

impl Host {
    /// A staging in a folder, with an empty tree. It goes when it is dropped.
    ///
    /// # Errors
    /// There is no such folder, or nothing can be made in it.
    pub fn stage(&self, path: impl AsRef<Path>) -> Result<Staging<'_>, Failure> {
        let path = path.as_ref();
        let failed = |errno| fault::failure("write in", path, errno);
        let found = place::open_folder(self.root_folder()?, path).map_err(|error| place_failure("write in", path, &error))?;
        let opened = self.opened(path, &found)?;
        let name = self.candidates.name().map_err(failed)?;
        mkdirat(&opened.folder, &name, Mode::RWXU).map_err(failed)?;
        let made = openat(&opened.folder, &name, FOLDER, Mode::empty());
        let folder = made.and_then(|folder| if is_private(&folder)? { Ok(folder) } else { Err(Errno::EXIST) });
        let folder = folder.map_err(|errno| {
            let _ = unlinkat(&opened.folder, &name, AtFlags::REMOVEDIR);
            failed(errno)
        })?;
        let staging = Staging { host: self, path: path.to_owned(), target: opened.folder, name, folder };
        staging.make_tree(&opened.state).map_err(failed)?;
        Ok(staging)
    }
}

/// Whether a folder belongs to who runs this, and nobody else may enter it.
pub(super) fn is_private(folder: &OwnedFd) -> Result<bool, Errno> {
    let stat = fstat(folder)?;
    Ok(stat.st_uid == geteuid().as_raw() && stat.st_mode & 0o777 == 0o700)
}

impl Staging<'_> {
    /// The folder for commands to run in: by its descriptor, so that it is this one wherever its name leads.
    pub fn directory(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()))
    }

    /// Writes a new file of the staging.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let mut file = self.create(name)?;
        file.write_all(bytes).map_err(|error| fault::io_failure("write in", &self.path, &error))
    }

    /// Copies a file of the host into the staging, through links that nobody else can bend.
    ///
    /// # Errors
    /// There is no such file, or the system refuses.
    pub fn copy(&self, from: &Path, name: &str) -> Result<(), Failure> {
        let missing = || Failure::new(format!("there is no file {}", from.display()));
        let place = self.host.find(from, LastLink::Followed)?.ok_or_else(missing)?;
        let (mut old, _) = open_file_at(&place.folder, &place.name, from)?.ok_or_else(missing)?;
        let mut new = self.create(name)?;
        std::io::copy(&mut old, &mut new).map(drop).map_err(|error| fault::io_failure("copy", from, &error))
    }

    /// What a name of the staging stands for.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn stat(&self, name: &str) -> Result<Option<Stat>, Failure> {
        stat_at(&self.folder, OsStr::new(name), &self.path)
    }

    /// Puts all of the tree into the folder, on disk before it gets its names there; whatever is in its way goes, but
    /// no directory for a file. What is given an owner and a group here gets them first.
    ///
    /// # Errors
    /// Something is in the way, another file system begins there, or the system refuses. What was put in place
    /// before is whole.
    pub fn move_in(self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Failure> {
        let owner = Owner { uid: uid.map(Uid::from_raw), gid: gid.map(Gid::from_raw) };
        let tree = descend(&self.folder, OsStr::new(TREE), &self.path)?;
        if uid.is_some() || gid.is_some() {
            give_below(&tree, owner, &self.path)?;
        }
        syncfs(&tree).map_err(|errno| fault::failure("write in", &self.path, errno))?;
        merge(&tree, &self.target, owner, &self.path)
    }

    fn make_tree(&self, target: &Stat) -> Result<(), Errno> {
        mkdirat(&self.folder, TREE, Mode::RWXU)?;
        // What is made in a folder that hands its group down has that group.
        if target.mode & 0o2000 != 0 {
            let tree = openat(&self.folder, TREE, FOLDER, Mode::empty())?;
            fchown(&tree, None, Some(Gid::from_raw(target.gid)))?;
            fchmod(&tree, Mode::RWXU | Mode::SGID)?;
        }
        Ok(())
    }

    fn create(&self, name: &str) -> Result<File, Failure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&self.folder, name, flags, Mode::RUSR | Mode::WUSR);
        made.map(File::from).map_err(|errno| fault::failure("write in", &self.path, errno))
    }

    fn clear(&self) -> Result<(), Failure> {
        empty(&self.folder, &self.path)?;
        unlinkat(&self.target, &self.name, AtFlags::REMOVEDIR).map_err(|errno| fault::failure("remove from", &self.path, errno))
    }
}

impl Drop for Staging<'_> {
    /// What does not go, not even at the second try, goes with the next run.
    fn drop(&mut self) {
        let _ = self.clear().or_else(|_| self.clear());
    }
}

fn name_of(name: &std::ffi::CString) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}

fn give_below(folder: &OwnedFd, owner: Owner, path: &Path) -> Result<(), Failure> {
    for name in entries(folder, path)? {
        let inner = path.join(name_of(&name));
        let failed = |errno| fault::failure("set the owner of", &inner, errno);
        chownat(folder, &name, owner.uid, owner.gid, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let stat = statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            give_below(&descend(folder, name_of(&name), &inner)?, owner, &inner)?;
        }
    }
    Ok(())
}

/// Moves what one folder holds into another one, and makes its names there last.
fn merge(from: &OwnedFd, into: &OwnedFd, owner: Owner, path: &Path) -> Result<(), Failure> {
    for name in entries(from, path)? {
        move_one(from, into, name_of(&name), owner, &path.join(name_of(&name)))?;
    }
    fsync(into).map_err(|errno| fault::failure("write in", path, errno))
}

fn move_one(from: &OwnedFd, into: &OwnedFd, name: &OsStr, owner: Owner, path: &Path) -> Result<(), Failure> {
    let failed = |errno| fault::failure("put in place", path, errno);
    match renameat_with(from, name, into, name, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(()),
        // Something stands there, or this file system cannot tell.
        Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let is_folder = |at: &OwnedFd| match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed(errno)),
    };
    match (is_folder(from)? == Some(true), is_folder(into)?) {
        (true, Some(true)) => {
            let (inner, outer) = (descend(from, name, path)?, descend(into, name, path)?);
            settle(&inner, &outer, owner).map_err(failed)?;
            merge(&inner, &outer, owner, path)
        }
        (false, Some(true)) => {
            let failure = Failure::new(format!("{} is a directory, and what comes in its place is none", path.display()));
            Err(failure.help("move it away; nothing is thrown away with all it holds"))
        }
        // The two change places, and what stood there goes with the staging.
        (true, Some(false)) => match renameat_with(from, name, into, name, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS) => {
                unlinkat(into, name, AtFlags::empty()).and_then(|()| renameat(from, name, into, name)).map_err(failed)
            }
            result => result.map_err(failed),
        },
        (_, None | Some(false)) => renameat(from, name, into, name).map_err(failed),
    }
}

/// Gives a folder that stays the owner and the mode of the one that would have come.
fn settle(new: &OwnedFd, standing: &OwnedFd, owner: Owner) -> Result<(), Errno> {
    if owner.uid.is_some() || owner.gid.is_some() {
        fchown(standing, owner.uid, owner.gid)?;
    }
    let (new, old) = (fstat(new)?, fstat(standing)?);
    if (new.st_mode ^ old.st_mode) & 0o777 != 0 {
        fchmod(standing, Mode::from_raw_mode(old.st_mode & 0o7000 | new.st_mode & 0o777))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::trial::Trial;

    /// A staging whose tree holds these files, in a folder `/in`.
    fn staged<'h>(trial: &'h Trial, files: &[&str]) -> Staging<'h> {
        fs::create_dir_all(trial.path("/in")).unwrap();
        let staging = trial.host.stage("/in").unwrap();
        let tree = trial.path("/in").join(&staging.name).join(TREE);
        for file in files {
            fs::create_dir_all(tree.join(file).parent().unwrap()).unwrap();
            fs::write(tree.join(file), "new").unwrap();
        }
        staging
    }

    #[test]
    fn a_tree_goes_in_over_what_is_there() {
        let trial = Trial::new();
        trial.write("/in/deep/old", "old");
        trial.write("/in/deep/both", "old");
        trial.write("/in/was-file", "old");
        symlink("/etc", trial.path("/in/was-link")).unwrap();
        staged(&trial, &["top", "deep/both", "deep/new/leaf", "was-file/inside", "was-link/inside"]).move_in(None, None).unwrap();
        for new in ["top", "deep/both", "deep/new/leaf", "was-file/inside", "was-link/inside"] {
            assert_eq!(trial.read(&format!("/in/{new}")), "new", "{new}");
        }
        assert_eq!(trial.read("/in/deep/old"), "old");
        assert_eq!(fs::read_dir(trial.path("/in")).unwrap().count(), 4, "the staging is gone");
    }

    #[test]
    fn a_directory_never_gives_way_to_a_file() {
        let trial = Trial::new();
        trial.write("/in/a/precious", "old");
        let failure = staged(&trial, &["a"]).move_in(None, None).unwrap_err();
        assert_eq!(failure.message, "/in/a is a directory, and what comes in its place is none");
        assert_eq!(trial.read("/in/a/precious"), "old");
        assert_eq!(fs::read_dir(trial.path("/in")).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_run_left_goes_with_the_next_and_what_others_named_so_stays() {
        let trial = Trial::new();
        std::mem::forget(staged(&trial, &["deep/file"]));
        let theirs = trial.path("/in/.keel-00000000-0000000000000000");
        fs::create_dir_all(&theirs).unwrap();
        fs::write(theirs.join("file"), "").unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
        drop(Host::new(trial.path("/")).stage("/in").unwrap());
        let left: Vec<_> = fs::read_dir(trial.path("/in")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [theirs]);
    }

    #[test]
    fn nobody_else_may_enter_and_the_tree_keeps_the_folders_group() {
        let trial = Trial::new();
        fs::create_dir_all(trial.path("/in")).unwrap();
        fs::set_permissions(trial.path("/in"), fs::Permissions::from_mode(0o2777)).unwrap();
        let staging = trial.host.stage("/in").unwrap();
        assert!(is_private(&staging.folder).unwrap());
        let tree = fs::metadata(trial.path("/in").join(&staging.name).join(TREE)).unwrap();
        assert_eq!(tree.permissions().mode() & 0o7777, 0o2700);
    }
}
