//! What a declaration came to for one host is used for others: the result of a compile must not show it. Sites
//! made by chance are compiled with everything kept, while facts change, and each time anew beside it.
//!
//! `KEEL_SEED=N` repeats the chances of a run.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use keel_engine::value::{Map, Value};
use keel_manifests::compile::Compiled;
use keel_manifests::fact_reads::FactReads;
use keel_manifests::facts::{LiveFacts, parse_facts};
use keel_manifests::files::{MemoryFiles, SiteFiles};
use keel_manifests::host_checks::HostChecks;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::site_data::SiteInput;

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use support::chance::Chance;

impl Chance {
    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// Facts that change between compiles.
#[derive(Default)]
struct Changing(Mutex<BTreeMap<String, Arc<Map>>>);

impl LiveFacts for Changing {
    fn of(&self, host: &str) -> Option<Arc<Map>> {
        self.0.lock().unwrap().get(host).cloned()
    }
}

const HOSTS: usize = 8;

/// What depends on the host in one way or another, on who it is, or on other hosts.
const TEXTS: [&str; 40] = [
    "plain",
    "{{ host.name }}",
    "{{ host }}",
    "{{ host.address }}",
    "{{ host.tags | join(',') }}",
    "{{ host.groups | join(',') }}",
    "{{ facts.cpus }}",
    "{{ facts.os.family }}-{{ facts.os.version }}",
    "{{ facts | length }}",
    "{{ facts.virtual is defined }}",
    "{{ host.facts.cpus }}",
    "{{ host.vars.place }}",
    "{{ inventory_hostname }}",
    "{{ place }}",
    "{{ workers }}",
    "{{ workers > 4 and place == 'ams' }}",
    "{{ limits.files }}",
    "{{ limits.listen }}",
    "{{ limits | length }}",
    "{{ limits.keys() | join(',') }}",
    "{{ names | join(',') }}",
    "{{ names[0] }}",
    "{{ peers | length }}",
    "{{ peers[0].name }}",
    "{{ peers[0].facts.cpus }}",
    "{{ peers[0].vars.workers }}",
    "{{ host in peers }}",
    "{{ host in groups.ams.hosts }}",
    "{{ (groups.ams.hosts | first).facts.cpus }}",
    "{{ (groups.fra.hosts | last).name }}",
    "{{ groups.ams.hosts | map(attribute='name') | join(',') }}",
    "{{ hosts.h1.facts.cpus }}",
    "{{ hosts.h2.vars.limits.listen }}",
    "{{ hosts[host.name].address }}",
    "{{ hosts['h0'] == host }}",
    "{{ setting }}",
    "{{ setting ~ place }}",
    "{{ extra.deep.word }}",
    "{{ ratio }}",
    "{{ i }}-{{ item.name }}",
];

const TEMPLATES: [&str; 5] = [
    "{% for n in range(workers) %}{{ n }} {{ place }}\n{% endfor %}",
    "{% for h in groups.ams.hosts %}{{ h.name }} {{ h.facts.cpus }} {{ h.address }}\n{% endfor %}{{ setting }}",
    "{% if facts.cpus > 2 %}{{ host.name }}{% else %}{{ facts.os.family }}{% endif %}",
    "{% set me = host %}{{ me.address }} {{ me in peers }}\n{% for key, value in limits | items %}{{ key }}={{ value }}\n{% endfor %}",
    "{{ groups | length }} {{ hosts | length }} {{ secret('app/key') }} {% if i is defined %}{{ i }}{% endif %}",
];

const CONDITIONS: [&str; 5] = ["facts.cpus > 2", "place == 'ams'", "host in groups.ams.hosts", "facts.os.family == 'debian'", "i > 0"];

fn site(chance: &mut Chance) -> MemoryFiles {
    let mut files = MemoryFiles::default();
    let mut hosts = String::new();
    for host in 0..HOSTS {
        let group = chance.one(&["ams", "fra"]);
        writeln!(hosts, "[hosts.h{host}]\naddress = '10.0.0.{host}'\ngroups = ['{group}']\ntags = ['{}']", chance.one(&["a", "b"]))
            .unwrap();
        if chance.below(3) == 0 {
            writeln!(hosts, "[hosts.h{host}.vars]\nsetting = {}", chance.one(&["1", "1.0", "true", "'1'", "'{{ host.name }}'"])).unwrap();
        }
    }
    // Both groups have somebody.
    hosts.push_str("[hosts.ha]\naddress = '10.1.0.1'\ngroups = ['ams']\n[hosts.hf]\naddress = '10.1.0.2'\ngroups = ['fra']\n");
    files.insert("inventory/hosts.toml", hosts.as_bytes());
    let all = "[vars]\nsetting = 1\nworkers = '{{ facts.cpus * 2 }}'\nratio = '{{ facts.cpus / 2 }}'\nnames = ['x', '{{ host.tags[0] }}']\n\
               peers = '{{ groups.ams.hosts }}'\n[vars.limits]\nfiles = 4096\nlisten = '{{ host.address }}:80'\n[vars.extra.deep]\nword = '{{ place }}'\n";
    files.insert("inventory/groups/all.toml", all.as_bytes());
    for place in ["ams", "fra"] {
        files.insert(&format!("inventory/groups/{place}.toml"), format!("tier = 'idc'\n[vars]\nplace = '{place}'\n").as_bytes());
    }
    files.insert("secrets/app.toml", b"key = 'age:AAAA'\n");
    for (number, template) in TEMPLATES.iter().enumerate() {
        files.insert(&format!("modules/m/templates/{number}"), template.as_bytes());
    }
    files.insert("modules/m/files/f", b"a file");
    files.insert("modules/m/module.kdl", module(chance).as_bytes());
    let given = chance.one(&["\"{{ groups.ams.hosts }}\"", "\"{{ [host] }}\"", "h1", "\"{{ groups.fra.hosts }}\""]);
    let setting = chance.one(&["\"{{ place }}\"", "\"{{ workers ~ '' }}\"", "x", "\"{{ host.name }}\""]);
    files.insert("manifests/site.kdl", format!("group all {{\n    use m members={given} word={setting}\n}}\n").as_bytes());
    files
}

fn module(chance: &mut Chance) -> String {
    let mut text = "module m {\n    param (list<host>)members\n    param (string)word\n    let items=\"{{ [{'name': 'a'}, {'name': word}] }}\"\n    \
                    defaults {\n        file owner=root group=\"{{ place }}\"\n    }\n    for i in=\"range(2)\" {\n    for item in=\"items\" {\n"
        .to_owned();
    for number in 0..12 {
        let content = match chance.below(5) {
            0 => format!("template \"{}\"", chance.below(TEMPLATES.len())),
            1 => "source f".to_owned(),
            2 => "content \"{{ members[0].address }} {{ members | length }} {{ word }}\"".to_owned(),
            _ => format!("content \"{}{}\"", chance.one(&TEXTS), chance.one(&TEXTS)),
        };
        let when = if chance.below(3) == 0 { format!(" when=\"{}\"", chance.one(&CONDITIONS)) } else { String::new() };
        let owner = if chance.below(3) == 0 { format!(" owner=\"u-{}\"", chance.one(&TEXTS)) } else { String::new() };
        let mode = chance.one(&["", " mode=\"0600\"", " mode=#null", " group=#null"]);
        let title = format!("/f{number}/{{{{ i }}}}/{{{{ item.name }}}}{}", chance.one(&["", "{{ host.name }}", "{{ place }}", "/x"]));
        writeln!(text, "        file \"{title}\"{when}{owner}{mode} {{\n            {content}\n        }}").unwrap();
    }
    text.push_str("    }\n    }\n    file \"/own\" mode=\"0644\"\n    override (file)\"/own\" owner=\"{{ host.name }}\"\n    warn \"{{ place }}\"\n}\n");
    text
}

fn facts(chance: &mut Chance) -> Arc<Map> {
    let family = chance.one(&["debian", "suse"]);
    let more = chance.one(&["", ", \"virtual\": true", ", \"other\": 1"]);
    let text = format!("{{\"cpus\": {}, \"os\": {{\"family\": \"{family}\", \"version\": 12}}{more}}}", 1 + chance.below(4));
    Arc::new(parse_facts(&text).unwrap())
}

fn load(files: &MemoryFiles, facts: &Arc<Changing>) -> Site {
    let input = SiteInput { facts: Some(Arc::clone(facts) as _), ..SiteInput::default() };
    let (site, found) = Site::load(Arc::new(files.clone()), LoadOptions { input, ..LoadOptions::default() }, support::types());
    assert!(!found.iter().any(|diagnostic| diagnostic.is_error()), "{found:?}");
    site.unwrap()
}

fn seed() -> u64 {
    let seed = std::env::var("KEEL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("KEEL_SEED={seed}");
    seed
}

/// All that comes of a compile, as text.
fn shown((compiled, reads): (Compiled, FactReads)) -> String {
    let catalog = compiled.catalog.map(|catalog| (catalog.to_bytes().unwrap(), support::print_catalog(&catalog)));
    let contents: Vec<_> = compiled.contents.iter().map(|(digest, bytes)| (digest, String::from_utf8_lossy(bytes).into_owned())).collect();
    format!("{catalog:?}\n{contents:?}\n{:?}\n{reads:?}", compiled.diagnostics)
}

#[test]
fn what_is_kept_for_others_never_shows() {
    let mut chance = Chance(seed());
    let mut good = 0;
    for _ in 0..8 {
        let (files, live) = (site(&mut chance), Arc::new(Changing::default()));
        let mut hosts: Vec<String> = (0..HOSTS).map(|number| format!("h{number}")).collect();
        hosts.extend(["ha".to_owned(), "hf".to_owned()]);
        hosts.iter().for_each(|host| drop(live.0.lock().unwrap().insert(host.clone(), facts(&mut chance))));
        let warm = load(&files, &live);
        for _ in 0..3 * hosts.len() {
            if chance.below(4) == 0 {
                live.0.lock().unwrap().insert(hosts[chance.below(hosts.len())].clone(), facts(&mut chance));
            }
            let host = &hosts[chance.below(hosts.len())];
            let (kept, anew) = (warm.compile_alone(host), load(&files, &live).compile_alone(host));
            good += usize::from(anew.0.catalog.is_some());
            assert_eq!(shown(kept), shown(anew), "{host} of {files:?}");
        }
    }
    assert!(good > 60, "most sites compile: {good}");
}

/// Somebody edits a line of the site, or a host says something new of itself.
fn edit(files: &mut MemoryFiles, live: &Changing, hosts: &[String], chance: &mut Chance) {
    let replace = |files: &mut MemoryFiles, path: &str, from: &str, to: &str| {
        let text = String::from_utf8(files.read(path).unwrap().unwrap().to_vec()).unwrap();
        files.insert(path, text.replace(from, to).as_bytes());
    };
    let place = chance.one(&["inventory/groups/ams.toml", "inventory/groups/fra.toml"]);
    match chance.below(8) {
        0 => replace(files, place, "place = '", "place = 'x"),
        1 if chance.below(2) == 0 => replace(files, place, "setting = 7\n", ""),
        1 => replace(files, place, "[vars]\nplace", "[vars]\nsetting = 7\nplace"),
        2 => replace(files, place, "tier =", "# by hand\ntier ="),
        3 => replace(files, "inventory/groups/all.toml", "files = 4", "files = 5"),
        4 => replace(files, "inventory/hosts.toml", "setting = 1", "setting = 2"),
        5 => replace(files, &format!("modules/m/templates/{}", chance.below(TEMPLATES.len())), "{{", " {{"),
        6 => replace(files, "modules/m/files/f", "file", "file."),
        _ => drop(live.0.lock().unwrap().insert(hosts[chance.below(hosts.len())].clone(), facts(chance))),
    }
}

#[test]
fn what_is_kept_of_checks_never_shows() {
    let seed = std::env::var("KEEL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("KEEL_SEED={seed}");
    let mut chance = Chance(seed);
    let (mut spared, mut compiled, mut good) = (0, 0, 0);
    for number in 0..6 {
        let (mut files, live) = (site(&mut chance), Arc::new(Changing::default()));
        if number % 2 == 0 {
            files.insert(
                "manifests/other.kdl",
                b"group fra {\n    file \"/waits\" content=x {\n        require (file)\"/own\" host=ha\n    }\n}\n",
            );
        }
        let mut hosts: Vec<String> = (0..HOSTS).map(|number| format!("h{number}")).collect();
        hosts.extend(["ha".to_owned(), "hf".to_owned()]);
        hosts.iter().for_each(|host| drop(live.0.lock().unwrap().insert(host.clone(), facts(&mut chance))));
        let mut kept: Option<Vec<u8>> = None;
        for _ in 0..12 {
            let warm = load(&files, &live);
            // Now and then only some are asked for.
            let asked = if chance.below(4) == 0 { &hosts[..5] } else { &hosts[..] };
            let checked = HostChecks::of(&warm, b"program").unwrap().check(asked, kept.as_deref());
            let cold = load(&files, &live);
            let anew: Vec<_> = asked.iter().map(|host| cold.check_host(host)).collect();
            good += anew.iter().filter(|check| check.resources.is_some()).count();
            assert_eq!(checked.checks, anew, "{files:?}");
            (spared, compiled) = (spared + asked.len() - checked.compiled, compiled + checked.compiled);
            kept = checked.kept.or(kept);
            edit(&mut files, &live, &hosts, &mut chance);
        }
    }
    assert!(good > 100 && spared > 50, "{good} compiled, {spared} were kept, {compiled} were not");
}

#[test]
fn one_group_and_those_who_look_at_it_are_compiled_again() {
    let files = |port: u16| {
        MemoryFiles::new([
            (
                "inventory/hosts.toml",
                "[hosts.a1]\ngroups = ['a']\n[hosts.a2]\ngroups = ['a']\n[hosts.b1]\ngroups = ['b']\n[hosts.c1]\n[hosts.d1]\n",
            ),
            ("inventory/groups/a.toml", &*format!("tier = 'custom'\n[vars]\nport = {port}\n")),
            ("inventory/groups/b.toml", "tier = 'custom'\n[vars]\nport = 2\nother = '{{ hosts.a1.vars.port }}'\n"),
            (
                "manifests/site.kdl",
                "group a b {\n    file \"/port\" content=\"{{ port }}\"\n}\nhost c1 {\n    file \"/c\" content=\"{{ hosts.b1.vars.other }}\"\n}\n\
                 host d1 {\n    file \"/d\" content=d\n}\n",
            ),
        ])
    };
    let live = Arc::new(Changing::default());
    let hosts: Vec<String> = ["a1", "a2", "b1", "c1", "d1"].map(str::to_owned).into();
    let check = |port, kept: Option<&[u8]>, program: &[u8]| {
        let site = load(&files(port), &live);
        let checked = HostChecks::of(&site, program).unwrap().check(&hosts, kept);
        (checked.compiled, checked.kept)
    };
    let (compiled, kept) = check(1, None, b"one");
    assert_eq!(compiled, 5);
    assert_eq!(check(1, kept.as_deref(), b"one"), (0, None));
    assert_eq!(check(3, kept.as_deref(), b"one").0, 4, "c1 looks at b1, which looks at a1");
    assert_eq!(check(1, kept.as_deref(), b"two").0, 5);
    assert_eq!(check(1, Some(&kept.unwrap()[..100]), b"one").0, 5);
}

#[test]
fn what_is_filled_in_is_what_would_be_rendered() {
    let mut chance = Chance(seed());
    for _ in 0..3 {
        let (mut files, live) = (site(&mut chance), Arc::new(Changing::default()));
        for (number, template) in TEMPLATES.iter().enumerate() {
            let printed: String = (0..4).map(|_| format!("{}\n", chance.one(&TEXTS))).collect();
            let text = format!("{{{{ facts.serial }}}} {template}{printed}{{% if facts.cpus > 2 %}}{printed}{{% endif %}}");
            files.insert(&format!("modules/m/templates/{number}"), text.as_bytes());
        }
        let hosts: Vec<String> = ["ha", "hf"].map(str::to_owned).into_iter().chain((0..HOSTS).map(|number| format!("h{number}"))).collect();
        hosts.iter().for_each(|host| drop(live.0.lock().unwrap().insert(host.clone(), facts(&mut chance))));
        let warm = load(&files, &live);
        for serial in 0..60 {
            let host = &hosts[chance.below(hosts.len())];
            let mut facts = facts(&mut chance);
            // No template comes to the same twice: it is found out that keeping them as wholes is no use.
            Arc::make_mut(&mut facts).insert("serial".to_owned(), Value::Int(serial));
            live.0.lock().unwrap().insert(host.clone(), facts);
            let kept = shown(warm.compile_alone(host));
            if serial >= 30 {
                assert_eq!(kept, shown(load(&files, &live).compile_alone(host)), "{host} of {files:?}");
            }
        }
    }
}

#[test]
fn neighbours_do_share() {
    let mut hosts = String::new();
    (0..4).for_each(|number| writeln!(hosts, "[hosts.h{number}]\naddress = '10.0.0.{number}'").unwrap());
    let files = MemoryFiles::new([
        ("inventory/hosts.toml", hosts.as_str()),
        ("inventory/groups/all.toml", "[vars]\nword = '{{ facts.cpus * 2 }}'\n"),
        (
            "manifests/site.kdl",
            "group all {\n    file \"/a\" content=\"{{ word }} words\"\n    file \"/b\" content=\"{{ host.address }}\"\n}\n",
        ),
    ]);
    let live = Arc::new(Changing::default());
    for (host, cpus) in [("h0", 1), ("h1", 2), ("h2", 1), ("h3", 2)] {
        let facts = parse_facts(&format!("{{\"cpus\": {cpus}, \"serial\": \"{host}\"}}")).unwrap();
        live.0.lock().unwrap().insert(host.to_owned(), Arc::new(facts));
    }
    let site = load(&files, &live);
    let catalogs: Vec<_> = ["h0", "h1", "h2", "h3"].map(|host| site.compile_alone(host).0.catalog.unwrap()).into();
    let same = |one: usize, other: usize, resource: usize| {
        Arc::ptr_eq(&catalogs[one].resources[resource].attributes, &catalogs[other].resources[resource].attributes)
    };
    assert!(same(0, 2, 0) && same(1, 3, 0), "what depends on equal facts is one");
    assert!(!same(0, 1, 0) && !same(0, 2, 1), "and what differs is not");
}
