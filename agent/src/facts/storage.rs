//! Facts of what is stored where: disks and mounts. Nothing is asked of a mounted file system, because a server
//! that is gone would hang the run.

use std::collections::BTreeSet;

use keel_engine::value::{Map, Value};

use super::{read, table};

/// Every block device that is no loop or memory disk, with its size in bytes.
pub(super) fn disks() -> Value {
    let Ok(entries) = std::fs::read_dir("/sys/block") else { return Value::Map(Map::new()) };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !["loop", "ram", "zram"].iter().any(|prefix| name.starts_with(prefix))).collect();
    names.sort();
    let disk = |name: String| {
        let sectors: i64 = read(format!("/sys/block/{name}/size"))?.parse().ok()?;
        Some((name, table([("size", sectors.checked_mul(512).map(Value::Int))])))
    };
    Value::Map(names.into_iter().filter_map(disk).collect())
}

/// Every mounted file system that stands on a device or comes from the network, by its folder.
pub(super) fn mounts() -> Value {
    let [mounts, kinds] = ["/proc/self/mounts", "/proc/filesystems"].map(|path| read(path).unwrap_or_default());
    mounts_of(&mounts, &kinds)
}

fn mounts_of(mounts: &str, kinds: &str) -> Value {
    let virtual_kinds: BTreeSet<&str> = kinds.lines().filter_map(|line| line.strip_prefix("nodev")).map(str::trim).collect();
    // The kernel calls these virtual, too, but something is stored there.
    let is_stored = |kind: &str| kind.starts_with("nfs") || kind.starts_with("fuse.") || ["cifs", "smb3", "ceph", "zfs"].contains(&kind);
    let mount = |line: &str| {
        let fields: Vec<String> = line.split(' ').take(4).map(unescaped).collect();
        let [device, folder, kind, options] = fields.as_slice() else { return None };
        let options: Vec<String> = options.split(',').map(str::to_owned).collect();
        let described = table([
            ("device", Some(Value::from(device.as_str()))),
            ("type", Some(Value::from(kind.as_str()))),
            ("options", Some(Value::from(options))),
        ]);
        (is_stored(kind) || !virtual_kinds.contains(kind.as_str())).then(|| (folder.clone(), described))
    };
    Value::Map(mounts.lines().filter_map(mount).collect())
}

/// Blanks stand in the kernel's table as `\\040`.
fn unescaped(field: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(field.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_those_with_something_behind_them() {
        let kinds = "nodev\tsysfs\nnodev\tproc\nnodev\tnfs4\n\text4\n";
        let mounts = "/dev/vda1 / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\nnas:/a /srv/my\\040files nfs4 rw,hard 0 0\n";
        let Value::Map(found) = mounts_of(mounts, kinds) else { panic!("no table") };
        assert_eq!(found.keys().collect::<Vec<_>>(), ["/", "/srv/my files"]);
        assert_eq!(found["/srv/my files"].to_string(), "{device: nas:/a, type: nfs4, options: [rw, hard]}");
    }
}
