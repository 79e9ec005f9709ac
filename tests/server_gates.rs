//! Gates over the real programs: hosts that wait for another one run at once when it is ready.

use keel_tests::server::{AgentHost, CatalogServer};
use serde_json::Value;

/// An origin whose module others wait for, and edges that have a file behind that gate and one before it.
fn push(server: &CatalogServer, page: &str) {
    let site = &server.site;
    site.write("keel.toml", "name = \"fleet\"\n");
    site.write("inventory/hosts.toml", "[hosts.origin-1]\n[hosts.edge-1]\n[hosts.edge-2]\n");
    site.write(
        "manifests/site.kdl",
        &format!(
            "module origin {{\n    file \"/etc/page\" content=\"{page}\"\n    file \"/etc/served\" content=\"yes\" require=(file)\"/etc/page\"\n}}\n\
             module edge {{\n    file \"/etc/alone\" content=\"here\"\n    file \"/etc/behind\" content=\"open\" {{\n        require (module)origin host=origin-1\n    }}\n}}\n\
             host origin-1 {{\n    use origin\n}}\non \"host:edge-*\" {{\n    use edge\n}}\n"
        ),
    );
    site.push(page);
    server.command(&["notify"]);
}

fn is_done(status: &Value) -> bool {
    let last = &status["last_run"];
    status["running"] == false && last["waiting"] == 0 && last["failed"] == 0 && last["skipped"] == 0
}

/// Neither the patience of a run nor its interval is what lets an edge go on.
const SETTINGS: &str = "interval = '12h'";

#[test]
fn who_waits_in_a_run_goes_on_when_the_gate_opens() {
    let server = CatalogServer::start();
    push(&server, "one");
    let mut edge = AgentHost::join(&server, "edge-1");
    edge.set(SETTINGS).set("gate_wait = '2h'").start();
    edge.until("what needs no other host is done", |edge| edge.path("etc/alone").exists());
    assert!(!edge.path("etc/behind").exists());
    let mut origin = AgentHost::join(&server, "origin-1");
    origin.set(SETTINGS).start();
    edge.until("the run goes on", |edge| edge.path("etc/behind").exists());
    edge.until("all is well", |edge| is_done(&edge.status()));
}

#[test]
fn who_waited_in_its_last_run_runs_at_once_when_the_gate_opens() {
    let server = CatalogServer::start();
    push(&server, "one");
    let mut edges = ["edge-1", "edge-2"].map(|name| AgentHost::join(&server, name));
    for edge in &mut edges {
        edge.set(SETTINGS).set("gate_wait = '1s'").start();
    }
    for edge in &edges {
        edge.until("its run is over", |edge| edge.status()["last_run"]["waiting"] == 1);
        assert!(edge.path("etc/alone").exists() && !edge.path("etc/behind").exists());
    }
    let mut origin = AgentHost::join(&server, "origin-1");
    origin.set(SETTINGS).start();
    for edge in &edges {
        edge.until("it was woken", |edge| edge.path("etc/behind").exists());
        edge.until("all is well", |edge| is_done(&edge.status()));
    }
}
