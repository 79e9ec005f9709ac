//! As whom a command runs.

use nix::unistd::{Gid, Group, Uid, User};

use super::output::CommandError;

/// A user and a group other than the program's own.
#[derive(Debug, Clone, Default)]
pub(super) struct RunAs {
    /// The user, with all groups it is in.
    pub(super) user: Option<String>,
    /// The group; the user's own, or the program's, where none is given.
    pub(super) group: Option<String>,
}

impl RunAs {
    /// Puts the program before the command that takes on user and group. `shown` is the command as people may see it.
    ///
    /// # Errors
    /// There is no such user or group, or the program may not become them.
    pub(super) fn put_on(&self, command: &mut std::process::Command, shown: &str) -> Result<(), CommandError> {
        let failed = |reason: String| CommandError::Failed { command: shown.to_owned(), reason };
        let missing = |account: String| CommandError::NoAccount { command: shown.to_owned(), account };
        let (mut uid, mut gid) = (None, None);
        if let Some(name) = &self.user {
            let user = User::from_name(name).map_err(|error| failed(format!("cannot look up the user {name}: {error}")))?;
            let user = user.ok_or_else(|| missing(format!("user {name}")))?;
            command.env("HOME", &user.dir).env("USER", name).env("LOGNAME", name).env("SHELL", &user.shell);
            if user.uid != Uid::effective() {
                (uid, gid) = (Some(user.uid), Some(user.gid));
            }
        }
        if let Some(name) = &self.group {
            let group = Group::from_name(name).map_err(|error| failed(format!("cannot look up the group {name}: {error}")))?;
            gid = Some(group.ok_or_else(|| missing(format!("group {name}")))?.gid);
        }
        let Some(gid) = gid.filter(|gid| uid.is_some() || *gid != Gid::effective()) else { return Ok(()) };
        if !Uid::effective().is_root() {
            return Err(failed("only root can run commands as somebody else".to_owned()));
        }
        command.args(["/usr/bin/setpriv", "--regid", &gid.to_string()]);
        match uid {
            Some(uid) => command.args(["--reuid", &uid.to_string(), "--init-groups"]),
            None => command.arg("--keep-groups"),
        };
        Ok(())
    }
}
