//! Images: a Debian tree with packages, made once and laid under the disks of the nodes.
//!
//! All images share one base tree; an image is the layer over it that installing its packages made.
//! Both carry a stamp of their recipe and are made anew when the recipe or the week has changed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::command::{run_ok, say};
use super::network::GATEWAY;
use super::place::Place;
use super::proxy::PORT;
use super::sources::Sources;
use super::{LabError, Result};

/// After this time the package lists within would name versions that the archive no longer has.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a host has before anybody installs anything on it.
const BASE_PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,iputils-ping,procps";

const NETWORK_UNIT: &str = "\
[Unit]
Description=The address that the lab gave this node
DefaultDependencies=no
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip link set lo up; ip addr replace \"$(cat /etc/lab-address)/24\" dev host0; ip link set host0 up'
[Install]
WantedBy=sysinit.target
";

/// Runs a script in the tree made of layers; what it writes lands in the uppermost.
///
/// Everything is mounted in a namespace of its own, so nothing is left behind however it ends.
/// `/run/lock` has to be there: packages put files into it.
const IN_TREE: &str = r#"
set -e
lower=$1 upper=$2 work=$3 root=$4 script=$5
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/lock"
mount --rbind /dev "$root/dev"
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -c "$script"
"#;

/// A recipe: packages over the base tree, then a script.
#[derive(Debug, Clone)]
pub struct Image {
    name: String,
    packages: Vec<String>,
    setup: String,
}

impl Image {
    /// A Debian host as it is after installation.
    pub fn bare() -> Image {
        Image::with("bare", &[])
    }

    /// A host with packages installed beforehand, to save every run the time.
    pub fn with(name: &str, packages: &[&str]) -> Image {
        Image { name: name.to_owned(), packages: packages.iter().map(|package| (*package).to_owned()).collect(), setup: String::new() }
    }

    /// The same image with a shell script run in it at the end, for instance to disable services.
    pub fn setup(mut self, script: &str) -> Image {
        self.setup = script.to_owned();
        self
    }

    /// Makes the image where it is not there or out of date; gives its layers, uppermost first.
    pub(super) fn prepare(&self, place: &Place, sources: &Sources) -> Result<String> {
        let base = place.images().join("base");
        let recipe = format!("{} {BASE_PACKAGES} {NETWORK_UNIT} {}", sources.release(), sources.list());
        let base_stamp = renew(&base, &recipe, |folder| make_base(folder, sources))?;
        let image = place.images().join(&self.name);
        let recipe = format!("{base_stamp} {:?} {IN_TREE}", self);
        renew(&image, &recipe, |folder| self.make(folder, &base))?;
        Ok(format!("{}:{}", image.join("tree").display(), base.join("tree").display()))
    }

    fn make(&self, folder: &Path, base: &Path) -> Result<()> {
        say(&format!("lab: makes the image {}", self.name));
        for part in ["work", "root"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).map_err(LabError::doing(part.display()))?;
        }
        let script = format!(
            "set -e; printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
            apt-get -q update; apt-get -q -y -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends {}
            apt-get clean; {}
            rm /usr/sbin/policy-rc.d",
            self.packages.join(" "),
            if self.setup.is_empty() { "true" } else { &self.setup },
        );
        run_ok(
            Command::new("unshare")
                .args(["--mount", "--propagation", "private", "sh", "-c", IN_TREE, "in-tree"])
                .args([base.join("tree"), folder.join("tree"), folder.join("work"), folder.join("root")])
                .arg(script),
        )
        .map(drop)
    }
}

/// Makes a folder by its recipe unless it is there, made by the same recipe and young. Gives its stamp.
fn renew(folder: &Path, recipe: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<String> {
    let wanted = blake3::hash(recipe.as_bytes()).to_hex().to_string();
    let stamp_file = folder.join("stamp");
    if let Ok(stamp) = std::fs::read_to_string(&stamp_file)
        && stamp.starts_with(&wanted)
        && age(&stamp_file).is_some_and(|age| age < AGE_MAX)
    {
        return Ok(stamp);
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(LabError::doing(folder.display()))?;
    }
    let tree = folder.join("tree");
    std::fs::create_dir_all(&tree).map_err(LabError::doing(tree.display()))?;
    make(folder)?;
    // The time makes the stamp of a renewed base differ, so that the images over it are renewed too.
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let stamp = format!("{wanted} {now}");
    // Written last: a folder without a stamp is one whose making was interrupted.
    std::fs::write(&stamp_file, &stamp).map_err(LabError::doing(stamp_file.display()))?;
    Ok(stamp)
}

fn age(path: &Path) -> Option<Duration> {
    std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

fn make_base(folder: &Path, sources: &Sources) -> Result<()> {
    say("lab: makes the base tree (debootstrap, about a minute)");
    let tree = folder.join("tree");
    let mirror = sources.base().ok_or_else(|| LabError::new("apt knows no archive of this release"))?;
    run_ok(
        Command::new("debootstrap")
            .env("http_proxy", proxy_uri())
            .args(["--variant=minbase", &format!("--include={BASE_PACKAGES}"), sources.release()])
            .arg(&tree)
            .arg(mirror),
    )?;
    let write = |path: &str, text: &str| {
        let path: PathBuf = tree.join(path);
        std::fs::write(&path, text).map_err(LabError::doing(path.display()))
    };
    write("etc/apt/sources.list", &sources.list())?;
    write("etc/apt/apt.conf.d/01lab", &format!("Acquire::http::Proxy \"{}\";\n", proxy_uri()))?;
    // Recommended packages would make every test slower and none better.
    write("etc/apt/apt.conf.d/02lab", "APT::Install-Recommends \"false\";\n")?;
    write("etc/systemd/system/lab-net.service", NETWORK_UNIT)?;
    let wants = tree.join("etc/systemd/system/sysinit.target.wants");
    std::fs::create_dir_all(&wants).map_err(LabError::doing(wants.display()))?;
    std::os::unix::fs::symlink("../lab-net.service", wants.join("lab-net.service")).map_err(LabError::doing(wants.display()))
}

fn proxy_uri() -> String {
    format!("http://{GATEWAY}:{PORT}")
}
