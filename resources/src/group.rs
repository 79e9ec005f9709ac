//! The type `group`.

use std::collections::BTreeSet;

use keel_engine::attributes;
use keel_engine::attributes::AttributeError;
use keel_engine::change::Change;
use keel_engine::footprint::{Footprint, Key};
use keel_engine::resource::{Described, Failure, Listed, Listing, Nature, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};

use crate::accounts::{self, GroupLine, Membership};
use crate::ensure::Ensure;
use crate::host::Host;

attributes! {
    /// A group of the host's own files.
    ///
    /// Groups that directory services bring are left alone.
    ///
    ///     group web gid=1500
    ///     group ops membership=inclusive {
    ///         members ada eve
    ///     }
    ///
    /// With `purge group` groups that no resource declares go, from the ids for people on (`GID_MIN` in
    /// login.defs), as long as nothing declared needs them and no user that stays has one for the first group.
    pub struct Group: "group" {
        /// The group's name.
        [title] pub name: String,
        /// `present` or `absent`. The primary group of a user cannot be removed.
        pub ensure: Ensure = Ensure::Present,
        /// Its number. Not given: whatever it has, or the next free one.
        pub gid: Option<u32>,
        /// Whether a new one is numbered among the system's groups.
        pub system: bool = false,
        /// Whether another group may have the same number.
        pub allowdupe: bool = false,
        /// The names of its members; those whose primary group it is are not among them.
        pub members: Vec<String>,
        /// Whether there may be other members: `minimum` (yes) or `inclusive` (no).
        pub membership: Membership = Membership::Minimum,
    }
    check |desired| {
        let mut errors = Vec::new();
        for (attribute, name) in [("name", &desired.name)].into_iter().chain(desired.members.iter().map(|member| ("members", member))) {
            if !accounts::is_account_name(name) {
                errors.push(AttributeError::of_value(attribute, format!("{name:?} cannot be a name")).help(accounts::NAME_HELP));
            }
        }
        errors
    }
}

/// What was found of a group; none if it is not there.
#[derive(Debug)]
pub struct ObservedGroup(Option<GroupLine>);

/// The type `group`.
pub struct GroupType;

impl ResourceType for GroupType {
    type Host = Host;
    type Desired = Group;
    type Observed = ObservedGroup;

    fn observe(&self, host: &Host, desired: &[&Group]) -> Vec<Result<ObservedGroup, ObserveError>> {
        match accounts::read(host, "/etc/group") {
            Ok(text) => {
                let mut groups = accounts::parse_group(&text);
                let mut look = |group: &&Group| {
                    let found = groups.remove(&group.name);
                    if group.ensure == Ensure::Present {
                        expect_place(host, group, found.as_ref())?;
                    }
                    Ok(ObservedGroup(found))
                };
                desired.iter().map(&mut look).collect()
            }
            Err(failure) => desired.iter().map(|_| Err(failure.clone().into())).collect(),
        }
    }

    fn diff(&self, desired: &Group, observed: &ObservedGroup) -> Vec<Change> {
        match (desired.ensure, &observed.0) {
            (Ensure::Absent, None) => Vec::new(),
            (Ensure::Absent, Some(_)) => vec![Change::delete("ensure", "present")],
            (Ensure::Present, None) => {
                let mut changes = vec![Change::create("ensure", "present")];
                changes.extend(desired.gid.map(|gid| Change::create("gid", i64::from(gid))));
                changes.extend((!desired.members.is_empty()).then(|| Change::create("members", desired.members.clone())));
                changes
            }
            (Ensure::Present, Some(group)) => {
                let gid = desired.gid.filter(|gid| *gid != group.gid);
                let mut changes: Vec<Change> =
                    gid.map(|gid| Change::update("gid", i64::from(group.gid), i64::from(gid))).into_iter().collect();
                let wanted = wanted_members(desired, group);
                if wanted != group.members {
                    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<String>>();
                    changes.push(Change::update("members", list(&group.members), list(&wanted)));
                }
                changes
            }
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        accounts::alone(|| apply(host, work))
    }

    fn footprint(&self, desired: &Group) -> Footprint {
        let own = Footprint::default().own(format!("group:{}", desired.name));
        desired.members.iter().fold(own, |footprint, member| footprint.need(format!("user:{member}")))
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, ..Nature::default() }
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| removable(host).map(Listed::from))
    }

    fn holders(&self, host: &Host, title: &str) -> Result<Vec<Key>, Failure> {
        let users = accounts::parse_passwd(&accounts::read(host, "/etc/passwd")?);
        let groups = accounts::parse_group(&accounts::read(host, "/etc/group")?);
        let Some(group) = groups.get(title) else { return Ok(Vec::new()) };
        Ok(users.iter().filter(|(_, user)| user.gid == group.gid).map(|(name, _)| format!("user:{name}")).collect())
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let groups = accounts::parse_group(&accounts::read(host, "/etc/group")?);
        let meant = groups.into_iter().filter(|(name, _)| title.is_none_or(|title| title == name) && accounts::is_account_name(name));
        // Who is in it is said by its users: both would wait for each other.
        let attributes = |gid: u32| Map::from_iter([("gid".to_owned(), Value::Int(i64::from(gid)))]);
        let describe = |(title, group): (String, GroupLine)| Described { title, attributes: attributes(group.gid) };
        Ok(Some(meant.map(describe).collect()))
    }
}

/// People's groups, which are those above the system's own.
fn removable(host: &Host) -> Result<Vec<Described>, Failure> {
    let ids = accounts::human_ids(host, "GID_MIN", "GID_MAX")?;
    let groups = accounts::parse_group(&accounts::read(host, "/etc/group")?);
    let human = groups.into_iter().filter(|(name, group)| ids.contains(&group.gid) && accounts::is_account_name(name));
    Ok(human.map(|(title, _)| Described { title, attributes: Map::new() }).collect())
}

/// Fails where a new group has no place, or a new member no account.
fn expect_place(host: &Host, desired: &Group, found: Option<&GroupLine>) -> Result<(), ObserveError> {
    if found.is_none() {
        host.folders().expect_folder_of("/etc/group")?;
    }
    let accounts = host.accounts()?;
    let is_in = |member: &str| found.is_some_and(|group| group.members.contains(member));
    let may_be_in = |member: &str| accounts.user_id(member).is_some() || host.claims().brings(&format!("user:{member}"));
    match desired.members.iter().find(|member| !is_in(member) && !may_be_in(member)) {
        None => Ok(()),
        Some(member) => {
            let failure = Failure::new(format!("there is no user {member} for the group {}", desired.name));
            Err(ObserveError::NotYet(failure.help(format!("declare (user){member}"))))
        }
    }
}

/// The members that the group shall have.
fn wanted_members(desired: &Group, group: &GroupLine) -> BTreeSet<String> {
    let named = desired.members.iter().cloned();
    match desired.membership {
        Membership::Minimum => group.members.iter().cloned().chain(named).collect(),
        Membership::Inclusive => named.collect(),
    }
}

fn apply(host: &Host, work: &Work<'_, GroupType>) -> Result<(), Failure> {
    let group = work.desired;
    if group.ensure == Ensure::Absent {
        return accounts::tool(host, "groupdel").argument(&group.name).succeed().map(drop);
    }
    let missing = work.observed.0.is_none();
    if missing || work.changes.iter().any(|change| change.attribute == "gid") {
        let mut command = accounts::tool(host, if missing { "groupadd" } else { "groupmod" });
        if let Some(gid) = group.gid {
            command = command.argument("-g").argument(gid.to_string());
        }
        if group.allowdupe {
            command = command.argument("-o");
        }
        if missing && group.system {
            command = command.argument("-r");
        }
        command.argument(&group.name).succeed()?;
    }
    if work.changes.iter().any(|change| change.attribute == "members") {
        let empty = GroupLine { gid: 0, members: BTreeSet::new() };
        let members = wanted_members(group, work.observed.0.as_ref().unwrap_or(&empty));
        let members: Vec<String> = members.into_iter().collect();
        accounts::tool(host, "gpasswd").argument("-M").argument(members.join(",")).argument(&group.name).succeed()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn trial() -> Option<Trial> {
        let trial = Trial::as_root()?;
        trial.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nada:x:1000:100::/home/ada:/bin/sh\neve:x:1001:1001::/:/bin/sh\n");
        trial.write("/etc/group", "root:x:0:\nold:x:300:eve\n");
        Some(trial)
    }

    #[test]
    fn comes_changes_and_goes() {
        let Some(trial) = trial() else { return };
        let made = trial.converge(&GroupType, "web", &[("gid", Value::Int(500)), ("members", list(&["ada"]))]).unwrap();
        assert_eq!(made, ["+ ensure: absent -> present", "+ gid: absent -> 500", "+ members: absent -> [ada]"]);
        assert!(trial.read("/etc/group").ends_with("web:x:500:ada\n"));
        assert_eq!(trial.converge(&GroupType, "web", &[("gid", Value::Int(501))]).unwrap(), ["~ gid: 500 -> 501"]);
        assert_eq!(trial.converge(&GroupType, "web", &[("ensure", Value::from("absent"))]).unwrap(), ["- ensure: present -> absent"]);
        assert!(!trial.read("/etc/group").contains("web"));
    }

    #[test]
    fn members_are_added_or_exact() {
        let Some(trial) = trial() else { return };
        assert_eq!(trial.converge(&GroupType, "old", &[("members", list(&["ada"]))]).unwrap(), ["~ members: [eve] -> [ada, eve]"]);
        let exact = [("members", list(&["ada"])), ("membership", Value::from("inclusive"))];
        assert_eq!(trial.converge(&GroupType, "old", &exact).unwrap(), ["~ members: [ada, eve] -> [ada]"]);
        assert_eq!(trial.converge(&GroupType, "old", &[("membership", Value::from("inclusive"))]).unwrap(), ["~ members: [ada] -> []"]);
    }

    #[test]
    fn a_member_without_an_account_is_said_in_the_plan() {
        let trial = Trial::new();
        trial.write("/etc/passwd", "ada:x:1000:100::/home/ada:/bin/sh\n");
        trial.write("/etc/group", "old:x:300:gone\n");
        let plan = |members: &[&str]| trial.plan(&GroupType, "old", &[("members", list(members))]);
        assert_eq!(plan(&["ada", "ghost"]).unwrap_err(), "there is no user ghost for the group old");
        assert_eq!(plan(&["gone"]).unwrap(), [""; 0], "who is in it already needs no account");
        assert_eq!(plan(&["ada"]).unwrap(), ["~ members: [gone] -> [ada, gone]"]);
    }

    #[test]
    fn the_primary_group_of_a_user_stays() {
        let Some(trial) = trial() else { return };
        trial.write("/etc/group", "root:x:0:\nusers:x:100:\n");
        let error = trial.converge(&GroupType, "users", &[("ensure", Value::from("absent"))]).unwrap_err();
        assert!(error.contains("cannot remove the primary group of user 'ada'"), "{error}");
    }

    #[test]
    fn groups_of_people_can_be_purged_as_far_as_their_users_let_them() {
        let trial = Trial::new();
        trial.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n");
        trial.write("/etc/group", "root:x:0:\nada:x:1000:\nteam:x:1500:ada\nsys:x:999:\nnogroup:x:65534:\n");
        let titles: Vec<String> = removable(&trial.host).unwrap().into_iter().map(|group| group.title).collect();
        assert_eq!(titles, ["ada", "team"]);
        let holders = |group: &str| GroupType.holders(&trial.host, group).unwrap();
        assert_eq!((holders("ada"), holders("team"), holders("none")), (vec!["user:ada".to_owned()], vec![], vec![]));
        trial.write("/etc/login.defs", "# GID_MIN 5\nGID_MIN\t2000\n");
        assert!(removable(&trial.host).unwrap().is_empty());
    }
}
