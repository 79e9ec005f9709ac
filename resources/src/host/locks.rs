//! Locks on paths: several resources may edit one file, and they are applied at the same time.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than threads ever write at once; two paths that share a lock only wait for each other.
const LOCKS: usize = 64;

/// A fixed number of locks that all paths share.
pub(super) struct Locks(Vec<Mutex<()>>);

impl Default for Locks {
    fn default() -> Self {
        Self((0..LOCKS).map(|_| Mutex::new(())).collect())
    }
}

impl Locks {
    /// Locks a name in the folder with this device and inode. A holder takes no second lock.
    pub(super) fn lock(&self, device: u64, inode: u64, name: &OsStr) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        (device, inode, name).hash(&mut hasher);
        let position = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or(0);
        self.0.get(position).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
