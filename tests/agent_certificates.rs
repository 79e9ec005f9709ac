//! The agent's own certificate: run out, revoked, another's. The agent goes on with what it has, and
//! says what is wrong.

use keel_tests::agent::{AgentHost, Line, text};
use keel_tests::server::{CatalogServer, Identity, Lie};

struct Stage {
    server: CatalogServer,
    host: AgentHost,
    _line: Line,
}

impl Stage {
    fn new() -> Self {
        let server = CatalogServer::start();
        let line = Line::to(server.agents_address());
        let host = AgentHost::join_over(&line, &server, "db-1");
        Self { server, host, _line: line }
    }

    fn node(&self) -> String {
        std::fs::read_to_string(self.host.path("var/lib/keel/agent/node.pem")).unwrap()
    }

    /// Gives the host another certificate for its key.
    fn present(&self, lie: Lie) {
        let forged = Identity::of("db-1", &self.node()).forged(&self.server, lie);
        std::fs::write(self.host.path("var/lib/keel/agent/node.pem"), format!("{}{}", forged.key(), forged.chain())).unwrap();
    }
}

#[test]
fn one_that_ran_out_lately_is_renewed_for_the_same_key() {
    let stage = Stage::new();
    stage.present(Lie::Expired);
    let before = stage.node();
    let output = stage.host.once();
    assert!(!text(&output).contains("renewed"), "{}", text(&output));
    assert_ne!(stage.node(), before, "there is another certificate");
    assert_eq!(
        stage.node().split("-----BEGIN CERTIFICATE").next(),
        before.split("-----BEGIN CERTIFICATE").next(),
        "and the key is the same"
    );
    assert_eq!(stage.host.waiting_reports(), 0, "{}", text(&output));
}

#[test]
fn a_disabled_host_renews_it_all_the_same() {
    let stage = Stage::new();
    stage.present(Lie::Expired);
    let before = stage.node();
    assert!(stage.host.keel(&["agent", "disable", "--reason", "repairs"]).status.success());
    let refused = stage.host.once();
    assert!(text(&refused).contains("repairs"), "{}", text(&refused));
    assert_ne!(stage.node(), before, "there is another certificate: {}", text(&refused));
    assert_eq!(stage.host.waiting_reports(), 0, "{}", text(&refused));
}

#[test]
fn with_one_that_is_no_good_the_reports_wait_and_the_agent_says_why() {
    for lie in [Lie::LongExpired, Lie::OtherName, Lie::Foreign] {
        let stage = Stage::new();
        stage.present(lie);
        let output = stage.host.once();
        assert_eq!(output.status.code(), Some(1), "{lie:?}: {}", text(&output));
        assert!(text(&output).contains("1 report waits: the server "), "{lie:?}: {}", text(&output));
        assert_eq!(stage.host.waiting_reports(), 1, "{lie:?}: {}", text(&output));
    }
}

#[test]
fn a_revoked_host_is_refused_and_its_reports_wait() {
    let stage = Stage::new();
    let answer =
        stage.server.add_operator("ada", "admin").post("/operator/v1/nodes/db-1/revoke", &serde_json::json!({ "why": "stolen" })).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let output = stage.host.once();
    assert!(text(&output).contains("refused"), "{}", text(&output));
    assert_eq!(stage.host.waiting_reports(), 1);
}
