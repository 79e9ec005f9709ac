//! The type `ssh_known_host`: the key by which a host is known to everybody's ssh.

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listing, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::Host;
use crate::ssh_key;
use crate::text_file::{Content, edit_text, join_lines};

const USUAL_FILE: &str = "/etc/ssh/ssh_known_hosts";

choices! {
    /// Whether a host is known.
    pub enum Ensure {
        /// It is.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

choices! {
    /// What a key proves.
    pub enum Marker {
        /// That the host is who it says.
        Host = "host",
        /// That whoever it signed is.
        CertAuthority = "cert-authority",
        /// Nothing any more: whoever shows it is refused.
        Revoked = "revoked",
    }
}

attributes! {
    /// The key by which a host is known to every user's ssh: a line in `/etc/ssh/ssh_known_hosts`. A host has
    /// one line for each kind of key. Other lines stay as they are.
    ///
    ///     ssh_known_host "git.example.org" aliases="10.0.0.7" key="AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX"
    ///     ssh_known_host "*.example.org" marker=cert-authority key="AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX"
    pub struct KnownHost: "ssh_known_host" {
        /// The host's name, `[name]:port` where the port is another one, or a pattern with `*`.
        [title] pub name: String,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// Its other names and addresses; their order does not matter.
        pub aliases: Vec<String>,
        /// The kind of the key.
        pub r#type: String = "ssh-ed25519".to_owned(),
        /// The key itself: the long word in the host's public key file.
        pub key: Option<String>,
        /// What the key proves: `host`, `cert-authority` or `revoked`.
        pub marker: Marker = Marker::Host,
        /// The file. Not given: `/etc/ssh/ssh_known_hosts`.
        pub file: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        for (attribute, name) in [("name", &desired.name)].into_iter().chain(desired.aliases.iter().map(|alias| ("aliases", alias))) {
            if name.is_empty() || name.starts_with(['#', '@', '|', '!']) || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
                errors.push(AttributeError::of_value(attribute, format!("{name:?} cannot be the name of a host")));
            }
        }
        if desired.key.is_none() && desired.ensure == Ensure::Present {
            errors.push(AttributeError::new("key", "is required and not given"));
        }
        errors.extend(ssh_key::check(desired.key.as_deref(), &desired.r#type, "the long word that `ssh-keyscan` prints, without the name and the kind in front"));
        errors.extend(desired.file.as_ref().and_then(|file| crate::file::check_path("file", file)));
        errors
    }
}

/// A line that makes a host known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    marker: Marker,
    names: Vec<String>,
    kind: String,
    key: String,
    /// What stands behind the key.
    comment: String,
}

impl Entry {
    /// Reads a line; none for comments, hashed names and what makes no sense.
    fn parse(line: &str) -> Option<Self> {
        let (marker, rest) = match line.trim().split_once(char::is_whitespace)? {
            ("@cert-authority", rest) => (Marker::CertAuthority, rest.trim_start()),
            ("@revoked", rest) => (Marker::Revoked, rest.trim_start()),
            _ => (Marker::Host, line.trim()),
        };
        let (names, rest) = ssh_key::first_of(rest)?;
        let (kind, key, comment) = ssh_key::split_key(rest)?;
        if names.starts_with(['#', '|', '@']) {
            return None;
        }
        let names = names.split(',').map(str::to_owned).collect();
        Some(Self { marker, names, kind: kind.to_owned(), key: key.to_owned(), comment: comment.to_owned() })
    }

    fn of(desired: &KnownHost) -> Option<Self> {
        let key = desired.key.clone().filter(|_| desired.ensure == Ensure::Present)?;
        let names = std::iter::once(&desired.name).chain(&desired.aliases).cloned().collect();
        Some(Self { marker: desired.marker, names, kind: desired.r#type.clone(), key, comment: String::new() })
    }

    fn to_line(&self) -> String {
        let marker = match self.marker {
            Marker::Host => "",
            Marker::CertAuthority => "@cert-authority ",
            Marker::Revoked => "@revoked ",
        };
        format!("{marker}{} {} {} {}", self.names.join(","), self.kind, self.key, self.comment).trim_end().to_owned()
    }

    fn is_meant(&self, desired: &KnownHost) -> bool {
        self.names.contains(&desired.name) && self.kind == desired.r#type
    }
}

/// The lines of this host and kind.
#[derive(Debug)]
pub struct ObservedHost(Vec<Entry>);

/// The type `ssh_known_host`.
pub struct KnownHostType;

impl ResourceType for KnownHostType {
    type Host = Host;
    type Desired = KnownHost;
    type Observed = ObservedHost;

    fn observe(&self, host: &Host, desired: &[&KnownHost]) -> Vec<Result<ObservedHost, ObserveError>> {
        desired.iter().map(|known| observe(host, known)).collect()
    }

    fn diff(&self, desired: &KnownHost, observed: &ObservedHost) -> Vec<Change> {
        let short = |entry: &Entry| format!("...{}", entry.key.get(entry.key.len().saturating_sub(12)..).unwrap_or_default());
        let mut changes = Vec::new();
        match (Entry::of(desired), observed.0.as_slice()) {
            (None, found) => changes.extend(found.iter().map(|entry| Change::delete("key", short(entry)))),
            (Some(wanted), []) => changes.push(Change::create("key", short(&wanted))),
            (Some(wanted), [entry, more @ ..]) => {
                if entry.key != wanted.key {
                    changes.push(Change::update("key", short(entry), short(&wanted)));
                }
                if sorted(&entry.names) != sorted(&wanted.names) {
                    changes.push(Change::update("names", entry.names.clone(), wanted.names.clone()));
                }
                if entry.marker != wanted.marker {
                    changes.push(Change::update("marker", entry.marker.as_str(), wanted.marker.as_str()));
                }
                changes.extend(more.iter().map(|entry| Change::delete("key", short(entry))));
            }
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        edit_text(host, file(desired).as_ref(), Content::Open, |text| Ok(Some(settle(text, desired))))
    }

    fn footprint(&self, desired: &KnownHost) -> Footprint {
        let file = file(desired);
        let folder = file.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let names = std::iter::once(&desired.name).chain(&desired.aliases);
        names.fold(Footprint::default().need(format!("path:{folder}")), |footprint, name| {
            footprint.write(format!("path:{file}#{name}/{}", desired.r#type))
        })
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| Ok(KnownHostType.describe(host, None)?.unwrap_or_default().into()))
    }

    fn unsaid(&self, host: &Host, _described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let text = host.read_text(USUAL_FILE)?.unwrap_or_default();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
        let others = lines.filter(|(_, line)| Entry::parse(line).is_none());
        let unsaid = |(at, _)| Unsaid { what: format!("{USUAL_FILE}:{}", at + 1), why: "its name is hashed, or it is no line of ssh's" };
        Ok(others.map(unsaid).collect())
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let text = host.read_text(USUAL_FILE)?.unwrap_or_default();
        let describe = |entry: Entry| {
            let (name, aliases) = entry.names.split_first()?;
            let mut attributes = Map::from_iter([("type".to_owned(), Value::from(entry.kind)), ("key".to_owned(), Value::from(entry.key))]);
            if !aliases.is_empty() {
                attributes.insert("aliases".to_owned(), Value::from(aliases.to_vec()));
            }
            if entry.marker != Marker::Host {
                attributes.insert("marker".to_owned(), Value::from(entry.marker.as_str()));
            }
            title.is_none_or(|title| title == name).then(|| Described { title: name.clone(), attributes })
        };
        Ok(Some(text.lines().filter_map(Entry::parse).filter_map(describe).collect()))
    }
}

fn file(desired: &KnownHost) -> String {
    desired.file.as_ref().map_or_else(|| USUAL_FILE.to_owned(), ToString::to_string)
}

fn sorted(names: &[String]) -> Vec<&String> {
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names
}

fn observe(host: &Host, desired: &KnownHost) -> Result<ObservedHost, ObserveError> {
    let file = file(desired);
    let text = host.read_text(&file)?;
    if text.is_none() && desired.ensure == Ensure::Present {
        host.folders().expect_folder_of(&file)?;
    }
    let entries = text.unwrap_or_default().lines().filter_map(Entry::parse).filter(|entry| entry.is_meant(desired)).collect();
    Ok(ObservedHost(entries))
}

fn settle(text: &str, desired: &KnownHost) -> String {
    let mut wanted = Entry::of(desired);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match Entry::parse(line).filter(|entry| entry.is_meant(desired)) {
            None => lines.push(line.to_owned()),
            Some(found) => lines.extend(wanted.take().map(|wanted| Entry { comment: found.comment, ..wanted }.to_line())),
        }
    }
    lines.extend(wanted.map(|wanted| wanted.to_line()));
    join_lines(&lines, "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEotherkeyotherkeyotherkeyotherkeyotherkey00";
    const RSA: &str = "AAAAB3NzaC1yc2EAAAADAQABAAABAQ==";

    #[test]
    fn a_host_is_known_once_for_each_kind() {
        let trial = Trial::new();
        trial.write(
            USUAL_FILE,
            &format!("# mine\n|1|hashed= ssh-ed25519 {KEY}\na,10.0.0.1 ssh-ed25519 {OTHER} note\na ssh-rsa {RSA}\na ssh-ed25519 {OTHER}\n"),
        );
        let key = [("key", Value::from(KEY)), ("aliases", Value::from("10.0.0.1"))];
        let made = trial.converge(&KnownHostType, "a", &key).unwrap();
        assert_eq!(made.len(), 2, "{made:?}");
        assert_eq!(
            trial.read(USUAL_FILE),
            format!("# mine\n|1|hashed= ssh-ed25519 {KEY}\na,10.0.0.1 ssh-ed25519 {KEY} note\na ssh-rsa {RSA}\n")
        );
        let described = KnownHostType.describe(&trial.host, Some("a")).unwrap().unwrap();
        for described in described {
            let attributes: Vec<(&str, Value)> = described.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(trial.plan(&KnownHostType, &described.title, &attributes).unwrap(), [""; 0]);
        }
        trial.converge(&KnownHostType, "a", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.read(USUAL_FILE).contains("note"));
    }

    #[test]
    fn markers_are_kept_apart_and_names_checked() {
        let trial = Trial::new();
        trial.write("/etc/ssh/README", "");
        let authority = [("key", Value::from(KEY)), ("marker", Value::from("cert-authority"))];
        trial.converge(&KnownHostType, "*.x", &authority).unwrap();
        assert_eq!(trial.read(USUAL_FILE), format!("@cert-authority *.x ssh-ed25519 {KEY}\n"));
        assert!(Trial::refuses::<KnownHostType>("a b", &[("key", Value::from(KEY))]).contains("name"));
        assert!(Trial::refuses::<KnownHostType>("a", &[]).contains("key is required"));
    }
}
