//! The self-check: nobody but its owner may be able to change what the agent believes, or read its keys.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::home::Home;
use crate::error::{Error, Result};

/// What a path has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A folder that only its owner may write in.
    Folder,
    /// The agent's own folder, which it makes for its owner alone.
    OwnFolder,
    /// A file that only its owner may write.
    File,
    /// A file that only its owner may read.
    Key,
}

/// Refuses to work with folders and keys that others could meddle with. What is not there is fine.
///
/// # Errors
/// Names every such path, with what is wrong and the command that mends it.
pub fn check(home: &Home) -> Result<()> {
    look_at(paths(home, &own_folders(home).chain([settings_folder(home)]).collect::<Vec<_>>()))
}

/// As [`check`], of what the agent itself keeps; the settings, which people write, may be as they are.
///
/// # Errors
/// As [`check`].
pub fn check_own(home: &Home) -> Result<()> {
    let mut own = paths(home, &own_folders(home).collect::<Vec<_>>());
    own.retain(|(path, _)| *path != home.settings);
    look_at(own)
}

fn own_folders(home: &Home) -> impl Iterator<Item = PathBuf> {
    [home.kept.clone(), home.running.clone(), home.kept.join("spool")].into_iter()
}

fn settings_folder(home: &Home) -> PathBuf {
    home.settings.parent().unwrap_or(&home.root).to_owned()
}

fn look_at(paths: Vec<(PathBuf, Purpose)>) -> Result<()> {
    let owner = nix::unistd::geteuid().as_raw();
    let mut wrong = Vec::new();
    for (path, purpose) in paths {
        match std::fs::symlink_metadata(&path) {
            Ok(found) => wrong.extend(fault(&path, purpose, &Found::of(&found), owner)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => wrong.push((format!("cannot look at {}: {error}", path.display()), String::new())),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let messages: Vec<String> = wrong.iter().map(|(message, _)| message.clone()).collect();
    let mut error = Error::host(format!("the agent does not trust its own folders: {}", messages.join("; ")));
    error.hints = wrong.into_iter().map(|(_, hint)| hint).filter(|hint| !hint.is_empty()).collect();
    Err(error)
}

/// Why a path cannot be trusted, if others could meddle with it.
pub(crate) fn distrust(path: &Path, purpose: Purpose) -> Option<String> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => fault(path, purpose, &Found::of(&found), nix::unistd::geteuid().as_raw())
            .map(|(message, hint)| format!("{message}; try: {hint}")),
        Err(error) => Some(format!("cannot look at {}: {error}", path.display())),
    }
}

/// All that is looked at: these folders and those above them, for the machine itself from `/` on, else from the
/// folder that stands for it; and the files.
fn paths(home: &Home, below: &[PathBuf]) -> Vec<(PathBuf, Purpose)> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in below {
        let inner = folder.ancestors().take_while(|ancestor| *ancestor != home.root);
        folders.extend(inner.map(Path::to_owned));
    }
    folders.push(home.root.clone());
    folders.sort();
    folders.dedup();
    let files = [
        (home.settings.clone(), Purpose::File),
        (home.authority(), Purpose::File),
        (home.node(), Purpose::Key),
        (home.identity(), Purpose::Key),
    ];
    let own: Vec<PathBuf> = own_folders(home).collect();
    let purpose = |folder: &PathBuf| if own.contains(folder) { Purpose::OwnFolder } else { Purpose::Folder };
    folders.into_iter().map(|folder| (folder.clone(), purpose(&folder))).chain(files).collect()
}

struct Found {
    owner: u32,
    mode: u32,
    is_folder: bool,
    is_file: bool,
}

impl Found {
    fn of(found: &Metadata) -> Self {
        Self { owner: found.uid(), mode: found.mode() & 0o7777, is_folder: found.is_dir(), is_file: found.is_file() }
    }
}

/// What is wrong with a path, and what mends it.
fn fault(path: &Path, purpose: Purpose, found: &Found, owner: u32) -> Option<(String, String)> {
    let shown = path.display();
    let (fits, noun) = match purpose {
        Purpose::Folder | Purpose::OwnFolder => (found.is_folder, "a folder"),
        Purpose::File | Purpose::Key => (found.is_file, "a file"),
    };
    if !fits {
        return Some((format!("{shown} is not {noun} (a link counts as none)"), format!("move {shown} away")));
    }
    if found.owner != owner && found.owner != 0 {
        return Some((format!("{shown} belongs to user {}", found.owner), format!("chown {owner} {shown}")));
    }
    let (forbidden, who) = match purpose {
        Purpose::Folder | Purpose::OwnFolder | Purpose::File => (0o022, "others may write"),
        Purpose::Key => (0o077, "others may read"),
    };
    let mode = found.mode;
    let mended = if purpose == Purpose::OwnFolder { 0o700 } else { mode & !forbidden };
    (mode & forbidden != 0).then(|| (format!("{who} {shown} (mode {mode:04o})"), format!("chmod {mended:04o} {shown}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn found(owner: u32, mode: u32, is_folder: bool) -> Found {
        Found { owner, mode, is_folder, is_file: !is_folder }
    }

    #[test]
    fn what_others_could_meddle_with_is_named_with_its_remedy() {
        let path = Path::new("/var/lib/keel");
        let judge = |purpose, found: Found| fault(path, purpose, &found, 0);
        assert!(judge(Purpose::Folder, found(0, 0o755, true)).is_none());
        assert!(judge(Purpose::Key, found(0, 0o600, false)).is_none());
        let (message, hint) = judge(Purpose::Folder, found(0, 0o775, true)).unwrap();
        assert_eq!((message.as_str(), hint.as_str()), ("others may write /var/lib/keel (mode 0775)", "chmod 0755 /var/lib/keel"));
        assert_eq!(judge(Purpose::OwnFolder, found(0, 0o777, true)).unwrap().1, "chmod 0700 /var/lib/keel");
        assert!(judge(Purpose::Key, found(0, 0o640, false)).unwrap().0.contains("others may read"));
        assert!(judge(Purpose::File, found(1000, 0o644, false)).unwrap().0.contains("belongs to user 1000"));
        assert!(judge(Purpose::File, found(0, 0o644, true)).unwrap().0.contains("is not a file"));
    }

    #[test]
    fn a_home_as_it_is_made_passes_and_a_writable_one_does_not() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        assert!(check(&home).is_ok(), "before anything is there");
        home.make_folders().unwrap();
        std::fs::write(home.node(), "").unwrap();
        std::fs::set_permissions(home.node(), PermissionsExt::from_mode(0o600)).unwrap();
        assert!(check(&home).is_ok());
        std::fs::set_permissions(&home.kept, PermissionsExt::from_mode(0o777)).unwrap();
        std::fs::set_permissions(home.node(), PermissionsExt::from_mode(0o604)).unwrap();
        let error = check(&home).unwrap_err();
        assert!(error.message.contains("var/lib/keel/agent (mode 0777)") && error.message.contains("node.pem (mode 0604)"), "{error}");
        assert_eq!(error.hints.len(), 2);
    }

    #[test]
    fn what_the_agent_keeps_may_be_sound_though_the_settings_are_not() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        let folder = home.settings.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(check(&home).unwrap_err().message.contains("etc/keel") && check_own(&home).is_ok());
        std::fs::set_permissions(&home.running, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(check_own(&home).unwrap_err().message.contains("run/keel"));
    }
}
