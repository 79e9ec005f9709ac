//! `keel diff` where changes of one host refresh others.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::diff::{commit, git};
use crate::stage::Stage;

/// A site in which changes of `db` go on to `app`, from there to `lb`, and from a module of `db` to two of a group.
struct Site {
    /// What `db` says of its file.
    file: &'static str,
    /// What `db` declares in its module besides.
    module: &'static str,
    /// What `app` says of its service.
    app: &'static str,
    /// What `lb` waits for.
    lb: &'static str,
}

const SITE: Site = Site {
    file: "content=\"a\"",
    module: "exec apply command=\"true\" refresh_only=#true",
    app: "",
    lb: "subscribe (service)app host=app effect=reload",
};

impl Site {
    fn manifest(&self) -> String {
        let Self { file, module, app, lb } = self;
        format!(
            "module data {{ file \"/etc/data\" {file}
{module}
}}
host db {{ use data {{ notify (service)cache group=cache optional=#true; }}; }}
host app {{ service app ensure=running{app} {{ subscribe (file)\"/etc/data\" host=db; notify (exec)told; }}
exec told command=\"true\" refresh_only=#true; }}
host lb {{ service front ensure=running {{
{lb}
}}; }}
group cache {{ service cache ensure=running; }}
"
        )
    }
}

/// Commits the one, and writes the other.
fn stage(base: &Site, head: &Site) -> Stage {
    let stage = Stage::new("");
    stage.write("site/inventory/hosts.toml", "[hosts.db]\n[hosts.app]\n[hosts.lb]\n[hosts.c-1]\n[hosts.c-2]\n");
    stage.write("site/inventory/groups/cache.toml", "members = [\"c-*\"]\n");
    stage.write("site/manifests/site.kdl", &base.manifest());
    git(&stage.site(), &["init", "-q"]);
    commit(&stage, "one");
    stage.write("site/manifests/site.kdl", &head.manifest());
    stage
}

/// Every refresh as `hosts: effect target <- cause on host (condition)`.
fn refreshes(stage: &Stage, more: &[&str]) -> BTreeSet<String> {
    let done = stage.keel(&[&["diff", "main", "--json"], more].concat()).expect(0);
    let preview: Value = serde_json::from_str(&done.out).unwrap();
    let mut found = BTreeSet::new();
    for entry in preview["entries"].as_array().unwrap() {
        let hosts: Vec<&str> = entry["hosts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for refresh in entry["refreshes"].as_array().unwrap() {
            for cause in refresh["sources"].as_array().unwrap() {
                let told = |value: &Value, before: &str| value.as_str().map(|text| format!("{before}{text}")).unwrap_or_default();
                let (host, condition) = (told(&cause["host"], " on "), told(&cause["only_if"], ", "));
                let (target, effect) = (&refresh["target"]["title"], &refresh["effect"]);
                let words = format!("{} {}", effect.as_str().unwrap(), target.as_str().unwrap());
                found.insert(format!("{}: {words} <- {}{host}{condition}", hosts.join(" "), cause["title"].as_str().unwrap()));
            }
        }
    }
    found
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn a_change_refreshes_other_hosts_and_those_others_in_turn() {
    let stage = stage(&SITE, &Site { file: "content=\"b\"", ..SITE });
    let all = [
        "app: restart app <- /etc/data on db",
        "app: restart told <- app",
        "lb: reload front <- app on app",
        "c-1 c-2: restart cache <- /etc/data on db",
    ];
    assert_eq!(refreshes(&stage, &[]), set(&all));
    assert_eq!(refreshes(&stage, &["-l", "host:lb"]), set(&all[2..3]), "also those that were not asked for are followed");
    let shown = stage.keel(&["diff", "main", "--detailed-exitcode"]).expect(2).out;
    for part in [
        "2 hosts: c-1, c-2  1 refreshed",
        "then restart service \"cache\", because of file \"/etc/data\" on db",
        "disruption: service \"cache\" restarts, because of file \"/etc/data\" on db",
        "5 hosts: 5 changed",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
}

#[test]
fn what_a_run_does_not_change_refreshes_nobody_elsewhere() {
    let how = Site { file: "content=\"a\" backup=#false", ..SITE };
    assert_eq!(refreshes(&stage(&SITE, &how), &[]), set(&[]), "restated");
    let planned = Site { file: "content=\"b\" noop=#true", ..SITE };
    assert_eq!(refreshes(&stage(&SITE, &planned), &[]), set(&[]), "only planned: gates to it stay shut");
    // Of a module with such a thing nothing gets through, whatever else changes in it.
    let both = Site { module: "file \"/etc/more\" content=\"m\"", ..planned };
    assert_eq!(refreshes(&stage(&SITE, &both), &[]), set(&[]));
    // Who is only planned itself is not refreshed, and nobody by it.
    let quiet = Site { app: " noop=#true", ..SITE };
    let edited = Site { file: "content=\"b\"", ..quiet };
    assert_eq!(refreshes(&stage(&quiet, &edited), &[]), set(&["c-1 c-2: restart cache <- /etc/data on db"]));
}

#[test]
fn a_module_with_other_resources_is_another_thing() {
    let less = Site { module: "", ..SITE };
    assert_eq!(refreshes(&stage(&SITE, &less), &[]), set(&["c-1 c-2: restart cache <- data on db"]));
}

#[test]
fn through_a_new_gate_comes_what_was_not_there_when_it_was_asked_for() {
    let unrelated = Site { lb: "", ..SITE };
    assert_eq!(refreshes(&stage(&unrelated, &SITE), &[]), set(&[]), "it is open, and nothing was known before");
    let edited = Site { file: "content=\"b\"", lb: "subscribe (file)\"/etc/data\" host=db", ..SITE };
    let stage = stage(&unrelated, &edited);
    let of_lb = "lb: restart front <- /etc/data on db, runs_later";
    assert_eq!(refreshes(&stage, &["-l", "host:lb"]), set(&[of_lb]));
    let shown = stage.keel(&["diff", "main", "-l", "host:lb"]).expect(0).out;
    assert!(shown.contains("because of file \"/etc/data\" on db (if it runs later)"), "{shown}");
}
