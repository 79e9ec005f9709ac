//! The type `limits`: what the processes of a user's or group's sessions may use up.

use std::fmt::Write;

use indexmap::IndexMap;
use keel_engine::attributes;
use keel_engine::attributes::{AttributeError, AttributeValue};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listed, Listing, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::schema::Kind;
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::host::Host;
use crate::judged_file::is_file_name;
use crate::whole_file::{Deviation, WholeFile, files_in, undescribed};

const FOLDER: &str = "/etc/security/limits.d";

/// What pam_limits knows.
#[rustfmt::skip]
const ITEMS: [&str; 20] = [
    "as", "chroot", "core", "cpu", "data", "fsize", "locks", "maxlogins", "maxsyslogins", "memlock",
    "msgqueue", "nice", "nofile", "nonewprivs", "nproc", "priority", "rss", "rtprio", "sigpending", "stack",
];

/// How much of something: a number, or no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount(String);

impl AttributeValue for Amount {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Int, Kind::String])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(number) => Ok(Self(number.to_string())),
            Value::String(text) if matches!(text.as_str(), "unlimited" | "infinity") => Ok(Self("unlimited".to_owned())),
            Value::String(text) if text.parse::<i64>().is_ok() || text.starts_with('/') && !text.contains(char::is_whitespace) => {
                Ok(Self(text.clone()))
            }
            other => Err(format!("expected a number or \"unlimited\", found {other}")),
        }
    }
}

attributes! {
    /// What the processes of sessions may use up: a file in `/etc/security/limits.d`, read by pam_limits at
    /// every login. Services of systemd never see it; theirs are set in a `systemd_unit`, by `LimitNOFILE`
    /// and its like.
    ///
    ///     limits "web" domain="www-data" {
    ///         both { nofile 65536; }
    ///         soft { core 0; }
    ///     }
    ///     limits "90-batch" {
    ///         domain "@batch" "@night"
    ///         hard { cpu 600; nproc 200; }
    ///     }
    pub struct Limits: "limits" {
        /// The file's name without `.conf`. Of two files that say different things the one that comes later in
        /// the alphabet counts.
        [title] pub name: String,
        /// Whether the limits hold.
        pub ensure: Ensure = Ensure::Present,
        /// For whom: a user, `@GROUP`, `*` for everybody but root, or ids as `1000:2000`. `%GROUP` is for
        /// the number of logins of a whole group.
        pub domain: Vec<String>,
        /// Limits that hold as soft and hard ones, by what they limit: `nofile`, `nproc`, `memlock` and so on
        /// (see limits.conf(5)). A number, or `unlimited`.
        pub both: IndexMap<String, Amount>,
        /// Limits that a process may raise up to the hard ones.
        pub soft: IndexMap<String, Amount>,
        /// Limits that nobody but root may raise.
        pub hard: IndexMap<String, Amount>,
    }
    check |desired| { check(desired) }
}

fn check(desired: &Limits) -> Vec<AttributeError> {
    let mut errors = Vec::new();
    if !is_file_name(&desired.name) || desired.name.ends_with(".conf") {
        errors.push(AttributeError::new("name", "must be a file's name of letters, digits, `-`, `_` and `.`, without `.conf`"));
    }
    if desired.ensure == Ensure::Present && desired.domain.is_empty() {
        errors.push(AttributeError::new("domain", "is required and not given").help("a user, \"@GROUP\" or \"*\""));
    }
    let is_domain = |domain: &&String| {
        !domain.is_empty() && !domain.starts_with('#') && !domain.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if let Some(odd) = desired.domain.iter().find(|domain| !is_domain(domain)) {
        errors.push(AttributeError::new("domain", format!("{odd:?} can be no user or group")));
    }
    if desired.ensure == Ensure::Present && desired.lines().next().is_none() {
        errors.push(AttributeError::new("both", "or `soft` or `hard` is required, and none is given"));
    }
    for (attribute, limits) in [("both", &desired.both), ("soft", &desired.soft), ("hard", &desired.hard)] {
        for item in limits.keys() {
            if !ITEMS.contains(&item.as_str()) {
                errors.push(AttributeError::new(attribute, format!("{item:?} is nothing that can be limited")).help(ITEMS.join(", ")));
            }
            if attribute != "both" && desired.both.contains_key(item) {
                errors.push(AttributeError::new(attribute, format!("{item} is given by `both`, too")));
            }
        }
    }
    let number = |amount: &Amount| amount.0.parse::<i64>().ok();
    for (item, soft) in &desired.soft {
        if let (Some(soft), Some(hard)) = (number(soft), desired.hard.get(item).and_then(number))
            && soft > hard
            && hard >= 0
        {
            errors.push(AttributeError::new("soft", format!("{item} is more than its hard limit")));
        }
    }
    errors
}

impl Limits {
    fn path(&self) -> String {
        format!("{FOLDER}/{}.conf", self.name)
    }

    /// Kind, item and amount of every limit.
    fn lines(&self) -> impl Iterator<Item = (&'static str, &String, &Amount)> {
        let kinds = [("-", &self.both), ("soft", &self.soft), ("hard", &self.hard)];
        kinds.into_iter().flat_map(|(kind, limits)| limits.iter().map(move |(item, amount)| (kind, item, amount)))
    }

    fn file(&self) -> WholeFile {
        let mut text = String::new();
        for domain in &self.domain {
            for (kind, item, Amount(amount)) in self.lines() {
                let _ = writeln!(text, "{domain} {kind} {item} {amount}");
            }
        }
        WholeFile::open(self.path(), (self.ensure == Ensure::Present).then_some(text))
    }
}

/// How the file differs.
#[derive(Debug)]
pub struct ObservedLimits(Option<Deviation>);

/// The type `limits`.
pub struct LimitsType;

impl ResourceType for LimitsType {
    type Host = Host;
    type Desired = Limits;
    type Observed = ObservedLimits;

    fn observe(&self, host: &Host, desired: &[&Limits]) -> Vec<Result<ObservedLimits, ObserveError>> {
        desired.iter().map(|limits| limits.file().look(host).map(ObservedLimits)).collect()
    }

    fn diff(&self, _desired: &Limits, observed: &ObservedLimits) -> Vec<Change> {
        observed.0.iter().map(|deviation| deviation.change("limits")).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        work.desired.file().settle(host)
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Limits) -> Footprint {
        Footprint::default().own(format!("path:{}", desired.path())).need(format!("path:{FOLDER}"))
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| files_in(host, FOLDER, ".conf").map(Listed::from))
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        undescribed(host, (FOLDER, ".conf"), described, "it says more than limits of one domain")
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let file = entry.name.to_string_lossy().into_owned();
            let Some(name) = file.strip_suffix(".conf").filter(|name| title.is_none_or(|title| title == *name)) else { continue };
            let text = host.read_text(format!("{FOLDER}/{file}"))?.unwrap_or_default();
            found.extend(describe(&text).map(|attributes| Described { title: name.to_owned(), attributes }));
        }
        Ok(Some(found))
    }
}

/// The attributes behind a file; none where it says what they cannot.
fn describe(text: &str) -> Option<Map> {
    let mut domains: Vec<String> = Vec::new();
    let mut limits = [Map::new(), Map::new(), Map::new()];
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [domain, kind, item, amount] = words.as_slice() else { return None };
        if !domains.iter().any(|known| known == domain) {
            domains.push((*domain).to_owned());
        }
        let place = ["-", "soft", "hard"].iter().position(|known| known == kind)?;
        let amount = amount.parse().map_or_else(|_| Value::from(*amount), Value::Int);
        limits.get_mut(place)?.insert((*item).to_owned(), amount);
    }
    let [both, soft, hard] = limits;
    let mut attributes = Map::from_iter([("domain".to_owned(), Value::from(domains))]);
    let given = [("both", both), ("soft", soft), ("hard", hard)].into_iter().filter(|(_, limits)| !limits.is_empty());
    attributes.extend(given.map(|(name, limits)| (name.to_owned(), Value::Map(limits))));
    // What would be written otherwise is not described.
    let read = <Limits as attributes::Attributes>::from_attributes("x", &attributes).ok()?;
    (read.file().wanted.as_deref() == Some(text.as_bytes())).then_some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn table(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    #[test]
    fn limits_are_lines_for_each_domain_and_describe_themselves() {
        let trial = Trial::new();
        trial.write("/etc/security/limits.d/README", "");
        let attributes = [
            ("domain", list(&["www-data", "@ops"])),
            ("both", table(&[("nofile", Value::Int(65536))])),
            ("soft", table(&[("core", Value::from("unlimited"))])),
        ];
        trial.converge(&LimitsType, "web", &attributes).unwrap();
        assert_eq!(
            trial.read("/etc/security/limits.d/web.conf"),
            "www-data - nofile 65536\nwww-data soft core unlimited\n@ops - nofile 65536\n@ops soft core unlimited\n"
        );
        let described = LimitsType.describe(&trial.host, None).unwrap().unwrap().remove(0);
        let found: Vec<(&str, Value)> = described.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(trial.plan(&LimitsType, &described.title, &found).unwrap(), [""; 0]);
        assert_eq!(describe("* hard cpu 1 # by hand\n"), None);
        trial.converge(&LimitsType, "web", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists("/etc/security/limits.d/web.conf"));
    }

    #[test]
    fn what_pam_would_pass_over_is_refused() {
        let refused = |attributes: &[(&str, Value)]| Trial::refuses::<LimitsType>("x", attributes);
        let domain = ("domain", Value::from("*"));
        assert!(refused(&[domain.clone(), ("soft", table(&[("nofiles", Value::Int(1))]))]).contains("nothing that can be limited"));
        assert!(refused(&[domain.clone(), ("soft", table(&[("nofile", Value::from("many"))]))]).contains("expected a number"));
        assert!(refused(std::slice::from_ref(&domain)).contains("`soft` or `hard` is required"));
        let turned = [domain, ("soft", table(&[("nofile", Value::Int(2))])), ("hard", table(&[("nofile", Value::Int(1))]))];
        assert!(refused(&turned).contains("more than its hard limit"));
        assert!(refused(&[("domain", Value::from("a b")), ("soft", table(&[("nofile", Value::Int(1))]))]).contains("can be no user"));
        assert!(Trial::refuses::<LimitsType>("../x", &[]).contains("name"));
    }
}
