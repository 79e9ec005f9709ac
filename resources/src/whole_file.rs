//! Files that a resource writes whole and nobody else has a part in.

use keel_engine::change::{Change, Shown};
use keel_engine::resource::{Failure, ObserveError};

use crate::host::{Backup, Host, NewFile, Ownership};

/// The mode of a file with a secret in it.
const SECRET_MODE: u32 = 0o600;

/// A file and what shall be in it.
#[derive(Debug)]
pub(crate) struct WholeFile {
    pub(crate) path: String,
    /// None where there shall be no file.
    pub(crate) wanted: Option<Vec<u8>>,
    /// Whether its bytes, old or new, may not be shown or kept.
    pub(crate) is_secret: bool,
}

/// How a file differs, as people may see it.
#[derive(Debug, PartialEq)]
pub(crate) struct Deviation {
    before: Shown,
    after: Shown,
}

impl WholeFile {
    /// A file that anybody may see.
    pub(crate) fn open(path: impl Into<String>, wanted: Option<String>) -> Self {
        Self { path: path.into(), wanted: wanted.map(String::into_bytes), is_secret: false }
    }

    /// How the file on the host differs; none where it is right.
    ///
    /// # Errors
    /// It cannot be read, or its folder is missing and nobody declares that.
    pub(crate) fn look(&self, host: &Host) -> Result<Option<Deviation>, ObserveError> {
        let found = host.read(&self.path)?;
        if found == self.wanted {
            return Ok(None);
        }
        if found.is_none() {
            host.folders().expect_folder_of(&self.path)?;
        }
        Ok(Some(Deviation { before: self.show(&found), after: self.show(&self.wanted) }))
    }

    /// The same where there is nothing yet, for a file whose folder comes with it.
    pub(crate) fn as_new(&self) -> Deviation {
        Deviation { before: Shown::Absent, after: self.show(&self.wanted) }
    }

    fn show(&self, bytes: &Option<Vec<u8>>) -> Shown {
        match bytes {
            None => Shown::Absent,
            Some(_) if self.is_secret => Shown::Hidden,
            Some(bytes) => Shown::bytes(bytes),
        }
    }

    /// The same file with what stands there now, to go back to.
    ///
    /// # Errors
    /// As [`Host::read`].
    pub(crate) fn as_found(&self, host: &Host) -> Result<Self, Failure> {
        Ok(Self { path: self.path.clone(), wanted: host.read(&self.path)?, is_secret: self.is_secret })
    }

    /// Writes or removes it.
    ///
    /// # Errors
    /// As [`Host::replace`] and [`Host::remove`]; the old file is whole then.
    pub(crate) fn settle(&self, host: &Host) -> Result<(), Failure> {
        let Some(bytes) = &self.wanted else { return host.remove(&self.path).map(drop) };
        let new = NewFile::of(bytes);
        if !self.is_secret {
            return host.replace(&self.path, &new);
        }
        let ownership = Ownership { mode: Some(SECRET_MODE), ..Ownership::default() };
        host.replace(&self.path, &NewFile { backup: Backup::None, ownership, ..new })
    }
}

impl Deviation {
    /// The change that mends it.
    pub(crate) fn change(&self, attribute: &str) -> Change {
        Change::between(attribute, self.before.clone(), self.after.clone())
    }
}
