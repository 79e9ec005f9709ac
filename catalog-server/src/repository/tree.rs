//! The files of a commit, listed with bounds on everything: depth, number, sizes, and what names may be.

use git2::{ObjectType, Oid};
use serde::{Deserialize, Serialize};

use super::{Repository, RepositoryError};
use crate::log::printable;

/// The most entries of a commit, folders included.
const ENTRIES_MAX: usize = 200_000;
/// The deepest nesting of folders.
const DEPTH_MAX: usize = 32;
/// The most bytes of a path.
const PATH_BYTES_MAX: usize = 1024;
/// The most bytes of one folder's object.
pub const TREE_BYTES_MAX: usize = 16 << 20;

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// The path below the site, with `/` between names.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// How many bytes it has; 0 for what is not read.
    pub size: u64,
    /// The object's name in hexadecimal.
    pub id: String,
}

/// What an entry of a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that its owner may execute.
    Executable,
    /// A symbolic link. It is known by name only.
    Link,
    /// A commit of another repository. It is known by name only.
    Submodule,
}

impl Repository {
    /// All files of a commit, in the order of their paths. As in a folder, what is hidden is no part of
    /// a site.
    ///
    /// # Errors
    /// The repository cannot be read, or the commit holds names, depths or numbers that no site may hold.
    pub fn files(&self, commit: Oid) -> Result<Vec<TreeEntry>, RepositoryError> {
        let repository = self.open()?;
        let failed = |error: git2::Error| self.unreadable(&error);
        let tree = repository.find_commit(commit).map_err(failed)?.tree_id();
        let objects = repository.odb().map_err(failed)?;
        let mut walk = Walk { repository: &repository, objects: &objects, visited: 0, found: Vec::new() };
        walk.folder("", tree, 0).map_err(|stop| match stop {
            Stop::Git(error) => self.unreadable(&error),
            Stop::Refused(why) => RepositoryError::Refused(why),
        })?;
        walk.found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(walk.found)
    }
}

enum Stop {
    Git(git2::Error),
    Refused(String),
}

impl From<git2::Error> for Stop {
    fn from(error: git2::Error) -> Self {
        Stop::Git(error)
    }
}

struct Walk<'r> {
    repository: &'r git2::Repository,
    objects: &'r git2::Odb<'r>,
    visited: usize,
    found: Vec<TreeEntry>,
}

impl Walk<'_> {
    fn folder(&mut self, path: &str, id: Oid, depth: usize) -> Result<(), Stop> {
        let shown = if path.is_empty() { "the commit" } else { path };
        if depth > DEPTH_MAX {
            return Err(Stop::Refused(format!("{}: folders are nested more than {DEPTH_MAX} deep", printable(shown))));
        }
        let (size, kind) = self.objects.read_header(id)?;
        if kind != ObjectType::Tree || size > TREE_BYTES_MAX {
            return Err(Stop::Refused(format!("{}: the folder's object is larger than {} MiB", printable(shown), TREE_BYTES_MAX >> 20)));
        }
        let tree = self.repository.find_tree(id)?;
        for entry in &tree {
            self.visited += 1;
            if self.visited > ENTRIES_MAX {
                return Err(Stop::Refused(format!("the commit holds more than {ENTRIES_MAX} files and folders")));
            }
            let Ok(name) = std::str::from_utf8(entry.name_bytes()) else {
                return Err(Stop::Refused(format!("{}: a name in this folder is no UTF-8", printable(shown))));
            };
            if let Some(why) = refuse_name(name) {
                return Err(Stop::Refused(format!("{}: the name {} {why}", printable(shown), printable(name))));
            }
            if name.starts_with('.') {
                continue;
            }
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            if path.len() > PATH_BYTES_MAX {
                return Err(Stop::Refused(format!("{}: the path has more than {PATH_BYTES_MAX} bytes", printable(&path))));
            }
            self.entry(path, entry.filemode(), entry.id(), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: String, mode: i32, id: Oid, depth: usize) -> Result<(), Stop> {
        let kind = match mode & 0o170_000 {
            0o040_000 => return self.folder(&path, id, depth + 1),
            0o100_000 if mode & 0o100 != 0 => EntryKind::Executable,
            0o100_000 => EntryKind::File,
            0o120_000 => EntryKind::Link,
            0o160_000 => EntryKind::Submodule,
            _ => return Err(Stop::Refused(format!("{}: git has no such kind of entry, {mode:o}", printable(&path)))),
        };
        let size = match kind {
            EntryKind::File | EntryKind::Executable => self.objects.read_header(id)?.0 as u64,
            EntryKind::Link | EntryKind::Submodule => 0,
        };
        self.found.push(TreeEntry { path, kind, size, id: id.to_string() });
        Ok(())
    }
}

/// Why a name can be none of a site's: git itself never writes such names, so somebody means harm.
fn refuse_name(name: &str) -> Option<&'static str> {
    if name.is_empty() || matches!(name, "." | "..") {
        return Some("leads elsewhere");
    }
    if name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control()) {
        return Some("holds a slash, a backslash or a control character");
    }
    let lower = name.to_ascii_lowercase();
    (lower.starts_with("git~") || lower.trim_end_matches(['.', ' ']) == ".git").then_some("is git's own")
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;

    fn refused(scratch: &Scratch, tree: Oid) -> String {
        let commit = scratch.commit("main", tree);
        match scratch.repository().files(commit) {
            Err(RepositoryError::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_are_listed_with_kinds_and_sizes() {
        let scratch = Scratch::new();
        let blob = scratch.blob(b"text");
        let inner = scratch.raw_tree(&[("100755", "run.sh", blob), ("120000", "to", blob)]);
        let tree = scratch.raw_tree(&[
            ("100644", ".hidden", blob),
            ("40000", "bin", inner),
            ("100644", "keel.toml", blob),
            ("160000", "sub", blob),
        ]);
        let files = scratch.repository().files(scratch.commit("main", tree)).unwrap();
        let found: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.kind, file.size)).collect();
        let expected = [
            ("bin/run.sh", EntryKind::Executable, 4),
            ("bin/to", EntryKind::Link, 0),
            ("keel.toml", EntryKind::File, 4),
            ("sub", EntryKind::Submodule, 0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn hostile_names_are_refused() {
        let scratch = Scratch::new();
        let blob = scratch.blob(b"x");
        for name in ["..", "a\\b", "a/b", "a\nb", "x\r", ".git", ".GIT", "git~1", ".git. "] {
            let why = refused(&scratch, scratch.raw_tree(&[("100644", name, blob)]));
            assert!(!why.contains(['\n', '\r']), "{why:?}");
        }
        let outer = scratch.raw_tree(&[("40000", "..", scratch.raw_tree(&[("100644", "etc", blob)]))]);
        assert!(refused(&scratch, outer).contains("leads elsewhere"));
    }

    #[test]
    fn deep_and_endless_trees_are_refused() {
        let scratch = Scratch::new();
        let mut deep = scratch.raw_tree(&[("100644", "x", scratch.blob(b"x"))]);
        for _ in 0..=DEPTH_MAX {
            deep = scratch.raw_tree(&[("40000", "d", deep)]);
        }
        assert!(refused(&scratch, deep).contains("nested"));
        // Eight levels of ten equal folders are a few hundred bytes and ten to the ninth files.
        let mut wide = scratch.raw_tree(&[("100644", "x", scratch.blob(b"x"))]);
        for _ in 0..9 {
            let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
            wide = scratch.raw_tree(&names.iter().map(|name| ("40000", name.as_str(), wide)).collect::<Vec<_>>());
        }
        assert!(refused(&scratch, wide).contains("more than 200000"));
        let long = "n".repeat(PATH_BYTES_MAX + 1);
        assert!(refused(&scratch, scratch.raw_tree(&[("100644", long.as_str(), scratch.blob(b"x"))])).contains("bytes"));
    }

    #[test]
    fn missing_objects_are_errors() {
        let scratch = Scratch::new();
        let tree = scratch.raw_tree(&[("40000", "gone", git2::Oid::from_str("1111111111111111111111111111111111111111").unwrap())]);
        let commit = scratch.commit("main", tree);
        assert!(matches!(scratch.repository().files(commit), Err(RepositoryError::Unreadable { .. })));
    }
}
