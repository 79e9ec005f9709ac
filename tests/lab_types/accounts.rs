//! Rows of `user` and `group`.

use super::{APPLY, Keel, NotSaid, Row, Said, Sh, Site, row};

pub(super) const ROWS: [Row; 21] = [
    row(
        "a user is made, without a home, and a second run finds nothing",
        &[Site("user u1 uid=4001"), Keel(APPLY, 2), Sh("test $(id -u u1) = 4001 && ! test -e /home/u1"), Keel(APPLY, 0)],
    ),
    row("with managehome the home is made", &[Site("user u2 managehome=#true"), Keel(APPLY, 2), Sh("test -d /home/u2")]),
    row(
        "a new home without managehome changes the table only",
        &[
            Sh("useradd -m u3"),
            Site("user u3 home=\"/srv/u3\""),
            Keel(APPLY, 2),
            Sh("getent passwd u3 | grep -q :/srv/u3: && test -d /home/u3 && ! test -e /srv/u3"),
        ],
    ),
    row(
        "a removed user keeps the home unless managehome",
        &[
            Sh("useradd -m u4; useradd -m u5"),
            Site("user u4 ensure=absent\nuser u5 ensure=absent managehome=#true"),
            Keel(APPLY, 2),
            Sh("! id u4 2>/dev/null && test -d /home/u4 && ! test -e /home/u5"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "groups are added to, or are exactly the list",
        &[
            Sh("groupadd g1; groupadd g2; groupadd g3; useradd -G g1 u6; useradd -G g1 u7"),
            Site("user u6 {\n groups g2 g3\n}\nuser u7 membership=inclusive {\n groups g2\n}"),
            Keel(APPLY, 2),
            Sh("test \"$(id -nG u6 | tr ' ' '\\n' | sort | xargs)\" = 'g1 g2 g3 u6'"),
            Sh("test \"$(id -nG u7 | tr ' ' '\\n' | sort | xargs)\" = 'g2 u7'"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a group that is not there fails the user and leaves it as it was",
        &[
            Sh("useradd -s /bin/sh u8"),
            Site("user u8 shell=\"/bin/bash\" {\n groups nosuch\n}"),
            Keel(APPLY, 4),
            Sh("! id -nG u8 | grep -q nosuch"),
        ],
    ),
    row(
        "a number that another user has is refused",
        &[Sh("useradd -u 4109 u9"), Site("user u10 uid=4109"), Keel(APPLY, 4), Sh("! id u10 2>/dev/null")],
    ),
    row(
        "unless that is allowed",
        &[Sh("useradd -u 4111 u11"), Site("user u12 uid=4111 allowdupe=#true"), Keel(APPLY, 2), Sh("grep -q ^u12:x:4111: /etc/passwd")],
    ),
    row(
        "a group declared after its user is made before it",
        &[Site("user u13 gid=g13\ngroup g13 gid=4213"), Keel(APPLY, 2), Sh("test $(id -g u13) = 4213")],
    ),
    row(
        "a password is set and never shown",
        &[
            Sh("useradd u14"),
            Site("user u14 password=\"$6$canary$0123456789012345678901234567890123456789012345678901234567890123456789012345678901234.\""),
            Keel("plan", 2),
            NotSaid("canary"),
            Keel(APPLY, 2),
            NotSaid("canary"),
            Sh("grep -q '^u14:$6$canary' /etc/shadow"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "an account ends on its day, and never again",
        &[
            Sh("useradd u15"),
            Site("user u15 expiry=\"2040-01-31\""),
            Keel(APPLY, 2),
            Sh("test \"$(cut -d: -f1,8 /etc/shadow | grep ^u15: | cut -d: -f2)\" = 25597"),
            Site("user u15 expiry=never"),
            Keel(APPLY, 2),
            Sh("test -z \"$(cut -d: -f1,8 /etc/shadow | grep ^u15: | cut -d: -f2)\""),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a name that is an option is refused before anything is done",
        &[Site("user \"-rf\"\ngroup fine"), Keel(APPLY, 1), Sh("! getent group fine")],
    ),
    row(
        "a comment with an umlaut stays one",
        &[Site("user u16 comment=\"Jürgen Müller\""), Keel(APPLY, 2), Sh("getent passwd u16 | grep -q 'Jürgen Müller'"), Keel(APPLY, 0)],
    ),
    row(
        "a group gets its number",
        &[Sh("groupadd -g 4301 g20"), Site("group g20 gid=4302"), Keel(APPLY, 2), Sh("getent group g20 | grep -q :4302:"), Keel(APPLY, 0)],
    ),
    row(
        "the primary group of a user cannot be removed",
        &[Sh("useradd u21"), Site("group u21 ensure=absent"), Keel(APPLY, 4), Sh("getent group u21"), Said("u21")],
    ),
    row(
        "members are added, or are exactly the list",
        &[
            Sh(
                "useradd u22; useradd u23; groupadd -U u22 g22 2>/dev/null || { groupadd g22; gpasswd -a u22 g22; }; groupadd g23; gpasswd -a u22 g23",
            ),
            Site("group g22 {\n members u23\n}\ngroup g23 membership=inclusive {\n members u23\n}"),
            Keel(APPLY, 2),
            Sh("getent group g22 | grep -q 'u22,u23$' && getent group g23 | grep -q ':u23$'"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a system group is numbered among the system's",
        &[Site("group g24 system=#true"), Keel(APPLY, 2), Sh("test $(getent group g24 | cut -d: -f3) -lt 1000")],
    ),
    row(
        "purged users are people's, with their jobs, and nobody that something declared needs",
        &[
            Sh(
                "useradd u40; useradd u41; useradd u42; useradd -r u43; for u in $(awk -F: '$3>=1000 && $3<60000 {print $1}' /etc/passwd | grep -v '^u4[012]$'); do userdel $u || true; done",
            ),
            Sh("echo '1 2 * * * /bin/true' | crontab -u u40 - 2>/dev/null || true"),
            Site("purge user max=2\npurge cron max=5\nuser u41\nfile \"/srv/of-u42\" owner=u42 content=x"),
            Keel("plan", 2),
            Said("- user \"u40\""),
            NotSaid("\"u42\""),
            Keel(APPLY, 2),
            Sh("! id u40 2>/dev/null && id u41 && id u42 && id u43 && id root && id nobody && ! test -s /var/spool/cron/crontabs/u40"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a purged user's own group goes in the same run, and one of a user that stays does not",
        &[
            Sh(
                "sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB no/' /etc/login.defs; useradd -U u60; useradd -U u61; groupadd g62; groupadd g63; useradd -g g63 u63",
            ),
            Site("purge user max=99 keep=u61\npurge group max=99"),
            Keel(APPLY, 2),
            Sh("sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB yes/' /etc/login.defs"),
            Sh("! id u60 2>/dev/null && ! getent group u60 && ! getent group g62 && ! getent group g63 && id u61 && getent group u61"),
            Keel(APPLY, 0),
            Sh("userdel u61"),
        ],
    ),
    row(
        "more than may be purged is refused before anything is changed, and the flag allows it",
        &[
            Sh("useradd u50; useradd u51; useradd u52"),
            Site("purge user max=2 keep=\"u4*\"\nuser u53"),
            Keel(APPLY, 1),
            Said("--purge-max user=3"),
            Sh("id u50 && id u52 && ! id u53 2>/dev/null"),
            Keel("apply --purge-max user=3", 2),
            Sh("! id u50 2>/dev/null && ! id u52 2>/dev/null && id u53"),
        ],
    ),
    row("a plan makes nobody", &[Site("user u30\ngroup g30"), Keel("plan", 2), Sh("! id u30 2>/dev/null && ! getent group g30")]),
];
