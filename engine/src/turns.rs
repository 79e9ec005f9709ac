//! Turns: how the members of a cluster keep out of each other's way where no server keeps leases.
//!
//! Time is cut into rounds, by the clock that all hosts have in common. In a round each member has one turn, by the order
//! of their names, and after the last one nobody has it for half a turn: so a timer whose period is that of the turns
//! meets all of them sooner or later. A member begins in the first half of its turn only, and not before a margin of it
//! has passed. What it began has half a turn to be over, or to be seen by the one who asks next, and clocks may differ
//! by the margin.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::value::Map;

/// The shortest turn, in seconds.
pub const TURN_S_MIN: u64 = 10;
/// The turn where none is given, in seconds.
pub const TURN_S_DEFAULT: u64 = 600;
/// The part of a turn at its begin in which nobody begins: for clocks that differ.
const MARGIN_PARTS: u64 = 10;
/// The part of a turn after which nobody begins any more: what was begun has the rest.
const BEGIN_PARTS: u64 = 2;

/// How a member asks the others, and when it may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turns {
    /// How long a turn is, in seconds.
    pub turn_s: u64,
    /// How each other member is seen to be well, from this host: the attributes of a `wait`.
    pub asks: BTreeMap<String, Map>,
}

impl Turns {
    /// How long a turn is.
    pub fn turn(&self) -> Duration {
        Duration::from_secs(self.turn_s)
    }
}

/// A member's turn. All times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// From when on the member may begin.
    pub opens_ms: u64,
    /// From when on it may not any more.
    pub closes_ms: u64,
    /// From when on it is the turn of another.
    pub ends_ms: u64,
}

impl Turn {
    /// The turn that a member is in, as long as it may begin, or else its next one. None for who is no member, and for
    /// turns that are too short to keep anybody apart.
    pub fn of(host: &str, members: &[String], turn_s: u64, now_ms: u64) -> Option<Self> {
        let turn_ms = turn_s.checked_mul(1000).filter(|_| turn_s >= TURN_S_MIN)?;
        let place = members.iter().position(|member| member == host)? as u64;
        let round_ms = turn_ms.checked_mul(members.len() as u64)?.checked_add(turn_ms / 2)?;
        let begins_ms = (now_ms / round_ms).checked_mul(round_ms)?.checked_add(place * turn_ms)?;
        let turn = Self::beginning_at(begins_ms, turn_ms)?;
        if now_ms < turn.closes_ms { Some(turn) } else { Self::beginning_at(begins_ms.checked_add(round_ms)?, turn_ms) }
    }

    fn beginning_at(begins_ms: u64, turn_ms: u64) -> Option<Self> {
        let ends_ms = begins_ms.checked_add(turn_ms)?;
        Some(Self { opens_ms: begins_ms + turn_ms / MARGIN_PARTS, closes_ms: begins_ms + turn_ms / BEGIN_PARTS, ends_ms })
    }

    /// Whether the member may begin at a moment.
    pub fn is_open(&self, now_ms: u64) -> bool {
        (self.opens_ms..self.closes_ms).contains(&now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In milliseconds, for turns of ten minutes.
    const MINUTE: u64 = 60_000;

    fn members(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("db-{number}")).collect()
    }

    /// The minutes of a round in which a member may begin, and in which its turn ends, as seen at a minute.
    fn turn(member: &str, of: usize, minute: u64) -> [u64; 3] {
        let turn = Turn::of(member, &members(of), 600, minute * MINUTE).unwrap();
        [turn.opens_ms, turn.closes_ms, turn.ends_ms].map(|ms| ms / MINUTE)
    }

    #[test]
    fn members_have_their_turns_by_name_and_then_nobody_for_half_a_turn() {
        assert_eq!(turn("db-0", 3, 0), [1, 5, 10]);
        assert_eq!(turn("db-1", 3, 0), [11, 15, 20]);
        assert_eq!(turn("db-2", 3, 0), [21, 25, 30]);
        assert_eq!(turn("db-0", 3, 4), [1, 5, 10], "while it may begin it is this one");
        assert_eq!(turn("db-0", 3, 5), [36, 40, 45], "and then the next one");
        assert_eq!(turn("db-0", 3, 35), [36, 40, 45]);
        assert_eq!(turn("db-2", 3, 34), [56, 60, 65]);
        assert_eq!(turn("db-0", 1, 5), [16, 20, 25], "one alone has turns, too");
    }

    #[test]
    fn who_is_no_member_has_no_turn_and_none_is_too_short_or_too_long() {
        assert_eq!(Turn::of("web", &members(3), 600, 0), None);
        assert_eq!(Turn::of("db-0", &[], 600, 0), None);
        assert_eq!(Turn::of("db-0", &members(3), TURN_S_MIN - 1, 0), None);
        assert!(Turn::of("db-0", &members(3), TURN_S_MIN, 0).is_some());
        assert_eq!(Turn::of("db-0", &members(3), u64::MAX / 1000, u64::MAX), None);
        assert_eq!(Turn::of("db-2", &members(3), 600, u64::MAX), None);
    }

    #[test]
    fn no_two_may_begin_within_half_a_turn_whose_clocks_differ_by_no_more_than_the_margin() {
        const TURN_S: u64 = 10;
        let margin = TURN_S * 1000 / MARGIN_PARTS;
        for count in 1..=7 {
            let members = members(count);
            let open = |member: &String, at: u64| Turn::of(member, &members, TURN_S, at).unwrap().is_open(at);
            let round = TURN_S * 1000 * count as u64 + TURN_S * 500;
            let mut last: Option<(u64, usize)> = None;
            for at in (1_800_000_000_000..1_800_000_000_000 + 3 * round).step_by(100) {
                let begins: Vec<usize> = (0..count).filter(|&member| open(&members[member], at)).collect();
                assert!(begins.len() <= 1, "{begins:?} of {count} at {at}");
                let Some(&member) = begins.first() else { continue };
                if let Some((before, _)) = last.filter(|(_, other)| *other != member) {
                    assert!(at - before >= TURN_S * 500 + margin - 100, "{before} and {at} are too near");
                }
                last = Some((at, member));
            }
            assert!(last.is_some());
        }
    }

    #[test]
    fn a_clock_that_jumps_leads_into_no_turn_of_another() {
        let members = members(3);
        let found = Turn::of("db-1", &members, 600, 12 * MINUTE).unwrap();
        assert!(found.is_open(12 * MINUTE));
        for jump in [0, 10 * MINUTE, 16 * MINUTE, 47 * MINUTE, 10 * 366 * 24 * 60 * MINUTE] {
            assert!(!found.is_open(jump), "a turn that was found once is over after a jump to {jump}");
            let now = Turn::of("db-1", &members, 600, jump).unwrap();
            let elsewhere = |other: &str| Turn::of(other, &members, 600, jump).unwrap().is_open(jump);
            assert!(!now.is_open(jump) || !(elsewhere("db-0") || elsewhere("db-2")));
        }
    }

    #[test]
    fn a_timer_with_the_period_of_the_turns_meets_the_turn_of_each() {
        for member in 0..3 {
            let name = format!("db-{member}");
            for begin in (0..30).filter(|begin| begin % 5 != 0) {
                let runs = (0..7).map(|run| (begin + run * 30) * MINUTE);
                let met = runs.filter(|&at| Turn::of(&name, &members(3), 600, at).unwrap().is_open(at)).count();
                assert!(met > 0, "{name} from minute {begin} on");
            }
        }
    }
}
