//! What a cluster's members are told by Corosync's file: over udpu, with a key, and while members come and go.

use keel_tests::lab::{Image, Lab, Ran};

use crate::host::Host;
use crate::lab_cluster::{SITE, copy_site, image, until};

const NAMES: [&str; 3] = ["server1", "server2", "server3"];

/// The example's cluster and nothing on it.
fn write_site(host: &Host<'_>, uses: &str) {
    copy_site(host, "password");
    host.sh(&format!("echo 'group cluster {{ {uses}; }}' >{SITE}/manifests/site.kdl"));
}

/// Converges some hosts at once, as their agents would.
pub(crate) fn apply(hosts: &[Host<'_>]) -> Vec<Ran> {
    std::thread::scope(|scope| {
        let runs: Vec<_> = hosts.iter().map(|host| scope.spawn(|| host.keel(&["apply", SITE]))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

/// Puts a setting of Corosync into the site of hosts.
pub(crate) fn set(hosts: &[Host<'_>], setting: &str) {
    for host in hosts {
        host.sh(&format!("sed -i 's/^cluster_name = .*/&\\n{setting}/' {SITE}/inventory/groups/cluster.toml"));
    }
}

fn quorum_is(hosts: &[Host<'_>], flags: &str) {
    hosts.iter().for_each(|host| until(host, &format!("corosync-quorumtool -s | grep -q 'Flags: *{flags} *$'")));
}

/// The packages are there already, and their example of a cluster runs.
#[test]
fn lab_two_hosts_with_the_packages_become_a_cluster_over_udpu() {
    let Some(lab) = Lab::for_test(&NAMES[..2], &image()) else { return };
    let hosts = ["server1", "server2"].map(|name| Host::new(&lab, name));
    hosts.iter().for_each(|host| write_site(host, "use corosync"));
    hosts.iter().for_each(|host| until(host, "systemctl -q is-active corosync"));
    set(&hosts, "transport = \"udpu\"");
    for ran in apply(&hosts) {
        assert_eq!(ran.status, 2, "the first run:\n{}{}", ran.stdout, ran.stderr);
    }
    quorum_is(&hosts, "2Node Quorate WaitForAll");
    for host in &hosts {
        host.sh("corosync -t && corosync-cmapctl -g totem.transport | grep -q udpu");
        host.expect(0, &["apply", SITE]);
    }
    one_member_reloads_for_all_once_all_have_the_file(&hosts);
    what_corosync_would_not_start_with_is_refused(&hosts[0]);
    // Corosync would refuse it only when it starts.
    let two = r#"group cluster { use corosync links="{{ corosync.links + corosync.links }}"; }"#;
    hosts[0].sh(&format!("cat >{SITE}/manifests/site.kdl <<'END'\n{two}\nEND"));
    let said = hosts[0].keel(&["plan", SITE]).stderr;
    assert!(said.contains("the transport udpu knows one network between the members"), "{said}");
}

fn one_member_reloads_for_all_once_all_have_the_file(hosts: &[Host<'_>; 2]) {
    set(hosts, "token = 5000");
    let token = |host: &Host<'_>| host.sh("corosync-cmapctl -g totem.token | tr -dc '0-9 ' | sed 's/.* //'").trim().to_owned();
    let first = hosts[0].keel(&["apply", SITE]);
    let said = format!("{}{}", first.stdout, first.stderr);
    assert!(
        first.status & 4 != 0 && said.contains("do not have this /etc/corosync/corosync.conf yet: server2"),
        "{}:\n{said}",
        first.status
    );
    assert_eq!(token(&hosts[0]), "3000", "it was reloaded before all had the file");
    hosts[1].expect(2, &["apply", SITE]);
    hosts.iter().for_each(|host| assert_eq!(token(host), "5000", "one reload is for all"));
    hosts.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
}

fn what_corosync_would_not_start_with_is_refused(host: &Host<'_>) {
    host.sh(&format!("cp -r {SITE} /root/odd && sed -i 's/^token = .*/token = 10/' /root/odd/inventory/groups/cluster.toml"));
    let ran = host.keel(&["apply", "/root/odd"]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(ran.status & 4 != 0 && said.contains("may not be less than (30 ms)"), "{}:\n{said}", ran.status);
    host.sh("! grep 'token: 10$' /etc/corosync/corosync.conf");
}

#[test]
fn lab_members_come_and_go_and_nobody_stops() {
    let Some(lab) = Lab::for_test(&NAMES, &Image::bare()) else { return };
    let hosts = NAMES.map(|name| Host::new(&lab, name));
    for host in &hosts {
        write_site(host, r#"use corosync authkey=(secret)"corosync/authkey""#);
        host.sh(&format!("keel secret set --site {SITE} corosync/authkey <<'END'\n{}END", "k".repeat(128)));
    }
    let (pair, third) = hosts.split_at(2);
    for ran in apply(pair) {
        assert_eq!(ran.status, 2, "the first run:\n{}{}", ran.stdout, ran.stderr);
    }
    quorum_is(pair, "2Node Quorate WaitForAll");
    pair.iter().for_each(|host| {
        drop(host.sh("corosync-cmapctl -g totem.crypto_cipher | grep -q aes256 && stat -c %a /etc/corosync/authkey | grep -qx 400"))
    });
    let processes = || pair.iter().map(|host| host.sh("pidof corosync pacemakerd")).collect::<Vec<_>>();
    let before = processes();
    a_third_comes(&hosts);
    assert_eq!(processes(), before, "a member that comes stopped another one");
    what_takes_a_full_stop_changes_no_file_until_then(&hosts);
    let before = processes();
    it_goes(pair, &third[0]);
    assert_eq!(processes(), before, "a member that goes stopped another one");
}

fn a_third_comes(hosts: &[Host<'_>; 3]) {
    for host in hosts {
        host.sh(&format!(
            "cd {SITE}/inventory && printf '[hosts.server3]\\naddress = \"10.77.0.13\"\\n' >>hosts.toml && cp groups/cluster.toml /root/two.toml && \
             sed -i \"s/^server2 = 2/&\\nserver3 = 3/; /^links/s/ }} }}/, 'server3': hosts['server3'].address }} }}/\" groups/cluster.toml"
        ));
    }
    apply(hosts);
    quorum_is(hosts, "Quorate WaitForAll");
    hosts.iter().for_each(|host| until(host, &format!("keel apply {SITE} --detailed-exitcode")));
    until(&hosts[0], "crm_mon -1 | grep -q 'Online:.*server1 server2 server3'");
}

fn what_takes_a_full_stop_changes_no_file_until_then(hosts: &[Host<'_>; 3]) {
    set(hosts, "wait_for_all = false");
    let said = hosts[0].expect(2, &["plan", SITE]);
    assert!(said.contains("what takes a full stop of the cluster waits for it"), "{said}");
    let ran = hosts[0].keel(&["apply", SITE]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    let is_told = said.contains("quorum.wait_for_all is 1 and should be 0") && said.contains("takes a full stop, and no file was changed");
    assert!(ran.status & 4 != 0 && is_told, "{}:\n{said}", ran.status);
    hosts[0].sh("grep -q 'wait_for_all: 1' /etc/corosync/corosync.conf");
    who_is_stopped_alone_comes_back_as_it_was(&hosts[0], SITE, "takes a full stop, and no file was changed");
    for unit in ["pacemaker", "corosync"] {
        hosts.iter().for_each(|host| drop(host.sh(&format!("systemctl stop {unit}"))));
    }
    hosts.iter().for_each(|host| drop(host.sh("touch /run/keel-corosync-full-stop")));
    apply(hosts);
    quorum_is(hosts, "Quorate");
    hosts.iter().for_each(|host| until(host, &format!("keel apply {SITE} --detailed-exitcode")));
    // Another key, too.
    hosts[0]
        .sh(&format!("cp -r {SITE} /root/other && keel secret set --site /root/other corosync/authkey <<'END'\n{}END", "o".repeat(128)));
    let ran = hosts[0].keel(&["apply", "/root/other"]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(ran.status & 4 != 0 && said.contains("another key takes a full stop"), "{}:\n{said}", ran.status);
    // The word that all were stopped was for one start.
    who_is_stopped_alone_comes_back_as_it_was(&hosts[0], "/root/other", "another key takes a full stop");
    hosts[0].sh("grep -q kkkk /etc/corosync/authkey");
}

/// As after a crash: nothing of what would part it from the others comes with its start.
fn who_is_stopped_alone_comes_back_as_it_was(host: &Host<'_>, site: &str, why: &str) {
    let files = "sha256sum /etc/corosync/corosync.conf /etc/corosync/authkey";
    let before = host.sh(files);
    host.sh("systemctl stop pacemaker corosync");
    let ran = host.keel(&["apply", site]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(ran.status & 4 != 0 && said.contains(why), "{}:\n{said}", ran.status);
    assert_eq!(host.sh(files), before);
    until(host, "crm_mon -1 | grep -q 'Online:.*server1 server2 server3'");
}

/// Stopped first, then taken out of the files of those that stay.
fn it_goes(pair: &[Host<'_>], third: &Host<'_>) {
    third.sh("systemctl disable --now pacemaker corosync");
    for host in pair {
        host.sh(&format!("cp /root/two.toml {SITE}/inventory/groups/cluster.toml"));
    }
    set(pair, "wait_for_all = false");
    apply(pair);
    quorum_is(pair, "2Node Quorate");
    pair.iter().for_each(|host| until(host, &format!("keel apply {SITE} --detailed-exitcode")));
}
