//! Rows of the catalogue of bad input that are too large for a golden folder, made when they are needed,
//! and what is large but fine. What they compute is bounded generously: that is to find what never ends.
#![allow(clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use keel_engine::catalog::Catalog;
use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::files::MemoryFiles;

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use support::cpu_time;

/// The most that one of these may compute in a test build; with optimisation it is a small part of that.
const CPU_MAX: Duration = Duration::from_secs(30);

fn computed(since: Duration) -> Duration {
    cpu_time().saturating_sub(since)
}

/// A site of one host with this manifest.
fn check(manifest: &str) -> (Vec<Diagnostic>, Vec<Catalog>) {
    check_with(manifest, "")
}

fn check_with(manifest: &str, variables: &str) -> (Vec<Diagnostic>, Vec<Catalog>) {
    support::check(Arc::new(MemoryFiles::new([
        ("inventory/hosts.toml", "[hosts.web-1]\n"),
        ("inventory/groups/all.toml", variables),
        ("manifests/site.kdl", manifest),
    ])))
}

/// The only code that a manifest is refused with, and that it is refused soon.
#[track_caller]
fn refused(manifest: &str) -> &'static str {
    let start = cpu_time();
    let (diagnostics, catalogs) = check(manifest);
    assert!(computed(start) < CPU_MAX, "{:?}", computed(start));
    assert!(catalogs.is_empty());
    let codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    match diagnostics.as_slice() {
        [one] => one.code,
        _ => panic!("{codes:?}"),
    }
}

fn in_group(body: &str) -> String {
    format!("group all {{\n{body}\n}}\n")
}

#[test]
fn m10_m11_large_files() {
    assert_eq!(refused(&" ".repeat((1 << 20) + 1)), "KE0101");
    assert_eq!(refused(&in_group(&"package a\n".repeat(50_000))), "KE0107");
}

#[test]
fn m12_m14_deep_files() {
    assert_eq!(refused(&"if \"true\" {\n".repeat(65)), "KE0104");
    assert_eq!(refused(&"a /-{".repeat(20)), "KE0105");
    assert_eq!(refused(&"/*".repeat(1600)), "KE0106");
    let (diagnostics, _) = check(&in_group(&format!("{}package a\n{}", "if \"true\" {\n".repeat(63), "}\n".repeat(63))));
    assert_eq!(diagnostics, []);
}

#[test]
fn m16_m17_long_tokens() {
    assert_eq!(refused(&in_group(&format!("package {}\"x\"", "#".repeat(20_000)))), "KE0108");
    assert_eq!(refused(&in_group(&format!("user a uid={}", "9".repeat(100_000)))), "KE0109");
}

#[test]
fn m30_a_circle_of_a_thousand() {
    let mut body = String::new();
    for number in 0..1000 {
        writeln!(body, "package p{number} require=(package)p{}", (number + 1) % 1000).unwrap();
    }
    assert_eq!(refused(&in_group(&body)), "KE0701");
}

#[test]
fn m34_a_chain_of_ten_thousand() {
    let mut body = String::from("package p0\n");
    for number in 1..10_000 {
        writeln!(body, "package p{number} require=(package)p{}", number - 1).unwrap();
    }
    let (diagnostics, catalogs) = check(&in_group(&body));
    assert_eq!(diagnostics, []);
    assert_eq!(catalogs[0].relations.len(), 9_999);
}

#[test]
fn m35_a_million_relations() {
    let mut references = String::new();
    for number in 0..250 {
        write!(references, " (package)p{number}").unwrap();
    }
    let body = format!("for x in=\"range(5000)\" {{\n package \"p{{{{ x }}}}\" {{\n  before{references}\n }}\n}}");
    let (diagnostics, catalogs) = check(&in_group(&body));
    assert!(catalogs.is_empty());
    assert!(diagnostics.iter().any(|diagnostic| diagnostic.code == "KE0239"), "{diagnostics:?}");
}

#[test]
fn chains_in_manifests_and_variables() {
    let chain = |length| format!("1{}", " + 1".repeat(length));
    assert_eq!(refused(&in_group(&format!("package \"{{{{ {} }}}}\"", chain(100_000)))), "KE0506");
    assert_eq!(refused(&in_group(&format!("if \"{}true\" {{\n package a\n}}", "not ".repeat(100_000)))), "KE0506");
    let variables = format!("[vars]\nx = \"{{{{ {} }}}}\"\n", chain(15_000));
    let (diagnostics, _) = check_with(&in_group("package \"{{ x }}\""), &variables);
    assert_eq!(diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(), ["KE0506"]);
    let matching = format!("match = \"{}true\"\n", "true and ".repeat(100_000));
    let (diagnostics, _) = support::check(Arc::new(MemoryFiles::new([
        ("inventory/hosts.toml", "[hosts.web-1]\n"),
        ("inventory/groups/web.toml", matching.as_str()),
        ("manifests/site.kdl", "group all {\n package a\n}"),
    ])));
    assert_eq!(diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(), ["KE0506"]);
}

#[test]
fn many_relations_that_point_at_nothing() {
    let references: String = (0..60).map(|number| format!(" (package)\"r{number}-{{{{ x }}}}\"")).collect();
    let body = format!("for x in=\"range(2000)\" {{\n package \"p{{{{ x }}}}\" {{\n  require{references}\n }}\n}}");
    let start = cpu_time();
    let (diagnostics, _) = check(&in_group(&body));
    assert!(computed(start) < CPU_MAX, "{:?}", computed(start));
    assert_eq!(diagnostics.len(), 50);
}

#[test]
fn relations_to_many_hosts_count_each() {
    let hosts: String = (0..1100).map(|number| format!("[hosts.h{number}]\n")).collect();
    let manifest = "host h0 {\n for x in=\"range(1000)\" {\n  package \"p{{ x }}\" {\n   require (package)q group=all\n  }\n }\n}\n";
    let files = MemoryFiles::new([("inventory/hosts.toml", hosts.as_str()), ("manifests/site.kdl", manifest)]);
    let (diagnostics, _) = support::check(Arc::new(files));
    assert_eq!(diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(), ["KE0239"]);
}

/// Under the limit: the time is printed by `--nocapture`, in a release build.
#[test]
fn three_hundred_thousand_relations() {
    let mut body = String::from("package p0");
    for number in 1..60 {
        write!(body, " p{number}").unwrap();
    }
    let references = body.replace("package p0", "(package)p0").replace(" p", " (package)p");
    write!(body, "\nfor x in=\"range(5000)\" {{\n package \"q{{{{ x }}}}\" {{\n  before {references}\n }}\n}}").unwrap();
    let start = cpu_time();
    let (diagnostics, catalogs) = check(&in_group(&body));
    eprintln!("300,000 relations: {:?}", computed(start));
    assert_eq!(diagnostics, []);
    assert_eq!(catalogs[0].relations.len(), 300_000);
    assert!(computed(start) < CPU_MAX, "{:?}", computed(start));
}

#[test]
fn m36_modules_too_deep() {
    let mut manifest = String::from("group all {\n use m0\n}\nmodule m70 {\n}\n");
    for number in 0..70 {
        writeln!(manifest, "module m{number} {{\n use m{}\n}}", number + 1).unwrap();
    }
    assert_eq!(refused(&manifest), "KE0212");
}

#[test]
fn more_resources_than_a_catalog_holds() {
    assert_eq!(refused(&in_group("for x in=\"range(20001)\" {\n package \"p{{ x }}\"\n}")), "KE0238");
}

#[test]
fn more_text_than_a_catalog_holds() {
    assert_eq!(refused(&in_group("for x in=\"range(20)\" {\n file \"/{{ x }}\" content=\"{{ 'x' * 1000000 }}\"\n}")), "KE0238");
}

#[test]
fn the_same_input_gives_the_same_catalog() {
    let manifest =
        in_group("for x in=\"range(100)\" {\n file \"/{{ x }}\" content=\"number {{ x }}\" {\n  before (package)p\n }\n}\npackage p");
    let id = || check(&manifest).1[0].id().unwrap();
    assert_eq!(id(), id());
}

/// Ten thousand files from one variable: the time is printed by `--nocapture`, in a release build.
#[test]
fn ten_thousand_files() {
    let mut variables = String::from("[vars]\nfiles = [\n");
    for number in 0..10_000 {
        writeln!(variables, "  {{ path = \"/srv/data/{number}\", text = \"number {number}\" }},").unwrap();
    }
    variables.push_str("]\n");
    let body = "file \"/srv\" \"/srv/data\" ensure=directory\nfor f in=\"files\" {\n file \"{{ f.path }}\" owner=root mode=\"0644\" content=\"{{ f.text }}\\n\"\n}";
    let start = cpu_time();
    let (diagnostics, catalogs) = check_with(&in_group(body), &variables);
    eprintln!("10,000 files from a variable: {:?}", computed(start));
    assert_eq!(diagnostics, []);
    assert_eq!(catalogs[0].resources.len(), 10_002);
}
