//! The type `service`: units of systemd.

mod unit;

use std::time::Duration;

use keel_engine::attributes::{AttributeError, AttributeValue, Span, wrong_type};
use keel_engine::catalog::Effect;
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Disruption, Failure, Nature, ObserveError, PlannedRefresh, Refreshed, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::Host;
pub(crate) use unit::Systemd;
use unit::{Unit, with_journal};

choices! {
    /// Whether a service runs.
    pub enum Ensure {
        /// It does.
        Running = "running",
        /// It does not.
        Stopped = "stopped",
    }
}

/// Whether a service starts with the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enable {
    /// It does: `#true`.
    Yes,
    /// It does not: `#false`.
    No,
    /// Nothing can start it: `mask`.
    Masked,
}

impl AttributeValue for Enable {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Bool, Kind::Enum(vec!["mask".to_owned()])])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(true) => Ok(Enable::Yes),
            Value::Bool(false) => Ok(Enable::No),
            Value::String(word) if word == "mask" => Ok(Enable::Masked),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

impl Enable {
    fn state(self) -> &'static str {
        match self {
            Enable::Yes => "enabled",
            Enable::No => "disabled",
            Enable::Masked => "masked",
        }
    }
}

attributes! {
    /// A service, or another unit of systemd.
    ///
    /// systemd is asked over D-Bus, for all services of a run at once. When unit files have changed it
    /// reads them again before anything is started. A notified service is restarted or reloaded once,
    /// after all changes, if it runs and this run did not start it anyway; a stopped one stays stopped.
    ///
    ///     service nginx ensure=running enable=#true
    ///     service "apt-daily.timer" ensure=stopped enable=mask
    pub struct Service: "service" {
        /// The unit's name; `.service` may be left out.
        [title] pub name: String,
        /// `running` or `stopped`. Not given: it is left as it is.
        pub ensure: Option<Ensure>,
        /// Whether it starts with the machine: `#true`, `#false`, or `mask` so that nothing can start it.
        /// Not given: it is left as it is. Units that only others pull in are as they are.
        pub enable: Option<Enable>,
        /// How long a start, stop, restart or reload may take, a second or more.
        [how] pub timeout: Span = Span(Duration::from_secs(300)),
    }
    check |desired| {
        let mut errors = Vec::new();
        if !is_unit_name(&desired.name) {
            let error = AttributeError::of_value("name", format!("{:?} cannot be a unit's name", desired.name));
            errors.push(error.help("letters, digits, `-`, `_`, `.`, `:`, `\\` and one `@`"));
        }
        if desired.timeout.0.is_zero() {
            errors.push(AttributeError::new("timeout", "is 0").help("a second or more: systemd answers when the job is done"));
        }
        if desired.enable == Some(Enable::Masked) && desired.ensure == Some(Ensure::Running) {
            errors.push(AttributeError::new("enable", "cannot be `mask` for a service that shall run"));
        }
        errors
    }
}

/// The kinds of units; a name without one of them is a service's.
const SUFFIXES: [&str; 10] = [".service", ".socket", ".timer", ".mount", ".automount", ".target", ".path", ".swap", ".slice", ".scope"];

/// The kind of a unit, by the end of its name.
pub(crate) fn unit_suffix(name: &str) -> Option<&'static str> {
    SUFFIXES.into_iter().find(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

pub(crate) fn is_unit_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    !name.is_empty() && name.len() < 240 && !name.starts_with(['-', '.', '@']) && !name.ends_with('@') && name.chars().all(fits)
}

impl Service {
    /// The name with its suffix.
    fn unit(&self) -> String {
        if unit_suffix(&self.name).is_some() { self.name.clone() } else { format!("{}.service", self.name) }
    }
}

/// What was found of a service.
#[derive(Debug)]
pub struct ObservedService(Unit);

/// The type `service`.
pub struct ServiceType;

impl ResourceType for ServiceType {
    type Host = Host;
    type Desired = Service;
    type Observed = ObservedService;

    fn observe(&self, host: &Host, desired: &[&Service]) -> Vec<Result<ObservedService, ObserveError>> {
        let names: Vec<String> = desired.iter().map(|service| service.unit()).collect();
        // The bus may still come: on a bare host a package brings it.
        let systemd = Systemd::of(host).map_err(ObserveError::NotYet);
        match systemd.and_then(|systemd| Ok(systemd.look(host, &names)?)) {
            Ok(units) => desired.iter().zip(units).map(|(service, unit)| observed(service, unit)).collect(),
            Err(error) => desired.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn diff(&self, desired: &Service, observed: &ObservedService) -> Vec<Change> {
        let unit = &observed.0;
        let mut changes = Vec::new();
        if let Some(enable) = desired.enable.filter(|enable| !unit.is_enabled_as(*enable)) {
            changes.push(Change::update("enable", unit.enabled.as_deref().unwrap_or("disabled"), enable.state()));
        }
        let shown = if unit.is_running() { "running".to_owned() } else { unit.active.replace("inactive", "stopped") };
        match desired.ensure {
            Some(Ensure::Running) if !unit.is_running() => changes.push(Change::update("ensure", shown, "running")),
            Some(Ensure::Stopped) if unit.is_running() => changes.push(Change::update("ensure", shown, "stopped")),
            _ => {}
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let (service, unit) = (work.desired, &work.observed.0);
        let name = service.unit();
        let systemd = Systemd::of(host)?;
        let changed = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if unit.exists() {
            systemd.read_again_if_changed(unit)?;
        }
        if let Some(enable) = service.enable.filter(|_| changed("enable")) {
            systemd.enable(&name, unit, enable)?;
        }
        match service.ensure.filter(|_| changed("ensure")) {
            Some(Ensure::Running) => {
                systemd.run(host, "StartUnit", &name, service.timeout.0)?;
                // A start that a condition of the unit held back, or a crash right after it, ends as done.
                let unit = systemd.look_at(host, &name)?;
                if unit.is_running() {
                    return Ok(());
                }
                Err(with_journal(host, &name, format!("{name} was started and is {} again", unit.active)))
            }
            Some(Ensure::Stopped) => systemd.run(host, "StopUnit", &name, service.timeout.0),
            None => Ok(()),
        }
    }

    fn footprint(&self, desired: &Service) -> Footprint {
        let unit = desired.unit();
        let file = format!("path:/etc/systemd/system/{unit}");
        Footprint::default().own(format!("unit:{unit}")).need(format!("{file}.d")).need(file).need(format!("unit-file:{unit}"))
    }

    fn heeds_refresh(&self, desired: &Service, made: &[Change], _is_new: bool) -> bool {
        desired.ensure != Some(Ensure::Stopped) && !made.iter().any(|change| change.attribute == "ensure")
    }

    fn disruption(&self, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption> {
        let stops = |change: &Change| change.attribute == "ensure" && change.after == Shown::from("stopped");
        match refresh {
            Some(Effect::Restart) => Some(Disruption::Restart),
            Some(Effect::Reload) => None,
            None => changes.iter().any(stops).then_some(Disruption::Stop),
        }
    }

    /// A unit that cannot read its configuration again is restarted instead.
    fn disrupts(&self, host: &Host, desired: &Service, changes: &[Change], refresh: Option<Effect>) -> Result<Option<Disruption>, Failure> {
        if refresh != Some(Effect::Reload) {
            return Ok(self.disruption(changes, refresh));
        }
        let systemd = Systemd::of(host)?;
        let unit = systemd.look_at(host, &desired.unit())?;
        let restarts = unit.is_running() && !systemd.can_reload(&unit)?;
        Ok(restarts.then_some(Disruption::Restart))
    }

    fn nature(&self) -> Nature {
        Nature { refreshable: true, ..Nature::default() }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        if !host.is_machine() {
            return Ok(None);
        }
        let systemd = Systemd::of(host)?;
        let mut names = systemd.unit_files()?;
        names.retain(|name| title.is_none_or(|title| title == name || name.strip_suffix(".service") == Some(title)));
        let units = systemd.look(host, &names)?;
        let described =
            names.iter().zip(units).filter(|(_, unit)| unit.exists() || unit.enabled.is_some()).map(|(name, unit)| describe(name, &unit));
        Ok(Some(described.collect()))
    }

    fn plan_refresh(&self, desired: &Service, observed: &ObservedService, effect: Effect, made: &[Change]) -> PlannedRefresh {
        if made.iter().any(|change| change.attribute == "ensure") {
            let started = desired.ensure == Some(Ensure::Running);
            return PlannedRefresh::NotNeeded(if started { "this run starts it" } else { "this run stops it" });
        }
        if !observed.0.is_running() {
            return PlannedRefresh::NotNeeded("it does not run");
        }
        PlannedRefresh::Due(if effect == Effect::Reload { "reload" } else { "restart" })
    }

    fn refresh(&self, host: &Host, desired: &Service, effect: Effect, _made: &[Change]) -> Result<Refreshed, Failure> {
        let name = desired.unit();
        let systemd = Systemd::of(host)?;
        let unit = systemd.look_at(host, &name)?;
        if !unit.is_running() {
            return Ok(Refreshed::NotNeeded("it does not run"));
        }
        systemd.read_again_if_changed(&unit)?;
        let reload = effect == Effect::Reload && systemd.can_reload(&unit)?;
        // Both leave a unit alone that somebody stops in this moment.
        let method = if reload { "ReloadOrTryRestartUnit" } else { "TryRestartUnit" };
        systemd.run(host, method, &name, desired.timeout.0)?;
        if !systemd.look_at(host, &name)?.is_running() {
            return Err(with_journal(host, &name, format!("{name} does not run any more after its {effect}")));
        }
        Ok(Refreshed::Done(if reload { "reloaded" } else { "restarted" }))
    }
}

/// What runs shall run, and what starts with the machine shall start with it.
fn describe(name: &str, unit: &Unit) -> Described {
    let enable = match unit.enabled.as_deref() {
        Some("enabled") => Some(Value::Bool(true)),
        Some("disabled") => Some(Value::Bool(false)),
        Some("masked") => Some(Value::from("mask")),
        _ => None,
    };
    let mut attributes: Map = enable.into_iter().map(|enable| ("enable".to_owned(), enable)).collect();
    // One that is masked could not be started again.
    if unit.is_running() && unit.enabled.as_deref() != Some("masked") {
        attributes.insert("ensure".to_owned(), Value::from("running"));
    }
    Described { title: name.strip_suffix(".service").unwrap_or(name).to_owned(), attributes }
}

/// A unit that is not there is as good as stopped and disabled; nothing else can be said of it.
fn observed(service: &Service, unit: Unit) -> Result<ObservedService, ObserveError> {
    let wants_none = service.ensure != Some(Ensure::Running) && service.enable != Some(Enable::Yes);
    if unit.exists() || wants_none {
        return Ok(ObservedService(unit));
    }
    let failure = Failure::new(format!("there is no unit {}", service.unit()));
    Err(ObserveError::NotYet(failure.help("check the name, and require the package or file that brings the unit")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;
    use keel_engine::attributes::Attributes;

    fn service(attributes: &[(&str, Value)]) -> Service {
        let map: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Service::from_attributes("nginx", &map).unwrap()
    }

    fn unit(load: &str, active: &str, enabled: &str) -> Unit {
        let text = |text: &str| text.to_owned();
        Unit { path: String::new(), load: text(load), active: text(active), sub: String::new(), enabled: Some(text(enabled)) }
    }

    fn changes(attributes: &[(&str, Value)], unit: Unit) -> Vec<String> {
        let changes = ServiceType.diff(&service(attributes), &ObservedService(unit));
        changes.iter().map(|change| format!("{}: {} -> {}", change.attribute, change.before.summary(), change.after.summary())).collect()
    }

    #[test]
    fn running_and_enabled_are_told_apart() {
        let both = [("ensure", Value::from("running")), ("enable", Value::Bool(true))];
        assert_eq!(changes(&both, unit("loaded", "active", "enabled")), [""; 0]);
        assert_eq!(changes(&both, unit("loaded", "inactive", "disabled")), ["enable: disabled -> enabled", "ensure: stopped -> running"]);
        assert_eq!(changes(&both, unit("loaded", "failed", "static")), ["ensure: failed -> running"]);
        assert_eq!(changes(&[], unit("loaded", "failed", "disabled")), [""; 0]);
        assert_eq!(changes(&[("enable", Value::from("mask"))], unit("loaded", "active", "enabled")), ["enable: enabled -> masked"]);
    }

    #[test]
    fn a_missing_unit_is_stopped_or_still_to_come() {
        let missing = || unit("not-found", "inactive", "");
        assert!(observed(&service(&[("ensure", Value::from("stopped")), ("enable", Value::Bool(false))]), missing()).is_ok());
        let error = observed(&service(&[("ensure", Value::from("running"))]), missing()).unwrap_err();
        assert!(matches!(error, ObserveError::NotYet(failure) if failure.message == "there is no unit nginx.service"));
    }

    #[test]
    fn names_are_completed_and_checked() {
        assert_eq!(service(&[]).unit(), "nginx.service");
        assert_eq!(service(&[("name", Value::from("a@1.timer"))]).unit(), "a@1.timer");
        for name in ["", "-x", "a b", "../x", "x;id", "a/b"] {
            assert!(Trial::refuses::<ServiceType>(name, &[]).contains("cannot be a unit's name"), "{name}");
        }
        let masked = [("ensure", Value::from("running")), ("enable", Value::from("mask"))];
        assert!(Trial::refuses::<ServiceType>("x", &[("timeout", Value::Int(0))]).contains("timeout is 0"));
        assert!(Trial::refuses::<ServiceType>("x", &masked).contains("cannot be `mask`"));
        assert!(Trial::refuses::<ServiceType>("x", &[("enable", Value::from("yes"))]).contains("expected bool or enum<mask>"));
    }

    #[test]
    fn what_this_run_did_needs_no_refresh() {
        let started = [Change::update("ensure", "stopped", "running")];
        let running = service(&[("ensure", Value::from("running"))]);
        let planned =
            |observed: Unit, made: &[Change]| ServiceType.plan_refresh(&running, &ObservedService(observed), Effect::Restart, made);
        assert_eq!(planned(unit("loaded", "active", "enabled"), &started), PlannedRefresh::NotNeeded("this run starts it"));
        assert_eq!(planned(unit("loaded", "inactive", "enabled"), &[]), PlannedRefresh::NotNeeded("it does not run"));
        assert_eq!(planned(unit("loaded", "active", "enabled"), &[]), PlannedRefresh::Due("restart"));
    }

    #[test]
    fn below_a_root_it_says_so() {
        let trial = Trial::new();
        let error = trial.plan(&ServiceType, "nginx", &[]).unwrap_err();
        assert!(error.starts_with("services cannot be looked at below"), "{error}");
    }
}
