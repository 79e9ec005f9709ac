//! A diff never lies: whatever a site is and however it is edited, a run to the new state on a root that was
//! converged to the former one makes exactly the changes that `keel diff` listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use crate::stage::Stage;

/// How many sites are tried, each with an edit of its own.
const TRIALS: u64 = 12;

/// Chance that can be repeated.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn often(&mut self) -> bool {
        self.below(3) > 0
    }
}

/// One resource of a random site.
#[derive(Clone, PartialEq)]
enum Thing {
    File { mode: u64, lines: Vec<u64> },
    Link { to: u64 },
    Settings { values: Vec<u64> },
}

/// How a resource is declared besides; only the last one makes another thing of a run, which then only plans it.
const MANNERS: [&str; 4] = ["", " tag=\"x\"", " backup=#false", " noop=#true"];

type Things = BTreeMap<String, (Thing, &'static str)>;

fn thing(chance: &mut Chance) -> (Thing, &'static str) {
    let manner = MANNERS[usize::try_from(chance.below(3)).unwrap()];
    let thing = match chance.below(4) {
        0 => Thing::Link { to: chance.below(5) },
        1 => Thing::Settings { values: (0..=chance.below(3)).map(|_| chance.below(9)).collect() },
        _ => Thing::File { mode: chance.below(3), lines: (0..chance.below(6)).map(|_| chance.below(9)).collect() },
    };
    (thing, manner)
}

fn site(chance: &mut Chance) -> Things {
    let numbers: Vec<usize> = (0..12).filter(|_| chance.often()).collect();
    numbers.into_iter().map(|number| (format!("/srv/x{number}"), thing(chance))).collect()
}

/// A few things gone, a few new, a few edited; none becomes a thing of another type.
fn edit(before: &Things, chance: &mut Chance) -> Things {
    let mut after = before.clone();
    after.retain(|_, _| chance.below(5) > 0);
    for (one, manner) in after.values_mut() {
        if chance.below(3) == 0 {
            *manner = MANNERS[usize::try_from(chance.below(4)).unwrap()];
        }
        match one {
            Thing::File { mode, .. } if chance.below(4) == 0 => *mode = chance.below(3),
            Thing::File { lines, .. } if chance.below(3) == 0 => lines.push(chance.below(9)),
            Thing::Link { to } if chance.below(3) == 0 => *to = chance.below(5),
            Thing::Settings { values } if chance.below(3) == 0 => values.push(chance.below(9)),
            _ => {}
        }
    }
    for number in 12..15 {
        if chance.below(2) == 0 {
            after.insert(format!("/srv/x{number}"), thing(chance));
        }
    }
    after
}

fn manifest(things: &Things) -> String {
    let mut text = String::from("file \"/srv\" ensure=directory mode=\"0755\"\n");
    for (title, (thing, manner)) in things {
        // Files of settings have no backup of their own.
        let of_settings = if manner.contains("backup") { "" } else { manner };
        match thing {
            Thing::File { mode, lines } => {
                let content: String = lines.iter().map(|line| format!("line {line}\\n")).collect();
                let mode = ["0600", "0640", "0644"][usize::try_from(*mode).unwrap()];
                writeln!(text, "file \"{title}\" mode=\"{mode}\" content=\"{content}\"{manner}").unwrap();
            }
            Thing::Link { to } => writeln!(text, "file \"{title}\" ensure=link target=\"/nowhere/{to}\"{manner}").unwrap(),
            Thing::Settings { values } => {
                let values: String = values.iter().enumerate().map(|(key, value)| format!("k{key} \"{value}\"; ")).collect();
                writeln!(text, "ini \"{title}\" create=#true{of_settings} {{ section main {{ {values} }}; }}").unwrap();
            }
        }
    }
    text
}

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

fn listed(diff: &Value) -> (Made, BTreeSet<String>) {
    let none = Vec::new();
    let resources = diff["entries"].as_array().unwrap().iter().flat_map(|entry| entry["resources"].as_array().unwrap_or(&none));
    let (mut made, mut released) = (Made::new(), BTreeSet::new());
    for one in resources {
        match one["fate"].as_str().unwrap() {
            // The host stays as it is.
            "restated" | "noop" => {}
            "released" => drop(released.insert(address(one))),
            "added" => drop(made.insert(address(one), become_of(one, "create"))),
            "changed" => drop(made.insert(address(one), become_of(one, "update"))),
            "deleted" => drop(made.insert(address(one), "delete".to_owned())),
            other => panic!("{other}: {one}"),
        }
    }
    (made, released)
}

fn done(report: &Value) -> (Made, BTreeSet<String>) {
    let changed = report["resources"].as_array().unwrap().iter().filter(|one| one["outcome"] == "changed");
    let made = changed.map(|one| (address(one), become_of(one, one["changes"][0]["action"].as_str().unwrap()))).collect();
    let title = |one: &Value| format!("({}){}", one["type_name"].as_str().unwrap(), one["title"].as_str().unwrap());
    (made, report["released"].as_array().unwrap().iter().map(title).collect())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_diff_never_lies() {
    let first = std::env::var("KEEL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..TRIALS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let mut chance = Chance(seed.wrapping_mul(7919) + 1);
        let before = site(&mut chance);
        let after = edit(&before, &mut chance);
        let stage = Stage::new(&manifest(&before));
        let prune = if chance.below(2) == 0 { "[[prune]]\ntype = \"file\"\nmax = 100\n" } else { "" };
        stage.write("site/keel.toml", &format!("name = \"stage\"\n{prune}"));
        stage.run("apply", &[]).expect(0);
        let base = stage.folder().join("base");
        for file in ["keel.toml", "inventory/hosts.toml", "manifests/site.kdl"] {
            stage.write(&format!("base/{file}"), &std::fs::read_to_string(stage.site().join(file)).unwrap());
        }
        stage.manifest(&manifest(&after));
        let site = stage.site();
        let diff = stage.keel(&["diff", base.to_str().unwrap(), site.to_str().unwrap(), "--json"]).expect(0);
        let listed = listed(&json(&diff.out));
        let made = done(&json(&stage.run("apply", &["--json"]).expect(0).out));
        assert_eq!(listed, made, "KEEL_SEED={seed} repeats it\nbefore:\n{}after:\n{}", manifest(&before), manifest(&after));
    }
}
