//! Subjects that hold files, parts of files and trees of them.

use super::{PLAIN, Subject};

pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "file",
        types: &["file"],
        files: &[
            ("/etc/changed", "old\n"),
            ("/etc/beside", "old\n"),
            ("/etc/mode", "same\n"),
            ("/etc/gone", "x\n"),
            ("/etc/becomes-link", "x\n"),
            ("/etc/becomes-file", "-> changed"),
            ("/etc/tree/deep/file", "x\n"),
        ],
        manifest: r#"
            file "/etc/new" content="new\n" mode="0600"
            file "/etc/changed" content="new\n" mode="0640"
            file "/etc/beside" content="new\n" backup=".orig"
            file "/etc/mode" mode="0600"
            file "/etc/gone" ensure=absent
            file "/etc/becomes-link" target="changed"
            file "/etc/becomes-file" content="file\n"
            file "/etc/tree" ensure=absent force=#true
            file "/etc/directory" ensure=directory mode="0750"
            file "/etc/directory/inside" content="x\n"
        "#,
        ..PLAIN
    },
    Subject {
        name: "file with a source",
        types: &["file"],
        files: &[
            ("/src/same", "s\n"),
            ("/src/new/deep", "n\n"),
            ("/src/link", "-> same"),
            ("/dst/same", "s\n"),
            ("/dst/old", "o\n"),
            ("/dst/link/", ""),
            ("/dst/becomes-file/inside", "x\n"),
            ("/src/becomes-file", "f\n"),
            ("/was/inside", "x\n"),
        ],
        manifest: r#"
            file "/dst" source="/src" recurse=#true purge=#true force=#true
            file "/was" content="no directory any more\n" force=#true
            file "/copy" source="/src/same" mode="u+x"
        "#,
        foreign: &["was", "dst/becomes-file", "dst/link"],
        ..PLAIN
    },
    Subject {
        name: "line",
        types: &["line"],
        files: &[("/etc/a", "one\n"), ("/etc/b", "key=1\nother\n"), ("/etc/c", "x\ny\nx\n")],
        manifest: r#"
            line "/etc/a" line="two"
            line "/etc/b" line="key=2" match="^key="
            line "/etc/c" line="x" ensure=absent
        "#,
        ..PLAIN
    },
    Subject {
        name: "block",
        types: &["block"],
        files: &[("/etc/a", "a\n"), ("/etc/b", "# BEGIN b\nx\n# END b\na\n")],
        manifest: r#"
            block a path="/etc/a" content="x\ny\n"
            block b path="/etc/b" ensure=absent
        "#,
        ..PLAIN
    },
    Subject {
        name: "ini",
        types: &["ini"],
        files: &[("/etc/a.ini", "[a]\nx=1\ny=2\n"), ("/etc/b.ini", "[a]\nx=1\n")],
        manifest: r#"
            ini "/etc/a.ini" {
                section a {
                    x "9"
                    y #null
                    z "1" "2"
                }
            }
            ini "/etc/b.ini" ensure=absent {
                section a {
                    x any
                }
            }
            ini "/etc/c.ini" {
                section a {
                    x "1"
                }
            }
        "#,
        ..PLAIN
    },
    Subject {
        name: "key_value",
        types: &["key_value"],
        files: &[("/etc/a", "# A=1\nB=x\n"), ("/etc/b", "B=1\nC=2\n")],
        manifest: r#"
            key_value "/etc/a" { values { A "1"; B #null; }; }
            key_value "/etc/b" ensure=absent { values { C any; }; }
            key_value "/etc/c" format=plain { values { a "1"; }; }
        "#,
        ..PLAIN
    },
    Subject {
        name: "values in json, toml, yaml and xml",
        types: &["json_file", "toml_file", "yaml_file", "xml_value"],
        files: &[
            ("/etc/a.json", "{\"a\": {\"b\": 1}, \"c\": 2}"),
            ("/etc/a.toml", "c = 2 # c\n[a]\nb = 1\n"),
            ("/etc/a.yaml", "a:\n  b: 1 # b\nc: 2\n"),
            ("/etc/a.xml", "<a><b>1</b><c/></a>\n"),
        ],
        manifest: r#"
            json_file "/etc/a.json" { values { "a.b" 2; c #null; }; }
            toml_file "/etc/a.toml" { values { "a.b" 2; c #null; }; }
            yaml_file "/etc/a.yaml" { values { "a.b" 2; c #null; }; }
            xml_value "/etc/a.xml" { values { "/a/b" 2; "/a/c" #null; }; }
            json_file "/etc/b.json" { values { a "x"; }; }
            yaml_file "/etc/b.yaml" { values { "a.b" "x"; }; }
        "#,
        ..PLAIN
    },
    Subject {
        name: "certificate",
        types: &["certificate"],
        files: &[("/etc/ssl/certs/", ""), ("/etc/ssl/private/", ""), ("/etc/ssl/certs/gone.pem", "x\n")],
        manifest: r#"
            certificate "Test CA" authority=#true certificate="/etc/ssl/certs/ca.pem" key="/etc/ssl/private/ca.key"
            certificate web ca_certificate="/etc/ssl/certs/ca.pem" ca_key="/etc/ssl/private/ca.key"
            certificate gone ensure=absent
        "#,
        // Keys and what is signed with them are never the same, so nobody can tell theirs from torn ones by their
        // bytes; the next run reads them all.
        foreign: &["etc/ssl"],
        varying: &["etc/ssl"],
        ..PLAIN
    },
    Subject {
        name: "directory_tree",
        types: &["directory_tree"],
        files: &[("/src/same", "s\n"), ("/src/new/deep", "n\n"), ("/dst/same", "s\n"), ("/dst/old", "o\n"), ("/gone/deep/file", "x\n")],
        manifest: r#"
            directory_tree "/dst" source="/src" purge=#true
            directory_tree "/gone" ensure=absent
        "#,
        ..PLAIN
    },
    Subject {
        name: "limits, logrotate, sudo",
        types: &["limits", "logrotate", "sudo"],
        files: &[("/etc/security/limits.d/", ""), ("/etc/logrotate.d/old", "x\n"), ("/etc/sudoers.d/old", "ada ALL=(ALL) ALL\n")],
        manifest: r##"
            limits web domain="*" { hard { nofile 9; }; }
            logrotate old ensure=absent
            logrotate app files="/var/log/app" options=daily
            sudo old user=ada
            sudo ops user="#7" nopasswd=#true
        "##,
        ..PLAIN
    },
    Subject {
        name: "archive",
        types: &["archive"],
        files: &[
            ("/opt/app/deep/own", "o\n"),
            ("/opt/app/deep/file", "old\n"),
            ("/opt/app/link", "-> deep"),
            ("/srv/app/file", "x\n"),
            ("/srv/app/deep/file", "y\n"),
            ("/srv/app/link/inside", "z\n"),
        ],
        manifest: r#"archive "/opt/app" source="/srv/app.tar.gz" strip_components=1"#,
        prepare: "tar --create --mtime=@0 --gzip --file root/srv/app.tar.gz --directory root/srv app && touch --date @0 root/srv/app.tar.gz",
        ..PLAIN
    },
    Subject {
        name: "git",
        types: &["git"],
        files: &[("/srv/gone/.git/index", "x\n"), ("/srv/gone/deep/file", "x\n")],
        manifest: "git \"/srv/work\" repo=\"@/origin\" revision=main\ngit \"/srv/gone\" ensure=absent force=#true",
        prepare: "[ -d origin ] || { git init -q -b main origin && cd origin && echo x >file && git add file
            git -c user.name=a -c user.email=a@b commit -q -m one; }",
        foreign: &["srv/work", "srv/gone"],
        varying: &["srv/work/.git"],
        ..PLAIN
    },
    Subject {
        name: "git that moves on",
        types: &["git"],
        files: &[("/srv/", "")],
        manifest: "git \"/srv/work\" repo=\"@/origin\" revision=main",
        prepare: "[ -d origin ] || { git init -q -b main origin && cd origin && echo 1 >kept && seq 999 >moved && git add .
            git -c user.name=a -c user.email=a@b commit -qm one && git tag one && rm moved && seq 9999 >new && echo 2 >other && git add .
            git -c user.name=a -c user.email=a@b commit -qm two && cd ..; }
            git -c advice.detachedHead=false clone -q --branch one origin root/srv/work",
        foreign: &["srv/work"],
        varying: &["srv/work/.git"],
        ..PLAIN
    },
];
