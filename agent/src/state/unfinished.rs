//! The mark of a run that has not ended, with the folders it writes in: if the mark is there when a run
//! begins, the one before was killed, and what it left half done is removed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use keel_resources::host::{Host, Journal};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::{State, clear_strays, read_if_there};

/// Room that is kept free for what the run will have to remember at its end.
const RESERVE_BYTES: i64 = 1 << 20;

/// The mark; it is taken away when this is dropped. Only with the lock held.
pub struct Unfinished {
    path: PathBuf,
    file: File,
    /// The folders in which a killed run wrote.
    left: Vec<PathBuf>,
}

impl Unfinished {
    /// Sets the mark, and clears the state of what a killed run left there.
    ///
    /// # Errors
    /// Names the file and says why it cannot be made.
    pub fn begin(state: &State) -> Result<Self, String> {
        // The caches of compiles are written before anybody holds the lock or sets the mark. Who writes one at this
        // very moment does without it.
        clear_strays(state.cache.parent().unwrap_or(&state.cache));
        let path = state.kept.join("unfinished");
        let left = match read_if_there(&path)? {
            Some(bytes) => {
                clear_strays(&state.kept);
                Journal::folders(&bytes)
            }
            None => Vec::new(),
        };
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file = opened.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        let unfinished = Self { path, file, left };
        unfinished.reserve()?;
        Ok(unfinished)
    }

    /// Keeps room: a change that could not be remembered must not be made.
    fn reserve(&self) -> Result<(), String> {
        match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, RESERVE_BYTES) {
            Err(errno @ (Errno::ENOSPC | Errno::EDQUOT)) => {
                Err(format!("cannot keep room for the state in {}: {}", self.path.display(), std::io::Error::from(errno)))
            }
            // Not every file system can set room aside.
            _ => Ok(()),
        }
    }

    /// Gives the room back, for what is to be remembered now.
    pub fn release(&self) {
        // Where this fails nothing was set aside.
        let _ = self.file.metadata().and_then(|metadata| self.file.set_len(metadata.len()));
    }

    /// Clears the host of what a killed run left there, and has it note where this one writes.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn take_over(&self, host: Host) -> Result<Host, String> {
        let file = self.file.try_clone().map_err(|error| format!("cannot write {}: {error}", self.path.display()))?;
        self.left.iter().for_each(|folder| host.clear_strays(folder));
        Ok(host.with_journal(Journal::new(file)))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // If it stays, the next run only looks where there is nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_resources::host::NewFile;

    #[test]
    fn a_run_after_a_killed_one_clears_what_that_left() {
        let root = tempfile::tempdir().unwrap();
        let state = State::of_site(root.path(), "s");
        state.make_folders().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let begun = Unfinished::begin(&state).unwrap();
        let host = begun.take_over(Host::new(root.path())).unwrap();
        host.replace("/etc/a", &NewFile::of(b"x")).unwrap();
        // A kill: nothing is dropped, and there are strays.
        std::mem::forget(begun);
        let strays = [root.path().join("etc/.keel-00000000-0000000000000000"), state.kept.join("owed.new-1")];
        strays.iter().for_each(|stray| std::fs::write(stray, "half").unwrap());

        let next = Unfinished::begin(&state).unwrap();
        next.take_over(Host::new(root.path())).unwrap();
        assert!(strays.iter().all(|stray| !stray.exists()), "{:?}", next.left);
        drop(next);
        assert!(!state.kept.join("unfinished").exists());
        assert!(Unfinished::begin(&state).unwrap().left.is_empty());
    }
}
