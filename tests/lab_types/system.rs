//! Rows of `package`, `service`, `host`, `cron`, `mount` and `sysctl`.

use super::{APPLY, Keel, Row, Said, Sh, Site, row};

/// Makes three versions of a package with a configuration file, and two packages with versions in their names.
const BUILD: &str = r#"
build() { # name, version, file
    rm -rf /tmp/row/tree; mkdir -p /tmp/row/tree/DEBIAN /tmp/row/tree/etc
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: x\n' "$1" "$2" >/tmp/row/tree/DEBIAN/control
    echo "/etc/$1.conf" >/tmp/row/tree/DEBIAN/conffiles; echo "$2" >/tmp/row/tree/etc/$1.conf
    dpkg-deb --build --root-owner-group /tmp/row/tree "/tmp/row/$3.deb" >/dev/null
}
for i in 1 2 3; do build conf-demo $i $i; done
for i in 1 2; do build image-$i 1 image-$i; done
"#;

/// A script that notes in dpkg's journal that a package was cut off: its name, in which state, the note's number.
const CUT_OFF: &str = r#"
cat >/tmp/row/cut-off <<'END'
sed -n "/^Package: $1\$/,/^\$/p" /var/lib/dpkg/status | sed "s/^Status: .*/Status: install reinstreq $2/" >/var/lib/dpkg/updates/000$3
END
"#;

pub(super) const ROWS: [Row; 34] = [
    row(
        "a package is installed, and a second run finds nothing",
        &[Site("package tree"), Keel(APPLY, 2), Sh("tree --version"), Keel(APPLY, 0)],
    ),
    row("a package that nobody has fails", &[Site("package no-such-package"), Keel(APPLY, 4), Said("no-such-package")]),
    row("but is absent without ado", &[Site("package no-such-package ensure=absent"), Keel(APPLY, 0)]),
    row(
        "a version that nobody has fails and installs nothing",
        &[
            Sh("dpkg -P tree"),
            Site("package tree version=\"0.0.1\""),
            Keel(APPLY, 4),
            Sh("! dpkg-query -W -f '${Status}' tree | grep -q 'ok installed'"),
        ],
    ),
    row(
        "a version within bounds is found",
        &[Site("package tree version=\">=2 <3\""), Keel(APPLY, 2), Sh("tree --version"), Keel(APPLY, 0)],
    ),
    row(
        "absent keeps the configuration, purged does not",
        &[
            Sh("apt-get -q -y install logrotate"),
            Site("package logrotate ensure=absent"),
            Keel(APPLY, 2),
            Sh("test -e /etc/logrotate.conf"),
            Keel(APPLY, 0),
            Site("package logrotate ensure=purged"),
            Keel(APPLY, 2),
            Sh("! test -e /etc/logrotate.conf"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "one bad name among several fails alone",
        &[Sh("dpkg -P tree"), Site("package tree no-such-package"), Keel(APPLY, 6), Sh("tree --version")],
    ),
    row(
        "a package is held",
        &[
            Site("package tree hold=#true"),
            Keel(APPLY, 2),
            Sh("apt-mark showhold | grep -qx tree"),
            Keel(APPLY, 0),
            Site("package tree hold=#false"),
            Keel(APPLY, 2),
            Sh("test -z \"$(apt-mark showhold)\""),
        ],
    ),
    row(
        "a hold and a removal contradict each other",
        &[Site("package tree hold=#true ensure=absent"), Keel(APPLY, 1), Site("package tree hold=#true ensure=purged"), Keel(APPLY, 1)],
    ),
    row(
        "a held package stays until its hold is released",
        &[
            Sh("apt-get -q -y install tree; apt-mark hold tree"),
            Site("package tree ensure=absent"),
            Keel(APPLY, 4),
            Said("on hold"),
            Sh("tree --version"),
            Site("package tree ensure=purged hold=#false"),
            Keel(APPLY, 2),
            Sh("! command -v tree && test -z \"$(apt-mark showhold)\""),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a package comes from a file, goes forward, and back only where it may",
        &[
            Sh(BUILD),
            Site("package conf-demo source=\"/tmp/row/1.deb\""),
            Keel(APPLY, 2),
            Sh("dpkg-query -W -f '${Version}' conf-demo | grep -qx 1"),
            Keel(APPLY, 0),
            Site("package conf-demo source=\"/tmp/row/2.deb\""),
            Keel(APPLY, 2),
            Site("package conf-demo source=\"/tmp/row/1.deb\" downgrade=#false"),
            Keel("plan", 4),
            Said("would go back"),
            Site("package conf-demo source=\"/tmp/row/1.deb\""),
            Keel(APPLY, 2),
            Sh("dpkg-query -W -f '${Version}' conf-demo | grep -qx 1; dpkg -P conf-demo"),
            Site("package conf-demo source=\"/tmp/row/none.deb\""),
            Keel(APPLY, 4),
            Said("/tmp/row/none.deb"),
        ],
    ),
    row(
        "a package that was cut off while it was unpacked is mended, and what apt refused meanwhile is done",
        &[
            Sh(BUILD),
            Sh("apt-get -q -y install tree >/dev/null; dpkg -i /tmp/row/2.deb >/dev/null"),
            Sh("sed -i '/^Package: conf-demo$/,/^$/s/^Status: .*/Status: install reinstreq half-installed/' /var/lib/dpkg/status"),
            Sh("! apt-get -q -y remove tree"),
            Site("package conf-demo source=\"/tmp/row/1.deb\"\npackage tree ensure=absent"),
            Keel(APPLY, 2),
            Sh("test -z \"$(dpkg --audit)\" && ! command -v tree"),
            Keel(APPLY, 0),
            Sh("dpkg -P conf-demo"),
        ],
    ),
    row(
        "what dpkg noted in its journal of packages that were cut off is mended, whether they come from a file or an archive",
        &[
            Sh(BUILD),
            Sh("apt-get -q -y install tree >/dev/null; dpkg -i /tmp/row/2.deb >/dev/null"),
            Site("package conf-demo source=\"/tmp/row/2.deb\"\npackage tree"),
            Keel(APPLY, 0),
            Sh(CUT_OFF),
            Sh("sh /tmp/row/cut-off conf-demo half-installed 1; sh /tmp/row/cut-off tree half-installed 2"),
            Keel("plan", 2),
            Keel(APPLY, 2),
            Sh("test -z \"$(dpkg --audit)\""),
            Keel(APPLY, 0),
            Sh("sh /tmp/row/cut-off conf-demo unpacked 1; sh /tmp/row/cut-off tree unpacked 2"),
            Keel(APPLY, 2),
            Sh("test -z \"$(dpkg --audit)\""),
            Keel(APPLY, 0),
            Sh("sh /tmp/row/cut-off conf-demo half-configured 1; sh /tmp/row/cut-off tree half-configured 2"),
            Keel(APPLY, 2),
            Sh("test -z \"$(dpkg --audit)\" && tree --version && dpkg -P conf-demo"),
        ],
    ),
    row(
        "an upgrade keeps the host's configuration, or takes the package's",
        &[
            Sh(BUILD),
            Site("package conf-demo source=\"/tmp/row/1.deb\""),
            Keel(APPLY, 2),
            Sh("echo mine >/etc/conf-demo.conf"),
            Site("package conf-demo source=\"/tmp/row/2.deb\""),
            Keel(APPLY, 2),
            Sh("test $(cat /etc/conf-demo.conf) = mine"),
            Site("package conf-demo source=\"/tmp/row/3.deb\" config=replace"),
            Keel(APPLY, 2),
            Sh("test $(cat /etc/conf-demo.conf) = 3; dpkg -P conf-demo"),
        ],
    ),
    row(
        "packages with a version in their names stand side by side",
        &[
            Sh(BUILD),
            Site("package image-1 source=\"/tmp/row/image-1.deb\"\npackage image-2 source=\"/tmp/row/image-2.deb\""),
            Keel(APPLY, 2),
            Sh("dpkg-query -W image-1 image-2"),
            Keel(APPLY, 0),
            Site("package image-1 image-2 ensure=absent"),
            Keel(APPLY, 2),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a tool installed later in the same run is there for what needs it",
        &[
            Sh("apt-get -q -y purge cron; rm -rf /var/spool/cron"),
            Site("cron job command=\"/bin/true\" minute=\"5\" user=root require=(package)cron\npackage cron"),
            Keel(APPLY, 2),
            Sh("crontab -l | grep -q /bin/true"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a service is started and enabled, stopped and disabled",
        &[
            Sh(
                "printf '[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/s1.service; systemctl daemon-reload",
            ),
            Site("service s1 ensure=running enable=#true"),
            Keel(APPLY, 2),
            Sh("systemctl is-active s1 && systemctl is-enabled s1"),
            Keel(APPLY, 0),
            Site("service s1 ensure=stopped enable=#false"),
            Keel(APPLY, 2),
            Sh("! systemctl is-active s1 && ! systemctl is-enabled s1"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a unit is masked, and enabling it later unmasks it",
        &[
            Sh(
                "mkdir -p /usr/lib/systemd/system; printf '[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n' >/usr/lib/systemd/system/s2.service; systemctl daemon-reload",
            ),
            Site("service s2 ensure=stopped enable=mask"),
            Keel(APPLY, 2),
            Sh("test \"$(systemctl is-enabled s2)\" = masked"),
            Keel(APPLY, 0),
            Site("service s2 enable=#true"),
            Keel(APPLY, 2),
            Sh("systemctl is-enabled s2"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a static unit is in order whatever enable says",
        &[
            Sh("printf '[Service]\\nExecStart=/bin/sleep 1000\\n' >/etc/systemd/system/s3.service; systemctl daemon-reload"),
            Site("service s3 enable=#true"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a unit file of the same run is read before the service starts",
        &[
            Site(
                "file \"/etc/systemd/system/s4.service\" content=\"[Service]\\nExecStart=/bin/sleep 1000\\n\"\nservice s4 ensure=running require=(file)\"/etc/systemd/system/s4.service\"",
            ),
            Keel(APPLY, 2),
            Sh("systemctl is-active s4"),
            Keel(APPLY, 0),
            Site(
                "file \"/etc/systemd/system/s4.service\" content=\"[Service]\\nExecStart=/bin/sleep 2000\\n\" notify=(service)s4\nservice s4 ensure=running",
            ),
            Keel(APPLY, 2),
            Sh("pgrep -f 'sleep 2000' && test \"$(systemctl show -P NeedDaemonReload s4)\" = no; systemctl stop s4"),
        ],
    ),
    row(
        "a service that does not start fails with what its journal says",
        &[
            Sh(
                "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c \"echo the-reason; exit 7\"\\n' >/etc/systemd/system/s5.service; systemctl daemon-reload",
            ),
            Site("service s5 ensure=running"),
            Keel(APPLY, 4),
            Said("the-reason"),
            Sh("systemctl reset-failed s5"),
        ],
    ),
    row("a service that does not exist fails", &[Site("service no-such-service ensure=running"), Keel(APPLY, 4), Said("no-such-service")]),
    row(
        "a host entry is written, its address changed in place, its aliases are a set",
        &[
            Sh("printf '127.0.0.1 localhost\\nthis line is malformed\\n# a comment\\n' >/etc/hosts"),
            Site("host db ip=\"192.0.2.5\" {\n aliases one two\n}"),
            Keel(APPLY, 2),
            Sh("getent hosts two | grep -q 192.0.2.5 && grep -q 'this line is malformed' /etc/hosts"),
            Site("host db ip=\"192.0.2.5\" {\n aliases two one\n}"),
            Keel(APPLY, 0),
            Site("host db ip=\"192.0.2.6\" {\n aliases two one\n}"),
            Keel(APPLY, 2),
            Sh("test $(grep -c db /etc/hosts) = 1 && grep -q '^192.0.2.6' /etc/hosts && grep -q '^# a comment' /etc/hosts"),
            Site("host db ensure=absent"),
            Keel(APPLY, 2),
            Sh("! grep -q db /etc/hosts"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a host without an address is refused before anything is written",
        &[Site("host nowhere"), Keel(APPLY, 1), Sh("! grep -q nowhere /etc/hosts")],
    ),
    row(
        "a cron job is written once, with its name",
        &[
            Sh("command -v crontab || apt-get -q -y install cron; crontab -r; true"),
            Site("cron backup command=\"/bin/true backup\" hour=\"3\" minute=\"30\""),
            Keel(APPLY, 2),
            Sh("test $(crontab -l | grep -c '^30 3 \\* \\* \\* /bin/true backup') = 1 && crontab -l | grep '^#.*backup'"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a dropped attribute of a cron job is reset",
        &[
            Site("cron backup command=\"/bin/true backup\" minute=\"30\""),
            Keel(APPLY, 2),
            Sh("crontab -l | grep -q '^30 \\* \\* \\* \\* /bin/true backup'"),
        ],
    ),
    row(
        "an equal job by hand is adopted",
        &[
            Sh("echo '5 5 * * * /bin/true same' | crontab -"),
            Site("cron same command=\"/bin/true same\" hour=\"5\" minute=\"5\""),
            Keel(APPLY, 0),
            Sh("test $(crontab -l | grep -c same) = 1"),
            Site("cron same command=\"/bin/true same\" hour=\"5\" minute=\"5\" ensure=absent"),
            Keel(APPLY, 2),
            Sh("! crontab -l | grep same"),
        ],
    ),
    row(
        "a crontab that cannot be read fails the jobs in it and no others, and is left as it is",
        &[
            Sh("command -v crontab || apt-get -q -y install cron; crontab -r; mkdir -p /var/spool/cron/crontabs/games"),
            Site("cron a user=games command=\"/bin/true a\" minute=\"1\"\ncron b command=\"/bin/true b\" minute=\"2\""),
            Keel(APPLY, 6),
            Sh("test -d /var/spool/cron/crontabs/games && crontab -l | grep -q '/bin/true b'; rmdir /var/spool/cron/crontabs/games"),
        ],
    ),
    row("a job of a user that is not there fails", &[Site("cron x command=\"/bin/true\" minute=\"1\" user=nosuchuser"), Keel(APPLY, 4)]),
    row("special and minute exclude each other", &[Site("cron x command=\"/bin/true\" special=daily minute=\"1\""), Keel(APPLY, 1)]),
    row(
        "a mount is entered, mounted, changed and removed",
        &[
            Sh("mkdir -p /mnt/m1; rm -f /etc/fstab; touch /etc/fstab"),
            Site("mount \"/mnt/m1\" device=tmpfs fstype=tmpfs options=\"size=1m\" ensure=mounted"),
            Keel(APPLY, 2),
            Sh("findmnt /mnt/m1 && grep -q /mnt/m1 /etc/fstab"),
            Keel(APPLY, 0),
            Site("mount \"/mnt/m1\" device=tmpfs fstype=tmpfs options=\"size=2m\" ensure=mounted"),
            Keel(APPLY, 2),
            Sh("grep -q size=2m /etc/fstab && findmnt -n -o OPTIONS /mnt/m1 | grep -q size=2048k"),
            Keel(APPLY, 0),
            Site("mount \"/mnt/m1\" device=tmpfs fstype=tmpfs options=\"size=2m\" ensure=unmounted"),
            Keel(APPLY, 2),
            Sh("! findmnt /mnt/m1 && grep -q /mnt/m1 /etc/fstab"),
            Site("mount \"/mnt/m1\" ensure=absent"),
            Keel(APPLY, 2),
            Sh("! grep -q /mnt/m1 /etc/fstab"),
        ],
    ),
    row(
        "nested mounts are mounted from the outer one",
        &[
            Sh("mkdir -p /mnt/o"),
            Site(
                "mount \"/mnt/o/i\" device=tmpfs fstype=tmpfs ensure=mounted\nfile \"/mnt/o/i\" ensure=directory\n\
             mount \"/mnt/o\" device=tmpfs fstype=tmpfs ensure=mounted",
            ),
            Keel(APPLY, 2),
            Sh("findmnt /mnt/o && findmnt /mnt/o/i"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a sysctl is set now and after a reboot",
        &[
            Site("sysctl net.core.somaxconn value=\"777\""),
            Keel(APPLY, 2),
            Sh("test $(sysctl -n net.core.somaxconn) = 777 && grep -rq somaxconn /etc/sysctl.d"),
            Keel(APPLY, 0),
        ],
    ),
    row("a sysctl that does not exist fails", &[Site("sysctl net.no.such value=\"1\""), Keel(APPLY, 4)]),
];
