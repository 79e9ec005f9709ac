//! Catalogs, contents and secrets over the server's real API: who gets what, after which push.

use std::time::{Duration, Instant};

use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::secret::Secret;
use keel_resources::identity;
use keel_tests::server::{Answer, CatalogServer, Client, Identity};
use serde_json::{Value, json};

/// Longer than anything that is right takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with a site of two groups and what operators see of it.
struct Fleet {
    server: CatalogServer,
    operator: Client,
}

impl Fleet {
    fn start(settings: &str) -> Self {
        let server = CatalogServer::start_with(settings);
        let operator = server.add_operator("eve", "viewer");
        server.site.write("keel.toml", "name = \"shop\"\n");
        server.site.write("inventory/hosts.toml", "[hosts.web-1]\ngroups = [\"web\"]\n[hosts.db-1]\ngroups = [\"db\"]\n");
        server.site.write("inventory/groups/web.toml", "").write("inventory/groups/db.toml", "");
        server.site.write("manifests/web.kdl", "group web {\n    file \"/etc/web\" content=\"on {{ facts.os }}\"\n}\n");
        server.site.write("manifests/db.kdl", "group db {\n    file \"/etc/db\" source=\"db.conf\"\n}\n");
        server.site.write("files/db.conf", "0123456789\n");
        let fleet = Self { server, operator };
        fleet.push();
        fleet
    }

    fn environment(&self, name: &str) -> Value {
        let list = self.operator.get("/operator/v1/environments").unwrap().json();
        list["environments"].as_array().unwrap().iter().find(|environment| environment["name"] == name).cloned().unwrap_or_default()
    }

    fn push(&self) -> String {
        self.push_to("production")
    }

    /// Pushes, tells the server, and waits until it has taken or refused the commit.
    fn push_to(&self, branch: &str) -> String {
        let commit = self.server.site.push_to(branch, "change");
        self.server.command(&["notify"]);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let environment = self.environment(branch);
            if environment["commit"] == json!(commit) || environment["refused"]["commit"] == json!(commit) {
                return commit;
            }
            assert!(Instant::now() < deadline, "the server does not look: {environment}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Enrols a host with a key of its own for secrets, and sends its facts.
    fn enrol(&self, name: &str) -> Host {
        let key = identity::Identity::generate();
        let candidate = Identity::candidate(name);
        let mut request = candidate.request(Some(&self.server.token(&[])));
        request["recipient"] = json!(key.to_public().to_string());
        let answer = self.server.agent(None).post("/v1/enrolment", &request).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let enrolled = candidate.with_chain(answer.json()["certificate"]["chain"].as_str().unwrap());
        let facts = json!({ "os": "debian" });
        let client = self.server.agent(Some(&enrolled));
        assert_eq!(client.put("/v1/facts", &facts).unwrap().status, 200);
        Host { client, key, facts: Digest::of(facts.to_string().as_bytes()).to_string() }
    }
}

/// An enrolled host.
struct Host {
    client: Client,
    key: identity::Identity,
    facts: String,
}

impl Host {
    fn catalog(&self, etag: &str) -> Answer {
        self.client.send("GET", "/v1/catalog", &[("keel-facts", &self.facts), ("If-None-Match", etag)], b"").unwrap()
    }

    /// The entity tag of the catalog.
    fn etag(&self) -> String {
        let answer = self.catalog("\"\"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.headers["etag"], format!("\"{}\"", Digest::of(&answer.body)));
        answer.headers["etag"].clone()
    }
}

#[test]
fn a_push_changes_only_its_hosts_catalogs() {
    let fleet = Fleet::start("");
    let (web, db) = (fleet.enrol("web-1"), fleet.enrol("db-1"));
    let (of_web, of_db) = (web.etag(), db.etag());
    let catalog = Catalog::from_bytes(&web.catalog("\"\"").body).unwrap();
    assert_eq!((catalog.host.as_str(), catalog.resources.len()), ("web-1", 1));
    assert_eq!(catalog.resources[0].attributes["content"].to_string(), "on debian");
    assert_eq!(web.catalog(&of_web).status, 304);

    fleet.server.site.write("files/db.conf", "another\n");
    let commit = fleet.push();
    let unchanged = web.catalog(&of_web);
    assert_eq!((unchanged.status, &unchanged.headers["keel-commit"]), (304, &commit));
    assert_eq!(unchanged.headers["keel-environment"], "production");
    let changed = db.catalog(&of_db);
    assert_eq!((changed.status, &changed.headers["keel-commit"]), (200, &commit));
    assert_ne!(changed.headers["etag"], of_db);
}

#[test]
fn a_bad_commit_is_refused_and_shown_to_operators() {
    let fleet = Fleet::start("");
    let web = fleet.enrol("web-1");
    let (good, etag) = (fleet.environment("production")["commit"].clone(), web.etag());
    fleet.server.site.write("manifests/web.kdl", "group web {\n    file \"/etc/web\" contnet=x\n}\n");
    let bad = fleet.push();
    let environment = fleet.environment("production");
    assert_eq!((&environment["commit"], &environment["refused"]["commit"]), (&good, &json!(bad)));
    let finding = &environment["refused"]["findings"][0];
    assert_eq!((&finding["places"][0]["file"], &finding["places"][0]["line"]), (&json!("manifests/web.kdl"), &json!(2)), "{finding}");
    assert_eq!(web.catalog(&etag).status, 304);
}

#[test]
fn operators_say_which_environment_a_host_follows_and_hosts_do_not() {
    let fleet = Fleet::start("environments = ['production', 'canary']");
    let operator = fleet.server.add_operator("otto", "operator");
    let web = fleet.enrol("web-1");
    let of_production = web.etag();
    fleet.server.site.write("manifests/web.kdl", "group web {\n    file \"/etc/web\" content=canary\n}\n");
    fleet.push_to("canary");
    assert_eq!(web.catalog(&of_production).status, 304, "the other branch is nothing to it yet");
    assert_eq!(web.client.get("/v1/catalog?environment=canary").unwrap().status, 400);

    let follow = |name: &str| operator.put("/operator/v1/nodes/web-1/environment", &json!({ "environment": name })).unwrap();
    let refused = follow("canari");
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("`environments` in server.toml has production, canary"), "{}", refused.text());
    assert_eq!(follow("canary").status, 200);
    let followed = web.catalog(&of_production);
    assert_eq!((followed.status, followed.headers["keel-environment"].as_str()), (200, "canary"));
    assert_eq!(follow("production").status, 200);
    assert_eq!(web.catalog(&of_production).status, 304);
}

#[test]
fn without_facts_a_host_is_asked_for_them() {
    let fleet = Fleet::start("");
    let web = fleet.enrol("web-1");
    assert_eq!(web.client.get("/v1/catalog").unwrap().code(), "facts-needed");
    let unknown = Digest::of(b"other").to_string();
    let answer = web.client.send("GET", "/v1/catalog", &[("keel-facts", &unknown)], b"").unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (412, "facts-needed"));
}

#[test]
fn contents_are_given_to_who_names_them_and_absent_for_everybody_else() {
    let fleet = Fleet::start("");
    let (web, db) = (fleet.enrol("web-1"), fleet.enrol("db-1"));
    web.etag();
    db.etag();
    let path = |bytes: &[u8]| format!("/v1/content/{}", Digest::of(bytes));
    let own = path(b"0123456789\n");
    assert_eq!(db.client.get(&own).unwrap().body, b"0123456789\n");
    let ranged = |range: &str| db.client.send("GET", &own, &[("Range", range)], b"").unwrap();
    let rest = ranged("bytes=4-");
    assert_eq!((rest.status, rest.body.as_slice(), rest.headers["content-range"].as_str()), (206, b"456789\n".as_slice(), "bytes 4-10/11"));
    assert_eq!(ranged("bytes=11-").status, 416);

    let (mut theirs, mut absent) = (web.client.get(&own).unwrap(), web.client.get(&path(b"absent")).unwrap());
    assert_eq!(theirs.status, 404);
    theirs.headers.remove("date");
    absent.headers.remove("date");
    assert_eq!((theirs.status, theirs.headers, theirs.body), (absent.status, absent.headers, absent.body));
    for name in ["../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", &Digest::of(b"x").to_string().to_uppercase()] {
        let status = db.client.get(&format!("/v1/content/{name}")).unwrap().status;
        assert!([400, 404].contains(&status), "{name}: {status}");
    }
}

#[test]
fn secrets_are_closed_for_their_host_and_nowhere_else() {
    const CANARY: &str = "canary-of-the-server";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity");
    let site = identity::create(&file).unwrap();
    let fleet = Fleet::start(&format!("identity = '{}'", file.display()));
    let closed = identity::close(&[site], &Secret::new(CANARY.to_owned())).unwrap();
    fleet.server.site.write("secrets/db.toml", &format!("password = \"{closed}\"\n"));
    fleet.server.site.write("manifests/db.kdl", "group db {\n    file \"/etc/db\" content=(secret)\"db/password\"\n}\n");
    fleet.push();
    let (web, db) = (fleet.enrol("web-1"), fleet.enrol("db-1"));
    web.etag();
    db.etag();

    let given = db.client.get("/v1/secrets").unwrap();
    assert_eq!(given.status, 200, "{}", given.text());
    let sealed = given.json()["secrets"]["db/password"].as_str().unwrap().to_owned();
    assert_eq!(identity::open(std::slice::from_ref(&db.key), &sealed).unwrap().reveal_secret_text(), CANARY);
    assert!(identity::open(std::slice::from_ref(&web.key), &sealed).is_err(), "another host cannot open it");
    assert_eq!(web.client.get("/v1/secrets").unwrap().json()["secrets"], json!({}), "nor is it given to one");
    let again = db.client.send("GET", "/v1/secrets", &[("If-None-Match", &given.headers["etag"])], b"").unwrap();
    assert_eq!(again.status, 304);
    let mut folders = vec![fleet.server.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false => {
                    let bytes = std::fs::read(&entry).unwrap_or_default();
                    assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "in {}", entry.display());
                }
            }
        }
    }
}
