//! The type `systemd_unit`: unit files of the host's own, and drop-ins for those of others.

use std::time::Duration;

use indexmap::IndexMap;
use keel_engine::attributes::AttributeError;
use keel_engine::catalog::Effect;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Disruption, Failure, Listing, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::text::Text;
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::{FileKind, Host, Ownership};
use crate::ini::Setting;
use crate::service::{Systemd, is_unit_name, unit_suffix};
use crate::whole_file::{Deviation, WholeFile, files_in, undescribed};

/// Where the host's own units are.
const FOLDER: &str = "/etc/systemd/system";
/// Is there only where systemd runs.
const RUNNING: &str = "/run/systemd/system";
/// Where units of the same name may be that are not the host's own.
const OTHERS: [&str; 4] = [RUNNING, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// What plans call the units that a removal stops.
const RUNNING_UNITS: &str = "running";
/// How long a unit that goes may take to stop.
const STOP_TIME: Duration = Duration::from_secs(120);

choices! {
    /// Whether a unit file is there.
    pub enum Ensure {
        /// It is.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

attributes! {
    /// A unit of systemd in `/etc/systemd/system`: a service, timer, mount or any other, or a drop-in that
    /// changes a unit which a package brought.
    ///
    /// systemd reads its files again once for all units that change together, and only then. Whether a unit
    /// runs and starts with the machine is for `service`, which comes after its files by itself; give this
    /// one a `notify` for a restart. A unit that goes is stopped and disabled first, with all instances of a
    /// template, unless a package has a unit of the same name, which takes over.
    ///
    ///     systemd_unit "backup.service" {
    ///         section Service {
    ///             Type oneshot
    ///             ExecStart "/usr/local/sbin/backup"
    ///         }
    ///     }
    ///     systemd_unit "backup.timer" content="[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"
    ///     systemd_unit "more files for nginx" name="nginx.service" dropin=limits {
    ///         section Service {
    ///             LimitNOFILE 65536
    ///         }
    ///     }
    ///
    /// With `purge systemd_unit` other unit files in `/etc/systemd/system` go; links, drop-ins and what
    /// packages brought stay.
    pub struct SystemdUnit: "systemd_unit" {
        /// The unit's name with its kind: `backup.timer`.
        [title] pub name: String,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// The name of a drop-in: the file is `NAME.d/DROPIN.conf`, and the unit itself is somebody else's.
        pub dropin: Option<String>,
        /// The whole text; instead of sections.
        pub content: Option<Text>,
        /// The settings by section and key, in this order. A list is a line for each value; `""` in front of
        /// others empties what the unit had before.
        [block] pub section: IndexMap<String, IndexMap<String, Setting>>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if !is_unit_name(&desired.name) || unit_suffix(&desired.name).is_none() {
            let error = AttributeError::of_value("name", format!("{:?} cannot be the name of a unit file", desired.name));
            errors.push(error.help("a name with its kind, such as \"backup.service\" or \"backup.timer\""));
        }
        let is_word = |name: &String| !name.is_empty() && !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if desired.dropin.as_ref().is_some_and(|name| !is_word(name) || name.ends_with(".conf")) {
            errors.push(AttributeError::new("dropin", "is a name of letters, digits, `-`, `_` and `.`, without `.conf`"));
        }
        match (&desired.content, desired.section.is_empty()) {
            (None, true) if desired.ensure == Ensure::Present => {
                errors.push(AttributeError::new("content", "is required and not given").help("give `section` or `content`"));
            }
            (Some(_), false) => errors.push(AttributeError::new("content", "and `section` exclude each other")),
            (Some(Text::Plain(text)), true) => errors.extend(check_text(text).err().map(|error| AttributeError::of_value("content", error))),
            _ => {}
        }
        errors
    }
}

/// What systemd would ignore with no more than a line in the journal.
fn check_text(text: &str) -> Result<(), String> {
    let (mut in_section, mut continued) = (false, false);
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let is_comment = trimmed.starts_with(['#', ';']) || trimmed.is_empty();
        let is_header = trimmed.starts_with('[') && trimmed.ends_with(']');
        let is_setting = in_section && trimmed.contains('=');
        if !(is_comment || continued || is_header || is_setting) {
            return Err(format!("line {} is neither a section, a setting in one, nor a comment: {trimmed:?}", at + 1));
        }
        in_section |= is_header && !continued;
        continued = if is_comment { continued && !trimmed.is_empty() } else { trimmed.ends_with('\\') };
    }
    Ok(())
}

impl SystemdUnit {
    fn path(&self) -> String {
        match &self.dropin {
            Some(dropin) => format!("{FOLDER}/{}.d/{dropin}.conf", self.name),
            None => format!("{FOLDER}/{}", self.name),
        }
    }

    fn dropin_folder(&self) -> Option<String> {
        self.dropin.as_ref().map(|_| format!("{FOLDER}/{}.d", self.name))
    }

    fn is_secret(&self) -> bool {
        self.content.as_ref().is_some_and(Text::is_secret) || self.section.values().flat_map(IndexMap::values).any(Setting::is_secret)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.section {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}[{section}]\n"));
            for (key, setting) in keys {
                setting.scalars().iter().for_each(|value| text.push_str(&format!("{key}={}\n", value.text())));
            }
        }
        text
    }

    fn file(&self, host: &Host) -> Result<WholeFile, Failure> {
        let wanted = match (self.ensure, &self.content) {
            (Ensure::Absent, _) => None,
            (Ensure::Present, None) => Some(self.text().into_bytes()),
            (Ensure::Present, Some(content)) => {
                let bytes = content.bytes(host.contents()).map_err(Failure::new)?;
                let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new("the content is not UTF-8"))?;
                let checked =
                    check_text(text).map_err(|error| if content.is_secret() { "the content is no unit file".to_owned() } else { error });
                checked.map_err(Failure::new)?;
                Some(bytes.to_vec())
            }
        };
        Ok(WholeFile { path: self.path(), wanted, is_secret: self.is_secret() })
    }
}

/// What was found of a unit file.
#[derive(Debug)]
pub struct ObservedUnit {
    file: Option<Deviation>,
    /// The file is right, and systemd still goes by what was there before.
    is_stale: bool,
    /// What runs by a file that is to go.
    running: Vec<String>,
}

/// The type `systemd_unit`.
pub struct SystemdUnitType;

impl ResourceType for SystemdUnitType {
    type Host = Host;
    type Desired = SystemdUnit;
    type Observed = ObservedUnit;

    fn observe(&self, host: &Host, desired: &[&SystemdUnit]) -> Vec<Result<ObservedUnit, ObserveError>> {
        let names: Vec<String> = desired.iter().map(|unit| unit.name.clone()).collect();
        let stale =
            if has_systemd(host) { Systemd::of(host).and_then(|systemd| systemd.stale(&names)) } else { Ok(vec![false; names.len()]) };
        let look = |(at, unit): (usize, &&SystemdUnit)| {
            let file = look(host, unit)?;
            let is_stale = stale.as_ref().map_err(|failure| ObserveError::NotYet(failure.clone()))?.get(at).copied().unwrap_or_default();
            let running = if file.is_some() && leaves(host, unit)? { Systemd::of(host)?.running(&unit.name)? } else { Vec::new() };
            Ok(ObservedUnit { is_stale: is_stale && file.is_none(), file, running })
        };
        desired.iter().enumerate().map(look).collect()
    }

    fn diff(&self, _desired: &SystemdUnit, observed: &ObservedUnit) -> Vec<Change> {
        let file = observed.file.as_ref().map(|deviation| deviation.change("content"));
        let reload = observed.is_stale.then(|| Change::update("loaded", "an earlier version", "this version"));
        let stop = (!observed.running.is_empty()).then(|| Change::delete(RUNNING_UNITS, observed.running.join(", ")));
        stop.into_iter().chain(file).chain(reload).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        self.apply_batch(host, std::slice::from_ref(work)).pop().unwrap_or(Ok(()))
    }

    fn apply_batch(&self, host: &Host, works: &[Work<'_, Self>]) -> Vec<Result<(), Failure>> {
        let mut results: Vec<Result<(), Failure>> = works.iter().map(|work| settle(host, work)).collect();
        if has_systemd(host)
            && let Err(failure) = Systemd::of(host).and_then(|systemd| systemd.read_again())
        {
            results.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(failure.clone()));
        }
        results
    }

    fn footprint(&self, desired: &SystemdUnit) -> Footprint {
        let path = desired.path();
        let footprint = Footprint::default().own(format!("path:{path}")).provide(format!("unit-file:{}", desired.name));
        // What systemd has read of it, and whether it runs, no file says.
        let footprint = footprint.write(format!("systemd:{path}"));
        footprint.need(format!("path:{}", desired.dropin_folder().unwrap_or_else(|| FOLDER.to_owned())))
    }

    fn disruption(&self, changes: &[Change], _refresh: Option<Effect>) -> Option<Disruption> {
        changes.iter().any(|change| change.attribute == RUNNING_UNITS).then_some(Disruption::Stop)
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, batch: true, file_level: true, ..Nature::default() }
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| {
            let units = files_in(host, FOLDER, "")?.into_iter();
            Ok(units.filter(|unit| unit_suffix(&unit.title).is_some() && is_unit_name(&unit.title)).collect::<Vec<_>>().into())
        })
    }

    fn unsaid(&self, host: &Host, _described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let mut unsaid = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let folder = entry.name.to_string_lossy().into_owned();
            if folder.ends_with(".d") {
                let why = "drop-ins are not listed; `dropin=NAME` manages one";
                unsaid.extend(undescribed(host, (&format!("{FOLDER}/{folder}"), ".conf"), &[], why)?);
            }
        }
        Ok(unsaid)
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let name = entry.name.to_string_lossy().into_owned();
            let path = format!("{FOLDER}/{name}");
            let is_meant = title.is_none_or(|title| title == name) && unit_suffix(&name).is_some() && is_unit_name(&name);
            if is_meant && host.stat(&path)?.is_some_and(|stat| stat.kind == FileKind::File) {
                let text = host.read_text(&path)?.unwrap_or_default();
                let attributes = Map::from_iter([("content".to_owned(), Value::from(text))]);
                found.push(Described { title: name, attributes });
            }
        }
        Ok(Some(found))
    }
}

fn has_systemd(host: &Host) -> bool {
    host.is_machine() && host.stat(RUNNING).is_ok_and(|found| found.is_some())
}

/// Whether a unit as such goes with the file: nobody else has one of its name.
fn leaves(host: &Host, unit: &SystemdUnit) -> Result<bool, Failure> {
    if unit.ensure == Ensure::Present || unit.dropin.is_some() || !has_systemd(host) {
        return Ok(false);
    }
    for folder in OTHERS {
        if host.stat_followed(format!("{folder}/{}", unit.name))?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn look(host: &Host, unit: &SystemdUnit) -> Result<Option<Deviation>, ObserveError> {
    let file = unit.file(host)?;
    // The folder of a drop-in is made with it.
    match unit.dropin_folder() {
        Some(folder) if file.wanted.is_some() && host.stat_followed(&folder)?.is_none() => {
            host.folders().expect_folder_of(&folder)?;
            Ok(Some(file.as_new()))
        }
        _ => file.look(host),
    }
}

fn settle(host: &Host, work: &Work<'_, SystemdUnitType>) -> Result<(), Failure> {
    let unit = work.desired;
    if work.observed.file.is_none() {
        return Ok(());
    }
    let folder = unit.dropin_folder();
    if let Some(folder) = folder.as_ref().filter(|_| unit.ensure == Ensure::Present)
        && host.stat_followed(folder)?.is_none()
    {
        host.create_folder(folder, Ownership { mode: Some(0o755), ..Ownership::default() })?;
    }
    if leaves(host, unit)? {
        Systemd::of(host)?.retire(host, &unit.name, &work.observed.running, STOP_TIME)?;
    }
    unit.file(host)?.settle(host)?;
    let emptied = |folder: &String| host.list(folder).is_ok_and(|entries| entries.is_some_and(|entries| entries.is_empty()));
    if let Some(folder) = folder.filter(|folder| unit.ensure == Ensure::Absent && emptied(folder)) {
        host.remove(folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn table(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.write("/etc/systemd/system/README", "");
        trial
    }

    #[test]
    fn sections_become_a_unit_and_change_and_go() {
        let trial = trial();
        let service = |start: &str| {
            [(
                "section",
                table(&[
                    ("Unit", table(&[("After", list(&["a.service", "b.service"]))])),
                    ("Service", table(&[("ExecStart", Value::from(start))])),
                ]),
            )]
        };
        let made = trial.converge(&SystemdUnitType, "x.service", &service("/bin/a")).unwrap();
        assert_eq!(made, ["+ content: absent -> 6 lines"]);
        let text = "[Unit]\nAfter=a.service\nAfter=b.service\n\n[Service]\nExecStart=/bin/a\n";
        assert_eq!(trial.read("/etc/systemd/system/x.service"), text);
        assert_eq!(trial.converge(&SystemdUnitType, "x.service", &service("/bin/b")).unwrap().len(), 1);
        let described = SystemdUnitType.describe(&trial.host, None).unwrap().unwrap();
        assert_eq!((described.len(), described[0].title.as_str()), (1, "x.service"));
        trial.converge(&SystemdUnitType, "x.service", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists("/etc/systemd/system/x.service"));
    }

    #[test]
    fn a_drop_in_comes_and_goes_with_its_folder() {
        let trial = trial();
        let dropin = [("name", Value::from("ssh.service")), ("dropin", Value::from("limits"))];
        let content = ("content", Value::from("[Service]\nLimitNOFILE=9\n"));
        trial.converge(&SystemdUnitType, "more", &[&dropin[..], &[content]].concat()).unwrap();
        assert!(trial.exists("/etc/systemd/system/ssh.service.d/limits.conf"));
        trial.converge(&SystemdUnitType, "more", &[&dropin[..], &[("ensure", Value::from("absent"))]].concat()).unwrap();
        assert!(!trial.exists("/etc/systemd/system/ssh.service.d"));
    }

    #[test]
    fn what_systemd_would_not_read_is_refused() {
        let refused = |text: &str| Trial::refuses::<SystemdUnitType>("x.service", &[("content", Value::from(text))]);
        assert!(refused("ExecStart=/bin/x\n").contains("line 1 is neither"));
        assert!(refused("[Service]\nExecStart /bin/x\n").contains("line 2 is neither"));
        assert_eq!(check_text("# a\n[Service]\nExecStart=/bin/x \\\n  --flag\n\n; b\nType=simple\n"), Ok(()));
        assert!(Trial::refuses::<SystemdUnitType>("x", &[("content", Value::from("[A]"))]).contains("cannot be the name"));
        assert!(Trial::refuses::<SystemdUnitType>("x.timer", &[]).contains("required"));
        assert!(trial().plan(&SystemdUnitType, "x.timer", &[("content", Value::from("[Timer]\n"))]).is_ok());
    }
}
