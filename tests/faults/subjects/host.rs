//! Subjects that hold what a host knows: its tables, accounts, settings and keys.

use super::{Needs, PLAIN, Subject};

const ACCOUNTS: &[(&str, &str)] = &[
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nada:x:1000:100::/home/ada:/bin/sh\nbob:x:1001:100::/home/bob:/bin/sh\n"),
    ("/etc/shadow", "root:*:19000:0:99999:7:::\nada:!:19000:0:99999:7:::\nbob:!:19000:0:99999:7:::\n"),
    ("/etc/group", "root:x:0:\nusers:x:100:\nold:x:300:\ngone:x:301:\ncrontab:x:101:\n"),
    ("/etc/gshadow", "root:*::\nusers:*::\nold:!::\ngone:!::\ncrontab:!::\n"),
    ("/etc/login.defs", "UID_MIN 1000\nUSERGROUPS_ENAB yes\n"),
    ("/var/spool/cron/crontabs/root", "# by hand\n5 4 * * * backup\n# Evenkeel: old\n1 1 * * * run\n# Evenkeel: gone\n2 2 * * * go\n"),
];

/// What the tools for accounts keep of the files before their last step.
const BACKUPS: &[&str] = &["etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-"];

pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "host",
        types: &["host"],
        files: &[("/etc/hosts", "::1 b\n")],
        manifest: r#"host a ip="10.0.0.1" aliases="x""#,
        ..PLAIN
    },
    Subject {
        name: "mount",
        types: &["mount"],
        files: &[("/etc/fstab", "/dev/a / ext4 defaults 0 1\n")],
        manifest: r#"mount "/srv" device="/dev/b" fstype=xfs"#,
        ..PLAIN
    },
    Subject {
        name: "sysctl",
        types: &["sysctl"],
        files: &[("/proc/sys/vm/x", "1\n"), ("/etc/sysctl.d/", ""), ("/etc/sysctl.d/60-vm.y.conf", "vm.y = 1\n")],
        manifest: "sysctl vm.x value=2\nsysctl vm.y ensure=absent",
        // The kernel takes a setting whole; the file that stands for it here is emptied first.
        foreign: &["proc"],
        ..PLAIN
    },
    Subject {
        name: "group",
        types: &["group"],
        files: ACCOUNTS,
        manifest: "group web gid=500\ngroup old gid=302 { members ada; }\ngroup gone ensure=absent",
        foreign: &["etc"],
        varying: BACKUPS,
        needs: Needs::Root,
        ..PLAIN
    },
    Subject {
        name: "user",
        types: &["user"],
        files: ACCOUNTS,
        manifest: "user eve uid=1007 gid=users managehome=#true\nuser ada comment=Ada\nuser bob ensure=absent",
        foreign: &["etc", "home", "var"],
        varying: BACKUPS,
        needs: Needs::Root,
        ..PLAIN
    },
    Subject {
        name: "cron",
        types: &["cron"],
        files: ACCOUNTS,
        manifest: "cron sweep command=sweep hour=3\ncron old command=run special=daily\ncron gone ensure=absent",
        foreign: &["var/spool/cron/crontabs/root"],
        needs: Needs::Root,
        ..PLAIN
    },
    Subject {
        name: "apt_repository, apt_pin",
        types: &["apt_repository", "apt_pin"],
        files: &[("/etc/apt/sources.list.d/old.sources", "x\n"), ("/etc/apt/preferences.d/", "")],
        manifest: r#"
            apt_repository new uris="https://x.example" suites=bookworm components=main content="key"
            apt_repository old ensure=absent
            apt_pin new pin="origin x" priority=7
        "#,
        ..PLAIN
    },
    Subject {
        name: "systemd_unit",
        types: &["systemd_unit"],
        files: &[("/etc/systemd/system/old.service", "[Service]\n")],
        manifest: r#"
            systemd_unit "x.service" { section { Service { ExecStart "/bin/x"; }; }; }
            systemd_unit "old.service" ensure=absent
        "#,
        ..PLAIN
    },
    Subject {
        name: "hostname, timezone, locale",
        types: &["hostname", "timezone", "locale"],
        files: &[
            ("/etc/hostname", "old\n"),
            ("/proc/sys/kernel/hostname", "old\n"),
            ("/usr/share/zoneinfo/UTC", ""),
            ("/etc/locale.gen", "# en_GB.UTF-8 UTF-8\n"),
            ("/etc/default/", ""),
        ],
        manifest: "hostname db-1\ntimezone UTC\nlocale \"en_GB.UTF-8\" default=#true",
        // The kernel takes its settings whole, the file that stands for one does not.
        foreign: &["proc"],
        ..PLAIN
    },
    Subject {
        name: "kernel_module, nftables",
        types: &["kernel_module", "nftables"],
        files: &[("/etc/modules-load.d/", ""), ("/etc/modprobe.d/", ""), ("/etc/nftables.conf", "old\n")],
        manifest: r#"
            kernel_module x options="a=1"
            nftables x content="table inet a {\n}\n"
        "#,
        ..PLAIN
    },
    Subject {
        name: "swap",
        types: &["swap"],
        files: &[("/etc/fstab", "/dev/a / ext4 defaults 0 1\n")],
        manifest: "swap \"/new\" size=\"64K\"",
        // Each swap space has a number of its own.
        foreign: &["new"],
        varying: &["new"],
        ..PLAIN
    },
    Subject {
        name: "swap that goes",
        types: &["swap"],
        files: &[("/etc/fstab", "/old none swap sw 0 0\n"), ("/old", "x")],
        manifest: "swap \"/old\" ensure=absent",
        ..PLAIN
    },
    Subject {
        name: "ssh_known_host",
        types: &["ssh_known_host"],
        files: &[("/etc/ssh/ssh_known_hosts", "b ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX\n")],
        manifest: "ssh_known_host a key=\"AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX\"",
        ..PLAIN
    },
    Subject {
        name: "ssh_authorized_key, acl",
        types: &["ssh_authorized_key", "acl"],
        files: &[
            ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nada:x:1000:100::/home/ada:/bin/sh\n"),
            ("/home/ada/x", ""),
            ("/srv/www/a", ""),
        ],
        manifest: r#"
            ssh_authorized_key "ada@x" user=ada key="AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX"
            acl "/srv/www" entries="user:ada:rwX" recurse=#true
        "#,
        needs: Needs::Root,
        ..PLAIN
    },
    Subject {
        name: "alternatives",
        types: &["alternatives"],
        files: &[
            ("/var/lib/dpkg/alternatives/editor", "manual\n/usr/bin/editor\n\n/bin/ed\n-100\n/bin/nano\n40\n\n"),
            ("/bin/ed", ""),
            ("/bin/nano", ""),
            ("/usr/bin/", ""),
            ("/etc/alternatives/", ""),
            ("/var/log/", ""),
        ],
        manifest: r#"alternatives editor path="/bin/ed""#,
        foreign: &["var", "usr/bin", "etc/alternatives"],
        varying: &["var/log"],
        ..PLAIN
    },
];
