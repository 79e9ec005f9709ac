//! A scratch root as a machine of its own: what runs in it has `/` for its root, so that commands and refreshes happen.

use std::path::Path;
use std::process::Command;

use crate::program::keel;

/// Mounts what a machine needs into the root, where only this process sees it, and becomes keel there.
const ENTER: &str = r#"
    root=$1 keel=$2 shared=$3; shift 3
    for folder in /usr /proc /dev /sys; do mount --rbind "$folder" "$root$folder"; done
    mount --bind "$keel" "$root/keel"
    mount --bind "$shared" "$root/shared"
    exec chroot "$root" /keel "$@"
"#;

/// Makes a root one that can be entered.
pub(super) fn furnish(root: &Path) {
    for folder in ["usr", "proc", "dev", "sys", "srv", "shared"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{folder}"), root.join(folder)).unwrap();
    }
    std::fs::write(root.join("keel"), "").unwrap();
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
}

/// `keel` inside; what follows are its arguments.
pub(super) fn inside(root: &Path, shared: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "/bin/sh", "-euc", ENTER, "sh"]).arg(root).arg(keel()).arg(shared);
    command
}

/// The processes below a process, as they are now.
pub(super) fn descendants(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> =
        children.flat_map(|text| text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>()).collect();
    children.into_iter().flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}
