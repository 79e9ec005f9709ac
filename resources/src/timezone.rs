//! The type `timezone`: the zone whose time the host shows.

use std::path::PathBuf;

use keel_engine::attributes;
use keel_engine::attributes::AttributeError;
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, ObserveError, ResourceType, Work};
use keel_engine::value::Map;

use crate::host::{Host, Ownership};
use crate::whole_file::{Deviation, WholeFile};

const LINK: &str = "/etc/localtime";
const NAME: &str = "/etc/timezone";
const ZONES: &str = "/usr/share/zoneinfo";

attributes! {
    /// The zone whose time the host shows. Programs that run go on with the old one until they are
    /// restarted; `notify` those for which it matters, such as cron.
    ///
    ///     timezone "Europe/Berlin"
    pub struct Timezone: "timezone" {
        /// The zone: `Europe/Berlin`, `UTC`.
        [title] pub zone: String,
    }
    check |desired| {
        let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c)) && !part.starts_with('-');
        let fits = desired.zone.split('/').all(part);
        let error = || AttributeError::of_value("zone", format!("{:?} cannot be a time zone", desired.zone));
        (!fits).then(|| error().help("a name such as \"Europe/Berlin\"; `timedatectl list-timezones` has them all")).into_iter().collect()
    }
}

/// The zone that the link names, and the deviation of the file with the name.
#[derive(Debug)]
pub struct ObservedTimezone {
    /// None where something else than a link to a zone stands there.
    zone: Option<String>,
    file: Option<Deviation>,
}

/// The type `timezone`.
pub struct TimezoneType;

impl ResourceType for TimezoneType {
    type Host = Host;
    type Desired = Timezone;
    type Observed = ObservedTimezone;

    fn observe(&self, host: &Host, desired: &[&Timezone]) -> Vec<Result<ObservedTimezone, ObserveError>> {
        let look = |timezone: &&Timezone| {
            if host.stat_followed(format!("{ZONES}/{}", timezone.zone))?.is_none() {
                let failure = Failure::new(format!("the host knows no time zone {}", timezone.zone));
                return Err(ObserveError::NotYet(failure.help("check the name, and require (package)tzdata, which brings the zones")));
            }
            Ok(ObservedTimezone { zone: current(host)?, file: file(timezone).look(host)? })
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Timezone, observed: &ObservedTimezone) -> Vec<Change> {
        let mut changes = Vec::new();
        if observed.zone.as_ref() != Some(&desired.zone) {
            let before = observed.zone.as_deref().map_or(Shown::Absent, Shown::from);
            changes.push(Change::update("zone", before, desired.zone.as_str()));
        }
        changes.extend(observed.file.as_ref().map(|deviation| deviation.change("name")));
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if has("zone") {
            host.create_link(LINK, format!("{ZONES}/{}", work.desired.zone), Ownership::default())?;
        }
        if has("name") { file(work.desired).settle(host) } else { Ok(()) }
    }

    fn footprint(&self, _desired: &Timezone) -> Footprint {
        Footprint::default().own(format!("path:{LINK}")).own(format!("path:{NAME}")).need("package:tzdata").need("path:/etc")
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let zone = current(host)?.filter(|zone| title.is_none_or(|title| title == zone));
        Ok(Some(zone.map(|title| Described { title, attributes: Map::new() }).into_iter().collect()))
    }
}

/// The zone that the link points to, by whatever path.
fn current(host: &Host) -> Result<Option<String>, Failure> {
    let target: Option<PathBuf> = host.read_link(LINK)?;
    Ok(target.and_then(|target| target.to_string_lossy().split_once("/zoneinfo/").map(|(_, zone)| zone.to_owned())))
}

fn file(desired: &Timezone) -> WholeFile {
    WholeFile::open(NAME, Some(format!("{}\n", desired.zone)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn the_link_and_the_name_go_together() {
        let trial = Trial::new();
        trial.write("/usr/share/zoneinfo/Europe/Berlin", "");
        trial.write(LINK, "a copy");
        assert_eq!(
            trial.converge(&TimezoneType, "Europe/Berlin", &[]).unwrap(),
            ["~ zone: absent -> Europe/Berlin", "+ name: absent -> 1 line"]
        );
        assert_eq!(std::fs::read_link(trial.path(LINK)).unwrap(), PathBuf::from("/usr/share/zoneinfo/Europe/Berlin"));
        assert_eq!(TimezoneType.describe(&trial.host, None).unwrap().unwrap()[0].title, "Europe/Berlin");
    }

    #[test]
    fn a_zone_that_nobody_knows_is_waited_for() {
        assert_eq!(Trial::new().plan(&TimezoneType, "Mars/North", &[]).unwrap_err(), "the host knows no time zone Mars/North");
        for zone in ["", "../etc/passwd", "Europe/", "a b"] {
            assert!(Trial::refuses::<TimezoneType>(zone, &[]).contains("cannot be a time zone"), "{zone}");
        }
    }
}
