//! An apply is killed at each of its system calls that changes anything; what stands there afterwards is whole, and
//! the next run brings it to the same end.

use std::path::Path;

use super::calls::{Act, Call};
use super::subjects::{Subject, each_subject};
use super::tracer::Verdict;
use super::trial::Trial;

/// Whether the state after a kill at this call can differ from that at the call before.
fn is_point(call: &Call, root: &Path) -> bool {
    match call.act() {
        Some(Act::Process | Act::Wait) => true,
        Some(act) if act.changes() => call.deed().is_some_and(|deed| deed.path.starts_with(root)),
        _ => false,
    }
}

/// Kills a fresh run at this point, the first being 1; says whether it got that far.
fn kill_at(trial: &Trial, point: usize) -> bool {
    let (root, mut count) = (trial.scratch.root(), 0);
    let mut watcher = |call: &Call| {
        count += usize::from(is_point(call, &root));
        if count == point { Verdict::Kill(trial.subject.tools()) } else { Verdict::Go }
    };
    let ended = trial.follow(&mut watcher);
    assert!(matches!(ended.code, None | Some(0)), "{}: {}", trial.subject.name, ended.said);
    ended.code.is_none()
}

/// Kills a subject's runs at every point; returns how many there are and what was wrong.
fn sweep(subject: &'static Subject) -> (usize, Vec<String>) {
    let Some(trial) = Trial::of(subject) else { return (0, Vec::new()) };
    let (mut points, mut faults) = (0, Vec::new());
    while kill_at(&trial, points + 1) {
        points += 1;
        let found = trial.torn().into_iter().chain(trial.faults_of_next());
        faults.extend(found.map(|fault| format!("{} killed at call {points}: {fault}", subject.name)));
    }
    assert!(points > 10, "{}: only {points} points", subject.name);
    (points, faults)
}

#[test]
fn killed_at_each_call_nothing_is_torn_and_the_next_run_converges() {
    let mut all = Vec::new();
    for (subject, (points, faults)) in each_subject(sweep) {
        println!("{subject}: killed at {points} calls, {} faults", faults.len());
        all.extend(faults);
    }
    assert!(all.is_empty(), "{} faults\n{}", all.len(), all.join("\n"));
}
