//! What has to happen to packages, and the fewest calls of apt that make it happen.

use std::collections::BTreeMap;

use keel_engine::attributes::AbsolutePath;
use keel_engine::change::Change;
use keel_engine::resource::{Failure, Work};

use super::dpkg::State;
use super::policy::Available;
use super::version::{Wish, compare};
use super::{Config, Ensure, ObservedPackage, Package, PackageType, apt};
use crate::host::Host;

/// The change of whether a package is there and at which version.
pub(super) fn diff_ensure(desired: &Package, observed: &ObservedPackage) -> Option<Change> {
    let state = &observed.known.state;
    match desired.ensure {
        Ensure::Absent => match state {
            State::Installed(version) => Some(Change::delete("ensure", version.as_str())),
            State::Broken(word) => Some(Change::delete("ensure", word.as_str())),
            _ => None,
        },
        Ensure::Purged => match state {
            State::Installed(version) => Some(Change::update("ensure", version.as_str(), "purged")),
            State::Broken(word) => Some(Change::update("ensure", word.as_str(), "purged")),
            State::ConfigFiles => Some(Change::update("ensure", "config-files", "purged")),
            State::Absent | State::ProvidedBy(_) => None,
        },
        Ensure::Present | Ensure::Latest => {
            let target = target(desired, observed);
            match state {
                State::Installed(version) if desired.ensure == Ensure::Latest => {
                    let newer = target.filter(|target| compare(target, version).is_gt())?;
                    Some(Change::update("version", version.as_str(), newer))
                }
                State::Installed(version) => match observed.wish(desired) {
                    Some(wish) if !wish.accepts(version) => {
                        Some(Change::update("version", version.as_str(), shown_target(desired, target)))
                    }
                    _ => None,
                },
                State::ProvidedBy(_) if desired.version.is_none() && desired.source.is_none() => None,
                State::Broken(word) => Some(Change::update("ensure", word.as_str(), shown_target(desired, target))),
                State::Absent | State::ConfigFiles | State::ProvidedBy(_) => Some(Change::create("ensure", shown_target(desired, target))),
            }
        }
    }
}

/// The version to install, where one is known.
fn target(desired: &Package, observed: &ObservedPackage) -> Option<String> {
    match (observed.wish(desired), &observed.available) {
        (Some(Wish::Exact(version)), _) => Some(version),
        (Some(wish), Some(available)) => wish.best(available.versions.iter().map(String::as_str)).map(str::to_owned),
        (None, Some(available)) => available.candidate.clone(),
        _ => None,
    }
}

/// Says so where the package would go back to an older version and may not.
pub(super) fn refused_downgrade(desired: &Package, observed: &ObservedPackage) -> Option<Failure> {
    let State::Installed(version) = &observed.known.state else { return None };
    let accepted = observed.wish(desired).is_none_or(|wish| wish.accepts(version));
    let target = target(desired, observed).filter(|target| !desired.downgrade && !accepted && compare(target, version).is_lt())?;
    let failure = Failure::new(format!("{} {version} would go back to {target}", desired.name));
    Some(failure.help("ask for the newer version, or let it go back with downgrade=#true"))
}

fn shown_target(desired: &Package, target: Option<String>) -> String {
    target.or_else(|| desired.version.clone()).unwrap_or_else(|| desired.ensure.to_string())
}

/// What apt is to do with one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// Nothing; only its hold changes.
    Nothing,
    Remove,
    Purge,
    /// Install it with these options, which all of one call share.
    Install(Vec<String>),
}

/// One package's part of a batch.
#[derive(Debug)]
pub(super) struct Step<'a> {
    name: &'a str,
    /// The file to install it from.
    source: Option<&'a str>,
    config: Config,
    act: Act,
    wish: Option<Wish>,
    hold: Option<bool>,
    broken: bool,
}

impl<'a> Step<'a> {
    pub(super) fn of(work: &Work<'a, PackageType>) -> Self {
        let (desired, observed) = (work.desired, work.observed);
        let broken = matches!(observed.known.state, State::Broken(_));
        let act = match desired.ensure {
            _ if work.changes.iter().all(|change| change.attribute == "hold") => Act::Nothing,
            Ensure::Absent => Act::Remove,
            Ensure::Purged => Act::Purge,
            Ensure::Present | Ensure::Latest => Act::Install(install_options(desired, broken)),
        };
        let hold = desired.hold.filter(|hold| *hold != observed.known.held);
        let source = desired.source.as_ref().map(AbsolutePath::as_str);
        Self { name: &desired.name, source, config: desired.config, act, wish: desired.wish(), hold, broken }
    }
}

/// Options for dpkg that say whose configuration files win.
fn dpkg_options(config: Config) -> &'static [&'static str] {
    match config {
        Config::Keep => &["--force-confdef", "--force-confold"],
        Config::Replace => &["--force-confnew"],
    }
}

/// Options for `apt-get install`; what was cut off is unpacked anew, also where apt takes its version for the right one.
fn install_options(desired: &Package, broken: bool) -> Vec<String> {
    let mut options: Vec<String> =
        dpkg_options(desired.config).iter().flat_map(|option| ["-o".to_owned(), format!("Dpkg::Options::={option}")]).collect();
    options.extend(desired.recommends.map(|wanted| if wanted { "--install-recommends" } else { "--no-install-recommends" }.to_owned()));
    if desired.downgrade && (desired.version.is_some() || desired.source.is_some()) {
        options.push("--allow-downgrades".to_owned());
    }
    if desired.hold == Some(true) {
        options.push("--allow-change-held-packages".to_owned());
    }
    if broken && desired.source.is_none() {
        options.push("--reinstall".to_owned());
    }
    options.extend(desired.install_options.iter().cloned());
    options
}

/// Makes all steps come true, together where that works and one by one where it does not.
pub(super) fn carry_out(host: &Host, steps: &[Step<'_>]) -> Vec<Result<(), Failure>> {
    let mut results: Vec<Result<(), Failure>> = steps.iter().map(|_| Ok(())).collect();
    mend(host, steps);
    hold(host, steps, false, &mut results);
    let all: Vec<usize> = (0..steps.len()).collect();
    perform_all(host, steps, &all, &mut results);
    // Apt does nothing at all while a package is cut off; one of these steps may just have made it whole.
    let is_blocked = |result: &Result<(), Failure>| result.as_ref().is_err_and(|failure| apt::is_cut_off(&failure.message));
    let blocked: Vec<usize> = all.iter().copied().filter(|position| results.get(*position).is_some_and(is_blocked)).collect();
    if !blocked.is_empty() && blocked.len() < steps.len() {
        perform_all(host, steps, &blocked, &mut results);
    }
    hold(host, steps, true, &mut results);
    results
}

/// Finishes what was cut off, as far as that goes without apt: where it fails, the step that removes or reinstalls the
/// culprit may still go well.
fn mend(host: &Host, steps: &[Step<'_>]) {
    let broken: Vec<&Step<'_>> = steps.iter().filter(|step| step.broken).collect();
    if !broken.is_empty() {
        let _ = apt::configure_all(host);
    }
    for step in broken {
        if let (Act::Install(_), Some(file)) = (&step.act, step.source) {
            let _ = apt::unpack_again(host, dpkg_options(step.config), file);
        }
    }
}

fn perform_all(host: &Host, steps: &[Step<'_>], positions: &[usize], results: &mut [Result<(), Failure>]) {
    let mut acts: BTreeMap<&Act, Vec<usize>> = BTreeMap::new();
    for position in positions {
        if let Some(step) = steps.get(*position) {
            acts.entry(&step.act).or_default().push(*position);
        }
    }
    for (act, positions) in acts {
        for (position, result) in perform(host, act, &positions, steps) {
            if let Some(slot) = results.get_mut(position) {
                *slot = result;
            }
        }
    }
}

type Results = Vec<(usize, Result<(), Failure>)>;

fn perform(host: &Host, act: &Act, positions: &[usize], steps: &[Step<'_>]) -> Results {
    let chosen = positions.iter().filter_map(|position| Some((*position, steps.get(*position)?)));
    match act {
        Act::Nothing => Vec::new(),
        Act::Remove | Act::Purge => {
            let word = if *act == Act::Remove { "remove" } else { "purge" };
            together(host, &[word.to_owned()], chosen.map(|(position, step)| (position, step.name.to_owned())).collect())
        }
        Act::Install(options) => {
            let chosen: Vec<(usize, &Step<'_>)> = chosen.collect();
            let available = match look_for(host, &chosen) {
                Ok(available) => available,
                Err(failure) => return chosen.iter().map(|(position, _)| (*position, Err(failure.clone()))).collect(),
            };
            let mut results = Results::new();
            let mut arguments = Vec::new();
            for (position, step) in chosen {
                match install_argument(step, available.get(step.name)) {
                    Ok(argument) => arguments.push((position, argument)),
                    Err(failure) => results.push((position, Err(failure))),
                }
            }
            let words: Vec<String> = std::iter::once("install".to_owned()).chain(options.iter().cloned()).collect();
            results.extend(together(host, &words, arguments));
            results
        }
    }
}

/// What apt knows of the packages, from newer lists where it lacks one.
fn look_for(host: &Host, steps: &[(usize, &Step<'_>)]) -> Result<BTreeMap<String, Available>, Failure> {
    let names: Vec<&str> = steps.iter().filter(|(_, step)| step.source.is_none()).map(|(_, step)| step.name).collect();
    let available = apt::available(host, &names)?;
    let lacking = steps.iter().any(|(_, step)| install_argument(step, available.get(step.name)).is_err());
    if lacking && apt::fetch_lists(host)? { apt::available(host, &names) } else { Ok(available) }
}

/// The package as `apt-get install` takes it, with a version where one is asked for.
fn install_argument(step: &Step<'_>, available: Option<&Available>) -> Result<String, Failure> {
    let name = step.name;
    if let Some(source) = step.source {
        return Ok(source.to_owned());
    }
    let Some(available) = available else {
        return Err(Failure::new(format!("apt knows no package {name}")).help("check the name, and that a source in /etc/apt has it"));
    };
    let Some(wish) = &step.wish else { return Ok(name.to_owned()) };
    match wish.best(available.versions.iter().map(String::as_str)) {
        Some(version) => Ok(format!("{name}={version}")),
        None => {
            let known = if available.versions.is_empty() { "none".to_owned() } else { available.versions.join(", ") };
            Err(Failure::new(format!("no version of {name} that apt knows is {wish}")).help(format!("apt knows: {known}")))
        }
    }
}

/// One call for all; where it fails, one call for each, so that one bad package fails alone.
fn together(host: &Host, words: &[String], arguments: Vec<(usize, String)>) -> Results {
    let call = |of: &[(usize, String)]| {
        let all: Vec<String> = words.iter().cloned().chain(of.iter().map(|(_, argument)| argument.clone())).collect();
        apt::run(host, &all)
    };
    if arguments.is_empty() {
        return Results::new();
    }
    match call(&arguments) {
        Err(failure) if arguments.len() == 1 => arguments.iter().map(|(position, _)| (*position, Err(failure.clone()))).collect(),
        Err(_) => arguments.chunks(1).flat_map(|one| one.iter().map(|(position, _)| (*position, call(one))).collect::<Vec<_>>()).collect(),
        Ok(()) => arguments.iter().map(|(position, _)| (*position, Ok(()))).collect(),
    }
}

/// Sets or releases the holds of those that went well so far.
fn hold(host: &Host, steps: &[Step<'_>], held: bool, results: &mut [Result<(), Failure>]) {
    let mut selections = Vec::new();
    for (step, result) in steps.iter().zip(results) {
        if step.hold == Some(held) && result.is_ok() {
            selections.push(((step.name, held), result));
        }
    }
    if selections.is_empty() {
        return;
    }
    let wanted: Vec<(&str, bool)> = selections.iter().map(|(selection, _)| *selection).collect();
    if let Err(failure) = apt::select(host, &wanted) {
        selections.into_iter().for_each(|(_, result)| *result = Err(failure.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::dpkg::Known;
    use super::*;
    use keel_engine::attributes::Attributes;
    use keel_engine::value::{Map, Value};

    fn package(attributes: &[(&str, Value)]) -> Package {
        let map: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Package::from_attributes("nginx", &map).unwrap()
    }

    fn observed(state: State, versions: &[&str]) -> ObservedPackage {
        let versions: Vec<String> = versions.iter().map(|version| (*version).to_owned()).collect();
        let available = Available { candidate: versions.first().cloned(), versions };
        ObservedPackage { known: Known { state, held: false }, available: Some(available), deb: None }
    }

    fn change(attributes: &[(&str, &str)], state: State, versions: &[&str]) -> Option<String> {
        let attributes: Vec<(&str, Value)> = attributes.iter().map(|(name, value)| (*name, Value::from(*value))).collect();
        let change = diff_ensure(&package(&attributes), &observed(state, versions))?;
        Some(format!("{} {}: {} -> {}", change.action.glyph(), change.attribute, change.before.summary(), change.after.summary()))
    }

    fn installed(version: &str) -> State {
        State::Installed(version.to_owned())
    }

    #[test]
    fn ensure_says_what_changes() {
        assert_eq!(change(&[], installed("1"), &[]), None);
        assert_eq!(change(&[], State::ProvidedBy("x".to_owned()), &[]), None);
        assert_eq!(change(&[], State::ConfigFiles, &[]).unwrap(), "+ ensure: absent -> present");
        assert_eq!(change(&[], State::Broken("unpacked".to_owned()), &["2"]).unwrap(), "~ ensure: unpacked -> 2");
        assert_eq!(change(&[("ensure", "absent")], installed("1"), &[]).unwrap(), "- ensure: 1 -> absent");
        assert_eq!(change(&[("ensure", "absent")], State::ConfigFiles, &[]), None);
        assert_eq!(change(&[("ensure", "purged")], State::ConfigFiles, &[]).unwrap(), "~ ensure: config-files -> purged");
        assert_eq!(change(&[("ensure", "purged")], State::Absent, &[]), None);
    }

    #[test]
    fn latest_never_goes_back() {
        assert_eq!(change(&[("ensure", "latest")], installed("1"), &["2", "1"]).unwrap(), "~ version: 1 -> 2");
        assert_eq!(change(&[("ensure", "latest")], installed("3"), &["2"]), None);
        assert_eq!(change(&[("ensure", "latest")], installed("3"), &[]), None);
    }

    #[test]
    fn a_version_outside_the_wish_is_replaced_by_the_best_inside() {
        assert_eq!(change(&[("version", "1.*")], installed("2.0"), &["2.0", "1.2", "1.1"]).unwrap(), "~ version: 2.0 -> 1.2");
        assert_eq!(change(&[("version", "1.*")], installed("1.1"), &["1.2"]), None);
        assert_eq!(change(&[("version", ">=3")], installed("1.1"), &["1.2"]).unwrap(), "~ version: 1.1 -> >=3");
    }

    #[test]
    fn going_back_may_be_forbidden() {
        let refused = |version: &str, downgrade: bool, state: State| {
            let package = package(&[("version", Value::from(version)), ("downgrade", Value::Bool(downgrade))]);
            refused_downgrade(&package, &observed(state, &["2.0", "1.2"])).map(|failure| failure.message)
        };
        assert_eq!(refused("1.*", false, installed("2.0")).as_deref(), Some("nginx 2.0 would go back to 1.2"));
        assert_eq!(refused("1.*", true, installed("2.0")), None);
        assert_eq!(refused("1.*", false, installed("1.1")), None);
        assert_eq!(refused("2.*", false, installed("1.1")), None);
        assert_eq!(refused("1.*", false, State::Absent), None);
    }

    #[test]
    fn a_version_that_is_nowhere_fails_before_apt_is_called() {
        let step = Step {
            name: "nginx",
            source: None,
            config: Config::Keep,
            act: Act::Nothing,
            wish: Wish::parse("9").ok(),
            hold: None,
            broken: false,
        };
        let available = Available { candidate: None, versions: vec!["1.2".to_owned()] };
        let failure = install_argument(&step, Some(&available)).unwrap_err();
        assert_eq!(
            (failure.message.as_str(), failure.help.as_deref()),
            ("no version of nginx that apt knows is 9", Some("apt knows: 1.2"))
        );
        assert!(install_argument(&step, None).unwrap_err().message.contains("apt knows no package nginx"));
    }

    #[test]
    fn options_follow_the_attributes() {
        let desired = package(&[("recommends", Value::Bool(false)), ("config", Value::from("replace"))]);
        assert_eq!(install_options(&desired, false), ["-o", "Dpkg::Options::=--force-confnew", "--no-install-recommends"]);
    }
}
