//! `examples/galera` with a catalog server, its guard under fault: the server is killed while a lease is held, the holder
//! in the middle of its restart, a member cannot be reached. Two members have all data at each moment, and what does not
//! go on says why.

use std::path::Path;
use std::time::{Duration, Instant};

use keel_tests::lab::{GATEWAY, Lab};
use keel_tests::server::{CatalogServer, Client};
use serde_json::Value;

use crate::galera_journal::History;
use crate::host::Host;
use crate::lab_mysql::image;

const HOSTS: [&str; 3] = ["db-1", "db-2", "db-3"];
/// How long three members may take to be restarted one after the other on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(240);
/// Longer than who is let takes to begin.
const A_WHILE: Duration = Duration::from_secs(6);

/// The members with their agents, and the server, which is a program of this machine.
struct Cluster<'l> {
    server: CatalogServer,
    operator: Client,
    hosts: [Host<'l>; 3],
}

#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn now() -> f64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// Everything in a folder, as text, by its path there.
fn texts(folder: &Path, inside: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder.join(inside)).unwrap().map(|entry| entry.unwrap());
    let found = entries.map(|entry| (format!("{inside}{}", entry.file_name().to_string_lossy()), entry.path()));
    found
        .flat_map(
            |(name, path)| {
                if path.is_dir() { texts(folder, &format!("{name}/")) } else { vec![(name, std::fs::read_to_string(path).unwrap())] }
            },
        )
        .collect()
}

/// Lets a host join a server, with an agent as the package has it.
pub(crate) fn join(server: &CatalogServer, host: &Host<'_>) {
    let published: Value = server.agent(None).get("/v1/authority").unwrap().json();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/keel-agent.service");
    host.node.copy_in(&unit, "/etc/systemd/system/keel-agent.service").unwrap();
    let (token, fingerprint) = (server.token(&["--host", host.node.name()]), published["fingerprint"].as_str().unwrap());
    host.sh(&format!(
        "sed -i s,/usr/bin/keel,/usr/local/bin/keel, /etc/systemd/system/keel-agent.service && systemctl daemon-reload && \
         keel agent enroll --server {} --token {token} --fingerprint {fingerprint} && systemctl enable --now keel-agent",
        server.agents_address()
    ));
}

impl<'l> Cluster<'l> {
    /// All members have joined the server, which has the example.
    fn of(lab: &'l Lab) -> Self {
        let server = CatalogServer::start_at(GATEWAY);
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/galera");
        for (path, text) in texts(&example, "") {
            server.site.write(&path, &text);
        }
        server.site.push("the example");
        let operator = server.add_operator("olga", "operator");
        let cluster = Self { server, operator, hosts: HOSTS.map(|name| Host::new(lab, name)) };
        cluster.hosts.iter().for_each(|host| join(&cluster.server, host));
        cluster
    }

    /// Pushes a setting that takes a restart of all members.
    fn push(&self, back_log: u32) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/galera/inventory/groups/db.toml");
        let text = std::fs::read_to_string(path).unwrap();
        let changed = text.replace("back_log = \"80\"", &format!("back_log = \"{back_log}\""));
        self.server.site.write("inventory/groups/db.toml", &changed).push("another back_log");
        self.server.command(&["notify"]);
    }

    fn leases(&self) -> Vec<Value> {
        self.operator.get("/operator/v1/leases").unwrap().json()["leases"].as_array().unwrap().clone()
    }

    /// Who has the lease, once somebody has; and the other two.
    fn holder(&self) -> (&Host<'l>, Vec<&Host<'l>>) {
        let held = |lease: &Value| (lease["held"] == true).then(|| lease["host"].as_str().unwrap().to_owned());
        let name = until("somebody has the lease", || self.leases().iter().find_map(held));
        let (mut holder, others): (Vec<_>, Vec<_>) = self.hosts.iter().partition(|host| host.node.name() == name);
        (holder.remove(0), others)
    }

    /// Waits until all members run with the setting and are whole, and nobody waits for anything.
    #[track_caller]
    fn until_done(&self, back_log: u32) {
        let is_well = |host: &Host<'_>| {
            let asks = format!("/usr/local/sbin/galera-report synced 3 && test \"$(mariadb -N -e 'SELECT @@back_log')\" = {back_log}");
            host.node.shell(&asks).unwrap().success()
        };
        let began = Instant::now();
        while !(self.hosts.iter().all(is_well) && self.leases().is_empty()) {
            let stands = || {
                self.hosts
                    .each_ref()
                    .map(|host| host.node.shell("keel agent status; journalctl -q -n 30 -o cat -u keel-agent").unwrap().stdout)
            };
            assert!(began.elapsed() < PATIENCE, "{}\n{}", self.server.fleet_status(), stands().join("\n"));
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Two members had all data at each moment since then.
    #[track_caller]
    fn never_fewer_than_two_since(&self, since: f64) {
        let fewest = History::read(self.hosts.iter().map(|host| host.node)).fewest_since(since);
        keel_tests::lab::say(&format!("{fewest:?} in {:.0} s", now() - since));
        assert!(fewest.with_all_data >= 2, "{fewest:?}");
    }
}

/// The server's process on each.
fn processes(hosts: &[&Host<'_>]) -> Vec<String> {
    hosts.iter().map(|host| host.sh("systemctl show -P MainPID mariadb")).collect()
}

#[test]
fn lab_a_guarded_galera_keeps_two_members_whatever_is_killed() {
    let Some(lab) = Lab::for_test(&HOSTS, &image()) else { return };
    let mut cluster = Cluster::of(&lab);
    cluster.until_done(80);
    the_server_is_killed_while_a_lease_is_held(&mut cluster);
    the_holder_is_killed_in_the_middle_of_its_restart(&cluster);
    a_member_cannot_be_reached(&cluster);
}

fn the_server_is_killed_while_a_lease_is_held(cluster: &mut Cluster<'_>) {
    let since = now();
    cluster.push(90);
    {
        let name = cluster.holder().0.node.name().to_owned();
        cluster.server.kill();
        let (holder, others): (Vec<_>, Vec<_>) = cluster.hosts.iter().partition(|host| host.node.name() == name);
        let before = processes(&others);
        let is_back = "test \"$(mariadb -N -e 'SELECT @@back_log')\" = 90 && /usr/local/sbin/galera-report synced 3";
        until("the holder is restarted", || holder[0].node.shell(is_back).unwrap().success().then_some(()));
        std::thread::sleep(A_WHILE);
        assert_eq!(processes(&others), before, "nobody goes down whom nobody let");
    }
    cluster.server.resume();
    cluster.operator = cluster.server.add_operator("otto", "operator");
    cluster.until_done(90);
    cluster.never_fewer_than_two_since(since);
}

fn the_holder_is_killed_in_the_middle_of_its_restart(cluster: &Cluster<'_>) {
    let since = now();
    cluster.push(91);
    let (holder, others) = cluster.holder();
    let before = processes(&others);
    until("it is down", || (!holder.node.shell("systemctl -q is-active mariadb").unwrap().success()).then_some(()));
    holder.node.kill().unwrap();
    let why = format!("{} holds the lease", holder.node.name());
    until("status says why", || cluster.server.fleet_status().contains(&why).then_some(()));
    std::thread::sleep(A_WHILE);
    assert_eq!(processes(&others), before, "nobody else goes down");
    others.iter().for_each(|host| drop(host.sh("/usr/local/sbin/galera-report synced 2")));
    holder.node.start().unwrap();
    holder.node.wait_booted().unwrap();
    cluster.until_done(91);
    cluster.never_fewer_than_two_since(since);
}

fn a_member_cannot_be_reached(cluster: &Cluster<'_>) {
    let since = now();
    let (others, away) = ([&cluster.hosts[0], &cluster.hosts[1]], &cluster.hosts[2]);
    away.node.unplug().unwrap();
    let two = "/usr/local/sbin/galera-report synced 2";
    until("the others go on without it", || others.iter().all(|host| host.node.shell(two).unwrap().success()).then_some(()));
    let before = processes(&others);
    cluster.push(92);
    let says_why = |status: &str| status.contains("sees 2 members and not 3") || status.contains("db-3 does not answer");
    until("status says why", || says_why(&cluster.server.fleet_status()).then_some(()));
    std::thread::sleep(A_WHILE);
    assert_eq!(processes(&others), before, "nobody goes down beside it");
    away.node.plug_in().unwrap();
    cluster.until_done(92);
    cluster.never_fewer_than_two_since(since);
}
