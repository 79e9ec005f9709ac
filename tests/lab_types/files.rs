//! Rows of `file`: what it writes, what it leaves alone, and where its bytes come from.

use super::{APPLY, Keel, Row, Said, Sh, Site, row};

pub(super) const ROWS: [Row; 18] = [
    row(
        "contents are exact bytes: no newline is added, line ends and umlauts stay",
        &[
            Site("file \"/tmp/row/f\" content=\"a\\r\\nü\""),
            Keel(APPLY, 2),
            Sh("printf 'a\\r\\n\\303\\274' | cmp - /tmp/row/f"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a symbolic mode starts from the mode that is there",
        &[
            Sh("touch /tmp/row/f; chmod 600 /tmp/row/f"),
            Site("file \"/tmp/row/f\" mode=\"g+r,o-rwx\""),
            Keel(APPLY, 2),
            Sh("test $(stat -c %a /tmp/row/f) = 640"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a file goes, a link goes alone, and what is not there is no change",
        &[
            Sh("cd /tmp/row; echo x >file; echo x >target; ln -s target link"),
            Site("file \"/tmp/row/file\" \"/tmp/row/link\" \"/tmp/row/none\" ensure=absent"),
            Keel(APPLY, 2),
            Sh("test \"$(ls /tmp/row)\" = target"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a directory takes the place of a file",
        &[Sh("echo x >/tmp/row/d"), Site("file \"/tmp/row/d\" ensure=directory"), Keel(APPLY, 2), Sh("test -d /tmp/row/d")],
    ),
    row(
        "a link is made and pointed elsewhere, and need not lead anywhere",
        &[
            Site("file \"/tmp/row/l\" target=\"one\""),
            Keel(APPLY, 2),
            Sh("test $(readlink /tmp/row/l) = one"),
            Site("file \"/tmp/row/l\" target=\"two\""),
            Keel(APPLY, 2),
            Said("one -> two"),
            Sh("test $(readlink /tmp/row/l) = two"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "the mode of a link is nobody's, and with links=follow that of its target is meant",
        &[
            Sh("cd /tmp/row; echo x >t; chmod 644 t; ln -s t l"),
            Site("file \"/tmp/row/l\" mode=\"0600\""),
            Keel(APPLY, 0),
            Site("file \"/tmp/row/l\" mode=\"0600\" links=follow"),
            Keel(APPLY, 2),
            Sh("test -L /tmp/row/l && test $(stat -c %a /tmp/row/t) = 600"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "of a source that is a link the bytes behind it come",
        &[
            Sh("cd /tmp/row; echo x >t; ln -s t l"),
            Site("file \"/tmp/row/c\" source=\"/tmp/row/l\""),
            Keel(APPLY, 2),
            Sh("test ! -L /tmp/row/c && test $(cat /tmp/row/c) = x"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "with replace=#false a content stays as it is, and the mode does not",
        &[
            Sh("echo own >/tmp/row/f; chmod 644 /tmp/row/f"),
            Site("file \"/tmp/row/f\" content=x mode=\"0600\" replace=#false\nfile \"/tmp/row/g\" content=x replace=#false"),
            Keel(APPLY, 2),
            Sh("test $(cat /tmp/row/f) = own && test $(stat -c %a /tmp/row/f) = 600 && test $(cat /tmp/row/g) = x"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a source on the host is copied without its mode",
        &[
            Sh("echo x >/tmp/row/s; chmod 600 /tmp/row/s"),
            Site("file \"/tmp/row/c\" source=\"/tmp/row/s\""),
            Keel(APPLY, 2),
            Sh("test $(stat -c %a /tmp/row/c) = 644 && cmp /tmp/row/s /tmp/row/c"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a source that is not there fails the file, and nothing is made",
        &[Site("file \"/tmp/row/c\" source=\"/tmp/row/s\""), Keel(APPLY, 4), Said("/tmp/row/s"), Sh("test -z \"$(ls -A /tmp/row)\"")],
    ),
    row(
        "of several sources the first that is there is taken",
        &[
            Sh("echo two >/tmp/row/2; echo three >/tmp/row/3"),
            Site("file \"/tmp/row/c\" {\n source \"/tmp/row/1\" \"/tmp/row/2\" \"/tmp/row/3\"\n}"),
            Keel(APPLY, 2),
            Sh("test $(cat /tmp/row/c) = two"),
            Keel(APPLY, 0),
        ],
    ),
    row("a content and a source exclude each other", &[Site("file \"/tmp/row/c\" content=x source=\"/tmp/row/s\""), Keel(APPLY, 1)]),
    row(
        "a tree is mirrored, and what else is there stays",
        &[
            Sh("cd /tmp/row; mkdir -p s/sub d; echo 1 >s/a; echo 2 >s/sub/b; echo own >d/own"),
            Site("file \"/tmp/row/d\" source=\"/tmp/row/s\" recurse=#true"),
            Keel(APPLY, 2),
            Sh("cd /tmp/row/d; test $(cat a sub/b own | xargs | tr -d ' ') = 12own"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "recurselimit bounds the depth, and what a file in a tree says of itself counts",
        &[
            Sh("cd /tmp/row; mkdir -p s/sub; echo 1 >s/a; echo 2 >s/b; echo 3 >s/sub/c"),
            Site(
                "file \"/tmp/row/d\" source=\"/tmp/row/s\" recurse=#true recurselimit=1 mode=\"0640\"\n\
                 file \"/tmp/row/d/a\" content=own mode=\"0600\"",
            ),
            Keel(APPLY, 2),
            Sh("cd /tmp/row/d; test $(cat a) = own && test $(stat -c %a a) = 600 && test $(stat -c %a b) = 640 && ! test -e sub/c"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "the old content is kept beside the file, or in the store, from where it comes back",
        &[
            Sh("echo old >/tmp/row/f; echo old >/tmp/row/g"),
            Site("file \"/tmp/row/f\" content=new backup=\".bak\"\nfile \"/tmp/row/g\" content=new"),
            Keel(APPLY, 2),
            Sh("test $(cat /tmp/row/f.bak) = old && ! test -e /tmp/row/g.bak"),
            Sh("keel undo last && test $(cat /tmp/row/g) = old"),
        ],
    ),
    row(
        "a named pipe is there for who wants anything, and makes room for a file",
        &[
            Sh("mkfifo /tmp/row/p"),
            Site("file \"/tmp/row/p\""),
            Keel(APPLY, 0),
            Site("file \"/tmp/row/p\" content=x"),
            Keel(APPLY, 2),
            Sh("test -f /tmp/row/p"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "one file declared twice alike is one, and otherwise an error that stops everything",
        &[
            Site("file \"/tmp/row/f\" content=x\nfile \"/tmp/row/f\" content=x"),
            Keel(APPLY, 2),
            Site("file \"/tmp/row/f\" content=x\nfile \"/tmp/row/f\" content=y\nfile \"/tmp/row/g\" content=x"),
            Keel(APPLY, 1),
            Sh("! test -e /tmp/row/g"),
        ],
    ),
    row(
        "what stands at a path is printed as a manifest that keeps it",
        &[
            Sh("cd /tmp/row; echo x >f; chmod 4755 f; mkdir -m 2750 d; chown games:mail d; ln -s f l; printf '[a]\\nb = c d\\n' >i.ini"),
            Sh("printf '<a b=\"1\"><c/><c x=\"2\">t</c></a>\\n' >/tmp/row/x.xml; mkdir -p /root/site/manifests"),
            Sh("(echo 'group all {'; keel inspect file /tmp/row/f; keel inspect file /tmp/row/d; keel inspect file /tmp/row/l; \
                 keel inspect ini /tmp/row/i.ini; keel inspect xml_value /tmp/row/x.xml; echo '}') >/root/site/manifests/site.kdl"),
            Sh("grep -q 'allow_setuid=#true' /root/site/manifests/site.kdl && grep -q 'c d' /root/site/manifests/site.kdl"),
            Keel("plan", 0),
            Keel(APPLY, 0),
        ],
    ),
];
