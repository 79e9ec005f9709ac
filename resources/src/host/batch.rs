//! Several files put in place together: each is whole and on disk before it goes in, and every folder is
//! opened once and synced once, after all of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use keel_engine::resource::Failure;

use super::replace::{Opened, Writing};
use super::{Host, NewFile, fault, place};

/// Files that are being put in place. None of them is sure to last before [`Batch::sync`].
pub struct Batch<'h> {
    host: &'h Host,
    folders: BTreeMap<PathBuf, Opened>,
}

impl Host {
    /// Nothing yet, to be filled and then synced.
    pub fn batch(&self) -> Batch<'_> {
        Batch { host: self, folders: BTreeMap::new() }
    }
}

impl Batch<'_> {
    /// Puts a file in place as [`Host::replace`] does, but for the sync of its folder.
    ///
    /// # Errors
    /// The old state is whole and in place.
    pub fn replace(&mut self, path: impl AsRef<Path>, new: &NewFile<'_>) -> Result<(), Failure> {
        let path = path.as_ref();
        let (above, name) = place::split(path);
        let opened = match self.folders.entry(above.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.host.open_above(path)?),
        };
        let writing = Writing { host: self.host, path, opened, name };
        let _lock = writing.lock();
        writing.replace(new)
    }

    /// Makes everything last that was put in place.
    ///
    /// # Errors
    /// The disk refuses; then nothing of the batch can be called done.
    pub fn sync(self) -> Result<(), Failure> {
        let failed = |path: &Path, errno| fault::failure("make what was written last in", path, errno);
        self.folders.iter().try_for_each(|(path, opened)| opened.sync().map_err(|errno| failed(path, errno)))
    }
}
