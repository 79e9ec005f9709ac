//! One host of the lab: its disk, its power and the way in.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::command::{Ran, run};
use super::network::{address_of, bridge_option, set_cable};
use super::place::Place;
use super::{LabError, Result};

const BOOT_TIME_MAX: Duration = Duration::from_secs(120);
const HALT_TIME_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The cgroup hierarchies a node gets a group of its own in. Not `cpu`: a group there has no realtime
/// budget, and cluster daemons want some.
const HIERARCHIES: [&str; 3] = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory"];
const UNIFIED_ONLY: &str = "/sys/fs/cgroup";

/// Moves itself into a cgroup of the node's own, since nspawn builds below the one it is called in and
/// two nodes would collide; then lays the disk and becomes nspawn. The mount dies with it.
const POWER_ON: &str = r#"
set -e
groups=$1 lower=$2 disk=$3
shift 3
for group in $groups; do
  mkdir -p "$group"
  echo $$ >"$group/cgroup.procs"
done
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$disk/upper,workdir=$disk/work" "$disk/root"
exec systemd-nspawn "$@"
"#;

/// A host of the lab.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    address: Ipv4Addr,
    folder: PathBuf,
    layers: String,
}

impl Node {
    pub(super) fn new(place: &Place, name: &str, index: usize, layers: &str) -> Node {
        Node { name: name.to_owned(), address: address_of(index), folder: place.nodes().join(name), layers: layers.to_owned() }
    }

    /// A node of the lab that another process of this machine holds up.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn attach(place: &Place, name: &str) -> Result<Node> {
        let folder = place.nodes().join(name);
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).map_err(LabError::doing(format!("no node {name}")));
        let address = read("address")?.trim().parse().map_err(|error| LabError::new(format!("{name}: {error}")))?;
        Ok(Node { name: name.to_owned(), address, layers: read("layers")?, folder })
    }

    /// Its name, which is its host name too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the bridge, reachable from this machine.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Makes the disk: empty but for the name, the address and the other nodes' names.
    pub(super) fn furnish(&self, hosts: &str) -> Result<()> {
        for part in ["upper/etc", "work", "root"] {
            let part = self.folder.join(part);
            std::fs::create_dir_all(&part).map_err(LabError::doing(part.display()))?;
        }
        // Nodes with the machine-id of the tree would be one host to everything that reads it.
        let machine_id: String = blake3::hash(self.name.as_bytes()).to_hex().chars().take(32).collect();
        for (file, text) in [
            ("address", self.address.to_string()),
            ("layers", self.layers.clone()),
            ("upper/etc/hostname", format!("{}\n", self.name)),
            ("upper/etc/machine-id", format!("{machine_id}\n")),
            ("upper/etc/lab-address", format!("{}\n", self.address)),
            ("upper/etc/hosts", hosts.to_owned()),
        ] {
            let path = self.folder.join(file);
            std::fs::write(&path, text).map_err(LabError::doing(path.display()))?;
        }
        Ok(())
    }

    /// Switches it on, on the disk as it is. [`Node::wait_booted`] tells when it is there.
    ///
    /// # Errors
    /// When it runs already or the machine refuses.
    pub fn start(&self) -> Result<()> {
        if self.running()?.is_some() {
            return Err(LabError::new(format!("{} is running already", self.name)));
        }
        remove_groups(&self.name);
        let console = self.folder.join("console.log");
        let log = std::fs::File::options().create(true).append(true).open(&console).map_err(LabError::doing(console.display()))?;
        let log_too = log.try_clone().map_err(LabError::doing(console.display()))?;
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", POWER_ON, "power-on"])
            .args([groups_of(&self.name).join(" "), self.layers.clone()])
            .arg(&self.folder)
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off", "--timezone=off"])
            .args(["--link-journal=no", "--suppress-sync=yes", "--private-users=no", "--capability=all"])
            // Without the drop a node could set the clock of the whole machine.
            .args(["--drop-capability=CAP_SYS_TIME,CAP_SYS_MODULE,CAP_SYS_RAWIO", &bridge_option()])
            .args(["-M", &self.name, "-D"])
            .arg(self.folder.join("root"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .map_err(LabError::doing(&self.name))?;
        let pid = i32::try_from(child.id()).map_err(|_| LabError::new("a process id out of range"))?;
        let started = start_time(pid).unwrap_or_default();
        let path = self.folder.join("pid");
        std::fs::write(&path, format!("{pid} {started}")).map_err(LabError::doing(path.display()))
    }

    /// Waits until systemd has done all it wanted.
    ///
    /// # Errors
    /// When that takes too long; the message holds the end of the console.
    pub fn wait_booted(&self) -> Result<()> {
        let deadline = Instant::now() + BOOT_TIME_MAX;
        let mut state = String::from("no systemd");
        while Instant::now() < deadline && self.running()?.is_some() {
            if self.leader().is_ok() {
                let ran = self.exec(&["systemctl", "is-system-running"])?;
                state = ran.stdout.trim().to_owned();
                if ["running", "degraded"].contains(&state.as_str()) {
                    return Ok(());
                }
            }
            std::thread::sleep(POLL);
        }
        let console = std::fs::read_to_string(self.folder.join("console.log")).unwrap_or_default();
        let lines: Vec<&str> = console.lines().collect();
        let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        Err(LabError::new(format!("{} did not boot ({state})\n{}", self.name, last.join("\n"))))
    }

    /// Runs a command in the node, as root, with nothing on its input.
    ///
    /// # Errors
    /// When the node is not running; a command that fails is no error.
    pub fn exec(&self, command: &[&str]) -> Result<Ran> {
        run(self.inside()?.args(command))
    }

    /// Runs a shell script in the node.
    ///
    /// # Errors
    /// When the node is not running; a script that fails is no error.
    pub fn shell(&self, script: &str) -> Result<Ran> {
        // As an argument: programs that read their input would swallow the rest of a script fed there.
        self.exec(&["sh", "-c", script])
    }

    /// The way in: the start of a command that runs inside the node with a clean environment.
    ///
    /// # Errors
    /// When the node is not running.
    pub fn inside(&self) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.leader()?.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]);
        command.args(["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]);
        Ok(command)
    }

    /// Copies a file to the path, or a folder's contents into the folder of that path.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn copy_in(&self, source: &Path, target: &str) -> Result<()> {
        let mut tar = Command::new("tar");
        let extract = if source.is_dir() {
            tar.arg("-C").arg(source).args(["-c", "."]);
            "mkdir -p \"$1\" && exec tar -C \"$1\" --no-same-owner -x"
        } else {
            let name = source.file_name().ok_or_else(|| LabError::new(format!("{} names no file", source.display())))?;
            tar.arg("-C").arg(source.parent().unwrap_or(Path::new("/"))).arg("-c").arg(name);
            "mkdir -p \"$(dirname \"$1\")\" && exec tar --no-same-owner --to-stdout -x >\"$1\" "
        };
        let mut packing = tar.stdout(Stdio::piped()).spawn().map_err(LabError::doing("tar"))?;
        let input = packing.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let unpacked = self.inside()?.args(["sh", "-c", extract, "copy-in", target]).stdin(input).output();
        let packed = packing.wait().map_err(LabError::doing("tar"))?;
        let unpacked = Ran::from(unpacked.map_err(LabError::doing("nsenter"))?);
        if !packed.success() || !unpacked.success() {
            return Err(LabError::new(format!("cannot copy {} to {}:{target}: {}", source.display(), self.name, unpacked.stderr)));
        }
        if !source.is_dir() {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(source).map_err(LabError::doing(source.display()))?.permissions().mode() & 0o7777;
            self.exec(&["chmod", &format!("{mode:o}"), target])?;
        }
        Ok(())
    }

    /// Copies a file of the node to a path of this machine, or a folder's contents into the folder of
    /// that path.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn copy_out(&self, source: &str, target: &Path) -> Result<()> {
        if self.exec(&["test", "-d", source])?.success() {
            return self.copy_folder_out(source, target);
        }
        if !self.exec(&["test", "-f", source])?.success() {
            return Err(LabError::new(format!("{}:{source} is no file and no folder", self.name)));
        }
        let file = std::fs::File::create(target).map_err(LabError::doing(target.display()))?;
        let status = self.inside()?.args(["cat", source]).stdin(Stdio::null()).stdout(file).status().map_err(LabError::doing("nsenter"))?;
        if status.success() { Ok(()) } else { Err(LabError::new(format!("cannot read {}:{source}", self.name))) }
    }

    fn copy_folder_out(&self, source: &str, target: &Path) -> Result<()> {
        std::fs::create_dir_all(target).map_err(LabError::doing(target.display()))?;
        let mut pack = self.inside()?;
        let packing = pack.args(["tar", "-C", source, "-c", "."]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut packing = packing.map_err(LabError::doing("nsenter"))?;
        let input = packing.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let unpacked = Command::new("tar").arg("-C").arg(target).args(["--no-same-owner", "-x"]).stdin(input).output();
        let packed = packing.wait().map_err(LabError::doing("nsenter"))?;
        let unpacked = Ran::from(unpacked.map_err(LabError::doing("tar"))?);
        if packed.success() && unpacked.success() {
            return Ok(());
        }
        Err(LabError::new(format!("cannot copy {}:{source} to {}: {}", self.name, target.display(), unpacked.stderr)))
    }

    /// Pulls its network cable; inside nothing shows but silence.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn unplug(&self) -> Result<()> {
        set_cable(&self.name, "down")
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn plug_in(&self) -> Result<()> {
        if self.running()?.is_some() { set_cable(&self.name, "up") } else { Ok(()) }
    }

    /// Loss of power: everything in it is gone at once, the disk stays.
    ///
    /// # Errors
    /// When it does not die.
    pub fn kill(&self) -> Result<()> {
        if let Ok(leader) = self.leader() {
            // It may just have ended by itself.
            let _ = kill(leader, Signal::SIGKILL);
        }
        if self.wait_gone(Duration::from_secs(10)).is_err()
            && let Some(nspawn) = self.running()?
        {
            let _ = kill(nspawn, Signal::SIGKILL);
        }
        self.wait_gone(Duration::from_secs(10))
    }

    /// Restarts it in an orderly way and waits until it is back.
    ///
    /// # Errors
    /// When it does not go down or does not come back.
    pub fn reboot(&self) -> Result<()> {
        self.halt("reboot")?;
        self.start()?;
        self.wait_booted()
    }

    /// Switches it off in an orderly way.
    ///
    /// # Errors
    /// When it does not go down.
    pub fn power_off(&self) -> Result<()> {
        self.halt("poweroff")
    }

    fn halt(&self, how: &str) -> Result<()> {
        self.exec(&["systemctl", "--no-block", how])?;
        self.wait_gone(HALT_TIME_MAX)
    }

    /// Ends it and deletes its disk.
    pub(super) fn remove(&self) -> Result<()> {
        if self.running()?.is_some() {
            self.kill()?;
        }
        remove_groups(&self.name);
        match std::fs::remove_dir_all(&self.folder) {
            // A lab that failed early has not made all its disks.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LabError::doing(self.folder.display())(error)),
            _ => Ok(()),
        }
    }

    fn wait_gone(&self, time_max: Duration) -> Result<()> {
        let deadline = Instant::now() + time_max;
        while let Some(pid) = self.running()? {
            if Instant::now() > deadline {
                return Err(LabError::new(format!("{} (process {pid}) does not end", self.name)));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// The process id of its nspawn, if that is still the process we started.
    fn running(&self) -> Result<Option<Pid>> {
        let Ok(text) = std::fs::read_to_string(self.folder.join("pid")) else { return Ok(None) };
        let known = text.split_once(' ').and_then(|(pid, started)| Some((pid.parse::<i32>().ok()?, started.parse::<u64>().ok()?)));
        let Some((pid, started)) = known else { return Err(LabError::new(format!("{}: the file pid is damaged", self.name))) };
        // Ours if this process started it, else somebody else's to bury.
        let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        Ok((start_time(pid) == Some(started)).then(|| Pid::from_raw(pid)))
    }

    /// The node's own first process, as this machine sees it.
    fn leader(&self) -> Result<Pid> {
        let off = || LabError::new(format!("{} is not running", self.name));
        let nspawn = self.running()?.ok_or_else(off)?;
        let children = std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).unwrap_or_default();
        let first = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "systemd");
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(first).map(Pid::from_raw).ok_or_else(off)
    }
}

/// Ends and removes what a lab that was killed left behind. Only for the holder of the lock.
pub(super) fn clean_up(place: &Place) -> Result<()> {
    let nodes = place.nodes();
    for entry in std::fs::read_dir(&nodes).map_err(LabError::doing(nodes.display()))? {
        let name = entry.map_err(LabError::doing(nodes.display()))?.file_name();
        Node::new(place, &name.to_string_lossy(), 0, "").remove()?;
    }
    Ok(())
}

/// The text of /etc/hosts, the same on all nodes.
pub(super) fn hosts_file(nodes: &[Node]) -> String {
    let mut text = String::from("127.0.0.1\tlocalhost\n");
    for node in nodes {
        let _ = writeln!(text, "{}\t{}", node.address, node.name);
    }
    text
}

/// When a living process was started, in clock ticks; tells two processes of one id apart.
fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The start time in a line of /proc/PID/stat; `None` for a process that has ended.
fn parse_start_time(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn groups_of(node: &str) -> Vec<String> {
    let present: Vec<&str> = HIERARCHIES.into_iter().filter(|hierarchy| Path::new(hierarchy).is_dir()).collect();
    let hierarchies = if present.is_empty() { vec![UNIFIED_ONLY] } else { present };
    hierarchies.iter().map(|hierarchy| format!("{hierarchy}/keel-lab/{node}")).collect()
}

fn remove_groups(node: &str) {
    for group in groups_of(node) {
        remove_group(Path::new(&group));
    }
}

/// Removes an empty cgroup and what is below it; the kernel wants it from the leaves.
fn remove_group(group: &Path) {
    let Ok(entries) = std::fs::read_dir(group) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_group(&entry.path());
    }
    // One that is still in use stays, and hurts nobody.
    let _ = std::fs::remove_dir(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 7777 1 2";
        assert_eq!(parse_start_time(stat), Some(7777));
        assert_eq!(parse_start_time(&stat.replace(" S ", " Z ")), None);
    }

    #[test]
    fn addresses_are_fixed() {
        assert_eq!(address_of(0).to_string(), "10.77.0.11");
        assert_eq!(address_of(2).to_string(), "10.77.0.13");
    }
}
