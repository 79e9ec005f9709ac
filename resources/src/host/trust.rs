//! Whom a path can be trusted with: tools that go by path, and run or believe what they find there, are let loose
//! only where nobody else can change anything.

use std::path::{Path, PathBuf};

use keel_engine::resource::Failure;
use rustix::io::Errno;

use super::folders::place_failure;
use super::place::{self, LastLink, PlaceError};
use super::replace::stat_at;
use super::{FileKind, Host};

impl Host {
    /// What others than root and who runs this can change at a path, through its links, or down to so many levels
    /// below it: the first such path. None where there is none, or nothing stands there.
    ///
    /// # Errors
    /// The path cannot be looked at.
    pub fn untrusted(&self, path: impl AsRef<Path>, depth: usize) -> Result<Option<PathBuf>, Failure> {
        let path = path.as_ref();
        let place = match place::walk(self.root_folder()?, path, LastLink::Followed) {
            Ok(place) => place,
            Err(PlaceError::Errno(Errno::NOENT | Errno::NOTDIR)) => return Ok(None),
            Err(PlaceError::UntrustedLink(_)) => return Ok(Some(path.to_owned())),
            Err(error) => return Err(place_failure("look at", path, &error)),
        };
        let Some(stat) = stat_at(&place.folder, &place.name, path)? else { return Ok(None) };
        if !place.steady || !place::is_ours(&stat) {
            return Ok(Some(path.to_owned()));
        }
        if depth == 0 || stat.kind != FileKind::Folder {
            return Ok(None);
        }
        // A link in a folder of ours was made by one of us, whosever it is.
        let found = self.list_tree(place.above.join(&place.name), depth)?;
        let other = found.into_iter().find(|(_, stat)| stat.kind != FileKind::Link && !place::is_ours(stat));
        Ok(other.map(|(below, _)| path.join(below)))
    }

    /// Fails where [`Host::untrusted`] finds something; `danger` says what they could do by it, `help` what to do about it.
    ///
    /// # Errors
    /// Others can change something, or the path cannot be looked at.
    pub fn expect_trusted(&self, path: impl AsRef<Path>, depth: usize, danger: &str, help: &str) -> Result<(), Failure> {
        match self.untrusted(path, depth)? {
            Some(other) => Err(Failure::new(format!("others can change {}, so {danger}", other.display())).help(help)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use crate::trial::Trial;

    fn set_mode(trial: &Trial, path: &str, mode: u32) {
        fs::set_permissions(trial.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_write_on_the_way_or_below_is_found() {
        let trial = Trial::new();
        trial.write("/a/b/c", "x");
        let at = |path: &str, depth: usize| trial.host.untrusted(path, depth).unwrap();
        assert_eq!(at("/a/b", 9), None);
        assert_eq!(at("/a/none/x", 9), None);
        set_mode(&trial, "/a/b/c", 0o666);
        assert_eq!((at("/a/b", 0), at("/a", 1)), (None, None), "further down than asked for");
        assert_eq!(at("/a", 2), Some("/a/b/c".into()));
        set_mode(&trial, "/a", 0o777);
        assert_eq!(at("/a/b", 0), Some("/a/b".into()));
        set_mode(&trial, "/a", 0o1777);
        assert_eq!(at("/a/b", 0), None, "in a sticky folder nobody can move what is not theirs");
        assert_eq!(at("/a", 0), Some("/a".into()));
        symlink("b", trial.path("/a/link")).unwrap();
        assert_eq!(at("/a/link", 0), Some("/a/link".into()), "a link there may be anybody's");
    }

    #[test]
    fn what_belongs_to_somebody_else_is_found() {
        let Some(trial) = Trial::as_root() else { return };
        trial.write("/a/b/c", "x");
        symlink("/nonexistent", trial.path("/a/link")).unwrap();
        std::os::unix::fs::lchown(trial.path("/a/link"), Some(77), None).unwrap();
        assert_eq!(trial.host.untrusted("/a", 9).unwrap(), None);
        chown(trial.path("/a/b/c"), Some(77), None).unwrap();
        assert_eq!(trial.host.untrusted("/a", 9).unwrap(), Some("/a/b/c".into()));
        chown(trial.path("/a/b"), Some(77), None).unwrap();
        assert_eq!(trial.host.untrusted("/a/b/c", 0).unwrap(), Some("/a/b/c".into()));
    }
}
