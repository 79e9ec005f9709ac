//! The names under which new things are made before they go into place, and what killed runs left of them.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, Mode, openat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::remove::{FOLDER, empty};
use super::staging::is_private;
use super::{Journal, Stat};

/// How the names of all candidates start, so that a later run can tell what a killed one left behind.
const CANDIDATE: &[u8] = b".keel-";
/// `.keel-`, eight digits of the run, a dash and sixteen of the file.
const CANDIDATE_LEN: usize = 31;
/// The names of this run's candidates, and the folders that were cleared of earlier runs' ones.
#[derive(Default)]
pub(super) struct Candidates {
    run: OnceLock<u32>,
    journal: Option<Journal>,
    cleared: Mutex<HashSet<(u64, u64)>>,
}

impl Candidates {
    pub(super) fn keep_journal(&mut self, journal: Journal) {
        self.journal = Some(journal);
    }

    fn prefix(&self) -> Result<String, Errno> {
        let run = match self.run.get() {
            Some(run) => *run,
            None => {
                let fresh = u32::from_ne_bytes(random()?);
                *self.run.get_or_init(|| fresh)
            }
        };
        Ok(format!(".keel-{run:08x}-"))
    }

    pub(super) fn name(&self) -> Result<OsString, Errno> {
        Ok(OsString::from(format!("{}{:016x}", self.prefix()?, u64::from_ne_bytes(random()?))))
    }

    /// Removes what killed runs left in a folder, once a run.
    pub(super) fn clear_strays(&self, folder: &OwnedFd, state: &Stat) -> Result<(), Errno> {
        let first = self.cleared.lock().unwrap_or_else(PoisonError::into_inner).insert((state.device, state.inode));
        if !first {
            return Ok(());
        }
        if let Some(journal) = &self.journal {
            journal.add(folder);
        }
        let ours = self.prefix()?;
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name.len() == CANDIDATE_LEN && name.starts_with(CANDIDATE) && !name.starts_with(ours.as_bytes()) {
                // What cannot be removed harms nobody.
                let _ = discard(folder, OsStr::from_bytes(name)).or_else(|_| discard_staging(folder, OsStr::from_bytes(name)));
            }
        }
        Ok(())
    }
}

fn random<const N: usize>() -> Result<[u8; N], Errno> {
    let mut bytes = [0; N];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}

/// Removes a staging with all it holds. A folder that only has such a name is not private, and stays.
fn discard_staging(folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let staging = openat(folder, name, FOLDER, Mode::empty())?;
    if is_private(&staging)? {
        empty(&staging, Path::new(name)).map_err(|_| Errno::NOTEMPTY)?;
        unlinkat(folder, name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Removes a candidate, or what it took the place of. A folder goes only when it is empty: who wants
/// to replace a full one removes it first, by name.
pub(super) fn discard(folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => unlinkat(folder, name, AtFlags::REMOVEDIR),
        result => result,
    }
}
