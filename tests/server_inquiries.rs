//! Plans of a commit by live agents: `keel plan --environment`, over the real programs.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use keel_tests::agent::{Agent, AgentHost, Line, text, until};
use keel_tests::program::keel;
use keel_tests::server::{CatalogServer, Client};
use serde_json::{Value, json};

/// A server whose site has these hosts, and a manifest.
fn server_of(hosts: &[&str], manifest: &str) -> CatalogServer {
    let server = CatalogServer::start_with("environments = ['production']");
    let inventory: String = hosts.iter().map(|host| format!("[hosts.{host}]\n")).collect();
    server.site.write("keel.toml", "name = \"s\"\n").write("inventory/hosts.toml", &inventory);
    server.site.write("manifests/site.kdl", manifest).push("base");
    server.command(&["notify"]);
    server
}

fn motd(host: &str, text: &str) -> String {
    format!("host \"{host}\" {{\n    file \"/etc/motd\" content=\"{text}\\n\"\n}}\n")
}

/// A host that has made its first run, and its agent, which makes no other by itself.
fn living(host: AgentHost) -> (AgentHost, Agent) {
    host.set("interval = \"1d\"");
    assert_eq!(host.once().status.code(), Some(0));
    let agent = host.start();
    (host, agent)
}

/// An operator at a command line.
struct Desk {
    settings: PathBuf,
}

impl Desk {
    fn new(server: &CatalogServer, role: &str, address: &str) -> Self {
        let token = server.command(&["operator", "add", &format!("desk-{role}"), "--role", role]);
        let (ca, settings) = (server.path("ca.pem"), server.path("operator.toml"));
        std::fs::write(&ca, server.root()).unwrap();
        std::fs::write(&settings, format!("server = '{address}'\nca = '{}'\ntoken = '{}'\n", ca.display(), token.trim())).unwrap();
        std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { settings }
    }

    fn at(server: &CatalogServer) -> Self {
        Self::new(server, "operator", &format!("localhost:{}", server.operators_address().port()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(keel());
        command.arg("plan").args(arguments).arg("--operator-settings").arg(&self.settings);
        command.current_dir("/").stdin(Stdio::null()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn plan(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A plan that is printed as data, with its exit code.
    fn data(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = self.plan(&[arguments, &["--json"]].concat());
        let data = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        (output.status.code(), data)
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The entry of a host.
fn entry<'p>(preview: &'p Value, host: &str) -> &'p Value {
    let entries = preview["entries"].as_array().unwrap();
    let is_of = |entry: &&Value| entry["hosts"].as_array().unwrap().contains(&json!(host));
    entries.iter().find(is_of).unwrap_or_else(|| panic!("{host} is not in {preview:#}"))
}

fn said(entry: &Value) -> &str {
    entry["problems"][0]["message"].as_str().unwrap_or_default()
}

#[test]
fn live_hosts_answer_and_silent_ones_are_never_unchanged() {
    let common = "on \"host:*\" {\n    file \"/etc/common\" content=\"same\\n\"\n}\n";
    let server = server_of(&["web-1", "web-2", "web-3", "web-4"], &(motd("web-1", "one") + common));
    let (first, _first) = living(AgentHost::join(&server, "web-1"));
    let (_second, _other) = living(AgentHost::join(&server, "web-2"));
    // It has joined, but nobody listens there; web-4 has never joined.
    let stopped = AgentHost::join(&server, "web-3");
    let cached = || std::fs::read(first.path("var/lib/keel/agent/catalogs/current")).unwrap();
    let before = cached();
    let after = motd("web-1", "two").replace("\\n\"\n", "\\n\" {\n        require (file)\"/etc/common\"\n    }\n");
    server.site.write("manifests/site.kdl", &(after + common)).push_to("next", "two");
    let desk = Desk::at(&server);

    let mut deadline = 10;
    let (code, preview) = loop {
        let (code, preview) = desk.data(&["--environment", "next", "--detailed-exitcode", "--deadline", &deadline.to_string()]);
        for silent in ["web-3", "web-4"] {
            assert_eq!(entry(&preview, silent)["state"], "silent");
        }
        // On a slow machine those who live may need longer.
        if preview["totals"]["states"]["silent"] == 2 {
            break (code, preview);
        }
        deadline *= 2;
        assert!(deadline < 1000, "{preview:#}");
    };
    assert_eq!(code, Some(6), "{preview:#}");
    assert_eq!(preview["unchanged"], json!(["web-2"]));
    let changed = entry(&preview, "web-1");
    assert_eq!((&changed["state"], &changed["resources"][0]["address"]["title"]), (&json!("changed"), &json!("/etc/motd")), "{changed:#}");
    assert!(said(entry(&preview, "web-3")).contains("no answer within"), "{preview:#}");
    assert!(said(entry(&preview, "web-4")).contains("no such host is let in"), "{preview:#}");
    assert_eq!(preview["subject"]["of"]["name"], "next");
    assert!(!stopped.path("etc/common").exists());

    // Nothing was changed, kept or spooled, and the host still follows what it followed.
    assert_eq!((first.read("etc/motd").as_str(), cached() == before, first.waiting_reports()), ("one\n", true, 0));
    let viewer = server.add_operator("vera", "viewer");
    let reports = viewer.get("/operator/v1/reports?host=web-1").unwrap().json();
    assert!(reports["reports"].as_array().unwrap().iter().all(|report| report["totals"]["would_change"] == 0), "{reports:#}");

    // Where everybody has answered nobody waits for the deadline, in any form.
    for format in ["text", "markdown", "junit", "sarif", "github", "gitlab", "html"] {
        let output = desk.plan(&["--environment", "next", "--hosts", "web-1 or web-2", "--deadline", "600", "--format", format]);
        assert!(output.status.code() == Some(0) && text(&output).contains("/etc/motd"), "{format}: {}", text(&output));
        assert_eq!(text(&output).contains("<svg"), format == "html", "the page shows what depends on what");
    }
}

#[test]
fn who_cannot_plan_says_why() {
    let server = server_of(&["web-1", "web-2"], &motd("web-1", "one"));
    let (first, _first) = living(AgentHost::join(&server, "web-1"));
    let (_second, _other) = living(AgentHost::join(&server, "web-2"));
    let desk = Desk::at(&server);
    let next = |manifest: &str| server.site.write("manifests/site.kdl", manifest).push_to("next", "next");

    next(&motd("web-1", "two"));
    assert!(first.keel(&["agent", "disable", "--reason", "repairs"]).status.success());
    let (code, preview) = desk.data(&["--environment", "next", "--deadline", "600"]);
    assert_eq!((code, &entry(&preview, "web-1")["state"]), (Some(4), &json!("broken")), "{preview:#}");
    assert!(said(entry(&preview, "web-1")).contains("disabled the agent: repairs"), "{preview:#}");
    assert!(first.keel(&["agent", "enable"]).status.success());

    let commit = next("host \"web-1\" {\n    fail \"{{ host.name }} is too small\"\n}\n");
    let (code, preview) = desk.data(&["--environment", &commit[..12], "--deadline", "600"]);
    let broken = entry(&preview, "web-1");
    assert_eq!((code, &broken["state"], &preview["unchanged"]), (Some(4), &json!("broken"), &json!(["web-2"])), "{preview:#}");
    let place = &broken["problems"][0]["place"];
    assert_eq!((&place["file"], &place["line"]), (&json!("manifests/site.kdl"), &json!(2)), "{broken:#}");

    next("host \"web-1\" {\n");
    let (code, preview) = desk.data(&["--environment", "next", "--deadline", "600"]);
    assert_eq!((code, &preview["totals"]["hosts"]), (Some(4), &json!(0)), "nobody is asked");
    assert_eq!(preview["problems"][0]["level"], "error", "{preview:#}");

    for (arguments, why) in [
        (["--environment", "nowhere", "--hosts", "web-1"], "no branch, tag or commit nowhere"),
        (["--environment", "production", "--hosts", "group:nobody"], "selects nobody"),
        (["--environment", "production", "--hosts", "host:db-*"], "selects no"),
    ] {
        let output = desk.plan(&arguments);
        assert!(output.status.code() == Some(1) && text(&output).contains(why), "{arguments:?}: {}", text(&output));
    }
    let viewer = Desk::new(&server, "viewer", &format!("localhost:{}", server.operators_address().port()));
    assert_eq!(viewer.plan(&["--environment", "production"]).status.code(), Some(1));
}

#[test]
fn two_are_asked_at_once_and_outlast_the_server() {
    let mut server = server_of(&["web-1"], &motd("web-1", "one"));
    let (to_agents, to_operators) = (Line::to(server.agents_address()), Line::to(server.operators_address()));
    let host = AgentHost::join_over(&to_agents, &server, "web-1");
    assert_eq!(host.once().status.code(), Some(0));
    let desk = Desk::new(&server, "operator", &to_operators.url());
    for branch in ["left", "right"] {
        server.site.write("manifests/site.kdl", &motd("web-1", branch)).push_to(branch, branch);
    }
    let viewer = server.add_operator("vera", "viewer");
    let asked = ["left", "right"].map(|branch| (branch, desk.begin(&["--environment", branch, "--deadline", "1200", "--json"])));
    let open = |viewer: &Client| viewer.get("/metrics").unwrap().text().contains("keel_inquiries_open 2");
    until("both are asked", || open(&viewer));
    server.kill();
    server.resume();
    to_agents.lead_to(Some(server.agents_address()));
    to_operators.lead_to(Some(server.operators_address()));
    host.set("interval = \"1d\"");
    let agent = host.start();
    for (branch, child) in asked {
        let output = child.wait_with_output().unwrap();
        let preview: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}\n{}", text(&output), agent.log()));
        let changed = entry(&preview, "web-1").to_string();
        assert!(output.status.code() == Some(0) && changed.contains(branch) && !changed.contains("silent"), "{branch}: {changed}");
    }
    assert_eq!(host.read("etc/motd"), "one\n");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_host_reads_what_it_is_asked_itself_and_only_while_it_is() {
    let server = server_of(&["db-1", "db-2"], &motd("db-1", "one"));
    let [first, other] = ["db-1", "db-2"].map(|host| server.enrol(host));
    let [agent, stranger] = [&first, &other].map(|identity| server.agent(Some(identity)));
    let facts = |agent: &Client, host: &str| {
        agent.put("/v1/facts", &json!({ "hostname": host })).unwrap().json()["digest"].as_str().unwrap().to_owned()
    };
    let (known, strange) = (facts(&agent, "db-1"), facts(&stranger, "db-2"));
    let manifest = "host \"db-1\" {\n    use copied\n}\n";
    let module = "module copied {\n    file \"/etc/copied\" {\n        source \"large.txt\"\n    }\n}\n";
    let large = "a line of a file that is fetched\n".repeat(4000);
    server.site.write("manifests/site.kdl", manifest).write("modules/copied/module.kdl", module);
    server.site.write("modules/copied/files/large.txt", &large).push_to("next", "next");
    let operator = server.add_operator("otto", "operator");
    let request = json!({ "reference": "next", "hosts": "db-1", "deadline_s": 1200 });
    let asked = operator.post("/operator/v1/inquiries", &request).unwrap();
    assert_eq!(asked.status, 200, "{}", asked.text());
    let id = asked.json()["id"].as_str().unwrap().to_owned();

    let open = agent.get("/v1/inquiries").unwrap().json();
    assert_eq!((&open["inquiries"][0]["id"], &open["inquiries"][0]["by"]), (&json!(id), &json!("otto")));
    assert_eq!(stranger.get("/v1/inquiries").unwrap().json()["inquiries"], json!([]));
    let catalog =
        |client: &Client, facts: &str| client.send("GET", &format!("/v1/inquiries/{id}/catalog"), &[("keel-facts", facts)], b"").unwrap();
    assert_eq!(catalog(&stranger, &strange).status, 404);
    let given = catalog(&agent, &known);
    assert_eq!((given.status, given.headers["keel-commit"].clone()), (200, asked.json()["commit"].as_str().unwrap().to_owned()));
    let digest = blake3::hash(large.as_bytes()).to_hex();
    let content = |client: &Client| client.get(&format!("/v1/inquiries/{id}/content/{digest}")).unwrap();
    assert!(content(&agent).body == large.as_bytes() && content(&stranger).status == 404);
    assert_eq!(agent.get(&format!("/v1/content/{digest}")).unwrap().status, 404, "it is none of the host's own catalogs' yet");
    assert_eq!(stranger.get(&format!("/v1/inquiries/{id}/secrets")).unwrap().status, 404);

    let answer = |client: &Client, body: &Value| client.post(&format!("/v1/inquiries/{id}/answer"), body).unwrap().status;
    assert_eq!(answer(&stranger, &json!({ "kind": "none", "why": "meddling" })), 404);
    assert_eq!(answer(&agent, &json!({ "kind": "does_not_compile", "findings": [] })), 422);
    assert_eq!(answer(&agent, &json!({ "kind": "none", "why": "x".repeat(3 << 20) })), 413);
    assert_eq!(answer(&agent, &json!({ "kind": "none", "why": "not today" })), 204);
    assert_eq!(answer(&agent, &json!({ "kind": "none", "why": "once more" })), 404, "the first one counts");
    assert_eq!(catalog(&agent, &known).status, 404, "nobody asks any more");
    let over = operator.get(&format!("/operator/v1/inquiries/{id}?wait_s=60")).unwrap().json();
    assert_eq!((&over["over"], &over["answered"]), (&json!(true), &json!(1)));
    let hosts = operator.get(&format!("/operator/v1/inquiries/{id}/hosts")).unwrap().json();
    assert_eq!((&hosts["hosts"][0]["reply"]["why"], &hosts["after"]), (&json!("not today"), &Value::Null));
    assert!(server.audit().iter().any(|act| act["audit"] == "ask" && act["actor"] == "operator otto"));
}
