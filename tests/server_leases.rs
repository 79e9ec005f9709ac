//! Leases over the real programs: whatever is killed or cannot be reached, no two members of a cluster are down at once,
//! and what does not go on says why.
//!
//! Each member is a machine of its own in a scratch root. Its "service" is a script that writes down in a folder that all
//! have in common when it goes down and when it is up again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use keel_tests::agent::{Agent, AgentHost, Line, text, until};
use keel_tests::server::{CatalogServer, Client};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

const HOSTS: [&str; 3] = ["db-1", "db-2", "db-3"];

/// Goes down, stays there while somebody holds it, and comes back.
const RESTART: &str = "\
rm -f /srv/well
echo \"down $1\" >>/shared/witness
sleep 0.2
while test -e \"/shared/hold-$1\"; do sleep 0.1; done
touch /srv/well
echo \"up $1\" >>/shared/witness
";

/// Three members of one cluster, their server, and what a witness saw of them.
struct Cluster {
    shared: TempDir,
    server: CatalogServer,
    line: Line,
    hosts: Vec<AgentHost>,
    operator: Client,
}

impl Cluster {
    /// A cluster whose members have joined; none where the test is not root's.
    fn of(settings: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root can make machines of scratch folders");
            return None;
        }
        let shared = tempfile::Builder::new().prefix("keel-witness-").tempdir().unwrap();
        std::fs::write(shared.path().join("restart"), RESTART).unwrap();
        std::fs::write(shared.path().join("witness"), "").unwrap();
        let server = CatalogServer::start();
        let line = Line::to(server.agents_address());
        let site = &server.site;
        site.write("keel.toml", "name = \"cluster\"\n");
        site.write("inventory/hosts.toml", "[hosts.db-1]\n[hosts.db-2]\n[hosts.db-3]\n");
        site.write("inventory/groups/db.toml", "tier = \"custom\"\nmembers = [\"db-*\"]\n");
        let operator = server.add_operator("olga", "operator");
        let join = |name: &str| {
            let host = AgentHost::join_over(&line, &server, name).furnish(shared.path());
            std::fs::write(host.path("srv/well"), "").unwrap();
            host.set("interval = '12h'").set(settings);
            host
        };
        let hosts = HOSTS.iter().map(|name| join(name)).collect();
        let cluster = Self { shared, server, line, hosts, operator };
        cluster.push("one");
        Some(cluster)
    }

    /// Pushes a configuration that all members have to be restarted for.
    fn push(&self, config: &str) {
        let manifest = format!(
            "module member {{\n    guard cluster members=\"{{{{ groups.db.hosts }}}}\" {{\n        ready {{\n            paths \"/srv/well\"\n            absent \"/srv/sick\"\n            interval 1\n            timeout 2\n        }}\n\
             \x20       drain \"/bin/sh\" \"-c\" \"echo out $0 >>/shared/witness\" \"{{{{ host.name }}}}\"\n\
             \x20       undrain \"/bin/sh\" \"-c\" \"test ! -e /srv/stuck && echo back $0 >>/shared/witness\" \"{{{{ host.name }}}}\"\n    }}\n\
             \x20   file \"/srv/config\" content=\"{config}\" {{\n        notify (exec)restart\n    }}\n\
             \x20   exec restart refresh_only=#true guard=cluster {{\n        command \"/bin/sh\" \"/shared/restart\" \"{{{{ host.name }}}}\"\n    }}\n}}\n\
             group db {{\n    use member\n}}\n"
        );
        self.server.site.write("manifests/site.kdl", &manifest).push(config);
        self.server.command(&["notify"]);
    }

    fn start(&self) -> Vec<Agent> {
        self.hosts.iter().map(AgentHost::start).collect()
    }

    /// A cluster with one member that is held down in the middle of its restart: the agents by the order of the hosts,
    /// and who is down.
    fn with_one_down(settings: &str) -> Option<(Self, Vec<Agent>, String)> {
        let cluster = Self::of(settings)?;
        let agents = cluster.start();
        cluster.until_done("one", 3);
        cluster.hold(&HOSTS);
        cluster.push("two");
        let down = cluster.first_down();
        Some((cluster, agents, down))
    }

    /// The members but for this one.
    fn others(&self, than: &str) -> impl Iterator<Item = &AgentHost> {
        self.hosts.iter().filter(move |host| host.name() != than)
    }

    /// The server comes back where it was, with another operator's credentials for what is asked from now on.
    fn resume_server(&mut self, operator: &str) {
        self.server.resume();
        self.line.lead_to(Some(self.server.agents_address()));
        self.operator = self.server.add_operator(operator, "operator");
    }

    fn host(&self, name: &str) -> &AgentHost {
        self.hosts.iter().find(|host| host.name() == name).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shared.path().join(name)
    }

    /// Keeps members down that go down.
    fn hold(&self, names: &[&str]) {
        names.iter().for_each(|name| std::fs::write(self.path(&format!("hold-{name}")), "").unwrap());
    }

    fn let_go(&self, names: &[&str]) {
        names.iter().for_each(|name| std::fs::remove_file(self.path(&format!("hold-{name}"))).unwrap());
    }

    /// What the witness saw, a line each.
    fn seen(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("witness")).unwrap().lines().map(str::to_owned).collect()
    }

    /// How often members came up again.
    fn ups(&self) -> usize {
        self.seen().iter().filter(|line| line.starts_with("up ")).count()
    }

    /// Who is down now. Never were two at once, nobody goes down who still is in service, and nobody comes back to it who
    /// is down.
    fn down(&self) -> BTreeSet<String> {
        self.down_and_out().0
    }

    /// Who is down, and who is out of service.
    fn down_and_out(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut down, mut out) = (BTreeSet::new(), BTreeSet::new());
        for line in self.seen() {
            let (what, name) = line.split_once(' ').unwrap();
            match what {
                "out" => drop(out.insert(name.to_owned())),
                "down" => drop(down.insert(name.to_owned())),
                "up" => drop(down.remove(name)),
                "back" => drop(out.remove(name)),
                _ => panic!("{line}"),
            }
            assert!(down.len() <= 1, "two are down at once: {:?}", self.seen());
            assert!(down.is_subset(&out), "one is down and in service: {:?}", self.seen());
        }
        (down, out)
    }

    /// The one who is down, once somebody is.
    fn first_down(&self) -> String {
        until("somebody goes down", || !self.down().is_empty());
        self.down().into_iter().next().unwrap()
    }

    fn leases(&self) -> Vec<Value> {
        self.operator.get("/operator/v1/leases").unwrap().json()["leases"].as_array().unwrap().clone()
    }

    /// Why a host waits, or has not given back what it holds; nothing if neither.
    fn reason(&self, host: &str) -> String {
        let leases = self.leases();
        let lease = leases.iter().find(|lease| lease["host"] == host);
        lease.map_or(String::new(), |lease| format!("{}: {}", lease["held"], lease["reason"].as_str().unwrap()))
    }

    /// Waits until all have the configuration, were restarted for it and hold nothing any more.
    fn until_done(&self, config: &str, ups: usize) {
        until("all were restarted", || {
            self.down();
            self.ups() == ups
        });
        until("all leases are given back", || self.leases().is_empty());
        for host in &self.hosts {
            assert_eq!(host.read("srv/config"), config);
            until("all is well", || host.status()["running"] == false && host.status()["last_run"]["waiting"] == 0);
        }
        let (down, out) = self.down_and_out();
        assert!(down.is_empty() && out.is_empty(), "{down:?} are down and {out:?} out of service: {:?}", self.seen());
    }

    /// What `keel status` says.
    fn status(&self) -> String {
        self.server.fleet_status()
    }
}

/// A run waits as long as it takes, and no run comes by itself.
const PATIENT: &str = "gate_wait = '2h'";
/// A run gives up soon; what goes on after that was woken.
const IMPATIENT: &str = "gate_wait = '1s'";

#[test]
fn three_that_are_pushed_to_at_once_go_down_one_after_the_other() {
    for settings in [PATIENT, IMPATIENT] {
        let Some(cluster) = Cluster::of(settings) else { return };
        let _agents = cluster.start();
        cluster.until_done("one", 3);
        cluster.push("two");
        cluster.until_done("two", 6);
        assert!(!cluster.status().contains("GUARD"), "nobody waits or holds anything");
    }
}

#[test]
fn a_server_killed_while_a_lease_is_held_lets_nobody_else_go_down() {
    let Some((mut cluster, _agents, down)) = Cluster::with_one_down(PATIENT) else { return };
    // Who waits has been answered once, and so keeps asking while the server is away.
    std::thread::sleep(Duration::from_secs(11));
    cluster.server.kill();
    cluster.resume_server("otto");
    assert!(cluster.reason(&down).starts_with("true: "), "the server knows what it gave: {}", cluster.reason(&down));
    // Away again, it cannot take back what comes up; nobody else may go down before it does.
    cluster.server.kill();
    cluster.let_go(&[&down]);
    until("it comes up", || cluster.down().is_empty());
    cluster.let_go(&HOSTS.into_iter().filter(|host| *host != down).collect::<Vec<_>>());
    assert_eq!(cluster.ups(), 4);
    cluster.resume_server("oskar");
    cluster.until_done("two", 6);
}

#[test]
fn who_was_never_answered_asks_again_when_the_server_is_back() {
    let Some((mut cluster, _agents, down)) = Cluster::with_one_down(IMPATIENT) else { return };
    for host in cluster.others(&down) {
        until("it asks", || cluster.reason(host.name()).starts_with("false: "));
    }
    cluster.server.kill();
    for host in cluster.others(&down) {
        until("its run gives up", || host.status()["running"] == false);
    }
    cluster.let_go(&HOSTS);
    until("who was down comes up", || cluster.down().is_empty());
    assert_eq!(cluster.ups(), 4, "nobody goes down whom nobody let");
    cluster.resume_server("otto");
    cluster.until_done("two", 6);
}

#[test]
fn a_holder_killed_in_the_middle_of_its_restart_keeps_its_lease_until_it_is_well() {
    let Some((cluster, mut agents, down)) = Cluster::with_one_down(IMPATIENT) else { return };
    let position = cluster.hosts.iter().position(|host| host.name() == down).unwrap();
    agents.remove(position).kill_with_all();
    for host in cluster.others(&down) {
        until("the others wait for it", || cluster.reason(host.name()) == format!("false: {down} holds the lease"));
        until("their runs are over", || host.status()["running"] == false);
    }
    let status = cluster.status();
    assert!(status.contains(&format!("{down} holds the lease")) && status.contains("held"), "{status}");
    assert_eq!(cluster.down(), BTreeSet::from([down.clone()]));
    cluster.let_go(&HOSTS);
    // It is started anew, and owes the restart still.
    agents.push(cluster.host(&down).start());
    cluster.until_done("two", 6);
}

#[test]
fn a_run_that_is_killed_alone_gives_nothing_back_while_its_command_goes_on() {
    let Some((cluster, agents, down)) = Cluster::with_one_down(IMPATIENT) else { return };
    let position = cluster.hosts.iter().position(|host| host.name() == down).unwrap();
    // The check finds nothing wrong yet: the restart is in the middle.
    std::fs::write(cluster.host(&down).path("srv/well"), "").unwrap();
    agents[position].kill_run();
    until("it says why", || cluster.reason(&down).starts_with("true: it is not ready: a command goes on that a run began"));
    assert_eq!(cluster.down(), BTreeSet::from([down.clone()]), "nobody else went down");
    cluster.let_go(&HOSTS);
    until("the others are restarted", || {
        cluster.down();
        cluster.ups() == 6
    });
    // It owes the restart still.
    agents[position].signal(Signal::SIGHUP);
    cluster.until_done("two", 7);
}

#[test]
fn a_holder_that_does_not_get_well_keeps_its_lease_and_says_why() {
    let Some((cluster, _agents, down)) = Cluster::with_one_down(IMPATIENT) else { return };
    let sick = cluster.host(&down).path("srv/sick");
    std::fs::write(&sick, "").unwrap();
    cluster.let_go(&HOSTS);
    until("it says why", || cluster.reason(&down) == "true: it is not ready: /srv/sick is still there");
    until("its run is over", || cluster.host(&down).status()["running"] == false);
    let list = cluster.operator.get(&format!("/operator/v1/reports?host={down}")).unwrap().json();
    let newest = list["reports"][0]["id"].as_str().unwrap().to_owned();
    let said = cluster.operator.get(&format!("/operator/v1/reports/{newest}?host={down}")).unwrap().text();
    assert!(said.contains("the lease of guard cluster is kept: this host is not ready"), "{said}");
    assert_eq!(cluster.ups(), 4, "nobody else went down");
    assert!(cluster.status().contains("/srv/sick is still there"), "{}", cluster.status());
    std::fs::remove_file(&sick).unwrap();
    cluster.until_done("two", 6);
}

#[test]
fn a_holder_that_stays_out_of_service_keeps_its_lease_and_says_why() {
    let Some(cluster) = Cluster::of(IMPATIENT) else { return };
    let _agents = cluster.start();
    cluster.until_done("one", 3);
    cluster.hold(&HOSTS);
    cluster.push("two");
    let down = cluster.first_down();
    let stuck = cluster.host(&down).path("srv/stuck");
    std::fs::write(&stuck, "").unwrap();
    cluster.let_go(&HOSTS);
    until("it says why", || cluster.reason(&down).starts_with("true: it is not ready: it is still out of service: "));
    assert_eq!(cluster.ups(), 4, "nobody else went down");
    // Whoever takes its lease from it: it is out of service until it is back.
    let release = json!({ "guard": "cluster", "host": down, "why": "a test" });
    assert_eq!(cluster.operator.post("/operator/v1/leases/release", &release).unwrap().status, 200);
    assert!(cluster.down_and_out().1.contains(&down));
    std::fs::remove_file(&stuck).unwrap();
    cluster.until_done("two", 6);
}

#[test]
fn a_member_that_does_not_answer_keeps_the_others_up_and_is_named() {
    let Some(cluster) = Cluster::of(IMPATIENT) else { return };
    let mut agents: Vec<Agent> = cluster.hosts[..2].iter().map(AgentHost::start).collect();
    for host in &HOSTS[..2] {
        until("it waits", || cluster.reason(host).contains("db-3 does not answer"));
        until("its run is over", || cluster.host(host).status()["last_run"]["waiting"] == 1);
    }
    until("the status names it", || cluster.status().contains("db-3 does not answer"));
    assert_eq!(cluster.seen(), [""; 0]);
    assert_eq!(cluster.host("db-1").read("srv/config"), "one", "files do not wait");
    let plan = text(&cluster.host("db-1").keel(&["plan"]));
    assert!(plan.contains("guarded by cluster"), "{plan}");
    // Whoever was away answers when it is there again, and who waited is called.
    agents.push(cluster.host("db-3").start());
    cluster.until_done("one", 3);
}

#[test]
fn a_lease_of_a_member_that_is_gone_is_an_operators_to_take() {
    let Some((cluster, mut agents, down)) = Cluster::with_one_down(IMPATIENT) else { return };
    let position = cluster.hosts.iter().position(|host| host.name() == down).unwrap();
    agents.remove(position).kill_with_all();
    let release = json!({ "guard": "cluster", "host": down, "why": "its disk is gone" });
    let viewer = cluster.server.add_operator("viktor", "viewer");
    assert_eq!(viewer.post("/operator/v1/leases/release", &release).unwrap().status, 403);
    let admin = cluster.server.add_operator("ada", "admin");
    let refused = admin.send("DELETE", &format!("/operator/v1/nodes/{down}"), &[], b"").unwrap();
    assert!(refused.status == 409 && refused.text().contains(&format!("keel lease release cluster {down}")), "{}", refused.text());
    assert_eq!(cluster.operator.post("/operator/v1/leases/release", &release).unwrap().status, 200);
    assert_eq!(cluster.operator.post("/operator/v1/leases/release", &release).unwrap().status, 404);
    let audit = cluster.server.audit();
    let act = audit.iter().find(|act| act["audit"] == "release").unwrap();
    assert_eq!(
        (&act["actor"], &act["object"], &act["detail"]),
        (&json!("operator olga"), &json!(down), &json!("cluster: its disk is gone"))
    );
    // The others still do not go down: one of the members is away.
    agents.iter().for_each(|agent| agent.signal(Signal::SIGHUP));
    for host in cluster.others(&down) {
        until("it says who is away", || cluster.reason(host.name()) == format!("false: {down} does not answer"));
    }
    assert_eq!(cluster.down(), BTreeSet::from([down]));
}
