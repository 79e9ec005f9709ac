//! What is applied while faults happen: for every resource type that works below another root, things that
//! come, change and go.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::unistd::geteuid;

use super::scratch::{Done, Scratch};
use super::tracer::Tools;

/// Some resources of one type, and the host they find.
pub(crate) struct Subject {
    /// The type.
    pub(crate) name: &'static str,
    /// What stands there first, see [`Scratch::lay`].
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// `@` in it stands for the scratch folder.
    pub(crate) manifest: &'static str,
    /// What the shell does in the scratch folder after that.
    prepare: &'static str,
    /// Paths that other people's tools write in their own way.
    pub(crate) foreign: &'static [&'static str],
    /// Names that are not the same after two runs that come to the same.
    pub(crate) varying: &'static [&'static str],
    needs: Needs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Root,
}

/// Does something with every subject, on as many threads as there are processors.
pub(crate) fn each_subject<T: Send>(work: impl Fn(&'static Subject) -> T + Sync) -> Vec<(&'static str, T)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(subject) = SUBJECTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(subject);
                    done.lock().unwrap().push((subject.name, result));
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// A resource that has nothing to do with the others, and whose turn comes last.
const BYSTANDER: &str = "\nfile \"/aside/bystander\" content=\"well\\n\"\n";

impl Subject {
    /// The site and the root in their first state; none where this user cannot apply it.
    pub(crate) fn scratch(&self) -> Option<Scratch> {
        if self.needs == Needs::Root && !geteuid().is_root() {
            println!("skipped for want of root: {}", self.name);
            return None;
        }
        let scratch = Scratch::new("");
        let folder = scratch.folder().to_str().unwrap();
        scratch.manifest(&(self.manifest.replace('@', folder) + BYSTANDER));
        self.lay(&scratch);
        Some(scratch)
    }

    /// Lays the first state out again.
    pub(crate) fn lay(&self, scratch: &Scratch) {
        scratch.lay(&[self.files, &[("/aside/", "")]].concat());
        if !self.prepare.is_empty() {
            let mut shell = Command::new("/bin/sh");
            Done::of(shell.args(["-euc", self.prepare]).current_dir(scratch.folder())).expect(0, self.prepare);
        }
    }

    /// Whether its tools may be killed half way: those for accounts leave locks behind that only people may remove.
    pub(crate) fn tools(&self) -> Tools {
        if self.needs == Needs::Root { Tools::Finish } else { Tools::Die }
    }

    /// Whether a path is not the same after two runs that come to the same.
    pub(crate) fn is_varying(&self, path: &std::path::Path) -> bool {
        self.varying.iter().any(|varying| path.starts_with(varying))
    }

    /// Whether somebody else's tool writes a path.
    pub(crate) fn is_foreign(&self, path: &std::path::Path) -> bool {
        self.foreign.iter().any(|foreign| path.starts_with(foreign))
    }
}

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

/// All of them.
pub(crate) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "file",
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
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "file with a source",
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
        prepare: "",
        foreign: &["was", "dst/becomes-file", "dst/link"],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "line",
        files: &[("/etc/a", "one\n"), ("/etc/b", "key=1\nother\n"), ("/etc/c", "x\ny\nx\n")],
        manifest: r#"
            line "/etc/a" line="two"
            line "/etc/b" line="key=2" match="^key="
            line "/etc/c" line="x" ensure=absent
        "#,
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "block",
        files: &[("/etc/a", "a\n"), ("/etc/b", "# BEGIN b\nx\n# END b\na\n")],
        manifest: r#"
            block a path="/etc/a" content="x\ny\n"
            block b path="/etc/b" ensure=absent
        "#,
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "ini",
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
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "key_value",
        files: &[("/etc/a", "# A=1\nB=x\n"), ("/etc/b", "B=1\nC=2\n")],
        manifest: r#"
            key_value "/etc/a" { values { A "1"; B #null; }; }
            key_value "/etc/b" ensure=absent { values { C any; }; }
            key_value "/etc/c" format=plain { values { a "1"; }; }
        "#,
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "values in json, toml, yaml and xml",
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
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "certificate",
        files: &[("/etc/ssl/certs/", ""), ("/etc/ssl/private/", ""), ("/etc/ssl/certs/gone.pem", "x\n")],
        manifest: r#"
            certificate "Test CA" authority=#true certificate="/etc/ssl/certs/ca.pem" key="/etc/ssl/private/ca.key"
            certificate web ca_certificate="/etc/ssl/certs/ca.pem" ca_key="/etc/ssl/private/ca.key"
            certificate gone ensure=absent
        "#,
        prepare: "",
        // Keys and what is signed with them are never the same, so nobody can tell theirs from torn ones by their
        // bytes; the next run reads them all.
        foreign: &["etc/ssl"],
        varying: &["etc/ssl"],
        needs: Needs::Nothing,
    },
    Subject {
        name: "directory_tree",
        files: &[("/src/same", "s\n"), ("/src/new/deep", "n\n"), ("/dst/same", "s\n"), ("/dst/old", "o\n"), ("/gone/deep/file", "x\n")],
        manifest: r#"
            directory_tree "/dst" source="/src" purge=#true
            directory_tree "/gone" ensure=absent
        "#,
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "limits, logrotate, sudo",
        files: &[("/etc/security/limits.d/", ""), ("/etc/logrotate.d/old", "x\n"), ("/etc/sudoers.d/old", "ada ALL=(ALL) ALL\n")],
        manifest: r##"
            limits web domain="*" { hard { nofile 9; }; }
            logrotate old ensure=absent
            logrotate app files="/var/log/app" options=daily
            sudo old user=ada
            sudo ops user="#7" nopasswd=#true
        "##,
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "host",
        files: &[("/etc/hosts", "::1 b\n")],
        manifest: r#"host a ip="10.0.0.1" aliases="x""#,
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "mount",
        files: &[("/etc/fstab", "/dev/a / ext4 defaults 0 1\n")],
        manifest: r#"mount "/srv" device="/dev/b" fstype=xfs"#,
        prepare: "",
        foreign: &[],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "sysctl",
        files: &[("/proc/sys/vm/x", "1\n"), ("/etc/sysctl.d/", ""), ("/etc/sysctl.d/60-vm.y.conf", "vm.y = 1\n")],
        manifest: "sysctl vm.x value=2\nsysctl vm.y ensure=absent",
        // The kernel takes a setting whole; the file that stands for it here is emptied first.
        prepare: "",
        foreign: &["proc"],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "group",
        files: ACCOUNTS,
        manifest: "group web gid=500\ngroup old gid=302 { members ada; }\ngroup gone ensure=absent",
        prepare: "",
        foreign: &["etc"],
        varying: BACKUPS,
        needs: Needs::Root,
    },
    Subject {
        name: "user",
        files: ACCOUNTS,
        manifest: "user eve uid=1007 gid=users managehome=#true\nuser ada comment=Ada\nuser bob ensure=absent",
        prepare: "",
        foreign: &["etc", "home", "var"],
        varying: BACKUPS,
        needs: Needs::Root,
    },
    Subject {
        name: "cron",
        files: ACCOUNTS,
        manifest: "cron sweep command=sweep hour=3\ncron old command=run special=daily\ncron gone ensure=absent",
        prepare: "",
        foreign: &["var/spool/cron/crontabs/root"],
        varying: &[],
        needs: Needs::Root,
    },
    Subject {
        name: "archive",
        files: &[("/opt/app/", ""), ("/srv/app/file", "x\n"), ("/srv/app/deep/file", "y\n")],
        manifest: r#"archive "/opt/app" source="/srv/app.tar.gz" strip_components=1"#,
        prepare: "tar --create --mtime=@0 --gzip --file root/srv/app.tar.gz --directory root/srv app && touch --date @0 root/srv/app.tar.gz",
        foreign: &["opt/app"],
        varying: &[],
        needs: Needs::Nothing,
    },
    Subject {
        name: "git",
        files: &[("/srv/", "")],
        manifest: "git \"/srv/work\" repo=\"@/origin\" revision=main",
        prepare: "[ -d origin ] || { git init -q -b main origin && cd origin && echo x >file && git add file
            git -c user.name=a -c user.email=a@b commit -q -m one; }",
        foreign: &["srv/work"],
        varying: &["srv/work/.git"],
        needs: Needs::Nothing,
    },
];
