//! The type `hostname`: what the host is called.

use keel_engine::attributes;
use keel_engine::attributes::AttributeError;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::value::Map;

use crate::host::Host;
use crate::whole_file::{Deviation, WholeFile};

const FILE: &str = "/etc/hostname";
const LIVE: &str = "/proc/sys/kernel/hostname";

attributes! {
    /// What the host is called: now, and after the next boot through `/etc/hostname`. That the name is
    /// resolved to an address is for `host`.
    ///
    ///     hostname "db-1"
    pub struct Hostname: "hostname" {
        /// The name; with its domain only where the whole site does so.
        [title] pub name: String,
        /// Whether the running kernel gets it now.
        pub live: bool = true,
    }
    check |desired| {
        let label = |label: &str| {
            let fits = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            (1..=63).contains(&label.len()) && fits && !label.starts_with('-') && !label.ends_with('-')
        };
        // The kernel takes no more than 64 bytes.
        let fits = desired.name.len() <= 64 && desired.name.split('.').all(label);
        let error = || AttributeError::of_value("name", format!("{:?} cannot be the name of a host", desired.name));
        (!fits).then(|| error().help("letters, digits and `-`, 63 at most between two dots, 64 in all")).into_iter().collect()
    }
}

/// The deviation of the file, and the name that the kernel has.
#[derive(Debug)]
pub struct ObservedHostname {
    file: Option<Deviation>,
    /// None where the kernel is not asked.
    live: Option<String>,
}

/// The type `hostname`.
pub struct HostnameType;

impl ResourceType for HostnameType {
    type Host = Host;
    type Desired = Hostname;
    type Observed = ObservedHostname;

    fn observe(&self, host: &Host, desired: &[&Hostname]) -> Vec<Result<ObservedHostname, ObserveError>> {
        let look = |hostname: &&Hostname| {
            let live = if hostname.live { host.read_text(LIVE)?.map(|name| name.trim().to_owned()) } else { None };
            Ok(ObservedHostname { file: file(hostname).look(host)?, live })
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Hostname, observed: &ObservedHostname) -> Vec<Change> {
        let file = observed.file.as_ref().map(|deviation| deviation.change("persist"));
        let live = observed.live.as_ref().filter(|live| **live != desired.name);
        file.into_iter().chain(live.map(|live| Change::update("live", live.as_str(), desired.name.as_str()))).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if has("persist") {
            file(work.desired).settle(host)?;
        }
        match has("live") {
            true if host.is_machine() => host.command("hostname").argument("--").argument(&work.desired.name).succeed().map(drop),
            true => host.write_setting(LIVE, &work.desired.name),
            false => Ok(()),
        }
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, _desired: &Hostname) -> Footprint {
        Footprint::default().own(format!("path:{FILE}")).write("kernel:hostname").need("path:/etc")
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let name = host.read_text(FILE)?.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let found = name.filter(|name| title.is_none_or(|title| title == name));
        Ok(Some(found.map(|title| Described { title, attributes: Map::new() }).into_iter().collect()))
    }
}

fn file(desired: &Hostname) -> WholeFile {
    WholeFile::open(FILE, Some(format!("{}\n", desired.name)))
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::Trial;

    #[test]
    fn a_name_is_for_now_and_for_the_next_boot() {
        let trial = Trial::new();
        trial.write(FILE, "old\n");
        trial.write(LIVE, "older\n");
        assert_eq!(trial.converge(&HostnameType, "db-1", &[]).unwrap(), ["~ persist: 1 line -> 1 line", "~ live: older -> db-1"]);
        assert_eq!((trial.read(FILE).as_str(), trial.read(LIVE).as_str()), ("db-1\n", "db-1"));
        trial.write(LIVE, "dhcp\n");
        assert_eq!(trial.plan(&HostnameType, "db-1", &[("live", Value::Bool(false))]).unwrap(), [""; 0]);
        assert_eq!(HostnameType.describe(&trial.host, None).unwrap().unwrap()[0].title, "db-1");
    }

    #[test]
    fn names_that_no_host_can_have() {
        for name in ["", "-a", "a_b", "a..b", "a b", &"x".repeat(64)] {
            assert!(Trial::refuses::<HostnameType>(name, &[]).contains("cannot be the name"), "{name}");
        }
    }
}
