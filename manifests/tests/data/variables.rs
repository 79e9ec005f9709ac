//! Which value holds, what is merged, and how values refer to each other.

use keel_engine::value::Value;
use keel_manifests::codes;
use keel_manifests::scope::Scope;
use keel_manifests::site_data::SiteInput;

use crate::support::{load, scope, site};

const SITE: [(&str, &str); 5] = [
    ("keel.toml", "[merge]\nnginx = 'deep'\nflat = 'shallow'\npackages = 'list-unique'\n"),
    ("inventory/hosts.toml", "[hosts.web-1]\ngroups = ['ams', 'web']\nvars = { workers = 8, nginx = { tls = { min = 13 } } }\n"),
    (
        "inventory/groups/all.toml",
        "[vars]\nworkers = 1\nplain = { a = 1, b = 2 }\nflat = { t = { a = 1 }, x = 1 }\npackages = ['vim', 'curl']\nnginx = { port = 80, tls = { min = 12, max = 13 } }\n",
    ),
    ("inventory/groups/ams.toml", "tier = 'idc'\n[vars]\nworkers = 2\nplain = { b = 3 }\nflat = { t = { b = 2 } }\n"),
    ("inventory/groups/web.toml", "[vars]\nworkers = 4\npackages = ['nginx', 'vim']\n"),
];

fn web(run: &[&str]) -> Scope {
    let input = SiteInput { run_variables: run.iter().map(|text| (*text).to_owned()).collect(), ..SiteInput::default() };
    let (site, out) = load(&SITE, input);
    assert_eq!(out, []);
    site.scope("web-1").unwrap()
}

fn show(scope: &Scope, name: &str) -> String {
    scope.lookup(name).unwrap().map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[test]
fn the_strongest_wins_whole_unless_the_site_merges() {
    let scope = web(&[]);
    assert_eq!(show(&scope, "workers"), "8");
    assert_eq!(show(&scope, "plain"), "{b: 3}");
    assert_eq!(show(&scope, "flat"), "{t: {b: 2}, x: 1}");
    assert_eq!(show(&scope, "nginx"), "{port: 80, tls: {min: 13, max: 13}}");
    assert_eq!(show(&scope, "packages"), "[nginx, vim, curl]");
    assert_eq!(show(&scope, "nginx.tls.min"), "13");
    assert_eq!(show(&scope, "nginx.nothing"), "-");
    assert_eq!(show(&scope, "nothing"), "-");
}

#[test]
fn a_run_wins_over_everything_and_may_set_parts() {
    let scope = web(&["workers=16", "plain.a.deep=1", "nginx.tls.max=14", "plain.c='x'", "extra=true"]);
    assert_eq!(show(&scope, "workers"), "16");
    assert_eq!(show(&scope, "plain"), "{b: 3, a: {deep: 1}, c: x}");
    assert_eq!(show(&scope, "nginx"), "{port: 80, tls: {min: 13, max: 14}}");
    assert_eq!(scope.evaluate("extra"), Ok(Value::Bool(true)));
    let scope = web(&["plain={ z = 1 }", "plain.y=2"]);
    assert_eq!(show(&scope, "plain"), "{z: 1, y: 2}");
    assert_eq!(web(&["workers.x=1"]).lookup("workers").unwrap_err().code, codes::MERGE_MISMATCH);
    let (_, out) = load(&SITE, SiteInput { run_variables: vec!["facts=1".into(), "x".into()], ..SiteInput::default() });
    assert_eq!(out.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(), [codes::RUN_VARIABLE, codes::RUN_VARIABLE]);
}

#[test]
fn merging_different_types_is_an_error_with_all_places() {
    let mut files = SITE;
    files[4].1 = "[vars]\npackages = 'nginx'\nnginx = 3\n";
    let scope = site(&files).scope("web-1").unwrap();
    let error = scope.lookup("packages").unwrap_err();
    assert_eq!((error.code, error.places.len()), (codes::MERGE_MISMATCH, 2));
    assert_eq!(scope.lookup("nginx").unwrap_err().places.len(), 3);
}

#[test]
fn values_refer_to_each_other_and_keep_their_types() {
    let scope = scope(
        "base = 3300\nport = '{{ base + 6 }}'\nurl = 'tcp://{{ host.address }}:{{ port }}'\nlist = ['{{ port }}', 'x']\nall = '{{ t }}'\n[hosts.h-1.vars.t]\na = 1\nb = '{{ t.a + 1 }}'\nc = '{{ t.b }}!'\n",
    );
    assert_eq!(scope.evaluate("port"), Ok(Value::Int(3306)));
    assert_eq!(show(&scope, "url"), "tcp://10.0.0.1:3306");
    assert_eq!(show(&scope, "list"), "[3306, x]");
    assert_eq!(show(&scope, "all"), "{a: 1, b: 2, c: 2!}", "a table may refer to its own keys");
    assert_eq!(scope.evaluate("all.b + all['a']"), Ok(Value::Int(3)));
    assert_eq!(scope.evaluate("t | dict2items | length"), Ok(Value::Int(3)));
}

#[test]
fn circles_are_errors_that_show_the_way() {
    let circle = scope("a = '{{ b }}'\nb = '{{ c.d }}'\nc = { d = 'x{{ a }}' }\nself = '{{ self }}'\n");
    let error = circle.evaluate("a").unwrap_err();
    assert_eq!(error.code, codes::VARIABLE_LOOP);
    assert_eq!(error.message, "the variable `a` needs its own value: a -> b -> c.d -> a");
    assert_eq!(error.places.len(), 3, "each variable's line");
    assert_eq!(circle.evaluate("self").unwrap_err().code, codes::VARIABLE_LOOP);
    assert_eq!(
        circle.evaluate("c.d").unwrap_err().message,
        "the variable `c.d` needs its own value: c.d -> a -> b -> c.d",
        "not remembered"
    );

    let site = site(&[(
        "inventory/hosts.toml",
        "[hosts.a]\nvars = { x = \"{{ hosts.b.vars.x }}\" }\n[hosts.b]\nvars = { x = \"{{ hosts.a.vars.x }}\" }\n",
    )]);
    let error = site.scope("a").unwrap().evaluate("x").unwrap_err();
    assert_eq!(error.message, "the variable `x` needs its own value: x -> x of b -> x");
}

#[test]
fn chains_and_doublings_end() {
    let chain: String = (0..60).map(|step| format!("v{step} = '{{{{ v{} }}}}'\n", step + 1)).collect();
    let long = scope(&format!("{chain}v60 = 1\n"));
    assert_eq!(long.evaluate("v0").unwrap_err().code, codes::VARIABLE_DEPTH);
    assert_eq!(long.evaluate("v30"), Ok(Value::Int(1)));
    let doubling: String = (1..30).map(|step| format!("v{step} = '{{{{ v{0} }}}}{{{{ v{0} }}}}'\n", step - 1)).collect();
    assert_eq!(scope(&format!("v0 = 'xxxxxxxxxx'\n{doubling}")).evaluate("v29").unwrap_err().code, codes::LIMIT);
    let lists: String = (1..30).map(|step| format!("v{step} = ['{{{{ v{0} }}}}', '{{{{ v{0} }}}}']\n", step - 1)).collect();
    assert_eq!(scope(&format!("v0 = 'x'\n{lists}")).evaluate("v29").unwrap_err().code, codes::LIMIT);
}

#[test]
fn an_error_in_a_value_names_the_variable() {
    let scope = scope("a = 1\nb = 'x {{ nothing }}'\n");
    let error = scope.evaluate("b ~ a").unwrap_err();
    assert_eq!(error.code, codes::UNDEFINED);
    assert_eq!(error.places[0].text, "the variable `b`");
    assert_eq!(&*error.places[0].file, "inventory/hosts.toml");
    assert_eq!(error.range, Some(0..5), "the operation that asked for it");
}

#[test]
fn explain_lists_all_who_speak_and_says_why() {
    let scope = web(&["nginx.port=81"]);
    let explained = scope.site().explain("web-1", "workers").unwrap().unwrap();
    let lines: Vec<_> = explained
        .candidates
        .iter()
        .map(|found| format!("{} {}:{} {} {}", found.tier, found.file, found.line, found.value, found.why))
        .collect();
    assert_eq!(
        lines,
        [
            "global inventory/groups/all.toml:2 1 beaten by group ams: tier idc over global",
            "idc inventory/groups/ams.toml:3 2 beaten by group web: tier custom over idc",
            "custom inventory/groups/web.toml:2 4 beaten by the host's own entry",
            "host inventory/hosts.toml:3 8 the host's own entry is the strongest",
        ]
    );
    assert_eq!(explained.value, Some(Value::Int(8)));
    let merged = scope.site().explain("web-1", "nginx.port").unwrap().unwrap();
    let winners: Vec<_> = merged.candidates.iter().filter(|candidate| candidate.winner).map(|candidate| candidate.tier.as_str()).collect();
    assert_eq!(winners, ["run"], "{merged:?}");
    assert_eq!(merged.value, Some(Value::Int(81)));
    assert_eq!(scope.site().explain("nobody", "x"), Ok(None));
}

#[test]
fn explain_tells_what_each_tier_adds_to_a_merged_value() {
    let files = [
        ("keel.toml", "merge = { app = 'deep', names = 'list-unique' }\n"),
        ("inventory/hosts.toml", "[hosts.web-1]\ngroups = ['web']\nvars = { app = { log = { level = 'debug' } }, names = ['b'] }\n"),
        ("inventory/groups/all.toml", "[vars]\napp = { port = 80, log = { level = 'info' } }\nnames = ['b']\n"),
        ("inventory/groups/web.toml", "tier = 'custom'\n[vars]\napp = { log = { level = 'warn' } }\nnames = ['a', 'b']\n"),
    ];
    let site = site(&files);
    let told = |key: &str| -> Vec<(String, bool, String)> {
        let explained = site.explain("web-1", key).unwrap().unwrap();
        explained.candidates.into_iter().map(|found| (found.tier, found.winner, found.why)).collect()
    };
    let app = told("app");
    let took_part: Vec<bool> = app.iter().map(|(_, winner, _)| *winner).collect();
    assert_eq!(took_part, [true, false, true], "{app:?}");
    assert!(app[0].2.contains("`port` from here") && app[1].2.contains("stronger ones say all of it"), "{app:?}");
    let level = told("app.log.level");
    assert_eq!(level.iter().map(|(_, winner, _)| *winner).collect::<Vec<_>>(), [false, false, true], "{level:?}");
    assert_eq!(told("app.port").len(), 1, "only who says something on the part is listed");
    let names = told("names");
    assert_eq!(names.iter().map(|(_, winner, _)| *winner).collect::<Vec<_>>(), [false, true, true], "{names:?}");
}
