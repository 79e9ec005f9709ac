//! `examples/galera` whole: three members behind two load balancers with one address, on five hosts. A client that
//! writes through the address all the time loses nothing while a member stops, a member dies and a balancer dies.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use keel_tests::lab::{Lab, say};

use crate::host::Host;
use crate::lab_mysql::image;

const SITE: &str = "/root/galera";
const MEMBERS: [&str; 3] = ["db-1", "db-2", "db-3"];
const BALANCERS: [&str; 2] = ["lb-1", "lb-2"];
/// How long daemons may take to find out, copy and come back on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(180);
const HAS_ADDRESS: &str = "ip -4 address show dev host0 | grep -q 10.77.0.100/24";
const IS_WHOLE: &str = "/usr/local/sbin/galera-report synced 3";

/// Writes one number after the other through the address, each again until it was taken, and notes which were.
const WRITER: &str = r#"#!/bin/bash
for number in $(seq 1000000); do
    until mariadb --connect-timeout=2 -h 10.77.0.100 -u client -pc shop -e "INSERT IGNORE INTO t VALUES ($number)" 2>>/root/retried; do
        sleep 0.1
    done
    echo $number >>/root/written
    sleep 0.02
done
"#;

/// The example on five hosts.
struct Site<'l> {
    members: [Host<'l>; 3],
    balancers: [Host<'l>; 2],
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    began.elapsed()
}

impl<'l> Site<'l> {
    fn all(&self) -> impl Iterator<Item = &Host<'l>> {
        self.members.iter().chain(&self.balancers)
    }

    /// Converges all at once, as their agents would, and then finds nothing more to do on any.
    #[track_caller]
    fn converge(&self) {
        let runs: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = self.all().map(|host| (host, scope.spawn(|| host.keel(&["apply", SITE])))).collect();
            runs.into_iter().map(|(host, run)| (host, run.join().unwrap())).collect()
        });
        for (host, ran) in runs {
            assert!(ran.status & 5 == 0, "{} ended with {}:\n{}{}", host.node.name(), ran.status, ran.stdout, ran.stderr);
        }
        until("all members are in the cluster", || self.members.iter().all(|host| says(host, IS_WHOLE)));
        self.all().for_each(|host| drop(host.expect(0, &["apply", SITE])));
    }

    /// The balancer that has the address, and the other one.
    fn holder(&self) -> Option<(&Host<'l>, &Host<'l>)> {
        let [first, second] = &self.balancers;
        match (says(first, HAS_ADDRESS), says(second, HAS_ADDRESS)) {
            (true, false) => Some((first, second)),
            (false, true) => Some((second, first)),
            _ => None,
        }
    }

    /// Waits until all balancers, of those that are up, see a member so.
    #[track_caller]
    fn seen(&self, member: &str, state: &str) {
        let look =
            format!("echo 'show stat' | socat - /run/haproxy/admin.sock | grep '^shop,{member},' | cut -d , -f 18 | grep -q '^{state}'");
        until(&format!("the balancers see {member} {state}"), || self.balancers.iter().all(|host| says(host, &look)));
    }

    /// The client is at none of the hosts that are killed.
    fn client(&self) -> &Host<'l> {
        &self.members[2]
    }

    fn written(&self) -> usize {
        self.client().sh("wc -l </root/written").trim().parse().unwrap()
    }

    /// What is written after something happened gets through; how long that takes is said.
    #[track_caller]
    fn goes_on(&self, what: &str) {
        let before = self.written();
        let took = until(&format!("the client goes on after {what}"), || self.written() > before + 5);
        say(&format!("lab: the client went on within {} ms after {what}", took.as_millis()));
    }
}

fn says(host: &Host<'_>, script: &str) -> bool {
    host.node.shell(script).is_ok_and(|ran| ran.success())
}

/// Waits until a host that was killed is back, and keel finds what its start left to do.
fn start(host: &Host<'_>) {
    host.node.start().unwrap();
    host.node.wait_booted().unwrap();
}

#[test]
fn lab_five_hosts_are_a_database_that_outlives_each_of_them() {
    let Some(lab) = Lab::for_test(&[MEMBERS.as_slice(), BALANCERS.as_slice()].concat(), &image()) else { return };
    let site = Site { members: MEMBERS.map(|name| Host::new(&lab, name)), balancers: BALANCERS.map(|name| Host::new(&lab, name)) };
    for host in site.all() {
        host.node.copy_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/galera"), SITE).unwrap();
    }
    site.converge();
    MEMBERS.iter().for_each(|member| site.seen(member, "UP"));
    until("one balancer has the address", || site.holder().is_some());
    let statements =
        "CREATE TABLE shop.t (id int PRIMARY KEY); CREATE USER client@'%' IDENTIFIED BY 'c'; GRANT ALL ON shop.* TO client@'%'";
    site.client().sh(&format!(
        "mariadb -e \"{statements}\" && cat >/root/writer <<'END'\n{WRITER}END\nchmod 755 /root/writer && touch /root/written && systemd-run --quiet --unit=writer /root/writer"
    ));
    site.goes_on("nothing");
    a_member_that_stops_is_left_and_comes_back(&site);
    a_member_that_dies_is_left_and_comes_back(&site);
    the_address_outlives_its_balancer(&site);
    site.client().sh("systemctl stop writer");
    site.converge();
    what_was_taken_is_in_all_members(&site);
}

/// Sessions go to db-1 as long as it serves.
fn a_member_that_stops_is_left_and_comes_back(site: &Site<'_>) {
    let first = &site.members[0];
    first.sh("systemctl stop mariadb");
    site.goes_on("db-1 was stopped");
    site.seen("db-1", "DOWN");
    first.sh("systemctl start mariadb");
    site.seen("db-1", "UP");
    site.goes_on("db-1 came back");
}

fn a_member_that_dies_is_left_and_comes_back(site: &Site<'_>) {
    let first = &site.members[0];
    first.node.kill().unwrap();
    site.goes_on("the host of db-1 died");
    site.seen("db-1", "DOWN");
    start(first);
    let ran = first.keel(&["apply", SITE]);
    assert!(ran.status & 5 == 0, "{}:\n{}{}", ran.status, ran.stdout, ran.stderr);
    site.seen("db-1", "UP");
}

fn the_address_outlives_its_balancer(site: &Site<'_>) {
    let (died, other) = site.holder().expect("one balancer has the address");
    died.node.kill().unwrap();
    site.goes_on("the host of the balancer with the address died");
    assert!(says(other, HAS_ADDRESS));
    start(died);
    let ran = died.keel(&["apply", SITE]);
    assert!(ran.status & 5 == 0, "{}:\n{}{}", ran.status, ran.stdout, ran.stderr);
    until("the other one keeps the address, and one of them has it", || {
        site.holder().is_some_and(|(holder, _)| holder.node.name() == other.node.name())
    });
    MEMBERS.iter().for_each(|member| site.seen(member, "UP"));
    site.goes_on("the balancer came back");
}

fn what_was_taken_is_in_all_members(site: &Site<'_>) {
    let numbers = |text: String| text.lines().map(|line| line.trim().parse().unwrap()).collect::<BTreeSet<u64>>();
    let written = numbers(site.client().sh("cat /root/written"));
    assert!(written.len() > 100, "only {} were written", written.len());
    for member in &site.members {
        let lost: Vec<u64> = written.difference(&numbers(member.sh("mariadb -Ne 'SELECT id FROM shop.t'"))).copied().collect();
        assert_eq!(lost, [0; 0], "{} lacks what was taken", member.node.name());
    }
    say(&format!("lab: {} were written, {} were tried again", written.len(), site.client().sh("wc -l </root/retried").trim()));
}
