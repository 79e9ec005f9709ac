//! `host`: a name in the table of hosts, `/etc/hosts`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, wrong_type};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listed, Listing, Nature, ObserveError, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::host::Host;
use crate::text_file::{Content, Texts, edit_text, join_lines, line_ending};

/// An address as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    text: String,
    address: IpAddr,
}

impl AttributeValue for Ip {
    fn kind() -> Kind {
        Kind::Ip
    }
    fn read(value: &Value) -> Result<Self, String> {
        let Value::String(text) = value else { return Err(wrong_type(&Kind::Ip, value)) };
        let address = text.parse().map_err(|_| format!("{text:?} is no IP address"))?;
        Ok(Self { text: text.clone(), address })
    }
}

keel_engine::attributes! {
    /// A name in `/etc/hosts`, with its address and other names.
    ///
    /// Lines that are nobody's stay as they are, also those that make no sense. Where the same name
    /// stands several times, the line with the address of the same family is meant.
    ///
    ///     host db-1 ip="10.0.0.11" aliases="db-1.example.org"
    ///     host old-web ensure=absent
    ///
    /// With `purge host` names that no resource declares go; those of the machine itself stay: its own name,
    /// `localhost`, `ip6-*` and every address that no other machine can have.
    pub struct HostEntry: "host" {
        /// The name.
        [title] pub name: String,
        /// Whether the name is there.
        pub ensure: Ensure = Ensure::Present,
        /// Its address, IPv4 or IPv6.
        pub ip: Option<Ip>,
        /// Its other names; their order does not matter.
        pub aliases: Vec<String>,
        /// What stands behind the names, after `#`. Not given: as it is.
        pub comment: Option<String>,
        /// The file. Not given: `/etc/hosts`.
        pub file: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if desired.ensure == Ensure::Present && desired.ip.is_none() {
            errors.push(AttributeError::new("ip", "is required and not given"));
        }
        if !is_name(&desired.name) {
            errors.push(AttributeError::of_value("name", format!("{:?} cannot be the name of a host", desired.name)));
        }
        for alias in desired.aliases.iter().filter(|alias| !is_name(alias)) {
            errors.push(AttributeError::of_value("aliases", format!("{alias:?} cannot be the name of a host")));
        }
        if desired.comment.as_ref().is_some_and(|comment| comment.contains(['\n', '\r'])) {
            errors.push(AttributeError::new("comment", "is one line of text"));
        }
        errors.extend(desired.file.as_ref().and_then(|file| crate::file::check_path("file", file)));
        errors
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

/// A line that gives an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    ip: String,
    name: String,
    aliases: Vec<String>,
    comment: Option<String>,
}

impl Entry {
    /// Reads a line; none for comments, empty lines and what makes no sense.
    fn parse(line: &str) -> Option<Self> {
        let (names, comment) = match line.split_once('#') {
            Some((names, comment)) => (names, Some(comment.trim().to_owned())),
            None => (line, None),
        };
        let mut words = names.split_whitespace();
        let (ip, name) = (words.next()?, words.next()?);
        ip.parse::<IpAddr>().ok()?;
        Some(Self { ip: ip.to_owned(), name: name.to_owned(), aliases: words.map(str::to_owned).collect(), comment })
    }

    fn to_line(&self) -> String {
        let mut line = format!("{}\t{}", self.ip, self.name);
        for alias in &self.aliases {
            line.push(' ');
            line.push_str(alias);
        }
        if let Some(comment) = &self.comment {
            line.push_str("\t# ");
            line.push_str(comment);
        }
        line
    }

    /// Whether the line is about another machine than the one whose name this is.
    fn is_of_another(&self, own: &str) -> bool {
        let is_own = |name: &String| {
            let first = name.split('.').next().unwrap_or(name);
            !own.is_empty() && (name == own || first == own) || matches!(first, "localhost") || name.starts_with("ip6-")
        };
        let is_special = match self.address() {
            Some(IpAddr::V4(ip)) => ip.is_loopback(),
            Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() || ip.segments()[0] & 0xfe00 == 0xfe00,
            None => true,
        };
        !is_special && !std::iter::once(&self.name).chain(&self.aliases).any(is_own)
    }

    fn address(&self) -> Option<IpAddr> {
        self.ip.parse().ok()
    }
}

/// The type `host`.
pub struct HostEntryType;

/// The line that is meant, and how many lines hold the name.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    entry: Option<Entry>,
    lines: usize,
}

impl ResourceType for HostEntryType {
    type Host = Host;
    type Desired = HostEntry;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&HostEntry]) -> Vec<Result<Observed, ObserveError>> {
        let usual = usual_file();
        let file = |desired: &HostEntry| desired.file.clone().or_else(|| usual.clone());
        let files: Vec<Option<AbsolutePath>> = desired.iter().map(|desired| file(desired)).collect();
        let texts = Texts::read(host, files.iter().flatten());
        let look = |(desired, file): (&&HostEntry, &Option<AbsolutePath>)| {
            let text = file.as_ref().map_or(Ok(None), |file| texts.get(file))?;
            if let (None, Some(file), Ensure::Present) = (text, file, desired.ensure) {
                host.folders().expect_folder_of(file)?;
            }
            let text = text.unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let entry = meant_line(&lines, desired).and_then(|at| lines.get(at)).and_then(|line| Entry::parse(line));
            let count = lines.iter().filter(|line| Entry::parse(line).is_some_and(|entry| entry.name == desired.name)).count();
            Ok(Observed { entry, lines: count })
        };
        desired.iter().zip(&files).map(look).collect()
    }

    fn diff(&self, desired: &HostEntry, observed: &Observed) -> Vec<Change> {
        let ip = desired.ip.as_ref();
        match (desired.ensure, &observed.entry) {
            (Ensure::Absent, None) => vec![],
            (Ensure::Absent, Some(entry)) if observed.lines < 2 => vec![Change::delete("ensure", entry.ip.as_str())],
            (Ensure::Absent, Some(_)) => vec![Change::delete("ensure", format!("{} lines", observed.lines))],
            (Ensure::Present, None) => {
                let mut changes = vec![Change::create("ensure", "present")];
                changes.extend(ip.map(|ip| Change::create("ip", ip.text.as_str())));
                if !desired.aliases.is_empty() {
                    changes.push(Change::create("aliases", desired.aliases.clone()));
                }
                changes.extend(desired.comment.as_ref().map(|comment| Change::create("comment", comment.as_str())));
                changes
            }
            (Ensure::Present, Some(entry)) => differences(desired, entry),
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let Some(file) = desired.file.clone().or_else(usual_file) else { return Ok(()) };
        edit_text(host, file.as_path(), Content::Open, |text| Ok(settle(text, desired)))
    }

    fn table(&self, desired: &HostEntry) -> Option<String> {
        desired.file.clone().or_else(usual_file).map(|file| file.to_string())
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &HostEntry) -> Footprint {
        let file = desired.file.as_ref().map_or(USUAL_FILE, AbsolutePath::as_str);
        Footprint::default()
            .need(format!("path:{file}"))
            .provide(format!("host:{}", desired.name))
            .write(format!("path:{file}#{}", desired.name))
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| removable(host).map(Listed::from))
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let text = host.read_text(USUAL_FILE)?.unwrap_or_default();
        let entries: Vec<Entry> = text
            .lines()
            .filter_map(Entry::parse)
            .filter(|entry| std::iter::once(&entry.name).chain(&entry.aliases).all(|name| is_name(name)))
            .collect();
        // A name with several lines cannot be told by its title alone.
        let once = |name: &str| entries.iter().filter(|entry| entry.name == name).count() == 1;
        let meant = entries.iter().filter(|entry| title.is_none_or(|title| title == entry.name) && once(&entry.name));
        let describe = |entry: &Entry| {
            let mut attributes = Map::from_iter([("ip".to_owned(), Value::from(entry.ip.as_str()))]);
            if !entry.aliases.is_empty() {
                attributes.insert("aliases".to_owned(), Value::from(entry.aliases.clone()));
            }
            Described { title: entry.name.clone(), attributes }
        };
        Ok(Some(meant.map(describe).collect()))
    }
}

/// All names but those that stand for the machine itself.
fn removable(host: &Host) -> Result<Vec<Described>, Failure> {
    let own = host.read_text("/etc/hostname")?.unwrap_or_default();
    let text = host.read_text(USUAL_FILE)?.unwrap_or_default();
    let mut others: BTreeMap<String, bool> = BTreeMap::new();
    for entry in text.lines().filter_map(Entry::parse) {
        let is_other = is_name(&entry.name) && entry.is_of_another(own.trim());
        let all = others.entry(entry.name).or_insert(true);
        *all &= is_other;
    }
    let names = others.into_iter().filter(|(_, is_other)| *is_other);
    Ok(names.map(|(title, _)| Described { title, attributes: Map::new() }).collect())
}

const USUAL_FILE: &str = "/etc/hosts";

fn usual_file() -> Option<AbsolutePath> {
    AbsolutePath::read(&Value::from(USUAL_FILE)).ok()
}

fn differences(desired: &HostEntry, entry: &Entry) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(ip) = desired.ip.as_ref().filter(|ip| entry.address() != Some(ip.address)) {
        changes.push(Change::update("ip", entry.ip.as_str(), ip.text.as_str()));
    }
    if as_set(&entry.aliases) != as_set(&desired.aliases) {
        changes.push(Change::update("aliases", entry.aliases.clone(), desired.aliases.clone()));
    }
    if desired.comment.is_some() && entry.comment != desired.comment {
        let shown = |comment: &Option<String>| comment.as_deref().map_or(Shown::Absent, Shown::from);
        changes.push(Change::update("comment", shown(&entry.comment), shown(&desired.comment)));
    }
    changes
}

fn as_set(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

/// The line of this name: with the same address, else of the same family if there are several, else the first.
fn meant_line(lines: &[&str], desired: &HostEntry) -> Option<usize> {
    let named: Vec<(usize, Option<IpAddr>)> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Entry::parse(line).filter(|entry| entry.name == desired.name).map(|entry| (at, entry.address())))
        .collect();
    let wanted = desired.ip.as_ref().map(|ip| ip.address);
    let same = named.iter().find(|(_, address)| *address == wanted);
    let same_family =
        || named.iter().find(|(_, address)| address.map(|address| address.is_ipv4()) == wanted.map(|wanted| wanted.is_ipv4()));
    let found = match named.as_slice() {
        [only] => Some(only),
        _ if desired.ensure == Ensure::Absent => named.first(),
        _ => same.or_else(same_family),
    };
    found.map(|(at, _)| *at)
}

fn settle(text: &str, desired: &HostEntry) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let borrowed: Vec<&str> = text.lines().collect();
    let at = meant_line(&borrowed, desired);
    match (desired.ensure, &desired.ip) {
        (Ensure::Absent, _) => {
            lines.retain(|line| Entry::parse(line).is_none_or(|entry| entry.name != desired.name));
        }
        (Ensure::Present, None) => return None,
        (Ensure::Present, Some(ip)) => {
            let old = at.and_then(|at| borrowed.get(at)).and_then(|line| Entry::parse(line));
            let comment = desired.comment.clone().or(old.and_then(|old| old.comment));
            let entry = Entry { ip: ip.text.clone(), name: desired.name.clone(), aliases: desired.aliases.clone(), comment };
            match at.and_then(|at| lines.get_mut(at)) {
                Some(line) => *line = entry.to_line(),
                None => lines.push(entry.to_line()),
            }
        }
    }
    Some(join_lines(&lines, line_ending(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn check(before: &str, name: &str, attributes: &[(&str, Value)], after: &str) -> Vec<String> {
        let trial = Trial::new();
        trial.write("/etc/hosts", before);
        let changes = trial.converge(&HostEntryType, name, attributes).unwrap();
        assert_eq!(trial.read("/etc/hosts"), after);
        changes
    }

    fn ip(text: &str) -> (&'static str, Value) {
        ("ip", Value::from(text))
    }

    #[test]
    fn a_name_gets_one_line_with_tabs() {
        let changes = check(
            "127.0.0.1 localhost\n",
            "db-1",
            &[ip("10.0.0.1"), ("aliases", list(&["db", "db-1.x"]))],
            "127.0.0.1 localhost\n10.0.0.1\tdb-1 db db-1.x\n",
        );
        assert_eq!(changes, ["+ ensure: absent -> present", "+ ip: absent -> 10.0.0.1", "+ aliases: absent -> [db, db-1.x]"]);
        check("", "a", &[ip("::1"), ("comment", Value::from("six"))], "::1\ta\t# six\n");
    }

    #[test]
    fn an_address_changes_in_place_and_the_comment_stays() {
        assert_eq!(check("10.0.0.1 a # mine\nx\n", "a", &[ip("10.0.0.2")], "10.0.0.2\ta\t# mine\nx\n"), ["~ ip: 10.0.0.1 -> 10.0.0.2"]);
        assert_eq!(check("0:0::1 a\n", "a", &[ip("::1")], "0:0::1 a\n"), Vec::<String>::new(), "one address, two spellings");
    }

    #[test]
    fn the_order_of_aliases_does_not_matter() {
        assert_eq!(
            check("10.0.0.1 a c b\n", "a", &[ip("10.0.0.1"), ("aliases", list(&["b", "c"]))], "10.0.0.1 a c b\n"),
            Vec::<String>::new()
        );
        assert_eq!(check("10.0.0.1 a c b\n", "a", &[ip("10.0.0.1")], "10.0.0.1\ta\n"), ["~ aliases: [c, b] -> []"]);
    }

    #[test]
    fn each_family_has_its_own_line_where_there_are_several() {
        let both = "127.0.0.1 localhost\n::1 localhost ip6\n";
        assert_eq!(check(both, "localhost", &[ip("127.0.0.1")], both), Vec::<String>::new());
        check(both, "localhost", &[ip("::2")], "127.0.0.1 localhost\n::2\tlocalhost\n");
    }

    #[test]
    fn absent_takes_every_line_of_the_name_and_no_alias() {
        let before = "10.0.0.1 a b\n::1 a\n10.0.0.2 b a\nnonsense\n# 10.0.0.1 a\n";
        assert_eq!(
            check(before, "a", &[("ensure", Value::from("absent"))], "10.0.0.2 b a\nnonsense\n# 10.0.0.1 a\n"),
            ["- ensure: 2 lines -> absent"]
        );
    }

    #[test]
    fn a_missing_folder_is_waited_for() {
        let trial = Trial::new();
        assert!(trial.plan(&HostEntryType, "a", &[ip("::1")]).unwrap_err().contains("the directory /etc does not exist"));
        assert_eq!(trial.plan(&HostEntryType, "a", &[("ensure", Value::from("absent"))]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_missing_address_or_a_wrong_name_is_refused() {
        assert_eq!(Trial::refuses::<HostEntryType>("a", &[]), "ip is required and not given");
        assert_eq!(Trial::refuses::<HostEntryType>("a", &[ip("10.0.0")]), "ip \"10.0.0\" is no IP address");
        assert!(Trial::refuses::<HostEntryType>("a b", &[ip("::1")]).starts_with("name"));
        assert!(Trial::refuses::<HostEntryType>("a", &[ip("::1"), ("aliases", list(&["b\n10.0.0.9 c"]))]).starts_with("aliases"));
    }
}
