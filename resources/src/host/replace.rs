//! Writing: everything new is made beside its place under a random name, complete with owner, mode
//! and content, synced, and only then moved into place; so there is the old or the new, never half.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use keel_engine::resource::Failure;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Uid, chownat, fchmod, fchown, fstat, fsync, mkdirat, openat, renameat, renameat_with, statat,
    symlinkat,
};
use rustix::io::Errno;

use super::candidates::discard;
use super::folders::{open_file_at, place_failure};
use super::label::{self, Labelled};
use super::place::{self, LastLink, PlaceError};
use super::{FileKind, Host, Stat, extended, fault, files};

/// The mode of a file that nobody gave one.
const FILE_MODE: u32 = 0o644;

/// Owner and mode. What is none stays as it is, or as the system has it for new things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The owner's id.
    pub uid: Option<u32>,
    /// The group's id.
    pub gid: Option<u32>,
    /// The permission bits.
    pub mode: Option<u32>,
}

/// What was seen at a path before it is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nobody looked; whatever stands there is replaced.
    Unknown,
    /// There was nothing.
    Nothing,
    /// There was this, and it must still be so.
    This(Stat),
}

impl From<Option<Stat>> for Seen {
    fn from(stat: Option<Stat>) -> Self {
        stat.map_or(Seen::Nothing, Seen::This)
    }
}

/// What happens to the bytes that are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup<'a> {
    /// Nothing keeps them: they are a secret, or nobody wants them.
    None,
    /// The store keeps them, if the host has one.
    Store,
    /// A copy stays beside the file, under its name with this at the end.
    Suffix(&'a str),
}

/// A command's verdict on a file that is about to go into place.
pub(super) type Verdict<'a> = dyn Fn(&Path) -> Result<(), Failure> + 'a;

/// A file to be put in place.
#[derive(Clone, Copy)]
pub struct NewFile<'a> {
    /// All its bytes.
    pub bytes: &'a [u8],
    /// Its owner and mode; what is none is taken from the file that it replaces.
    pub ownership: Ownership,
    /// What stood there when it was decided to replace it.
    pub seen: Seen,
    /// What becomes of the old bytes.
    pub backup: Backup<'a>,
    /// Judges the candidate, by its path on this machine, before it replaces anything.
    pub validate: Option<&'a Verdict<'a>>,
}

impl<'a> NewFile<'a> {
    /// These bytes, with everything else as it is or as usual.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, ownership: Ownership::default(), seen: Seen::Unknown, backup: Backup::Store, validate: None }
    }
}

/// An opened folder in which something is about to be written.
pub(super) struct Opened {
    pub(super) folder: OwnedFd,
    pub(super) state: Stat,
}

impl Opened {
    /// Makes what was put into it last.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        fsync(&self.folder)
    }
}

/// A place that is about to be written.
pub(super) struct Writing<'a> {
    pub(super) host: &'a Host,
    pub(super) path: &'a Path,
    pub(super) opened: &'a Opened,
    pub(super) name: &'a OsStr,
}

impl Host {
    /// Puts a file in place of whatever stands at a path. A link there is replaced, not followed.
    ///
    /// # Errors
    /// The old state is whole and in place whenever this fails.
    pub fn replace(&self, path: impl AsRef<Path>, new: &NewFile<'_>) -> Result<(), Failure> {
        let path = path.as_ref();
        let opened = self.open_above(path)?;
        let writing = Writing { host: self, path, opened: &opened, name: place::split(path).1 };
        let _lock = writing.lock();
        writing.replace(new)?;
        writing.sync("replace")
    }

    /// Reads a file, lets `edit` make new bytes of it and puts those in place: one editor at a time.
    /// `edit` gets none where there is no file, and returns none where nothing is to be done.
    /// Links that nobody else can bend are followed. Returns whether anything was written.
    ///
    /// # Errors
    /// What `edit` says, or what kept the file from being read or written.
    pub fn edit(
        &self,
        path: impl AsRef<Path>,
        how: &NewFile<'_>,
        mut edit: impl FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, Failure>,
    ) -> Result<bool, Failure> {
        let path = path.as_ref();
        let place = place::walk(self.root_folder()?, path, LastLink::Followed).map_err(|error| not_opened(path, &error))?;
        let opened = self.opened(path, &place.folder)?;
        let writing = Writing { host: self, path, opened: &opened, name: &place.name };
        let _lock = writing.lock();
        let mut tries = 2;
        loop {
            let old = files::read_at(&opened.folder, &place.name, path)?;
            let Some(bytes) = edit(old.as_ref().map(|(bytes, _)| bytes.as_slice()))? else { return Ok(false) };
            let seen = Seen::from(old.map(|(_, stat)| stat));
            tries -= 1;
            match writing.replace(&NewFile { bytes: &bytes, seen, ..*how }) {
                // Somebody with an editor was faster: their bytes are the new ground.
                Err(_) if tries > 0 && writing.has_changed(seen)? => {}
                Err(failure) => return Err(failure),
                Ok(()) => return writing.sync("replace").map(|()| true),
            }
        }
    }

    /// Writes a setting of the kernel below `/proc/sys`, which takes it at once and as a whole.
    ///
    /// # Errors
    /// There is no such setting, or the kernel refuses the value.
    pub fn write_setting(&self, path: impl AsRef<Path>, value: &str) -> Result<(), Failure> {
        let path = path.as_ref();
        let place = place::walk(self.root_folder()?, path, LastLink::Kept).map_err(|error| place_failure("set", path, &error))?;
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&place.folder, &place.name, flags, Mode::empty()).map_err(|errno| fault::failure("set", path, errno))?;
        File::from(opened).write_all(value.as_bytes()).map_err(|error| fault::io_failure("set", path, &error))
    }

    /// Makes a folder in place of whatever stands at a path but a folder: one that somebody made meanwhile stays.
    /// Without a mode it gets `0755` less what the umask takes.
    ///
    /// # Errors
    /// The parent is missing, or the system refuses.
    pub fn create_folder(&self, path: impl AsRef<Path>, ownership: Ownership) -> Result<(), Failure> {
        let path = path.as_ref();
        let opened = self.open_above(path)?;
        let writing = Writing { host: self, path, opened: &opened, name: place::split(path).1 };
        let _lock = writing.lock();
        if stat_at(&opened.folder, writing.name, path)?.is_some_and(|stat| stat.kind == FileKind::Folder) {
            return Ok(());
        }
        let mode = if ownership.mode.is_some() { Mode::RWXU } else { Mode::from_raw_mode(0o755) };
        writing.put("create the directory", |folder, candidate| {
            mkdirat(folder, candidate, mode)?;
            let made = openat(folder, candidate, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            label::set(self, path, &made, Labelled::Folder)?;
            set_ownership(&made, ownership)?;
            fsync(&made)
        })
    }

    /// Makes a symbolic link in place of whatever stands at a path.
    ///
    /// # Errors
    /// The parent is missing, or the system refuses.
    pub fn create_link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>, ownership: Ownership) -> Result<(), Failure> {
        let path = path.as_ref();
        let opened = self.open_above(path)?;
        let writing = Writing { host: self, path, opened: &opened, name: place::split(path).1 };
        let _lock = writing.lock();
        writing.put("create the link", |folder, candidate| {
            symlinkat(target.as_ref(), folder, candidate)?;
            if ownership.uid.is_some() || ownership.gid.is_some() {
                let (uid, gid) = (ownership.uid.map(Uid::from_raw), ownership.gid.map(Gid::from_raw));
                chownat(folder, candidate, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Ok(())
        })
    }

    /// Opens the folder of a path, in which the path's own name stands for itself.
    pub(super) fn open_above(&self, path: &Path) -> Result<Opened, Failure> {
        let (folder, _) = place::split(path);
        let found = place::open_folder(self.root_folder()?, folder).map_err(|error| not_opened(path, &error))?;
        self.opened(path, &found)
    }

    /// A folder that was found, ready to be written in and without what killed runs left.
    pub(super) fn opened(&self, path: &Path, found: &OwnedFd) -> Result<Opened, Failure> {
        let failed = |errno| fault::failure("write", path, errno);
        let folder = openat(found, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let state = Stat::of(&fstat(&folder).map_err(failed)?);
        self.candidates.clear_strays(&folder, &state).map_err(failed)?;
        Ok(Opened { folder, state })
    }
}

fn not_opened(path: &Path, error: &PlaceError) -> Failure {
    match error {
        PlaceError::Errno(Errno::NOENT) => {
            let folder = path.parent().unwrap_or(path);
            Failure::new(format!("cannot write {}: the directory {} does not exist", path.display(), folder.display()))
                .help(format!("declare it: file \"{}\" ensure=directory", folder.display()))
        }
        error => place_failure("write", path, error),
    }
}

impl Writing<'_> {
    pub(super) fn lock(&self) -> Option<std::sync::MutexGuard<'_, ()>> {
        self.host.locks.lock(self.opened.state.device, self.opened.state.inode, self.name)
    }

    fn failed(&self, act: &str) -> impl Fn(Errno) -> Failure + '_ {
        let act = act.to_owned();
        move |errno| fault::failure(&act, self.path, errno)
    }

    fn has_changed(&self, seen: Seen) -> Result<bool, Failure> {
        let now = stat_at(&self.opened.folder, self.name, self.path)?;
        Ok(match seen {
            Seen::Unknown => false,
            Seen::Nothing => now.is_some(),
            Seen::This(before) => !now.is_some_and(|now| now.is_same_state(&before)),
        })
    }

    /// Puts a file in place. It is on disk then, but its name is only once the folder is synced.
    pub(super) fn replace(&self, new: &NewFile<'_>) -> Result<(), Failure> {
        let standing = match new.seen {
            Seen::Unknown => stat_at(&self.opened.folder, self.name, self.path)?,
            Seen::Nothing => None,
            Seen::This(stat) => Some(stat),
        };
        let old = match standing {
            Some(stat) if stat.kind == FileKind::File => open_file_at(&self.opened.folder, self.name, self.path)?,
            _ => None,
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let candidate = self.host.candidates.name().map_err(self.failed("write"))?;
        let file = openat(&self.opened.folder, &candidate, flags, Mode::RUSR | Mode::WUSR).map_err(self.failed("write"))?;
        let result = self.fill(file, &candidate, new, old.as_ref()).and_then(|()| self.swap_in(&candidate, new, old));
        if result.is_err() {
            let _ = discard(&self.opened.folder, &candidate);
        }
        result
    }

    /// Makes what was put in place last.
    pub(super) fn sync(&self, act: &str) -> Result<(), Failure> {
        self.opened.sync().map_err(self.failed(act))
    }

    /// Gives the candidate its bytes, extended attributes, owner and mode, then asks the validator.
    fn fill(&self, file: OwnedFd, candidate: &OsStr, new: &NewFile<'_>, old: Option<&(File, Stat)>) -> Result<(), Failure> {
        let mut file = File::from(file);
        file.write_all(new.bytes).map_err(|error| fault::io_failure("write", self.path, &error))?;
        let mut ownership = new.ownership;
        if let Some((old, stat)) = old {
            ownership.uid = ownership.uid.or(Some(stat.uid));
            ownership.gid = ownership.gid.or(Some(stat.gid));
            ownership.mode = ownership.mode.or(Some(stat.mode));
            extended::copy(old, &file).map_err(self.failed("keep the extended attributes of"))?;
        } else {
            label::set(self.host, self.path, &file, Labelled::File).map_err(self.failed("label"))?;
        }
        ownership.mode = ownership.mode.or(Some(FILE_MODE));
        set_ownership(&file, ownership).map_err(self.failed("set owner and mode of"))?;
        fsync(&file).map_err(self.failed("write"))?;
        drop(file);
        match new.validate {
            Some(validate) => validate(&self.beside(candidate)),
            None => Ok(()),
        }
    }

    /// Checks that nobody else was here, keeps a backup and moves the candidate into place.
    fn swap_in(&self, candidate: &OsStr, new: &NewFile<'_>, old: Option<(File, Stat)>) -> Result<(), Failure> {
        if let (None, Backup::Store, Some(backups)) = (&old, new.backup, &self.host.backups) {
            backups.note_made(self.path, new.bytes);
        }
        if new.seen == Seen::Nothing && self.move_into_gap(candidate)? {
            return Ok(());
        }
        if self.has_changed(new.seen)? {
            return Err(self.changed_meanwhile());
        }
        if let Some((mut file, stat)) = old {
            match (new.backup, &self.host.backups) {
                (Backup::Suffix(suffix), _) => self.copy_beside(&mut file, stat, suffix)?,
                (Backup::Store, Some(backups)) => drop(backups.keep(self.path, (&mut file, &stat), Some(new.bytes))?),
                _ => {}
            }
        }
        self.move_in(candidate).map_err(self.failed("replace"))
    }

    /// Moves a candidate to where nothing stands: the kernel itself sees to it that nothing does. Not
    /// every file system can; then it says false.
    fn move_into_gap(&self, candidate: &OsStr) -> Result<bool, Failure> {
        let folder = &self.opened.folder;
        match renameat_with(folder, candidate, folder, self.name, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => Ok(false),
            Err(Errno::EXIST) => Err(self.changed_meanwhile()),
            Err(errno) => Err(self.failed("replace")(errno)),
        }
    }

    fn changed_meanwhile(&self) -> Failure {
        Failure::new(format!("{} was changed by somebody else while this run was about to write it", self.path.display()))
            .help("nothing was written; the next run looks at it again")
    }

    fn copy_beside(&self, old: &mut File, stat: Stat, suffix: &str) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(old, &mut bytes).map_err(|error| fault::io_failure("read", self.path, &error))?;
        let mut path = self.path.as_os_str().to_owned();
        path.push(suffix);
        let mut name = self.name.to_owned();
        name.push(suffix);
        let path = PathBuf::from(path);
        let ownership = Ownership { uid: Some(stat.uid), gid: Some(stat.gid), mode: Some(stat.mode) };
        let copy = Writing { host: self.host, path: &path, opened: self.opened, name: &name };
        copy.replace(&NewFile { ownership, backup: Backup::None, ..NewFile::of(&bytes) })?;
        // The copy lasts before what it is a copy of is gone.
        copy.sync("keep a backup of")
    }

    /// Makes something that is no file under a candidate's name and moves it into place.
    fn put(&self, act: &str, make: impl FnOnce(&OwnedFd, &OsStr) -> Result<(), Errno>) -> Result<(), Failure> {
        let candidate = self.host.candidates.name().map_err(self.failed(act))?;
        let folder = &self.opened.folder;
        let result = make(folder, &candidate).and_then(|()| self.move_in(&candidate)).and_then(|()| self.opened.sync());
        result.map_err(|errno| {
            let _ = discard(folder, &candidate);
            self.failed(act)(errno)
        })
    }

    /// The swap itself.
    fn move_in(&self, candidate: &OsStr) -> Result<(), Errno> {
        let (folder, name) = (&self.opened.folder, self.name);
        match renameat(folder, candidate, folder, name) {
            // A folder on one of the sides: the two change places, and the old one goes.
            Err(Errno::ISDIR | Errno::NOTDIR | Errno::EXIST | Errno::NOTEMPTY) => {
                let is_folder = |name: &OsStr| {
                    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| Stat::of(&stat).kind == FileKind::Folder)
                };
                // Another program made it a moment ago, and what it put there is not taken away, not for a moment.
                if is_folder(candidate) && is_folder(name) {
                    return discard(folder, candidate);
                }
                renameat_with(folder, candidate, folder, name, RenameFlags::EXCHANGE)?;
                if let Err(errno) = discard(folder, candidate) {
                    renameat_with(folder, candidate, folder, name, RenameFlags::EXCHANGE)?;
                    return Err(errno);
                }
                Ok(())
            }
            result => result,
        }
    }

    /// Where a candidate is on this machine.
    fn beside(&self, candidate: &OsStr) -> PathBuf {
        self.host.locate(self.path).with_file_name(candidate)
    }
}

/// Owner first: changing it clears setuid bits.
fn set_ownership(file: impl AsFd, ownership: Ownership) -> Result<(), Errno> {
    let file = file.as_fd();
    if ownership.uid.is_some() || ownership.gid.is_some() {
        let now = fstat(file)?;
        let uid = ownership.uid.filter(|uid| *uid != now.st_uid);
        let gid = ownership.gid.filter(|gid| *gid != now.st_gid);
        if uid.is_some() || gid.is_some() {
            fchown(file, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?;
        }
    }
    match ownership.mode {
        Some(mode) => fchmod(file, Mode::from_raw_mode(mode)),
        None => Ok(()),
    }
}

/// What stands under a name in a folder.
pub(super) fn stat_at(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<Option<Stat>, Failure> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Stat::of(&stat))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(fault::failure("look at", path, errno)),
    }
}

#[cfg(test)]
mod tests;
