//! The server killed in the middle of each kind of request: nothing is torn, and the same request succeeds
//! when the server is back.

use std::time::{Duration, Instant};

use keel_tests::server::{Answer, CatalogServer, Client, Identity, delivery, reports_of};
use serde_json::{Value, json};

/// At how many moments of each kind of request the server is killed.
const MOMENTS: u64 = 5;
const LIMITS: &str = "[limits]\nhost_requests_per_minute = 1000000\nenrolments_per_minute = 1000000\n";
/// Longer than one read from the disk, so that it can be cut.
const CONTENT_BYTES: usize = 700_000;

type Sending = Box<dyn Fn(&Client) -> Result<Answer, String> + Sync>;
type Check = Box<dyn Fn(&Scene, Answer)>;
/// A kind of request, and how one is made for a moment.
type Kind = (&'static str, fn(&Scene, u64) -> Trial);

/// One request, who sends it, and what has to hold once it was answered.
struct Trial {
    identity: Identity,
    send: Sending,
    check: Check,
}

/// A server with two hosts and a site.
struct Scene {
    server: CatalogServer,
    db: Identity,
    web: Identity,
    operator: String,
    facts: String,
    catalog: Answer,
}

impl Scene {
    fn set() -> Self {
        let server = CatalogServer::start_with(LIMITS);
        let site = &server.site;
        site.write("keel.toml", "name = \"killed\"\n").write("inventory/hosts.toml", "[hosts.db-1]\n[hosts.web-1]\n");
        site.write("modules/big/module.kdl", "module big {\n    file \"/srv/db\" {\n        source \"big.txt\"\n    }\n}\n");
        site.write("modules/big/files/big.txt", &content()).write("manifests/site.kdl", "host db-1 {\n    use big\n}\n").push("first");
        server.command(&["notify"]);
        let (db, web) = (server.enrol("db-1"), server.enrol("web-1"));
        let operator = server.command(&["operator", "add", "olga", "--role", "admin"]).trim().to_owned();
        let agent = server.agent(Some(&db));
        let facts = agent.put("/v1/facts", &json!({ "hostname": "db-1" })).unwrap().json()["digest"].as_str().unwrap().to_owned();
        let catalog = loop {
            let answer = agent.send("GET", "/v1/catalog", &[("keel-facts", &facts)], b"").unwrap();
            if answer.status == 200 {
                break answer;
            }
            assert_eq!(answer.code(), "unavailable", "{}", answer.text());
            std::thread::sleep(Duration::from_millis(50));
        };
        Self { server, db, web, operator, facts, catalog }
    }

    fn operator(&self) -> Client {
        self.server.operator(Some(&self.operator))
    }

    fn catalog_id(&self) -> String {
        self.catalog.headers["etag"].trim_matches('"').to_owned()
    }

    /// Sends a request, kills the server some time after, and starts it again.
    fn cut(&mut self, trial: &Trial, after: Duration) {
        let (client, send) = (self.client_of(trial), &trial.send);
        std::thread::scope(|scope| {
            // Whether it was answered before the end is chance.
            scope.spawn(|| send(&client));
            std::thread::sleep(after);
            self.server.kill();
        });
        self.server.resume();
    }

    fn client_of(&self, trial: &Trial) -> Client {
        self.server.agent(Some(&trial.identity).filter(|identity| !identity.chain().is_empty()))
    }
}

fn content() -> String {
    (0..CONTENT_BYTES / 10).map(|line| format!("{line:9}\n")).collect()
}

fn sending(method: &'static str, path: String, headers: Vec<(&'static str, String)>, body: Value) -> Sending {
    Box::new(move |client| {
        let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        client.send(method, &path, &headers, body.as_bytes())
    })
}

/// Asks whether a host is a host: puts facts in its name.
fn is_let_in(scene: &Scene, identity: Identity, chain: &str) -> bool {
    let identity = identity.with_chain(chain);
    scene.server.agent(Some(&identity)).put("/v1/facts", &json!({ "hostname": identity.host })).unwrap().status == 200
}

fn enrolment(scene: &Scene, moment: u64) -> Trial {
    let candidate = Identity::candidate(&format!("new-{moment}"));
    let body = candidate.request(Some(&scene.server.token(&[])));
    let same = candidate.same();
    let check = move |scene: &Scene, answer: Answer| {
        let enrolment = answer.json();
        let chain = enrolment["certificate"]["chain"].as_str().unwrap();
        assert!(is_let_in(scene, same.same(), chain), "the certificate is good, token used up once or not");
        let detail = scene.operator().get(&format!("/operator/v1/nodes/{}", same.host)).unwrap().json();
        assert_eq!(detail["certificates"].as_array().unwrap().len(), 1, "{detail}");
    };
    Trial { identity: candidate, send: sending("POST", "/v1/enrolment".to_owned(), Vec::new(), body), check: Box::new(check) }
}

fn renewal(scene: &Scene, _: u64) -> Trial {
    let check = |scene: &Scene, answer: Answer| {
        assert!(is_let_in(scene, scene.web.same(), answer.json()["chain"].as_str().unwrap()), "the new certificate");
        assert!(is_let_in(scene, scene.web.same(), scene.web.chain()), "the one before it");
    };
    let body = scene.web.renewal();
    Trial { identity: scene.web.same(), send: sending("POST", "/v1/certificate".to_owned(), Vec::new(), body), check: Box::new(check) }
}

fn facts(scene: &Scene, moment: u64) -> Trial {
    let check = |scene: &Scene, answer: Answer| {
        let facts = answer.json()["digest"].as_str().unwrap().to_owned();
        let agent = scene.server.agent(Some(&scene.web));
        // web-1 has nothing in this site, which is a catalog too.
        assert_ne!(agent.send("GET", "/v1/catalog", &[("keel-facts", &facts)], b"").unwrap().status, 412, "they are the ones that count");
    };
    let body = json!({ "hostname": "web-1", "moment": moment, "long": "x".repeat(100_000) });
    Trial { identity: scene.web.same(), send: sending("PUT", "/v1/facts".to_owned(), Vec::new(), body), check: Box::new(check) }
}

fn catalog(scene: &Scene, _: u64) -> Trial {
    let check = |scene: &Scene, answer: Answer| {
        assert_eq!(answer.headers["etag"], scene.catalog.headers["etag"]);
        assert_eq!(blake3::hash(&answer.body).to_hex().as_str(), scene.catalog_id(), "the bytes are whole");
    };
    let send = sending("GET", "/v1/catalog".to_owned(), vec![("keel-facts", scene.facts.clone())], Value::Null);
    Trial { identity: scene.db.same(), send, check: Box::new(check) }
}

fn contents(scene: &Scene, _: u64) -> Trial {
    let path = format!("/v1/content/{}", blake3::hash(content().as_bytes()).to_hex());
    let check = |_: &Scene, answer: Answer| assert!(answer.body == content().as_bytes(), "the bytes are whole");
    Trial { identity: scene.db.same(), send: sending("GET", path, Vec::new(), Value::Null), check: Box::new(check) }
}

fn report(scene: &Scene, moment: u64) -> Trial {
    let check = move |scene: &Scene, _: Answer| {
        let kept = reports_of(&scene.operator(), "web-1");
        assert_eq!(kept.len() as u64, moment + 1, "each once: {kept:?}");
    };
    let body = delivery("web-1", moment + 1);
    Trial { identity: scene.web.same(), send: sending("POST", "/v1/reports".to_owned(), Vec::new(), body), check: Box::new(check) }
}

fn gates(scene: &Scene, moment: u64) -> Trial {
    let target = json!({ "type_name": "file", "title": "/srv/db" });
    let (outcome, standing) = if moment.is_multiple_of(2) { ("unchanged", "open") } else { ("failed", "closed") };
    let run = |asked: Value, settled: Value, catalog: String| json!({ "run": format!("run-{moment}"), "catalog": catalog, "asked": asked, "settled": settled });
    let asks = run(json!([{ "host": "db-1", "target": target }]), json!([]), "0".repeat(64));
    let says = run(json!([]), json!([{ "address": target, "outcome": outcome }]), scene.catalog_id());
    let check = move |scene: &Scene, _: Answer| {
        let answer = scene.server.agent(Some(&scene.web)).post("/v1/gates", &asks).unwrap().json();
        assert_eq!(answer["gates"][0]["standing"], standing, "{answer}");
    };
    Trial { identity: scene.db.same(), send: sending("POST", "/v1/gates".to_owned(), Vec::new(), says), check: Box::new(check) }
}

fn is_asked_to_run(answer: &Answer) -> bool {
    answer.json()["news"].as_array().unwrap().iter().any(|one| one["kind"] == "run")
}

fn news(scene: &Scene, _: u64) -> Trial {
    let agent = scene.server.agent(Some(&scene.web));
    let after = agent.get("/v1/news").unwrap().json()["after"].as_u64().unwrap();
    assert_eq!(scene.operator().post("/operator/v1/run", &json!({ "hosts": ["web-1"] })).unwrap().status, 200);
    let check = |_: &Scene, answer: Answer| assert!(is_asked_to_run(&answer), "{}", answer.text());
    let send = sending("GET", format!("/v1/news?after={after}&wait_s=60"), Vec::new(), Value::Null);
    Trial { identity: scene.web.same(), send, check: Box::new(check) }
}

#[test]
fn server_killed_in_each_kind_of_request_tears_nothing() {
    let mut scene = Scene::set();
    let kinds: [Kind; 8] = [
        ("enrolment", enrolment),
        ("renewal", renewal),
        ("facts", facts),
        ("catalog", catalog),
        ("content", contents),
        ("report", report),
        ("gates", gates),
        ("news", news),
    ];
    for (kind, of) in kinds {
        // As long as the last whole one took, so that the kills fall all over it.
        let mut took = Duration::from_millis(20);
        for moment in 0..MOMENTS {
            let trial = of(&scene, moment);
            scene.cut(&trial, took * u32::try_from(moment).unwrap() / u32::try_from(MOMENTS - 1).unwrap());
            let begun = Instant::now();
            let answer = (trial.send)(&scene.client_of(&trial)).unwrap();
            took = begun.elapsed();
            assert_eq!(answer.status, 200, "{kind} again, after a kill at moment {moment}: {}", answer.text());
            (trial.check)(&scene, answer);
        }
    }
    assert_eq!(scene.operator().get("/health").unwrap().json()["troubles"], json!([]));
}

/// A held request is cut off by the kill, and the next one is answered by what happened meanwhile.
#[test]
fn server_killed_while_it_holds_requests_forgets_no_news() {
    let mut scene = Scene::set();
    let held = |path: &str| Trial {
        identity: scene.web.same(),
        send: sending("GET", path.to_owned(), Vec::new(), Value::Null),
        check: Box::new(|_, answer| assert!(is_asked_to_run(&answer), "{}", answer.text())),
    };
    let trial = held("/v1/news?after=0&wait_s=300");
    scene.cut(&trial, Duration::from_millis(300));
    assert_eq!(scene.operator().post("/operator/v1/run", &json!({ "hosts": ["web-1"] })).unwrap().status, 200);
    let answer = (trial.send)(&scene.client_of(&trial)).unwrap();
    (trial.check)(&scene, answer);
}
