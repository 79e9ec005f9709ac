//! The bridge between the nodes, and its cuts.

use std::net::Ipv4Addr;
use std::process::Command;

use super::Result;
use super::command::{run, run_ok};

const BRIDGE: &str = "keel0";
const TABLE: &str = "keel-lab";

/// The machine's own address on the bridge.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The address of the node at that place in the lab.
pub(super) fn address_of(index: usize) -> Ipv4Addr {
    let last = u8::try_from(index).unwrap_or(u8::MAX).saturating_add(11);
    Ipv4Addr::new(10, 77, 0, last)
}

/// The name of the node's cable, as this machine sees it.
pub(super) fn cable_of(node: &str) -> String {
    format!("vb-{node}")
}

pub(super) fn bridge_option() -> String {
    format!("--network-bridge={BRIDGE}")
}

/// The bridge while a lab is up; dropping it takes it away.
pub(super) struct Bridge;

impl Bridge {
    pub(super) fn up() -> Result<Bridge> {
        // What a dead lab left behind may or may not be there.
        drop(Bridge);
        run_ok(ip().args(["link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"]))?;
        let bridge = Bridge;
        run_ok(ip().args(["addr", "add", &format!("{GATEWAY}/24"), "dev", BRIDGE]))?;
        run_ok(ip().args(["link", "set", BRIDGE, "up"]))?;
        Ok(bridge)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Both fail where there is nothing to take away.
        let _ = heal_pairs();
        let _ = run(ip().args(["link", "del", BRIDGE]));
    }
}

/// Takes a node's cable out (`down`) or puts it back (`up`).
pub(super) fn set_cable(node: &str, state: &str) -> Result<()> {
    run_ok(ip().args(["link", "set", &cable_of(node), state])).map(drop)
}

/// Drops all frames between two addresses; the senders see silence, not an error.
pub(super) fn cut_between(one: Ipv4Addr, other: Ipv4Addr) -> Result<()> {
    let mut rules = format!("table bridge {TABLE} {{ chain forward {{ type filter hook forward priority 0; }}; }}\n");
    for (from, to) in [(one, other), (other, one)] {
        for (source, target) in [("ip saddr", "ip daddr"), ("arp saddr ip", "arp daddr ip")] {
            rules.push_str(&format!("add rule bridge {TABLE} forward {source} {from} {target} {to} drop\n"));
        }
    }
    run_ok(Command::new("nft").arg(rules)).map(drop)
}

/// Takes all cuts between pairs back.
pub(super) fn heal_pairs() -> Result<()> {
    // Declaring the table first makes the deletion succeed where there was none.
    run_ok(Command::new("nft").arg(format!("table bridge {TABLE} {{}}\ndelete table bridge {TABLE}"))).map(drop)
}

fn ip() -> Command {
    Command::new("ip")
}
