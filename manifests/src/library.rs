//! The stock modules, embedded: `use chrony` works in an empty site.

use std::sync::Arc;

use crate::files::{SiteFile, SiteFiles};

/// Where stock modules stand in messages and in [`WithLibrary`]; a folder that no site may have.
pub const LIBRARY_FOLDER: &str = "(library)";

macro_rules! embedded {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../library/", $path)))),+]
    };
}

/// The files of the stock modules, in the order of their paths.
const FILES: &[(&str, &[u8])] = embedded![
    "chrony/module.kdl",
    "chrony/templates/chrony.conf.j2",
    "corosync/files/corosync-readback",
    "corosync/module.kdl",
    "corosync/templates/corosync.conf.j2",
    "galera/files/galera-report",
    "galera/module.kdl",
    "galera/templates/galera.cnf.j2",
    "haproxy/files/haproxy-reload",
    "haproxy/files/haproxy-report",
    "haproxy/module.kdl",
    "haproxy/templates/haproxy.cfg.j2",
    "haproxy_member/files/haproxy-member",
    "haproxy_member/module.kdl",
    "keepalived/module.kdl",
    "keepalived/templates/keepalived.conf.j2",
    "mysql_ha/files/mysql-ha-client",
    "mysql_ha/files/mysql-ha-data",
    "mysql_ha/files/mysql-ha-report",
    "mysql_ha/module.kdl",
    "mysql_ha/templates/mysql-ha.cnf.j2",
    "mysql_ha/templates/mysql-ha.default.j2",
];

/// The paths of all stock files, below the library's folder.
pub fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, _)| *path)
}

/// The names of the stock modules.
pub fn modules() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(path, _)| path.strip_suffix("/module.kdl"))
}

/// A site's files together with the stock library's, which stand below [`LIBRARY_FOLDER`].
#[derive(Clone)]
pub struct WithLibrary {
    /// The site's own files.
    pub site: Arc<dyn SiteFiles + Send + Sync>,
}

impl SiteFiles for WithLibrary {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        match in_library(path) {
            Some(path) => Ok(FILES.iter().find(|(known, _)| *known == path).map(|(_, bytes)| Arc::from(*bytes))),
            None => self.site.read(path),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<SiteFile>, String> {
        let Some(folder) = in_library(folder) else { return self.site.list(folder) };
        let below = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let found = FILES.iter().filter(|(path, _)| below(path));
        let file = |(path, bytes): &(&str, &[u8])| SiteFile {
            path: format!("{LIBRARY_FOLDER}/{path}"),
            executable: false,
            size: bytes.len() as u64,
        };
        Ok(found.map(file).collect())
    }
}

fn in_library(path: &str) -> Option<&str> {
    path.strip_prefix(LIBRARY_FOLDER)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn stock_files_stand_beside_the_sites() {
        let site = MemoryFiles::new([("manifests/site.kdl", "x")]);
        let files = WithLibrary { site: Arc::new(site) };
        assert!(files.read("manifests/site.kdl").unwrap().is_some());
        assert!(files.read("(library)/chrony/module.kdl").unwrap().is_some());
        assert!(files.read("(library)/chrony/nothing").unwrap().is_none());
        assert_eq!(files.list("(library)/chrony").unwrap().len(), 2);
        assert!(modules().any(|module| module == "chrony"));
    }
}
