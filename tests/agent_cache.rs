//! The agent without its server: it holds the host to the catalog that it has, whatever happens to the
//! cache and to the clock.

use keel_tests::agent::{AgentHost, push, stage, text, until};
use keel_tests::server::CatalogServer;

const CATALOGS: &str = "var/lib/keel/agent/catalogs";

/// A file that travels in the catalog and one that travels beside it.
fn manifest(word: &str) -> String {
    let long = word.repeat(2_000);
    format!("host \"db-1\" {{\n    file \"/etc/short\" content=\"{word}\"\n    file \"/etc/long\" content=\"{long}\"\n}}\n")
}

/// A host that has had two catalogs, and whose server is away since.
fn alone() -> (CatalogServer, AgentHost) {
    let (mut server, host) = stage(&manifest("one"));
    assert_eq!(host.once().status.code(), Some(0));
    push(&server, &manifest("two"));
    until("the second catalog arrives", || {
        host.once();
        host.read("etc/short") == "two"
    });
    server.kill();
    (server, host)
}

fn drift(host: &AgentHost) {
    for path in ["etc/short", "etc/long"] {
        std::fs::write(host.path(path), "drift").unwrap();
    }
}

#[track_caller]
fn assert_holds(host: &AgentHost, word: &str) {
    assert_eq!((host.read("etc/short"), host.read("etc/long")), (word.to_owned(), word.repeat(2_000)));
}

#[test]
fn drift_is_mended_from_the_cache_and_the_run_says_where_it_came_from() {
    let (_server, host) = alone();
    drift(&host);
    let output = host.once();
    assert_holds(&host, "two");
    assert!(text(&output).contains("converges to the cached catalog, of commit"), "{}", text(&output));
}

#[test]
fn whatever_is_damaged_in_the_newest_catalog_the_one_before_it_holds() {
    let (_server, host) = alone();
    let current = host.path(&format!("{CATALOGS}/current"));
    let good = std::fs::read(&current).unwrap();
    let flips = [0, 9, 41, 60, good.len() / 2, good.len() - 1].map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let cuts = [0, 7, 39, 40, good.len() / 2, good.len() - 1].map(|length| good[..length].to_vec());
    for damaged in flips.iter().chain(&cuts) {
        std::fs::write(&current, damaged).unwrap();
        drift(&host);
        let output = host.once();
        assert!(text(&output).contains("put aside"), "{}", text(&output));
        assert_holds(&host, "one");
    }
    std::fs::write(&current, &good).unwrap();
    host.once();
    assert_holds(&host, "two");
}

#[test]
fn without_any_good_catalog_nothing_is_done_and_the_server_mends_it_all() {
    let (mut server, host) = alone();
    for name in ["current", "previous"] {
        std::fs::write(host.path(&format!("{CATALOGS}/{name}")), "?").unwrap();
    }
    drift(&host);
    let output = host.once();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("there is no catalog yet"), "{}", text(&output));
    assert_eq!(host.read("etc/short"), "drift");

    server.resume();
    host.follow(&server);
    host.once();
    assert_holds(&host, "two");
    assert_eq!(host.waiting_reports(), 0);
}

#[test]
fn a_damaged_content_fails_what_needs_it_and_is_fetched_again() {
    let (_server, host) = stage(&manifest("one"));
    host.once();
    let contents: Vec<_> = std::fs::read_dir(host.path("var/lib/keel/agent/contents")).unwrap().flatten().collect();
    assert_eq!(contents.len(), 1);
    std::fs::write(contents[0].path(), "x".repeat(6_000)).unwrap();
    drift(&host);
    let output = host.once();
    assert_eq!((output.status.code(), host.read("etc/short").as_str()), (Some(4), "one"), "{}", text(&output));
    assert!(text(&output).contains("the next run fetches it again"), "{}", text(&output));
    host.once();
    assert_holds(&host, "one");
}

/// A clock that runs from some other moment on, for every program but the server.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[test]
fn wherever_the_clock_jumps_runs_go_on_and_their_reports_come_in_order() {
    if !std::path::Path::new(FAKETIME).exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the package libfaketime is missing");
        println!("skipped: the package libfaketime is missing");
        return;
    }
    let (server, host) = stage(&manifest("one"));
    host.once();
    let clocks = ["-10y", "+10y", "@1970-01-01 00:00:01", "@2040-01-01 00:00:00", "-1d", "+1d", "+0"];
    for clock in clocks {
        drift(&host);
        let mut run = host.command(&["agent", "--once"]);
        let output = run
            .env("LD_PRELOAD", FAKETIME)
            .env("FAKETIME", clock)
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{clock}: {}", text(&output));
        assert_holds(&host, "one");
    }
    let output = host.once();
    assert_eq!((output.status.code(), host.waiting_reports()), (Some(0), 0), "{}", text(&output));
    let operator = server.add_operator("vera", "viewer");
    let status = operator.get("/operator/v1/status").unwrap().json();
    assert_eq!(status["hosts"][0]["missing_reports"], 0, "{status}");
    let reports = operator.get("/operator/v1/reports?host=db-1").unwrap().json();
    assert_eq!(reports["reports"].as_array().unwrap().len(), clocks.len() + 2, "{reports}");
}
