//! Addresses and networks by Ansible's names: `ipaddr` with its usual queries, `ipsubnet`, `nthhost`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value};

use super::{add, refuse};

pub(super) fn register(environment: &mut Environment<'static>) {
    add(environment, "ipaddr", |value: &Value, query: Option<Value>| over_list(value, |text| ipaddr(text, query.as_ref(), None)));
    add(environment, "ipv4", |value: &Value, query: Option<Value>| over_list(value, |text| ipaddr(text, query.as_ref(), Some(4))));
    add(environment, "ipv6", |value: &Value, query: Option<Value>| over_list(value, |text| ipaddr(text, query.as_ref(), Some(6))));
    add(environment, "ipsubnet", ipsubnet);
    add(environment, "nthhost", |value: &str, position: i64| {
        Ok::<_, Error>(nth(&parse(value).ok_or_else(|| not_address(value))?, position).map_or_else(no, text))
    });
    add(environment, "ipwrap", |value: &Value| over_list(value, |address| Ok(Some(Value::from(wrap(address))))));
    environment.add_test("in_network", |address: &str, network: &str| in_network(address, network));
}

/// Ansible answers false where there is no answer.
fn no() -> Value {
    Value::from(false)
}

fn text(value: impl ToString) -> Value {
    Value::from(value.to_string())
}

fn not_address(value: &str) -> Error {
    refuse(format!("`{value}` is neither an address nor a network"))
}

/// An address with a prefix; one without counts as its own network.
fn parse(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).or_else(|| with_netmask(text))
}

/// `10.0.0.1/255.255.255.0`
fn with_netmask(text: &str) -> Option<IpNet> {
    let (address, mask) = text.split_once('/')?;
    IpNet::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok()
}

/// One text, or of a list the answers that there are.
fn over_list(value: &Value, answer: impl Fn(&str) -> Result<Option<Value>, Error>) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let answers = value.try_iter()?.map(|item| answer(item.as_str().unwrap_or_default())).filter_map(Result::transpose);
            Ok(Value::from(answers.collect::<Result<Vec<_>, _>>()?))
        }
        ValueKind::Undefined => Err(Error::from(minijinja::ErrorKind::UndefinedError)),
        _ => Ok(answer(value.as_str().unwrap_or_default())?.unwrap_or_else(no)),
    }
}

fn ipaddr(value: &str, query: Option<&Value>, version: Option<u8>) -> Result<Option<Value>, Error> {
    let Some(net) = parse(value) else { return Ok(None) };
    if version.is_some_and(|version| (version == 4) != net.addr().is_ipv4()) {
        return Ok(None);
    }
    let Some(query) = query else { return Ok(Some(Value::from(value.trim()))) };
    if let Some(position) = query.as_i64().or_else(|| query.as_str()?.parse().ok()) {
        return Ok(nth(&net, position).map(|address| text(format_args!("{address}/{}", net.prefix_len()))));
    }
    answer(&net, query.as_str().unwrap_or_default())
}

fn answer(net: &IpNet, query: &str) -> Result<Option<Value>, Error> {
    let address = net.addr();
    let wide = net.prefix_len() < net.max_prefix_len();
    let only = |holds: bool, value: Value| holds.then_some(value);
    let own = text(net);
    Ok(match query {
        "" => Some(own),
        "address" | "ip" => Some(text(address)),
        "host" => Some(own),
        "address/prefix" | "host/prefix" | "hostnet" | "router" => only(wide, own),
        "prefix" => Some(Value::from(i64::from(net.prefix_len()))),
        "network" | "network_id" => Some(text(net.network())),
        "netmask" => Some(text(net.netmask())),
        "hostmask" | "wildcard" => Some(text(net.hostmask())),
        "broadcast" => only(wide && address.is_ipv4(), text(net.broadcast())),
        "subnet" => Some(text(net.trunc())),
        "net" | "cidr" => only(query == "cidr" || net.trunc() == *net && wide, own),
        "network/prefix" => Some(text(net.trunc())),
        "network_netmask" | "network_wildcard" => {
            let mask = if query == "network_netmask" { net.netmask() } else { net.hostmask() };
            Some(text(format_args!("{} {mask}", net.network())))
        }
        "size" => Some(text(1u128.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len())).unwrap_or(u128::MAX))),
        "first_usable" | "gateway" => net.hosts().next().map(text),
        "last_usable" => nth(net, if address.is_ipv4() && net.prefix_len() < 31 { -2 } else { -1 }).map(text),
        "version" => Some(Value::from(if address.is_ipv4() { 4 } else { 6 })),
        "private" => only(is_private(address), own),
        "public" | "unicast" => only(!is_private(address) && !address.is_loopback() && !address.is_multicast(), own),
        "loopback" => only(address.is_loopback(), own),
        "multicast" => only(address.is_multicast(), own),
        "link-local" | "link" => only(is_link_local(address), own),
        "wrap" => Some(Value::from(wrap(&net.to_string()))),
        other => match parse(other) {
            Some(outer) => only(outer.contains(net), own),
            None => {
                return Err(refuse(format!(
                    "`ipaddr` knows no query `{other}`; there are address, prefix, network, netmask, broadcast, subnet, net, size, first_usable, last_usable, private, public, a position and a network"
                )));
            }
        },
    })
}

/// The address at a position in a network; negative ones count from its end.
fn nth(net: &IpNet, position: i64) -> Option<IpAddr> {
    let bits = u32::from(net.max_prefix_len() - net.prefix_len());
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let (first, last) = (number(net.network()), number(net.broadcast()));
    let distance = u128::from(position.unsigned_abs());
    let wanted = if position >= 0 { first.checked_add(distance)? } else { last.checked_sub(distance - 1)? };
    if wanted < first || wanted > last || (bits == 0 && position != 0) {
        return None;
    }
    Some(match net {
        IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(wanted).ok()?)),
        IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from(wanted)),
    })
}

/// `ipsubnet(prefix)` counts the subnets of that size, `ipsubnet(prefix, n)` is one of them. Of an address it is
/// the network of that size around it.
fn ipsubnet(value: &str, prefix: Option<i64>, position: Option<i64>) -> Result<Value, Error> {
    let net = parse(value).ok_or_else(|| not_address(value))?;
    let Some(prefix) = prefix else { return Ok(text(net.trunc())) };
    let prefix = u8::try_from(prefix).ok().filter(|prefix| *prefix <= net.max_prefix_len());
    let prefix = prefix.ok_or_else(|| refuse("the prefix length does not fit the address"))?;
    if prefix < net.prefix_len() || net.prefix_len() == net.max_prefix_len() {
        let around = IpNet::new(net.addr(), prefix).map_err(|error| refuse(error.to_string()))?;
        return Ok(text(around.trunc()));
    }
    let count = 1u128.checked_shl(u32::from(prefix - net.prefix_len())).unwrap_or(u128::MAX);
    let Some(position) = position else { return Ok(text(count)) };
    let distance = u128::from(position.unsigned_abs());
    let index = if position >= 0 { Some(distance) } else { count.checked_sub(distance) };
    let Some(index) = index.filter(|index| *index < count) else { return Ok(no()) };
    let step = 1u128.checked_shl(u32::from(net.max_prefix_len() - prefix)).unwrap_or(0);
    Ok(match net {
        IpNet::V4(net) => {
            let start = u128::from(u32::from(net.network())) + index * step;
            text(format_args!("{}/{prefix}", Ipv4Addr::from(u32::try_from(start).unwrap_or_default())))
        }
        IpNet::V6(net) => text(format_args!("{}/{prefix}", Ipv6Addr::from(u128::from(net.network()) + index * step))),
    })
}

fn in_network(address: &str, network: &str) -> Result<bool, Error> {
    let inner = parse(address).ok_or_else(|| not_address(address))?;
    let outer = parse(network).ok_or_else(|| not_address(network))?;
    Ok(outer.trunc().contains(&inner))
}

/// IPv6 addresses in brackets, as URLs have them.
fn wrap(value: &str) -> String {
    match (value.split_once('/'), value.parse::<Ipv6Addr>()) {
        (_, Ok(_)) => format!("[{value}]"),
        (Some((address, prefix)), _) if address.parse::<Ipv6Addr>().is_ok() => format!("[{address}]/{prefix}"),
        _ => value.to_owned(),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(value: &str, query: impl Into<Value>) -> String {
        ipaddr(value, Some(&query.into()), None).unwrap().map_or_else(|| "-".to_owned(), |answer| answer.to_string())
    }

    #[test]
    fn queries_answer_as_ansible() {
        let host = "192.0.2.17/24";
        let answers = [
            ("address", "192.0.2.17"),
            ("prefix", "24"),
            ("network", "192.0.2.0"),
            ("netmask", "255.255.255.0"),
            ("broadcast", "192.0.2.255"),
            ("subnet", "192.0.2.0/24"),
            ("net", "-"),
            ("first_usable", "192.0.2.1"),
            ("last_usable", "192.0.2.254"),
            ("size", "256"),
            ("private", "-"),
            ("192.0.0.0/16", "192.0.2.17/24"),
            ("10.0.0.0/8", "-"),
        ];
        for (query, answer) in answers {
            assert_eq!(ask(host, query), answer, "{query}");
        }
        assert_eq!(ask(host, 1), "192.0.2.1/24");
        assert_eq!(ask(host, -1), "192.0.2.255/24");
        assert_eq!(ask(host, 256), "-");
        assert_eq!(ask("2001:db8::1/64", "network"), "2001:db8::");
        assert_eq!(ask("10.1.2.3/255.255.0.0", "subnet"), "10.1.0.0/16");
        assert!(ipaddr(host, Some(&Value::from("nework")), None).is_err());
        assert!(ipaddr("300.1.1.1", None, None).unwrap().is_none());
        assert!(ipaddr("::1", None, Some(4)).unwrap().is_none());
    }

    #[test]
    fn subnets_are_counted_and_cut() {
        let subnet = |value: &str, prefix, position| ipsubnet(value, prefix, position).unwrap().to_string();
        assert_eq!(subnet("10.0.0.0/8", Some(16), None), "256");
        assert_eq!(subnet("10.0.0.0/8", Some(16), Some(1)), "10.1.0.0/16");
        assert_eq!(subnet("10.0.0.0/8", Some(16), Some(-1)), "10.255.0.0/16");
        assert_eq!(subnet("10.0.0.0/8", Some(16), Some(256)), "False");
        assert_eq!(subnet("10.1.2.3", Some(24), None), "10.1.2.0/24");
        assert_eq!(subnet("::/0", Some(128), Some(1)), "::1/128");
        assert!(in_network("10.1.2.3", "10.0.0.0/8").unwrap() && !in_network("11.1.2.3", "10.0.0.0/8").unwrap());
    }
}
