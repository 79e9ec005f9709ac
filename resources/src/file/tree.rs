//! What a directory holds: mirroring a source, owner and mode for all of it, removing what nobody declared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keel_engine::change::{Change, Shown};
use keel_engine::resource::{Failure, ObserveError};

use super::attributes::File;
use super::source::{Bytes, Entry, depth_max, show, wanted_tree};
use crate::host::{Accounts, Backup, Batch, FileKind, Folders, Host, NewFile, Ownership, Seen, Stat};
use keel_engine::glob;

/// Something below a directory that is not as it shall be.
#[derive(Debug)]
pub(super) struct Deviation {
    /// Its path below the directory.
    path: PathBuf,
    stat: Option<Stat>,
    ownership: Ownership,
    remedy: Remedy,
    /// How people see it, one or several attributes.
    changes: Vec<Change>,
}

/// What has to be done about it.
#[derive(Debug)]
enum Remedy {
    MakeFolder,
    WriteFile(Bytes),
    MakeLink(PathBuf),
    SetOwnership,
    Remove,
}

/// One look at a tree.
struct Look<'a, 'h> {
    host: &'h Host,
    accounts: &'a Accounts,
    folders: &'a mut Folders<'h>,
    desired: &'a File,
    /// The wanted owner and group.
    ids: (Option<u32>, Option<u32>),
}

/// Finds everything that is not right below a directory.
pub(super) fn observe<'h>(
    host: &'h Host,
    accounts: &Accounts,
    folders: &mut Folders<'h>,
    desired: &File,
    ids: (Option<u32>, Option<u32>),
) -> Result<Vec<Deviation>, ObserveError> {
    let mut look = Look { host, accounts, folders, desired, ids };
    let depth = depth_max(desired);
    let mut wanted = wanted_tree(host, desired)?;
    wanted.retain(|path, _| path.components().count() <= depth && !look.is_left_alone(path));
    let standing: BTreeMap<PathBuf, Stat> =
        host.list_tree(&desired.path, depth)?.into_iter().filter(|(path, _)| !look.is_left_alone(path)).collect();
    let mut deviations = Vec::new();
    for (path, entry) in &wanted {
        deviations.extend(look.at_wanted(path, entry, standing.get(path).copied())?);
    }
    let mut removed_folder: Option<PathBuf> = None;
    for (path, stat) in standing.iter().filter(|(path, _)| !wanted.contains_key(*path)) {
        if removed_folder.as_ref().is_some_and(|folder| path.starts_with(folder)) {
            continue;
        }
        if look.is_unwanted(path, stat, &wanted) {
            if stat.kind == FileKind::Folder {
                removed_folder = Some(path.clone());
            }
            deviations.push(removal(path, stat));
        } else {
            deviations.extend(look.at_kept(path, stat));
        }
    }
    let removals = deviations.iter().filter(|deviation| matches!(deviation.remedy, Remedy::Remove)).count();
    if removals > usize::try_from(desired.purge_max).unwrap_or(usize::MAX) {
        let failure =
            Failure::new(format!("purging {} would remove {removals} entries, and purge_max is {}", desired.path, desired.purge_max));
        return Err(failure.help("nothing was removed; raise purge_max if all of them are meant").into());
    }
    Ok(deviations)
}

impl Look<'_, '_> {
    /// Whether a path is ignored or declared by a resource of its own.
    fn is_left_alone(&self, path: &Path) -> bool {
        let ignored = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let whole = path.to_str().unwrap_or_default();
            self.desired.ignore.iter().any(|pattern| glob::matches(pattern, if pattern.contains('/') { whole } else { name }))
        };
        path.ancestors().any(ignored) || self.host.claims().names(&self.desired.path.as_path().join(path))
    }

    fn is_unwanted(&self, path: &Path, stat: &Stat, wanted: &BTreeMap<PathBuf, Entry>) -> bool {
        let is_folder = stat.kind == FileKind::Folder;
        let needed =
            || self.host.claims().holds(&self.desired.path.as_path().join(path)) || wanted.keys().any(|wanted| wanted.starts_with(path));
        self.desired.purge && (!is_folder || self.desired.force && !needed())
    }

    fn at_wanted(&mut self, path: &Path, entry: &Entry, stat: Option<Stat>) -> Result<Option<Deviation>, ObserveError> {
        let whole = self.desired.path.as_path().join(path);
        let same_kind = |kind| stat.filter(|stat| stat.kind == kind);
        let (kind, standing) = match entry {
            Entry::Folder => (FileKind::Folder, same_kind(FileKind::Folder)),
            Entry::File(_) => (FileKind::File, same_kind(FileKind::File)),
            Entry::Link(_) => (FileKind::Link, same_kind(FileKind::Link)),
        };
        if stat.is_some_and(|stat| stat.kind == FileKind::Folder) && standing.is_none() && !self.desired.force {
            let failure = Failure::new(format!("a directory stands at {}, where a {} is wanted", whole.display(), kind.as_str()));
            return Err(failure.help("with force=#true it is removed with all it holds").into());
        }
        let remedy = match (entry, standing) {
            (Entry::Folder, None) => Remedy::MakeFolder,
            (Entry::File(bytes), None) => Remedy::WriteFile(bytes.clone()),
            (Entry::Link(target), standing) if standing.is_none() || self.host.read_link(&whole)?.as_ref() != Some(target) => {
                Remedy::MakeLink(target.clone())
            }
            (Entry::File(bytes), Some(stat)) if self.desired.replace && !self.has_bytes(&whole, &stat, bytes)? => {
                Remedy::WriteFile(bytes.clone())
            }
            (_, Some(stat)) => return Ok(self.at_kept(path, &stat)),
            (_, None) => return Ok(None),
        };
        let changes = self.changes(path, &whole, &remedy, stat.as_ref(), standing.as_ref())?;
        let ownership = self.ownership(kind, standing.as_ref());
        Ok(Some(Deviation { path: path.to_owned(), stat, ownership, remedy, changes }))
    }

    fn has_bytes(&mut self, whole: &Path, stat: &Stat, bytes: &Bytes) -> Result<bool, Failure> {
        let folders = &mut *self.folders;
        bytes.is(self.host, stat.size, || folders.digest(whole, stat))
    }

    fn changes(
        &self,
        path: &Path,
        whole: &Path,
        remedy: &Remedy,
        stat: Option<&Stat>,
        standing: Option<&Stat>,
    ) -> Result<Vec<Change>, Failure> {
        let name = path.display().to_string();
        let after = match remedy {
            Remedy::WriteFile(bytes) => bytes.show(self.host, self.desired.show_diff)?,
            Remedy::MakeLink(target) => Shown::from(target.display().to_string()),
            _ => Shown::from("directory"),
        };
        let before = match (stat, remedy) {
            (None, _) => return Ok(vec![Change::create(&name, after)]),
            (Some(_), Remedy::WriteFile(_)) if standing.is_some() => {
                self.host.read(whole)?.map_or(Shown::Absent, |bytes| show(&bytes, self.desired.show_diff))
            }
            (Some(_), Remedy::MakeLink(_)) if standing.is_some() => {
                self.host.read_link(whole)?.map_or(Shown::Absent, |target| Shown::from(target.display().to_string()))
            }
            (Some(stat), _) => Shown::from(stat.kind.as_str()),
        };
        Ok(vec![Change::update(&name, before, after)])
    }

    /// What is there and stays may still have the wrong owner or mode.
    fn at_kept(&self, path: &Path, stat: &Stat) -> Option<Deviation> {
        let whole = self.ownership(stat.kind, Some(stat));
        let ownership = Ownership {
            uid: whole.uid.filter(|uid| *uid != stat.uid),
            gid: whole.gid.filter(|gid| *gid != stat.gid),
            mode: whole.mode.filter(|mode| *mode != stat.mode && stat.kind != FileKind::Link),
        };
        let name = path.display();
        let mut changes = Vec::new();
        if let Some(uid) = ownership.uid {
            changes.push(Change::update(&format!("{name} owner"), self.accounts.user_name(stat.uid), self.accounts.user_name(uid)));
        }
        if let Some(gid) = ownership.gid {
            changes.push(Change::update(&format!("{name} group"), self.accounts.group_name(stat.gid), self.accounts.group_name(gid)));
        }
        if let Some(mode) = ownership.mode {
            changes.push(Change::update(&format!("{name} mode"), format!("{:04o}", stat.mode), format!("{mode:04o}")));
        }
        let remedy = Remedy::SetOwnership;
        (!changes.is_empty()).then(|| Deviation { path: path.to_owned(), stat: Some(*stat), ownership, remedy, changes })
    }

    fn ownership(&self, kind: FileKind, standing: Option<&Stat>) -> Ownership {
        let is_folder = kind == FileKind::Folder;
        let current = standing.map_or(if is_folder { 0o755 } else { 0o644 }, |stat| stat.mode);
        let mode = self.desired.mode.as_ref().map(|mode| mode.resolve(current, is_folder));
        Ownership { uid: self.ids.0, gid: self.ids.1, mode }
    }
}

fn removal(path: &Path, stat: &Stat) -> Deviation {
    let changes = vec![Change::delete(&path.display().to_string(), stat.kind.as_str())];
    Deviation { path: path.to_owned(), stat: Some(*stat), ownership: Ownership::default(), remedy: Remedy::Remove, changes }
}

impl Deviation {
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Sets it right.
    pub(super) fn mend(&self, host: &Host, batch: &mut Batch<'_>, desired: &File, backup: Backup<'_>) -> Result<(), Failure> {
        let path = desired.path.as_path().join(&self.path);
        let folder_in_the_way = self.stat.is_some_and(|stat| stat.kind == FileKind::Folder);
        match &self.remedy {
            Remedy::Remove if desired.force => host.remove_tree(&path).map(drop),
            Remedy::Remove => host.remove_file(&path, backup).map(drop),
            Remedy::SetOwnership => host.set_ownership(&path, self.ownership),
            Remedy::MakeFolder => host.create_folder(&path, self.ownership),
            Remedy::MakeLink(_) | Remedy::WriteFile(_) if folder_in_the_way => {
                host.remove_tree(&path)?;
                self.write(host, batch, &path, Seen::Nothing, backup)
            }
            Remedy::MakeLink(_) | Remedy::WriteFile(_) => self.write(host, batch, &path, Seen::from(self.stat), backup),
        }
    }

    fn write(&self, host: &Host, batch: &mut Batch<'_>, path: &Path, seen: Seen, backup: Backup<'_>) -> Result<(), Failure> {
        match &self.remedy {
            Remedy::WriteFile(bytes) => {
                let bytes = bytes.read(host)?;
                batch.replace(path, &NewFile { ownership: self.ownership, seen, backup, ..NewFile::of(&bytes) })
            }
            Remedy::MakeLink(target) => host.create_link(path, target, Ownership { mode: None, ..self.ownership }),
            _ => Ok(()),
        }
    }
}
