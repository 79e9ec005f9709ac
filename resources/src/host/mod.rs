//! The one door to the host: files, commands and the system bus, below a root folder.
//!
//! No resource type opens a file, starts a process or talks to a daemon in any other way.

pub(crate) mod attend;
pub mod capture;
pub mod command;
pub mod output;
pub(crate) mod process_tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keel_engine::attributes::AbsolutePath;
use keel_engine::contents::{Contents, MemoryContents};

/// The host that a run looks at and changes.
pub struct Host {
    root: PathBuf,
    contents: Arc<dyn Contents>,
}

impl Host {
    /// The host below a folder: `/` for the machine itself, a scratch folder for tests and `--root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), contents: Arc::new(MemoryContents::default()) }
    }

    /// The same with a catalog's contents.
    pub fn with_contents(mut self, contents: Arc<dyn Contents>) -> Self {
        self.contents = contents;
        self
    }

    /// Whether this is the machine itself and not a folder on it.
    pub fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the host is on this machine.
    pub fn locate(&self, path: &AbsolutePath) -> PathBuf {
        self.root.join(path.as_path().strip_prefix("/").unwrap_or(path.as_path()))
    }

    /// The bytes that the catalog's values name.
    pub fn contents(&self) -> &dyn Contents {
        &*self.contents
    }
}
