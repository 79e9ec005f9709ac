//! A site in a folder, as the compiler reads it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use keel_manifests::files::{SiteFile, SiteFiles};

use crate::error::{Error, Result};

/// The file that makes a folder a site.
pub const SITE_FILE: &str = "keel.toml";

/// Files of a site are read whole; larger ones are no part of one.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// A folder with a `keel.toml`.
#[derive(Debug, Clone)]
pub struct SiteFolder {
    folder: PathBuf,
}

impl SiteFolder {
    /// The given folder, or the nearest one upward that has a `keel.toml`.
    ///
    /// # Errors
    /// There is no site there.
    pub fn find(given: Option<&Path>, current: &Path) -> Result<Self> {
        if let Some(folder) = given {
            return Self::at(folder);
        }
        let found = current.ancestors().find(|folder| folder.join(SITE_FILE).is_file());
        found.map(Self::canonical).unwrap_or_else(|| {
            let message = format!("there is no {SITE_FILE} in {} or above it", current.display());
            Err(Error::usage(message).hint("name the site's folder, or change into it"))
        })
    }

    fn at(folder: &Path) -> Result<Self> {
        if folder.join(SITE_FILE).is_file() {
            return Self::canonical(folder);
        }
        if !folder.exists() {
            return Err(Error::usage(format!("there is no {}", folder.display())).hint("name a site's folder"));
        }
        let message = format!("{} is no site: it has no {SITE_FILE}", folder.display());
        Err(Error::usage(message).hint(format!("a {SITE_FILE} with the line name = \"my-site\" makes one")))
    }

    /// Any folder, for those who only want its files.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn any(folder: &Path) -> Result<Self> {
        Self::canonical(folder)
    }

    fn canonical(folder: &Path) -> Result<Self> {
        let folder = fs::canonicalize(folder).map_err(|error| Error::host(format!("cannot open {}: {error}", folder.display())))?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every file and folder of the site, for those who want to know whether anything changed.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn stamps(&self) -> std::result::Result<Vec<PathBuf>, String> {
        let mut files = Vec::new();
        self.walk(&self.folder, &mut files)?;
        let files = files.into_iter().map(|file| self.folder.join(file.path));
        Ok(std::iter::once(self.folder.clone()).chain(files).collect())
    }

    /// Where a file of the site is, if links do not lead out of the site.
    fn locate(&self, path: &str) -> std::result::Result<Option<PathBuf>, String> {
        if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_))) && !path.is_empty() {
            return Err(format!("{path} is no path inside the site"));
        }
        let full = self.folder.join(path);
        match fs::canonicalize(&full) {
            Ok(real) if real.starts_with(&self.folder) => Ok(Some(real)),
            Ok(_) => Err(format!("{path} is a link that leaves the site")),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(format!("{path}: {error}")),
        }
    }

    fn walk(&self, folder: &Path, found: &mut Vec<SiteFile>) -> std::result::Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(format!("{}: the name is no UTF-8", path.display()));
            };
            // Version control's own folders, and whatever else is hidden, are no part of a site.
            if name.starts_with('.') {
                continue;
            }
            let metadata = fs::symlink_metadata(&path).map_err(failed)?;
            if metadata.is_dir() {
                self.walk(&path, found)?;
            } else if let Ok(inside) = path.strip_prefix(&self.folder) {
                let Some(inside) = inside.to_str() else { continue };
                let executable = metadata.permissions().mode() & 0o100 != 0;
                found.push(SiteFile { path: inside.to_owned(), executable, size: metadata.len() });
            }
        }
        Ok(())
    }
}

impl SiteFiles for SiteFolder {
    fn read(&self, path: &str) -> std::result::Result<Option<Arc<[u8]>>, String> {
        let Some(real) = self.locate(path)? else { return Ok(None) };
        let Some(metadata) = standing(&real, path)?.filter(fs::Metadata::is_file) else { return Ok(None) };
        if metadata.len() > FILE_BYTES_MAX {
            return Err(format!("{path} is larger than 1 GiB: let the host fetch it, with `archive` or `exec`"));
        }
        fs::read(&real).map(|bytes| Some(Arc::from(bytes))).map_err(|error| format!("{path}: {error}"))
    }

    fn list(&self, folder: &str) -> std::result::Result<Vec<SiteFile>, String> {
        let mut found = Vec::new();
        if let Some(real) = self.locate(folder)?
            && standing(&real, folder)?.is_some_and(|metadata| metadata.is_dir())
        {
            self.walk(&real, &mut found)?;
        }
        Ok(found)
    }
}

/// What stands at a path; none if nothing does. What cannot be looked at is not taken for nothing: a site without one
/// of its files means something else.
fn standing(real: &Path, path: &str) -> std::result::Result<Option<fs::Metadata>, String> {
    match fs::metadata(real) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_found_upward_and_links_stay_inside() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("site/manifests/.git")).unwrap();
        for file in ["site/keel.toml", "site/manifests/b.kdl", "site/manifests/a.kdl", "site/manifests/.git/HEAD", "outside"] {
            fs::write(root.path().join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("../../outside", root.path().join("site/manifests/link")).unwrap();
        let site = SiteFolder::find(None, &root.path().join("site/manifests")).unwrap();
        let listed: Vec<String> = site.list("manifests").unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(listed, ["manifests/a.kdl", "manifests/b.kdl", "manifests/link"]);
        assert!(site.read("manifests/link").unwrap_err().contains("leaves the site"));
        std::os::unix::fs::symlink("loop", root.path().join("site/manifests/loop")).unwrap();
        assert!(site.read("manifests/loop").is_err());
        let huge = fs::File::create(root.path().join("site/huge")).unwrap();
        huge.set_len(2 << 30).unwrap();
        assert!(site.read("huge").unwrap_err().contains("larger than 1 GiB"));
        assert!(site.read("../outside").is_err());
        assert_eq!(site.read("manifests/none.kdl").unwrap(), None);
        assert_eq!(site.list("nowhere").unwrap(), []);
    }
}
