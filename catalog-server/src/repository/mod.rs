//! The bare git repository that holds the site: read by objects, never checked out. Nothing in it is
//! executed, no filter runs, no link is followed.

mod signers;
mod tree;

use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid, RepositoryOpenFlags};
use thiserror::Error;

pub use signers::AllowedSigners;
pub use tree::{EntryKind, TREE_BYTES_MAX, TreeEntry};

/// The most bytes of one file of a site.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Why something cannot be had from the repository.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RepositoryError {
    /// The repository itself cannot be opened or read.
    #[error("cannot read the repository {}: {why}", path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What git says.
        why: String,
    },
    /// A commit holds what no site may hold.
    #[error("{0}")]
    Refused(String),
}

/// A repository by its place. It is opened for each use: opening costs little, and so several threads
/// can read at once.
#[derive(Debug, Clone)]
pub struct Repository {
    path: PathBuf,
}

/// A branch and where it points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Its name, without `refs/heads/`.
    pub name: String,
    /// Its newest commit.
    pub commit: Oid,
}

impl Repository {
    /// The repository at a path.
    ///
    /// # Errors
    /// There is none, or it belongs to somebody whom git does not trust.
    pub fn at(path: &Path) -> Result<Self, RepositoryError> {
        let repository = Self { path: path.to_owned() };
        repository.open().map(|_| repository)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<git2::Repository, RepositoryError> {
        let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let nowhere: [&Path; 0] = [];
        git2::Repository::open_ext(&self.path, flags, nowhere).map_err(|error| {
            let trust = match error.code() {
                ErrorCode::Owner => format!("; run `git config --system --add safe.directory {}`", self.path.display()),
                _ => String::new(),
            };
            RepositoryError::Unreadable { path: self.path.clone(), why: format!("{}{trust}", error.message()) }
        })
    }

    fn unreadable(&self, error: &git2::Error) -> RepositoryError {
        RepositoryError::Unreadable { path: self.path.clone(), why: error.message().to_owned() }
    }

    /// All branches that have a commit, in the order of their names. Names that are no UTF-8 are left out:
    /// no setting could mean them.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn branches(&self) -> Result<Vec<Branch>, RepositoryError> {
        let repository = self.open()?;
        let failed = |error: git2::Error| self.unreadable(&error);
        let mut branches = Vec::new();
        for reference in repository.references_glob("refs/heads/*").map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let name = reference.name().ok().and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned);
            let commit = reference.peel(ObjectType::Commit).map(|object| object.id());
            if let (Some(name), Ok(commit)) = (name, commit) {
                branches.push(Branch { name, commit });
            }
        }
        branches.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(branches)
    }

    /// The commit that a name means: a branch, else a tag, else the first seven or more digits of the commit itself.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn resolve(&self, name: &str) -> Result<Option<Oid>, RepositoryError> {
        let repository = self.open()?;
        for kind in ["heads", "tags"] {
            // A name that no reference can have is none.
            let Ok(reference) = repository.find_reference(&format!("refs/{kind}/{name}")) else { continue };
            return reference.peel(ObjectType::Commit).map(|commit| Some(commit.id())).map_err(|error| self.unreadable(&error));
        }
        let digits = (7..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(if digits { repository.find_commit_by_prefix(name).ok().map(|commit| commit.id()) } else { None })
    }

    /// The bytes of a file, if they are not too many: the size is known before anything is allocated.
    ///
    /// # Errors
    /// The object is missing or damaged, no file, or larger than [`FILE_BYTES_MAX`].
    pub fn blob(&self, id: Oid) -> Result<Vec<u8>, RepositoryError> {
        let repository = self.open()?;
        let failed = |error: git2::Error| self.unreadable(&error);
        let objects = repository.odb().map_err(failed)?;
        let (size, kind) = objects.read_header(id).map_err(failed)?;
        if kind != ObjectType::Blob || size as u64 > FILE_BYTES_MAX {
            return Err(RepositoryError::Refused(format!("the object {id} is no file of at most {} MiB", FILE_BYTES_MAX >> 20)));
        }
        objects.read(id).map(|object| object.data().to_vec()).map_err(failed)
    }

    /// Whether one commit comes after another, or is the same.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn descends(&self, commit: Oid, from: Oid) -> Result<bool, RepositoryError> {
        let repository = self.open()?;
        Ok(commit == from || repository.graph_descendant_of(commit, from).map_err(|error| self.unreadable(&error))?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A bare repository for tests, written by objects.
    pub(crate) struct Scratch {
        pub(crate) folder: tempfile::TempDir,
        pub(crate) git: git2::Repository,
    }

    impl Scratch {
        pub(crate) fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let git = git2::Repository::init_bare(folder.path()).unwrap();
            Self { folder, git }
        }

        pub(crate) fn repository(&self) -> Repository {
            Repository::at(self.folder.path()).unwrap()
        }

        /// A tree object of entries as they are, whatever git thinks of their names.
        pub(crate) fn raw_tree(&self, entries: &[(&str, &str, Oid)]) -> Oid {
            let mut bytes = Vec::new();
            for (mode, name, id) in entries {
                bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
                bytes.extend_from_slice(id.as_bytes());
            }
            self.git.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap()
        }

        pub(crate) fn blob(&self, bytes: &[u8]) -> Oid {
            self.git.blob(bytes).unwrap()
        }

        /// A tree of paths and texts.
        pub(crate) fn tree(&self, files: &[(&str, &str)]) -> Oid {
            let mut index = git2::Index::new().unwrap();
            for (path, text) in files {
                let entry = git2::IndexEntry {
                    ctime: git2::IndexTime::new(0, 0),
                    mtime: git2::IndexTime::new(0, 0),
                    dev: 0,
                    ino: 0,
                    mode: 0o100_644,
                    uid: 0,
                    gid: 0,
                    file_size: 0,
                    id: self.blob(text.as_bytes()),
                    flags: 0,
                    flags_extended: 0,
                    path: path.as_bytes().to_vec(),
                };
                index.add(&entry).unwrap();
            }
            index.write_tree_to(&self.git).unwrap()
        }

        /// A commit of a tree on a branch.
        pub(crate) fn commit(&self, branch: &str, tree: Oid) -> Oid {
            let who = git2::Signature::new("t", "t@example.com", &git2::Time::new(1_700_000_000, 0)).unwrap();
            let name = format!("refs/heads/{branch}");
            let parent = self.git.refname_to_id(&name).ok().map(|id| self.git.find_commit(id).unwrap());
            let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
            self.git.commit(Some(&name), &who, &who, "c", &self.git.find_tree(tree).unwrap(), &parents).unwrap()
        }
    }

    #[test]
    fn branches_are_listed_with_their_commits() {
        let scratch = Scratch::new();
        assert_eq!(scratch.repository().branches().unwrap(), []);
        let tree = scratch.tree(&[("keel.toml", "name = 's'\n")]);
        let first = scratch.commit("main", tree);
        let second = scratch.commit("release/1", tree);
        let branches = scratch.repository().branches().unwrap();
        let found: Vec<_> = branches.iter().map(|branch| (branch.name.as_str(), branch.commit)).collect();
        assert_eq!(found, [("main", first), ("release/1", second)]);
        let next = scratch.commit("main", scratch.tree(&[("keel.toml", "name = 't'\n")]));
        let repository = scratch.repository();
        assert!(repository.descends(next, first).unwrap() && repository.descends(next, next).unwrap());
        assert!(!repository.descends(first, next).unwrap());
    }

    #[test]
    fn what_is_no_repository_is_said_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let message = Repository::at(folder.path()).unwrap_err().to_string();
        assert!(message.contains(&folder.path().display().to_string()), "{message}");
    }

    #[test]
    fn only_files_are_read_as_files() {
        let scratch = Scratch::new();
        let tree = scratch.tree(&[("a", "x")]);
        assert!(scratch.repository().blob(tree).is_err());
        assert_eq!(scratch.repository().blob(scratch.blob(b"x")).unwrap(), b"x");
        assert!(scratch.repository().blob(Oid::ZERO_SHA1).is_err());
    }
}
