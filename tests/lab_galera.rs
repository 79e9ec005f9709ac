//! `examples/galera` on three bare hosts: one cluster, begun once; members come back, settings change one member at a time, and
//! after a full stop the right one begins, or nobody does and all say why.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keel_tests::lab::{Image, Lab, Ran, say};

use crate::galera_journal::{History, journal};
use crate::host::Host;

const SITE: &str = "/root/galera";
const GRASTATE: &str = "/var/lib/mysql/grastate.dat";

type Hosts<'a> = [Host<'a>; 3];

/// Converges all at once, as their agents would.
fn apply_all(hosts: &Hosts<'_>) -> [Ran; 3] {
    std::thread::scope(|scope| {
        let runs = hosts.each_ref().map(|host| scope.spawn(|| host.keel(&["apply", SITE])));
        runs.map(|run| run.join().unwrap())
    })
}

/// Converges all at once; none fails.
#[track_caller]
fn converge_all(hosts: &Hosts<'_>) {
    for (host, ran) in hosts.iter().zip(apply_all(hosts)) {
        assert!(ran.status & 5 == 0, "{} ended with {}:\n{}{}", host.node.name(), ran.status, ran.stdout, ran.stderr);
    }
    hosts.iter().for_each(is_whole);
    // What one member made for all was another one's change to wait for.
    hosts.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
}

/// A member that is synced, with all three, in the cluster that is written down, and without a flag. One that another
/// one was copied from may need a moment.
#[track_caller]
fn is_whole(host: &Host<'_>) {
    let mut said = String::new();
    for _ in 0..120 {
        said = host.sh("/usr/local/sbin/galera-report");
        let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
        let is_known = !value("identity").is_empty() && value("identity") == value("wsrep_cluster_state_uuid");
        let is_synced = host.node.shell("/usr/local/sbin/galera-report synced 3").unwrap().success();
        if is_known && is_synced && (value("wsrep_local_state"), value("flag")) == ("4", "no") {
            let said = host.node.shell("/usr/local/sbin/galera-report synced 4").unwrap();
            assert_eq!((said.status, said.stdout.trim()), (1, "sees 3 members and not 4"));
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("{} is no whole member:\n{said}", host.node.name());
}

fn ask(host: &Host<'_>, query: &str) -> String {
    host.sh(&format!("mariadb -N -e \"{query}\"")).trim().to_owned()
}

#[test]
fn lab_three_hosts_are_one_galera_cluster() {
    let Some(lab) = Lab::for_test(&["db-1", "db-2", "db-3"], &Image::bare()) else { return };
    let hosts = ["db-1", "db-2", "db-3"].map(|name| Host::new(&lab, name));
    for host in &hosts {
        host.node.copy_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/galera"), SITE).unwrap();
        // Nobody gives leases here: members have turns.
        host.sh(&format!("sed -i 's/turn=\"10m\"/turn=\"10s\"/' {SITE}/manifests/site.kdl && grep -q 10s {SITE}/manifests/site.kdl"));
    }
    converge_all(&hosts);
    hosts[1..].iter().for_each(|host| assert_eq!(came_by(host), "SST", "it had nothing"));
    ask(&hosts[2], "CREATE TABLE shop.t (id int PRIMARY KEY AUTO_INCREMENT, n int)");
    one_that_is_killed_comes_back(&hosts);
    a_server_that_is_killed_alone_comes_back_by_itself(&hosts);
    one_whose_data_is_gone_gets_all_of_it(&hosts);
    what_can_change_while_it_runs_restarts_nobody(&hosts);
    an_arbitrator_comes(&hosts[0]);
    settings_change_one_member_at_a_time_under_writes(&hosts);
    a_doubtful_stop_is_refused_and_a_clear_one_recovered(&hosts);
    one_has_its_data_elsewhere(&hosts[1]);
    all_that_are_killed_are_recovered(&hosts);
    who_has_data_of_another_cluster_does_not_join(&hosts);
}

fn one_that_is_killed_comes_back(hosts: &Hosts<'_>) {
    hosts[2].node.kill().unwrap();
    ask(&hosts[0], "INSERT INTO shop.t (n) VALUES (1)");
    hosts[2].node.start().unwrap();
    hosts[2].node.wait_booted().unwrap();
    hosts[2].expect(2, &["apply", SITE]);
    hosts.iter().for_each(is_whole);
    assert_eq!(ask(&hosts[2], "SELECT count(*) FROM shop.t"), "1");
    assert_eq!(came_by(&hosts[2]), "IST");
}

/// How a member got what it lacked when it came into the cluster last, by its own log.
fn came_by(host: &Host<'_>) -> &'static str {
    let text = journal(host.node);
    let start = text.rfind("WSREP: Shifting CLOSED -> OPEN").expect("it came into the cluster");
    let said = |words: &str| text[start..].contains(words);
    match (said("WSREP: State transfer required"), said("WSREP: Receiving IST: ")) {
        (true, true) => "IST",
        (true, false) => "SST",
        (false, _) => "nothing",
    }
}

fn a_server_that_is_killed_alone_comes_back_by_itself(hosts: &Hosts<'_>) {
    hosts[1].sh("kill -9 $(pidof mariadbd)");
    ask(&hosts[0], "INSERT INTO shop.t (n) VALUES (1)");
    hosts[1].sh("for attempt in $(seq 240); do mariadb -e 'SELECT 1' >/dev/null 2>&1 && exit 0; sleep 0.5; done; exit 1");
    hosts.iter().for_each(is_whole);
    assert_eq!((came_by(&hosts[1]), ask(&hosts[1], "SELECT count(*) FROM shop.t").as_str()), ("IST", "2"));
    hosts[1].expect(0, &["apply", SITE]);
}

fn one_whose_data_is_gone_gets_all_of_it(hosts: &Hosts<'_>) {
    // What would make the next start begin a cluster is also taken back where nobody lives to do it.
    hosts[2].sh("systemctl set-environment _WSREP_NEW_CLUSTER=--wsrep-new-cluster && systemctl stop mariadb");
    hosts[2].sh("! systemctl show-environment | grep _WSREP && find /var/lib/mysql -mindepth 1 -delete");
    hosts[2].expect(2, &["apply", SITE]);
    hosts.iter().for_each(is_whole);
    assert_eq!((came_by(&hosts[2]), ask(&hosts[2], "SELECT count(*) FROM shop.t").as_str()), ("SST", "2"));
}

/// Puts a setting into the site of all.
fn set(hosts: &Hosts<'_>, name: &str, value: &str) {
    for host in hosts {
        host.sh(&format!("sed -i 's/^{name} = .*/{name} = \"{value}\"/' {SITE}/inventory/groups/db.toml"));
    }
}

fn what_can_change_while_it_runs_restarts_nobody(hosts: &Hosts<'_>) {
    let processes = || hosts.each_ref().map(|host| host.sh("systemctl show --property=MainPID mariadb"));
    let before = processes();
    set(hosts, "max_connections", "310");
    for ran in apply_all(hosts) {
        assert!(ran.status == 2 && ran.stdout.contains("set while it runs"), "{}:\n{}{}", ran.status, ran.stdout, ran.stderr);
    }
    hosts.iter().for_each(|host| assert_eq!(ask(host, "SELECT @@max_connections"), "310"));
    assert_eq!(processes(), before);
    set(hosts, "back_log", "80x");
    let ran = hosts[0].keel(&["apply", SITE]);
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert!(ran.status & 4 != 0 && text.contains("70-galera.cnf"), "{}:\n{text}", ran.status);
    hosts[0].sh("! grep 80x /etc/mysql/mariadb.conf.d/70-galera.cnf");
    set(hosts, "back_log", "80");
    assert_eq!(processes(), before);
}

/// What clocks of the lab say now.
fn now() -> f64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// One that only votes: it is no member, and keeps nobody from being restarted.
fn an_arbitrator_comes(host: &Host<'_>) {
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y install galera-arbitrator-4");
    host.sh("systemd-run --quiet --unit=arbitrator garbd -a gcomm://10.77.0.11:4567,10.77.0.12:4567 -g shop \
         -o 'gmcast.listen_addr=tcp://0.0.0.0:4571;base_port=4571'");
    host.sh("for attempt in $(seq 60); do mariadb -N -e \"SHOW STATUS LIKE 'wsrep_cluster_size'\" | grep -q 4 && exit 0; sleep 0.5; done; exit 1");
}

/// Applies again and again until the member was restarted in its turn; whether it waited for one.
fn apply_until_restarted(host: &Host<'_>) -> bool {
    let mut waited = false;
    for _ in 0..200 {
        let ran = host.keel(&["apply", SITE]);
        let said = format!("{}: {}:\n{}{}", host.node.name(), ran.status, ran.stdout, ran.stderr);
        assert!(ran.status & 5 == 0, "{said}");
        if ran.stdout.contains("restarted") {
            return waited;
        }
        assert!(said.contains("waiting for the lease of guard galera: "), "{said}");
        waited = true;
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{} had no turn", host.node.name());
}

fn settings_change_one_member_at_a_time_under_writes(hosts: &Hosts<'_>) {
    let (done, since) = (AtomicBool::new(false), now());
    // One can be set, and the other one, of which no setting tells, takes a restart: it must not get lost.
    set(hosts, "max_connections", "320");
    hosts.iter().for_each(|host| {
        drop(host.sh(&format!("sed -i 's/^cluster_name = .*/&\\nbind_address = \"*\"/' {SITE}/inventory/groups/db.toml")))
    });
    let planned = hosts[0].expect(2, &["plan", SITE]);
    assert!(planned.contains("would restart, while all others are synced"), "{planned}");
    // A client that writes all the time, and goes on with another member where one is away.
    let write =
        "for i in 1 2 3 4 5 6 7 8 9 10; do mariadb -e 'INSERT INTO shop.t (n) VALUES (2)' 2>/dev/null && exit 0; sleep 0.2; done; exit 1";
    let (lost, written) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut lost, mut written) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let found = hosts.iter().any(|host| host.node.shell(write).unwrap().success());
                if found {
                    written += 1
                } else {
                    lost += 1
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            (lost, written)
        });
        let runs = hosts.each_ref().map(|host| scope.spawn(|| apply_until_restarted(host)));
        let waited = runs.map(|run| run.join().unwrap());
        done.store(true, Ordering::Relaxed);
        assert!(waited.contains(&true), "somebody has to wait for his turn");
        writer.join().unwrap()
    });
    assert!(lost == 0 && written > 0, "{lost} of {written} writes were lost");
    for host in hosts {
        assert_eq!(ask(host, "SELECT @@bind_address, @@max_connections"), "*\t320");
        is_whole(host);
        assert_ne!(came_by(host), "SST", "it was away for a moment only");
    }
    let fewest = History::read(hosts.iter().map(|host| host.node)).fewest_since(since);
    say(&format!("{written} writes; {fewest:?}"));
    assert!(fewest.with_all_data >= 2, "two were away at one moment: {fewest:?}");
    hosts[0].sh("systemctl stop arbitrator");
    hosts.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
}

fn a_doubtful_stop_is_refused_and_a_clear_one_recovered(hosts: &Hosts<'_>) {
    hosts.iter().for_each(|host| drop(host.sh("systemctl stop mariadb")));
    let refused = |why: &str| {
        for host in &hosts[..2] {
            let said = host.keel(&["plan", SITE]);
            let text = format!("{}{}", said.stdout, said.stderr);
            assert!(text.contains(why), "{} does not say {why:?} but ended with {}:\n{text}", host.node.name(), said.status);
            host.sh("! systemctl is-active mariadb");
        }
    };
    hosts[2].sh("systemctl stop galera-report.socket");
    refused("db-3 does not answer");
    hosts[2].sh("systemctl start galera-report.socket");

    hosts[0].sh(&format!("mv {GRASTATE} /root/lost"));
    refused("its grastate.dat does not say of which cluster");
    hosts[0].sh(&format!("mv /root/lost {GRASTATE}"));
    hosts[0].sh(&format!("cp {GRASTATE} /root/kept && sed -i 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' {GRASTATE}"));
    refused("several members say that they stopped last");
    hosts[0].sh(&format!("sed -i 's/^uuid:.*/uuid: 11111111-2222-3333-4444-555555555555/' {GRASTATE}"));
    refused("members are of different clusters");
    for ran in apply_all(hosts) {
        assert!(
            ran.status & 4 != 0 && format!("{}{}", ran.stdout, ran.stderr).contains("different clusters"),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
    hosts[0].sh(&format!("cat /root/kept >{GRASTATE}"));
    converge_all(hosts);
}

/// It keeps them, and it is the one that begins after the next stop of all.
fn one_has_its_data_elsewhere(host: &Host<'_>) {
    host.sh("systemctl stop mariadb && mv /var/lib/mysql /srv/data && install -d -o mysql -g mysql /var/lib/mysql");
    host.sh("printf '[mysqld]\\ndatadir = /srv/data/\\n' >/etc/mysql/mariadb.conf.d/90-place.cnf");
    host.expect(2, &["apply", SITE]);
    is_whole(host);
    assert_ne!(came_by(host), "SST", "it has its data, elsewhere");
}

fn all_that_are_killed_are_recovered(hosts: &Hosts<'_>) {
    // One misses what the others wrote: it must not begin.
    hosts[0].node.kill().unwrap();
    ask(&hosts[1], "INSERT INTO shop.t (n) VALUES (77)");
    let rows = ask(&hosts[1], "SELECT count(*) FROM shop.t");
    hosts[1..].iter().for_each(|host| host.node.kill().unwrap());
    hosts.iter().for_each(|host| host.node.start().unwrap());
    hosts.iter().for_each(|host| host.node.wait_booted().unwrap());
    converge_all(hosts);
    for host in hosts {
        assert_eq!(ask(host, "SELECT count(*) FROM shop.t"), rows);
    }
    assert_eq!(came_by(&hosts[1]), "nothing", "it began");
    hosts[1].sh("test -s /srv/data/grastate.dat && test -z \"$(ls -A /var/lib/mysql)\"");
}

fn who_has_data_of_another_cluster_does_not_join(hosts: &Hosts<'_>) {
    hosts[2].sh(&format!(
        "systemctl stop mariadb && rm -r /var/lib/keel-galera && sed -i 's/^uuid:.*/uuid: 11111111-2222-3333-4444-555555555555/' {GRASTATE}"
    ));
    let said = hosts[2].keel(&["apply", SITE]);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(said.status & 4 != 0 && text.contains("db-3 has data of another cluster"), "{}:\n{text}", said.status);
    hosts[..2].iter().for_each(|host| drop(host.sh("/usr/local/sbin/galera-report synced 2")));
}
