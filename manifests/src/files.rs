//! How the compiler reads a site: through a trait, so that a folder, a git tree or a test's own map
//! of texts all look alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codes;
use crate::diagnostic::Diagnostic;

/// A site's files by their path below the site's folder, with `/` between names and none at the start.
pub trait SiteFiles: Sync {
    /// The bytes of a file; none if there is no such file.
    ///
    /// # Errors
    /// Says why an existing file cannot be read: no permission, a link that leaves the site.
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String>;

    /// All files below a folder (`""` is the site itself), in the order of their names.
    ///
    /// # Errors
    /// Says why an existing folder cannot be read.
    fn list(&self, folder: &str) -> Result<Vec<SiteFile>, String>;
}

/// A file that [`SiteFiles::list`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// The whole path below the site's folder.
    pub path: String,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// How many bytes it has.
    pub size: u64,
}

/// The text of a file; what stands in the way is reported. A file that is not there is none.
pub fn read_text(files: &dyn SiteFiles, path: &str, out: &mut Vec<Diagnostic>) -> Option<String> {
    let refuse = |why: String| Diagnostic::error(codes::UNREADABLE, why).at(&Arc::from(path), 0..0, "this file");
    match files.read(path) {
        Ok(Some(bytes)) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => return Some(text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                out.push(Diagnostic::error(codes::UNREADABLE, format!("{path} is not UTF-8")).at(&Arc::from(path), at..at, "here"));
            }
        },
        Ok(None) => {}
        Err(why) => out.push(refuse(format!("cannot read {path}: {why}"))),
    }
    None
}

/// The paths below a folder that end in an extension, in the order of their names.
pub fn list_with_extension(files: &dyn SiteFiles, folder: &str, extension: &str, out: &mut Vec<Diagnostic>) -> Vec<String> {
    match files.list(folder) {
        Ok(found) => found.into_iter().map(|file| file.path).filter(|path| path.ends_with(extension)).collect(),
        Err(why) => {
            out.push(Diagnostic::error(codes::UNREADABLE, format!("cannot list {folder}: {why}")));
            Vec::new()
        }
    }
}

/// A site held in memory, for tests and for embedded modules.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Arc<[u8]>>,
}

impl MemoryFiles {
    /// A site of these paths and texts.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), Arc::from(text.as_bytes()))).collect();
        Self { files }
    }

    /// Adds a file or replaces it.
    pub fn insert(&mut self, path: &str, bytes: &[u8]) {
        self.files.insert(path.to_owned(), Arc::from(bytes));
    }
}

impl SiteFiles for MemoryFiles {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        Ok(self.files.get(path).cloned())
    }

    fn list(&self, folder: &str) -> Result<Vec<SiteFile>, String> {
        let below = |path: &str| folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let found = self.files.iter().filter(|(path, _)| below(path));
        Ok(found.map(|(path, bytes)| SiteFile { path: path.clone(), executable: false, size: bytes.len() as u64 }).collect())
    }
}
