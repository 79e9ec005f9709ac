//! Runs that are ended at random instants on a real host while they install packages, bring Python along, answer
//! debconf and restart a service: by loss of power, or by killing keel and all that it began. The next run converges,
//! nothing is half installed, and the restart that is owed is made.

use std::time::{Duration, Instant};

use keel_tests::lab::{Image, Lab};

use crate::faults::Seed;
use crate::host::Host;

/// How many runs are ended, and how many with KEEL_FAULTS=all.
const ENDS: (usize, usize) = (4, 40);

/// Packages in two versions, as dpkg and as pip take them; their scripts take their time.
const PREPARE: &str = r#"
mkdir -p /root/site/inventory /root/site/manifests /root/packages
echo 'name = "faults"' >/root/site/keel.toml; echo '[hosts.n1]' >/root/site/inventory/hosts.toml
apt-get -q -y install --no-install-recommends python3 python3-venv >/dev/null
cd /root/packages
for version in 1 2; do
    rm -rf tree; mkdir -p tree/DEBIAN tree/etc tree/usr/share/probe
    printf 'Package: probe\nVersion: %s\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: x\n' $version >tree/DEBIAN/control
    echo /etc/probe.default >tree/DEBIAN/conffiles; echo $version >tree/etc/probe.default
    for file in $(seq 200); do echo $version >tree/usr/share/probe/$file; done
    for script in preinst postinst; do printf '#!/bin/sh\nsleep 0.2\n' >tree/DEBIAN/$script; chmod 755 tree/DEBIAN/$script; done
    dpkg-deb --build --root-owner-group tree probe-$version.deb >/dev/null
    python3 - $version <<'END'
import sys, zipfile
version = sys.argv[1]
info = f"keel_probe-{version}.dist-info"
with zipfile.ZipFile(f"/root/packages/keel_probe-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr("keel_probe.py", f"version = {version}\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: keel-probe\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
END
done
"#;

/// What is declared in a turn; the service notes what it was started with.
fn manifest(turn: usize) -> String {
    let version = 1 + turn % 2;
    format!(
        r#"group all {{
    package probe source="/root/packages/probe-{version}.deb"
    package tree ensure={}
    pip keel-probe venv="/opt/venv" version="{version}" offline=#true find_links="/root/packages"
    debconf "probe/turn" package=probe type=string value="{turn}"
    systemd_unit "probe.service" {{
        section {{
            Service {{ ExecStart "/bin/sh -c 'cat /etc/probe.conf >/run/probe.seen; exec sleep infinity'"; }}
            Install {{ WantedBy multi-user.target; }}
        }}
    }}
    file "/etc/probe.conf" content="turn {turn}\n" {{ notify (service)probe effect=restart; }}
    service probe ensure=running enable=#true {{ require (systemd_unit)"probe.service" (package)probe; }}
}}
"#,
        if turn.is_multiple_of(2) { "present" } else { "absent" }
    )
}

/// What has to hold once a turn has converged.
fn check(turn: usize) -> String {
    let version = 1 + turn % 2;
    let tree = if turn.is_multiple_of(2) { "tree --version >/dev/null" } else { "! command -v tree" };
    format!(
        r#"set -e
        test -z "$(dpkg --audit)"
        test "$(dpkg-query -W -f '${{Version}} ${{db:Status-Status}}' probe)" = "{version} installed"
        test "$(cat /usr/share/probe/* | sort -u)" = {version}
        {tree}
        test "$(/opt/venv/bin/python -c 'import keel_probe; print(keel_probe.version)')" = {version}
        debconf-show probe | grep -q 'probe/turn: {turn}$'
        systemctl is-active -q probe
        test "$(cat /run/probe.seen)" = 'turn {turn}'
        test -z "$(find / -xdev -name '.keel-????????-????????????????')"
        "#
    )
}

fn declare(host: &Host<'_>, turn: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.kdl");
    std::fs::write(&file, manifest(turn)).unwrap();
    host.node.copy_in(&file, "/root/site/manifests/site.kdl").unwrap();
}

/// Begins a run, ends it after some time, by one way or the other, and waits until the host is there again.
fn end_after(host: &Host<'_>, time: Duration, by_power: bool) {
    host.sh("systemd-run --quiet --collect --unit=keel-run keel apply /root/site");
    std::thread::sleep(time);
    if by_power {
        host.node.kill().unwrap();
        host.node.start().unwrap();
        host.node.wait_booted().unwrap();
    } else {
        // It may have come to its end already.
        host.sh("systemctl kill --signal=KILL keel-run 2>/dev/null || true; while systemctl -q is-active keel-run; do sleep 0.1; done");
    }
}

#[test]
fn lab_runs_that_are_ended_anywhere_leave_nothing_half_installed() {
    let Some(lab) = Lab::for_test(&["n1"], &Image::bare()) else { return };
    let (host, mut seed) = (Host::new(&lab, "n1"), Seed::new());
    host.sh(PREPARE);
    for turn in [0, 1] {
        declare(&host, turn);
        host.expect(2, &["apply", "/root/site"]);
        host.sh(&check(turn));
    }
    // Somebody answers questions of their own for a while, and then the run goes on.
    host.sh("systemd-run --quiet --collect --unit=other flock /var/cache/debconf/config.dat sleep 5; systemctl is-active -q other");
    let clock = Instant::now();
    declare(&host, 2);
    host.expect(2, &["apply", "/root/site"]);
    let whole = clock.elapsed();
    let ends = if crate::faults::is_thorough() { ENDS.1 } else { ENDS.0 };
    for turn in 3..3 + ends {
        declare(&host, turn);
        // Each way ends turns that install and turns that remove.
        let (time, by_power) = (whole.mul_f64(seed.fraction()), matches!(turn % 4, 1 | 2));
        end_after(&host, time, by_power);
        let when = format!("turn {turn}, ended after {time:?}, by power: {by_power}, {seed:?}");
        let ran = host.keel(&["apply", "/root/site"]);
        assert!(matches!(ran.status, 0 | 2), "{when}: {}{}", ran.stdout, ran.stderr);
        let checked = host.node.shell(&format!("set -x\n{}", check(turn))).unwrap();
        assert!(checked.success(), "{when}: {}{}\nkeel said:\n{}{}", checked.stdout, checked.stderr, ran.stdout, ran.stderr);
        host.expect(0, &["apply", "/root/site"]);
    }
    println!("{ends} runs ended, {seed:?}");
}
