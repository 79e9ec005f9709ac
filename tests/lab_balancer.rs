//! Two load balancers with one address in front of three hosts: settings are taken over without losing a request or are
//! refused, servers are taken out and come back, and the address moves when its host dies.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keel_tests::lab::{Image, Lab};

use crate::host::Host;

const SITE: &str = "/root/site";
const BALANCERS: [&str; 2] = ["lb-1", "lb-2"];
const WEBS: [&str; 3] = ["web-1", "web-2", "web-3"];
/// The address that one of the balancers has.
const ADDRESS: &str = "10.77.0.100";
const CONFIG: &str = "/etc/haproxy/haproxy.cfg";

const HOSTS: &str = "\
[hosts.lb-1]
address = \"10.77.0.11\"
[hosts.lb-2]
address = \"10.77.0.12\"
[hosts.web-1]
address = \"10.77.0.13\"
[hosts.web-2]
address = \"10.77.0.14\"
[hosts.web-3]
address = \"10.77.0.15\"
";

const MANIFEST: &str = r##"
group web {
    use haproxy more="frontend web\n    mode http\n    bind :80\n    http-request return status 200 content-type text/plain string {{ host.name }}"
    use haproxy_member
}
group lb {
    use haproxy nonlocal=#true
    use keepalived
    for web in="groups.web.hosts" {
        haproxy_server "web/{{ web.name }}" state="{{ 'drain' if web.name in out else 'ready' }}" {
            require (module)haproxy
        }
    }
}
"##;

const BALANCER_VARS: &str = r#"
tier = "custom"
members = ["lb-*"]

[vars]
out = []

[vars.haproxy]
maxconn = 1000

[vars.haproxy.services.web]
bind = "10.77.0.100:80"
mode = "http"
member_port = "9200"
lines = "option forwardfor"

[vars.haproxy.servers.web]
web-1 = "{{ hosts['web-1'].address }}:80"
web-2 = "{{ hosts['web-2'].address }}:80"
web-3 = "{{ hosts['web-3'].address }}:80"

[vars.keepalived]
router_id = 51
interface = "host0"
addresses = ["10.77.0.100/24"]
check = "/usr/bin/socat -u OPEN:/dev/null UNIX-CONNECT:/run/haproxy/admin.sock"

[vars.keepalived.members]
lb-1 = "{{ hosts['lb-1'].address }}"
lb-2 = "{{ hosts['lb-2'].address }}"
"#;

/// Writes the site into a folder of this machine.
fn write_site(folder: &Path) {
    for (path, text) in [
        ("keel.toml", "name = \"balanced\"\n"),
        ("inventory/hosts.toml", HOSTS),
        ("inventory/groups/lb.toml", BALANCER_VARS),
        ("inventory/groups/web.toml", "tier = \"custom\"\nmembers = [\"web-*\"]\n"),
        ("manifests/site.kdl", MANIFEST),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Changes a line of the balancers' variables on a host.
fn set(host: &Host<'_>, name: &str, value: &str) {
    host.sh(&format!("sed -i 's#^{name} = .*#{name} = {value}#' {SITE}/inventory/groups/lb.toml"));
}

/// One request over the common address: who answered.
fn request() -> Result<String, String> {
    let address: SocketAddr = format!("{ADDRESS}:80").parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).map_err(|error| format!("connect: {error}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").map_err(|error| format!("write: {error}"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| format!("read: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("half an answer: {answer:?}"))?;
    if head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200") { Ok(body.trim().to_owned()) } else { Err(head.to_owned()) }
}

/// Waits for something that takes the daemons a while.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("never: {what}");
}

/// Who answers, over enough requests that each has its turn several times.
fn answering() -> Result<BTreeSet<String>, String> {
    (0..12).map(|_| request()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Which balancer has the address.
fn holder<'h, 'l>(balancers: &'h [Host<'l>; 2]) -> Option<&'h Host<'l>> {
    let has = |host: &&Host<'_>| host.node.shell(&format!("ip -4 addr show dev host0 | grep -q {ADDRESS}/")).is_ok_and(|ran| ran.success());
    let holders: Vec<&Host<'_>> = balancers.iter().filter(has).collect();
    (holders.len() == 1).then(|| holders[0])
}

#[test]
fn lab_two_balancers_serve_one_address_and_lose_nothing() {
    let image = Image::with("balancer", &["haproxy", "keepalived", "socat"]).setup("systemctl disable haproxy keepalived");
    let Some(lab) = Lab::for_test(&[BALANCERS.as_slice(), WEBS.as_slice()].concat(), &image) else { return };
    let folder = tempfile::tempdir().unwrap();
    write_site(folder.path());
    let (balancers, webs) = (BALANCERS.map(|name| Host::new(&lab, name)), WEBS.map(|name| Host::new(&lab, name)));
    let all = || balancers.iter().chain(&webs);
    std::thread::scope(|scope| {
        for host in all() {
            host.node.copy_in(folder.path(), SITE).unwrap();
            scope.spawn(|| drop(host.expect(2, &["apply", SITE])));
        }
    });
    all().for_each(|host| drop(host.expect(0, &["apply", SITE])));
    until("one balancer has the address", || holder(&balancers).is_some());
    until("all three answer", || answering() == Ok(names(&WEBS)));

    a_server_is_drained_and_stays_so_over_a_reload(&balancers);
    a_member_takes_itself_out(&balancers, &webs[1]);
    a_member_stays_where_it_has_sessions_or_is_the_last(&balancers, &webs[1]);
    a_reload_loses_no_request(&balancers);
    addresses_may_come_to_one_balancer_first(&balancers);
    what_is_wrong_is_refused_and_the_old_goes_on(&balancers);
    the_address_moves_when_its_host_dies(&balancers);
}

fn a_server_is_drained_and_stays_so_over_a_reload(balancers: &[Host<'_>; 2]) {
    for host in balancers {
        set(host, "out", "[\"web-2\"]");
        let said = host.expect(2, &["apply", SITE]);
        assert!(said.contains("ready -> drain"), "{said}");
    }
    assert_eq!(answering(), Ok(names(&["web-1", "web-3"])));
    let inspected = balancers[0].sh("keel inspect haproxy_server");
    assert!(inspected.contains("haproxy_server \"web/web-2\" state=\"drain\""), "{inspected}");
    for host in balancers {
        set(host, "maxconn", "1100");
        let said = host.expect(2, &["apply", SITE]);
        assert!(said.contains("reloaded"), "{said}");
        host.expect(0, &["apply", SITE]);
    }
    assert_eq!(answering(), Ok(names(&["web-1", "web-3"])), "the reload kept what was told at runtime");
    for host in balancers {
        set(host, "out", "[]");
        host.expect(2, &["apply", SITE]);
        host.expect(0, &["apply", SITE]);
    }
    assert_eq!(answering(), Ok(names(&WEBS)));
}

fn a_member_takes_itself_out(balancers: &[Host<'_>; 2], member: &Host<'_>) {
    // It comes back when all balancers know, so that nothing has to be waited for.
    let said = member.sh("haproxy-member drain 60 80");
    assert_eq!(said, "", "all balancers heard of it, and no session was left");
    assert_eq!(answering(), Ok(names(&["web-1", "web-3"])));
    balancers.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
    member.sh("haproxy-member ready");
    until("it is used again", || answering() == Ok(names(&WEBS)));
}

fn a_member_stays_where_it_has_sessions_or_is_the_last(balancers: &[Host<'_>; 2], member: &Host<'_>) {
    let session = TcpStream::connect("10.77.0.14:80").unwrap();
    let said = member.sh("haproxy-member drain 2 80 2>&1 && exit 9; test ! -e /run/haproxy-member/drained");
    assert!(said.contains("in service again") && said.contains(" sessions on port 80"), "{said}");
    let said = member.sh("haproxy-member drain-or-cut 2 80");
    assert!(said.contains(" sessions on port 80"), "{said}");
    drop(session);
    member.sh("haproxy-member ready");
    until("it is used again", || answering() == Ok(names(&WEBS)));
    for (out, is_told) in [("[\"web-1\", \"web-3\"]", true), ("[]", false)] {
        for host in balancers {
            set(host, "out", out);
            host.expect(2, &["apply", SITE]);
        }
        if is_told {
            let said = member.sh("haproxy-member drain 2 80 2>&1 && exit 9; test ! -e /run/haproxy-member/drained");
            assert!(said.contains("has 0 others that are up in web and should have 1"), "{said}");
        }
    }
}

/// Members that have different lists of addresses still hear each other: one of them has the addresses.
fn addresses_may_come_to_one_balancer_first(balancers: &[Host<'_>; 2]) {
    let first = holder(balancers).unwrap();
    let other = balancers.iter().find(|host| host.node.name() != first.node.name()).unwrap();
    let more = |host: &Host<'_>| host.node.shell("ip -4 addr show dev host0 | grep -q 10.77.0.101/").unwrap().success();
    for (host, addresses, has_more) in [
        (other, "[\"10.77.0.100/24\", \"10.77.0.101/24\"]", false),
        (first, "[\"10.77.0.100/24\", \"10.77.0.101/24\"]", true),
        (first, "[\"10.77.0.100/24\"]", false),
        (other, "[\"10.77.0.100/24\"]", false),
    ] {
        set(host, "addresses", addresses);
        host.expect(2, &["apply", SITE]);
        // Who hears nothing takes over within four seconds.
        for _ in 0..12 {
            std::thread::sleep(Duration::from_millis(500));
            assert_eq!(holder(balancers).map(|host| host.node.name()), Some(first.node.name()), "{} has {addresses}", host.node.name());
        }
        assert!(more(first) == has_more && !more(other));
        request().unwrap();
    }
}

fn a_reload_loses_no_request(balancers: &[Host<'_>; 2]) {
    let host = holder(balancers).unwrap();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = || {
        let mut lost = Vec::new();
        while !over.load(Ordering::Relaxed) {
            asked.fetch_add(1, Ordering::Relaxed);
            lost.extend(request().err());
            std::thread::sleep(Duration::from_millis(5));
        }
        lost
    };
    let lost = std::thread::scope(|scope| {
        let clients = [scope.spawn(ask), scope.spawn(ask), scope.spawn(ask)];
        let outcomes: Vec<_> = (1..=4)
            .map(|turn| {
                set(host, "maxconn", &format!("200{turn}"));
                let before = asked.load(Ordering::Relaxed);
                let ran = host.keel(&["apply", SITE]);
                (ran, asked.load(Ordering::Relaxed) > before)
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        for (ran, was_asked) in outcomes {
            assert!(ran.status == 2 && ran.stdout.contains("reloaded"), "{}{}", ran.stdout, ran.stderr);
            assert!(was_asked, "somebody asked meanwhile");
        }
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(lost, [""; 0], "of {} requests", asked.load(Ordering::Relaxed));
}

fn what_is_wrong_is_refused_and_the_old_goes_on(balancers: &[Host<'_>; 2]) {
    let host = holder(balancers).unwrap();
    let files = format!("cat {CONFIG} /etc/keepalived/keepalived.conf; systemctl show --property=MainPID haproxy keepalived");
    let before = host.sh(&files);
    for (name, wrong, right, says) in [
        ("lines", "\"option no-such-option\"", "\"option forwardfor\"", "no-such-option"),
        ("addresses", "[\"10.77.0.300/24\"]", "[\"10.77.0.100/24\"]", "10.77.0.300/24"),
    ] {
        set(host, name, wrong);
        let said = host.expect(4, &["apply", SITE]);
        assert!(said.contains(says), "it says what is wrong:\n{said}");
        assert_eq!(host.sh(&files), before);
        assert_eq!(answering(), Ok(names(&WEBS)));
        set(host, name, right);
        host.expect(0, &["apply", SITE]);
    }
}

fn the_address_moves_when_its_host_dies(balancers: &[Host<'_>; 2]) {
    let died = holder(balancers).unwrap();
    let other = balancers.iter().find(|host| host.node.name() != died.node.name()).unwrap();
    let serves = |host: &Host<'_>| holder(balancers).is_some_and(|holder| holder.node.name() == host.node.name()) && request().is_ok();
    died.node.kill().unwrap();
    until("the other one serves", || serves(other));
    assert_eq!(answering(), Ok(names(&WEBS)));
    died.node.start().unwrap();
    died.node.wait_booted().unwrap();
    balancers.iter().for_each(|host| drop(host.expect(0, &["apply", SITE])));
    assert!(serves(other), "it does not take the address back, which would interrupt once more");
    // Where HAProxy cannot serve, the address goes away, too.
    other.sh("systemctl stop haproxy");
    until("the first one serves", || serves(died));
    other.expect(2, &["apply", SITE]);
    until("all three answer", || answering() == Ok(names(&WEBS)));
}
