//! Asks apt and tells it what to do. Nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keel_engine::resource::Failure;

use super::policy::{Available, parse_policy};
use crate::host::Host;
use crate::host::command::Command;
use crate::host::output::Output;

/// Fetching and unpacking may take long on a slow line.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long apt waits for another apt.
const LOCK_SECONDS: u32 = 300;
/// Package lists younger than this are not fetched again for a package that they do not have.
const LISTS_AGE_MAX_NS: i64 = 3600 * 1_000_000_000;
/// What `apt-cache policy` may print for all packages of a catalog.
const POLICY_BYTES_MAX: usize = 16 << 20;
/// Where apt learns which lists there are, and where it keeps them.
const SOURCES: [&str; 4] = ["/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/preferences", "/etc/apt/preferences.d"];
const LISTS: &str = "/var/lib/apt/lists";

/// What apt and dpkg say of a package that was cut off while it was unpacked.
const REINSTALL: [&str; 2] = ["needs to be reinstalled", "very bad inconsistent state"];

/// Whether a package that was cut off is in the way.
pub(super) fn is_cut_off(text: &str) -> bool {
    REINSTALL.iter().any(|words| text.contains(words))
}

/// Where apt keeps which packages nobody asked for.
pub(super) const AUTOMATIC_FILE: &str = "/var/lib/apt/extended_states";

/// When this process last fetched the lists, in nanoseconds since 1970.
static FETCHED: Mutex<Option<i64>> = Mutex::new(None);

/// The versions that apt knows of these packages.
pub(super) fn available(host: &Host, names: &[&str]) -> Result<BTreeMap<String, Available>, Failure> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = host.command("apt-cache").argument("policy").arguments(names.iter().copied()).capture(POLICY_BYTES_MAX).succeed()?;
    Ok(parse_policy(&output.text()?))
}

/// Fetches the package lists, unless that was done lately and no source was touched since.
/// Says whether it did.
pub(super) fn fetch_lists(host: &Host) -> Result<bool, Failure> {
    let mut fetched = FETCHED.lock().unwrap_or_else(PoisonError::into_inner);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_nanos()).ok()).unwrap_or(i64::MAX);
    let last = (*fetched).max(modified(host, LISTS));
    let touched = SOURCES.iter().filter_map(|path| modified(host, path)).max();
    let is_fresh = last.is_some_and(|last| now.saturating_sub(last) < LISTS_AGE_MAX_NS && touched < Some(last));
    if is_fresh && has_lists(host) {
        return Ok(false);
    }
    apt_get(host).argument("update").succeed()?;
    *fetched = Some(now);
    Ok(true)
}

/// Fetches the lists of the archives in one file, and takes everything but a success as a failure.
pub(crate) fn fetch_lists_of(host: &Host, file: &str) -> Result<(), Failure> {
    let only = ["-o".to_owned(), format!("Dir::Etc::sourcelist={file}"), "-o".to_owned(), "Dir::Etc::sourceparts=-".to_owned()];
    let command = apt_get(host).arguments(only).arguments(["-o", "APT::Get::List-Cleanup=0", "--error-on=any", "update"]);
    command.succeed().map(drop)
}

/// When a file or folder last changed, in nanoseconds since 1970.
fn modified(host: &Host, path: &str) -> Option<i64> {
    Some(host.stat_followed(path).ok()??.modified_ns)
}

fn has_lists(host: &Host) -> bool {
    let entries = host.list(LISTS).ok().flatten().unwrap_or_default();
    entries.iter().any(|entry| entry.name.to_string_lossy().contains("Packages"))
}

/// Runs apt-get with arguments that stand for one step. What stopped half way is repaired, and lists
/// that have become stale are fetched again, once each.
pub(super) fn run(host: &Host, arguments: &[String]) -> Result<(), Failure> {
    let command = apt_get(host).arguments(arguments.iter().cloned());
    let mut output = command.run()?;
    if !output.is_success() && mentions(&output, "dpkg --configure -a") {
        // What was cut off while it was unpacked cannot be configured, but the step itself may unpack it anew.
        let _ = configure_all(host);
        output = command.run()?;
    }
    let stale = ["404  Not Found", "Hash Sum mismatch", "Unable to fetch some archives"];
    if !output.is_success() && stale.iter().any(|words| mentions(&output, words)) {
        apt_get(host).argument("update").succeed()?;
        output = command.run()?;
    }
    if output.is_success() { Ok(()) } else { Err(explain(&output)) }
}

/// Lets dpkg finish what was interrupted.
pub(super) fn configure_all(host: &Host) -> Result<(), Failure> {
    quiet(host.command("dpkg")).arguments(["--force-confdef", "--force-confold", "--configure", "-a"]).succeed().map(drop)
}

/// Has dpkg unpack a file anew. Of a package that was cut off apt wants an archive, and does not see the file that it is given.
pub(super) fn unpack_again(host: &Host, options: &[&str], file: &str) -> Result<(), Failure> {
    quiet(host.command("dpkg")).arguments(options.iter().copied()).arguments(["--install", file]).succeed().map(drop)
}

/// Puts packages on hold, or lets go of them.
pub(super) fn select(host: &Host, selections: &[(&str, bool)]) -> Result<(), Failure> {
    let lines: Vec<String> = selections.iter().map(|(name, held)| format!("{name} {}\n", if *held { "hold" } else { "install" })).collect();
    host.command("dpkg").argument("--set-selections").input(lines.concat()).succeed().map(drop)
}

fn apt_get(host: &Host) -> Command {
    let options = ["-y", "-q", "-o", "Dpkg::Use-Pty=0", "-o"];
    quiet(host.command("apt-get")).arguments(options).argument(format!("DPkg::Lock::Timeout={LOCK_SECONDS}"))
}

/// Nothing asks questions, and nothing restarts services behind the operator's back.
fn quiet(command: Command) -> Command {
    command
        .environment("DEBIAN_FRONTEND", "noninteractive")
        .environment("DEBIAN_PRIORITY", "critical")
        .environment("APT_LISTCHANGES_FRONTEND", "none")
        .environment("NEEDRESTART_SUSPEND", "1")
        .environment("UCF_FORCE_CONFFOLD", "1")
        .timeout(Some(TIMEOUT))
}

fn mentions(output: &Output, words: &str) -> bool {
    output.stderr.text().contains(words) || output.stdout.text().contains(words)
}

fn wants_reinstall(output: &Output) -> bool {
    is_cut_off(&output.stderr.text()) || is_cut_off(&output.stdout.text())
}

/// The failure with advice where the cause is a known one.
fn explain(output: &Output) -> Failure {
    let failure = output.failure();
    if mentions(output, "Unable to locate package") || mentions(output, "has no installation candidate") {
        return failure.help("check the name, and that a source in /etc/apt has it");
    }
    if wants_reinstall(output) {
        return failure.help("it was cut off while it was unpacked, and apt has that version no more: give a package file as `source`, or remove it with `dpkg --remove --force-remove-reinstreq`");
    }
    if mentions(output, "Could not get lock") {
        return failure.help("another apt or dpkg is running; see `fuser -v /var/lib/dpkg/lock-frontend`");
    }
    if mentions(output, "Held packages were changed") {
        return failure.help("a package is on hold; release it with `hold=#false`, or keep and change it with `hold=#true`");
    }
    failure
}
