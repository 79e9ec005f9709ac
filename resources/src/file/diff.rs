//! What has to change about a file.

use keel_engine::change::{Change, Shown};

use super::attributes::{Ensure, File};
use super::observe::{Content, Observed};
use crate::host::{FileKind, Ownership, Stat};

pub(super) fn diff(desired: &File, observed: &Observed) -> Vec<Change> {
    let kind = desired.kind();
    let mut changes = Vec::new();
    match (kind, observed.stat.as_ref()) {
        (Ensure::Absent, None) => return changes,
        (Ensure::Absent, Some(stat)) => return vec![Change::delete("ensure", stat.kind.as_str())],
        (_, None) => changes.push(Change::create("ensure", made_kind(kind).as_str())),
        (Ensure::Present, Some(_)) => {}
        (_, Some(stat)) if stat.kind == made_kind(kind) => {}
        (_, Some(stat)) => changes.push(Change::update("ensure", stat.kind.as_str(), made_kind(kind).as_str())),
    }
    if let Content::Wanted { before, after } = &observed.content
        && (before, after) != (&Shown::Absent, &Shown::Absent)
    {
        changes.push(change("content", before.clone(), after.clone()));
    }
    if let (Ensure::Link, Some(target)) = (kind, &desired.target) {
        let before = observed.target.as_ref().map(|target| target.display().to_string());
        if before.as_ref() != Some(target) {
            changes.push(change("target", before.map_or(Shown::Absent, Shown::from), Shown::from(target.as_str())));
        }
    }
    ownership_changes(desired, observed, &mut changes);
    changes.extend(observed.tree.iter().flat_map(|deviation| deviation.changes().iter().cloned()));
    changes
}

fn change(attribute: &str, before: Shown, after: Shown) -> Change {
    if before == Shown::Absent { Change::create(attribute, after) } else { Change::update(attribute, before, after) }
}

fn ownership_changes(desired: &File, observed: &Observed, changes: &mut Vec<Change>) {
    // What is of another kind is made anew, with what is asked for.
    let standing = standing(desired, observed);
    let wanted = wanted_ownership(desired, observed);
    if let (Some(uid), Some(owner)) = (wanted.uid, &desired.owner)
        && standing.is_none_or(|stat| stat.uid != uid)
    {
        let before = standing.map_or(Shown::Absent, |stat| name(observed, 0, stat.uid));
        changes.push(change("owner", before, Shown::from(owner.text())));
    }
    if let (Some(gid), Some(group)) = (wanted.gid, &desired.group)
        && standing.is_none_or(|stat| stat.gid != gid)
    {
        let before = standing.map_or(Shown::Absent, |stat| name(observed, 1, stat.gid));
        changes.push(change("group", before, Shown::from(group.text())));
    }
    if let Some(mode) = wanted.mode
        && standing.is_none_or(|stat| stat.mode != mode)
    {
        let before = standing.map_or(Shown::Absent, |stat| Shown::from(format!("{:04o}", stat.mode)));
        changes.push(change("mode", before, Shown::from(format!("{mode:04o}"))));
    }
}

fn name(observed: &Observed, which: usize, id: u32) -> Shown {
    let name = observed.names.as_ref().and_then(|names| names.get(which)).cloned();
    Shown::from(name.unwrap_or_else(|| id.to_string()))
}

/// What kind of thing is made where it is missing.
pub(super) fn made_kind(kind: Ensure) -> FileKind {
    match kind {
        Ensure::Directory => FileKind::Folder,
        Ensure::Link => FileKind::Link,
        Ensure::Present | Ensure::File | Ensure::Absent => FileKind::File,
    }
}

/// What stands there already and stays.
pub(super) fn standing<'o>(desired: &File, observed: &'o Observed) -> Option<&'o Stat> {
    let kind = desired.kind();
    observed.stat.as_ref().filter(|stat| kind == Ensure::Present || stat.kind == made_kind(kind))
}

/// Owner and mode as they shall be; a link has no mode.
pub(super) fn wanted_ownership(desired: &File, observed: &Observed) -> Ownership {
    let standing = standing(desired, observed);
    let kind = standing.map_or(made_kind(desired.kind()), |stat| stat.kind);
    let usual = if kind == FileKind::Folder { 0o755 } else { 0o644 };
    let secret = (desired.is_secret() && standing.is_none()).then_some(0o600);
    let asked = desired.mode.as_ref().filter(|_| kind != FileKind::Link);
    let mode = asked.map(|mode| mode.resolve(standing.map_or(usual, |stat| stat.mode), kind == FileKind::Folder)).or(secret);
    Ownership { uid: observed.uid, gid: observed.gid, mode }
}
