//! `examples/openstack-ha/01-cluster` on two bare hosts: a replicated database and an address that follows its primary;
//! the primary is lost and comes back as the replica, and no data but the pair's are ever started or replaced.

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
    a_connection_that_broke_makes_no_replica_ill(&hosts[0]);
    the_replica_takes_over_from_a_host_that_is_lost(&hosts);
    data_that_are_not_the_pairs_are_refused_and_kept(&hosts);
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
    assert_eq!(replica.sh("mariadb -Ne 'SELECT count(*) FROM shop.t'").trim(), "4");
}
