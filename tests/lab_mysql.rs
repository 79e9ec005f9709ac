//! `examples/mariadb` on two bare hosts: a primary and its replica; what drifts is mended, what is wrong is refused with
//! its reason, and no password shows anywhere.

use std::path::Path;

use keel_tests::lab::{Image, Lab};

use crate::host::Host;

const SITE: &str = "/root/site";
/// What the passwords are, so that it can be looked for.
const CANARY: &str = "canary-9c1e";

/// The hosts of the tests that need MariaDB; what takes time to install is there before.
pub(crate) fn image() -> Image {
    Image::with("mariadb", &["mariadb-server", "mariadb-backup", "galera-4", "rsync", "socat"]).setup("systemctl disable mariadb")
}

fn copy_site(host: &Host<'_>) {
    host.node.copy_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mariadb"), SITE).unwrap();
    host.sh(&format!("keel secret init --site {SITE}"));
    for name in ["mariadb/replica", "mariadb/shop"] {
        host.sh(&format!("printf {CANARY} | keel secret set --site {SITE} {name}"));
    }
}

/// More for the site of a host.
fn declare(host: &Host<'_>, resources: &str) {
    host.sh(&format!("cat >{SITE}/manifests/more.kdl <<'END'\ngroup db {{\n{resources}\n}}\nEND"));
}

/// Asks a server.
fn ask(host: &Host<'_>, query: &str) -> String {
    host.sh(&format!("mariadb -N -e \"{query}\"")).trim().to_owned()
}

#[test]
fn lab_a_primary_and_its_replica_hold_what_a_shop_needs() {
    let Some(lab) = Lab::for_test(&["db-1", "db-2"], &image()) else { return };
    let hosts = ["db-1", "db-2"].map(|name| Host::new(&lab, name));
    hosts.iter().for_each(copy_site);
    let [primary, replica] = &hosts;

    let planned = primary.expect(2, &["plan", SITE]);
    assert!(planned.contains("unknown"), "nothing can be known before the server runs:\n{planned}");
    primary.expect(2, &["apply", SITE]);
    primary.expect(0, &["apply", SITE]);
    replica.keel(&["apply", SITE]);
    until_there(replica);
    hosts.iter().for_each(|host| drop(host.expect(0, &["plan", SITE])));
    assert_eq!(ask(replica, "SELECT @@read_only, @@max_connections, @@log_bin"), "1\t200\t1");

    what_drifts_is_mended_by_single_privileges(primary);
    what_the_primary_has_yet_to_make_the_replica_waits_for(&hosts);
    what_is_wrong_is_refused_with_its_reason(primary);
    a_variable_that_takes_a_restart_is_warned_of(primary);
    a_plugin_comes_and_goes(primary);
    what_is_there_can_be_kept(primary);
    what_nobody_declares_is_purged(primary);
    a_replica_mends_its_replication(replica);
    the_roles_are_changed(&hosts);
    the_replica_takes_over_from_one_that_is_lost(&hosts);
    for host in &hosts {
        host.sh(&format!("! grep -r {CANARY} /var/log /var/lib/keel /run/keel /etc/mysql /tmp 2>/dev/null"));
        host.sh(&format!("! journalctl --no-pager | grep {CANARY}"));
    }
}

/// What the primary wrote last has come through.
fn until_there(replica: &Host<'_>) {
    let last = "mariadb -N -e 'SHOW GRANTS FOR backup@localhost' 2>/dev/null | grep -q PROCESS";
    replica.sh(&format!("for attempt in $(seq 300); do {last} && exit 0; sleep 0.2; done; mariadb -e 'SHOW ALL SLAVES STATUS\\G'; exit 1"));
    replica.expect(0, &["apply", SITE]);
}

fn what_drifts_is_mended_by_single_privileges(primary: &Host<'_>) {
    ask(
        primary,
        "REVOKE INSERT ON shop.* FROM 'shop'@'10.77.0.%'; GRANT DROP ON shop.* TO 'shop'@'10.77.0.%'; \
         GRANT SELECT ON \\`shop\\\\_x\\`.* TO 'shop'@'10.77.0.%'; ALTER USER 'shop'@'10.77.0.%' IDENTIFIED BY 'other'; SET GLOBAL max_connections = 99",
    );
    let said = primary.expect(2, &["plan", SITE]);
    for change in ["INSERT       granted", "DROP         granted -> absent", "(secret) differs", "99 -> 200", "3 would change"] {
        assert!(said.contains(change), "the plan does not say {change}:\n{said}");
    }
    primary.expect(2, &["apply", SITE]);
    primary.expect(0, &["apply", SITE]);
    primary.sh(&format!("mariadb --protocol=tcp -h 10.77.0.11 -u shop -p{CANARY} -e 'SELECT 1' shop"));
}

fn what_the_primary_has_yet_to_make_the_replica_waits_for(hosts: &[Host<'_>; 2]) {
    hosts.iter().for_each(|host| declare(host, "mysql_database later"));
    let said = hosts[1].keel(&["apply", SITE]);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(text.contains("this server is a replica of 10.77.0.11, which makes the changes"), "{}:\n{text}", said.status);
    hosts[0].expect(2, &["apply", SITE]);
    hosts[1].sh("for attempt in $(seq 300); do mariadb -e 'USE later' 2>/dev/null && exit 0; sleep 0.2; done; exit 1");
    hosts[1].expect(0, &["apply", SITE]);
}

fn what_is_wrong_is_refused_with_its_reason(primary: &Host<'_>) {
    let wrong = [
        ("mysql_grant \"shop@10.77.0.% on none.*\" privileges=SELECT", "there is no database none"),
        ("mysql_grant \"none@% on shop.*\" privileges=SELECT", "there is no account none@%"),
        ("mysql_database odd charset=utf9", "MariaDB knows no character set utf9"),
        ("mysql_variable max_conections value=5", "MariaDB has no variable max_conections"),
        ("mysql_variable port value=\"x y\"", "the value of port is a number"),
        ("mysql_user \"root@localhost\" password=(secret)\"mariadb/shop\"", "keel itself logs in as root@localhost"),
        ("mysql_query_check x query=\"SELECT 1\" user=backup password=(secret)\"mariadb/shop\"", "MariaDB does not let backup in"),
        ("mysql_query_check x query=\"SELECT 1\" expect=2 timeout=\"1s\"", "the answer is 1 and not 2"),
    ];
    for (resource, reason) in wrong {
        declare(primary, resource);
        let said = primary.keel(&["apply", SITE]);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(said.status & 4 != 0 && text.contains(reason), "{resource} ended with {}:\n{text}", said.status);
        assert!(!text.contains(CANARY), "a password shows:\n{text}");
    }
    declare(primary, "mysql_grant \"shop@10.77.0.% on shop.*\" privileges=SELEKT");
    let said = primary.keel(&["plan", SITE]);
    assert!(said.status == 1 && said.stderr.contains("is it SELECT?"), "{}:\n{}{}", said.status, said.stdout, said.stderr);
    declare(primary, "mysql_database later");
}

fn a_variable_that_takes_a_restart_is_warned_of(primary: &Host<'_>) {
    declare(primary, "mysql_variable back_log value=99\nmysql_database later");
    let said = primary.expect(2, &["apply", SITE]);
    assert!(said.contains("once the server is restarted"), "{said}");
    let said = primary.expect(0, &["apply", SITE]);
    assert!(said.contains("that takes a restart"), "{said}");
    primary.sh("systemctl restart mariadb");
    let said = primary.expect(0, &["apply", SITE]);
    assert!(!said.contains("that takes a restart"), "{said}");
}

fn a_plugin_comes_and_goes(primary: &Host<'_>) {
    let count = || ask(primary, "SELECT count(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'simple_password_check'");
    for (attribute, loaded) in [("soname=simple_password_check", "1"), ("ensure=absent", "0")] {
        declare(primary, &format!("mysql_plugin simple_password_check {attribute}\nmysql_database later"));
        primary.expect(2, &["apply", SITE]);
        primary.expect(0, &["apply", SITE]);
        assert_eq!(count(), loaded);
    }
}

/// What `keel inspect` prints plans to nothing.
fn what_is_there_can_be_kept(primary: &Host<'_>) {
    for kind in ["mysql_database", "mysql_user", "mysql_grant", "mysql_variable"] {
        let printed = primary.sh(&format!("keel inspect {kind}"));
        assert!(printed.contains(kind) && !printed.contains('*') | (kind != "mysql_user"), "{printed}");
        primary.sh(&format!("rm -rf /root/kept && mkdir -p /root/kept/inventory /root/kept/manifests && cd /root/kept && echo 'name = \"kept\"' >keel.toml && echo '[hosts.db-1]' >inventory/hosts.toml && {{ echo 'group all {{'; keel inspect {kind}; echo '}}'; }} >manifests/site.kdl"));
        primary.expect(0, &["plan", "/root/kept"]);
    }
}

fn what_nobody_declares_is_purged(primary: &Host<'_>) {
    ask(primary, "CREATE USER stray@localhost IDENTIFIED VIA unix_socket; GRANT SELECT ON shop.* TO backup@localhost");
    declare(primary, "purge mysql_user max=5\npurge mysql_grant max=5\nmysql_database later");
    primary.expect(2, &["apply", SITE]);
    assert_eq!(
        ask(primary, "SELECT group_concat(User ORDER BY User) FROM mysql.global_priv WHERE User IN ('stray', 'backup', 'shop', 'replica')"),
        "backup,replica,shop"
    );
    assert_eq!(ask(primary, "SELECT count(*) FROM mysql.db WHERE User = 'backup'"), "0");
    primary.expect(0, &["apply", SITE]);
}

fn a_replica_mends_its_replication(replica: &Host<'_>) {
    ask(replica, "STOP SLAVE; SET GLOBAL read_only = 0; CHANGE MASTER TO MASTER_PASSWORD = 'wrong'");
    let said = replica.expect(2, &["apply", SITE]);
    assert!(!said.contains(CANARY) && said.contains("source_password"), "{said}");
    replica.expect(0, &["apply", SITE]);
    replica.sh(&format!("printf wrong | keel secret set --site {SITE} mariadb/replica"));
    replica.sh(&format!("sed -i 's/role=replica /role=replica timeout=\"5s\" /' {SITE}/modules/mariadb/module.kdl"));
    let said = replica.keel(&["apply", SITE]);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(said.status & 4 != 0 && text.contains("Access denied for user 'replica'"), "{}:\n{text}", said.status);
    replica.sh(&format!("printf {CANARY} | keel secret set --site {SITE} mariadb/replica"));
    replica.expect(2, &["apply", SITE]);
}

/// Changes lines of the variables of both hosts.
fn declare_primary(hosts: &[Host<'_>; 2], primary: &str, more: &str) {
    for host in hosts {
        let file = format!("{SITE}/inventory/groups/db.toml");
        host.sh(&format!("sed -i -e '/^previous/d' -e 's/^primary = .*/primary = \"{primary}\"\\n{more}/' {file}"));
    }
}

/// A host that shall be the primary, and may not.
#[track_caller]
fn stays_a_replica(host: &Host<'_>, why: &str) {
    for command in ["plan", "apply"] {
        let said = host.keel(&[command, SITE]);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(said.status & 4 != 0 && text.contains(why), "{command} ended with {}, and not because {why}:\n{text}", said.status);
        assert!(!text.contains(CANARY), "a password shows:\n{text}");
    }
    assert_eq!(ask(host, "SELECT @@read_only"), "1");
}

/// The other one is declared the primary: it takes over once the old one takes no more writes, and not before.
fn the_roles_are_changed(hosts: &[Host<'_>; 2]) {
    hosts.iter().for_each(|host| drop(host.sh(&format!("rm {SITE}/manifests/more.kdl"))));
    declare_primary(hosts, "db-2", "previous = \"db-1\"");
    let [old, new] = hosts;
    stays_a_replica(new, "its source 10.77.0.11:3306 still takes writes");
    ask(new, "STOP SLAVE");
    ask(old, "CREATE TABLE shop.t (id int); SET GLOBAL read_only = 1");
    stays_a_replica(new, "has written up to");
    ask(old, "SET GLOBAL read_only = 0");
    ask(new, "START SLAVE");
    old.expect(2, &["apply", SITE]);
    new.expect(2, &["apply", SITE]);
    assert_eq!(ask(new, "SELECT @@read_only"), "0");
    ask(new, "INSERT INTO shop.t VALUES (7)");
    until_written(old, "7");
    hosts.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
}

#[track_caller]
fn until_written(host: &Host<'_>, rows: &str) {
    let look = "mariadb -N -e 'SELECT group_concat(id ORDER BY id) FROM shop.t' 2>/dev/null";
    host.sh(&format!("for attempt in $(seq 100); do test \"$({look})\" = {rows} && exit 0; sleep 0.2; done; exit 1"));
}

/// The primary is gone with a write that nobody else has: somebody has to say so, and it does not come back with it.
fn the_replica_takes_over_from_one_that_is_lost(hosts: &[Host<'_>; 2]) {
    let [new, lost] = hosts;
    ask(new, "STOP SLAVE");
    ask(lost, "INSERT INTO shop.t VALUES (8)");
    lost.sh("systemctl stop mariadb");
    declare_primary(hosts, "db-1", "previous = \"db-2\"");
    stays_a_replica(new, "its source 10.77.0.12:3306 cannot be asked whether it still takes writes");
    declare_primary(hosts, "db-1", "previous = \"db-2\"\\nprevious_is_lost = true");
    new.expect(2, &["apply", SITE]);
    ask(new, "INSERT INTO shop.t VALUES (9)");
    lost.sh("systemctl start mariadb");
    let said = lost.keel(&["apply", SITE]);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(said.status & 4 != 0 && text.contains("diverged"), "{}:\n{text}", said.status);
    for (host, rows, read_only) in [(lost, "7,8", "1"), (new, "7,9", "0")] {
        assert_eq!(ask(host, "SELECT group_concat(id ORDER BY id) FROM shop.t"), rows, "what only one of them has stays there");
        assert_eq!(ask(host, "SELECT @@read_only"), read_only);
    }
}
