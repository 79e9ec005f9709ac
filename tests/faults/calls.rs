//! System calls as the tests see them: what a call does to which file.

use std::ffi::OsStr;
use std::fs::{File, read_link};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::Pid;

/// What a clone of this kind makes is a thread and no process.
const THREAD: u64 = libc::CLONE_THREAD as u64;

/// A system call that a thread is about to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    thread: Pid,
    number: i64,
    arguments: [u64; 6],
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Opens something that is there.
    Open,
    /// Makes or empties a file.
    Create,
    /// Asks what stands somewhere.
    Look,
    Read,
    Write,
    Sync,
    /// Puts something in place of another.
    Rename,
    /// Removes a name.
    Remove,
    /// Makes a folder.
    Make,
    /// Makes a symbolic link, which cannot be synced itself.
    Link,
    /// Sets owner, mode, times or extended attributes.
    Set,
    /// Makes a process, or what processes talk through.
    Process,
    /// Waits for a process.
    Wait,
}

/// What a call does to which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) act: Act,
    /// The file; empty for processes.
    pub(crate) path: PathBuf,
    /// Where a rename leads.
    pub(crate) to: PathBuf,
    /// The flags of an opening.
    pub(crate) flags: i32,
}

impl Act {
    /// Whether the file system is another one afterwards, or may be after a loss of power.
    pub(crate) fn changes(self) -> bool {
        matches!(self, Act::Create | Act::Write | Act::Sync | Act::Rename | Act::Remove | Act::Make | Act::Link | Act::Set)
    }
}

impl Call {
    pub(crate) fn of(thread: Pid, number: i64, arguments: [u64; 6]) -> Self {
        Self { thread, number, arguments }
    }

    /// What it does; none for calls that concern neither files nor processes.
    pub(crate) fn act(&self) -> Option<Act> {
        Some(match self.number {
            libc::SYS_openat | libc::SYS_openat2 | libc::SYS_open if self.flags() & (libc::O_CREAT | libc::O_TRUNC) == 0 => Act::Open,
            libc::SYS_openat | libc::SYS_openat2 | libc::SYS_open => Act::Create,
            libc::SYS_read | libc::SYS_pread64 | libc::SYS_getdents64 => Act::Read,
            libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_ftruncate | libc::SYS_copy_file_range => Act::Write,
            libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_syncfs => Act::Sync,
            libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_rename => Act::Rename,
            libc::SYS_unlinkat | libc::SYS_unlink | libc::SYS_rmdir => Act::Remove,
            libc::SYS_mkdirat | libc::SYS_mkdir => Act::Make,
            libc::SYS_symlinkat => Act::Link,
            libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_fsetxattr | libc::SYS_fremovexattr => Act::Set,
            libc::SYS_fchownat | libc::SYS_fchmodat | libc::SYS_utimensat | libc::SYS_chmod => Act::Set,
            libc::SYS_newfstatat | libc::SYS_statx | libc::SYS_readlinkat | libc::SYS_fstat | libc::SYS_flock => Act::Look,
            libc::SYS_stat | libc::SYS_lstat | libc::SYS_readlink => Act::Look,
            libc::SYS_pipe2 | libc::SYS_vfork | libc::SYS_fork => Act::Process,
            libc::SYS_clone3 if self.word_at(self.arguments[0]) & THREAD == 0 => Act::Process,
            libc::SYS_clone if self.arguments[0] & THREAD == 0 => Act::Process,
            libc::SYS_wait4 | libc::SYS_waitid => Act::Wait,
            _ => return None,
        })
    }

    /// What it does to which file.
    pub(crate) fn deed(&self) -> Option<Deed> {
        let act = self.act()?;
        let path = match self.number {
            _ if matches!(act, Act::Process | Act::Wait) => PathBuf::new(),
            libc::SYS_open | libc::SYS_rename | libc::SYS_unlink | libc::SYS_rmdir | libc::SYS_mkdir | libc::SYS_chmod => self.text(0)?,
            libc::SYS_stat | libc::SYS_lstat | libc::SYS_readlink => self.text(0)?,
            libc::SYS_symlinkat => self.at(1, 2)?,
            libc::SYS_openat | libc::SYS_openat2 | libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_unlinkat => self.at(0, 1)?,
            libc::SYS_mkdirat | libc::SYS_fchownat | libc::SYS_fchmodat | libc::SYS_utimensat => self.at(0, 1)?,
            libc::SYS_newfstatat | libc::SYS_statx | libc::SYS_readlinkat => self.at(0, 1)?,
            libc::SYS_copy_file_range => self.descriptor(2)?,
            _ => self.descriptor(0)?,
        };
        let to = match self.number {
            libc::SYS_renameat | libc::SYS_renameat2 => self.at(2, 3)?,
            libc::SYS_rename => self.text(1)?,
            _ => PathBuf::new(),
        };
        let flags = if matches!(act, Act::Open | Act::Create) { self.flags() } else { 0 };
        Some(Deed { act, path, to, flags })
    }

    /// The flags of an opening.
    fn flags(&self) -> i32 {
        match self.number {
            libc::SYS_open => self.integer(1),
            libc::SYS_openat2 => self.word_at(self.arguments[2]) as u32 as i32,
            _ => self.integer(2),
        }
    }

    fn integer(&self, argument: usize) -> i32 {
        // Folders and flags are 32 bits wide, whatever stands in the rest of the register.
        self.arguments[argument] as u32 as i32
    }

    fn word_at(&self, address: u64) -> u64 {
        let bytes = self.memory(address, 8);
        u64::from_ne_bytes(bytes.try_into().unwrap_or([0; 8]))
    }

    fn memory(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = File::open(format!("/proc/{}/mem", self.thread)).and_then(|memory| memory.read_at(&mut bytes, address));
        bytes.truncate(read.unwrap_or(0));
        bytes
    }

    /// The path that an argument points at, on this machine.
    fn text(&self, argument: usize) -> Option<PathBuf> {
        let bytes = self.memory(self.arguments[argument], libc::PATH_MAX as usize);
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let path = Path::new(OsStr::from_bytes(&bytes[..end]));
        let root = read_link(format!("/proc/{}/root", self.thread)).ok()?;
        let folder = read_link(format!("/proc/{}/cwd", self.thread)).ok()?;
        Some(path.strip_prefix("/").map_or_else(|_| folder.join(path), |below| root.join(below)))
    }

    /// The path that a folder and a path below it name.
    fn at(&self, folder: usize, path: usize) -> Option<PathBuf> {
        let bytes = self.memory(self.arguments[path], libc::PATH_MAX as usize);
        let end = bytes.iter().position(|byte| *byte == 0)?;
        if bytes.starts_with(b"/") || self.integer(folder) == libc::AT_FDCWD {
            return self.text(path);
        }
        let folder = self.descriptor(folder)?;
        let below = Path::new(OsStr::from_bytes(&bytes[..end]));
        Some(if end == 0 || below == Path::new(".") { folder } else { folder.join(below) })
    }

    /// The file behind a descriptor.
    fn descriptor(&self, argument: usize) -> Option<PathBuf> {
        read_link(format!("/proc/{}/fd/{}", self.thread, self.integer(argument))).ok()
    }
}
