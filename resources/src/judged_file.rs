//! Files of the system's own that a program reads with conditions: it judges the new one before it replaces the
//! old, and takes it only from root and with a certain mode.

use std::path::Path;

use keel_engine::change::Change;
use keel_engine::resource::{Failure, ObserveError};
use keel_engine::text::Text;

use crate::host::{Backup, Host, NewFile, Ownership};
use crate::whole_file::WholeFile;

/// A file and what shall be in it.
#[derive(Debug)]
pub(crate) struct JudgedFile {
    pub(crate) path: String,
    /// None where there shall be no file.
    pub(crate) wanted: Option<Vec<u8>>,
    /// Whether its bytes, old or new, may not be shown or kept.
    pub(crate) is_secret: bool,
    /// The mode that it must have; none where any will do.
    pub(crate) mode: Option<u32>,
}

/// What judges a candidate by its path on this machine.
pub(crate) type Judge<'a> = &'a dyn Fn(&Path) -> Result<(), Failure>;

impl JudgedFile {
    fn whole(&self) -> WholeFile {
        WholeFile { path: self.path.clone(), wanted: self.wanted.clone(), is_secret: self.is_secret }
    }

    /// What has to change.
    ///
    /// # Errors
    /// As [`WholeFile::look`].
    pub(crate) fn look(&self, host: &Host) -> Result<Vec<Change>, ObserveError> {
        let content = self.whole().look(host)?.map(|deviation| deviation.change("content"));
        let mut changes: Vec<Change> = content.into_iter().collect();
        let stat = if self.wanted.is_some() { host.stat_followed(&self.path)? } else { None };
        let (Some(stat), Some(mode)) = (stat, self.mode) else { return Ok(changes) };
        if stat.mode & 0o7777 != mode {
            changes.push(Change::update("mode", format!("{:04o}", stat.mode & 0o7777), format!("{mode:04o}")));
        }
        if owner().uid.is_some_and(|owner| owner != stat.uid) {
            changes.push(Change::update("owner", i64::from(stat.uid), "root"));
        }
        Ok(changes)
    }

    /// Makes these changes.
    ///
    /// # Errors
    /// The judge refuses it, or it cannot be written; the old file is whole then.
    pub(crate) fn settle(&self, host: &Host, changes: &[Change], judge: Judge<'_>) -> Result<(), Failure> {
        let Some(bytes) = &self.wanted else { return self.whole().settle(host) };
        let ownership = if self.mode.is_some() { Ownership { mode: self.mode, ..owner() } } else { Ownership::default() };
        if !changes.iter().any(|change| change.attribute == "content") {
            return host.set_ownership(&self.path, ownership);
        }
        let secret_mode = self.is_secret.then_some(0o600);
        let ownership = Ownership { mode: ownership.mode.or(secret_mode), ..ownership };
        let backup = if self.is_secret { Backup::None } else { Backup::Store };
        host.replace(&self.path, &NewFile { ownership, backup, validate: Some(judge), ..NewFile::of(bytes) })
    }
}

/// Only root can give files away; for everybody else they are their own.
fn owner() -> Ownership {
    let id = nix::unistd::Uid::effective().is_root().then_some(0);
    Ownership { uid: id, gid: id, mode: None }
}

/// The bytes of a content.
///
/// # Errors
/// They are not among the catalog's.
pub(crate) fn content_bytes(host: &Host, content: &Text) -> Result<Vec<u8>, Failure> {
    content.bytes(host.contents()).map(|bytes| bytes.to_vec()).map_err(Failure::new)
}

/// What a judge said, with the candidate under the name that it is to have.
pub(crate) fn refused(path: &str, said: &str, candidate: &Path) -> Failure {
    let said = said.replace(&*candidate.to_string_lossy(), path);
    Failure::new(format!("the new {path} was refused, the old one stays: {said}"))
}

/// Whether a text can be a file's name and nothing more.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@+".contains(c))
}
