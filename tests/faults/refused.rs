//! Each system call of an apply fails once, as on a full or broken disk, a read-only file system, or with too
//! many open files: the resource fails with the reason, the others go on, and nothing is half written.

use std::path::Path;

use nix::errno::Errno;

use super::calls::{Act, Call, Deed};
use super::seed::Seed;
use super::subjects::{Subject, each_subject};
use super::tracer::{Ended, Verdict};
use super::trial::Trial;

/// The errors that a call may meet.
fn errors(act: Act) -> &'static [Errno] {
    match act {
        Act::Open => &[Errno::EMFILE, Errno::EIO],
        Act::Create => &[Errno::ENOSPC, Errno::EROFS, Errno::EMFILE, Errno::EIO],
        Act::Look | Act::Read => &[Errno::EIO],
        Act::Write | Act::Sync => &[Errno::ENOSPC, Errno::EIO],
        Act::Rename | Act::Make | Act::Link => &[Errno::ENOSPC, Errno::EROFS, Errno::EIO],
        Act::Remove | Act::Set => &[Errno::EROFS, Errno::EIO],
        Act::Process => &[Errno::EAGAIN, Errno::EMFILE],
        Act::Wait => &[],
    }
}

/// The system's words for them, in small letters.
fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOSPC => "no space left",
        Errno::EROFS => "read-only file system",
        Errno::EMFILE => "too many open files",
        Errno::EIO => "input/output error",
        _ => "temporarily unavailable",
    }
}

/// A call that failed.
struct Refusal {
    deed: Deed,
    errno: Errno,
}

/// Lets the call at this point, the first being 0, fail in its `turn`-th way. None once the points are used up; the
/// refusal is none where the call knows fewer ways.
fn refuse_at(trial: &Trial, point: usize, turn: usize) -> Option<(Option<Refusal>, Ended)> {
    let (root, mut count, mut reached, mut refusal) = (trial.scratch.root(), 0, false, None);
    let mut watcher = |call: &Call| {
        let Some(errors) = call.act().map(errors).filter(|errors| !errors.is_empty()) else { return Verdict::Go };
        let is_host =
            |deed: &Deed| deed.path.starts_with(&root) && !trial.subject.is_borrowed(deed.path.strip_prefix(&root).unwrap_or(&root));
        let Some(deed) = call.deed().filter(|deed| is_host(deed) || deed.path == Path::new("")) else { return Verdict::Go };
        count += 1;
        if count != point + 1 {
            return Verdict::Go;
        }
        reached = true;
        let Some(errno) = errors.get(turn).copied() else { return Verdict::Go };
        refusal = Some(Refusal { deed, errno });
        Verdict::Fail(errno)
    };
    let ended = trial.follow(&mut watcher);
    reached.then_some((refusal, ended))
}

/// What is wrong with a run in which a call was refused, and with the next one.
fn faults(trial: &Trial, refusal: &Refusal, ended: &Ended) -> Vec<String> {
    let mut faults: Vec<String> = trial.torn().into_iter().collect();
    if refusal.deed.act != Act::Remove {
        faults.extend(trial.strays());
    }
    let said = ended.said.to_lowercase();
    let bystander = trial.scratch.path("/aside/bystander");
    // Without its root there is nothing that a host could do.
    let concerned = refusal.deed.path.starts_with(bystander.parent().unwrap()) || refusal.deed.path == trial.scratch.root();
    match ended.code {
        Some(0) => faults.extend(trial.differing().map(|fault| format!("is silent and {fault}"))),
        Some(1 | 4) if !said.contains(words(refusal.errno)) => faults.push(format!("does not say why: {}", ended.said)),
        Some(4) if !bystander.exists() && !concerned => faults.push(format!("stopped others: {}", ended.said)),
        Some(1 | 4) => {}
        code => faults.push(format!("ended with {code:?}: {}", ended.said)),
    }
    faults.extend(trial.faults_of_next());
    faults
}

/// Refuses the calls of a subject's run in turn: in the short form every other one, in one of the ways that it may
/// be refused.
fn sweep(subject: &'static Subject, first: usize) -> (usize, Vec<String>) {
    let Some(trial) = Trial::of(subject) else { return (0, Vec::new()) };
    let (thorough, mut refusals, mut found) = (super::is_thorough(), 0, Vec::new());
    for number in 0.. {
        let (point, turns) = if thorough { (number, 0..4) } else { (2 * number + first, number % 4..number % 4 + 1) };
        for turn in turns {
            let Some((refusal, ended)) = refuse_at(&trial, point, turn) else { return (refusals, found) };
            let Some(refusal) = refusal else { continue };
            refusals += 1;
            let Refusal { deed, errno } = &refusal;
            let what = format!("{}, {errno} at call {point}, {:?} {}", subject.name, deed.act, deed.path.display());
            found.extend(faults(&trial, &refusal, &ended).iter().map(|fault| format!("{what}: {fault}")));
        }
    }
    (refusals, found)
}

#[test]
fn a_refused_call_fails_one_resource_with_its_reason() {
    let (mut seed, mut all) = (Seed::new(), Vec::new());
    let first = seed.below(2);
    println!("{seed:?}");
    for (subject, (refusals, faults)) in each_subject(|subject| sweep(subject, first)) {
        println!("{subject}: {refusals} calls refused, {} faults", faults.len());
        all.extend(faults);
    }
    assert!(all.is_empty(), "{} faults\n{}", all.len(), all.join("\n"));
}
