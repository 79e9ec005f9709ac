//! Facts of the operating system.

use std::path::Path;

use keel_engine::value::{Map, Value};

use super::{read, table};

/// Family, name, version and codename, from os-release.
pub(super) fn os(root: &Path) -> Value {
    let text = read(root.join("etc/os-release")).or_else(|| read("/etc/os-release")).unwrap_or_default();
    os_of(&text)
}

fn os_of(release: &str) -> Value {
    let fields: Map = release.lines().filter_map(field).collect();
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let name = text("ID").unwrap_or("linux").to_owned();
    let like = text("ID_LIKE").unwrap_or_default();
    let known = ["debian", "rhel", "suse", "arch", "alpine"];
    let family = known.into_iter().find(|family| name == *family || like.split(' ').any(|word| word == *family));
    let version = text("VERSION_ID").unwrap_or_default().to_owned();
    let mut parts = version.split('.').map(|part| part.parse::<i64>().ok().map(Value::Int));
    table([
        ("family", Some(Value::from(family.unwrap_or(&name)))),
        ("major", parts.next().flatten()),
        ("minor", parts.next().flatten()),
        ("name", Some(Value::from(name.clone()))),
        ("version", Some(Value::from(version))),
        ("codename", text("VERSION_CODENAME").map(Value::from)),
        ("description", text("PRETTY_NAME").map(Value::from)),
        ("architecture", Some(Value::from(debian_architecture(std::env::consts::ARCH)))),
    ])
}

fn field(line: &str) -> Option<(String, Value)> {
    let (key, value) = line.split_once('=')?;
    Some((key.to_owned(), Value::from(value.trim_matches('"'))))
}

/// The architecture's name in Debian's packages.
fn debian_architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        other => other,
    }
}

/// Name, release and architecture of the kernel.
pub(super) fn kernel() -> Value {
    let Ok(name) = nix::sys::utsname::uname() else { return table([]) };
    let text = |text: &std::ffi::OsStr| Some(Value::from(text.to_string_lossy().into_owned()));
    table([("name", text(name.sysname())), ("release", text(name.release())), ("machine", text(name.machine()))])
}

/// The zone's name, from `/etc/timezone` or the link `/etc/localtime`.
pub(super) fn timezone(root: &Path) -> Value {
    let linked = || {
        let target = std::fs::read_link(root.join("etc/localtime")).ok()?;
        Some(target.to_str()?.split_once("zoneinfo/")?.1.to_owned())
    };
    Value::from(read(root.join("etc/timezone")).filter(|zone| !zone.is_empty()).or_else(linked).unwrap_or_else(|| "Etc/UTC".to_owned()))
}

/// The host's public keys for SSH by their kind, as other hosts' known_hosts want them.
pub(super) fn ssh_keys(root: &Path) -> Value {
    let key = |kind: &str| {
        let text = read(root.join(format!("etc/ssh/ssh_host_{kind}_key.pub")))?;
        let mut words = text.split_whitespace().map(str::to_owned);
        Some((kind.to_owned(), table([("type", words.next().map(Value::from)), ("key", words.next().map(Value::from))])))
    };
    Value::Map(["ed25519", "ecdsa", "rsa"].into_iter().filter_map(key).collect())
}

/// `systemd` where it runs the machine, else the name of the first process.
pub(super) fn service_manager() -> Value {
    if Path::new("/run/systemd/system").exists() {
        return Value::from("systemd");
    }
    Value::from(read("/proc/1/comm").unwrap_or_else(|| "unknown".to_owned()))
}

/// This program's version.
pub(super) fn program() -> Value {
    table([("version", Some(Value::from(env!("CARGO_PKG_VERSION"))))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_belong_to_their_family() {
        let facts = os_of("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n");
        let Value::Map(facts) = facts else { panic!("no table") };
        let found: Vec<String> = ["family", "name", "major", "minor", "codename"].iter().map(|key| facts[*key].to_string()).collect();
        assert_eq!(found, ["debian", "ubuntu", "24", "4", "noble"]);
    }

    #[test]
    fn a_rolling_release_has_no_major() {
        let Value::Map(facts) = os_of("ID=arch\n") else { panic!("no table") };
        assert_eq!((facts.get("major"), facts["family"].to_string()), (None, "arch".to_owned()));
    }
}
