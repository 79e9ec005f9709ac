//! Two bare Debian hosts become a cluster with an address that is always up; and a cluster's configuration
//! is the one that crmsh makes of the same words.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use keel_tests::lab::{Image, Lab, Ran};

use crate::host::Host;

pub(crate) const SITE: &str = "/root/01-cluster";
/// How long a cluster may take to elect, start and move things.
const PATIENCE: Duration = Duration::from_secs(300);

/// The cluster without its database: an address that is on one of the hosts.
const ADDRESS: &str = r#"
module address {
    pcmk_primitive mysqlmasterIP agent="ocf:heartbeat:IPaddr2" {
        params {
            ip "10.77.0.100"
            cidr_netmask "24"
            nic host0
        }
        op monitor interval="10s"
    }
}
group cluster {
    use corosync
    pcmk_property no-quorum-policy value=ignore require=(module)corosync
    pcmk_property stonith-enabled value=#false require=(module)corosync
    use address {
        require (module)corosync
    }
}
"#;

/// What `crm configure` is told, line by line, in the two-node scheme that the example follows.
const DOCUMENT: &str = r#"
property no-quorum-policy=ignore
property stonith-enabled=false
primitive mysqlmasterIP ocf:heartbeat:IPaddr2 params ip=10.0.1.1 cidr_netmask=16 nic=eth1 op monitor interval=10s
primitive clustermysql ocf:percona:mysql \
  params binary="/usr/bin/mysqld_safe" log="/var/log/mysql.log" \
  evict_outdated_slaves="false" config="/etc/mysql/my.cnf" pid="/var/run/mysqld/mysqld.pid" socket="/var/run/mysqld/mysqld.sock" \
  replication_user="repl_user" replication_passwd="password" \
  test_user="test_user" test_passwd="password" \
  op monitor interval="5s" role="Master" OCF_CHECK_LEVEL="1" \
  op monitor interval="2s" role="Slave" timeout="30" OCF_CHECK_LEVEL="1" \
  op start interval="0" timeout="120" \
  op stop interval="0" timeout="120"
node server1 attributes clustermysql_mysql_master_IP="10.0.0.1"
node server2 attributes clustermysql_mysql_master_IP="10.0.0.2"
ms ms_MySQL clustermysql meta master-max="1" master-node-max="1" clone-max="2" clone-node-max="1" notify="true" \
  globally-unique="false" target-role="Master" is-managed="true"
colocation masterIP_on_mysqlMaster inf: mysqlmasterIP ms_MySQL:Master
order mysqlPromote_before_IP inf: ms_MySQL:promote mysqlmasterIP:start
"#;

/// What of it is said otherwise today, and with the lab's addresses; the example's page says why.
const TODAY: [(&str, &str); 9] = [
    ("ignore\nproperty ", "ignore "),
    ("ocf:percona:mysql", "ocf:heartbeat:mariadb"),
    ("binary=\"/usr/bin/mysqld_safe\"", "binary=\"/usr/sbin/mariadbd\" client_binary=\"/usr/local/sbin/mysql-ha-client\""),
    ("evict_outdated_slaves=\"false\"", "node_list=\"server1 server2\""),
    (" replication_passwd=\"password\" \\\n  test_user=\"test_user\" test_passwd=\"password\"", ""),
    (
        "op stop",
        "op promote interval=\"0\" timeout=\"120\" op demote interval=\"0\" timeout=\"120\" op notify interval=\"0\" timeout=\"90\" op stop",
    ),
    ("ip=10.0.1.1 cidr_netmask=16 nic=eth1", "ip=10.77.0.100 cidr_netmask=24 nic=host0"),
    ("10.0.0.1\"", "10.77.0.11\""),
    ("10.0.0.2\"", "10.77.0.12\""),
];

/// Prints every element of a configuration with all that it holds, one a line. The names that a tool gives to what only
/// holds others, and the numbers of nodes, are its own.
const ELEMENTS: &str = r#"
import sys, xml.etree.ElementTree as tree
NAMED = ("primitive", "clone", "master", "group", "rsc_colocation", "rsc_order")
def show(element, path):
    said = {name: value for name, value in element.attrib.items() if name != "id" or element.tag in NAMED}
    word = " ".join([element.tag] + [name + "=" + value for name, value in sorted(said.items())])
    if said:
        print(path + word)
    for child in element:
        show(child, path + word + " / ")
for part in ("crm_config", "nodes", "resources", "constraints"):
    for element in tree.parse(sys.argv[1]).find("configuration/" + part):
        show(element, part + " / ")
"#;

/// Has crmsh make a configuration of the document's lines, in a file on a host that has crmsh.
fn crmsh_makes(host: &Host<'_>, file: &str) {
    let words = TODAY.iter().fold(DOCUMENT.to_owned(), |words, (then, now)| {
        assert_eq!(words.matches(then).count(), 1, "the document says {then:?} once");
        words.replace(then, now)
    });
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("words.crm", words.as_str()), ("elements.py", ELEMENTS)] {
        std::fs::write(folder.path().join(name), text).unwrap();
        host.node.copy_in(&folder.path().join(name), &format!("/root/{name}")).unwrap();
    }
    host.sh(&format!("cibadmin --empty >{file} && CIB_file={file} crm -F configure load update /root/words.crm"));
}

/// The cluster that runs is, element by element, what crmsh makes of the document's lines; beside that it knows only
/// what the cluster and its agent write down themselves.
pub(crate) fn is_what_the_document_says(host: &Host<'_>) {
    host.sh("apt-get install -qqy crmsh >/dev/null 2>&1");
    crmsh_makes(host, "/root/crm.xml");
    host.sh("cibadmin --query >/root/live.xml");
    let [live, said] = ["live", "crm"].map(|file| {
        let lines = host.sh(&format!("python3 /root/elements.py /root/{file}.xml"));
        lines.lines().map(str::to_owned).collect::<BTreeSet<String>>()
    });
    let lacks: Vec<&String> = said.difference(&live).collect();
    let own = ["have-watchdog", "dc-version", "cluster-infrastructure", "cluster-name", "clustermysql_REPL_INFO"];
    let is_own = |line: &&String| line.starts_with("crm_config ") && own.iter().any(|name| line.contains(&format!("nvpair name={name} ")));
    let more: Vec<&String> = live.difference(&said).filter(|line| !is_own(line)).collect();
    assert!(
        lacks.is_empty() && more.is_empty() && said.len() >= 40,
        "the cluster lacks {lacks:#?}\nand has besides {more:#?}\nof {said:#?}"
    );
}

pub(crate) fn image() -> Image {
    Image::with("pacemaker", &["corosync", "pacemaker", "pacemaker-cli-utils", "pacemaker-resource-agents", "resource-agents", "crmsh"])
}

/// The example on a host, with a password of its own.
pub(crate) fn copy_site(host: &Host<'_>, password: &str) {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/openstack-ha/01-cluster");
    host.node.copy_in(&site, SITE).unwrap();
    host.sh(&format!("keel secret init --site {SITE} && printf %s \"{password}\" | keel secret set --site {SITE} mysql/replication"));
}

/// What a cluster says of itself, for people who look why something does not come to pass.
fn state_of(host: &Host<'_>) -> String {
    host.node
        .shell("crm_mon -1 -A -f; journalctl --no-pager -t pacemaker-controld -t mariadb -n 20")
        .map_or_else(|error| error.to_string(), |ran| ran.stdout)
}

/// Runs a script until it succeeds.
#[track_caller]
pub(crate) fn until(host: &Host<'_>, script: &str) {
    let began = Instant::now();
    loop {
        let ran = host.node.shell(script).unwrap();
        if ran.success() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{script}\nstill ends with {}: {}{}\n{}", ran.status, ran.stdout, ran.stderr, state_of(host));
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Converges until there is nothing left to do.
#[track_caller]
pub(crate) fn until_converged(hosts: &[Host<'_>; 2]) {
    hosts.iter().for_each(|host| until(host, &format!("keel apply {SITE} --detailed-exitcode")));
}

/// Converges both at once, as their agents would.
pub(crate) fn apply_both(hosts: &[Host<'_>; 2]) -> [Ran; 2] {
    std::thread::scope(|scope| {
        let runs = hosts.each_ref().map(|host| scope.spawn(|| host.keel(&["apply", SITE])));
        runs.map(|run| run.join().unwrap())
    })
}

/// How often the cluster's configuration was changed.
fn epoch(host: &Host<'_>) -> u64 {
    let text = host.sh("cibadmin --query | head -n 1 | grep -o ' epoch=\"[0-9]*' | tr -dc 0-9");
    text.trim().parse().unwrap()
}

/// Which of the hosts says that it is so.
#[track_caller]
pub(crate) fn which(hosts: &[Host<'_>; 2], script: &str) -> usize {
    hosts.iter().position(|host| host.node.shell(script).unwrap().success()).unwrap_or_else(|| panic!("no host says: {script}"))
}

/// More for the site of both hosts.
fn declare(hosts: &[Host<'_>; 2], resources: &str) {
    for host in hosts {
        host.sh(&format!("cat >{SITE}/manifests/more.kdl <<'END'\ngroup cluster {{\n{resources}\n}}\nEND"));
    }
}

pub(crate) const HAS_ADDRESS: &str = "ip -4 address show dev host0 | grep -q 10.77.0.100/24";
const IS_CONTROLLER: &str = "test \"$(crmadmin --dc_lookup --quiet 2>/dev/null)\" = \"$(uname -n)\"";

#[test]
fn lab_two_bare_hosts_become_a_cluster_with_an_address() {
    let Some(lab) = Lab::for_test(&["server1", "server2"], &Image::bare()) else { return };
    let hosts = ["server1", "server2"].map(|name| Host::new(&lab, name));
    for host in &hosts {
        copy_site(host, "password");
        host.sh(&format!("cat >{SITE}/manifests/site.kdl <<'END'{ADDRESS}END"));
    }
    for ran in &apply_both(&hosts) {
        assert_eq!(ran.status, 2, "the first run:\n{}{}", ran.stdout, ran.stderr);
    }
    until(&hosts[0], "crm_mon -1 | grep -q 'mysqlmasterIP.*Started server'");
    for host in &hosts {
        let said = host.expect(0, &["apply", SITE]);
        assert!(said.contains("fencing is off"), "no word on fencing: {said}");
        host.expect(0, &["plan", SITE]);
    }
    a_change_is_foreseen_and_made_in_one_patch(&hosts);
    what_nobody_asked_for_is_refused(&hosts);
    the_address_outlives_a_host(&hosts);
}

fn a_change_is_foreseen_and_made_in_one_patch(hosts: &[Host<'_>; 2]) {
    let controller = &hosts[which(hosts, IS_CONTROLLER)];
    let other = &hosts[1 - which(hosts, IS_CONTROLLER)];
    let holder = ["server1", "server2"][which(hosts, HAS_ADDRESS)];
    declare(
        hosts,
        "pcmk_primitive web agent=\"ocf:pacemaker:Dummy\" {\n op monitor interval=\"10s\"\n require (module)address\n }\n\
         pcmk_colocation web-with-address score=INFINITY rsc=web with_rsc=mysqlmasterIP\n\
         pcmk_order address-before-web kind=Mandatory first=mysqlmasterIP then=web",
    );
    let before = epoch(controller);
    let said = controller.expect(2, &["plan", SITE]);
    assert!(said.contains(&format!("start web on {holder}")), "the plan does not say what Pacemaker would do:\n{said}");
    let said = other.keel(&["apply", SITE]);
    assert!(said.stdout.contains("is the cluster's designated controller and makes its changes"), "{}{}", said.stdout, said.stderr);
    assert_eq!(epoch(controller), before, "a plan, or another host than the controller, changed the cluster");
    controller.expect(2, &["apply", SITE]);
    assert_eq!(epoch(controller), before + 1, "three elements are one patch");
    controller.sh(&format!("crm_resource --resource web --locate 2>&1 | grep -q 'running on: {holder}'"));
    hosts.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
}

fn what_nobody_asked_for_is_refused(hosts: &[Host<'_>; 2]) {
    let controller = &hosts[which(hosts, IS_CONTROLLER)];
    let before = epoch(controller);
    controller.sh(&format!("cp {SITE}/manifests/more.kdl /root/more.kdl"));
    let more = controller.sh("sed '1d;$d' /root/more.kdl");
    declare(
        hosts,
        &format!(
            "{more}\npcmk_property stop-all-resources value=#true require=(module)address\npcmk_rsc_default migration-threshold value=3"
        ),
    );
    for command in ["plan", "apply"] {
        let said = controller.keel(&[command, SITE]);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(said.status & 4 != 0 && text.contains("Pacemaker would stop"), "{command} ended with {}:\n{text}", said.status);
        assert_eq!(text.matches("Pacemaker would stop").count(), 1, "one is refused, and one says so:\n{text}");
    }
    assert_eq!(epoch(controller), before);
    declare(hosts, &more);
    hosts.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
}

fn the_address_outlives_a_host(hosts: &[Host<'_>; 2]) {
    until(&hosts[0], "crm_mon -1 | grep -q 'mysqlmasterIP.*Started server'");
    let holder = which(hosts, HAS_ADDRESS);
    let other = &hosts[1 - holder];
    hosts[holder].node.kill().unwrap();
    until(other, HAS_ADDRESS);
    hosts[holder].node.start().unwrap();
    hosts[holder].node.wait_booted().unwrap();
    until(other, "crm_mon -1 | grep -q 'Online:.*server1.*server2'");
    until_converged(hosts);
}

#[test]
fn lab_a_cluster_is_what_crmsh_makes_of_the_same_words() {
    let Some(lab) = Lab::for_test(&["server1"], &image()) else { return };
    let host = Host::new(&lab, "server1");
    copy_site(&host, "password");
    crmsh_makes(&host, "/root/crm.xml");
    host.sh("cibadmin --empty >/root/keel.xml");
    let with_nodes =
        r#"sed -i 's|<nodes/>|<nodes><node id="server1" uname="server1"/><node id="server2" uname="server2"/></nodes>|' /root/keel.xml"#;
    host.sh(with_nodes);
    let arguments = |command, file| vec![command, SITE, "--host", "server1", "--cib", file];
    let said = host.expect(2, &arguments("apply", "/root/keel.xml"));
    assert!(!said.contains("password"), "a password shows:\n{said}");
    // One says that the other has nothing left to do, and both say the same of themselves.
    host.expect(0, &arguments("plan", "/root/crm.xml"));
    let inspect = |file: &str| {
        let mut things: Vec<serde_json::Value> = serde_json::from_str(&host.sh(&format!("keel inspect pcmk --json --cib {file}"))).unwrap();
        things.sort_by_key(|thing| format!("{} {}", thing["type"], thing["title"]));
        things
    };
    assert_eq!(inspect("/root/keel.xml"), inspect("/root/crm.xml"));
    assert!(inspect("/root/crm.xml").len() >= 10);
    what_is_inspected_makes_the_same_cluster_anew(&host);
}

/// What `inspect` prints is a manifest: put on an empty cluster, it makes the one that it was read from.
fn what_is_inspected_makes_the_same_cluster_anew(host: &Host<'_>) {
    host.sh(&format!(
        "mkdir -p /root/anew/manifests /root/anew/inventory && printf '[hosts.server1]\\n' >/root/anew/inventory/hosts.toml && \
         cp {SITE}/keel.toml /root/anew && cd /root/anew && cibadmin --empty >/root/anew.xml && \
         {{ echo 'host server1 {{'; keel inspect pcmk --cib /root/crm.xml; echo '}}'; }} >manifests/site.kdl"
    ));
    let arguments = |command, file| vec![command, "/root/anew", "--host", "server1", "--cib", file];
    host.expect(2, &arguments("apply", "/root/anew.xml"));
    host.expect(0, &arguments("plan", "/root/crm.xml"));
    // The ids of what has none in a manifest are the tool's; all else is the same.
    let canonical = |file: &str| host.sh(&format!("keel inspect pcmk --cib {file}"));
    assert_eq!(canonical("/root/anew.xml"), canonical("/root/crm.xml"));
}
