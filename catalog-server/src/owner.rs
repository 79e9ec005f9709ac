//! Whose the state is: commands that root runs act as the user that the server runs as, so that it can read what they wrote.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use crate::error::{Error, Result};

/// Becomes the owner of a folder, if this process is root and the folder is there and somebody else's.
///
/// # Errors
/// The system does not allow it.
pub fn become_owner_of(folder: &Path) -> Result<()> {
    let Ok(metadata) = std::fs::metadata(folder) else { return Ok(()) };
    if !geteuid().is_root() || metadata.uid() == 0 {
        return Ok(());
    }
    let change = || -> nix::Result<()> {
        setgroups(&[])?;
        setgid(Gid::from_raw(metadata.gid()))?;
        setuid(Uid::from_raw(metadata.uid()))
    };
    change().map_err(|error| Error::trouble(format!("cannot act as the owner of {}: {error}", folder.display())))
}
