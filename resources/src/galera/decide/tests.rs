//! Every decision, on made-up clusters of three.

use super::*;
use crate::galera::report::Answers;

const A: &str = "8a1b2c3d-0000-11ef-8000-0242ac120002";
const B: &str = "ffffffff-0000-11ef-8000-0242ac120002";
const NAMES: [&str; 3] = ["n1", "n2", "n3"];

/// A member that was installed and never in a cluster.
fn fresh() -> Report {
    Report {
        process: Process::Stopped,
        has_flag: false,
        identity: None,
        datadir: "/srv/mysql".to_owned(),
        uuid: None,
        seqno: -1,
        is_safe: false,
        measured: None,
        claim: None,
        databases: Vec::new(),
        answers: None,
    }
}

fn alone() -> Report {
    Report { process: Process::Running, answers: Some(Answers::default()), ..fresh() }
}

fn synced() -> Report {
    let answers = Answers {
        is_member: true,
        cluster_status: "Primary".to_owned(),
        local_state: 4,
        is_ready: true,
        is_connected: true,
        size: 3,
        uuid: Some(A.to_owned()),
    };
    Report { process: Process::Running, identity: Some(A.to_owned()), uuid: Some(A.to_owned()), answers: Some(answers), ..fresh() }
}

fn joining() -> Report {
    let mut report = synced();
    report.answers.iter_mut().for_each(|answers| answers.local_state = 1);
    report
}

fn cut_off() -> Report {
    let mut report = synced();
    report.answers.iter_mut().for_each(|answers| answers.cluster_status = "non-Primary".to_owned());
    report
}

/// One that was in the cluster, and stopped.
fn stopped(seqno: i64) -> Report {
    Report { identity: Some(A.to_owned()), uuid: Some(A.to_owned()), seqno, ..fresh() }
}

fn safe(seqno: i64) -> Report {
    Report { is_safe: true, ..stopped(seqno) }
}

fn measured(seqno: i64) -> Report {
    Report { measured: Some(Position { uuid: A.to_owned(), seqno }), ..stopped(-1) }
}

fn silent() -> Result<Report, String> {
    Err("no route to host".to_owned())
}

fn cluster(members: [Result<Report, String>; 3]) -> Reports {
    NAMES.into_iter().map(str::to_owned).zip(members).collect()
}

/// What each of three does next.
fn steps(members: [Report; 3]) -> [Step; 3] {
    let reports = cluster(members.map(Ok));
    NAMES.map(|name| next(name, &reports))
}

#[track_caller]
fn refuses(step: &Step, why: &str) {
    assert!(matches!(step, Step::Refuse(said) if said.contains(why)), "refused with {why:?}: {step:?}");
}

#[track_caller]
fn waits(step: &Step, why: &str) {
    assert!(matches!(step, Step::Wait(said) if said.contains(why)), "waits with {why:?}: {step:?}");
}

/// How many of these begin a cluster.
fn begin_count(steps: &[Step]) -> usize {
    steps.iter().filter(|step| matches!(step, Step::Bootstrap | Step::Recover(_))).count()
}

#[test]
fn a_cluster_that_never_was_is_begun_by_its_first_member_alone() {
    let all = steps([fresh(), fresh(), fresh()]);
    assert_eq!(all[0], Step::Bootstrap);
    all[1..].iter().for_each(|step| waits(step, "n1 begins the cluster"));
    assert_eq!(steps([alone(), alone(), alone()])[0], Step::StopAlone);
}

#[test]
fn nobody_begins_while_one_does_not_answer() {
    for members in [[Ok(fresh()), Ok(fresh()), silent()], [Ok(measured(5)), Ok(measured(7)), silent()], [Ok(safe(9)), silent(), silent()]] {
        let reports = cluster(members);
        waits(&next("n1", &reports), "does not answer (no route to host)");
        waits(&next("n2", &cluster([silent(), Ok(fresh()), Ok(fresh())])), "n1 does not answer");
    }
    waits(&next("n1", &cluster([silent(), Ok(fresh()), Ok(fresh())])), "n1 itself");
}

#[test]
fn who_has_databases_brings_them_along() {
    let with = |name: &str| Report { databases: vec![name.to_owned()], ..alone() };
    let all = steps([fresh(), with("shop"), fresh()]);
    assert_eq!(all[1], Step::StopAlone);
    waits(&all[0], "n2 begins the cluster");
    refuses(&steps([with("shop"), with("wiki"), fresh()])[0], "several members have databases");
    refuses(&steps([synced(), synced(), with("wiki")])[2], "databases of its own (wiki), which would be lost");
}

#[test]
fn members_join_one_at_a_time() {
    let all = steps([synced(), fresh(), fresh()]);
    assert_eq!((&all[0], &all[1], &all[2]), (&Step::Settled, &Step::Join, &Step::Join));
    waits(&steps([synced(), joining(), fresh()])[2], "n2 is joining: one at a time");
    waits(&steps([synced(), Report { process: Process::Changing, ..fresh() }, fresh()])[2], "n2 is starting or stopping");
    assert_eq!(steps([synced(), alone(), synced()])[1], Step::StopAlone);
    assert_eq!(next("n3", &cluster([Ok(synced()), silent(), Ok(stopped(-1))])), Step::Join, "one that is away keeps nobody from joining");
    waits(&steps([synced(), joining(), synced()])[1], "MariaDB is joining");
}

#[test]
fn the_cluster_is_recorded_once() {
    let new = Report { identity: None, ..synced() };
    assert_eq!(steps([new, synced(), synced()])[0], Step::Record(A.to_owned()));
    refuses(&steps([Report { identity: Some(B.to_owned()), ..synced() }, synced(), synced()])[0], "which one is right?");
}

#[test]
fn data_of_another_cluster_does_not_join() {
    let foreign = Report { uuid: Some(B.to_owned()), ..fresh() };
    let all = steps([synced(), synced(), foreign]);
    refuses(&all[2], "n3 has data of another cluster");
    refuses(&all[2], "empty /srv/mysql and");
    assert_eq!(all[0], Step::Settled, "the others do not suffer from it");
    refuses(&steps([synced(), synced(), Report { identity: Some(B.to_owned()), ..fresh() }])[2], "n3 was in another cluster");
}

#[test]
fn after_a_clean_stop_the_last_one_begins() {
    let all = steps([stopped(10), safe(12), stopped(11)]);
    assert_eq!(all[1], Step::Recover(Position { uuid: A.to_owned(), seqno: 12 }));
    waits(&all[0], "n2, whose data goes furthest (seqno 12)");
    assert_eq!(begin_count(&all), 1);
}

#[test]
fn after_a_crash_all_are_measured_and_the_furthest_begins() {
    let all = steps([stopped(-1), stopped(-1), stopped(-1)]);
    assert!(all.iter().all(|step| *step == Step::Measure));
    let all = steps([measured(5), stopped(-1), measured(9)]);
    waits(&all[0], "n2 has not told yet");
    waits(&all[2], "n2 has not told yet");
    let all = steps([measured(5), measured(7), measured(7)]);
    assert_eq!((begin_count(&all), &all[1]), (1, &Step::Recover(Position { uuid: A.to_owned(), seqno: 7 })));
    let mixed = steps([stopped(8), measured(9), measured(3)]);
    assert_eq!(mixed[1], Step::Recover(Position { uuid: A.to_owned(), seqno: 9 }));
}

#[test]
fn who_lost_its_data_is_left_out() {
    let lost = Report { uuid: None, ..stopped(-1) };
    let all = steps([lost.clone(), measured(4), measured(6)]);
    waits(&all[0], "n3, whose data goes furthest");
    assert_eq!(all[2], Step::Recover(Position { uuid: A.to_owned(), seqno: 6 }));
    refuses(&steps([lost.clone(), lost.clone(), lost])[0], "no member has data of it any more");
    refuses(&steps([Report { identity: Some(A.to_owned()), ..fresh() }, fresh(), fresh()])[1], "restore a backup");
}

#[test]
fn any_doubt_after_a_full_stop_is_refused() {
    let foreign = Report { uuid: Some(B.to_owned()), identity: None, ..stopped(7) };
    let doubts = [
        ([stopped(5), foreign.clone(), stopped(6)], "different clusters"),
        ([stopped(5), stopped(5), Report { identity: Some(B.to_owned()), ..stopped(6) }], "different clusters"),
        ([safe(5), safe(5), stopped(5)], "several members say that they stopped last"),
        ([safe(5), stopped(9), stopped(5)], "n1 says that it stopped last (safe_to_bootstrap: 1), but n2 goes further, to seqno 9"),
        ([measured(-1), stopped(9), stopped(5)], "does not tell how far it goes"),
    ];
    for (members, why) in doubts {
        for step in steps(members) {
            refuses(&step, why);
        }
    }
    let untold = Report { uuid: None, databases: vec!["shop".to_owned()], ..stopped(-1) };
    for step in steps([untold, stopped(9), safe(9)]) {
        refuses(&step, "n1 was in the cluster and has databases, and its grastate.dat does not say");
    }
    let odd = Report { measured: Some(Position { uuid: B.to_owned(), seqno: 9 }), ..stopped(-1) };
    refuses(&steps([stopped(5), odd, stopped(6)])[0], "its grastate.dat says another one");
}

#[test]
fn a_tie_goes_to_who_stopped_last_and_then_by_name() {
    assert!(matches!(steps([stopped(7), stopped(7), safe(7)])[2], Step::Recover(_)));
    assert!(matches!(steps([stopped(3), stopped(7), stopped(7)])[1], Step::Recover(_)));
}

#[test]
fn no_flag_is_left_behind_and_none_is_passed_over() {
    let flagged = |report: Report| Report { has_flag: true, ..report };
    assert_eq!(steps([flagged(synced()), synced(), synced()])[0], Step::ClearFlag);
    assert_eq!(steps([fresh(), flagged(fresh()), fresh()])[1], Step::ClearFlag);
    waits(&steps([fresh(), flagged(fresh()), fresh()])[0], "n2 (stopped) would begin a new cluster");
    waits(&steps([safe(3), stopped(3), flagged(stopped(3))])[0], "n3 (stopped) would begin a new cluster");
    let starting = flagged(Report { process: Process::Changing, ..fresh() });
    waits(&steps([fresh(), starting.clone(), fresh()])[0], "n2 is starting");
    waits(&steps([fresh(), starting, fresh()])[1], "MariaDB is starting");
}

#[test]
fn who_is_cut_off_waits_for_the_rest_or_for_somebody() {
    waits(&steps([synced(), synced(), cut_off()])[2], "cut off from n1");
    refuses(&steps([cut_off(), cut_off(), cut_off()])[0], "no member that answers has the cluster");
    waits(&steps([stopped(7), cut_off(), stopped(7)])[0], "n2 is cut off");
    refuses(&next("n3", &cluster([silent(), silent(), Ok(cut_off())])), "no member that answers");
    let mute = Report { answers: None, ..synced() };
    waits(&steps([mute.clone(), stopped(7), stopped(8)])[1], "n1 is not answering");
    waits(&steps([mute, synced(), synced()])[0], "MariaDB is not answering");
}

/// In whatever states three members are, no two of them begin a cluster at one time, and nobody begins one beside a
/// cluster that runs or that may run.
#[test]
fn never_do_two_begin_and_never_beside_a_running_one() {
    let states = || {
        [
            Ok(fresh()),
            Ok(alone()),
            Ok(synced()),
            Ok(joining()),
            Ok(cut_off()),
            Ok(stopped(4)),
            Ok(stopped(-1)),
            Ok(safe(5)),
            Ok(measured(5)),
            Ok(Report { process: Process::Changing, ..stopped(-1) }),
            Ok(Report { uuid: Some(B.to_owned()), ..fresh() }),
            Ok(Report { has_flag: true, ..stopped(6) }),
            silent(),
        ]
    };
    for one in states() {
        for two in states() {
            for three in states() {
                let reports = cluster([one.clone(), two.clone(), three]);
                let steps = NAMES.map(|name| next(name, &reports));
                let count = begin_count(&steps);
                let may_run = |report: &Result<Report, String>| match report {
                    Ok(report) => report.process == Process::Changing || report.process == Process::Running && !report.is_alone(),
                    Err(_) => true,
                };
                assert!(count <= 1, "{reports:?}\n{steps:?}");
                assert!(count == 0 || !reports.values().any(may_run), "{reports:?}\n{steps:?}");
            }
        }
    }
}

fn claiming(claims: [Option<Claim>; 3]) -> Reports {
    cluster(claims.map(|claim| Ok(Report { claim, ..synced() })))
}

#[test]
fn one_at_a_time_has_the_turn() {
    use Claim::{Mine, Wish};
    let turn = |own, claims| turn(own, &claiming(claims), Quorum::All);
    assert_eq!(turn("n2", [None, None, None]), Turn::Say(Wish));
    assert_eq!(turn("n2", [None, Some(Wish), Some(Wish)]), Turn::Say(Mine));
    assert_eq!(turn("n3", [None, Some(Wish), Some(Wish)]), Turn::Wait("n2 comes first".to_owned()));
    assert_eq!(turn("n2", [None, Some(Mine), Some(Wish)]), Turn::Have);
    assert_eq!(turn("n1", [Some(Wish), Some(Mine), None]), Turn::Wait("it is the turn of n2".to_owned()));
    assert_eq!(turn("n1", [Some(Mine), Some(Mine), None]), Turn::Say(Wish), "both saw each other: both take it back");
}

#[test]
fn a_silent_member_keeps_others_from_stopping_and_not_from_starting() {
    let reports = cluster([Ok(Report { claim: Some(Claim::Mine), ..synced() }), silent(), Ok(synced())]);
    assert!(matches!(turn("n1", &reports, Quorum::All), Turn::Wait(why) if why.contains("n2 does not answer")));
    assert_eq!(turn("n1", &reports, Quorum::Answering), Turn::Have);
}

/// However the steps of two that claim at one time interleave, never do both have the turn.
#[test]
fn two_that_claim_at_once_never_both_have_it() {
    // Each looks, then writes what came of it, in any order; a look sees what is written by then.
    for order in 0..1u32 << 14 {
        let mut claims = [None, None, None];
        let mut seen: [Option<Turn>; 2] = [None, None];
        let mut has = [false, false];
        for bit in 0..14 {
            let who = usize::from(order >> bit & 1 == 1);
            if has[who] {
                continue;
            }
            match seen[who].take() {
                None => seen[who] = Some(turn(NAMES[who], &claiming(claims), Quorum::All)),
                Some(Turn::Say(claim)) => claims[who] = Some(claim),
                Some(Turn::Have) => has[who] = true,
                Some(Turn::Wait(_)) => {}
            }
            assert!(has != [true, true], "{order:b}");
        }
    }
}

#[test]
fn a_member_is_restarted_only_while_all_others_are_well() {
    let why = |members: [Result<Report, String>; 3]| may_not_stop("n1", &cluster(members));
    assert_eq!(why([Ok(synced()), Ok(synced()), Ok(synced())]), None);
    assert!(why([Ok(synced()), silent(), Ok(synced())]).is_some_and(|why| why.contains("n2 does not answer")));
    assert!(why([Ok(synced()), Ok(synced()), Ok(joining())]).is_some_and(|why| why.contains("n3 is joining")));
    let mut small = synced();
    small.answers.iter_mut().for_each(|answers| answers.size = 2);
    assert!(why([Ok(synced()), Ok(synced()), Ok(small)]).is_some_and(|why| why.contains("n3 sees 2 members, and 3 are declared")));
}
