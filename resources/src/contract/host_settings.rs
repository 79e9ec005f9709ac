//! Scenarios of what a host is called, loads, trusts and lets in.

use keel_engine::value::Value;

use super::scenarios::{Needs, Scenario, part, table, text};
use crate::trial::list;

const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX";
const FOLDERS: &[(&str, &str)] = &[
    ("/etc/systemd/system/", ""),
    ("/etc/apt/sources.list.d/", ""),
    ("/etc/apt/preferences.d/", ""),
    ("/etc/ssh/", ""),
    ("/etc/modules-load.d/", ""),
    ("/etc/modprobe.d/", ""),
    ("/etc/default/", ""),
    ("/key.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
    ("/usr/share/zoneinfo/UTC", ""),
    ("/etc/security/limits.d/", ""),
    ("/etc/logrotate.d/", ""),
    ("/etc/ssl/certs/", ""),
    ("/etc/ssl/private/", ""),
    ("/etc/sudoers.d/old", "ada ALL=(ALL) ALL\n"),
    ("/etc/locale.gen", "# en_GB.UTF-8 UTF-8\n"),
];
const HOME: &[(&str, &str)] =
    &[("/etc/passwd", "root:x:0:0::/root:/bin/sh\nada:x:1000:100::/home/ada:/bin/sh\n"), ("/home/ada/x", ""), ("/srv/www/a", "")];
const EDITOR: &[(&str, &str)] = &[
    ("/var/lib/dpkg/alternatives/editor", "manual\n/usr/bin/editor\n\n/bin/ed\n-100\n/bin/nano\n40\n\n"),
    ("/bin/ed", ""),
    ("/bin/nano", ""),
    ("/usr/bin/x", ""),
    ("/etc/alternatives/x", ""),
    ("/var/log/x", ""),
];

pub(super) fn scenarios() -> Vec<Scenario> {
    [software(), machine(), access()].into_iter().flatten().collect()
}

fn archive(attribute: &'static str, key: &str) -> Vec<(&'static str, Value)> {
    let own = [("uris", text("https://x.example")), ("suites", text("bookworm")), ("components", text("main"))];
    own.into_iter().chain([(attribute, text(key))]).collect()
}

/// A certificate by an authority that is made beside it.
fn signed(trial: &crate::trial::Trial) -> Vec<(&'static str, Value)> {
    std::fs::create_dir_all(trial.path("/etc/ssl")).unwrap();
    let (certificate, key) = (text("/etc/ssl/ca.pem"), text("/etc/ssl/ca.key"));
    let authority = [("authority", Value::Bool(true)), ("certificate", certificate.clone()), ("key", key.clone())];
    trial.converge(&crate::certificate::CertificateType, "Test CA", &authority).unwrap();
    vec![("ca_certificate", certificate), ("ca_key", key)]
}

fn unit(environment: &str) -> Vec<(&'static str, Value)> {
    let service = table(&[("ExecStart", text("/bin/x")), ("Environment", text(environment))]);
    vec![("section", table(&[("Service", service)]))]
}

fn software() -> Vec<Scenario> {
    vec![
        Scenario {
            also_writes: &["/etc/apt/keyrings"],
            ..part("apt_repository", "x", FOLDERS, |_| archive("content", "key"), &["+ list", "+ key"])
        },
        Scenario {
            also_writes: &["/etc/apt/keyrings"],
            ..part("apt_repository", "x", FOLDERS, |_| archive("source", "/key.asc"), &["+ list", "+ key"])
        },
        part("apt_pin", "x", FOLDERS, |_| vec![("pin", text("origin x")), ("priority", Value::Int(7))], &["+ preference"]),
        // What comes and changes takes an environment of its own, see the type's tests.
        part(
            "pip",
            "x",
            FOLDERS,
            |_| vec![("venv", text("/opt/venv")), ("ensure", text("absent")), ("index", text("https://pip.example/simple"))],
            &[],
        ),
        part("systemd_unit", "x.service", FOLDERS, |_| unit("A=b"), &["+ content"]),
        part("systemd_unit", "x.timer", FOLDERS, |_| vec![("content", text("[Timer]\nOnCalendar=daily\n"))], &["+ content"]),
        Scenario {
            also_writes: &["/var/lib/dpkg", "/usr/bin", "/etc/alternatives", "/var/log"],
            ..part("alternatives", "editor", EDITOR, |_| vec![("path", text("/bin/ed"))], &["~ path"])
        },
    ]
}

fn machine() -> Vec<Scenario> {
    let kernel = &[("/proc/sys/kernel/hostname", "old\n"), ("/etc/hostname", "db-1\n")];
    vec![
        Scenario { also_writes: &["/proc"], ..part("hostname", "db-1", kernel, |_| vec![], &["~ live"]) },
        part("timezone", "UTC", FOLDERS, |_| vec![], &["~ zone", "+ name"]),
        part("locale", "en_GB.UTF-8", FOLDERS, |_| vec![("default", Value::Bool(true))], &["+ ensure", "~ default"]),
        part("kernel_module", "x", FOLDERS, |_| vec![("options", text("a=1"))], &["+ options", "+ boot"]),
        part("swap", "/swap", FOLDERS, |_| vec![("size", text("64K"))], &["+ size", "+ persist"]),
        part(
            "swap",
            "/x",
            &[("/x", "old"), ("/etc/fstab", "/x none swap sw 0 0\n")],
            |_| vec![("ensure", text("absent"))],
            &["- persist", "- size"],
        ),
        part("limits", "x", FOLDERS, |_| vec![("domain", text("*")), ("hard", table(&[("cpu", Value::Int(9))]))], &["+ limits"]),
        part("logrotate", "x", FOLDERS, |_| vec![("files", text("/var/log/x")), ("postrotate", text("true"))], &["+ content"]),
        part("logrotate", "x", FOLDERS, |_| vec![("content", text("# note "))], &["+ content"]),
        part("nftables", "x", FOLDERS, |_| vec![("content", text("table inet a {\n}\n"))], &["+ content"]),
    ]
}

fn access() -> Vec<Scenario> {
    let as_root = |scenario: Scenario, also_writes| Scenario { needs: Needs::Root, also_writes, ..scenario };
    let key = |_: &crate::trial::Trial| vec![("user", text("ada")), ("key", text(KEY)), ("options", list(&["no-pty"]))];
    let rights = |_: &crate::trial::Trial| vec![("entries", text("user:ada:rwX")), ("recurse", Value::Bool(true))];
    vec![
        as_root(part("ssh_authorized_key", "ada@x", HOME, key, &["+ key"]), &["/home/ada/.ssh"]),
        part("sudo", "x", FOLDERS, |_| vec![("user", text("ada")), ("nopasswd", Value::Bool(true))], &["+ content"]),
        part("sudo", "x", FOLDERS, |_| vec![("content", text("# note "))], &["+ content"]),
        part("sudo", "old", FOLDERS, |_| vec![("user", text("ada"))], &["~ mode"]),
        part("sudo", "old", FOLDERS, |_| vec![("ensure", text("absent"))], &["- content"]),
        part("certificate", "x", FOLDERS, |_| vec![], &["+ key", "+ certificate"]),
        part("certificate", "x", FOLDERS, signed, &["+ key", "+ certificate"]),
        part("ssh_known_host", "x", FOLDERS, |_| vec![("key", text(KEY))], &["+ key"]),
        as_root(part("acl", "/srv/www", HOME, rights, &["~ entries", "~ entries a"]), &["/srv/www"]),
    ]
}
