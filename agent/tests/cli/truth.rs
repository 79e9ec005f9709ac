//! A diff never lies: whatever a site is and however it is edited, a run to the new state on a root that was
//! converged to the former one makes exactly the changes and refreshes that `keel diff` listed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::machine;
use crate::random_site::{Chance, RandomSite};
use crate::stage::{Done, Stage};

/// How many sites are tried, each with an edit of its own; `KEEL_TRIALS` names another number,
/// `KEEL_SEED` the first.
const TRIALS: u64 = 10;

/// What a diff lists and what a run made, by address: what became of it.
type Made = BTreeMap<String, String>;

/// A new setting in a file that is there is a creation to the run, and a change of the file to the diff.
fn become_of(one: &Value, action: &str) -> String {
    let settings = one["address"]["type_name"] == "ini" && action != "delete";
    if settings { "set".to_owned() } else { action.to_owned() }
}

fn address(one: &Value) -> String {
    format!("({}){}", one["address"]["type_name"].as_str().unwrap(), one["address"]["title"].as_str().unwrap())
}

/// Who is refreshed, how, and because of whom.
type Refreshed = BTreeMap<String, (String, BTreeSet<String>)>;

fn refreshed(refresh: &Value) -> (String, BTreeSet<String>) {
    let title = |one: &Value| format!("({}){}", one["type_name"].as_str().unwrap(), one["title"].as_str().unwrap());
    (refresh["effect"].as_str().unwrap().to_owned(), refresh["sources"].as_array().unwrap().iter().map(title).collect())
}

/// What becomes of resources, what is released, and who is refreshed.
type Told = (Made, BTreeSet<String>, Refreshed);

fn listed(diff: &Value) -> Told {
    let all =
        |key: &'static str| diff["entries"].as_array().unwrap().iter().flat_map(move |entry| entry[key].as_array().into_iter().flatten());
    let (mut made, mut released) = (Made::new(), BTreeSet::new());
    for one in all("resources") {
        match one["fate"].as_str().unwrap() {
            // The host stays as it is.
            "restated" | "noop" => {}
            // A command that only others run is nothing but its declaration.
            "added" if one["address"]["type_name"] == "exec" => {}
            "released" => drop(released.insert(address(one))),
            "added" => drop(made.insert(address(one), become_of(one, "create"))),
            "changed" => drop(made.insert(address(one), become_of(one, "update"))),
            "deleted" => drop(made.insert(address(one), "delete".to_owned())),
            other => panic!("{other}: {one}"),
        }
    }
    let name = |one: &Value| format!("({}){}", one["target"]["type_name"].as_str().unwrap(), one["target"]["title"].as_str().unwrap());
    (made, released, all("refreshes").map(|one| (name(one), refreshed(one))).collect())
}

fn done(report: &Value) -> Told {
    let changed: Vec<&Value> = report["resources"].as_array().unwrap().iter().filter(|one| one["outcome"] == "changed").collect();
    let action = |one: &Value| Some(become_of(one, one["changes"][0]["action"].as_str()?));
    let made = changed.iter().filter_map(|one| Some((address(one), action(one)?))).collect();
    let title = |one: &Value| format!("({}){}", one["type_name"].as_str().unwrap(), one["title"].as_str().unwrap());
    let released = report["released"].as_array().unwrap().iter().map(title).collect();
    let by_others = changed.iter().filter(|one| !one["refresh"].is_null());
    (made, released, by_others.map(|one| (address(one), refreshed(&one["refresh"]))).collect())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A stage with this site in its folder, and whether commands run there.
fn stage(site: &RandomSite, prune: &str) -> (Stage, bool) {
    let stage = Stage::new(&site.manifest());
    stage.write("site/keel.toml", &format!("name = \"stage\"\n{prune}"));
    for (name, text) in RandomSite::modules() {
        stage.write(&format!("site/modules/{name}/module.kdl"), &text);
    }
    match machine::furnish(&stage) {
        Ok(()) => (stage, true),
        Err(why) => {
            Stage::say(&format!("what commands do is skipped: {why}"));
            (stage, false)
        }
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_diff_never_lies() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("KEEL_SEED").unwrap_or(0);
    let seeds = first..first.saturating_add(number("KEEL_TRIALS").unwrap_or(TRIALS));
    let (mut refreshes, mut skipped) = (0, seeds.end - seeds.start < TRIALS);
    for seed in seeds {
        let mut chance = Chance(seed.wrapping_mul(7919) + 1);
        let before = RandomSite::draw(&mut chance);
        let after = before.edit(&mut chance);
        let prune = if chance.below(2) == 0 { "[[prune]]\ntype = \"file\"\nmax = 100\n" } else { "" };
        let (stage, is_machine) = stage(&before, prune);
        let apply = |more: &[&str]| -> Done { if is_machine { machine::run(&stage, "apply", more) } else { stage.run("apply", more) } };
        apply(&[]).expect(0);
        let _ = std::fs::remove_file(stage.root().join("ran"));
        let (base, site) = (stage.folder().join("base"), stage.site());
        copy(&site, &base);
        stage.manifest(&after.manifest());
        let diff = stage.keel(&["diff", base.to_str().unwrap(), site.to_str().unwrap(), "--json"]).expect(0);
        let mut listed = listed(&json(&diff.out));
        let mut made = done(&json(&apply(&["--json"]).expect(0).out));
        let ran: BTreeSet<String> = stage.read("ran").unwrap_or_default().lines().map(|line| format!("(exec){line}")).collect();
        let (before, after) = (before.manifest(), after.manifest());
        let sites = format!("KEEL_SEED={seed} KEEL_TRIALS=1 repeats it\nbefore:\n{before}after:\n{after}");
        refreshes += ran.len();
        skipped |= !is_machine;
        if is_machine {
            assert_eq!(made.2.keys().cloned().collect::<BTreeSet<String>>(), ran, "what ran; {sites}");
        } else {
            (listed.2, made.2) = (Refreshed::new(), Refreshed::new());
        }
        assert_eq!(listed, made, "{sites}");
    }
    assert!(refreshes > 0 || skipped, "somebody was refreshed");
}
