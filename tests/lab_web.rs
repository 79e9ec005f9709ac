//! A bare Debian becomes a web server with the baseline, drifts in every way and heals.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use keel_tests::lab::{Image, Lab};

use crate::host::Host;

/// One thing that somebody breaks: in which site, what it is called, how, and how to see that it is whole again.
struct Drift {
    site: &'static str,
    what: &'static str,
    plant: &'static str,
    healed: &'static str,
}

const fn drift(site: &'static str, what: &'static str, plant: &'static str, healed: &'static str) -> Drift {
    Drift { site, what, plant, healed }
}

const DRIFTS: [Drift; 21] = [
    drift("web", "content", "echo 'server_tokens on;' >>/etc/nginx/vhosts/pilots.conf", "! grep -q tokens /etc/nginx/vhosts/pilots.conf"),
    drift("web", "mode", "chmod 0666 /etc/nginx/nginx.conf", "test \"$(stat -c %a /etc/nginx/nginx.conf)\" = 644"),
    drift("web", "owner", "chown games /srv/www/harbour/index.html", "test \"$(stat -c %U /srv/www/harbour/index.html)\" = root"),
    drift("web", "deleted file", "rm /srv/www/pilots/index.html", "grep -q 'on their way' /srv/www/pilots/index.html"),
    drift("web", "deleted folder", "rm -r /srv/www/pilots", "test -f /srv/www/pilots/index.html"),
    drift("web", "extra vhost", "echo broken >/etc/nginx/vhosts/extra.conf", "! test -e /etc/nginx/vhosts/extra.conf && nginx -t -q"),
    drift("web", "stopped service", "systemctl stop nginx", "systemctl is-active nginx"),
    drift("web", "disabled service", "systemctl disable nginx", "systemctl is-enabled nginx"),
    drift("web", "removed package", "apt-get -q -y purge nginx-light nginx-common", "systemctl is-active nginx"),
    drift("baseline", "removed package", "apt-get -q -y purge logrotate", "logrotate --version"),
    drift("baseline", "changed shell", "usermod -s /bin/sh ada", "getent passwd ada | grep -q ':/bin/bash$'"),
    drift("baseline", "deleted user", "userdel grace", "test \"$(id -u grace)\" = 3002"),
    drift("baseline", "changed group", "groupmod -g 2999 pilots", "getent group pilots | grep -q :2001:"),
    drift("baseline", "lost keys", "echo >/home/ada/.ssh/authorized_keys", "grep -q ed25519 /home/ada/.ssh/authorized_keys"),
    drift(
        "baseline",
        "cron line",
        "crontab -l | sed 's/^17 4/18 5/' | crontab -",
        "test $(crontab -l | grep -c apt-get) = 1 && crontab -l | grep -q '^17 4 '",
    ),
    drift("baseline", "no crontab", "crontab -r", "crontab -l | grep -q '^17 4 .*apt-get'"),
    drift("baseline", "live sysctl", "sysctl -q -w net.core.somaxconn=128", "test \"$(sysctl -n net.core.somaxconn)\" = 1024"),
    drift("baseline", "hosts entry", "sed -i s/192.0.2.1/192.0.2.99/ /etc/hosts", "grep -q '^192.0.2.1\\s.*time-1' /etc/hosts"),
    drift(
        "baseline",
        "ini key",
        "sed -i 's/^SystemMaxUse.*/SystemMaxUse=9G/' /etc/systemd/journald.conf.d/site.conf",
        "grep -q '^SystemMaxUse *= *200M' /etc/systemd/journald.conf.d/site.conf",
    ),
    drift("baseline", "link", "ln -sf /usr/share/zoneinfo/Europe/Paris /etc/localtime", "readlink /etc/localtime | grep -q Etc/UTC"),
    drift("baseline", "ssh port", "sed -i 's/^Port.*/Port 2222/' /etc/ssh/sshd_config", "grep -qx 'Port 22' /etc/ssh/sshd_config"),
];

#[test]
fn lab_a_bare_host_becomes_a_web_server_drifts_and_heals() {
    let Some(lab) = Lab::for_test(&["web-1"], &Image::bare()) else { return };
    let host = Host::new(&lab, "web-1");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for site in ["web", "baseline"] {
        host.node.copy_in(&examples.join(site), &format!("/root/{site}")).unwrap();
    }

    for site in ["web", "baseline"] {
        host.expect(2, &["plan", &format!("/root/{site}")]);
        host.expect(2, &["apply", &format!("/root/{site}")]);
    }
    rests(&host, "after the first run");
    serves(host.node.address());

    for drift in &DRIFTS {
        host.sh(drift.plant);
        let site = format!("/root/{}", drift.site);
        let planned = host.keel(&["plan", &site]);
        assert_eq!(planned.status, 2, "{}: the plan does not see it\n{}{}", drift.what, planned.stdout, planned.stderr);
        let applied = host.keel(&["apply", &site]);
        assert_eq!(applied.status, 2, "{}: the run does not heal it\n{}{}", drift.what, applied.stdout, applied.stderr);
        let healed = host.node.shell(drift.healed).unwrap();
        assert!(healed.success(), "{}: not healed\n{}\n{}{}", drift.what, applied.stdout, healed.stdout, healed.stderr);
    }
    rests(&host, "after all drifts");
    serves(host.node.address());

    host.node.reboot().unwrap();
    rests(&host, "after a reboot");
    serves(host.node.address());
}

/// The plug is pulled in the middle of runs: while packages come, and later again.
#[test]
fn lab_a_host_that_loses_power_in_a_run_converges_in_the_next() {
    let Some(lab) = Lab::for_test(&["web-1"], &Image::bare()) else { return };
    let host = Host::new(&lab, "web-1");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    host.node.copy_in(&examples.join("baseline"), "/root/baseline").unwrap();
    for (moment, installed) in
        [("apt is at work", "test -e /var/lib/apt/extended_states"), ("packages are unpacked", "dpkg --audit | grep -q .")]
    {
        host.sh("setsid keel apply /root/baseline >/root/log 2>&1 </dev/null &");
        let seen = format!("for i in $(seq 600); do {installed} && exit; pgrep -x keel >/dev/null || exit; sleep 0.05; done");
        host.sh(&seen);
        host.node.kill().unwrap();
        host.node.start().unwrap();
        host.node.wait_booted().unwrap();
        assert!(!host.sh("cat /root/log").contains("panicked"), "{moment}");
    }
    let ran = host.keel(&["apply", "/root/baseline"]);
    assert!([0, 2].contains(&ran.status), "after the losses of power:\n{}{}", ran.stdout, ran.stderr);
    let ran = host.keel(&["apply", "/root/baseline"]);
    assert_eq!(ran.status, 0, "and then nothing:\n{}{}", ran.stdout, ran.stderr);
    host.sh("test -z \"$(dpkg --audit)\" && systemctl is-active ssh cron");
}

fn rests(host: &Host, when: &str) {
    for site in ["web", "baseline"] {
        let ran = host.keel(&["apply", &format!("/root/{site}")]);
        assert_eq!(ran.status, 0, "{when} {site} should have nothing to do:\n{}{}", ran.stdout, ran.stderr);
    }
}

/// nginx answers on the lab's network, each vhost with its own page.
fn serves(address: Ipv4Addr) {
    for (name, greeting) in [("www.harbour.example.org", "The harbour is open."), ("pilots.example.org", "Pilots are on their way.")] {
        let mut stream = TcpStream::connect((address, 80)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET / HTTP/1.0\r\nHost: {name}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(greeting), "{name}: {answer}");
    }
}
