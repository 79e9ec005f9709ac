//! The type `user`.

mod change;
mod describe;

use std::collections::{BTreeMap, BTreeSet};

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, wrong_type};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listed, Listing, Nature, ObserveError, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::text::Text;
use keel_engine::value::Value;

use crate::accounts::{self, GroupLine, Membership, PasswdLine, ShadowLine};
use crate::ensure::Ensure;
use crate::host::Host;

/// A group by its name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName(pub String);

impl AttributeValue for GroupName {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::String, Kind::Int])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(name) => Ok(GroupName(name.clone())),
            Value::Int(number) if u32::try_from(*number).is_ok() => Ok(GroupName(number.to_string())),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

attributes! {
    /// A user of the host's own files.
    ///
    /// What is not given stays as it is. Users that directory services bring are left alone.
    ///
    ///     user deploy uid=1500 shell="/bin/bash" groups=sudo managehome=#true
    ///     user ada uid=1501 gid=users shell="/bin/bash" managehome=#true {
    ///         groups adm web
    ///         password (secret)"users/ada"
    ///     }
    ///
    /// With `purge user` accounts that no resource declares go, from the ids for people on (`UID_MIN` in
    /// login.defs), unless something declared needs them, such as a file of theirs. Homes stay.
    pub struct User: "user" {
        /// The user's name.
        [title] pub name: String,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// The user's number. Not given: whatever it is, or the next free one.
        pub uid: Option<u32>,
        /// The primary group, by name or number. Not given: a new user gets a group of its own name.
        pub gid: Option<GroupName>,
        /// The other groups that the user is in.
        pub groups: Vec<String>,
        /// Whether the user may be in further groups: `minimum` (yes) or `inclusive` (no).
        pub membership: Membership = Membership::Minimum,
        /// The home folder. Not given: whatever it is, `/home/NAME` for a new user.
        pub home: Option<AbsolutePath>,
        /// Whether the home folder is made, moved and removed with the user.
        pub managehome: bool = false,
        /// The login shell.
        pub shell: Option<AbsolutePath>,
        /// The full name or whatever else describes the user.
        pub comment: Option<String>,
        /// The password as a hash (`mkpasswd` makes one), `*` for none, or `!` and the hash to lock it.
        [secret] pub password: Option<Text>,
        /// The most days that a password lasts; -1 for no limit.
        pub password_max_age: Option<i64>,
        /// The fewest days between two changes of the password.
        pub password_min_age: Option<i64>,
        /// How many days before its password expires the user is warned.
        pub password_warn_days: Option<i64>,
        /// The day on which the account ends, `2030-01-31`, or `never`.
        pub expiry: Option<String>,
        /// Whether a new one is numbered among the system's users.
        pub system: bool = false,
        /// Whether another user may have the same number.
        pub allowdupe: bool = false,
    }
    check |desired| {
        let mut errors = Vec::new();
        for (attribute, name) in [("name", &desired.name)].into_iter().chain(desired.groups.iter().map(|group| ("groups", group))) {
            if !accounts::is_account_name(name) {
                errors.push(AttributeError::of_value(attribute, format!("{name:?} cannot be a name")).help(accounts::NAME_HELP));
            }
        }
        if desired.gid.as_ref().is_some_and(|GroupName(gid)| !accounts::is_account_name(gid) && gid.parse::<u32>().is_err()) {
            errors.push(AttributeError::new("gid", "cannot be a group's name").help(accounts::NAME_HELP));
        }
        let texts = [("comment", desired.comment.as_deref()), ("home", desired.home.as_ref().map(AbsolutePath::as_str)), ("shell", desired.shell.as_ref().map(AbsolutePath::as_str))];
        for (attribute, text) in texts {
            if text.is_some_and(|text| text.contains([':', '\n'])) {
                errors.push(AttributeError::new(attribute, "cannot hold a colon or a line break, which separate fields and users"));
            }
        }
        if desired.expiry.as_deref().is_some_and(|expiry| expiry != "never" && accounts::parse_day(expiry).is_none()) {
            errors.push(AttributeError::of_value("expiry", "expected a day such as \"2030-01-31\", or \"never\""));
        }
        errors.extend(check_password(desired.password.as_ref()));
        errors
    }
}

/// A password in clear where its hash belongs would be written where many can read it.
fn check_password(password: Option<&Text>) -> Option<AttributeError> {
    let text = match password? {
        Text::Plain(text) if text.is_empty() => return Some(AttributeError::new("password", "is empty: anybody could log in")),
        Text::Plain(text) => text.to_string(),
        Text::Secret(secret) => secret.reveal_secret_text().to_owned(),
        Text::Blob(_) => return Some(AttributeError::of_value("password", "expected a text, found a file's content")),
    };
    let hash = text.trim_start_matches('!');
    let fits = hash.is_empty() || hash.starts_with('*') || hash.starts_with('$') && hash.matches('$').count() >= 3;
    // The compiler checks secrets before it can open them, as the empty text.
    if fits && !text.contains([':', '\n']) {
        return None;
    }
    Some(AttributeError::new("password", "is no hash of a password").help("make one with `mkpasswd`, or write \"*\" for no password"))
}

/// What was found of a user.
#[derive(Debug)]
pub struct ObservedUser {
    passwd: Option<PasswdLine>,
    /// Only where something in it is managed.
    shadow: Option<ShadowLine>,
    /// The name of the primary group, or its number where it has none.
    primary: String,
    groups: BTreeSet<String>,
    /// Groups that the manifest names and the host does not have.
    unknown_groups: Vec<String>,
    /// Whether there is a group of the user's name.
    has_namesake: bool,
}

impl User {
    fn needs_shadow(&self) -> bool {
        let ages = [self.password_max_age, self.password_min_age, self.password_warn_days];
        self.password.is_some() || self.expiry.is_some() || ages.iter().any(Option::is_some)
    }

    /// All groups that have to be there.
    fn named_groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(String::as_str).chain(self.gid.as_ref().map(|gid| gid.0.as_str()))
    }
}

/// The type `user`.
pub struct UserType;

impl ResourceType for UserType {
    type Host = Host;
    type Desired = User;
    type Observed = ObservedUser;

    fn observe(&self, host: &Host, desired: &[&User]) -> Vec<Result<ObservedUser, ObserveError>> {
        let shadow_needed = desired.iter().any(|user| user.needs_shadow());
        let read = || -> Result<_, Failure> {
            let shadow = if shadow_needed { accounts::read(host, "/etc/shadow") } else { Ok(String::new()) };
            Ok((accounts::read(host, "/etc/passwd")?, accounts::read(host, "/etc/group")?, shadow))
        };
        let (passwd, group, shadow) = match read() {
            Ok(files) => files,
            Err(failure) => return desired.iter().map(|_| Err(failure.clone().into())).collect(),
        };
        let (users, groups) = (accounts::parse_passwd(&passwd), accounts::parse_group(&group));
        let shadow = shadow.map(|shadow| accounts::parse_shadow(&shadow));
        let observe_one = |user: &&User| {
            // Only the users of whom something secret is managed fail where the file cannot be read.
            let shadow = if user.needs_shadow() { shadow.as_ref().map_err(Clone::clone)?.get(&user.name).cloned() } else { None };
            expect_files(host, user, users.contains_key(&user.name))?;
            let observed = observe_one(user, users.get(&user.name), shadow, &groups);
            match observed.unknown_groups.iter().find(|group| !may_come(host, group)) {
                Some(group) if user.ensure == Ensure::Present => Err(ObserveError::NotYet(change::no_group(user, group))),
                _ => Ok(observed),
            }
        };
        desired.iter().map(observe_one).collect()
    }

    fn diff(&self, desired: &User, observed: &ObservedUser) -> Vec<Change> {
        match (desired.ensure, &observed.passwd) {
            (Ensure::Absent, None) => Vec::new(),
            (Ensure::Absent, Some(_)) => vec![Change::delete("ensure", "present")],
            (Ensure::Present, None) => {
                let mut changes = vec![Change::create("ensure", "present")];
                let differences = differences(desired, observed);
                changes.extend(differences.into_iter().map(|(attribute, _, after)| Change::create(attribute, after)));
                changes
            }
            (Ensure::Present, Some(_)) => {
                let differences = differences(desired, observed);
                differences.into_iter().map(|(attribute, before, after)| Change::update(attribute, before, after)).collect()
            }
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        accounts::alone(|| change::apply(host, work))
    }

    fn footprint(&self, desired: &User) -> Footprint {
        let mut footprint = Footprint::default().own(format!("user:{}", desired.name));
        for group in desired.named_groups().chain([desired.name.as_str()]) {
            footprint = footprint.need(format!("group:{group}"));
        }
        match &desired.home {
            Some(home) if desired.managehome => {
                let needed = home.parent().map(|parent| format!("path:{parent}"));
                needed.into_iter().fold(footprint.provide(format!("path:{home}")), Footprint::need)
            }
            _ => footprint,
        }
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, ..Nature::default() }
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| describe::removable(host).map(Listed::from))
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        describe::users(host, title).map(Some)
    }
}

/// Whether the catalog brings a group of this name, by itself or with a user of the name. Whose
/// number it may be is not known before it is there.
fn may_come(host: &Host, group: &str) -> bool {
    let declared = |kind: &str| host.claims().brings(&format!("{kind}:{group}"));
    group.parse::<u32>().is_ok() || declared("group") || declared("user")
}

/// Fails where a new account has no place, or its password and ages have none: the tools would put a hash
/// where everybody can read it.
fn expect_files(host: &Host, user: &User, exists: bool) -> Result<(), ObserveError> {
    if user.ensure == Ensure::Absent {
        return Ok(());
    }
    if !exists {
        host.folders().expect_folder_of("/etc/passwd")?;
    }
    if user.needs_shadow() && host.stat_followed("/etc/shadow")?.is_none() {
        let failure = Failure::new("there is no /etc/shadow to keep a password or the ages of one in");
        return Err(ObserveError::NotYet(failure.help("`pwconv` makes it; so does the package passwd")));
    }
    Ok(())
}

fn observe_one(
    desired: &User,
    passwd: Option<&PasswdLine>,
    shadow: Option<ShadowLine>,
    groups: &BTreeMap<String, GroupLine>,
) -> ObservedUser {
    let primary = passwd.map_or_else(String::new, |user| {
        let named = groups.iter().find(|(_, group)| group.gid == user.gid).map(|(name, _)| name.clone());
        named.unwrap_or_else(|| user.gid.to_string())
    });
    let member_of = groups.iter().filter(|(_, group)| group.members.contains(&desired.name)).map(|(name, _)| name.clone()).collect();
    let exists = |name: &str| groups.contains_key(name) || name.parse().is_ok_and(|gid: u32| groups.values().any(|group| group.gid == gid));
    ObservedUser {
        passwd: passwd.cloned(),
        shadow,
        primary,
        groups: member_of,
        unknown_groups: desired.named_groups().filter(|name| !exists(name)).map(str::to_owned).collect(),
        has_namesake: groups.contains_key(&desired.name),
    }
}

/// An attribute that is not as it shall be, with what it is and what it shall be.
type Difference = (&'static str, Shown, Shown);

fn differences(desired: &User, observed: &ObservedUser) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    let passwd = observed.passwd.as_ref();
    if let Some(uid) = desired.uid.filter(|uid| passwd.is_none_or(|user| user.uid != *uid)) {
        found.push(("uid", passwd.map_or(Shown::Absent, |user| i64::from(user.uid).into()), i64::from(uid).into()));
    }
    if let Some(GroupName(gid)) = &desired.gid
        && passwd.is_none_or(|user| *gid != observed.primary && gid.parse() != Ok(user.gid))
    {
        found.push(("gid", passwd.map_or(Shown::Absent, |_| observed.primary.as_str().into()), gid.as_str().into()));
    }
    let groups = wanted_groups(desired, observed);
    if groups != observed.groups {
        let list = |names: &BTreeSet<String>| Shown::from(names.iter().cloned().collect::<Vec<String>>());
        found.push(("groups", list(&observed.groups), list(&groups)));
    }
    let texts = [
        ("home", desired.home.as_ref().map(AbsolutePath::as_str), passwd.map(|user| user.home.as_str())),
        ("shell", desired.shell.as_ref().map(AbsolutePath::as_str), passwd.map(|user| user.shell.as_str())),
        ("comment", desired.comment.as_deref(), passwd.map(|user| user.comment.as_str())),
    ];
    for (attribute, wanted, is) in texts {
        if let Some(wanted) = wanted.filter(|wanted| is != Some(wanted)) {
            found.push((attribute, is.map_or(Shown::Absent, Shown::from), wanted.into()));
        }
    }
    found.extend(shadow_differences(desired, observed.shadow.as_ref()));
    found
}

fn shadow_differences(desired: &User, shadow: Option<&ShadowLine>) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    if let Some(password) = desired.password.as_ref().and_then(change::password_text)
        && shadow.is_none_or(|shadow| shadow.password != password)
    {
        found.push(("password", if shadow.is_some() { Shown::Hidden } else { Shown::Absent }, Shown::Hidden));
    }
    let ages = [
        ("password_max_age", desired.password_max_age, shadow.and_then(|shadow| shadow.age_max)),
        ("password_min_age", desired.password_min_age, shadow.and_then(|shadow| shadow.age_min)),
        ("password_warn_days", desired.password_warn_days, shadow.and_then(|shadow| shadow.warn)),
    ];
    for (attribute, wanted, is) in ages {
        // The tools write "no limit", -1, as an empty field.
        if let Some(wanted) = wanted.filter(|wanted| is.unwrap_or(-1) != *wanted) {
            found.push((attribute, is.map_or(Shown::Absent, Shown::from), wanted.into()));
        }
    }
    if let Some(expiry) = &desired.expiry {
        let is = shadow.and_then(|shadow| shadow.expiry);
        if is != accounts::parse_day(expiry) {
            found.push(("expiry", is.map_or_else(|| "never".into(), |days| accounts::show_day(days).into()), expiry.as_str().into()));
        }
    }
    found
}

/// The further groups that the user shall be in.
fn wanted_groups(desired: &User, observed: &ObservedUser) -> BTreeSet<String> {
    let primary = desired.gid.as_ref().map_or(observed.primary.as_str(), |gid| gid.0.as_str());
    let named = desired.groups.iter().filter(|group| *group != primary).cloned();
    match desired.membership {
        Membership::Minimum => observed.groups.iter().cloned().chain(named).collect(),
        Membership::Inclusive => named.collect(),
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::secret::Secret;

    use super::*;
    use crate::host::Claims;
    use crate::trial::{Trial, list};

    const HASH: &str = "$6$salt$hash";

    fn trial() -> Option<Trial> {
        let trial = Trial::as_root()?;
        trial.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nada:x:1000:100:Ada:/home/ada:/bin/sh\n");
        trial.write("/etc/shadow", "root:*:19000:0:99999:7:::\nada:!:19000:0:99999:7:::\n");
        trial.write("/etc/group", "root:x:0:\nusers:x:100:\nweb:x:500:\nadm:x:4:ada\n");
        trial.write("/etc/login.defs", "UID_MIN 1000\nUSERGROUPS_ENAB yes\n");
        trial.write("/home/ada/file", "");
        Some(trial)
    }

    #[test]
    fn comes_with_all_attributes_and_goes() {
        let Some(trial) = trial() else { return };
        let text = |text: &str| Value::from(text);
        let attributes = [
            ("uid", Value::Int(1500)),
            ("gid", text("web")),
            ("groups", list(&["adm", "web"])),
            ("home", text("/home/eve")),
            ("managehome", Value::Bool(true)),
            ("shell", text("/bin/sh")),
            ("comment", text("Eve X")),
            ("password", Value::Secret(Secret::new(HASH.to_owned()))),
            ("password_max_age", Value::Int(90)),
            ("expiry", text("2030-01-01")),
        ];
        let made = trial.converge(&UserType, "eve", &attributes).unwrap();
        assert!(made.contains(&"+ password: absent -> (secret)".to_owned()), "{made:?}");
        assert!(!format!("{made:?}").contains(HASH));
        assert!(trial.read("/etc/passwd").contains("eve:x:1500:500:Eve X:/home/eve:/bin/sh\n"));
        assert!(trial.read("/etc/shadow").contains(&format!("eve:{HASH}:")) && trial.read("/etc/shadow").contains(":90:"));
        assert!(trial.exists("/home/eve"));
        let gone = [("ensure", text("absent")), ("managehome", Value::Bool(true))];
        assert_eq!(trial.converge(&UserType, "eve", &gone).unwrap(), ["- ensure: present -> absent"]);
        assert!(!trial.exists("/home/eve") && !trial.read("/etc/group").contains("eve"));
    }

    #[test]
    fn takes_the_group_of_its_own_name() {
        let Some(trial) = trial() else { return };
        trial.converge(&UserType, "web", &[]).unwrap();
        assert!(trial.read("/etc/passwd").contains(":500::/home/web:"));
        assert!(!trial.exists("/home/web"));
    }

    #[test]
    fn attributes_change_one_by_one() {
        let Some(trial) = trial() else { return };
        let change = |attribute, value: Value| trial.converge(&UserType, "ada", &[(attribute, value)]).unwrap();
        assert_eq!(change("comment", Value::from("")), ["~ comment: Ada -> "]);
        assert_eq!(change("gid", Value::from("web")), ["~ gid: users -> web"]);
        assert_eq!(change("gid", Value::Int(500)), [""; 0]);
        assert_eq!(change("home", Value::from("/srv/ada")), ["~ home: /home/ada -> /srv/ada"]);
        assert!(trial.exists("/home/ada/file"), "the old folder stays without managehome");
        assert_eq!(change("expiry", Value::from("2030-01-01")), ["~ expiry: never -> 2030-01-01"]);
        assert_eq!(change("expiry", Value::from("never")), ["~ expiry: 2030-01-01 -> never"]);
        assert_eq!(change("password", Value::from(HASH)), ["~ password: (secret) -> (secret)"]);
        assert_eq!(change("password_max_age", Value::Int(-1)), ["~ password_max_age: 99999 -> -1"]);
    }

    #[test]
    fn groups_are_added_or_exact() {
        let Some(trial) = trial() else { return };
        let web = ("groups", list(&["web"]));
        assert_eq!(trial.converge(&UserType, "ada", std::slice::from_ref(&web)).unwrap(), ["~ groups: [adm] -> [adm, web]"]);
        let exact = [web, ("membership", Value::from("inclusive"))];
        assert_eq!(trial.converge(&UserType, "ada", &exact).unwrap(), ["~ groups: [adm, web] -> [web]"]);
        assert!(trial.read("/etc/passwd").contains("ada:x:1000:100:"), "the primary group is untouched");
    }

    #[test]
    fn an_unknown_group_or_a_taken_number_fails_before_anything_changes() {
        let Some(mut trial) = trial() else { return };
        let before = trial.read("/etc/passwd");
        let error = trial.converge(&UserType, "ada", &[("groups", list(&["ghosts"])), ("comment", Value::from("x"))]).unwrap_err();
        assert_eq!(error, "there is no group ghosts for the user ada");
        assert_eq!(
            trial.plan(&UserType, "eve", &[("gid", Value::from("ghosts"))]).unwrap_err(),
            "there is no group ghosts for the user eve"
        );
        let group = Footprint::default().own("group:ghosts");
        trial.host = Host::new(trial.path("/")).with_claims(Claims::of([group]));
        assert!(trial.plan(&UserType, "eve", &[("gid", Value::from("ghosts"))]).is_ok());
        let error = trial.converge(&UserType, "eve", &[("uid", Value::Int(1000))]).unwrap_err();
        assert!(error.contains("UID 1000 is not unique"), "{error}");
        assert_eq!(trial.read("/etc/passwd"), before);
        trial.converge(&UserType, "eve", &[("uid", Value::Int(1000)), ("allowdupe", Value::Bool(true))]).unwrap();
    }

    #[test]
    fn what_cannot_be_is_refused_without_showing_the_password() {
        let refused = |attribute: &'static str, value: Value| Trial::refuses::<UserType>("ada", &[(attribute, value)]);
        assert!(refused("password", Value::from("hunter2")).contains("is no hash"));
        assert!(!refused("password", Value::Secret(Secret::new("hunter2".to_owned()))).contains("hunter2"));
        assert!(
            refused("expiry", Value::from("tomorrow")).contains("2030-01-31")
                || refused("expiry", Value::from("tomorrow")).contains("2030-01-01")
        );
        assert!(refused("comment", Value::from("a:b")).contains("colon"));
        assert!(refused("groups", list(&["-rf"])).contains("cannot be a name"));
        assert!(refused("password", Value::from("")).contains("empty"));
    }
}
