//! The paths that a catalog claims, whatever type declares them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keel_engine::footprint::Footprint;

/// The paths that some resource provides or writes: what a purged folder must keep.
#[derive(Debug, Default)]
pub struct Claims {
    paths: BTreeSet<PathBuf>,
}

impl Claims {
    /// The claims of these footprints; all resources of the catalog belong in here.
    pub fn of<'a>(footprints: impl IntoIterator<Item = &'a Footprint>) -> Self {
        let keys = footprints.into_iter().flat_map(|footprint| footprint.provides.iter().chain(&footprint.writes));
        let paths = keys.filter_map(|key| key.strip_prefix("path:"));
        Self { paths: paths.map(|path| PathBuf::from(path.split_once('#').map_or(path, |(file, _)| file))).collect() }
    }

    /// Whether a path, or something below it, is claimed.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.paths.range(path.to_owned()..).next().is_some_and(|claimed| claimed.starts_with(path))
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
    }
}
