//! What the agent keeps on the host between runs, below the host's root: `/var/lib/keel` for what must
//! not be lost, `/var/cache/keel` for what can be made again, `/run/keel` for the lock.

pub mod digests;
pub mod enforced;
pub mod ledger;
pub mod lock;
pub mod memory;
pub mod previous;
pub mod reports;
pub mod retention;
pub mod unfinished;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keel_engine::digest::Digest;
use keel_resources::host::Backups;

/// The folders of the state of one host.
#[derive(Debug, Clone)]
pub struct State {
    /// `/var/lib/keel`
    pub kept: PathBuf,
    /// `/var/cache/keel`
    pub cache: PathBuf,
    /// `/run/keel`
    pub running: PathBuf,
}

impl State {
    /// The state of the host below a root folder, as far as one site is concerned: several sites may
    /// each look after a part of a host.
    pub fn of_site(root: &Path, site: &str) -> Self {
        let folder = file_name(site);
        Self {
            kept: root.join("var/lib/keel").join(&folder),
            cache: root.join("var/cache/keel").join(folder),
            running: root.join("run/keel"),
        }
    }

    /// The states of all sites that look after the host, by the names of their folders.
    ///
    /// # Errors
    /// Names the folder that cannot be listed.
    pub fn all(root: &Path) -> Result<Vec<Self>, String> {
        let kept = root.join("var/lib/keel");
        let failed = |error: std::io::Error| format!("cannot list {}: {error}", kept.display());
        let mut folders = match std::fs::read_dir(&kept) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => {
                let names = entries.map_err(failed)?.map(|entry| entry.map(|entry| entry.file_name()));
                names.collect::<std::io::Result<Vec<_>>>().map_err(failed)?
            }
        };
        folders.retain(|name| name.to_string_lossy().starts_with("site-"));
        folders.sort();
        let state =
            |folder| Self { kept: kept.join(&folder), cache: root.join("var/cache/keel").join(folder), running: root.join("run/keel") };
        Ok(folders.into_iter().map(state).collect())
    }

    /// The store of what files held before a run of this name changed them.
    pub fn backups(&self, run: &str) -> Backups {
        Backups::new(self.kept.join("backups"), run)
    }

    /// Makes the folders, for root or the owner alone.
    ///
    /// # Errors
    /// Says which folder could not be made and why.
    pub fn make_folders(&self) -> Result<(), String> {
        for folder in [&self.kept, &self.cache, &self.running] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
            refuse_shared(folder)?;
        }
        Ok(())
    }
}

/// Who may write to the state says what the next run believes: that must be nobody else.
fn refuse_shared(folder: &Path) -> Result<(), String> {
    let stat = std::fs::metadata(folder).map_err(|error| format!("cannot look at {}: {error}", folder.display()))?;
    let ours = [0, nix::unistd::geteuid().as_raw()].contains(&stat.uid());
    if ours && stat.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(format!("others may write to {}: look who did, give it to root and set its mode to 0700", folder.display()))
}

/// Removes what a killed run left of [`replace`] in a folder and all below it.
fn clear_strays(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            clear_strays(&path);
        } else if is_stray(&path) {
            // What cannot be removed only takes room.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_stray(path: &Path) -> bool {
    let process = path.extension().and_then(|extension| extension.to_str()?.strip_prefix("new-"));
    process.is_some_and(|process| process.parse::<u32>().is_ok())
}

/// A site's name as the name of a folder: other characters than the plain ones become `_` and a hash
/// keeps such names apart.
fn file_name(site: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    if !site.is_empty() && !site.starts_with('.') && site.chars().all(is_plain) {
        return format!("site-{site}");
    }
    let plain: String = site.chars().map(|character| if is_plain(character) { character } else { '_' }).collect();
    format!("site-{plain}-{}", Digest::of(site.as_bytes()).short())
}

/// Reads a file; none if there is none.
///
/// # Errors
/// Names the file and says why it cannot be read.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Replaces a file of the state whole: on return the new bytes are on disk, and at no moment is there
/// anything between the old and the new ones. The file is for its owner alone.
///
/// # Errors
/// Names the file and says what failed; the old bytes are then still there.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    let neighbour = path.with_extension(format!("new-{}", std::process::id()));
    let written = write_new(&neighbour, bytes).and_then(|()| std::fs::rename(&neighbour, path)).and_then(|()| sync_folder_of(path));
    written.map_err(|error| {
        // Whatever stopped the write, the half-written neighbour is of no use to anybody.
        let _ = std::fs::remove_file(&neighbour);
        failed(error)
    })
}

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_leaves_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owed.json");
        assert_eq!(read_if_there(&path).unwrap(), None);
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read_if_there(&path).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn strays_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a/owed.new-12", "a/owed.json", "new-12", "a/b.new-x"];
        std::fs::create_dir(folder.path().join("a")).unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        clear_strays(folder.path());
        assert_eq!(names.map(|name| folder.path().join(name).exists()), [false, true, true, true]);
    }

    #[test]
    fn a_site_s_name_never_leads_out_of_the_state() {
        assert_eq!(file_name("web-2"), "site-web-2");
        for name in ["", "..", "a/../b", "a b"] {
            let folder = file_name(name);
            assert!(!folder.contains('/') && folder.starts_with("site-"), "{folder}");
        }
        assert_ne!(file_name("a b"), file_name("a_b"));
    }

    #[test]
    fn a_failed_replace_names_the_file() {
        let error = replace(Path::new("/nonexistent/owed.json"), b"x").unwrap_err();
        assert!(error.contains("/nonexistent/owed.json"), "{error}");
    }
}
