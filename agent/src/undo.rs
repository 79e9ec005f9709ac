//! Undoing a run: the files that it replaced or removed get back what they held, out of the store of backups.
//! What else it did stays, and is said.

mod report;

use std::path::{Path, PathBuf};

use keel_engine::digest::Digest;
use keel_engine::footprint::Key;
use keel_engine::report::{Report, ResourceReport};
use keel_resources::host::{Backup, Backups, Host, NewFile, Ownership, Replaced, Seen};
use serde::Serialize;

use crate::state::reports::Written;
pub use report::{Act, report_of};

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
    /// The run made it, and it stays.
    Made,
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
    if now == file.before {
        return Ok(Fate::AsBefore);
    }
    let Some(before) = file.before else { return Ok(Fate::Made) };
    match extent {
        Extent::Shown | Extent::Untouched if now != file.after => return Ok(Fate::ChangedSince),
        Extent::Shown => return Ok(Fate::WouldComeBack),
        Extent::Untouched | Extent::Everything => {}
    }
    let bytes = kept.read(before).map_err(|error| format!("what it held cannot be read: {error}"))?;
    let ownership = Ownership { uid: Some(file.uid), gid: Some(file.gid), mode: Some(file.mode) };
    let new = NewFile { ownership, seen: Seen::from(stat), backup: Backup::Store, ..NewFile::of(&bytes) };
    host.replace(&file.path, &new).map(|()| Fate::Back).map_err(|failure| failure.message)
}

/// How much of a resource came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// All of it.
    Whole,
    /// Its files; what the kernel or a program has read of them did not.
    Files,
    /// Not all of its files, or none.
    Partly,
}

/// What a run did that its files coming back does not undo. `written` says by address what resources decide over.
pub fn remaining<'r>(report: &'r Report, written: &Written, files: &[UndoneFile]) -> Vec<(&'r ResourceReport, Undone)> {
    let undone = |resource: &ResourceReport| written.get(&resource.address.to_string()).map_or(Undone::Partly, |keys| undone(keys, files));
    let all = report.resources.iter().filter(|resource| resource.has_made_changes()).map(|resource| (resource, undone(resource)));
    all.filter(|(_, undone)| *undone != Undone::Whole).collect()
}

/// Keys of what is in files whose paths the keys do not say.
const IN_FILES: [&str; 2] = ["ssh-key:", "cron:"];

/// How much of what a resource decides over is in files of the run that are as they were before.
fn undone(keys: &[Key], files: &[UndoneFile]) -> Undone {
    let (meant, has_more) = meant(keys, files);
    match (!meant.is_empty() && meant.iter().all(|file| file.fate.is_undone()), has_more) {
        (true, false) => Undone::Whole,
        (true, true) => Undone::Files,
        (false, _) => Undone::Partly,
    }
}

/// The files of the run that a resource decides over, and whether it decides over more than files.
fn meant<'f>(keys: &[Key], files: &'f [UndoneFile]) -> (Vec<&'f UndoneFile>, bool) {
    let (mut meant, mut has_more): (Vec<&UndoneFile>, bool) = (Vec::new(), false);
    for key in keys {
        let path = key.strip_prefix("path:").or_else(|| key.strip_prefix("file:"));
        match path.map(|path| Path::new(path.split('#').next().unwrap_or_default())) {
            Some(path) => meant.extend(files.iter().filter(|file| file.path.starts_with(path))),
            // Which of the files it is cannot be told: all of them have to be back.
            None if IN_FILES.iter().any(|kind| key.starts_with(kind)) => meant.extend(files),
            None => has_more = true,
        }
    }
    (meant, has_more)
}

impl Fate {
    /// Whether an undo did all it could for the file.
    pub fn is_settled(&self) -> bool {
        self.is_undone() || matches!(self, Fate::Made)
    }

    /// Whether the file is as it was before the run, or would be.
    pub fn is_undone(&self) -> bool {
        matches!(self, Fate::Back | Fate::WouldComeBack | Fate::AsBefore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, fate: Fate) -> UndoneFile {
        UndoneFile { path: PathBuf::from(path), fate }
    }

    #[test]
    fn undone_is_what_was_in_files_that_are_all_back() {
        let extent =
            |keys: &[&str], files: &[UndoneFile]| super::undone(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>(), files);
        let undone = |keys: &[&str], files: &[UndoneFile]| extent(keys, files) == Undone::Whole;
        let back = [file("/etc/a", Fate::Back), file("/home/ada/.ssh/authorized_keys", Fate::AsBefore)];
        assert!(undone(&["path:/etc/a#x"], &back) && undone(&["file:/etc"], &back) && undone(&["ssh-key:ada/x"], &back));
        assert!(undone(&["path:/etc/a", "path:/etc/key"], &back), "what the run did not touch needs no undoing");
        assert!(!undone(&["path:/etc/b"], &back), "a mode, a link or a folder");
        assert_eq!(extent(&["path:/etc/a", "kernel:nftables"], &back), Undone::Files);
        assert!(!undone(&["package:x"], &back) && !undone(&[], &back));
        let made = [file("/etc/a", Fate::Made), file("/etc/b", Fate::Back)];
        assert!(!undone(&["path:/etc/a"], &made) && !undone(&["cron:root/x"], &made) && undone(&["path:/etc/b"], &made));
    }
}
