//! Rows of `file` and `exec` that want a real host.

use super::{APPLY, Keel, NotSaid, Row, Said, Sh, Site, row};

pub(super) const ROWS: [Row; 34] = [
    row(
        "an empty file has mode 0644 whatever the umask",
        &[Site("file \"/tmp/row/f\" ensure=file"), Keel(APPLY, 2), Sh("test \"$(stat -c '%a %s' /tmp/row/f)\" = '644 0'"), Keel(APPLY, 0)],
    ),
    row(
        "a directory gets the search bit where it has the read bit",
        &[
            Site("file \"/tmp/row/d\" ensure=directory mode=\"0640\""),
            Keel(APPLY, 2),
            Sh("test $(stat -c %a /tmp/row/d) = 750"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "other contents come by another inode, owner and mode stay",
        &[
            Sh("echo old >/tmp/row/f; chown games:mail /tmp/row/f; chmod 604 /tmp/row/f; stat -c %i /tmp/row/f >/tmp/row/inode"),
            Site("file \"/tmp/row/f\" content=\"new\""),
            Keel(APPLY, 2),
            Sh(
                "test \"$(stat -c '%U:%G %a %s' /tmp/row/f)\" = 'games:mail 604 3' && test $(stat -c %i /tmp/row/f) != $(cat /tmp/row/inode)",
            ),
            Sh("stat -c %i /tmp/row/f >/tmp/row/inode"),
            Keel(APPLY, 0),
            Sh("test $(stat -c %i /tmp/row/f) = $(cat /tmp/row/inode)"),
        ],
    ),
    row("a mode as a number is refused", &[Site("file \"/tmp/row/f\" mode=644"), Keel(APPLY, 1), Sh("! test -e /tmp/row/f")]),
    row(
        "a plain mode clears special bits",
        &[
            Sh("touch /tmp/row/f; chmod 4755 /tmp/row/f"),
            Site("file \"/tmp/row/f\" mode=\"755\""),
            Keel(APPLY, 2),
            Sh("test $(stat -c %a /tmp/row/f) = 755"),
        ],
    ),
    row("a missing parent fails the file", &[Site("file \"/tmp/row/no/f\" content=x"), Keel(APPLY, 4)]),
    row(
        "a parent declared later comes first",
        &[Site("file \"/tmp/row/p/f\" content=x\nfile \"/tmp/row/p\" ensure=directory"), Keel(APPLY, 2), Sh("test -f /tmp/row/p/f")],
    ),
    row(
        "an unknown owner fails the file and leaves none behind",
        &[
            Site("file \"/tmp/row/f\" content=x owner=nosuchuser"),
            Keel(APPLY, 4),
            Sh("! test -e /tmp/row/f && test -z \"$(ls -A /tmp/row)\""),
        ],
    ),
    row(
        "an owner made in the same run is there in time",
        &[
            Site("file \"/tmp/row/f\" content=x owner=late group=late\nuser late gid=late\ngroup late"),
            Keel(APPLY, 2),
            Sh("test $(stat -c %U:%G /tmp/row/f) = late:late"),
        ],
    ),
    row(
        "a full directory is not removed without force, and that is a failure",
        &[
            Sh("mkdir /tmp/row/d; touch /tmp/row/d/f"),
            Site("file \"/tmp/row/d\" ensure=absent"),
            Keel(APPLY, 4),
            Sh("test -f /tmp/row/d/f"),
            Site("file \"/tmp/row/d\" ensure=absent force=#true"),
            Keel(APPLY, 2),
            Sh("! test -e /tmp/row/d"),
        ],
    ),
    row(
        "a file does not replace a directory without force",
        &[Sh("mkdir /tmp/row/d"), Site("file \"/tmp/row/d\" ensure=file"), Keel(APPLY, 4), Sh("test -d /tmp/row/d")],
    ),
    row(
        "a file replaces a link and not what it points to",
        &[
            Sh("echo target >/tmp/row/t; ln -s t /tmp/row/l"),
            Site("file \"/tmp/row/l\" content=new"),
            Keel(APPLY, 2),
            Sh("! test -L /tmp/row/l && test $(cat /tmp/row/t) = target"),
        ],
    ),
    row(
        "a failing check keeps the old file",
        &[
            Sh("echo old >/tmp/row/f"),
            Site("file \"/tmp/row/f\" content=new {\n validate \"/bin/grep\" \"-q\" \"old\" \"%\"\n}"),
            Keel(APPLY, 4),
            Sh("test $(cat /tmp/row/f) = old"),
        ],
    ),
    row(
        "purge removes files, directories only with force",
        &[
            Sh("mkdir -p /tmp/row/d/sub; touch /tmp/row/d/kept /tmp/row/d/extra /tmp/row/d/sub/f"),
            Site("file \"/tmp/row/d\" ensure=directory recurse=#true purge=#true\nfile \"/tmp/row/d/kept\" ensure=file"),
            Keel("apply", 2),
            Sh("test -f /tmp/row/d/kept && ! test -e /tmp/row/d/extra && test -d /tmp/row/d/sub"),
            Keel("apply --only (file)/tmp/row/d", 0),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a directory whose mode follows the umask",
        &[Site("file \"/tmp/row/d\" ensure=directory"), Keel(APPLY, 2), Sh("test $(stat -c %a /tmp/row/d) = 755")],
    ),
    row("an unguarded command has to say that it always runs", &[Site("exec \"/bin/true\""), Keel(APPLY, 1)]),
    row(
        "and then runs each time",
        &[
            Site("exec count always=#true {\n command \"/bin/sh\" \"-c\" \"echo x >>/tmp/row/n\"\n}"),
            Keel(APPLY, 2),
            Keel(APPLY, 2),
            Sh("test $(wc -l </tmp/row/n) = 2"),
        ],
    ),
    row(
        "a failing command fails, one of the listed codes does not",
        &[
            Site("exec fails always=#true {\n command \"/bin/false\"\n}"),
            Keel(APPLY, 4),
            Site("exec fails always=#true {\n command \"/bin/false\"\n returns 0 1\n}"),
            Keel(APPLY, 2),
        ],
    ),
    row(
        "creates, unless and onlyif keep it from running",
        &[
            Sh("touch /tmp/row/there"),
            Site(
                "exec a creates=\"/tmp/row/there\" {\n command \"/usr/bin/touch\" \"/tmp/row/a\"\n}\n\
             exec b unless=\"/bin/true\" {\n command \"/usr/bin/touch\" \"/tmp/row/b\"\n}\n\
             exec c onlyif=\"/bin/false\" {\n command \"/usr/bin/touch\" \"/tmp/row/c\"\n}",
            ),
            Keel(APPLY, 0),
            Sh("test \"$(ls /tmp/row)\" = there"),
        ],
    ),
    row(
        "a program that is not there fails",
        &[Site("exec x always=#true {\n command \"/no/such/program\"\n}"), Keel(APPLY, 4), Said("/no/such/program")],
    ),
    row(
        "a working folder that is not there fails",
        &[Site("exec x always=#true cwd=\"/no/such\" {\n command \"/bin/true\"\n}"), Keel(APPLY, 4)],
    ),
    row(
        "a command that takes too long is ended with all its children",
        &[
            Site("exec x always=#true timeout=\"1s\" {\n command \"/bin/sh\" \"-c\" \"sleep 777 & sleep 777\"\n}"),
            Keel(APPLY, 4),
            Sh("! pgrep -f 'sleep [7]77'"),
        ],
    ),
    row(
        "tries runs it so often",
        &[
            Site("exec x always=#true tries=3 {\n command \"/bin/sh\" \"-c\" \"echo x >>/tmp/row/n; false\"\n}"),
            Keel(APPLY, 4),
            Sh("test $(wc -l </tmp/row/n) = 3"),
        ],
    ),
    row(
        "what a failing command printed is shown",
        &[
            Site("exec x always=#true {\n command \"/bin/sh\" \"-c\" \"echo to-out; echo to-err >&2; exit 3\"\n}"),
            Keel(APPLY, 4),
            Said("to-out"),
            Said("to-err"),
        ],
    ),
    row(
        "arguments are literal, no shell reads them",
        &[Site("exec x always=#true {\n command \"/usr/bin/touch\" \"/tmp/row/a;b\"\n}"), Keel(APPLY, 2), Sh("test -f '/tmp/row/a;b'")],
    ),
    row(
        "a user runs it",
        &[
            Sh("chmod 777 /tmp/row"),
            Site("exec x always=#true user=games {\n command \"/usr/bin/touch\" \"/tmp/row/mine\"\n}"),
            Keel(APPLY, 2),
            Sh("test $(stat -c %U /tmp/row/mine) = games"),
        ],
    ),
    row(
        "a child left behind does not hold the run",
        &[
            Site("exec x always=#true {\n command \"/bin/sh\" \"-c\" \"sleep 30 & true\"\n}"),
            Sh("date +%s >/tmp/row/start"),
            Keel(APPLY, 2),
            Sh("test $(($(date +%s) - $(cat /tmp/row/start))) -lt 15"),
        ],
    ),
    row(
        "megabytes of output do not block it",
        &[Site("exec x always=#true {\n command \"/usr/bin/head\" \"-c\" \"9000000\" \"/dev/zero\"\n}"), Keel(APPLY, 2)],
    ),
    row(
        "any path that is there, any success of unless and any failure of onlyif keeps it from running",
        &[
            Sh("touch /tmp/row/there"),
            Site(
                "exec a {\n command \"/usr/bin/touch\" \"/tmp/row/a\"\n creates \"/tmp/row/none\" \"/tmp/row/there\"\n}\n\
                 exec b {\n command \"/usr/bin/touch\" \"/tmp/row/b\"\n unless \"false\" \"true\"\n}\n\
                 exec c {\n command \"/usr/bin/touch\" \"/tmp/row/c\"\n onlyif \"true\" \"false\"\n}",
            ),
            Keel(APPLY, 0),
            Sh("test \"$(ls /tmp/row)\" = there"),
        ],
    ),
    row(
        "a guard that takes too long fails the command, which does not run",
        &[
            Site("exec x timeout=\"1s\" unless=\"sleep 60\" {\n command \"/usr/bin/touch\" \"/tmp/row/x\"\n}"),
            Keel(APPLY, 4),
            Sh("! test -e /tmp/row/x && ! pgrep -f 'sleep [6]0'"),
        ],
    ),
    row(
        "a program without a path is looked for in the system's own folders alone",
        &[
            Sh("printf '#!/bin/sh\\ntouch /tmp/row/wrong\\n' >/tmp/row/mytool; chmod 755 /tmp/row/mytool"),
            Site("exec x always=#true cwd=\"/tmp/row\" {\n command mytool\n}"),
            Keel(APPLY, 4),
            Said("mytool"),
            Sh("! test -e /tmp/row/wrong"),
        ],
    ),
    row(
        "the environment is clean but for what is given to it",
        &[
            Site(
                "exec x always=#true {\n command \"/bin/sh\" \"-c\" \"env | sort >/tmp/row/env\"\n environment {\n  GREETING \"ahoy there\"\n }\n}",
            ),
            Sh("LEAKED=1 LD_LIBRARY_PATH=/nowhere HOME=/elsewhere keel apply /root/site >/dev/null"),
            Sh(
                "grep -qx 'GREETING=ahoy there' /tmp/row/env && grep -q '^LC_ALL=C' /tmp/row/env && ! grep -q 'LEAKED\\|^LD_\\|elsewhere' /tmp/row/env",
            ),
        ],
    ),
    row(
        "what a command wrote is nobody's concern as long as it succeeds",
        &[Site("exec x always=#true shell=\"printf 'chat%s' ter\""), Keel(APPLY, 2), NotSaid("chatter")],
    ),
    row(
        "in a plan guards run and commands do not",
        &[
            Site("exec x unless=\"/usr/bin/test -e /tmp/row/done\" {\n command \"/usr/bin/touch\" \"/tmp/row/done\"\n}"),
            Keel("plan", 2),
            Sh("! test -e /tmp/row/done"),
            Keel(APPLY, 2),
            Keel("plan", 0),
            NotSaid("failed"),
        ],
    ),
];
