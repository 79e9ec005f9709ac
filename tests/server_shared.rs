//! Several servers that share one database, and the database away under their load.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keel_tests::postgres::Cluster;
use keel_tests::server::{Answer, CatalogServer, Client, Identity, assert_all_kept_once, deliver_until, delivery};
use serde_json::{Value, json};

const QUOTAS: &str = "[limits]\nhost_requests_per_minute = 1000000\n";

/// What db-1 has, and web-1 after it.
fn push(server: &CatalogServer, word: &str) -> String {
    let manifest = "host db-1 {\n    use copied name=db\n}\n\
                    host web-1 {\n    use copied name=web {\n        require (file)\"/srv/db\" host=db-1\n    }\n}\n";
    let module = "module copied {\n    param (string)name\n    file \"/srv/{{ name }}\" {\n        source \"{{ name }}.txt\"\n    }\n}\n";
    let site = &server.site;
    site.write("keel.toml", "name = \"shared\"\n").write("inventory/hosts.toml", "[hosts.db-1]\n[hosts.web-1]\n");
    for name in ["db", "web"] {
        site.write(&format!("modules/copied/files/{name}.txt"), &format!("{name} {word}\n"));
    }
    site.write("modules/copied/module.kdl", module).write("manifests/site.kdl", manifest).push(word)
}

/// A host's facts put to one server; returns what names them.
fn put_facts(agent: &Client, host: &str) -> String {
    let answer = agent.put("/v1/facts", &json!({ "hostname": host })).unwrap();
    answer.json()["digest"].as_str().unwrap().to_owned()
}

fn catalog(agent: &Client, facts: &str) -> Answer {
    agent.send("GET", "/v1/catalog", &[("keel-facts", facts)], b"").unwrap()
}

/// Asks until the catalog is one of a commit; each server finds a push for itself.
fn catalog_of(agent: &Client, facts: &str, commit: &str) -> Answer {
    loop {
        let answer = catalog(agent, facts);
        if answer.headers.get("keel-commit").is_some_and(|found| found == commit) {
            return answer;
        }
        assert!(answer.status < 400 || answer.code() == "unavailable", "{}", answer.text());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The report of a run in which everything was well.
fn converged(host: &str, sequence: u64, catalog: &Answer) -> Value {
    let mut delivery = delivery(host, sequence);
    delivery["report"]["catalog"] = json!(catalog.headers["etag"].trim_matches('"'));
    delivery
}

fn gates(agent: &Client, catalog: &Answer, wait_s: u64) -> Value {
    let catalog = catalog.headers["etag"].trim_matches('"');
    let asked = json!([{ "host": "db-1", "target": { "type_name": "file", "title": "/srv/db" } }]);
    agent.post("/v1/gates", &json!({ "run": "run-1", "catalog": catalog, "asked": asked, "wait_s": wait_s })).unwrap().json()
}

#[test]
fn server_pairs_share_hosts_catalogs_contents_gates_and_news() {
    let Some(cluster) = Cluster::start() else { return };
    // Neither looks at the repository by itself: what the second knows of a push it has from the first.
    let one = CatalogServer::start_with(&format!("poll_s = 86400\ndatabase = '{}'\n{QUOTAS}", cluster.database("shared")));
    let other = one.start_neighbour();
    let (db, web) = (one.enrol("db-1"), other.enrol("web-1"));
    let commit = push(&one, "first");
    one.command(&["notify"]);

    // Facts put to one are known to the other, and so is what the other's catalogs let a host read.
    let db_facts = put_facts(&one.agent(Some(&db)), "db-1");
    let db_catalog = catalog_of(&other.agent(Some(&db)), &db_facts, &commit);
    let web_facts = put_facts(&other.agent(Some(&web)), "web-1");
    let web_catalog = catalog_of(&one.agent(Some(&web)), &web_facts, &commit);
    let content = |text: &str| format!("/v1/content/{}", blake3::hash(text.as_bytes()).to_hex());
    let bytes = one.agent(Some(&db)).get(&content("db first\n")).unwrap();
    assert_eq!((bytes.status, bytes.text().as_str()), (200, "db first\n"), "a content of a catalog that the other server gave");
    assert_eq!(one.agent(Some(&db)).get(&content("web first\n")).unwrap().status, 404, "another host's");

    // A gate that web-1 asks for at one opens by what db-1 says to the other.
    assert_eq!(gates(&one.agent(Some(&web)), &web_catalog, 0)["gates"][0]["standing"], "closed");
    std::thread::scope(|scope| {
        let held = scope.spawn(|| gates(&one.agent(Some(&web)), &web_catalog, 60));
        let report = converged("db-1", 1, &db_catalog);
        assert_eq!(other.agent(Some(&db)).post("/v1/reports", &report).unwrap().status, 200);
        assert_eq!(one.agent(Some(&db)).post("/v1/reports", &report).unwrap().json()["repeated"], true, "the same report at the other");
        assert_eq!(held.join().unwrap()["gates"][0]["standing"], "open");
    });

    // News of an operator and of a push cross as well, and nobody is given the older commit after it.
    let operator = other.add_operator("olga", "admin");
    std::thread::scope(|scope| {
        let agent = one.agent(Some(&web));
        let after = agent.get("/v1/news?after=0").unwrap().json()["after"].as_u64().unwrap();
        let held = scope.spawn(move || agent.get(&format!("/v1/news?after={after}&wait_s=300")).unwrap().json());
        assert_eq!(operator.post("/operator/v1/run", &json!({ "hosts": ["web-1"] })).unwrap().json()["told"], json!(["web-1"]));
        assert_eq!(held.join().unwrap()["news"][0]["kind"], "run");
    });
    let commit = push(&one, "second");
    other.command(&["notify"]);
    for server in [&one, &other] {
        let second = catalog_of(&server.agent(Some(&web)), &web_facts, &commit);
        assert_ne!(second.headers["etag"], web_catalog.headers["etag"]);
    }

    // Shut out at one, within a minute at the other too; a token is used up for both.
    assert_eq!(operator.post("/operator/v1/nodes/web-1/revoke", &json!({ "why": "sold" })).unwrap().status, 200);
    let begun = Instant::now();
    while catalog(&one.agent(Some(&web)), &web_facts).status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(60), "a minute after its revocation the host is still served by the other server");
        std::thread::sleep(Duration::from_millis(100));
    }
    let token = one.token(&[]);
    assert_eq!(one.ask(&Identity::candidate("new-1"), Some(&token)).status, 200);
    assert_eq!(other.ask(&Identity::candidate("new-2"), Some(&token)).code(), "token-refused");
}

#[test]
fn server_says_that_postgres_is_away_and_goes_on_when_it_is_back() {
    let Some(cluster) = Cluster::start() else { return };
    let server = CatalogServer::start_with(&format!("database = '{}'\n{QUOTAS}", cluster.database("away")));
    let hosts: Vec<Identity> = ["db-1", "web-1"].iter().map(|host| server.enrol(host)).collect();
    let commit = push(&server, "first");
    server.command(&["notify"]);
    let agent = server.agent(hosts.first());
    let facts = put_facts(&agent, "db-1");
    let etag = catalog_of(&agent, &facts, &commit).headers["etag"].clone();
    let operator = server.add_operator("olga", "viewer");
    let token = server.token(&[]);

    cluster.down();
    let refused = |answer: Answer| (answer.status, answer.code(), answer.headers.contains_key("retry-after"));
    let away = (503, "unavailable".to_owned(), true);
    assert_eq!(refused(agent.post("/v1/reports", &delivery("db-1", 1)).unwrap()), away);
    assert_eq!(refused(operator.get("/operator/v1/status").unwrap()), away);
    assert_eq!(refused(server.ask(&Identity::candidate("new-1"), Some(&token))), away);
    let health = operator.get("/health").unwrap();
    assert_eq!((health.status, health.json()["healthy"].as_bool()), (503, Some(false)), "{}", health.text());
    let known = agent.send("GET", "/v1/catalog", &[("keel-facts", &facts), ("if-none-match", &etag)], b"").unwrap();
    assert_eq!(known.status, 304, "what is in memory is served without the database");
    cluster.up();
    // The token was not used up by the enrolment that failed.
    assert_eq!(server.ask(&Identity::candidate("new-1"), Some(&token)).status, 200);

    let over = AtomicBool::new(false);
    let deliver = |host: &Identity| deliver_until(&over, &host.host, || server.agent(Some(host)));
    let acknowledged: Vec<Vec<String>> = std::thread::scope(|scope| {
        let senders: Vec<_> = hosts.iter().map(|host| scope.spawn(|| deliver(host))).collect();
        for round in 0..4 {
            std::thread::sleep(Duration::from_millis(200 + 61 * round));
            cluster.down();
            std::thread::sleep(Duration::from_millis(100 * round));
            cluster.up();
        }
        std::thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    for (host, acknowledged) in hosts.iter().zip(&acknowledged) {
        assert_all_kept_once(&operator, &host.host, acknowledged);
    }
    assert_eq!(operator.get("/health").unwrap().status, 200);
}

#[test]
fn server_pairs_survive_the_death_of_one() {
    let Some(cluster) = Cluster::start() else { return };
    let one = CatalogServer::start_with(&format!("database = '{}'\n{QUOTAS}", cluster.database("pair")));
    let other = one.start_neighbour();
    let host = one.enrol("db-1");
    let one = Mutex::new(one);
    let over = AtomicBool::new(false);
    // As behind a balancer: whoever is there is asked, and the next time the other one.
    let turn = AtomicBool::new(false);
    let connect = || {
        if turn.fetch_xor(true, Ordering::Relaxed) { other.agent(Some(&host)) } else { one.lock().unwrap().agent(Some(&host)) }
    };
    let acknowledged = std::thread::scope(|scope| {
        let sender = scope.spawn(|| deliver_until(&over, "db-1", connect));
        for kill in 0..3 {
            std::thread::sleep(Duration::from_millis(150 + 47 * kill));
            let mut one = one.lock().unwrap();
            one.kill();
            one.resume();
        }
        over.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    assert_all_kept_once(&other.add_operator("olga", "viewer"), "db-1", &acknowledged);
}
