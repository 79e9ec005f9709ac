//! Facts of the machine: processors, memory, what it is made of.

use keel_engine::value::Value;

use super::{number, read, table};

/// How many processors this program may use, and their model.
pub(super) fn cpu() -> Value {
    let info = read("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = std::thread::available_parallelism().ok().map(usize::from);
    table([("count", count.and_then(number)), ("model", model.map(|(_, name)| Value::from(name)))])
}

/// Total memory and swap, in MiB.
pub(super) fn memory() -> Value {
    memory_of(&read("/proc/meminfo").unwrap_or_default())
}

fn memory_of(info: &str) -> Value {
    let mebibytes = |key: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let kibibytes: i64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(Value::Int(kibibytes / 1024))
    };
    table([("total_mib", mebibytes("MemTotal")), ("swap_mib", mebibytes("SwapTotal"))])
}

/// The kind of container or hypervisor, `physical` if there are no signs of one.
pub(super) fn virtualization() -> Value {
    let container = read("/run/systemd/container").or_else(|| std::path::Path::new("/.dockerenv").exists().then(|| "docker".to_owned()));
    let vendor = read("/sys/class/dmi/id/sys_vendor").unwrap_or_default().to_lowercase();
    let known = [("qemu", "kvm"), ("vmware", "vmware"), ("innotek", "virtualbox"), ("xen", "xen"), ("amazon", "kvm"), ("google", "kvm")];
    let hypervisor = known.iter().find(|(sign, _)| vendor.contains(sign)).map(|(_, name)| (*name).to_owned());
    let flagged = || read("/proc/cpuinfo").is_some_and(|info| info.contains(" hypervisor")).then(|| "vm".to_owned());
    Value::from(container.or(hypervisor).or_else(flagged).unwrap_or_else(|| "physical".to_owned()))
}

/// Vendor, product and serial number, as far as this user may read them.
pub(super) fn dmi() -> Value {
    let field = |name: &str| read(format!("/sys/class/dmi/id/{name}")).filter(|text| !text.is_empty()).map(Value::from);
    table([("vendor", field("sys_vendor")), ("product", field("product_name")), ("serial", field("product_serial"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_mebibytes() {
        let Value::Map(memory) = memory_of("MemTotal:       16384000 kB\nSwapTotal: 0 kB\n") else { panic!("no table") };
        assert_eq!((&memory["total_mib"], &memory["swap_mib"]), (&Value::Int(16_000), &Value::Int(0)));
    }
}
