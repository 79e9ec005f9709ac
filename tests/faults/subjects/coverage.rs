//! Every type that there is has a subject, or a word on why it has none.

use std::collections::BTreeSet;

use keel_engine::resource::Types;

use super::super::racer::NOT_RACED;
use super::subjects;

/// Types without a subject here, and where faults happen to them instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("package", "dpkg's own files, in tests/lab_faults.rs"),
    ("debconf", "dpkg's own files, in tests/lab_faults.rs"),
    ("service", "needs systemd, in tests/lab_faults.rs"),
    ("pip", "writes through pip alone, in tests/lab_faults.rs"),
    ("galera_cluster", "members are killed in tests/lab_galera.rs"),
    ("mysql_variable", "one statement of the server's, then one edit as of ini"),
    ("mysql_plugin", "one statement of the server's"),
    ("mysql_database", "one statement of the server's"),
    ("mysql_user", "one statement of the server's"),
    ("mysql_grant", "statements of the server's, each taken whole"),
    ("mysql_replication", "statements of the server's, each taken whole, in tests/lab_mysql.rs"),
    ("mysql_query_check", "changes nothing"),
    ("haproxy_server", "one word to a daemon, which keeps it in its memory"),
];

/// A family whose changes are one transaction of somebody else's: Pacemaker takes a patch whole or not at all.
const TRANSACTIONS: &str = "pcmk";

#[test]
fn every_type_meets_faults_and_races() {
    let all: BTreeSet<&str> = keel_resources::declared().schemas().iter().map(|schema| schema.name).collect();
    let here: BTreeSet<&str> = subjects().flat_map(|subject| subject.types.iter().copied()).collect();
    let types = keel_resources::all();
    let taken_whole = types.iter().filter(|kind| kind.family() == Some(TRANSACTIONS)).map(|kind| kind.schema().name);
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(name, _)| *name).chain(taken_whole).collect();
    let accounted: BTreeSet<&str> = here.union(&elsewhere).copied().collect();
    assert_eq!(accounted, all, "each type has a subject in tests/faults/subjects or a line above, and no other has");
    assert_eq!(here.intersection(&elsewhere).count(), 0, "a type with a subject needs no excuse");
    let races: BTreeSet<&str> = NOT_RACED.iter().map(|(name, _)| *name).collect();
    let known: BTreeSet<&str> = subjects().map(|subject| subject.name).collect();
    assert!(races.is_subset(&known), "excuses of subjects that do not exist: {races:?}");
}
