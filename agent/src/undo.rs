//! Undoing a run: the files that it replaced or removed get back what they held, out of the store of backups.
//! What else it did stays, and is said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keel_engine::address::Address;
use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::report::{Outcome, Report, ResourceReport};
use keel_engine::resource::Types;
use keel_resources::host::{Backup, Backups, Host, NewFile, Ownership, Replaced, Seen};
use serde::Serialize;

/// How far an undo may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Nothing is written; what would be is said.
    Shown,
    /// What is still as the run left it.
    Untouched,
    /// Also what was changed since.
    Everything,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoneFile {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It holds again what it held before the run, with the owner and the mode that it had.
    Back,
    /// It would.
    WouldComeBack,
    /// It holds that already.
    AsBefore,
    /// It is not as the run left it.
    ChangedSince,
    /// It could not be written.
    Failed {
        /// Why.
        why: String,
    },
}

/// Brings files back.
pub fn bring_back(host: &Host, kept: &Backups, files: &[Replaced], extent: Extent) -> Vec<UndoneFile> {
    let fate = |file: &Replaced| one(host, kept, file, extent).unwrap_or_else(|why| Fate::Failed { why });
    files.iter().map(|file| UndoneFile { path: file.path.clone(), fate: fate(file) }).collect()
}

fn one(host: &Host, kept: &Backups, file: &Replaced, extent: Extent) -> Result<Fate, String> {
    let stat = host.stat(&file.path).map_err(|failure| failure.message)?;
    let now = match stat {
        Some(_) => host.read(&file.path).map_err(|failure| failure.message)?.map(|bytes| Digest::of(&bytes)),
        None => None,
    };
    if now == Some(file.before) {
        return Ok(Fate::AsBefore);
    }
    match extent {
        Extent::Shown | Extent::Untouched if now != file.after => return Ok(Fate::ChangedSince),
        Extent::Shown => return Ok(Fate::WouldComeBack),
        Extent::Untouched | Extent::Everything => {}
    }
    let bytes = kept.read(file.before).map_err(|error| format!("what it held cannot be read: {error}"))?;
    let ownership = Ownership { uid: Some(file.uid), gid: Some(file.gid), mode: Some(file.mode) };
    let new = NewFile { ownership, seen: Seen::from(stat), backup: Backup::Store, ..NewFile::of(&bytes) };
    host.replace(&file.path, &new).map(|()| Fate::Back).map_err(|failure| failure.message)
}

/// What a run did that its files coming back does not undo.
pub fn remaining<'r>(report: &'r Report, catalog: Option<&Catalog>, files: &[UndoneFile]) -> Vec<&'r ResourceReport> {
    let back: BTreeSet<&Path> = files.iter().filter(|file| file.fate.is_undone()).map(|file| file.path.as_path()).collect();
    let is_undone = |resource: &ResourceReport| {
        let paths = paths_of(&resource.address, catalog);
        !paths.is_empty() && paths.iter().all(|path| back.contains(path.as_path()))
    };
    let made = |resource: &&ResourceReport| matches!(resource.outcome, Outcome::Changed | Outcome::Failed) && !resource.changes.is_empty();
    report.resources.iter().filter(made).filter(|resource| !is_undone(resource)).collect()
}

/// The files that a resource writes: what the catalog says if it is still known, else its title where that is a path.
fn paths_of(address: &Address, catalog: Option<&Catalog>) -> Vec<PathBuf> {
    let declared = catalog.and_then(|catalog| catalog.resources.iter().find(|resource| resource.address == *address));
    let Some(footprint) = declared.and_then(|resource| keel_resources::declared().check(resource).ok()) else {
        return address.title.starts_with('/').then(|| PathBuf::from(&*address.title)).into_iter().collect();
    };
    let whole = |key: &String| {
        let path = key.strip_prefix("path:").or_else(|| key.strip_prefix("file:")).unwrap_or_default();
        PathBuf::from(path.split('#').next().unwrap_or_default())
    };
    let paths: Vec<PathBuf> = footprint.writes.iter().map(whole).collect();
    // Who writes something else, too, is more than its files.
    if paths.iter().any(|path| path.as_os_str().is_empty()) { Vec::new() } else { paths }
}

impl Fate {
    /// Whether the file is as it was before the run, or would be.
    pub fn is_undone(&self) -> bool {
        matches!(self, Fate::Back | Fate::WouldComeBack | Fate::AsBefore)
    }
}
