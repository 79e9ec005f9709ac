//! Whether this machine can have a lab.

use std::path::Path;
use std::process::Command;

use super::command::run;

/// What the lab calls, and the Debian package that brings it.
const TOOLS: [(&str, &str); 7] = [
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("/usr/lib/apt/apt-helper", "apt"),
];

/// The reason why there can be no lab here, if there is one.
pub fn why_not() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("the lab needs root".to_owned());
    }
    if let Some((tool, package)) = TOOLS.into_iter().find(|(tool, _)| !on_path(tool)) {
        return Some(format!("the lab needs {tool} (package {package})"));
    }
    let trial = "mount -t tmpfs none /mnt && mkdir /mnt/a /mnt/b /mnt/c /mnt/d \
        && mount -t overlay none -o lowerdir=/mnt/a,upperdir=/mnt/b,workdir=/mnt/c /mnt/d \
        && ip link add trial type bridge";
    let ran = run(Command::new("unshare").args(["--mount", "--net", "--pid", "--fork", "--propagation", "private", "sh", "-c", trial]));
    match ran {
        Ok(ran) if ran.success() => None,
        Ok(ran) => Some(format!("the lab needs namespaces, overlays and bridges: {}", ran.stderr.trim())),
        Err(error) => Some(error.to_string()),
    }
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // An absolute name stays itself when joined.
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()) || Path::new("/usr/sbin").join(tool).is_file()
}
