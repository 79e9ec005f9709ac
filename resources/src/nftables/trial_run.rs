//! Rules in the kernel: how they differ from the declared ones, and how they get there without cutting the
//! host off.

use std::fmt::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use keel_engine::digest::Digest;
use keel_engine::resource::{Failure, ObserveError};

use super::Nftables;
use super::ruleset::Ruleset;
use crate::host::command::Command;
use crate::host::output::CommandError;
use crate::host::{Backup, Host, NewFile, Ownership};

/// Where the old rules are while new ones are on trial.
const FOLDER: &str = "/run";
/// How long one attempt to connect may take, and the time between two.
const ATTEMPT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(500);
/// Rulesets with long sets are long.
const LISTING_BYTES_MAX: usize = 16 << 20;
/// Prints the rules of a text as the kernel would print them, in a network of its own.
const REHEARSE: &str = "nft -f - && exec nft -s -t list ruleset";

fn nft(host: &Host) -> Command {
    host.command("nft").capture(LISTING_BYTES_MAX)
}

/// What differs between the running rules and the declared ones, in a word; none where nothing does.
pub(super) fn difference(host: &Host, desired: &Nftables, ruleset: &Ruleset) -> Result<Option<String>, ObserveError> {
    let listed = nft(host).arguments(["-s", "-t", "list", "ruleset"]).run()?;
    let running = if listed.is_success() { listed.text()? } else { return Err(listed.failure().into()) };
    let running = tables(&running);
    let missing: Vec<&str> =
        ruleset.tables.iter().map(String::as_str).filter(|table| !running.iter().any(|(name, _)| name == table)).collect();
    if !missing.is_empty() {
        return Ok(Some(format!("without table {}", missing.join(", "))));
    }
    let Some(rehearsed) = rehearse(host, desired, ruleset)? else { return Ok(None) };
    for (name, text) in &rehearsed {
        if running.iter().find(|(running, _)| running == name).is_none_or(|(_, running)| running != text) {
            return Ok(Some(format!("other rules in table {name}")));
        }
    }
    let further = running.iter().find(|(name, _)| ruleset.flushes && !rehearsed.iter().any(|(rehearsed, _)| rehearsed == name));
    Ok(further.map(|(name, _)| format!("with table {name}")))
}

/// The tables that the kernel has, as `family name`; none where there is no nft to ask.
pub(super) fn running_tables(host: &Host) -> Result<Vec<String>, Failure> {
    let listed = match nft(host).arguments(["list", "tables"]).run() {
        Ok(listed) => listed,
        Err(CommandError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    if !listed.is_success() {
        return Err(listed.failure());
    }
    Ok(listed.text()?.lines().filter_map(|line| line.strip_prefix("table ")).map(|table| table.trim().to_owned()).collect())
}

/// The declared rules as the kernel prints them. None where they name interfaces by number, which are
/// looked for when they are loaded and are not there in another network.
fn rehearse(host: &Host, desired: &Nftables, ruleset: &Ruleset) -> Result<Option<Vec<(String, String)>>, ObserveError> {
    let shell = host.command("unshare").arguments(["--net", "--", "/bin/sh", "-c", REHEARSE]);
    let rehearsed = shell.input(ruleset.text()).capture(LISTING_BYTES_MAX).run()?;
    if rehearsed.is_success() {
        return Ok(Some(tables(&rehearsed.text()?)));
    }
    check(host, desired, ruleset)?;
    Ok(None)
}

/// Asks nft whether it would take the rules here.
fn check(host: &Host, desired: &Nftables, ruleset: &Ruleset) -> Result<(), Failure> {
    let checked = nft(host).arguments(["-c", "-f", "-"]).input(ruleset.text()).succeed();
    checked.map(drop).map_err(|failure| refused(desired, failure))
}

fn refused(desired: &Nftables, failure: Failure) -> Failure {
    Failure::new(format!("nft refuses the rules of {}: {}", desired.name, failure.message)).help("the old ones stay in force")
}

/// The tables of a listing, by family and name.
fn tables(listing: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in listing.lines() {
        match line.strip_prefix("table ") {
            Some(rest) => found.push((rest.trim_end_matches('{').trim().to_owned(), String::new())),
            None => {
                if let Some((_, text)) = found.last_mut() {
                    let _ = writeln!(text, "{line}");
                }
            }
        }
    }
    found
}

fn write(host: &Host, path: &str, text: &str) -> Result<(), Failure> {
    let ownership = Ownership { mode: Some(0o600), ..Ownership::default() };
    host.replace(path, &NewFile { ownership, backup: Backup::None, ..NewFile::of(text.as_bytes()) })
}

/// A name that no other resource's files and units have.
fn unit(desired: &Nftables) -> String {
    format!("keel-nftables-{}", Digest::of(desired.name.as_bytes()).short())
}

/// Where the rules are kept that come back. It is there exactly as long as new ones have not proved themselves.
fn old_rules(desired: &Nftables) -> String {
    format!("{FOLDER}/{}-old.nft", unit(desired))
}

/// Loads the old rules, and says by the absence of their file that this is done. Without a `$`, which systemd would
/// take for its own.
fn bring_back(old: &str) -> String {
    format!("/usr/sbin/nft -f {old} && rm -f {old}")
}

/// What is the matter with rules that are the declared ones: a run that was killed may have left them before they
/// proved themselves.
pub(super) fn unproved(host: &Host, desired: &Nftables) -> Result<Option<String>, ObserveError> {
    Ok(host.stat(old_rules(desired))?.map(|_| "on trial by a run that was ended".to_owned()))
}

/// Loads the rules. Where they have to prove themselves and do not, the old ones come back: those from before the
/// first trial, where a run was killed in the middle of one.
pub(super) fn put_in_force(host: &Host, desired: &Nftables, ruleset: &Ruleset) -> Result<(), Failure> {
    let load = |text: String| nft(host).arguments(["-f", "-"]).input(text).succeed().map(drop);
    check(host, desired, ruleset)?;
    let old = old_rules(desired);
    let of_killed = host.read_text(&old)?;
    let guard = Guard(format!("{}-revert", unit(desired)));
    if desired.confirm.is_empty() && desired.confirm_tcp.is_none() {
        load(ruleset.text())?;
        return if of_killed.is_some() { guard.lift(host, &old) } else { Ok(()) };
    }
    let before = match of_killed {
        Some(before) => before,
        None => format!("flush ruleset\n{}", nft(host).arguments(["list", "ruleset"]).succeed()?.text()?),
    };
    guard.set(host, desired, &old, &before)?;
    let proved = load(ruleset.text()).and_then(|()| prove(host, desired));
    if proved.is_err() {
        let again = format!("the timer {} tries that once more: systemctl status {}", guard.0, guard.0);
        load(before).map_err(|failure| failure.help(again))?;
    }
    guard.lift(host, &old)?;
    proved.map_err(|failure| {
        let message =
            format!("the host is cut off under the new rules of {}, and the old ones are back: {}", desired.name, failure.message);
        Failure::new(message).help("let through what `confirm` and `confirm_tcp` ask for")
    })
}

/// A timer of systemd that brings the old rules back where this process does not live to do so.
struct Guard(String);

impl Guard {
    fn set(&self, host: &Host, desired: &Nftables, old: &str, before: &str) -> Result<(), Failure> {
        let delay = (desired.confirm_timeout.0 * 2).as_secs().to_string();
        // A run that was killed may have left one, which is not to take the file away from this one.
        self.stop(host);
        write(host, old, before)?;
        let timer = [
            format!("--unit={}", self.0),
            format!("--on-active={delay}"),
            "--timer-property=AccuracySec=1s".to_owned(),
            "--quiet".to_owned(),
        ];
        let command = host.command("systemd-run").arguments(timer).arguments(["--collect", "/bin/sh", "-c", &bring_back(old)]);
        let failed = |failure: Failure| {
            failure.help("rules that have to prove themselves need a running systemd, which brings the old ones back in any case")
        };
        match command.succeed() {
            Ok(_) => Ok(()),
            // Nothing was changed yet that would have to be brought back.
            Err(failure) => host.remove(old).and(Err(failed(failure))),
        }
    }

    fn stop(&self, host: &Host) {
        // Where there is none this fails, and a timer that stays finds nothing to bring back.
        let _ = host.command("systemctl").arguments(["stop", &format!("{}.timer", self.0), &format!("{}.service", self.0)]).run();
    }

    /// Without the file nothing comes back, whatever becomes of the timer.
    fn lift(&self, host: &Host, old: &str) -> Result<(), Failure> {
        let removed = host.remove(old).map(drop);
        self.stop(host);
        removed
    }
}

/// Whether the host can do what it has to, within its time.
fn prove(host: &Host, desired: &Nftables) -> Result<(), Failure> {
    let end = Instant::now() + desired.confirm_timeout.0;
    loop {
        let attempt = attempt(host, desired);
        if attempt.is_ok() || Instant::now() + PAUSE >= end {
            return attempt;
        }
        std::thread::sleep(PAUSE);
    }
}

fn attempt(host: &Host, desired: &Nftables) -> Result<(), Failure> {
    if let Some((program, arguments)) = desired.confirm.split_first() {
        host.command(program).arguments(arguments.iter().cloned()).timeout(Some(desired.confirm_timeout.0)).succeed()?;
    }
    let Some(port) = &desired.confirm_tcp else { return Ok(()) };
    let addresses = port.to_socket_addrs().map_err(|error| Failure::new(format!("{port} cannot be looked up: {error}")))?;
    let mut last = Failure::new(format!("{port} has no address"));
    for address in addresses {
        match TcpStream::connect_timeout(&address, ATTEMPT) {
            Ok(_) => return Ok(()),
            Err(error) => last = Failure::new(format!("{port} cannot be reached: {error}")),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;

    use super::*;

    #[test]
    fn listings_are_cut_into_tables() {
        let listing = "table inet a {\n\tchain b {\n\t}\n}\ntable ip c {\n}\n";
        let found = tables(listing);
        assert_eq!(found, [("inet a".to_owned(), "\tchain b {\n\t}\n}\n".to_owned()), ("ip c".to_owned(), "}\n".to_owned())]);
    }

    #[test]
    fn nothing_in_the_command_of_the_timer_is_anybody_elses_to_read() {
        let desired = Nftables::from_attributes("a b; $(x)", &[("content".to_owned(), "flush ruleset".into())].into()).unwrap();
        let command = bring_back(&old_rules(&desired));
        assert!(command.chars().all(|c| c.is_ascii_alphanumeric() || " /.-&".contains(c)), "{command}");
    }
}
