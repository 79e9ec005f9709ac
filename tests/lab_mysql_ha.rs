//! `examples/openstack-ha/01-cluster` on two bare hosts: a replicated database and an address that follows its primary;
//! the primary is lost and comes back as the replica, or is refused with changes that only it has, and no data but the
//! pair's are ever started or replaced.

use keel_tests::lab::{Image, Lab};

use crate::host::Host;
use crate::lab_cluster::{HAS_ADDRESS, SITE, apply_both, copy_site, is_what_the_document_says, until, until_converged, which};

/// What the password is, so that it can be looked for.
const PASSWORD: &str = "canary-7d\\'4";
const IS_PRIMARY: &str = "test \"$(mariadb -Ne 'SELECT @@read_only')\" = 0";
const IN_STEP: &str = "mysql-ha-data in-step";

#[test]
fn lab_two_bare_hosts_become_a_cluster_with_a_replicated_database() {
    let Some(lab) = Lab::for_test(&["server1", "server2"], &Image::bare()) else { return };
    let hosts = ["server1", "server2"].map(|name| Host::new(&lab, name));
    hosts.iter().for_each(|host| copy_site(host, PASSWORD));
    for ran in &apply_both(&hosts) {
        assert!(ran.status == 2, "the first run ended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
    }
    until_converged(&hosts);
    for host in &hosts {
        host.expect(0, &["apply", SITE]);
        host.expect(0, &["plan", SITE]);
        assert_eq!(host.sh("systemctl is-active mariadb || true").trim(), "inactive", "Pacemaker alone runs MariaDB");
    }
    assert_eq!(primary(&hosts), 0, "the pair begins with the data of its origin");
    hosts[0].sh("mariadb -e 'CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)'");
    what_is_written_reaches_the_replica(&hosts, 1);
    is_what_the_document_says(&hosts[0]);
    what_can_change_while_it_runs_does_and_the_rest_is_told(&hosts);
    a_member_in_step_waits_for_nobody(&hosts);
    a_connection_that_broke_makes_no_replica_ill(&hosts[0]);
    the_replica_takes_over_from_a_host_that_is_lost(&hosts);
    data_that_are_not_the_pairs_are_refused_and_kept(&hosts);
    changes_that_only_one_has_are_refused_and_kept(&hosts);
    a_member_without_data_takes_them_from_the_primary(&hosts);
    for host in &hosts {
        host.expect(0, &["apply", SITE]);
        host.sh("! cibadmin --query | grep canary-7d; ! journalctl --no-pager | grep canary-7d");
        host.sh("! grep -r canary-7d /var/log /var/lib/keel /run/keel /var/lib/pacemaker /tmp 2>/dev/null");
    }
}

/// Which host is the primary: it is alone, and has the address.
#[track_caller]
fn primary(hosts: &[Host<'_>; 2]) -> usize {
    let primary = which(hosts, IS_PRIMARY);
    until(&hosts[primary], HAS_ADDRESS);
    let other = &hosts[1 - primary];
    other.sh(&format!("! {IS_PRIMARY} && ! {{ {HAS_ADDRESS}; }}"));
    primary
}

const TAKES_A_RESTART: &str = "MariaDB runs with bind_address = 0.0.0.0, and /etc/mysql/mariadb.conf.d/60-keel.cnf has *";

/// What the pair is made with is kept in the servers that run; the first switch-over brings the rest.
fn what_can_change_while_it_runs_does_and_the_rest_is_told(hosts: &[Host<'_>; 2]) {
    for (host, number) in hosts.iter().zip(["1", "2"]) {
        host.sh("mariadb -e 'SET GLOBAL server_id = 9'");
        host.sh(&format!("sed -i 's/^prefix = .*/&\\nbind_address = \"*\"/' {SITE}/inventory/groups/cluster.toml"));
        let said = host.expect(2, &["apply", SITE]);
        assert!(said.contains("mysql_variable \"server_id\""), "{said}");
        assert_eq!(host.sh("mariadb -Ne 'SELECT @@server_id'").trim(), number);
        let said = host.expect(0, &["apply", SITE]);
        assert!(said.contains(TAKES_A_RESTART), "{said}");
    }
}

/// A row that is written on the primary is soon on the other one.
#[track_caller]
fn what_is_written_reaches_the_replica(hosts: &[Host<'_>; 2], row: u32) {
    let primary = primary(hosts);
    hosts[primary].sh(&format!("mariadb -e 'INSERT INTO shop.t VALUES ({row})'"));
    let other = &hosts[1 - primary];
    until(other, &format!("test \"$(mariadb -Ne 'SELECT id FROM shop.t WHERE id = {row}')\" = {row}"));
    other.sh(IN_STEP);
}

/// As the agent leaves it on who starts without a primary: it would wait for both.
fn a_member_in_step_waits_for_nobody(hosts: &[Host<'_>; 2]) {
    let replica = &hosts[1 - primary(hosts)];
    replica.sh("attrd_updater -n clustermysql-waiting-for-first-master -U true");
    until(replica, "! mysql-ha-data may-alone");
    replica.expect(2, &["apply", SITE]);
    replica.expect(0, &["apply", SITE]);
}

/// A connection that broke is to the agent what one that was never there is: a primary that is away.
fn a_connection_that_broke_makes_no_replica_ill(host: &Host<'_>) {
    host.sh(
        "mkdir /root/other && printf '#!/bin/sh\\necho \"  Last_IO_Errno: 2013\"\\n' >/root/other/mariadb && chmod 755 /root/other/mariadb",
    );
    let said = host.sh("PATH=/root/other:$PATH mysql-ha-client --socket=/run/mysqld/mysqld.sock -e 'SHOW SLAVE STATUS\\G'");
    assert_eq!(said, "  Last_IO_Errno: 2003\n");
}

fn the_replica_takes_over_from_a_host_that_is_lost(hosts: &[Host<'_>; 2]) {
    let lost = primary(hosts);
    let other = &hosts[1 - lost];
    hosts[lost].node.kill().unwrap();
    until(other, HAS_ADDRESS);
    // Through the address, as a client would.
    other.sh("mariadb -e \"CREATE USER c@'%' IDENTIFIED BY 'c'; GRANT ALL ON shop.* TO c@'%'\"");
    other.sh("mariadb --protocol=tcp -h 10.77.0.100 -u c -pc -e 'INSERT INTO shop.t VALUES (2)'");
    hosts[lost].node.start().unwrap();
    hosts[lost].node.wait_booted().unwrap();
    until(&hosts[lost], "test \"$(mariadb -Ne 'SELECT id FROM shop.t WHERE id = 2')\" = 2");
    assert_eq!(primary(hosts), 1 - lost, "who comes back does not take the role away");
    until_converged(hosts);
    let said = hosts.each_ref().map(|host| host.expect(0, &["apply", SITE]).contains(TAKES_A_RESTART));
    assert_eq!((said[lost], said[1 - lost]), (false, true), "one of them was started anew");
    what_is_written_reaches_the_replica(hosts, 3);
    hosts.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
}

/// Converges until a report says why there is something wrong.
#[track_caller]
fn until_told(host: &Host<'_>, why: &str) {
    let mut said = String::new();
    for _ in 0..20 {
        let ran = host.keel(&["apply", SITE]);
        said = format!("{}:\n{}{}", ran.status, ran.stdout, ran.stderr);
        if ran.status & 4 != 0 && said.contains(why) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    panic!(
        "no word of {why}, but {said}\n{}",
        host.sh("crm_mon -1 --as-xml; tail -n 30 /var/log/mysql.log /var/log/mysql/error.log 2>/dev/null; true")
    );
}

/// A primary that wrote alone while the other one was promoted comes back: nothing of it gets into the pair, nothing of
/// it is lost, and its report says why it does not replicate.
fn changes_that_only_one_has_are_refused_and_kept(hosts: &[Host<'_>; 2]) {
    let lost = primary(hosts);
    let other = &hosts[1 - lost];
    let lost = &hosts[lost];
    lost.sh("mariadb -e 'SET GLOBAL rpl_semi_sync_master_timeout = 100' && ip link set host0 down && mariadb -e 'INSERT INTO shop.t VALUES (50)'");
    lost.node.kill().unwrap();
    until(other, &format!("{IS_PRIMARY} && {HAS_ADDRESS}"));
    other.sh("mariadb -e 'INSERT INTO shop.t VALUES (51)'");
    lost.node.start().unwrap();
    lost.node.wait_booted().unwrap();
    lost.sh(&format!("sed -i 's/^prefix = .*/&\\ntimeout = \"5s\"/' {SITE}/inventory/groups/cluster.toml"));
    until_told(lost, "diverged");
    other.sh(&format!("{IS_PRIMARY} && test \"$(mariadb -Ne 'SELECT group_concat(id) FROM shop.t WHERE id >= 50')\" = 51"));
    // Pacemaker starts it again and again, or no more: without it the server starts as one that asks nobody.
    lost.sh("systemctl stop pacemaker && systemctl start mariadb");
    assert_eq!(lost.sh("mariadb -Ne 'SELECT id FROM shop.t WHERE id >= 50'").trim(), "50");
    lost.sh("systemctl stop mariadb");
    lost.sh(&format!("sed -i '/^timeout = \"5s\"/d' {SITE}/inventory/groups/cluster.toml"));
}

/// A member whose data nobody knows: nothing is started over them, and nothing replaces them.
fn data_that_are_not_the_pairs_are_refused_and_kept(hosts: &[Host<'_>; 2]) {
    let replica = &hosts[1 - primary(hosts)];
    replica.sh("systemctl stop pacemaker && mv /var/lib/mysql/mysql-ha-pair /root/");
    let said = replica.keel(&["apply", SITE]);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(said.status & 4 != 0 && text.contains("holds databases that are no pair's: shop"), "{}:\n{text}", said.status);
    replica.sh("test -d /var/lib/mysql/shop && mv /root/mysql-ha-pair /var/lib/mysql/ && systemctl start pacemaker");
    until(replica, IN_STEP);
}

/// As on a host that was replaced.
fn a_member_without_data_takes_them_from_the_primary(hosts: &[Host<'_>; 2]) {
    let primary = primary(hosts);
    let replica = &hosts[1 - primary];
    replica.sh("systemctl stop pacemaker && find /var/lib/mysql -mindepth 1 -delete && mariadb-install-db --user=mysql >/dev/null");
    until(replica, &format!("keel apply {SITE} --detailed-exitcode; test $? = 0"));
    what_is_written_reaches_the_replica(hosts, 4);
    assert_eq!(replica.sh("mariadb -Ne 'SELECT group_concat(id ORDER BY id) FROM shop.t'").trim(), "1,2,3,4,51");
}
