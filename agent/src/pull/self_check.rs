//! The self-check: nobody but its owner may be able to change what the agent believes, or read its keys.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::home::Home;
use crate::error::{Error, Result};

/// What a path has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A folder that only its owner may write in.
    Folder,
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
    let owner = nix::unistd::geteuid().as_raw();
    let mut wrong = Vec::new();
    for (path, role) in paths(home) {
        match std::fs::symlink_metadata(&path) {
            Ok(found) => wrong.extend(fault(&path, role, &Found::of(&found), owner)),
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
pub(crate) fn distrust(path: &Path, role: Role) -> Option<String> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => {
            fault(path, role, &Found::of(&found), nix::unistd::geteuid().as_raw()).map(|(message, hint)| format!("{message}; try: {hint}"))
        }
        Err(error) => Some(format!("cannot look at {}: {error}", path.display())),
    }
}

/// All that is looked at: for the machine itself from `/` on, else from the folder that stands for it.
fn paths(home: &Home) -> Vec<(PathBuf, Role)> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let below = [home.settings.parent().unwrap_or(&home.root), &home.kept, &home.running, &home.kept.join("spool")];
    for folder in below {
        let inner = folder.ancestors().take_while(|ancestor| *ancestor != home.root);
        folders.extend(inner.map(Path::to_owned));
    }
    folders.push(home.root.clone());
    folders.sort();
    folders.dedup();
    let files =
        [(home.settings.clone(), Role::File), (home.authority(), Role::File), (home.node(), Role::Key), (home.identity(), Role::Key)];
    folders.into_iter().map(|folder| (folder, Role::Folder)).chain(files).collect()
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
fn fault(path: &Path, role: Role, found: &Found, owner: u32) -> Option<(String, String)> {
    let shown = path.display();
    let (fits, noun) = match role {
        Role::Folder => (found.is_folder, "a folder"),
        Role::File | Role::Key => (found.is_file, "a file"),
    };
    if !fits {
        return Some((format!("{shown} is not {noun} (a link counts as none)"), format!("move {shown} away")));
    }
    if found.owner != owner && found.owner != 0 {
        return Some((format!("{shown} belongs to user {}", found.owner), format!("chown {owner} {shown}")));
    }
    let (forbidden, who) = match role {
        Role::Folder | Role::File => (0o022, "others may write"),
        Role::Key => (0o077, "others may read"),
    };
    let mode = found.mode;
    let mended = mode & !forbidden;
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
        let judge = |role, found: Found| fault(path, role, &found, 0);
        assert!(judge(Role::Folder, found(0, 0o755, true)).is_none());
        assert!(judge(Role::Key, found(0, 0o600, false)).is_none());
        let (message, hint) = judge(Role::Folder, found(0, 0o775, true)).unwrap();
        assert_eq!((message.as_str(), hint.as_str()), ("others may write /var/lib/keel (mode 0775)", "chmod 0755 /var/lib/keel"));
        assert!(judge(Role::Key, found(0, 0o640, false)).unwrap().0.contains("others may read"));
        assert!(judge(Role::File, found(1000, 0o644, false)).unwrap().0.contains("belongs to user 1000"));
        assert!(judge(Role::File, found(0, 0o644, true)).unwrap().0.contains("is not a file"));
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
}
