//! Rows of order, refreshes and noop.

use super::{APPLY, Keel, NotSaid, Row, Said, Sh, Site, row};

pub(super) const ROWS: [Row; 29] = [
    row(
        "without relations the order is the manifest's",
        &[
            Site(
                "for i in=\"range(5)\" {\n exec \"e{{ i }}\" always=#true {\n  command \"/bin/sh\" \"-c\" \"echo {{ i }} >>/tmp/row/log\"\n  tag x\n }\n}",
            ),
            Keel("apply", 2),
            Sh("test $(sort /tmp/row/log | xargs | tr -d ' ') = 01234"),
        ],
    ),
    row(
        "what fails skips what requires it and nothing else",
        &[
            Site(
                "exec a always=#true {\n command \"/bin/false\"\n}\n\
             file \"/tmp/row/b\" content=x require=(exec)a\nfile \"/tmp/row/c\" content=x",
            ),
            Keel(APPLY, 6),
            Said("exec \"a\" failed"),
            Sh("test \"$(ls /tmp/row)\" = c"),
        ],
    ),
    row(
        "a filtered resource does not skip what requires it",
        &[
            Site("file \"/tmp/row/a\" content=x {\n tag first\n}\nfile \"/tmp/row/b\" content=x require=(file)\"/tmp/row/a\""),
            Keel("apply --skip first", 2),
            Sh("test \"$(ls /tmp/row)\" = b"),
        ],
    ),
    row(
        "a cycle stops everything",
        &[
            Site(
                "file \"/tmp/row/a\" content=x require=(file)\"/tmp/row/b\"\nfile \"/tmp/row/b\" content=x require=(file)\"/tmp/row/a\"\nfile \"/tmp/row/c\" content=x",
            ),
            Keel(APPLY, 1),
            Said("/tmp/row/a"),
            Sh("test -z \"$(ls /tmp/row)\""),
        ],
    ),
    row(
        "a target that is not there stops everything",
        &[
            Site("file \"/tmp/row/a\" content=x require=(file)\"/tmp/row/bb\"\nfile \"/tmp/row/b\" content=x"),
            Keel(APPLY, 1),
            Said("/tmp/row/bb"),
            Sh("test -z \"$(ls /tmp/row)\""),
        ],
    ),
    row(
        "three events refresh once, after all of them",
        &[
            Site(
                "for i in=\"range(3)\" {\n file \"/tmp/row/f{{ i }}\" content=x notify=(exec)r\n}\n\
             exec r refresh_only=#true {\n command \"/bin/sh\" \"-c\" \"ls /tmp/row/f* | wc -l >>/tmp/row/log\"\n}",
            ),
            Keel(APPLY, 2),
            Sh("test \"$(cat /tmp/row/log)\" = 3"),
            Keel(APPLY, 0),
            Sh("test \"$(wc -l </tmp/row/log)\" = 1"),
        ],
    ),
    row(
        "a stopped service with no ensure is not started by an event",
        &[
            Sh(
                "printf '[Service]\\nExecStart=/bin/sleep 1000\\n' >/etc/systemd/system/idle.service; systemctl daemon-reload; systemctl stop idle",
            ),
            Site("file \"/tmp/row/a\" content=x notify=(service)idle\nservice idle"),
            Keel(APPLY, 2),
            Sh("! systemctl is-active idle"),
        ],
    ),
    row(
        "a service started in this run is not restarted for its event",
        &[
            Sh(
                "printf '[Service]\\nExecStartPre=/bin/sh -c \"echo x >>/tmp/row/starts\"\\nExecStart=/bin/sleep 1000\\n' >/etc/systemd/system/once.service; systemctl daemon-reload",
            ),
            Site("file \"/tmp/row/a\" content=x notify=(service)once\nservice once ensure=running"),
            Keel(APPLY, 2),
            Sh("test $(wc -l </tmp/row/starts) = 1; systemctl stop once"),
        ],
    ),
    row(
        "a running service is restarted once for three events, and reloaded where that is asked",
        &[
            Sh("printf '[Service]\\nExecStartPre=/bin/sh -c \"echo start >>/tmp/row/log\"\\nExecStart=/bin/sleep 1000\\n\
             ExecReload=/bin/sh -c \"echo reload >>/tmp/row/log\"\\n' >/etc/systemd/system/twice.service; systemctl daemon-reload; systemctl start twice; rm /tmp/row/log"),
            Site("for i in=\"range(3)\" {\n file \"/tmp/row/f{{ i }}\" content=x notify=(service)twice\n}\nservice twice ensure=running"),
            Keel(APPLY, 2),
            Sh("test \"$(cat /tmp/row/log)\" = start; rm /tmp/row/log"),
            Site("file \"/tmp/row/g\" content=x {\n notify (service)twice effect=reload\n}\nservice twice ensure=running"),
            Keel(APPLY, 2),
            Sh("test \"$(cat /tmp/row/log)\" = reload; systemctl stop twice"),
        ],
    ),
    row(
        "a refresh-only command is silent without an event",
        &[Site("exec r refresh_only=#true {\n command \"/usr/bin/touch\" \"/tmp/row/r\"\n}"), Keel(APPLY, 0), Sh("! test -e /tmp/row/r")],
    ),
    row(
        "a plain command with an event runs once",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)r\nexec r always=#true {\n command \"/bin/sh\" \"-c\" \"echo x >>/tmp/row/n\"\n}",
            ),
            Keel(APPLY, 2),
            Sh("test $(wc -l </tmp/row/n) = 1"),
        ],
    ),
    row(
        "a guard holds in a refresh too, and is not called a refresh",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)r\n\
             exec r refresh_only=#true unless=\"/bin/true\" {\n command \"/usr/bin/touch\" \"/tmp/row/r\"\n}",
            ),
            Keel(APPLY, 2),
            Sh("! test -e /tmp/row/r"),
            NotSaid("ran"),
        ],
    ),
    row(
        "a refresh that fails fails its resource and skips what requires it",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)r\nexec r refresh_only=#true {\n command \"/bin/false\"\n}\n\
             file \"/tmp/row/b\" content=x require=(exec)r",
            ),
            Keel(APPLY, 6),
            Sh("! test -e /tmp/row/b"),
        ],
    ),
    row(
        "what a failed refresh owes is paid by the next run",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)r\nexec r refresh_only=#true {\n command \"/bin/sh\" \"-c\" \"test -e /tmp/row/ok && touch /tmp/row/done\"\n}",
            ),
            Keel(APPLY, 6),
            Sh("touch /tmp/row/ok"),
            Keel(APPLY, 2),
            Sh("test -e /tmp/row/done"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a refresh travels on",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)b\n\
             exec b refresh_only=#true notify=(exec)c {\n command \"/usr/bin/touch\" \"/tmp/row/b\"\n}\n\
             exec c refresh_only=#true {\n command \"/usr/bin/touch\" \"/tmp/row/c\"\n}",
            ),
            Keel(APPLY, 2),
            Sh("test -e /tmp/row/c"),
        ],
    ),
    row(
        "a target skipped by a failure between is refreshed by the next run",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)r\n\
             exec m always=#true {\n command \"/usr/bin/test\" \"-e\" \"/tmp/row/ok\"\n}\n\
             exec r refresh_only=#true require=(exec)m {\n command \"/usr/bin/touch\" \"/tmp/row/done\"\n}",
            ),
            Keel(APPLY, 6),
            Sh("! test -e /tmp/row/done; touch /tmp/row/ok"),
            Keel(APPLY, 2),
            Sh("test -e /tmp/row/done"),
        ],
    ),
    row(
        "a target left out by a filter is refreshed by the next full run",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)r {\n tag config\n}\nexec r refresh_only=#true {\n command \"/usr/bin/touch\" \"/tmp/row/done\"\n}",
            ),
            Keel("apply --only config", 2),
            Sh("! test -e /tmp/row/done"),
            Keel(APPLY, 2),
            Sh("test -e /tmp/row/done"),
        ],
    ),
    row(
        "a run killed between change and refresh owes the refresh",
        &[
            Site(
                "file \"/tmp/row/a\" content=x notify=(exec)r\n\
             exec slow unless=\"/usr/bin/test -e /tmp/row/killed\" require=(file)\"/tmp/row/a\" {\n command \"/bin/sleep\" \"20\"\n}\n\
             exec r refresh_only=#true require=(exec)slow {\n command \"/usr/bin/touch\" \"/tmp/row/done\"\n}",
            ),
            Sh(
                "keel apply /root/site >/tmp/row/out 2>&1 & for i in $(seq 100); do test -e /tmp/row/a && break; sleep 0.1; done; kill -9 $!; touch /tmp/row/killed",
            ),
            Sh("test -e /tmp/row/a && ! test -e /tmp/row/done"),
            Keel(APPLY, 2),
            Sh("test -e /tmp/row/done"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a noop resource refreshes nobody, a noop target is not refreshed",
        &[
            Site(
                "file \"/tmp/row/a\" content=x noop=#true notify=(exec)r\nexec r refresh_only=#true {\n command \"/usr/bin/touch\" \"/tmp/row/r\"\n}\n\
             file \"/tmp/row/b\" content=x notify=(exec)s\nexec s refresh_only=#true noop=#true {\n command \"/usr/bin/touch\" \"/tmp/row/s\"\n}",
            ),
            Keel(APPLY, 2),
            Sh("test \"$(ls /tmp/row)\" = b"),
        ],
    ),
    row(
        "noop on the command line is absolute, whatever the manifest says",
        &[Site("file \"/tmp/row/a\" content=x noop=#false"), Keel("apply --noop", 2), Sh("! test -e /tmp/row/a")],
    ),
    row(
        "of an event that is left out and one that happens one refresh comes",
        &[
            Site(
                "file \"/tmp/row/a\" content=x noop=#true notify=(exec)r\nfile \"/tmp/row/b\" content=x notify=(exec)r\n\
                 exec r refresh_only=#true shell=\"echo x >>/tmp/row/log\"",
            ),
            Keel(APPLY, 2),
            Sh("test $(wc -l </tmp/row/log) = 1 && ! test -e /tmp/row/a"),
        ],
    ),
    row(
        "of several that stand before several each one comes before each",
        &[
            Site(
                "exec a b always=#true shell=\"echo first >>/tmp/row/log\" {\n before (exec)c (exec)d\n}\n\
                 exec c d always=#true shell=\"echo then >>/tmp/row/log\"",
            ),
            Keel(APPLY, 2),
            Sh("test \"$(xargs </tmp/row/log)\" = 'first first then then'"),
        ],
    ),
    row(
        "what fails in a module holds up who requires the module, and nothing else in it",
        &[
            Sh(
                "mkdir -p /root/site/modules/m; printf 'module m {\\n exec bad always=#true { command \"/bin/false\"; }\\n file \"/tmp/row/sibling\" content=x\\n}\\n' >/root/site/modules/m/module.kdl",
            ),
            Site("use m\nfile \"/tmp/row/after\" content=x {\n require (module)m\n}"),
            Keel(APPLY, 6),
            Sh("test \"$(ls /tmp/row)\" = sibling"),
        ],
    ),
    row(
        "who notifies a module refreshes all in it that can be",
        &[
            Sh(
                "mkdir -p /root/site/modules/m; printf 'module m {\\n exec a b refresh_only=#true shell=\"echo x >>/tmp/row/log\"\\n file \"/tmp/row/c\" content=x\\n}\\n' >/root/site/modules/m/module.kdl",
            ),
            Site("use m\nfile \"/tmp/row/a\" content=x {\n notify (module)m\n}"),
            Keel(APPLY, 2),
            Sh("test $(wc -l </tmp/row/log) = 2; rm -r /root/site/modules"),
        ],
    ),
    row(
        "a plan with something to do says so by its exit code, failures do without being asked",
        &[
            Site("file \"/tmp/row/a\" content=x\nexec bad always=#true {\n command \"/bin/false\"\n}"),
            Keel("plan", 2),
            Sh("keel apply /root/site >/dev/null; test $? = 4 && keel plan /root/site >/dev/null"),
        ],
    ),
    row(
        "drift and intent are told apart",
        &[
            Site("file \"/tmp/row/a\" content=x"),
            Keel(APPLY, 2),
            Sh("echo y >/tmp/row/a"),
            Keel("apply", 2),
            Said("drift"),
            Site("file \"/tmp/row/a\" content=z"),
            Keel("apply", 2),
            NotSaid("drift"),
        ],
    ),
    row(
        "a second run says who holds the lock",
        &[
            Site(
                "exec slow always=#true shell=\"touch /tmp/row/began; for i in $(seq 600); do test -e /tmp/row/end && exit; sleep 0.1; done\"",
            ),
            Sh(
                "(keel apply /root/site; touch /tmp/row/over) >/tmp/row/out 2>&1 </dev/null & for i in $(seq 600); do test -e /tmp/row/began && exit; sleep 0.1; done; false",
            ),
            Keel(APPLY, 75),
            Sh("touch /tmp/row/end; for i in $(seq 600); do test -e /tmp/row/over && exit; sleep 0.1; done; false"),
        ],
    ),
    row(
        "a look that fails fails what it was for, and nothing else",
        &[
            Sh("mv /var/lib/dpkg/status /var/lib/dpkg/kept; mkdir /var/lib/dpkg/status"),
            Site("package tree nano\nfile \"/tmp/row/a\" content=x"),
            Keel(APPLY, 6),
            Said("/var/lib/dpkg/status is a directory"),
            Sh("rmdir /var/lib/dpkg/status; mv /var/lib/dpkg/kept /var/lib/dpkg/status; test -e /tmp/row/a"),
        ],
    ),
    row(
        "an override changes what was declared, and what is not meant for a host is not applied",
        &[
            Site(
                "file \"/tmp/row/a\" content=x mode=\"0644\"\noverride (file)\"/tmp/row/a\" mode=\"0600\"\n\
             file \"/tmp/row/b\" content=x when=\"1 > 2\"",
            ),
            Keel(APPLY, 2),
            Sh("test $(stat -c %a /tmp/row/a) = 600 && ! test -e /tmp/row/b"),
        ],
    ),
];
