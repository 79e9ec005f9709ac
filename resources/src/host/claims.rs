//! What a catalog claims of the host, whatever type declares it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use keel_engine::footprint::Footprint;

/// The paths that some resource provides or writes, which a purged folder must keep, and all that
/// resources provide, which may be missing as long as they have not run. Both are worked out when
/// somebody asks: most runs of a converged host never do.
#[derive(Debug, Default)]
pub struct Claims {
    footprints: Arc<[Footprint]>,
    paths: OnceLock<BTreeSet<PathBuf>>,
    /// What the catalog brings: users, packages, paths.
    provided: OnceLock<HashSet<String>>,
}

impl Claims {
    /// The claims of these footprints; all resources of the catalog belong in here.
    pub fn of(footprints: impl Into<Arc<[Footprint]>>) -> Self {
        Self { footprints: footprints.into(), ..Self::default() }
    }

    fn paths(&self) -> &BTreeSet<PathBuf> {
        self.paths.get_or_init(|| {
            let keys = self.footprints.iter().flat_map(|footprint| footprint.provides.iter().chain(&footprint.writes));
            let paths = keys.filter_map(|key| key.strip_prefix("path:"));
            paths.map(|path| PathBuf::from(path.split_once('#').map_or(path, |(file, _)| file))).collect()
        })
    }

    /// Whether a path, or something below it, is claimed.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.paths().range(path.to_owned()..).next().is_some_and(|claimed| claimed.starts_with(path))
    }

    /// Whether some resource brings this key of the host, such as `user:mysql`.
    pub(crate) fn brings(&self, key: &str) -> bool {
        let provided = || self.footprints.iter().flat_map(|footprint| footprint.provides.iter().cloned()).collect();
        self.provided.get_or_init(provided).contains(key)
    }

    /// Whether some resource writes this key itself, such as a path that it makes.
    pub(crate) fn writes(&self, key: &str) -> bool {
        self.footprints.iter().any(|footprint| footprint.writes.iter().any(|written| written == key))
    }

    /// Whether exactly this path is claimed.
    pub(crate) fn names(&self, path: &Path) -> bool {
        self.paths().contains(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_paths_and_what_is_above_them() {
        let claims =
            Claims::of([Footprint::default().own("path:/etc/a.d/x").write("path:/etc/hosts#db-1"), Footprint::default().own("user:mysql")]);
        for held in ["/etc", "/etc/a.d", "/etc/a.d/x", "/etc/hosts"] {
            assert!(claims.holds(Path::new(held)), "{held}");
        }
        for free in ["/etc/a", "/etc/a.d/x/y", "/etc/b", "/usr"] {
            assert!(!claims.holds(Path::new(free)), "{free}");
        }
        assert!(claims.names(Path::new("/etc/hosts")) && !claims.names(Path::new("/etc")));
        assert!(claims.brings("user:mysql") && claims.brings("path:/etc/a.d/x") && !claims.brings("path:/etc/hosts"));
    }
}
