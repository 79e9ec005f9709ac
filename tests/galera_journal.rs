//! What the members of a Galera cluster were, and from when to when, by what each wrote into its journal at that moment:
//! nothing is looked at now and then, so nothing is missed in between. All hosts of the lab have one clock.

use keel_tests::lab::Node;

/// What a member is to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has all that the others have.
    Synced,
    /// It has it too, and another one gets from it what that lacks.
    Donor,
    /// It does not run, or lacks something.
    Away,
}

/// What all members were over a time.
#[derive(Debug)]
pub(crate) struct History {
    /// From when on, who, and what.
    events: Vec<(f64, usize, State)>,
    members: usize,
}

/// The fewest members that were something at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fewest {
    /// Synced.
    pub(crate) synced: usize,
    /// Synced, or the donor of the one that came back.
    pub(crate) with_all_data: usize,
    /// For how long at once at most there was a donor.
    pub(crate) donor_s: f64,
}

impl History {
    /// Reads the journals of all members.
    pub(crate) fn read<'n>(nodes: impl Iterator<Item = &'n Node>) -> Self {
        let journals: Vec<String> = nodes.map(journal).collect();
        let members = journals.len();
        let mut events: Vec<(f64, usize, State)> = Vec::new();
        for (member, text) in journals.iter().enumerate() {
            events.extend(text.lines().filter_map(|line| event(line).map(|(at, state)| (at, member, state))));
        }
        events.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self { events, members }
    }

    /// The fewest since a moment.
    pub(crate) fn fewest_since(&self, since: f64) -> Fewest {
        let mut states = vec![State::Away; self.members];
        let mut fewest = Fewest { synced: self.members, with_all_data: self.members, donor_s: 0.0 };
        let mut donor_from: Option<f64> = None;
        let earlier = self.events.partition_point(|(at, ..)| *at < since);
        for (index, (at, member, state)) in self.events.iter().enumerate() {
            states[*member] = *state;
            if index + 1 < earlier {
                continue;
            }
            let count = |wanted: &[State]| states.iter().filter(|state| wanted.contains(state)).count();
            fewest.synced = fewest.synced.min(count(&[State::Synced]));
            fewest.with_all_data = fewest.with_all_data.min(count(&[State::Synced, State::Donor]));
            match (donor_from, count(&[State::Donor])) {
                (Some(from), 0) => {
                    fewest.donor_s = fewest.donor_s.max(at - from);
                    donor_from = None;
                }
                (None, 1..) => donor_from = Some(*at),
                _ => {}
            }
        }
        fewest
    }
}

/// Everything that MariaDB and its unit wrote on a host since it was started.
pub(crate) fn journal(node: &Node) -> String {
    node.shell("journalctl -q --no-pager -o short-unix -u mariadb").unwrap().stdout
}

/// What a line of a journal says a member became. One that is told to stop is away from then on.
fn event(line: &str) -> Option<(f64, State)> {
    let at = line.split_once(' ')?.0.parse().ok()?;
    let away = ["Normal shutdown", "Main process exited", "mariadb.service: Deactivated"];
    if away.iter().any(|words| line.contains(words)) {
        return Some((at, State::Away));
    }
    let (before, after) = line.split_once("WSREP: Shifting ")?.1.split_once(" -> ")?;
    let state = match (before, after.split(' ').next()?) {
        (_, "SYNCED") => State::Synced,
        // It has sent what it was asked for, and catches up.
        (_, "DONOR/DESYNCED") | ("DONOR/DESYNCED", "JOINED") => State::Donor,
        _ => State::Away,
    };
    Some((at, state))
}

#[test]
fn of_every_moment_the_fewest_count() {
    let line = |at: u32, words: &str| event(&format!("{at}.5 db-1 mariadbd[7]: 2026-01-01 0 [Note] {words}")).unwrap();
    let shift = |at, member, words: &str| {
        let (at, state) = line(at, &format!("WSREP: Shifting {words} (TO: 9)"));
        (at, member, state)
    };
    let synced = "JOINED -> SYNCED";
    let mut events: Vec<(f64, usize, State)> = (0..3).map(|member| shift(1, member, synced)).collect();
    let history = |events: &[(f64, usize, State)]| History { events: events.to_vec(), members: 3 };
    assert_eq!(history(&events).fewest_since(2.0), Fewest { synced: 3, with_all_data: 3, donor_s: 0.0 });
    let (at, state) = line(10, "/usr/sbin/mariadbd (initiated by: unknown): Normal shutdown");
    events.extend([(at, 2, state), shift(12, 2, "OPEN -> PRIMARY"), shift(13, 0, "SYNCED -> DONOR/DESYNCED")]);
    events.extend([shift(15, 0, "DONOR/DESYNCED -> JOINED"), shift(15, 0, synced), shift(16, 2, synced)]);
    assert_eq!(history(&events).fewest_since(2.0), Fewest { synced: 1, with_all_data: 2, donor_s: 2.0 });
    assert_eq!(history(&events).fewest_since(17.0), Fewest { synced: 3, with_all_data: 3, donor_s: 0.0 });
}
