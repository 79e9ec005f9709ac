//! Facts of the network: the host's names, and its interfaces with their addresses.

use std::collections::BTreeMap;
use std::path::Path;

use keel_engine::value::{Map, Value};
use nix::ifaddrs::getifaddrs;

use super::{read, table};

/// `hostname`, `fqdn` and `domain`: from `/etc/hostname` and the line of `/etc/hosts` that has it,
/// because asking the network could hang a run.
pub(super) fn names(root: &Path) -> Map {
    let own = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = read(root.join("etc/hostname")).filter(|name| !name.is_empty()).or_else(own).unwrap_or_else(|| "localhost".to_owned());
    let hosts = read(root.join("etc/hosts")).unwrap_or_default();
    names_of(&name, &hosts)
}

fn names_of(name: &str, hosts: &str) -> Map {
    let short = name.split('.').next().unwrap_or(name);
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut words = lines.filter(|line| line.split_whitespace().skip(1).any(|word| word == short)).flat_map(str::split_whitespace);
    let prefix = format!("{short}.");
    let full = if name.contains('.') { Some(name) } else { words.find(|word| word.starts_with(&prefix)) };
    let full = full.unwrap_or(short);
    let domain = full.split_once('.').map(|(_, domain)| domain);
    let entries = [("hostname", Some(short)), ("fqdn", Some(full)), ("domain", domain)];
    entries.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::from(text?)))).collect()
}

#[derive(Default)]
struct Interface {
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    mac: Option<String>,
}

/// Every interface but the loopback, with its addresses and its hardware address; `ip` is the first
/// address that others can reach.
pub(super) fn interfaces() -> Value {
    let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs().into_iter().flatten().filter(|entry| entry.interface_name != "lo") {
        let interface = interfaces.entry(entry.interface_name.clone()).or_default();
        let Some(address) = entry.address else { continue };
        if let Some(address) = address.as_sockaddr_in() {
            interface.ipv4.push(address.ip().to_string());
        } else if let Some(address) = address.as_sockaddr_in6() {
            interface.ipv6.push(address.ip().to_string());
        } else if let Some(link) = address.as_link_addr() {
            interface.mac = link.addr().map(|bytes| bytes.map(|byte| format!("{byte:02x}")).join(":"));
        }
    }
    let first = interfaces.values().flat_map(|interface| &interface.ipv4).next().cloned();
    let described = interfaces.into_iter().map(|(name, interface)| (name, describe(interface)));
    table([("ip", first.map(Value::from)), ("interfaces", Some(Value::Map(described.collect())))])
}

fn describe(mut interface: Interface) -> Value {
    interface.ipv4.sort();
    interface.ipv6.sort();
    table([
        ("ipv4", Some(Value::from(interface.ipv4))),
        ("ipv6", Some(Value::from(interface.ipv6))),
        ("mac", interface.mac.map(Value::from)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, hosts: &str, expected: &[(&str, &str)]) {
        let names = names_of(name, hosts);
        let found: Vec<(&str, String)> = names.iter().map(|(key, value)| (key.as_str(), value.to_string())).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_full_name_comes_from_hosts_or_from_the_name_itself() {
        check(
            "db-1",
            "127.0.1.1 db-1.example.org db-1 # own\n",
            &[("hostname", "db-1"), ("fqdn", "db-1.example.org"), ("domain", "example.org")],
        );
        check("db-1.x.org", "", &[("hostname", "db-1"), ("fqdn", "db-1.x.org"), ("domain", "x.org")]);
        check("db-1", "10.0.0.1 db-10.x.org db-10\n", &[("hostname", "db-1"), ("fqdn", "db-1")]);
    }
}
