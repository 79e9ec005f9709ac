//! What is wrong is shown: in `/health` to anybody, in the fleet's status to operators.

use std::time::Duration;

use keel_tests::server::{CatalogServer, Client, assert_all_kept_once, delivery};
use keel_tests::small_disk::SmallDisk;
use serde_json::Value;

/// Asks until it is so; the server looks at its repository in its own time.
fn until(server: &CatalogServer, viewer: &Client, what: &str, is_so: impl Fn(&Value, &Value) -> bool) -> (u16, Value, Value) {
    let mut health = String::new();
    for _ in 0..600 {
        server.command(&["notify"]);
        let answer = server.operator(None).get("/health").unwrap();
        let status = viewer.get("/operator/v1/status").unwrap().json();
        if is_so(&answer.json(), &status) {
            return (answer.status, answer.json(), status);
        }
        health = answer.text();
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what} is not shown: {health}");
}

fn first(status: &Value) -> &str {
    status["troubles"][0]["what"].as_str().unwrap_or_default()
}

#[test]
fn server_troubles_of_the_repository_are_shown_and_go_away() {
    let server = CatalogServer::start();
    let viewer = server.add_operator("vera", "viewer");
    let (code, health, _) = until(&server, &viewer, "an empty repository", |_, status| first(status).contains("no branch production"));
    assert_eq!((code, &health["healthy"]), (200, &Value::Bool(true)), "who serves is not ill because there is nothing to serve");

    let site = &server.site;
    site.write("keel.toml", "name = \"troubled\"\n").write("inventory/hosts.toml", "[hosts.db-1]\n");
    let good = site.write("manifests/site.kdl", "host db-1 {\n    file \"/a\" content=a\n}\n").push("good");
    until(&server, &viewer, "a good commit", |health, status| health["troubles"] == status["troubles"] && first(status).is_empty());

    let bad = site.write("manifests/site.kdl", "host db-1 {\n    fil \"/a\" content=a\n}\n").push("bad");
    let (code, health, status) = until(&server, &viewer, "a refused commit", |_, status| first(status).contains("is refused"));
    assert!(first(&status).contains(&bad[..12]) && first(&status).contains(&good[..12]), "{status}");
    let found = &status["troubles"][0]["findings"][0];
    assert_eq!((&found["places"][0]["file"], &found["places"][0]["line"]), (&"manifests/site.kdl".into(), &2.into()), "{found}");
    assert_eq!((code, &health["healthy"]), (200, &Value::Bool(true)));
    assert!(!health.to_string().contains("production") && !health.to_string().contains(&bad[..12]), "anybody may read this: {health}");

    let away = server.path("away.git");
    std::fs::rename(site.repository(), &away).unwrap();
    let (code, health, status) = until(&server, &viewer, "no repository", |health, _| health["healthy"] == false);
    assert!(code == 503 && first(&status).starts_with("the repository: "), "{status}");
    assert!(!health.to_string().contains("site.git"), "{health}");
    std::fs::rename(&away, site.repository()).unwrap();
    std::fs::rename(site.repository().join("HEAD"), site.repository().join("TAIL")).unwrap();
    until(&server, &viewer, "what is no repository any more", |health, _| health["healthy"] == false);
    std::fs::rename(site.repository().join("TAIL"), site.repository().join("HEAD")).unwrap();
    site.write("manifests/site.kdl", "host db-1 {\n    file \"/a\" content=b\n}\n").push("mended");
    let (code, ..) = until(&server, &viewer, "all is well again", |health, _| health["troubles"].as_array().unwrap().is_empty());
    assert_eq!(code, 200);
}

#[test]
fn server_troubles_of_a_full_disk_end_with_it() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let server = CatalogServer::start_with(&format!(
        "database = '{}'\n[limits]\nhost_requests_per_minute = 1000000\n",
        disk.path().join("server.db").display()
    ));
    let viewer = server.add_operator("vera", "viewer");
    let host = server.enrol("db-1");
    let filler = disk.path().join("filler");
    // Written to the last byte, which fails at the end.
    let _ = std::fs::write(&filler, vec![0; 8 << 20]);
    let mut acknowledged = Vec::new();
    let refused = loop {
        let answer = server.agent(Some(&host)).post("/v1/reports", &delivery("db-1", acknowledged.len() as u64 + 1)).unwrap();
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push(answer.json()["id"].as_str().unwrap().to_owned());
    };
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"), "the agent keeps what it has");
    assert!(refused.text().contains("full") && refused.headers.contains_key("retry-after"), "{}", refused.text());
    until(&server, &viewer, "a full disk", |health, status| health["healthy"] == false && first(status).contains("full"));
    std::fs::remove_file(&filler).unwrap();
    let answer = server.agent(Some(&host)).post("/v1/reports", &delivery("db-1", acknowledged.len() as u64 + 1)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    acknowledged.push(answer.json()["id"].as_str().unwrap().to_owned());
    assert_all_kept_once(&viewer, "db-1", &acknowledged);
    assert_eq!(viewer.get("/health").unwrap().status, 200);
}

#[test]
fn server_troubles_of_one_host_name_it() {
    let server = CatalogServer::start();
    let viewer = server.add_operator("vera", "viewer");
    let site = &server.site;
    site.write("keel.toml", "name = \"troubled\"\n").write("inventory/hosts.toml", "[hosts.db-1]\n[hosts.db-2]\n");
    let manifest = "host db-1 {\n    if \"facts.broken\" {\n        fail \"this cannot be\"\n    }\n}\n";
    site.write("facts/db-1.json", "{\"broken\":false}").write("manifests/site.kdl", manifest).push("first");
    let host = server.enrol("db-1");
    let agent = server.agent(Some(&host));
    let answer = agent.put("/v1/facts", &serde_json::json!({ "broken": true })).unwrap().json();
    let facts = answer["digest"].as_str().unwrap().to_owned();
    let (_, health, status) = until(&server, &viewer, "a host that does not compile", |_, status| {
        let _ = agent.send("GET", "/v1/catalog", &[("keel-facts", &facts)], b"");
        first(status).contains("db-1 does not compile")
    });
    assert!(status["troubles"][0]["findings"][0]["message"].as_str().unwrap().contains("this cannot be"), "{status}");
    assert_eq!(health["healthy"], true);
}
