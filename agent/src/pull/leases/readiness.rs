//! How this host is as a member of a cluster, by the `ready` of a guard: a single look, as a `wait` takes it.

use std::path::Path;
use std::time::Duration;

use keel_engine::address::Address;
use keel_engine::attributes::Attributes;
use keel_engine::catalog::Resource;
use keel_engine::guard::Readiness;
use keel_engine::protocol::leases::REASON_MAX;
use keel_engine::resource::{AnyType, Failure};
use keel_engine::value::Map;
use keel_resources::host::{Host, left_by};
use keel_resources::wait::{Wait, WaitType};

use super::promises::Promise;

/// Looks once.
pub fn look(root: &Path, guard: &str, ready: &Map) -> Readiness {
    let wait = Resource::new(Address::new("wait", guard), ready.clone());
    let group = match WaitType.group(&[&wait]) {
        Ok(group) => group,
        Err((_, errors)) => {
            let sentences: Vec<String> = errors.iter().map(|error| error.sentence()).collect();
            return not_ready(format!("its `ready` cannot be looked at: {}", sentences.join("; ")));
        }
    };
    match group.observe(&Host::new(root), &[0]).pop() {
        Some(Ok(lacks)) => match lacks.first() {
            None => Readiness::Ready,
            Some(lack) => not_ready(lack.before.summary()),
        },
        Some(Err(error)) => not_ready(error.failure().message.clone()),
        None => not_ready("its `ready` was not looked at".to_owned()),
    }
}

/// Looks once at the host as who may hold the lease: while something goes on that a killed run began, a command or a job of
/// systemd, whatever the checks find may be over in a moment.
pub fn look_at_holder(root: &Path, guard: &str, promise: &Promise) -> Readiness {
    let killed: Vec<u32> = promise.runs.iter().copied().filter(|run| *run != std::process::id()).collect();
    if killed.is_empty() {
        return look(root, guard, &promise.ready);
    }
    if let Some(process) = killed.into_iter().flat_map(left_by).next() {
        return not_ready(format!("a command goes on that a run began which was killed (process {process})"));
    }
    match jobs(&Host::new(root)) {
        Ok(jobs) if jobs.is_empty() => look(root, guard, &promise.ready),
        Ok(jobs) => not_ready(format!("a run was killed, and systemd is not through with: {}", jobs.join(", "))),
        Err(failure) => not_ready(format!("a run was killed, and systemd does not say what it asked for: {}", failure.message)),
    }
}

/// What systemd has yet to do with services; nothing where there is no systemd.
fn jobs(host: &Host) -> Result<Vec<String>, Failure> {
    if !host.is_machine() || !Path::new("/run/systemd/system").exists() {
        return Ok(Vec::new());
    }
    host.bus()?.service_jobs()
}

/// Not ready, with as much of the reason as the server takes.
pub fn not_ready(why: String) -> Readiness {
    Readiness::NotReady { why: why.chars().take(REASON_MAX).collect() }
}

/// How long a member may take to become ready, and how long to wait between two looks.
pub fn patience(guard: &str, ready: &Map) -> (Duration, Duration) {
    let wait = Wait::from_attributes(guard, ready);
    wait.map_or((Duration::from_secs(300), Duration::from_secs(2)), |wait| (wait.timeout.0, wait.interval.0))
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;

    #[test]
    fn a_member_is_ready_when_its_checks_are_and_says_what_it_lacks() {
        let root = tempfile::tempdir().unwrap();
        let ready = Map::from_iter([("paths".to_owned(), Value::from("/well")), ("timeout".to_owned(), Value::from("7s"))]);
        let lacking = look(root.path(), "galera", &ready);
        assert_eq!(lacking, Readiness::NotReady { why: "/well is not there".to_owned() });
        std::fs::write(root.path().join("well"), "").unwrap();
        assert_eq!(look(root.path(), "galera", &ready), Readiness::Ready);
        assert_eq!(patience("galera", &ready), (Duration::from_secs(7), Duration::from_secs(2)));
        let odd = Map::from_iter([("tpc".to_owned(), Value::from("x:1"))]);
        assert!(matches!(look(root.path(), "galera", &odd), Readiness::NotReady { why } if why.contains("tpc")));
    }
}
