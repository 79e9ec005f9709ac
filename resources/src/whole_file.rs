//! Files that a resource writes whole and nobody else has a part in.

use keel_engine::change::{Change, Shown};
use keel_engine::resource::{Described, Failure, ObserveError, Unsaid};
use keel_engine::value::Map;

use crate::host::{Backup, FileKind, Host, NewFile, Ownership};

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
        let Some(bytes) = &self.wanted else {
            let backup = if self.is_secret { Backup::None } else { Backup::Store };
            return host.remove_file(&self.path, backup).map(drop);
        };
        let new = NewFile::of(bytes);
        if !self.is_secret {
            return host.replace(&self.path, &new);
        }
        let ownership = Ownership { mode: Some(SECRET_MODE), ..Ownership::default() };
        host.replace(&self.path, &NewFile { backup: Backup::None, ownership, ..new })
    }
}

/// The files of a folder, without this end, as things that only their names say something of.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn files_in(host: &Host, folder: &str, end: &str) -> Result<Vec<Described>, Failure> {
    let mut found = Vec::new();
    for entry in host.list(folder)?.unwrap_or_default() {
        let file = entry.name.to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(end).filter(|name| !name.is_empty() && !name.starts_with('.')) else { continue };
        if host.stat(format!("{folder}/{file}"))?.is_some_and(|stat| stat.kind == FileKind::File) {
            found.push(Described { title: name.to_owned(), attributes: Map::new() });
        }
    }
    Ok(found)
}

/// The files of a folder whose names end so that none of the things described stands for.
pub(crate) fn undescribed(
    host: &Host,
    (folder, end): (&str, &str),
    described: &[Described],
    why: &'static str,
) -> Result<Vec<Unsaid>, Failure> {
    let files = files_in(host, folder, end)?.into_iter();
    let others = files.filter(|file| described.iter().all(|thing| thing.title != file.title));
    Ok(others.map(|file| Unsaid { what: format!("{folder}/{}{end}", file.title), why }).collect())
}

impl Deviation {
    /// The change that mends it.
    pub(crate) fn change(&self, attribute: &str) -> Change {
        Change::between(attribute, self.before.clone(), self.after.clone())
    }
}
