//! The stage's root as a machine of its own: what runs in it has `/` for its root, so that commands run.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::stage::{Done, Stage};

/// Mounts what a machine needs into the root, where only this process sees it, and becomes keel there.
const ENTER: &str = r#"
    root=$1 keel=$2 site=$3; shift 3
    for folder in /usr /proc /dev; do mount --rbind "$folder" "$root$folder"; done
    mount --bind "$keel" "$root/keel"
    mount --bind "$site" "$root/site"
    exec chroot "$root" /keel "$@" /site --host h --root /
"#;

/// Makes the root one that can be entered; says why not, where it cannot.
pub(crate) fn furnish(stage: &Stage) -> Result<(), &'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Err("only root can make a machine of a scratch folder");
    }
    for folder in ["usr", "proc", "dev", "site", "etc"] {
        std::fs::create_dir_all(stage.root().join(folder)).unwrap();
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{folder}"), stage.root().join(folder)).unwrap();
    }
    std::fs::write(stage.root().join("keel"), "").unwrap();
    Ok(())
}

/// Runs `plan` or `apply` for the host inside.
pub(crate) fn run(stage: &Stage, verb: &str, more: &[&str]) -> Done {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "/bin/sh", "-euc", ENTER, "sh"]);
    command.arg(stage.root()).arg(env!("CARGO_BIN_EXE_keel")).arg(stage.site()).arg(verb).args(more);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).current_dir("/");
    Done::of(command.output().unwrap())
}
