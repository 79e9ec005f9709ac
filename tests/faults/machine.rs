//! A scratch root as a machine of its own: a run in it has `/` for its root, so that commands and refreshes happen.

use super::scratch::Scratch;

/// Mounts what a machine needs into the root, where only this process sees it, and becomes keel there.
const ENTER: &str = r#"
    root=$1 keel=$2 site=$3; shift 3
    for folder in /usr /proc /dev /sys; do [ ! -d "$root$folder" ] || mount --rbind "$folder" "$root$folder"; done
    mount --bind "$keel" "$root/keel"
    mount --bind "$site" "$root/site"
    exec chroot "$root" /keel "$@"
"#;

impl Scratch {
    /// Makes the root one that can be entered; only root may.
    pub(crate) fn furnish(&self) {
        for folder in ["usr", "proc", "dev", "site", "etc", "srv", "var/log"] {
            std::fs::create_dir_all(self.path(folder)).unwrap();
        }
        for folder in ["bin", "sbin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{folder}"), self.path(folder)).unwrap();
        }
        std::fs::write(self.path("keel"), "").unwrap();
    }

    /// The command line of a run inside; it needs nothing in the environment but a PATH.
    pub(crate) fn line_inside(&self, verb: &str) -> Vec<String> {
        let line = self.line(verb);
        let outside = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-euc", ENTER, "sh"].map(str::to_owned);
        let places = [line[6].clone(), line[0].clone(), line[2].clone()];
        let inside = [verb, "/site", "--host", "h"].map(str::to_owned);
        [&outside[..], &places[..], &inside[..]].concat()
    }
}
