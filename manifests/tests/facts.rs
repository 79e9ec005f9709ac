//! Facts that hosts send while a site is in memory: which of them a catalog depends on, and that one host's
//! facts are no trouble to others.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use keel_engine::value::{Map, Value};
use keel_manifests::codes;
use keel_manifests::facts::{LiveFacts, parse_facts};
use keel_manifests::files::MemoryFiles;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::site_data::SiteInput;

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

/// What hosts said last.
#[derive(Default)]
struct Sent(Mutex<BTreeMap<String, Arc<Map>>>);

impl Sent {
    fn send(&self, host: &str, json: &str) {
        self.0.lock().unwrap().insert(host.to_owned(), Arc::new(parse_facts(json).unwrap()));
    }
}

impl LiveFacts for Sent {
    fn of(&self, host: &str) -> Option<Arc<Map>> {
        self.0.lock().unwrap().get(host).cloned()
    }
}

fn load(files: &[(&str, &str)], sent: &Arc<Sent>) -> Site {
    let mut all = vec![("inventory/hosts.toml", "[hosts.a]\n[hosts.b]\n")];
    all.extend(files);
    let input = SiteInput { facts: Some(Arc::clone(sent) as _), ..SiteInput::default() };
    Site::load(Arc::new(MemoryFiles::new(all)), LoadOptions { input, ..LoadOptions::default() }, support::types()).0.unwrap()
}

/// `host: keys` of everything that a host's compile read.
fn reads(site: &Site, host: &str) -> Vec<String> {
    let (_, reads) = site.compile_alone(host);
    let line = |(host, read): (String, keel_manifests::fact_reads::FactKeys)| {
        let keys = read.keys.into_iter().collect::<Vec<_>>().join(" ");
        format!("{host}: {keys}{}", if read.whole { "*" } else { "" })
    };
    reads.into_iter().map(line).collect()
}

#[test]
fn a_catalog_tells_which_facts_it_depends_on() {
    let sent = Arc::new(Sent::default());
    sent.send("a", r#"{"os": {"family": "debian"}, "cpu": 4, "memory": 1}"#);
    sent.send("b", r#"{"os": {"family": "debian"}, "cpu": 8}"#);
    let of = |body: &str| reads(&load(&[("manifests/site.kdl", &format!("group all {{\n{body}\n}}\n"))], &sent), "a");
    assert_eq!(of("file \"/x\" content=y"), [] as [&str; 0]);
    assert_eq!(of("file \"/x\" content=\"{{ facts.os.family }}\""), ["a: os"]);
    assert_eq!(of("file \"/x\" content=\"{{ facts.cpu }}{{ facts.gone is defined }}\""), ["a: cpu gone"]);
    assert_eq!(of("file \"/x\" content=\"{{ hosts.b.facts.cpu }}\""), ["b: cpu"]);
    assert_eq!(of("file \"/x\" content=\"{{ facts | length }}\""), ["a: *"]);
    assert_eq!(of("if \"facts is defined\" {\nfile \"/x\" content=y\n}"), ["a: "]);
}

#[test]
fn facts_are_asked_for_anew_in_each_compile() {
    let sent = Arc::new(Sent::default());
    sent.send("a", r#"{"cpu": 4}"#);
    let files = [
        ("manifests/site.kdl", "group all {\nfile \"/x\" content=\"{{ cpus }}\"\n}\non \"fact:cpu=8\" {\nfile \"/many\"\n}\n"),
        ("inventory/groups/all.toml", "[vars]\ncpus = \"{{ facts.cpu }} of them\"\n"),
    ];
    let site = load(&files, &sent);
    let titles = || {
        let (compiled, reads) = site.compile_alone("a");
        assert_eq!(reads.keys().collect::<Vec<_>>(), ["a"]);
        let resources = compiled.catalog.unwrap().resources;
        (resources[0].attributes.get("content").cloned(), resources.len())
    };
    assert_eq!(titles(), (Some(Value::from("4 of them")), 1));
    sent.send("a", r#"{"cpu": 8}"#);
    assert_eq!(titles(), (Some(Value::from("8 of them")), 2));
}

#[test]
fn groups_by_facts_are_outdated_when_a_host_moves() {
    let sent = Arc::new(Sent::default());
    sent.send("a", r#"{"cpu": 4}"#);
    let group = ("inventory/groups/big.toml", "match = 'facts.cpu > 4'\n");
    let site = load(&[("manifests/site.kdl", "group big {\n}\n"), group], &sent);
    let before = site.fleet_state();
    sent.send("a", r#"{"cpu": 3}"#);
    assert!(!site.is_outdated("a") && !site.is_outdated("b"));
    sent.send("a", r#"{"cpu": 8}"#);
    assert!(site.is_outdated("a"));
    let site = load(&[("manifests/site.kdl", "group big {\n}\n"), group], &sent);
    assert_ne!(site.fleet_state(), before);
    assert!(!site.is_outdated("a"));
    assert_eq!(load(&[("manifests/site.kdl", "")], &sent).fleet_state(), None);
}

#[test]
fn a_host_that_lies_about_itself_is_alone_with_it() {
    let sent = Arc::new(Sent::default());
    sent.send("a", r#"{"memory": 1}"#);
    sent.send("b", r#"{"cpu": 8}"#);
    let group = ("inventory/groups/big.toml", "match = 'facts.cpu > 4'\n");
    let site = load(&[("manifests/site.kdl", "group big {\nfile \"/x\"\n}\n"), group], &sent);
    let (liar, _) = site.compile_alone("a");
    assert!(liar.catalog.is_none());
    assert_eq!(liar.diagnostics[0].code, codes::GROUP_MATCH);
    assert_eq!(liar.diagnostics[0].host.as_deref(), Some("a"));
    assert_eq!(site.compile_alone("b").0.catalog.unwrap().resources.len(), 1);
    assert!(!site.is_outdated("a"), "still at fault");
    sent.send("a", r#"{"cpu": 1}"#);
    assert!(site.is_outdated("a"));
}
