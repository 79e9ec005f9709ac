//! `mount`: file systems, in the table for the next boot and mounted now.

mod tables;

use std::collections::BTreeMap;

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::catalog::Effect;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, PlannedRefresh, Refreshed, ResourceType, Work};
use keel_engine::value::{Map, Value};

use crate::host::Host;
use crate::text_file::{Content, edit_text};
pub(crate) use tables::TableLine;
use tables::{Live, parse_mountinfo, with_line};

keel_engine::choices! {
    /// How far a file system goes.
    pub enum Ensure {
        /// It is in the table; whether it is mounted is not looked at.
        Defined = "defined",
        /// It is in the table and mounted.
        Mounted = "mounted",
        /// It is in the table and not mounted.
        Unmounted = "unmounted",
        /// It is neither mounted nor in the table.
        Absent = "absent",
    }
}

keel_engine::attributes! {
    /// A file system in `/etc/fstab`, and mounted.
    ///
    /// Changed options of a mounted file system are put in force by one remount; another device by
    /// unmounting and mounting. The directory it is mounted on has to exist. Below another root than
    /// `/` only the table is kept.
    ///
    ///     mount "/srv/data" device="/dev/vg0/data" fstype=xfs options=noatime pass=2
    ///     mount "/mnt/backup" ensure=unmounted device="nas:/backup" fstype=nfs options="noauto,ro"
    pub struct Mount: "mount" {
        /// Where it is mounted.
        [title] pub path: AbsolutePath,
        /// How far it goes.
        pub ensure: Ensure = Ensure::Mounted,
        /// What is mounted: a device, `UUID=...`, `LABEL=...`, `host:/path`, `tmpfs`.
        pub device: Option<String>,
        /// The type of the file system: `ext4`, `xfs`, `nfs`, `tmpfs`.
        pub fstype: Option<String>,
        /// The mount options, as several values or as one with commas. Not given: `defaults`.
        pub options: Vec<String>,
        /// Whether `dump` backs it up; 0 or 1.
        pub dump: u32 = 0,
        /// When it is checked at boot: 0 never, 1 for the root, 2 for others.
        pub pass: u32 = 0,
        /// Whether changed options and notifications remount it.
        pub remounts: bool = true,
    }
    check |desired| {
        let mut errors: Vec<AttributeError> = Vec::new();
        let mut refuse = |wrong: bool, attribute: &str, message: &str| {
            if wrong {
                errors.push(AttributeError::new(attribute, message));
            }
        };
        let there = desired.ensure != Ensure::Absent;
        refuse(there && desired.device.is_none(), "device", "is required and not given");
        refuse(there && desired.fstype.is_none(), "fstype", "is required and not given");
        let broken = |text: &String| text.is_empty() || text.contains(|c: char| c.is_control());
        refuse(desired.device.as_ref().is_some_and(broken), "device", "is one line of text");
        refuse(desired.fstype.as_ref().is_some_and(|text| broken(text) || text.contains(' ')), "fstype", "is one word");
        refuse(desired.options.iter().any(broken), "options", "are words without line breaks");
        refuse(["/proc", "/sys", "/dev"].contains(&desired.path.as_str()), "path", "is the kernel's own");
        refuse(desired.path.as_str() == "/" && !matches!(desired.ensure, Ensure::Defined | Ensure::Mounted), "ensure", "would unmount the root");
        errors
    }
}

const TABLE: &str = "/etc/fstab";
const LIVE: &str = "/proc/self/mountinfo";
/// Options that a mounted file system shows under the same name.
const VISIBLE: [&str; 6] = ["ro", "noexec", "nosuid", "nodev", "noatime", "nodiratime"];

impl Mount {
    fn options(&self) -> String {
        if self.options.is_empty() { "defaults".to_owned() } else { self.options.join(",") }
    }

    /// The line for the table; none where there shall be none.
    fn line(&self) -> Option<TableLine> {
        if self.ensure == Ensure::Absent {
            return None;
        }
        Some(TableLine {
            device: self.device.clone()?,
            point: self.path.to_string(),
            fstype: self.fstype.clone()?,
            options: self.options(),
            dump: self.dump,
            pass: self.pass,
        })
    }
}

/// The type `mount`.
pub struct MountType;

/// A file system in the table and in the kernel.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    line: Option<TableLine>,
    now: Now,
}

#[derive(Debug, PartialEq, Eq)]
enum Now {
    /// Nobody asks, or the root is a folder of some other host.
    NotAsked,
    NotMounted,
    Mounted,
    /// It is mounted, but with other options; the text says which.
    Differently(String),
    /// This other device is mounted.
    OtherDevice(String),
}

impl ResourceType for MountType {
    type Host = Host;
    type Desired = Mount;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Mount]) -> Vec<Result<Observed, ObserveError>> {
        let read = || -> Result<_, Failure> {
            let table = host.read_text(TABLE)?.unwrap_or_default();
            let live = if host.is_machine() { Some(parse_mountinfo(&host.read_text(LIVE)?.unwrap_or_default())) } else { None };
            Ok((table, live))
        };
        match read() {
            Ok((table, live)) => {
                let look = |desired: &&Mount| {
                    expect_place(host, desired)?;
                    Ok(observe(host, desired, &table, live.as_ref()))
                };
                desired.iter().map(look).collect()
            }
            Err(failure) => desired.iter().map(|_| Err(failure.clone().into())).collect(),
        }
    }

    fn diff(&self, desired: &Mount, observed: &Observed) -> Vec<Change> {
        let mut changes = table_changes(desired.line().as_ref(), observed.line.as_ref());
        match (desired.ensure, &observed.now) {
            (Ensure::Mounted, Now::NotMounted) => changes.push(Change::create("mounted", desired.device.clone().unwrap_or_default())),
            (Ensure::Mounted, Now::Differently(how)) => changes.push(Change::update("mounted", how.as_str(), "as declared")),
            (Ensure::Mounted, Now::OtherDevice(device)) => {
                changes.push(Change::update("mounted", device.as_str(), desired.device.clone().unwrap_or_default()))
            }
            (Ensure::Unmounted | Ensure::Absent, Now::Mounted | Now::Differently(_) | Now::OtherDevice(_)) => {
                changes.push(Change::delete("mounted", "mounted"))
            }
            _ => {}
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let (desired, point) = (work.desired, work.desired.path.as_str());
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        let leaves = matches!(desired.ensure, Ensure::Unmounted | Ensure::Absent);
        if has("mounted") && leaves {
            run(host, "umount", &[point])?;
        }
        if work.changes.iter().any(|change| change.attribute != "mounted") {
            let line = desired.line();
            edit_text(host, TABLE.as_ref(), Content::Open, |table| Ok(Some(with_line(table, point, line.as_ref()))))?;
            reload_units(host);
        }
        match (&work.observed.now, desired.ensure) {
            (Now::NotMounted, Ensure::Mounted) => run(host, "mount", &[point]),
            (Now::OtherDevice(_), Ensure::Mounted) => mount_anew(host, point),
            (Now::Mounted | Now::Differently(_), Ensure::Mounted) if has("device") || has("fstype") => mount_anew(host, point),
            (Now::Mounted, Ensure::Mounted) if has("options") && desired.remounts => run(host, "mount", &["-o", "remount", point]),
            (Now::Differently(_), Ensure::Mounted) if desired.remounts => run(host, "mount", &["-o", "remount", point]),
            _ => Ok(()),
        }
    }

    fn plan_refresh(&self, desired: &Mount, observed: &Observed, _effect: Effect, made: &[Change]) -> PlannedRefresh {
        let is_mounted = desired.ensure == Ensure::Mounted && !matches!(observed.now, Now::NotAsked | Now::NotMounted);
        match (made.is_empty(), is_mounted && desired.remounts) {
            (false, _) => PlannedRefresh::NotNeeded("it was just mounted"),
            (true, false) => PlannedRefresh::NotNeeded("it is not mounted, or not remounted"),
            (true, true) => PlannedRefresh::Due("remount"),
        }
    }

    fn refresh(&self, host: &Host, desired: &Mount, _effect: Effect, _made: &[Change]) -> Result<Refreshed, Failure> {
        let live = parse_mountinfo(&host.read_text(LIVE)?.unwrap_or_default());
        if !live.contains_key(desired.path.as_str()) {
            return Ok(Refreshed::NotNeeded("it is not mounted any more"));
        }
        run(host, "mount", &["-o", "remount", desired.path.as_str()])?;
        Ok(Refreshed::Done("remounted"))
    }

    fn nature(&self) -> Nature {
        Nature { refreshable: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Mount) -> Footprint {
        let point = &desired.path;
        let mut footprint = Footprint::default().own(format!("mount:{point}")).write(format!("path:{TABLE}#{point}"));
        // Its own directory, what it lies in (which may be mounted too), and its device.
        footprint = footprint.need(format!("path:{point}"));
        if let Some(parent) = point.parent() {
            footprint = footprint.need(format!("path:{parent}"));
        }
        if let Some(device) = desired.device.as_ref().filter(|device| device.starts_with('/')) {
            footprint = footprint.need(format!("path:{device}"));
        }
        if desired.ensure == Ensure::Mounted { footprint.provide(format!("path:{point}")) } else { footprint }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let table = host.read_text(TABLE)?.unwrap_or_default();
        let live = parse_mountinfo(&host.read_text(LIVE)?.unwrap_or_default());
        let lines = table.lines().filter_map(TableLine::parse).filter(|line| line.fstype != "swap" && line.point.starts_with('/'));
        let describe = |line: TableLine| {
            let options: Vec<&str> = line.options.split(',').collect();
            let mut attributes = Map::from_iter([
                ("device".to_owned(), Value::from(line.device.as_str())),
                ("fstype".to_owned(), Value::from(line.fstype.as_str())),
            ]);
            attributes.insert("options".to_owned(), Value::from(options));
            for (name, number) in [("dump", line.dump), ("pass", line.pass)].into_iter().filter(|(_, number)| *number != 0) {
                attributes.insert(name.to_owned(), Value::Int(i64::from(number)));
            }
            if !live.contains_key(line.point.as_str()) {
                attributes.insert("ensure".to_owned(), Value::from("defined"));
            }
            Described { title: line.point, attributes }
        };
        Ok(Some(lines.filter(|line| title.is_none_or(|title| title == line.point)).map(describe).collect()))
    }
}

/// Fails where the table's folder or the directory to mount on is missing and nothing declares it.
fn expect_place(host: &Host, desired: &Mount) -> Result<(), ObserveError> {
    if desired.ensure == Ensure::Absent {
        return Ok(());
    }
    host.folders().expect_folder_of(TABLE)?;
    let point = &desired.path;
    let asks = host.is_machine() && desired.ensure == Ensure::Mounted;
    if !asks || host.stat_followed(point)?.is_some() || host.claims().writes(&format!("path:{point}")) {
        return Ok(());
    }
    let failure = Failure::new(format!("the directory {point} to mount on does not exist"));
    Err(ObserveError::NotYet(failure.help(format!("declare it: file {:?} ensure=directory", point.as_str()))))
}

fn observe(host: &Host, desired: &Mount, table: &str, live: Option<&BTreeMap<String, Live>>) -> Observed {
    let line = TableLine::find(table, desired.path.as_str());
    let now = match (live, desired.ensure) {
        (None, _) | (_, Ensure::Defined) => Now::NotAsked,
        (Some(live), _) => live.get(desired.path.as_str()).map_or(Now::NotMounted, |live| compare(host, desired, live)),
    };
    Observed { line, now }
}

fn compare(host: &Host, desired: &Mount, live: &Live) -> Now {
    let wanted = desired.options();
    let wanted: Vec<&str> = wanted.split(',').collect();
    let lacking: Vec<&str> =
        VISIBLE.into_iter().filter(|option| wanted.contains(option) && !live.options.iter().any(|live| live == option)).collect();
    let read_only = live.options.first().is_some_and(|option| option == "ro") && !wanted.contains(&"ro");
    if read_only && desired.remounts {
        return Now::Differently("read-only".to_owned());
    }
    if !lacking.is_empty() && desired.remounts {
        return Now::Differently(format!("without {}", lacking.join(",")));
    }
    match &desired.device {
        Some(device) if is_other_device(host, device, &live.device) => Now::OtherDevice(live.device.clone()),
        _ => Now::Mounted,
    }
}

/// Whether something else is mounted; told only for names that the kernel shows too.
fn is_other_device(host: &Host, wanted: &str, live: &str) -> bool {
    let real = |path: &str| host.resolve(path).unwrap_or_else(|_| path.into());
    wanted.contains(":/") && wanted != live || wanted.starts_with("/dev/") && live.starts_with("/dev/") && real(wanted) != real(live)
}

fn table_changes(wanted: Option<&TableLine>, line: Option<&TableLine>) -> Vec<Change> {
    match (wanted, line) {
        (None, None) => vec![],
        (None, Some(line)) => vec![Change::delete("ensure", line.device.as_str())],
        (Some(wanted), None) => vec![
            Change::create("ensure", "defined"),
            Change::create("device", wanted.device.as_str()),
            Change::create("fstype", wanted.fstype.as_str()),
            Change::create("options", wanted.options.as_str()),
        ],
        (Some(wanted), Some(line)) => {
            let texts = [
                ("device", &line.device, &wanted.device),
                ("fstype", &line.fstype, &wanted.fstype),
                ("options", &line.options, &wanted.options),
            ];
            let numbers = [("dump", line.dump, wanted.dump), ("pass", line.pass, wanted.pass)];
            let texts = texts
                .into_iter()
                .filter(|(_, old, new)| old != new)
                .map(|(name, old, new)| Change::update(name, old.as_str(), new.as_str()));
            let numbers = numbers.into_iter().filter(|(_, old, new)| old != new);
            texts.chain(numbers.map(|(name, old, new)| Change::update(name, i64::from(old), i64::from(new)))).collect()
        }
    }
}

fn mount_anew(host: &Host, point: &str) -> Result<(), Failure> {
    run(host, "umount", &[point])?;
    run(host, "mount", &[point])
}

fn run(host: &Host, program: &str, arguments: &[&str]) -> Result<(), Failure> {
    if !host.is_machine() {
        return Ok(());
    }
    host.command(program).arguments(arguments.iter().copied()).succeed().map(drop)
}

/// systemd makes units of the table, and would unmount by an old one what was mounted by a new one.
fn reload_units(host: &Host) {
    if let Some(bus) = host.is_machine().then(|| host.bus().ok()).flatten() {
        let _: Option<()> = bus.call_if("Reload", &());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn data() -> Vec<(&'static str, Value)> {
        vec![("device", Value::from("/dev/vg/data")), ("fstype", Value::from("xfs")), ("options", list(&["noatime", "nodev"]))]
    }

    #[test]
    fn the_table_gets_a_line_that_changes_in_place_and_goes() {
        let trial = Trial::new();
        trial.write(TABLE, "# mine\n/dev/a / ext4 defaults 0 1\n");
        let made = trial.converge(&MountType, "/srv/data", &data()).unwrap();
        assert_eq!(made.len(), 4);
        assert!(trial.read(TABLE).ends_with("/dev/vg/data\t/srv/data\txfs\tnoatime,nodev\t0\t0\n"));
        let mut other = data();
        other[2].1 = Value::from("ro");
        other.push(("pass", Value::Int(2)));
        assert_eq!(trial.converge(&MountType, "/srv/data", &other).unwrap(), ["~ options: noatime,nodev -> ro", "~ pass: 0 -> 2"]);
        assert_eq!(trial.converge(&MountType, "/srv/data", &[("ensure", Value::from("absent"))]).unwrap().len(), 1);
        assert_eq!(trial.read(TABLE), "# mine\n/dev/a / ext4 defaults 0 1\n");
    }

    #[test]
    fn what_is_mounted_is_held_against_what_is_declared() {
        let trial = Trial::new();
        let attributes: keel_engine::value::Map = data().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let desired = <Mount as keel_engine::attributes::Attributes>::from_attributes("/srv/data", &attributes).unwrap();
        let now = |line: &str| observe(&trial.host, &desired, "", Some(&parse_mountinfo(line))).now;
        assert_eq!(now(""), Now::NotMounted);
        assert_eq!(now("1 1 0:1 / /srv/data rw,nodev,noatime - xfs /dev/vg/data rw"), Now::Mounted);
        assert_eq!(now("1 1 0:1 / /srv/data rw,nodev - xfs /dev/vg/data rw"), Now::Differently("without noatime".to_owned()));
        assert_eq!(now("1 1 0:1 / /srv/data ro,nodev,noatime - xfs /dev/vg/data rw"), Now::Differently("read-only".to_owned()));
        assert_eq!(now("1 1 0:1 / /srv/data rw,nodev,noatime - xfs /dev/other rw"), Now::OtherDevice("/dev/other".to_owned()));
    }

    #[test]
    fn a_nested_mount_comes_after_the_one_it_lies_in() {
        let attributes: keel_engine::value::Map = data().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let desired = <Mount as keel_engine::attributes::Attributes>::from_attributes("/srv/data/inner", &attributes).unwrap();
        let footprint = MountType.footprint(&desired);
        assert!(footprint.needs.contains(&"path:/srv/data".to_owned()));
        assert!(footprint.provides.contains(&"path:/srv/data/inner".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(Trial::refuses::<MountType>("/x", &[]), "device is required and not given; fstype is required and not given");
        assert!(Trial::refuses::<MountType>("/proc", &data()).starts_with("path"));
        assert!(Trial::refuses::<MountType>("/", &[("ensure", Value::from("absent"))]).starts_with("ensure"));
    }
}
