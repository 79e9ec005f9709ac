//! One run a host at a time: a lock that the kernel holds for the run and drops with its process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Kind, Result};

/// The lock; it is held until this is dropped.
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Takes the lock of a run, or says who has it.
    ///
    /// # Errors
    /// Another run holds it, or its file cannot be made.
    pub fn take(running: &Path, what: &str) -> Result<Self> {
        Self::take_file(&running.join("lock"), what)
    }

    /// Takes a lock by its file, or says who has it.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn take_file(path: &Path, what: &str) -> Result<Self> {
        let failed = |error: std::io::Error| Error::host(format!("cannot open the lock {}: {error}", path.display()));
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // The holder's name is for people; the lock holds without it.
                let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{what}, process {}", std::process::id()));
                Ok(Self { _held: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another run".to_owned() } else { holder };
                Err(Error::new(Kind::Locked, format!("{holder} holds the lock {}", path.display()))
                    .hint("wait until it has ended, and run again"))
            }
            Err(TryLockError::Error(error)) => Err(Error::host(format!("cannot lock {}: {error}", path.display()))),
        }
    }
}

impl Lock {
    /// Whether anybody holds a lock; the look leaves no trace.
    pub fn is_held(path: &Path) -> bool {
        let Ok(file) = OpenOptions::new().read(true).open(path) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path(), "keel apply").ok();
        assert!(first.is_some());
        let error = Lock::take(folder.path(), "keel apply").err().unwrap();
        assert_eq!(error.exit_code(), 75);
        assert!(error.message.contains(&format!("keel apply, process {}", std::process::id())), "{error}");
        assert!(Lock::is_held(&folder.path().join("lock")));
        drop(first);
        assert!(!Lock::is_held(&folder.path().join("lock")) && !Lock::is_held(Path::new("/nonexistent/lock")));
        assert!(Lock::take(folder.path(), "keel apply").is_ok());
    }
}
