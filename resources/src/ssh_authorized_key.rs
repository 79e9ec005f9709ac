//! The type `ssh_authorized_key`: a key that opens a user's account.

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listed, Listing, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::accounts;
use crate::host::{Backup, Host, NewFile, Ownership, Stat};
use crate::ssh_key;

choices! {
    /// Whether a key opens the account.
    pub enum Ensure {
        /// It does.
        Present = "present",
        /// It does not.
        Absent = "absent",
    }
}

attributes! {
    /// A key that opens a user's account: a line in `~/.ssh/authorized_keys`. The folder and the file are
    /// made where they are missing, and belong to the user alone. Other lines stay as they are.
    ///
    ///     ssh_authorized_key "ada@laptop" user=ada key="AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX"
    ///     ssh_authorized_key "backup" user=root type=ssh-rsa key="AAAAB3NzaC1yc2EAAAADAQABAAABAQ==" {
    ///         options "command=\"/usr/local/sbin/backup\"" "no-pty"
    ///     }
    ///
    /// With `ensure=absent` it goes from `~/.ssh/authorized_keys2`, too, which sshd also reads. With
    /// `purge ssh_authorized_key` every key that no resource declares goes, in all accounts, from both.
    pub struct AuthorizedKey: "ssh_authorized_key" {
        /// The comment behind the key, by which it is found again; unique for each user.
        [title] pub name: String,
        /// `present` or `absent`; what has the same comment or is the same key goes.
        pub ensure: Ensure = Ensure::Present,
        /// Whose account it opens.
        pub user: String,
        /// The kind of the key.
        pub r#type: String = "ssh-ed25519".to_owned(),
        /// The key itself: the long word in the public key's file.
        pub key: Option<String>,
        /// What it is restricted to, such as `no-pty` or `from="10.0.0.0/8"`.
        pub options: Vec<String>,
        /// The file. Not given: `.ssh/authorized_keys` in the user's home.
        pub file: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if !is_name(&desired.name) {
            errors.push(AttributeError::new("name", "must be one line of text"));
        }
        if !accounts::is_account_name(&desired.user) {
            errors.push(AttributeError::of_value("user", format!("{:?} cannot be a user's name", desired.user)).help(accounts::NAME_HELP));
        }
        if desired.key.is_none() && desired.ensure == Ensure::Present {
            errors.push(AttributeError::new("key", "is required and not given"));
        }
        errors.extend(ssh_key::check(desired.key.as_deref(), &desired.r#type, "the long word of the .pub file, without its kind in front and its comment behind"));
        if desired.options.iter().any(|option| option.is_empty() || option.contains(|c: char| c.is_control()) || !ssh_key::is_one_option(option)) {
            errors.push(AttributeError::new("options", "are single options, with quotes around spaces and commas: from=\"10.0.0.0/8,::1\""));
        }
        errors
    }
}

/// A line that lets a key in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    options: Vec<String>,
    kind: String,
    key: String,
    comment: String,
}

impl Entry {
    /// Reads a line; none for comments and what makes no sense.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (options, (kind, key, comment)) = match ssh_key::split_key(line) {
            Some(words) => ("", words),
            None => {
                let options = ssh_key::first_word(line);
                (options, ssh_key::split_key(line.get(options.len()..)?)?)
            }
        };
        Some(Self { options: ssh_key::split_options(options), kind: kind.to_owned(), key: key.to_owned(), comment: comment.to_owned() })
    }

    fn of(desired: &AuthorizedKey) -> Option<Self> {
        let key = desired.key.clone().filter(|_| desired.ensure == Ensure::Present)?;
        Some(Self { options: desired.options.clone(), kind: desired.r#type.clone(), key, comment: desired.name.clone() })
    }

    fn to_line(&self) -> String {
        let options = if self.options.is_empty() { String::new() } else { format!("{} ", self.options.join(",")) };
        format!("{options}{} {} {}", self.kind, self.key, self.comment)
    }

    /// Whether it is the one that a resource means: by its comment, or as the same key.
    fn is_meant(&self, desired: &AuthorizedKey) -> bool {
        self.comment == desired.name || desired.key.as_ref() == Some(&self.key)
    }
}

/// Where a user's keys are, and whose they are.
#[derive(Debug, Clone)]
struct Place {
    file: String,
    /// The other file that sshd reads, from which a key that shall be absent goes as well.
    second: Option<String>,
    /// The folder to be made with it; none where the manifest names the file.
    folder: Option<String>,
    owner: Ownership,
}

impl Place {
    fn files(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.file).chain(&self.second)
    }
}

/// What was found of a key.
#[derive(Debug)]
pub struct ObservedKey {
    place: Place,
    found: Vec<Entry>,
    /// The mode of the file where others may write it, for which sshd would not read it.
    loose: Option<u32>,
}

/// The type `ssh_authorized_key`.
pub struct AuthorizedKeyType;

impl ResourceType for AuthorizedKeyType {
    type Host = Host;
    type Desired = AuthorizedKey;
    type Observed = ObservedKey;

    fn observe(&self, host: &Host, desired: &[&AuthorizedKey]) -> Vec<Result<ObservedKey, ObserveError>> {
        let users = accounts::read(host, "/etc/passwd").map(|text| accounts::parse_passwd(&text));
        let look = |key: &&AuthorizedKey| {
            let users = users.as_ref().map_err(|failure| ObserveError::Failed(failure.clone()))?;
            let Some(user) = users.get(&key.user) else {
                if key.ensure == Ensure::Absent {
                    return Ok(ObservedKey {
                        place: Place { file: String::new(), second: None, folder: None, owner: Ownership::default() },
                        found: Vec::new(),
                        loose: None,
                    });
                }
                let failure = Failure::new(format!("there is no user {}", key.user));
                return Err(ObserveError::NotYet(failure.help(format!("declare it: user {}", key.user))));
            };
            observe(host, key, place(key, user))
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &AuthorizedKey, observed: &ObservedKey) -> Vec<Change> {
        let mut changes = Vec::new();
        match (Entry::of(desired), observed.found.as_slice()) {
            (None, []) => {}
            (None, found) => changes.extend(found.iter().map(|entry| Change::delete("key", short(&entry.key)))),
            (Some(wanted), []) => changes.push(Change::create("key", short(&wanted.key))),
            (Some(wanted), [entry, more @ ..]) => {
                if (&entry.kind, &entry.key) != (&wanted.kind, &wanted.key) {
                    changes.push(Change::update("key", short(&entry.key), short(&wanted.key)));
                }
                if entry.options != wanted.options {
                    changes.push(Change::update("options", entry.options.clone(), wanted.options.clone()));
                }
                if entry.comment != wanted.comment {
                    changes.push(Change::update("name", entry.comment.as_str(), wanted.comment.as_str()));
                }
                changes.extend(more.iter().map(|entry| Change::delete("key", short(&entry.key))));
            }
        }
        if let Some(mode) = observed.loose.filter(|_| desired.ensure == Ensure::Present) {
            changes.push(Change::update("mode", format!("{mode:04o}"), "0600"));
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let (desired, place) = (work.desired, &work.observed.place);
        if let Some(folder) = place.folder.as_ref().filter(|_| desired.ensure == Ensure::Present) {
            host.create_folder(folder, Ownership { mode: Some(0o700), ..place.owner })?;
        }
        for file in place.files() {
            let is_new = host.stat(file)?.is_none();
            let mode = (is_new || work.observed.loose.is_some()).then_some(0o600);
            let owner = if is_new { place.owner } else { Ownership::default() };
            let how = NewFile { ownership: Ownership { mode, ..owner }, backup: Backup::Store, ..NewFile::of(&[]) };
            host.edit(file, &how, |old| Ok(settle(old.unwrap_or_default(), desired)))?;
        }
        Ok(())
    }

    fn footprint(&self, desired: &AuthorizedKey) -> Footprint {
        let footprint =
            Footprint::default().need(format!("user:{}", desired.user)).own(format!("ssh-key:{}/{}", desired.user, desired.name));
        // The same key under another name is the same line.
        let footprint = desired.key.iter().fold(footprint, |footprint, key| footprint.write(format!("ssh-key:{}#{key}", desired.user)));
        desired.file.iter().fold(footprint, |footprint, file| {
            let folder = file.parent().map(|folder| format!("path:{folder}"));
            folder.into_iter().fold(footprint.write(format!("path:{file}#{}", desired.name)), Footprint::need)
        })
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(removable)
    }

    fn unsaid(&self, host: &Host, _described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let listed = removable(host)?;
        let is_unnamed = |thing: &Described| {
            let text = |attribute: &str| thing.attributes.get(attribute).and_then(Value::as_str).unwrap_or_default();
            text("name") == short(text("key")) || thing.attributes.contains_key("file")
        };
        let unnamed = listed.things.into_iter().filter(is_unnamed);
        let unread = listed.left.into_iter().map(|what| Unsaid { what, why: "it cannot be read" });
        Ok(unnamed
            .map(|thing| Unsaid { what: thing.title, why: "it has no comment, or stands in authorized_keys2" })
            .chain(unread)
            .collect())
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found: Vec<Described> = Vec::new();
        for (user, line) in accounts::parse_passwd(&accounts::read(host, "/etc/passwd")?) {
            let Some(folder) = folder_of(&line) else { continue };
            let text = host.read_text(format!("{folder}/{FILE}")).ok().flatten().unwrap_or_default();
            for entry in text.lines().filter_map(Entry::parse).filter(|entry| title.is_none_or(|title| title == entry.comment)) {
                found.extend(describe(&user, &entry));
            }
        }
        Ok(Some(found))
    }
}

/// Every line that lets a key in, whether anybody can name it or not. What cannot be read of one user's is
/// said, and hinders nothing else: users could keep all keys by it.
fn removable(host: &Host) -> Result<Listed, Failure> {
    let mut found = Listed::default();
    for (user, line) in accounts::parse_passwd(&accounts::read(host, "/etc/passwd")?) {
        let Some(folder) = folder_of(&line) else { continue };
        for (name, is_second) in [(FILE, false), (SECOND_FILE, true)] {
            let path = format!("{folder}/{name}");
            match host.read(&path) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default());
                    let file = is_second.then_some(path.as_str());
                    found.things.extend(text.lines().filter_map(Entry::parse).map(|entry| removal_of(&user, &entry, file)));
                }
                Err(failure) => found.left.push(format!("the keys of {user}: {failure}")),
            }
        }
    }
    Ok(found)
}

fn removal_of(user: &str, entry: &Entry, file: Option<&str>) -> Described {
    let name = if is_name(&entry.comment) { entry.comment.clone() } else { short(&entry.key) };
    let given = [("name", &name), ("type", &entry.kind), ("key", &entry.key)];
    let mut attributes: Map = given.into_iter().map(|(attribute, text)| (attribute.to_owned(), Value::from(text.as_str()))).collect();
    attributes.insert("user".to_owned(), Value::from(user));
    attributes.extend(file.map(|file| ("file".to_owned(), Value::from(file))));
    Described { title: format!("{name} of {user}"), attributes }
}

/// Whether a comment can be a resource's name.
fn is_name(comment: &str) -> bool {
    !comment.trim().is_empty() && !comment.contains(|c: char| c.is_control())
}

const FILE: &str = "authorized_keys";
const SECOND_FILE: &str = "authorized_keys2";

/// The folder of a user's keys. Accounts without a home share `/nonexistent` or `/`.
fn folder_of(user: &accounts::PasswdLine) -> Option<String> {
    (user.home.len() >= 2 && user.home.starts_with('/')).then(|| format!("{}/.ssh", user.home.trim_end_matches('/')))
}

/// A key without a comment has no name to be found by.
fn describe(user: &str, entry: &Entry) -> Option<Described> {
    let mut attributes = Map::from_iter([("user".to_owned(), Value::from(user)), ("type".to_owned(), Value::from(entry.kind.as_str()))]);
    attributes.insert("key".to_owned(), Value::from(entry.key.as_str()));
    if !entry.options.is_empty() {
        attributes.insert("options".to_owned(), Value::from(entry.options.clone()));
    }
    is_name(&entry.comment).then(|| Described { title: entry.comment.clone(), attributes })
}

/// The end of a key, by which people tell keys apart.
fn short(key: &str) -> String {
    let start = key.len().saturating_sub(12);
    format!("...{}", key.get(start..).unwrap_or(key))
}

fn place(desired: &AuthorizedKey, user: &accounts::PasswdLine) -> Place {
    let folder = format!("{}/.ssh", user.home.trim_end_matches('/'));
    let owner = Ownership { uid: Some(user.uid), gid: Some(user.gid), mode: None };
    match &desired.file {
        Some(file) => Place { file: file.to_string(), second: None, folder: None, owner },
        None => {
            let second = (desired.ensure == Ensure::Absent).then(|| format!("{folder}/{SECOND_FILE}"));
            Place { file: format!("{folder}/{FILE}"), second, folder: Some(folder), owner }
        }
    }
}

fn observe(host: &Host, desired: &AuthorizedKey, place: Place) -> Result<ObservedKey, ObserveError> {
    let mut found = Vec::new();
    for file in place.files() {
        let bytes = host.read(file)?;
        if bytes.is_none() && desired.ensure == Ensure::Present {
            let needed = match &place.folder {
                Some(folder) if host.stat(folder)?.is_none() => folder,
                _ => file,
            };
            host.folders().expect_folder_of(needed)?;
        }
        let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default());
        found.extend(text.lines().filter_map(Entry::parse).filter(|entry| entry.is_meant(desired)));
    }
    let stat: Option<Stat> = host.stat_followed(&place.file)?;
    let loose = stat.map(|stat| stat.mode & 0o7777).filter(|mode| mode & 0o022 != 0);
    Ok(ObservedKey { place, found, loose })
}

/// The first line that is meant is put right where it stands, all others that are meant go, and the rest stays as
/// it is, byte for byte. None where nothing is to be written.
fn settle(old: &[u8], desired: &AuthorizedKey) -> Option<Vec<u8>> {
    let mut wanted = Entry::of(desired).map(|entry| entry.to_line() + "\n");
    let mut new: Vec<u8> = Vec::with_capacity(old.len());
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        match Entry::parse(&String::from_utf8_lossy(line)).filter(|entry| entry.is_meant(desired)) {
            None => new.extend(line),
            Some(_) => new.extend(wanted.take().unwrap_or_default().bytes()),
        }
    }
    if new.last().is_some_and(|byte| *byte != b'\n') {
        new.push(b'\n');
    }
    new.extend(wanted.unwrap_or_default().bytes());
    // A key that is there may want another mode for its file.
    (desired.ensure == Ensure::Present || new != old).then_some(new)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::trial::{Trial, list};

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEotherkeyotherkeyotherkeyotherkeyotherkey00";
    const FILE: &str = "/home/ada/.ssh/authorized_keys";

    fn trial() -> Option<Trial> {
        let trial = Trial::as_root()?;
        trial.write("/etc/passwd", "ada:x:1000:1000::/home/ada:/bin/sh\n");
        trial.write("/home/ada/x", "");
        Some(trial)
    }

    fn key(key: &str) -> Vec<(&'static str, Value)> {
        vec![("user", Value::from("ada")), ("key", Value::from(key))]
    }

    #[test]
    fn a_key_comes_with_its_folder_changes_in_place_and_goes() {
        let Some(trial) = trial() else { return };
        assert_eq!(trial.converge(&AuthorizedKeyType, "a b", &key(KEY)).unwrap().len(), 1);
        let stats = ["/home/ada/.ssh", FILE].map(|path| trial.path(path).metadata().unwrap()).map(|stat| (stat.uid(), stat.mode() & 0o777));
        assert_eq!(stats, [(1000, 0o700), (1000, 0o600)]);
        trial.write(FILE, &format!("# mine\nssh-ed25519 {KEY} a b\nnonsense\n"));
        let options = ("options", list(&["no-pty", "from=\"10.0.0.0/8,::1\""]));
        let made = trial.converge(&AuthorizedKeyType, "a b", &[&key(OTHER)[..], &[options]].concat()).unwrap();
        assert_eq!(made.len(), 2, "{made:?}");
        let line = format!("no-pty,from=\"10.0.0.0/8,::1\" ssh-ed25519 {OTHER} a b");
        assert_eq!(trial.read(FILE), format!("# mine\n{line}\nnonsense\n"));
        let described = AuthorizedKeyType.describe(&trial.host, None).unwrap().unwrap().remove(0);
        let attributes: Vec<(&str, Value)> = described.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(trial.plan(&AuthorizedKeyType, &described.title, &attributes).unwrap(), [""; 0]);
        let gone = [("user", Value::from("ada")), ("ensure", Value::from("absent"))];
        trial.converge(&AuthorizedKeyType, "a b", &gone).unwrap();
        assert_eq!(trial.read(FILE), "# mine\nnonsense\n");
    }

    #[test]
    fn two_keys_at_once_share_the_new_folder() {
        let Some(trial) = trial() else { return };
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let trial = &trial;
                scope.spawn(move || trial.converge(&AuthorizedKeyType, name, &key(&KEY.replace("jX", &format!("j{name}")))).unwrap());
            }
        });
        assert_eq!(trial.read(FILE).lines().count(), 4);
    }

    #[test]
    fn lines_that_sshd_reads_go_however_they_are_written_and_all_others_stay_byte_for_byte() {
        let Some(trial) = trial() else { return };
        std::fs::create_dir_all(trial.path("/home/ada/.ssh")).unwrap();
        let blob = "AAAAKGVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3BlbnNzaC5jb21yZXN0";
        let text = format!("# J\u{fc}rgen\nssh-ed25519  {KEY}\tada\tat home\necdsa-sha2-nistp256-cert-v01@openssh.com {blob} c");
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        std::fs::write(trial.path(FILE), bytes).unwrap();
        trial.write("/home/ada/.ssh/authorized_keys2", &format!("ssh-ed25519 {OTHER} old\n"));
        let found = removable(&trial.host).unwrap();
        assert_eq!((found.things.len(), found.left.len()), (3, 0), "{found:?}");
        for thing in found.things {
            let gone = [("ensure".to_owned(), Value::from("absent"))];
            let attributes: Vec<(&str, Value)> = thing
                .attributes
                .iter()
                .chain(gone.iter().map(|(name, value)| (name, value)))
                .map(|(n, v)| (n.as_str(), v.clone()))
                .collect();
            assert_eq!(trial.converge(&AuthorizedKeyType, &thing.title, &attributes).unwrap().len(), 1, "{}", thing.title);
        }
        assert_eq!(std::fs::read(trial.path(FILE)).unwrap(), b"# J\xfcrgen\n");
        assert_eq!(trial.read("/home/ada/.ssh/authorized_keys2"), "");
        trial.write("/home/ada/.ssh/authorized_keys2", &format!("ssh-ed25519 {OTHER} old\n"));
        trial.converge(&AuthorizedKeyType, "x", &[&key(OTHER)[..], &[("ensure", Value::from("absent"))]].concat()).unwrap();
        assert_eq!(trial.read("/home/ada/.ssh/authorized_keys2"), "");
    }

    #[test]
    fn the_same_key_under_another_name_is_adopted_and_a_loose_file_closed() {
        let Some(trial) = trial() else { return };
        trial.write(FILE, &format!("ssh-ed25519 {KEY} old\nssh-ed25519 {OTHER} new\n"));
        std::fs::set_permissions(trial.path(FILE), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let made = trial.converge(&AuthorizedKeyType, "new", &key(KEY)).unwrap();
        assert_eq!(
            made,
            ["~ name: old -> new".to_owned(), format!("- key: {} -> absent", short(OTHER)), "~ mode: 0666 -> 0600".to_owned()]
        );
        assert_eq!(trial.read(FILE), format!("ssh-ed25519 {KEY} new\n"));
    }

    #[test]
    fn what_would_open_more_than_meant_is_refused() {
        let refused = |more: &[(&'static str, Value)]| Trial::refuses::<AuthorizedKeyType>("x", &[&key(KEY)[..], more].concat());
        assert!(refused(&[("options", list(&["no-pty ssh-rsa AAAA"]))]).contains("options"));
        assert!(Trial::refuses::<AuthorizedKeyType>("x\ny", &key(KEY)).contains("one line"));
        assert!(Trial::refuses::<AuthorizedKeyType>("x", &key(&format!("ssh-ed25519 {KEY} me"))).contains("no key"));
        assert!(Trial::new().plan(&AuthorizedKeyType, "x", &key(KEY)).unwrap_err().contains("no user ada"));
    }
}
