//! What a catalog claims of the host, whatever type declares it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keel_engine::footprint::Footprint;

/// The paths that some resource provides or writes, which a purged folder must keep, and all that
/// resources provide, which may be missing as long as they have not run.
#[derive(Debug, Default)]
pub struct Claims {
    paths: BTreeSet<PathBuf>,
    /// What the catalog brings: users, packages, paths.
    provided: BTreeSet<String>,
}

impl Claims {
    /// The claims of these footprints; all resources of the catalog belong in here.
    pub fn of<'a>(footprints: impl IntoIterator<Item = &'a Footprint>) -> Self {
        let mut claims = Self::default();
        for footprint in footprints {
            let paths = footprint.provides.iter().chain(&footprint.writes).filter_map(|key| key.strip_prefix("path:"));
            claims.paths.extend(paths.map(|path| PathBuf::from(path.split_once('#').map_or(path, |(file, _)| file))));
            claims.provided.extend(footprint.provides.iter().cloned());
        }
        claims
    }

    /// Whether a path, or something below it, is claimed.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.paths.range(path.to_owned()..).next().is_some_and(|claimed| claimed.starts_with(path))
    }

    /// Whether some resource brings this key of the host, such as `user:mysql`.
    pub(crate) fn brings(&self, key: &str) -> bool {
        self.provided.contains(key)
    }

    /// Whether exactly this path is claimed.
    pub(crate) fn names(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_paths_and_what_is_above_them() {
        let claims = Claims::of(&[
            Footprint::default().own("path:/etc/a.d/x").write("path:/etc/hosts#db-1"),
            Footprint::default().own("user:mysql"),
        ]);
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
