//! The prover: a process of its own, beside whatever runs, that looks how the host is as a member. Other members want to
//! know before they are interrupted; and what an earlier run holds goes back.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use keel_engine::catalog::Catalog;
use keel_engine::guard::Readiness;
use keel_engine::protocol::leases::{Demand, LeaseProof};

use super::promises::{Promises, State};
use super::{prove_over, readiness};
use crate::error::{Error, Kind, Result};
use crate::pull::catalogs::Catalogs;
use crate::pull::home::Home;
use crate::pull::node::Node;
use crate::pull::server::Server;
use crate::pull::settings::AgentSettings;
use crate::state::lock::Lock;
use crate::state::{read_if_there, replace};

/// Where it is noted what was answered with "not ready".
const UNREADY: &str = "unready.json";

/// Starts the process; without demands it gives back what an earlier run holds. `ended` is called at its end.
///
/// # Errors
/// The system has no process for it.
pub fn start(program: &Path, root: &Path, demands: &[Demand], ended: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(["agent", "prove", "--root"]).arg(root);
    if !demands.is_empty() {
        command.arg("--demands").arg(serde_json::to_string(demands)?);
    }
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8").env("HOME", "/root");
    let mut child = command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    // Somebody has to wait for its end, and its own words are in the journal.
    let wait = move || {
        drop(child.wait());
        ended();
    };
    std::thread::Builder::new().name("prover".to_owned()).spawn(wait)?;
    Ok(())
}

/// Whether there is something that a later look may bring to its end.
pub fn is_wanted(home: &Home) -> bool {
    owes(home) || !unready(home).is_empty()
}

/// Whether an earlier run holds a lease, or may hold one.
pub fn owes(home: &Home) -> bool {
    Promises::load(home).is_ok_and(|promises| !promises.held().is_empty())
}

/// A guard whose lease was asked for without an answer: whether it is held or waited for only the server knows.
pub fn unanswered(home: &Home) -> Option<String> {
    Promises::load(home).ok()?.unanswered().map(str::to_owned)
}

/// Answers demands, by the checks of the newest catalog.
///
/// # Errors
/// The server cannot be told.
pub fn answer(home: &Home, settings: &AgentSettings, demands: &[Demand]) -> Result<()> {
    let node = Node::load(home)?;
    let server = Server::of(home, settings, &node).map_err(Error::host)?;
    let delivered = Catalogs::of(home, node.host.as_str()).load().catalog;
    let catalog = delivered.and_then(|delivered| Catalog::from_bytes(&delivered.bytes).ok());
    let guards = catalog.map(|catalog| catalog.guards).unwrap_or_default();
    let promises = Promises::load(home).map_err(Error::host)?;
    // Whatever the server says meanwhile, who is about to be interrupted does not stand in for others.
    let is_held = |guard: &String| promises.all().get(guard).is_some_and(|promise| promise.state == State::Held);
    let (mut unready, mut failed) = (Vec::new(), None);
    for Demand { guard, number } in demands {
        let found = match guards.iter().find(|known| known.name == *guard) {
            Some(_) if is_held(guard) => Readiness::NotReady { why: "it may hold the lease itself".to_owned() },
            Some(known) => readiness::look(&home.root, guard, &known.ready),
            None => Readiness::NotReady { why: format!("its catalog has no guard {guard}") },
        };
        let is_ready = found == Readiness::Ready;
        let told = server.prove(&LeaseProof { guard: guard.clone(), found, demand: *number, over: false });
        // What could not be told is told later, like what is not ready.
        if told.is_err() || !is_ready {
            unready.push(Demand { guard: guard.clone(), number: *number });
        }
        failed = told.err().or(failed);
    }
    keep_unready(home, demands, unready).map_err(Error::host)?;
    failed.map_or(Ok(()), |fault| Err(fault.into()))
}

/// What was answered with "not ready": it is looked at again, so that who waits hears when that is over.
pub fn unready(home: &Home) -> Vec<Demand> {
    let text = read_if_there(&home.running.join(UNREADY)).ok().flatten();
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn keep_unready(home: &Home, answered: &[Demand], still: Vec<Demand>) -> std::result::Result<(), String> {
    let earlier = unready(home);
    let is_answered = |demand: &&Demand| answered.iter().any(|one| one.guard == demand.guard);
    let kept: Vec<Demand> = earlier.iter().filter(|demand| !is_answered(demand)).cloned().chain(still).collect();
    if kept == earlier {
        return Ok(());
    }
    replace(&home.running.join(UNREADY), &serde_json::to_vec(&kept).map_err(|error| error.to_string())?)
}

/// Gives back what an earlier run holds, as far as the host is ready. During a run that is the run's own to do.
///
/// # Errors
/// The server cannot be told, or what was promised cannot be read.
pub fn settle(home: &Home, settings: &AgentSettings) -> Result<()> {
    let _lock = match Lock::take_file(&home.round_lock(), "keel agent") {
        Ok(lock) => lock,
        Err(error) if error.kind == Kind::Locked => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut promises = Promises::load(home).map_err(Error::host)?;
    let server = Server::of(home, settings, &Node::load(home)?).map_err(Error::host)?;
    for guard in promises.held() {
        let Some(promise) = promises.all().get(&guard) else { continue };
        // What is not ready yet is looked at again a little later.
        if prove_over(home, &server, &guard, promise).is_ok() {
            promises.forget(&guard).map_err(Error::host)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ready_is_noted_until_it_is() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        let demand = |guard: &str, number| Demand { guard: guard.to_owned(), number };
        keep_unready(&home, &[demand("galera", 1)], vec![demand("galera", 1)]).unwrap();
        keep_unready(&home, &[demand("ha", 2)], vec![demand("ha", 2)]).unwrap();
        keep_unready(&home, &[demand("galera", 3)], vec![demand("galera", 3)]).unwrap();
        assert_eq!(unready(&home), [demand("ha", 2), demand("galera", 3)]);
        keep_unready(&home, &[demand("galera", 4)], Vec::new()).unwrap();
        assert_eq!(unready(&home), [demand("ha", 2)]);
    }
}
