//! Facts of the network: the host's names, and its interfaces with their addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
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
    ipv4: BTreeSet<Address>,
    ipv6: BTreeSet<Address>,
    mac: Option<String>,
}

/// An address with the length of its network's prefix.
type Address = (String, Option<u32>);

/// Every interface but the loopback, with its addresses and its hardware address. `primary` is the one of the
/// default route; `ip` its first address, or else the first of any.
pub(super) fn interfaces() -> Value {
    let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs().into_iter().flatten().filter(|entry| entry.interface_name != "lo") {
        let interface = interfaces.entry(entry.interface_name.clone()).or_default();
        let Some(address) = &entry.address else { continue };
        if let Some(ip) = address.as_sockaddr_in() {
            let mask = entry.netmask.and_then(|mask| mask.as_sockaddr_in().map(|mask| u32::from(mask.ip()).count_ones()));
            interface.ipv4.insert((ip.ip().to_string(), mask));
        } else if let Some(ip) = address.as_sockaddr_in6() {
            let mask = entry.netmask.and_then(|mask| mask.as_sockaddr_in6().map(|mask| u128::from(mask.ip()).count_ones()));
            interface.ipv6.insert((ip.ip().to_string(), mask));
        } else if let Some(link) = address.as_link_addr() {
            interface.mac = link.addr().map(|bytes| bytes.map(|byte| format!("{byte:02x}")).join(":"));
        }
    }
    let (primary, gateway) = default_route(&read("/proc/net/route").unwrap_or_default()).unzip();
    let of_primary = primary.as_ref().and_then(|name| interfaces.get(name)).into_iter();
    let ip = of_primary.chain(interfaces.values()).flat_map(|interface| &interface.ipv4).next().map(|(ip, _)| ip.clone());
    let described = interfaces.into_iter().map(|(name, interface)| (name.clone(), describe(&name, interface)));
    table([
        ("ip", ip.map(Value::from)),
        ("primary", primary.map(Value::from)),
        ("gateway", gateway.map(Value::from)),
        ("interfaces", Some(Value::Map(described.collect()))),
    ])
}

fn describe(name: &str, interface: Interface) -> Value {
    let plain = |addresses: &BTreeSet<Address>| addresses.iter().map(|(ip, _)| ip.clone()).collect::<Vec<String>>();
    let with_prefix = |addresses: &BTreeSet<Address>| {
        let cidr = |(ip, length): &Address| Some(format!("{ip}/{}", (*length)?));
        addresses.iter().filter_map(cidr).collect::<Vec<String>>()
    };
    let cidrs = [with_prefix(&interface.ipv4), with_prefix(&interface.ipv6)].concat();
    let mtu = read(format!("/sys/class/net/{name}/mtu")).and_then(|text| text.parse().ok());
    table([
        ("ipv4", Some(Value::from(plain(&interface.ipv4)))),
        ("ipv6", Some(Value::from(plain(&interface.ipv6)))),
        ("cidrs", Some(Value::from(cidrs))),
        ("mac", interface.mac.map(Value::from)),
        ("mtu", mtu.map(Value::Int)),
    ])
}

/// Interface and gateway of the default route with the lowest metric, from the kernel's table.
fn default_route(routes: &str) -> Option<(String, String)> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, "00000000", gateway, _, _, _, metric, "00000000", ..] = fields.as_slice() else { return None };
        // The kernel prints the address as the number that its bytes are in this machine's memory.
        let gateway = Ipv4Addr::from(u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes());
        Some((metric.parse::<u32>().ok()?, (*name).to_owned(), gateway.to_string()))
    };
    routes.lines().filter_map(route).min().map(|(_, name, gateway)| (name, gateway))
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

    #[test]
    fn the_default_route_with_the_lowest_metric_counts() {
        let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
        let expected = if cfg!(target_endian = "little") { "192.168.1.1" } else { "1.1.168.192" };
        assert_eq!(default_route(routes), Some(("eth0".to_owned(), expected.to_owned())));
        assert_eq!(default_route("Iface\n"), None);
    }
}
