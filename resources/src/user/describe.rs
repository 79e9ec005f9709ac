//! The users of a host as manifests would keep them. Passwords are nobody's to print.

use keel_engine::attributes::{AbsolutePath, AttributeValue};
use keel_engine::resource::{Described, Failure};
use keel_engine::value::{Map, Value};

use crate::accounts::{self, GroupLine, PasswdLine};
use crate::host::Host;

pub(super) fn users(host: &Host, title: Option<&str>) -> Result<Vec<Described>, Failure> {
    let users = accounts::parse_passwd(&accounts::read(host, "/etc/passwd")?);
    let groups = accounts::parse_group(&accounts::read(host, "/etc/group")?);
    let meant = users.iter().filter(|(name, _)| title.is_none_or(|title| title == *name) && accounts::is_account_name(name));
    Ok(meant.map(|(name, user)| Described { title: name.clone(), attributes: attributes(name, user, &groups) }).collect())
}

/// People's accounts, which are those above the system's own; not the one that this program runs as.
pub(super) fn removable(host: &Host) -> Result<Vec<Described>, Failure> {
    let ids = accounts::human_ids(host, "UID_MIN", "UID_MAX")?;
    let users = accounts::parse_passwd(&accounts::read(host, "/etc/passwd")?);
    let own = nix::unistd::Uid::current().as_raw();
    let human = users.into_iter().filter(|(name, user)| ids.contains(&user.uid) && user.uid != own && accounts::is_account_name(name));
    Ok(human.map(|(title, _)| Described { title, attributes: Map::new() }).collect())
}

fn attributes(name: &str, user: &PasswdLine, groups: &std::collections::BTreeMap<String, GroupLine>) -> Map {
    let primary = groups.iter().find(|(_, group)| group.gid == user.gid).map(|(name, _)| name.as_str());
    let gid = primary.map_or_else(|| Value::Int(i64::from(user.gid)), Value::from);
    let mut attributes = Map::from_iter([("uid".to_owned(), Value::Int(i64::from(user.uid))), ("gid".to_owned(), gid)]);
    // What manifests cannot say is left out: no path, or one in another spelling.
    for (attribute, path) in [("home", &user.home), ("shell", &user.shell)] {
        let path = Value::from(path.as_str());
        if AbsolutePath::read(&path).is_ok() {
            attributes.insert(attribute.to_owned(), path);
        }
    }
    if !user.comment.is_empty() {
        attributes.insert("comment".to_owned(), Value::from(user.comment.as_str()));
    }
    let further: Vec<&str> = groups.iter().filter(|(_, group)| group.members.contains(name)).map(|(name, _)| name.as_str()).collect();
    if !further.is_empty() {
        attributes.insert("groups".to_owned(), Value::from(further));
    }
    attributes
}
