//! Rows of what a host is called, trusts, loads and lets in.

use super::{APPLY, Keel, NotSaid, Row, Said, Sh, Site, row};

/// Makes an archive of one package in `/tmp/row/repo`.
const ARCHIVE: &str = r#"
mkdir -p /tmp/row/repo /tmp/row/tree/DEBIAN; cd /tmp/row
printf 'Package: from-archive\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: x\n' >tree/DEBIAN/control
dpkg-deb --build --root-owner-group tree repo/a.deb >/dev/null; cd repo
(cat ../tree/DEBIAN/control; printf 'Filename: ./a.deb\nSize: %s\nSHA256: %s\n' $(stat -c %s a.deb) $(sha256sum a.deb | cut -d' ' -f1)) >Packages
printf 'Suite: x\nDate: %s\nSHA256:\n %s %s Packages\n' "$(LC_ALL=C date -R -u)" $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) >Release
"#;

/// Signs that archive with one key and has another one beside it.
const SIGNED: &str = r#"
command -v gpg >/dev/null || apt-get -q -y install --no-install-recommends gpg gpg-agent >/dev/null
for who in good bad; do
    export GNUPGHOME=/tmp/row/$who; mkdir -m 700 $GNUPGHOME
    gpg --batch --quiet --passphrase '' --quick-generate-key $who@example.org ed25519 sign never
    gpg --armor --export >/tmp/row/$who.asc
done
GNUPGHOME=/tmp/row/good gpg --batch --yes --clearsign --output /tmp/row/repo/InRelease /tmp/row/repo/Release; rm /tmp/row/repo/Release
"#;

pub(super) const ROWS: [Row; 21] = [
    row(
        "a new archive is tried out, and one that is not signed or not there leaves nothing behind",
        &[
            Sh(ARCHIVE),
            Site("apt_repository local uris=\"file:/tmp/row/repo\" suites=\"./\""),
            Keel(APPLY, 4),
            Said("not signed"),
            Sh("! test -e /etc/apt/sources.list.d/local.sources"),
            Site("apt_repository gone uris=\"http://127.0.0.1:9/x\" suites=\"./\""),
            Keel(APPLY, 4),
            Said("127.0.0.1"),
            Sh("! test -e /etc/apt/sources.list.d/gone.sources"),
        ],
    ),
    row(
        "packages come from an archive of the same run, signed by its own key and by no other",
        &[
            Sh(ARCHIVE),
            Sh(SIGNED),
            Site("apt_repository local uris=\"file:/tmp/row/repo\" suites=\"./\" source=\"/tmp/row/bad.asc\""),
            Keel(APPLY, 4),
            Said("apt refuses the archive local"),
            Site("package from-archive\napt_repository local uris=\"file:/tmp/row/repo\" suites=\"./\" source=\"/tmp/row/good.asc\""),
            Keel(APPLY, 2),
            Sh("dpkg-query -W from-archive"),
            Keel(APPLY, 0),
            Site("package from-archive ensure=absent\napt_repository local ensure=absent"),
            Keel(APPLY, 2),
            Sh("! test -e /etc/apt/sources.list.d/local.sources && ! test -e /etc/apt/keyrings/local.asc"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a package that is pinned away is not installed",
        &[
            Sh("dpkg -P tree || true"),
            Site("package tree\napt_pin never packages=tree pin=\"release *\" priority=-1"),
            Keel(APPLY, 6),
            Said("tree"),
            Site("package tree\napt_pin never ensure=absent"),
            Keel(APPLY, 2),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "an answer is given before it is asked, and a secret one is not shown",
        &[
            Site(
                "debconf \"demo/question\" package=demo type=string value=one\ndebconf \"demo/pass\" package=demo type=password value=canary",
            ),
            Keel("plan", 2),
            NotSaid("canary"),
            Keel(APPLY, 2),
            NotSaid("canary"),
            Sh("echo GET demo/question | debconf-communicate | grep -qx '0 one'"),
            Keel(APPLY, 0),
            Site("debconf \"demo/question\" package=demo type=string value=two"),
            Keel(APPLY, 2),
            Sh("echo GET demo/question | debconf-communicate | grep -qx '0 two'"),
        ],
    ),
    row(
        "units come, are read once, and their service runs in the same run",
        &[
            Sh("journalctl -b _PID=1 | grep -c 'Reloading\\.' >/tmp/row/before || true"),
            Site(
                "service u1 ensure=running\nservice \"u2.timer\" ensure=running enable=#true\n\
                 systemd_unit \"u1.service\" notify=(service)u1 {\n section Service {\n ExecStart \"/bin/sleep 1001\"\n }\n}\n\
                 systemd_unit \"u2.service\" content=\"[Service]\\nExecStart=/bin/true\\n\"\n\
                 systemd_unit \"u2.timer\" content=\"[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n\"",
            ),
            Keel(APPLY, 2),
            Sh("systemctl is-active u1 u2.timer && systemctl is-enabled u2.timer"),
            Keel(APPLY, 0),
            Sh("touch /etc/systemd/system/u1.service; echo '# by hand' >>/etc/systemd/system/u1.service"),
            Site(
                "service u1 ensure=running\nsystemd_unit \"u1.service\" notify=(service)u1 content=\"[Service]\\nExecStart=/bin/sleep 1002\\n\"",
            ),
            Keel(APPLY, 2),
            Sh("pgrep -f 'sleep 1002' && test $(systemctl show -P NeedDaemonReload u1) = no"),
        ],
    ),
    row(
        "a drop-in changes a unit of others, and a file that systemd has not read is found",
        &[
            Sh(
                "printf '[Service]\\nExecStart=/bin/sleep 1003\\n' >/etc/systemd/system/u3.service; systemctl daemon-reload; systemctl start u3",
            ),
            Site("systemd_unit more name=\"u3.service\" dropin=nice {\n section Service {\n Nice 7\n }\n}"),
            Keel(APPLY, 2),
            Sh("test $(systemctl show -P Nice u3) = 7"),
            Keel(APPLY, 0),
            Sh("sleep 1; touch -d '+10 seconds' /etc/systemd/system/u3.service.d/nice.conf"),
            Keel(APPLY, 2),
            Said("loaded"),
            Sh("test $(systemctl show -P NeedDaemonReload u3) = no"),
            Keel(APPLY, 0),
            Site("systemd_unit more name=\"u3.service\" dropin=nice ensure=absent"),
            Keel(APPLY, 2),
            Sh("test $(systemctl show -P Nice u3) = 0 && ! test -e /etc/systemd/system/u3.service.d; systemctl stop u3"),
        ],
    ),
    row(
        "a unit that goes, or is purged, is stopped and disabled first, and one that a package has stays as it runs",
        &[
            Sh(
                "for u in u5 u6; do printf '[Service]\nExecStart=/bin/sleep 1005\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/$u.service; done",
            ),
            Sh("printf '[Service]\nExecStart=/bin/sleep 1%%i\n' >/etc/systemd/system/u7@.service"),
            Sh("cp /lib/systemd/system/systemd-journald.service /etc/systemd/system/; systemctl daemon-reload"),
            Sh("systemctl enable -q --now u5 u6 && systemctl start u7@01 u7@02"),
            Site("systemd_unit \"u5.service\" ensure=absent\npurge systemd_unit max=20 keep=\"lab-*\""),
            Keel("plan", 2),
            Said("u7@01.service, u7@02.service -> absent"),
            Sh("systemctl is-active u5 u6 u7@01 u7@02"),
            Keel(APPLY, 2),
            Sh(
                "! pgrep -f 'sleep [1]005' && ! ls /etc/systemd/system/u[567]* && ! find /etc/systemd/system -name 'u[56].service' | grep .",
            ),
            Sh("systemctl is-active systemd-journald && ! test -e /etc/systemd/system/systemd-journald.service"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a unit that is not there can be masked all the same",
        &[
            Site("service ghost enable=mask"),
            Keel(APPLY, 2),
            Sh("test $(readlink /etc/systemd/system/ghost.service) = /dev/null"),
            Keel(APPLY, 0),
            Sh("systemctl unmask ghost"),
        ],
    ),
    row(
        "a key opens the account of a user of the same run, and only that user can read it",
        &[
            Site(
                "user k1 managehome=#true\nssh_authorized_key \"k1@laptop\" user=k1 key=\"AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX\"",
            ),
            Keel(APPLY, 2),
            Sh("test \"$(stat -c '%U %a' /home/k1/.ssh /home/k1/.ssh/authorized_keys | xargs)\" = 'k1 700 k1 600'"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a module is for the next boot, or never",
        &[
            Sh("mkdir -p /etc/modprobe.d /etc/modules-load.d"),
            Site("kernel_module dummy live=#false options=\"numdummies=2\""),
            Keel(APPLY, 2),
            Sh("grep -qx dummy /etc/modules-load.d/dummy.conf && grep -q numdummies=2 /etc/modprobe.d/dummy.conf"),
            Keel(APPLY, 0),
            Site("kernel_module dummy live=#false ensure=blocked"),
            Keel(APPLY, 2),
            Sh("! test -e /etc/modules-load.d/dummy.conf"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a common name stands for what is chosen, or for the best",
        &[
            Site(
                "alternatives demo path=\"/bin/true\" link=\"/usr/local/bin/demo\" priority=10\n\
                 alternatives \"demo-2\" path=\"/bin/false\" link=\"/usr/local/bin/demo-2\" priority=20",
            ),
            Keel(APPLY, 2),
            Sh("demo && ! demo-2"),
            Keel(APPLY, 0),
            Sh("update-alternatives --install /usr/local/bin/demo demo /bin/false 99"),
            Keel(APPLY, 0),
            Site("alternatives demo"),
            Keel(APPLY, 2),
            Sh("! demo"),
            Keel(APPLY, 0),
            Site("alternatives demo path=\"/no/such\""),
            Keel(APPLY, 4),
            Said("/no/such"),
        ],
    ),
    row(
        "a host is called what it shall be called",
        &[
            Site("hostname renamed"),
            Keel("apply --host n1", 2),
            Sh("test $(hostname) = renamed && test $(cat /etc/hostname) = renamed; hostname n1"),
            Site("hostname n1"),
            Keel("apply --host n1", 2),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "the time is shown in its zone",
        &[
            Site("timezone \"Europe/Berlin\""),
            Keel(APPLY, 2),
            Sh("date +%Z | grep -q CE"),
            Keel(APPLY, 0),
            Site("timezone \"Etc/UTC\""),
            Keel(APPLY, 2),
            Site("timezone \"Mars/North\""),
            Keel(APPLY, 4),
        ],
    ),
    row(
        "a locale is made and becomes everybody's",
        &[
            Site("locale \"en_IE.UTF-8\" default=#true\npackage locales"),
            Keel(APPLY, 2),
            Sh("locale -a | grep -q en_IE.utf8 && grep -q en_IE /etc/default/locale"),
            Keel(APPLY, 0),
            Site("locale \"en_IE.UTF-8\" ensure=absent"),
            Keel(APPLY, 2),
            Sh("! locale -a | grep -q en_IE.utf8"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a right lets somebody in, and goes",
        &[
            Sh("mkdir -m 700 /srv/acl; echo inside >/srv/acl/f; chmod 600 /srv/acl/f; ! runuser -u games -- cat /srv/acl/f"),
            Site("acl \"/srv/acl\" entries=\"user:games:rX\" defaults=\"user:games:rX\" recurse=#true"),
            Keel(APPLY, 2),
            Sh("runuser -u games -- cat /srv/acl/f; touch /srv/acl/g; runuser -u games -- cat /srv/acl/g"),
            Keel(APPLY, 0),
            Site("acl \"/srv/acl\" entries=\"user:games:rX\" defaults=\"user:games:rX\" recurse=#true ensure=absent"),
            Keel(APPLY, 2),
            Sh("! runuser -u games -- cat /srv/acl/f && test $(stat -c %a /srv/acl/f) = 600"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "rules are put in force at once, found when they drift, and those of others stay",
        &[
            Sh("command -v nft >/dev/null || apt-get -q -y install nftables; nft flush ruleset; nft add table inet others"),
            Site(FIREWALL),
            Keel(APPLY, 2),
            Sh(
                "nft list table inet demo | grep -q 'tcp dport 25 drop' && nft list table inet others && grep -q 'dport 25' /etc/nftables.conf",
            ),
            Keel(APPLY, 0),
            Sh("nft add rule inet demo out tcp dport 26 drop"),
            Keel(APPLY, 2),
            Sh("! nft list table inet demo | grep -q 'dport 26'"),
            Keel(APPLY, 0),
            Site("nftables firewall content=\"table inet demo {\\n\\tchain out { nonsense }\\n}\\n\""),
            Keel(APPLY, 4),
            Said("nft refuses"),
            Sh("nft list table inet demo | grep -q 'tcp dport 25 drop'"),
        ],
    ),
    row(
        "rules that cut the host off are taken back",
        &[
            Sh("nft flush ruleset; nft add table inet before"),
            Site(CUTTING),
            Keel(APPLY, 4),
            Said("the old ones are back"),
            Sh("nft list table inet before && ! nft list table inet cut && ! systemctl list-timers | grep -q keel-nftables"),
        ],
    ),
    row(
        "rules under which the host can do what it must stay",
        &[
            Sh("nft flush ruleset"),
            Site(
                "nftables cut confirm=\"/bin/true\" confirm_timeout=5 content=\"table inet cut {\\n\\tchain out {\\n\\t\\ttype filter hook output priority 0\\n\\t}\\n}\\n\"",
            ),
            Keel(APPLY, 2),
            Sh(
                "nft list table inet cut && ! systemctl list-timers | grep -q keel-nftables && ! ls /run/keel-nftables-*; nft flush ruleset",
            ),
        ],
    ),
    row(
        "rules that were on trial when a run was killed have to prove themselves again, and are not kept for the boot",
        &[
            Sh("nft flush ruleset; nft add table inet kept"),
            Site(SLOWLY_CUTTING),
            Sh(KILL_ON_TRIAL),
            Site(CUTTING),
            Keel("plan", 2),
            Said("on trial by a run that was ended"),
            Keel(APPLY, 4),
            Said("the old ones are back"),
            Sh(ALL_OLD),
        ],
    ),
    row(
        "rules that were on trial when a run was killed go by themselves when their time is over",
        &[
            Sh("nft flush ruleset; nft add table inet kept"),
            Site(SLOWLY_CUTTING),
            Sh(KILL_ON_TRIAL),
            // What the timer does then is done now.
            Sh("timer=$(systemctl list-units --all --plain --no-legend 'keel-nftables-*-revert.timer' | cut -d' ' -f1)
                systemctl start ${timer%.timer}.service && systemctl stop $timer"),
            Sh(ALL_OLD),
        ],
    ),
    row(
        "what a host says of itself plans to nothing there",
        &[
            Sh("useradd -m -c 'with {{ braces }}' insp; crontab -l >/dev/null 2>&1; systemctl mask ctrl-alt-del.target >/dev/null 2>&1"),
            Sh("(echo 'group all {'; keel inspect --all; echo '}') >/root/site/manifests/site.kdl"),
            Keel("plan", 0),
            Sh("keel inspect user insp | grep -q 'with {{ braces }}' && ! keel inspect user nobody-here && ! keel inspect line"),
        ],
    ),
];

const FIREWALL: &str = "nftables firewall content=\"table inet demo {\\n\\tchain out {\\n\\t\\ttype filter hook output priority 0\\n\\t\\ttcp dport 25 drop\\n\\t}\\n}\\n\"";
const CUTTING: &str = "nftables cut confirm_tcp=\"127.0.0.1:8140\" confirm_timeout=3 content=\"table inet cut {\\n\\tchain out {\\n\\t\\ttype filter hook output priority 0\\n\\t\\ttcp dport 8140 drop\\n\\t}\\n}\\n\"";
/// The same rules with more time to prove themselves than a run lives.
const SLOWLY_CUTTING: &str = "nftables cut confirm_tcp=\"127.0.0.1:8140\" confirm_timeout=600 content=\"table inet cut {\\n\\tchain out {\\n\\t\\ttype filter hook output priority 0\\n\\t\\ttcp dport 8140 drop\\n\\t}\\n}\\n\"";
/// Ends a run while its rules are on trial.
const KILL_ON_TRIAL: &str = "keel apply /root/site >/dev/null 2>&1 </dev/null & keel=$!
timeout 120 sh -c 'until nft list tables | grep -q inet.cut; do sleep 0.1; done' && kill -9 $keel; wait $keel; nft list tables | grep -q 'inet cut'";
/// Nothing of a trial is left: the old rules are there, and no file of it or timer.
const ALL_OLD: &str = "! nft list tables | grep -q 'inet cut' && nft list tables | grep -q 'inet kept' && ! ls /run/keel-nftables-* 2>/dev/null \
    && ! systemctl list-timers | grep -q keel-nftables && ! grep -qs 'dport 8140' /etc/nftables.conf";
