//! Making a file what it shall be.

use std::path::Path;

use keel_engine::change::Change;
use keel_engine::resource::{Failure, Work};

use super::FileType;
use super::attributes::{BackupChoice, Ensure, File, Links};
use super::diff::{made_kind, standing, wanted_ownership};
use super::observe::Observed;
use super::source::wanted_bytes;
use crate::host::{Backup, Batch, FileKind, Host, NewFile, Ownership, Seen};

/// Makes several files what they shall be. Those that are written share the sync of their folder, and
/// none of them is done before it.
pub(super) fn apply_all(host: &Host, works: &[Work<'_, FileType>]) -> Vec<Result<(), Failure>> {
    let mut batch = host.batch();
    let made: Vec<_> = works.iter().map(|work| apply(host, &mut batch, work)).collect();
    match batch.sync() {
        Ok(()) => made,
        Err(failure) => made.into_iter().map(|one| one.and(Err(failure.clone()))).collect(),
    }
}

fn apply(host: &Host, batch: &mut Batch<'_>, work: &Work<'_, FileType>) -> Result<(), Failure> {
    let (desired, observed) = (work.desired, work.observed);
    let has = |attribute: &str| work.changes.iter().any(|change: &Change| change.attribute == attribute);
    let kind = desired.kind();
    if kind == Ensure::Absent {
        let is_folder = observed.stat.is_some_and(|stat| stat.kind == FileKind::Folder);
        let whole = desired.force && is_folder;
        let removed = if whole { host.remove_tree(&desired.path) } else { host.remove_file(&desired.path, backup(desired)) };
        return removed.map(drop);
    }
    let ownership = wanted_ownership(desired, observed);
    let made = has("ensure") || has("content") || has("target");
    if made {
        clear_way(host, desired, observed)?;
        match made_kind(kind) {
            FileKind::Folder => host.create_folder(&desired.path, ownership)?,
            FileKind::Link => host.create_link(&desired.path, desired.target.as_deref().unwrap_or_default(), ownership)?,
            _ => write(host, batch, desired, observed, ownership)?,
        }
    } else if has("owner") || has("group") || has("mode") {
        let only_changed = Ownership {
            uid: ownership.uid.filter(|_| has("owner")),
            gid: ownership.gid.filter(|_| has("group")),
            mode: ownership.mode.filter(|_| has("mode")),
        };
        match desired.links {
            Links::Manage => host.set_ownership(&desired.path, only_changed)?,
            Links::Follow => host.set_ownership(host.resolve(&desired.path)?, only_changed)?,
        }
    }
    observed.tree.iter().try_for_each(|deviation| deviation.mend(host, batch, desired, backup(desired)))
}

/// Removes a directory that stands where something else is wanted; observing has asked for `force`.
fn clear_way(host: &Host, desired: &File, observed: &Observed) -> Result<(), Failure> {
    let folder_stands = observed.stat.is_some_and(|stat| stat.kind == FileKind::Folder);
    if folder_stands && standing(desired, observed).is_none() && desired.force {
        host.remove_tree(&desired.path)?;
    }
    Ok(())
}

fn write(host: &Host, batch: &mut Batch<'_>, desired: &File, observed: &Observed, ownership: Ownership) -> Result<(), Failure> {
    let bytes = match wanted_bytes(host, desired).map_err(|error| error.failure().clone())? {
        Some(bytes) => bytes.read(host)?,
        None => std::sync::Arc::from(&[][..]),
    };
    let cleared = observed.stat.is_some_and(|stat| stat.kind == FileKind::Folder);
    let seen = if cleared { Seen::Nothing } else { Seen::from(observed.stat) };
    let validate = |candidate: &Path| validate(host, desired, candidate);
    let new = NewFile {
        ownership,
        seen,
        backup: backup(desired),
        validate: if desired.validate.is_empty() { None } else { Some(&validate) },
        ..NewFile::of(&bytes)
    };
    match desired.links {
        Links::Manage => batch.replace(&desired.path, &new),
        Links::Follow => batch.replace(host.resolve(&desired.path)?, &new),
    }
}

/// Runs the command that judges the new file.
fn validate(host: &Host, desired: &File, candidate: &Path) -> Result<(), Failure> {
    let candidate = candidate.to_string_lossy();
    let mut words = desired.validate.iter().map(|word| word.replace('%', &candidate));
    let Some(program) = words.next() else { return Ok(()) };
    let command = host.command(&program).arguments(words);
    let refused = |failure: Failure| {
        let message = format!("the new content of {} was refused, the old one stays: {}", desired.path, failure.message);
        Failure { message, help: failure.help }
    };
    let output = command.run().map_err(|error| refused(error.into()))?;
    if output.is_success() {
        return Ok(());
    }
    // A validator quotes what it dislikes, whole or in parts, so blotting the secret out would not do.
    if desired.is_secret() {
        let failure = Failure::new(format!("`{command}` {}", output.end));
        return Err(refused(failure.help("what it wrote is not shown, because the content is secret")));
    }
    Err(refused(output.failure()))
}

fn backup(desired: &File) -> Backup<'_> {
    match &desired.backup {
        _ if desired.is_secret() => Backup::None,
        Some(BackupChoice::Nowhere) => Backup::None,
        Some(BackupChoice::Beside(suffix)) => Backup::Suffix(suffix),
        Some(BackupChoice::Store) | None => Backup::Store,
    }
}
