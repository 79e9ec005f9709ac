//! What systemd says of units, in the few words that matter here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keel_engine::resource::Failure;
use zbus::OwnedObjectPath;

use super::Enable;
use crate::host::Host;
use crate::host::bus::Bus;

/// Where the host's own units and links are.
const UNIT_FOLDER: &str = "/etc/systemd/system";
/// Lines of a unit's journal that a failure quotes.
const JOURNAL_LINES_MAX: usize = 10;

/// What systemd knows of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its path on the bus.
    pub(super) path: String,
    /// `loaded`, `not-found`, `masked`, `bad-setting`, ...
    pub(super) load: String,
    /// `active`, `inactive`, `failed`, ...
    pub(super) active: String,
    /// What the type of the unit makes of it: `running`, `exited`, `auto-restart`, ...
    pub(super) sub: String,
    /// How it is enabled: `enabled`, `disabled`, `static`, `masked`, ...; nothing if it has no file.
    pub(super) enabled: Option<String>,
}

impl Unit {
    /// Whether it runs or is about to. One that waits for its next try after a crash does not.
    pub(super) fn is_running(&self) -> bool {
        match self.active.as_str() {
            "active" | "reloading" | "refreshing" => true,
            "activating" => self.sub != "auto-restart" && self.sub != "auto-restart-queued",
            _ => false,
        }
    }

    /// Whether there is such a unit at all.
    pub(super) fn exists(&self) -> bool {
        self.load != "not-found"
    }

    /// Whether what is enabled is as wished. Units that only others pull in, or that a generator
    /// made, cannot be enabled or disabled and are as they are.
    pub(super) fn is_enabled_as(&self, wish: Enable) -> bool {
        let state = self.enabled.as_deref().unwrap_or_default();
        match wish {
            Enable::Masked => state == "masked",
            Enable::Yes => matches!(state, "enabled" | "static" | "indirect" | "generated" | "transient" | "alias"),
            Enable::No => !matches!(state, "enabled" | "enabled-runtime"),
        }
    }
}

/// A unit in the list of the manager: name, description, load, active, sub, followed unit, path and
/// the job that is queued for it.
type Listed = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// What became of links: what was done, the link and where it led.
type Links = Vec<(String, String, String)>;

/// The units that others want or require by a link of the host's own: the common case of an enabled
/// one, told without systemd, which takes milliseconds to answer for each.
fn wanted_units(host: &Host) -> Result<BTreeSet<String>, Failure> {
    let mut wanted = BTreeSet::new();
    for folder in host.list(UNIT_FOLDER)?.unwrap_or_default() {
        let name = folder.name.to_string_lossy();
        if name.ends_with(".wants") || name.ends_with(".requires") {
            let links = host.list(Path::new(UNIT_FOLDER).join(&folder.name))?.unwrap_or_default();
            wanted.extend(links.into_iter().map(|link| link.name.to_string_lossy().into_owned()));
        }
    }
    Ok(wanted)
}

/// The manager of one run.
pub(crate) struct Systemd {
    bus: Arc<Bus>,
}

impl Systemd {
    pub(crate) fn of(host: &Host) -> Result<Self, Failure> {
        Ok(Self { bus: host.bus()? })
    }

    /// Looks at units, in the order of their names.
    pub(super) fn look(&self, host: &Host, names: &[String]) -> Result<Vec<Unit>, Failure> {
        let listed: Vec<Listed> = self.bus.call("ListUnitsByNames", &names)?;
        if listed.len() != names.len() {
            return Err(Failure::new(format!("systemd answered for {} units of {}", listed.len(), names.len())));
        }
        let wanted = wanted_units(host)?;
        let units = names.iter().zip(listed).map(|(name, (_, _, load, active, sub, _, path, ..))| {
            let enabled = match &host.read_link(Path::new(UNIT_FOLDER).join(name))? {
                Some(target) if target == Path::new("/dev/null") => Some("masked".to_owned()),
                _ if load == "loaded" && wanted.contains(name) => Some("enabled".to_owned()),
                _ => self.bus.call_if("GetUnitFileState", &(name,)),
            };
            Ok(Unit { path: path.to_string(), load, active, sub, enabled })
        });
        units.collect()
    }

    /// The names of the services, sockets and timers that have files of their own and can be enabled or are masked.
    pub(super) fn unit_files(&self) -> Result<Vec<String>, Failure> {
        let files: Vec<(String, String)> = self.bus.call("ListUnitFiles", &())?;
        let name = |(path, state): (String, String)| {
            let name = Path::new(&path).file_name()?.to_string_lossy().into_owned();
            let is_kind = [".service", ".socket", ".timer"].iter().any(|kind| name.ends_with(kind));
            (is_kind && !name.contains("@.") && matches!(state.as_str(), "enabled" | "disabled" | "masked")).then_some(name)
        };
        let mut names: Vec<String> = files.into_iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    pub(super) fn look_at(&self, host: &Host, name: &str) -> Result<Unit, Failure> {
        self.look(host, &[name.to_owned()])?.pop().ok_or_else(|| Failure::new(format!("systemd says nothing of {name}")))
    }

    /// Whether the files of these units have changed since systemd read them.
    pub(crate) fn stale(&self, names: &[String]) -> Result<Vec<bool>, Failure> {
        let (templates, units): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.contains("@."));
        let listed: Vec<Listed> = self.bus.call("ListUnitsByNames", &units)?;
        let mut told: BTreeMap<&String, Vec<Listed>> = units.into_iter().zip(listed.into_iter().map(|unit| vec![unit])).collect();
        for template in templates {
            told.insert(template, self.listed(template)?);
        }
        let is_stale = |unit: &Listed| self.bus.unit_flag(unit.6.as_str(), "NeedDaemonReload");
        let any_stale = |name| told.get(name).into_iter().flatten().map(is_stale).try_fold(false, |any, stale| Ok(any || stale?));
        names.iter().map(any_stale).collect()
    }

    /// Lets systemd read its files again if those of this unit have changed since it did.
    pub(super) fn read_again_if_changed(&self, unit: &Unit) -> Result<(), Failure> {
        if self.bus.unit_flag(&unit.path, "NeedDaemonReload")? { self.read_again() } else { Ok(()) }
    }

    pub(super) fn can_reload(&self, unit: &Unit) -> Result<bool, Failure> {
        self.bus.unit_flag(&unit.path, "CanReload")
    }

    /// Of a unit the name where it runs, of a template those of its instances that do.
    pub(crate) fn running(&self, name: &str) -> Result<Vec<String>, Failure> {
        let units = self
            .listed(name)?
            .into_iter()
            .map(|(name, _, load, active, sub, _, path, ..)| (name, Unit { path: path.to_string(), load, active, sub, enabled: None }));
        let mut names: Vec<String> = units.filter(|(_, unit)| unit.is_running()).map(|(name, _)| name).collect();
        // systemd lists them in no order, and a plan is the same each time.
        names.sort();
        Ok(names)
    }

    /// What systemd has of a name: the unit, or of a template the instances. It knows no unit that is a template.
    fn listed(&self, name: &str) -> Result<Vec<Listed>, Failure> {
        let Some((template, kind)) = name.split_once("@.") else {
            return self.bus.call("ListUnitsByNames", &vec![name.to_owned()]);
        };
        let in_any_state: [&str; 0] = [];
        self.bus.call("ListUnitsByPatterns", &(&in_any_state[..], &[format!("{template}@*.{kind}")][..]))
    }

    /// Stops what runs of a unit whose file is about to go, and takes the links away by which it would start again.
    pub(crate) fn retire(&self, host: &Host, name: &str, running: &[String], limit: Duration) -> Result<(), Failure> {
        running.iter().try_for_each(|name| self.run(host, "StopUnit", name, limit))?;
        let _: Links = self.bus.call("DisableUnitFiles", &(&[name][..], false))?;
        Ok(())
    }

    /// Lets systemd read all its files again.
    pub(crate) fn read_again(&self) -> Result<(), Failure> {
        self.bus.call("Reload", &())
    }

    /// Enables, disables or masks a unit for good.
    pub(super) fn enable(&self, name: &str, unit: &Unit, wish: Enable) -> Result<(), Failure> {
        let names = [name];
        let masked = unit.enabled.as_deref().is_some_and(|state| state.starts_with("masked"));
        if masked && wish != Enable::Masked {
            let _: Links = self.bus.call("UnmaskUnitFiles", &(&names[..], false))?;
        }
        match wish {
            Enable::Yes => {
                let (_, _): (bool, Links) = self.bus.call("EnableUnitFiles", &(&names[..], false, false))?;
            }
            Enable::No if masked => {}
            Enable::No => {
                let _: Links = self.bus.call("DisableUnitFiles", &(&names[..], false))?;
            }
            Enable::Masked => {
                let _: Links = self.bus.call("MaskUnitFiles", &(&names[..], false, false))?;
            }
        }
        self.read_again()
    }

    /// Starts, stops, restarts or reloads a unit and waits until that is done.
    pub(crate) fn run(&self, host: &Host, method: &str, name: &str, limit: Duration) -> Result<(), Failure> {
        let end = self.bus.run_job(method, name, limit)?;
        if end == "done" {
            return Ok(());
        }
        let what = method.trim_end_matches("Unit").to_lowercase();
        Err(with_journal(host, name, format!("the {what} of {name} ended as {end}")))
    }
}

/// The failure with the last lines that the unit wrote.
pub(super) fn with_journal(host: &Host, name: &str, message: String) -> Failure {
    let lines = JOURNAL_LINES_MAX.to_string();
    let command = host.command("journalctl").arguments(["--unit", name, "--lines", &lines, "--no-pager", "--quiet", "--output", "cat"]);
    let journal = command.timeout(Some(Duration::from_secs(10))).run();
    let quoted = journal.map(|output| output.stdout.last_lines(JOURNAL_LINES_MAX)).unwrap_or_default();
    let message = if quoted.is_empty() { message } else { format!("{message}; its last words:\n{quoted}") };
    Failure::new(message).help(format!("see `systemctl status {name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(active: &str, sub: &str, enabled: Option<&str>) -> Unit {
        let text = |text: &str| text.to_owned();
        Unit { path: String::new(), load: text("loaded"), active: text(active), sub: text(sub), enabled: enabled.map(text) }
    }

    #[test]
    fn a_unit_that_crashes_again_and_again_does_not_run() {
        assert!(unit("active", "exited", None).is_running());
        assert!(unit("activating", "start-pre", None).is_running());
        assert!(!unit("activating", "auto-restart", None).is_running());
        assert!(!unit("failed", "failed", None).is_running() && !unit("deactivating", "stop", None).is_running());
    }

    #[test]
    fn what_cannot_be_enabled_is_as_it_is() {
        let fits = |state: Option<&str>, wish| unit("", "", state).is_enabled_as(wish);
        for state in ["static", "indirect", "generated"] {
            assert!(fits(Some(state), Enable::Yes) && fits(Some(state), Enable::No), "{state}");
        }
        assert!(!fits(Some("disabled"), Enable::Yes) && !fits(Some("masked"), Enable::Yes) && !fits(None, Enable::Yes));
        assert!(!fits(Some("enabled"), Enable::No) && fits(Some("masked"), Enable::No) && fits(None, Enable::No));
        assert!(!fits(Some("masked-runtime"), Enable::Masked) && fits(Some("masked"), Enable::Masked));
    }
}
