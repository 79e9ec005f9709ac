//! Facts: what this host says of itself. Only what stays the same between two runs of an unchanged
//! host is a fact, so that equal facts mean equal catalogs.

mod custom;
mod machine;
mod network;
mod storage;
mod system;

use std::path::Path;

use keel_engine::value::{Map, Value};

/// What a host says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collected {
    /// The facts.
    pub facts: Map,
    /// Which custom facts were left out, and why.
    pub warnings: Vec<String>,
}

/// Collects the facts of the host below a root folder. What cannot be read is left out.
pub fn collect(root: &Path) -> Collected {
    let mut collected = Collected { facts: own(root), warnings: Vec::new() };
    custom::add(root, &mut collected);
    collected
}

/// What this program knows by itself.
fn own(root: &Path) -> Map {
    let mut facts = Map::new();
    facts.insert("os".to_owned(), system::os(root));
    facts.insert("kernel".to_owned(), system::kernel());
    facts.insert("cpu".to_owned(), machine::cpu());
    facts.insert("memory".to_owned(), machine::memory());
    facts.insert("virtual".to_owned(), machine::virtualization());
    facts.insert("dmi".to_owned(), machine::dmi());
    facts.insert("disks".to_owned(), storage::disks());
    let names = network::names(root);
    facts.extend(names);
    facts.insert("network".to_owned(), network::interfaces());
    facts.insert("mounts".to_owned(), storage::mounts());
    facts.insert("ssh".to_owned(), system::ssh_keys(root));
    facts.insert("timezone".to_owned(), system::timezone(root));
    facts.insert("selinux".to_owned(), Value::Bool(Path::new("/sys/fs/selinux/enforce").exists()));
    facts.insert("service_manager".to_owned(), system::service_manager());
    facts.insert("keel".to_owned(), system::program());
    facts
}

/// The names of this machine: `hostname`, `fqdn` and, if there is one, `domain`.
pub fn names() -> Map {
    names_below(Path::new("/"))
}

/// The names of the host below a root folder.
pub fn names_below(root: &Path) -> Map {
    network::names(root)
}

/// A file of the kernel or of `/etc`, without the blanks around it; none if it cannot be read.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// A table of the values that are there.
fn table<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let present = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Map(present.collect())
}

/// A number as a value, if it fits.
fn number(number: impl TryInto<i64>) -> Option<Value> {
    number.try_into().ok().map(Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_looks_are_equal_and_hold_what_manifests_rely_on() {
        let facts = own(Path::new("/"));
        assert_eq!(facts, own(Path::new("/")));
        for key in ["os", "kernel", "cpu", "memory", "hostname", "fqdn", "network"] {
            assert!(facts.contains_key(key), "{key} is missing");
        }
    }
}
