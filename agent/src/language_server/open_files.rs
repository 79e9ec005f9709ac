//! A site as it stands in an editor: the files of its folder, and over them those that are open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keel_manifests::files::{SiteFile, SiteFiles};

use crate::site_folder::SiteFolder;

/// The texts that an editor has open, by their files.
pub(super) type Texts = BTreeMap<PathBuf, Arc<str>>;

/// A site with what is open of it.
#[derive(Clone)]
pub(super) struct OpenSite {
    folder: SiteFolder,
    /// By the path in the site.
    open: BTreeMap<String, Arc<str>>,
}

impl OpenSite {
    pub(super) fn new(folder: SiteFolder, texts: &Texts) -> Self {
        let inside = |path: &Path| path.strip_prefix(folder.folder()).ok().and_then(Path::to_str).map(str::to_owned);
        let open = texts.iter().filter_map(|(path, text)| Some((inside(path)?, Arc::clone(text)))).collect();
        Self { folder, open }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        self.folder.folder()
    }
}

impl SiteFiles for OpenSite {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        match self.open.get(path) {
            Some(text) => Ok(Some(Arc::from(text.as_bytes()))),
            None => self.folder.read(path),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<SiteFile>, String> {
        let mut found = self.folder.list(folder)?;
        let below = |path: &str| folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        for (path, text) in self.open.iter().filter(|(path, _)| below(path)) {
            if !found.iter().any(|file| file.path == *path) {
                found.push(SiteFile { path: path.clone(), executable: false, size: text.len() as u64 });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_open_counts_and_may_be_new() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keel.toml"), "name = \"x\"\n").unwrap();
        fs::create_dir(folder.path().join("manifests")).unwrap();
        fs::write(folder.path().join("manifests/a.kdl"), "old").unwrap();
        let site = SiteFolder::find(Some(folder.path()), Path::new("/")).unwrap();
        let open = |name: &str, text: &str| (site.folder().join(name), Arc::from(text));
        let texts = [open("manifests/a.kdl", "new"), open("manifests/b.kdl", "more")].into_iter().collect();
        let site = OpenSite::new(site, &texts);
        assert_eq!(site.read("manifests/a.kdl").unwrap().as_deref(), Some(&b"new"[..]));
        let paths: Vec<String> = site.list("manifests").unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["manifests/a.kdl", "manifests/b.kdl"]);
        assert_eq!(site.list("inventory").unwrap().len(), 0);
    }
}
