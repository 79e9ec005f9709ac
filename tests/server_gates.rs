//! What wakes agents, over the real programs: gates that open, and the first catalog.

use keel_tests::agent::{AgentHost, until};
use keel_tests::server::CatalogServer;
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
    let edge = AgentHost::join(&server, "edge-1");
    let _edge_agent = edge.set(SETTINGS).set("gate_wait = '2h'").start();
    until("what needs no other host is done", || edge.path("etc/alone").exists());
    assert!(!edge.path("etc/behind").exists());
    let origin = AgentHost::join(&server, "origin-1");
    let _origin_agent = origin.set(SETTINGS).start();
    until("the run goes on", || edge.path("etc/behind").exists());
    until("all is well", || is_done(&edge.status()));
}

#[test]
fn who_waited_in_its_last_run_runs_at_once_when_the_gate_opens() {
    let server = CatalogServer::start();
    push(&server, "one");
    let edges = ["edge-1", "edge-2"].map(|name| AgentHost::join(&server, name));
    let _edge_agents = edges.each_ref().map(|edge| edge.set(SETTINGS).set("gate_wait = '1s'").start());
    for edge in &edges {
        until("its run is over", || edge.status()["last_run"]["waiting"] == 1);
        assert!(edge.path("etc/alone").exists() && !edge.path("etc/behind").exists());
    }
    let origin = AgentHost::join(&server, "origin-1");
    let _origin_agent = origin.set(SETTINGS).start();
    for edge in &edges {
        until("it was woken", || edge.path("etc/behind").exists());
        until("all is well", || is_done(&edge.status()));
    }
}

#[test]
fn who_waits_is_woken_though_it_mended_something_else_meanwhile() {
    let server = CatalogServer::start();
    push(&server, "one");
    let edge = AgentHost::join(&server, "edge-1");
    let _edge_agent = edge.set(SETTINGS).set("gate_wait = '1s'\nwatch = true").start();
    until("its run is over", || edge.path("run/keel/watch.json").exists() && edge.status()["running"] == false);
    std::fs::remove_file(edge.path("etc/alone")).unwrap();
    until("it is mended", || edge.path("etc/alone").exists());
    until("the mending is over", || edge.status()["last_run"]["waiting"] == 0 && edge.waiting_reports() == 0);
    assert_eq!(edge.status()["last_whole_run"]["waiting"], 1, "it still says for what it waits");
    let origin = AgentHost::join(&server, "origin-1");
    let _origin_agent = origin.set(SETTINGS).start();
    until("it was woken", || edge.path("etc/behind").exists());
    until("all is well", || is_done(&edge.status()) && edge.status()["last_whole_run"].is_null());
}

#[test]
fn who_came_before_the_site_runs_at_the_first_push() {
    let server = CatalogServer::start();
    let host = AgentHost::join(&server, "origin-1");
    let agent = host.set(SETTINGS).start();
    until("it was told that there is nothing yet", || agent.log().contains("has no commit"));
    server.site.write("keel.toml", "name = \"early\"\n").write("inventory/hosts.toml", "[hosts.origin-1]\n");
    let manifest = "host origin-1 {\n    file \"/etc/page\" content=\"{{ facts.kernel.name }}\"\n}\n";
    server.site.write("manifests/site.kdl", manifest).push("first");
    server.command(&["notify"]);
    until("it has run", || host.path("etc/page").exists());
}
