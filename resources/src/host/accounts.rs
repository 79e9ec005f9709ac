//! Names and ids of users and groups.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use keel_engine::resource::Failure;
use nix::unistd::{Gid, Group, Uid, User};

use super::{Host, Stat};

/// The users and groups of the host as of one moment.
#[derive(Debug)]
pub struct Accounts {
    users: Table,
    groups: Table,
    /// The state of the two files that the tables were read from.
    read_from: [Option<Stat>; 2],
    /// Whether the system may know more than the files (LDAP and the like).
    ask_system: bool,
}

#[derive(Debug, Default)]
struct Table {
    ids: HashMap<String, u32>,
    names: HashMap<u32, String>,
}

impl Table {
    /// Reads `name:anything:id:...` lines; the first line of a name or an id counts, as for the system.
    fn parse(text: &str) -> Self {
        let mut table = Table::default();
        for line in text.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next()) else { continue };
            let Ok(id) = id.parse() else { continue };
            table.ids.entry(name.to_owned()).or_insert(id);
            table.names.entry(id).or_insert_with(|| name.to_owned());
        }
        table
    }
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

impl Host {
    /// The users and groups as they are now; the files are read again only after they changed.
    ///
    /// # Errors
    /// The files exist and cannot be read.
    pub fn accounts(&self) -> Result<Arc<Accounts>, Failure> {
        let mut folders = self.folders();
        let now = [folders.stat(PASSWD)?, folders.stat(GROUP)?];
        let mut known = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(accounts) = known.as_ref().filter(|accounts| accounts.read_from == now) {
            return Ok(Arc::clone(accounts));
        }
        let read = |path| Ok::<_, Failure>(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default());
        let accounts = Arc::new(Accounts {
            users: Table::parse(&read(PASSWD)?),
            groups: Table::parse(&read(GROUP)?),
            read_from: now,
            ask_system: self.is_machine(),
        });
        *known = Some(Arc::clone(&accounts));
        Ok(accounts)
    }
}

impl Accounts {
    /// The id of a user. A text of digits that is no name is the id itself.
    pub fn user_id(&self, name: &str) -> Option<u32> {
        let asked = || self.ask_system.then(|| User::from_name(name).ok().flatten()).flatten().map(|user| user.uid.as_raw());
        self.users.ids.get(name).copied().or_else(|| name.parse().ok()).or_else(asked).or_else(|| root_id(name))
    }

    /// The id of a group, likewise.
    pub fn group_id(&self, name: &str) -> Option<u32> {
        let asked = || self.ask_system.then(|| Group::from_name(name).ok().flatten()).flatten().map(|group| group.gid.as_raw());
        self.groups.ids.get(name).copied().or_else(|| name.parse().ok()).or_else(asked).or_else(|| root_id(name))
    }

    /// The name of a user, or the id as text where nobody has it.
    pub fn user_name(&self, id: u32) -> String {
        let asked = || self.ask_system.then(|| User::from_uid(Uid::from_raw(id)).ok().flatten()).flatten().map(|user| user.name);
        self.users.names.get(&id).cloned().or_else(asked).unwrap_or_else(|| id.to_string())
    }

    /// The name of a group, likewise.
    pub fn group_name(&self, id: u32) -> String {
        let asked = || self.ask_system.then(|| Group::from_gid(Gid::from_raw(id)).ok().flatten()).flatten().map(|group| group.name);
        self.groups.names.get(&id).cloned().or_else(asked).unwrap_or_else(|| id.to_string())
    }
}

/// Root is 0 by the kernel, also below a root folder without account files.
fn root_id(name: &str) -> Option<u32> {
    (name == "root").then_some(0)
}

#[cfg(test)]
mod tests {
    use crate::trial::Trial;

    #[test]
    fn root_needs_no_account_files() {
        let trial = Trial::new();
        let accounts = trial.host.accounts().unwrap();
        assert_eq!((accounts.user_id("root"), accounts.group_id("root")), (Some(0), Some(0)));
        assert_eq!((accounts.user_id("ghost"), accounts.group_id("ghost")), (None, None));
        trial.write("/etc/passwd", "root:x:7:7::/:/bin/sh\n");
        assert_eq!(trial.host.accounts().unwrap().user_id("root"), Some(7), "the files come first");
    }
}
