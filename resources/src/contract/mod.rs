//! The contract suite: what every resource type promises, held against each of them.
//!
//! Looking twice finds the same and leaves every byte, mode and time as it was. Applying makes exactly
//! the planned changes, within the footprint. A second run has nothing to do. A secret shows nowhere.

mod balancers;
mod clusters;
mod databases;
mod host_settings;
mod scenarios;
mod snapshot;
mod text_values;

use keel_engine::address::Address;
use keel_engine::catalog::Resource;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::purge::Declared;
use keel_engine::resource::{AnyType, Described};
use keel_engine::schema::Kind;
use keel_engine::secret::Secret;
use keel_engine::value::{Map, Value};

use crate::host::Host;
use crate::trial::Trial;
use scenarios::{Needs, PROVED_IN_THE_LAB, Scenario, scenarios};
use snapshot::{Snapshot, differing_paths};

/// What a secret would look like in an output.
const CANARY: &str = "canary-7f3a";

fn resource(scenario: &Scenario, attributes: Map) -> Resource {
    Resource::new(Address::new(scenario.type_name, scenario.title), attributes)
}

fn attributes(scenario: &Scenario, trial: &Trial) -> Map {
    (scenario.attributes)(trial).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn the_type(name: &str) -> &'static dyn AnyType<Host> {
    crate::all().into_iter().find(|kind| kind.schema().name == name).unwrap_or_else(|| panic!("{name} is no type"))
}

/// What one look finds, by a group of its own as in a run of its own.
fn look(kind: &dyn AnyType<Host>, host: &Host, resource: &Resource) -> Result<Vec<Change>, String> {
    let group = kind.group(&[resource]).map_err(|(_, errors)| format!("{errors:?}"))?;
    group.observe(host, &[0]).remove(0).map_err(|error| format!("{error:?}"))
}

/// Plans and applies; everything that could be printed on the way is returned.
fn converge(kind: &dyn AnyType<Host>, host: &Host, resource: &Resource) -> Result<Vec<Change>, String> {
    let group = kind.group(&[resource]).map_err(|(_, errors)| format!("{errors:?}"))?;
    let changes = group.observe(host, &[0]).remove(0).map_err(|error| format!("{error:?}"))?;
    if !changes.is_empty() {
        group.apply(host, &[(0, changes.as_slice())]).remove(0).map_err(|failure| format!("{failure:?}"))?;
    }
    let left = group.observe(host, &[0]).remove(0).map_err(|error| format!("{error:?}"))?;
    assert_eq!(left, vec![], "{} did not converge", resource.address);
    Ok(changes)
}

fn names(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| format!("{} {}", change.action.glyph(), change.attribute)).collect()
}

/// The paths that a footprint says may change, and everything that holds them.
fn is_within(footprint: &Footprint, also: &[&str], path: &str) -> bool {
    let keys = footprint.provides.iter().chain(&footprint.writes).filter_map(|key| key.strip_prefix("path:"));
    let own = keys.map(|key| key.split_once('#').map_or(key, |(file, _)| file)).chain(also.iter().copied());
    let below = |top: &str, path: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || top == "/");
    own.into_iter().any(|own| below(own, path))
}

fn check(scenario: &Scenario) {
    let Some(trial) = scenario.trial() else { return };
    let (kind, host) = (the_type(scenario.type_name), &trial.host);
    let resource = resource(scenario, attributes(scenario, &trial));
    let footprint = kind.check(&resource).unwrap_or_else(|errors| panic!("{}: {errors:?}", resource.address));

    let before = Snapshot::of(&trial.path("/"));
    let first = look(kind, host, &resource).unwrap_or_else(|error| panic!("{}: {error}", resource.address));
    let second = look(kind, host, &resource).unwrap();
    assert_eq!(first, second, "{} is not the same when looked at twice", resource.address);
    assert_eq!(names(&first), scenario.changes, "{}", resource.address);
    assert_eq!(
        differing_paths(&before, &Snapshot::of(&trial.path("/"))),
        Vec::<String>::new(),
        "a plan of {} changed something",
        resource.address
    );

    assert_eq!(converge(kind, host, &resource).unwrap(), first, "{} made other changes than planned", resource.address);
    let after = Snapshot::of(&trial.path("/"));
    for path in differing_paths(&before, &after) {
        assert!(
            is_within(&footprint, scenario.also_writes, &path),
            "{} changed {path}, which its footprint does not name",
            resource.address
        );
    }
    assert_eq!(look(kind, host, &resource).unwrap(), vec![], "{} has something to do in a second run", resource.address);
    assert_eq!(
        differing_paths(&after, &Snapshot::of(&trial.path("/"))),
        Vec::<String>::new(),
        "a second look at {} changed something",
        resource.address
    );
}

/// Whether it would ask another machine.
fn fetches(resource: &Resource) -> bool {
    let is_address = |value: &Value| matches!(value, Value::String(text) if text.starts_with("https://"));
    ["source", "repo"].iter().any(|name| resource.attributes.get(*name).is_some_and(is_address))
}

/// What does not come to what its plan promises on a host that has these files alone.
fn broken_promises(files: &'static [(&'static str, &'static str)]) -> Vec<String> {
    // A `wait` would wait for what nobody brings.
    let meant = |scenario: &Scenario| scenario.needs != Needs::Machine && scenario.type_name != "wait";
    let mut broken = Vec::new();
    for scenario in scenarios().into_iter().filter(meant) {
        let scenario = Scenario { files, ..scenario };
        let Some(trial) = scenario.trial() else { continue };
        let (kind, resource) = (the_type(scenario.type_name), resource(&scenario, attributes(&scenario, &trial)));
        if fetches(&resource) {
            continue;
        }
        // A plan that says why not is as good.
        let Ok(planned) = look(kind, &trial.host, &resource) else { continue };
        match converge(kind, &trial.host, &resource) {
            Ok(made) if made == planned => {}
            made => broken.push(format!("{}: planned {:?}, came to {made:?}", resource.address, names(&planned))),
        }
    }
    broken
}

#[test]
fn what_is_file_level_is_tried_in_a_scratch_folder() {
    for kind in crate::all().into_iter().filter(|kind| kind.nature().file_level) {
        let name = kind.schema().name;
        let tried = scenarios().into_iter().any(|scenario| scenario.type_name == name && scenario.needs == Needs::Nothing);
        assert!(tried, "{name} says that it is file-level, and no scenario without needs shows it");
    }
}

#[test]
fn what_a_plan_promises_in_an_empty_root_the_apply_does() {
    assert_eq!(broken_promises(&[]), Vec::<String>::new());
    assert_eq!(broken_promises(&[("/etc/", "")]), Vec::<String>::new());
}

/// Puts a secret wherever a text stands in an attribute.
fn with_canary(value: &Value) -> Option<Value> {
    let secret = |text: &str| Value::Secret(Secret::new(format!("{text}{CANARY}")));
    match value {
        Value::String(text) => Some(secret(text)),
        Value::List(items) => Some(Value::List(items.iter().map(|item| with_canary(item).unwrap_or_else(|| item.clone())).collect())),
        Value::Map(map) => {
            let each = |(key, value): (&String, &Value)| (key.clone(), with_canary(value).unwrap_or_else(|| value.clone()));
            Some(Value::Map(map.iter().map(each).collect()))
        }
        _ => None,
    }
}

fn takes_secret(kind: &Kind) -> bool {
    match kind {
        Kind::Text | Kind::Secret => true,
        Kind::Nullable(inner) | Kind::List(inner) | Kind::Map(inner) => takes_secret(inner),
        Kind::OneOf(kinds) => kinds.iter().any(takes_secret),
        _ => false,
    }
}

/// Converges with a secret in one attribute, twice over: nothing that comes back may show it.
fn check_canary(scenario: &Scenario, attribute: &str) {
    let Some(trial) = scenario.trial() else { return };
    let kind = the_type(scenario.type_name);
    let mut attributes = attributes(scenario, &trial);
    let Some(secret) = attributes.get(attribute).and_then(with_canary) else { return };
    attributes.insert(attribute.to_owned(), secret);
    let resource = resource(scenario, attributes);
    for turn in ["first", "second"] {
        let shown = format!("{:?} {:?}", converge(kind, &trial.host, &resource), look(kind, &trial.host, &resource));
        assert!(!shown.contains(CANARY), "{}: the secret in {attribute} shows in the {turn} run: {shown}", resource.address);
    }
    // The other way round, the old bytes are the secret's.
    let mut emptied = resource.clone();
    let other = match emptied.attributes.get(attribute) {
        Some(Value::Secret(_)) => Value::Secret(Secret::new("another".to_owned())),
        _ => return,
    };
    std::sync::Arc::make_mut(&mut emptied.attributes).insert(attribute.to_owned(), other);
    let shown = format!("{:?}", converge(kind, &trial.host, &emptied));
    assert!(!shown.contains(CANARY), "{}: the old secret in {attribute} shows: {shown}", resource.address);
}

#[test]
fn every_type_has_a_scenario_or_is_proved_in_the_lab() {
    let scenarios = scenarios();
    for kind in crate::all() {
        let name = kind.schema().name;
        let here = scenarios.iter().any(|scenario| scenario.type_name == name);
        let in_the_lab = PROVED_IN_THE_LAB.iter().any(|(proved, _)| *proved == name);
        assert!(here || in_the_lab, "{name} has no scenario; add one to contract/scenarios.rs");
        assert!(!(here && in_the_lab), "{name} has scenarios here and needs no place in PROVED_IN_THE_LAB");
    }
}

#[test]
fn every_lab_test_that_proves_a_type_exists() {
    for (name, test) in PROVED_IN_THE_LAB {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(test);
        assert!(file.exists(), "{name} is said to be proved in {test}, which does not exist");
    }
}

#[test]
fn every_type_keeps_the_contract() {
    for scenario in &scenarios() {
        check(scenario);
    }
}

#[test]
fn no_secret_shows_in_what_a_type_gives_out() {
    for kind in crate::all() {
        let schema = kind.schema();
        let scenarios: Vec<_> = scenarios().into_iter().filter(|scenario| scenario.type_name == schema.name).collect();
        for attribute in schema.attributes.iter().filter(|attribute| takes_secret(&attribute.kind)) {
            let trial = Trial::new();
            let used: Vec<_> = scenarios.iter().filter(|scenario| attributes(scenario, &trial).contains_key(attribute.name)).collect();
            assert!(
                scenarios.is_empty() || !used.is_empty(),
                "no scenario of {} gives `{}`, which may be a secret",
                schema.name,
                attribute.name
            );
            for scenario in used {
                check_canary(scenario, attribute.name);
            }
        }
    }
}

#[test]
fn what_a_type_describes_plans_to_nothing() {
    for scenario in &scenarios() {
        let Some(trial) = scenario.trial().filter(|trial| !trial.host.is_machine()) else { continue };
        let kind = the_type(scenario.type_name);
        converge(kind, &trial.host, &resource(scenario, attributes(scenario, &trial))).unwrap();
        for described in kind.describe(&trial.host, None).unwrap().unwrap_or_default() {
            let mut found = resource(scenario, described.attributes);
            found.address = Address::new(scenario.type_name, described.title.as_str());
            assert_eq!(look(kind, &trial.host, &found), Ok(vec![]), "{} as it describes itself: {:?}", found.address, found.attributes);
            let again = kind.describe(&trial.host, Some(&described.title)).unwrap().unwrap_or_default();
            assert!(!again.is_empty() && again.iter().all(|again| again.title == described.title), "{} by its title", found.address);
        }
    }
}

fn listed(kind: &dyn AnyType<Host>, host: &Host) -> Vec<Described> {
    kind.removable().map(|list| list(host).unwrap().things).unwrap_or_default()
}

/// What a resource brought is what it declares, so that no purge takes it; and what a purge finds it can remove.
#[test]
fn a_purge_leaves_what_is_declared_and_removes_what_is_not() {
    let mut purged = std::collections::BTreeSet::new();
    for scenario in &scenarios() {
        let kind = the_type(scenario.type_name);
        let Some(trial) = scenario.trial().filter(|trial| !trial.host.is_machine() && kind.removable().is_some()) else { continue };
        let before = listed(kind, &trial.host);
        let declared = [resource(scenario, attributes(scenario, &trial))];
        converge(kind, &trial.host, &declared[0]).unwrap();
        let footprints = [kind.check(&declared[0]).unwrap()];
        let held = Declared::of(&declared, &footprints);
        for thing in listed(kind, &trial.host) {
            let mut removal = resource(scenario, thing.attributes.clone());
            removal.address = Address::new(scenario.type_name, thing.title.as_str());
            let (ensure, absent) = kind.removal().unwrap();
            std::sync::Arc::make_mut(&mut removal.attributes).insert(ensure.to_owned(), Value::from(absent));
            let footprint = kind.check(&removal).unwrap_or_else(|errors| panic!("{}: {errors:?}", removal.address));
            let is_new = !before.contains(&thing);
            assert!(
                !is_new || held.holds(scenario.type_name, &footprint),
                "{} would be purged, and {} declares it",
                removal.address,
                declared[0].address
            );
            match converge(kind, &trial.host, &removal) {
                // What another thing cannot do without stays, and says so.
                Err(refusal) if refusal.contains("is still needed by") => continue,
                done => drop(done.unwrap()),
            }
            let left = listed(kind, &trial.host);
            assert!(!left.contains(&thing), "{} is still listed", removal.address);
            purged.insert(scenario.type_name);
            // The tools of a family take their time.
            if kind.family().is_some() {
                break;
            }
        }
    }
    let able = crate::all().into_iter().filter(|kind| kind.removable().is_some()).map(|kind| kind.schema().name);
    let unproved: Vec<&str> = able.filter(|name| !purged.contains(name)).collect();
    assert_eq!(unproved, SHOWN_ELSEWHERE, "no scenario leaves anything that a purge could find");
}

/// Types whose scenarios leave nothing that a purge may take: groups of people are shown in their own file.
const SHOWN_ELSEWHERE: [&str; 1] = ["group"];

#[test]
fn every_attribute_is_explained() {
    for kind in crate::all() {
        let schema = kind.schema();
        assert!(schema.doc.contains(&format!("    {} ", schema.name)), "the page of {} shows no example", schema.name);
        for attribute in &schema.attributes {
            assert!(attribute.doc.trim().len() > 5, "{} {} is not explained", schema.name, attribute.name);
        }
    }
}
