//! The grid: the instants at which a host's runs are due. Pure; it is given the time and never asks for it.

use std::time::Duration;

use keel_engine::digest::Digest;

/// The first run after a start is spread over at most this, so that a site that comes back from a power
/// cut does not ask its server all at once. A host that has just been let in does not wait.
const START_SPREAD_MAX: Duration = Duration::from_secs(60);

/// The runs of one host. Instants are lengths of time since some moment, by a clock that never goes
/// back; the calendar is asked once, at the start, for where the grid of runs lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    interval: Duration,
    /// A run on the grid.
    anchor: Duration,
}

impl Grid {
    /// The grid of a host that starts at `now`, which is `calendar` since 1970.
    pub fn new(host: &str, interval: Duration, now: Duration, calendar: Duration) -> Self {
        let phase = share(host, interval);
        let since = remainder(calendar, interval);
        let until = if phase >= since { phase - since } else { interval - (since - phase) };
        Self { interval, anchor: now + until }
    }

    /// When the first run is due: at once on a host that never had one, soon if the last one was an interval
    /// ago or longer, else on the grid.
    pub fn first(&self, host: &str, now: Duration, since_last: Option<Duration>) -> Duration {
        let soon = now + share(host, START_SPREAD_MAX.min(self.interval / 10));
        match since_last {
            None => now,
            Some(since) if since < self.interval => self.anchor,
            Some(_) => soon.min(self.anchor),
        }
    }

    /// The first run on the grid after `now`; what was missed meanwhile is not made up for.
    pub fn next(&self, now: Duration) -> Duration {
        if now < self.anchor {
            return self.anchor;
        }
        let passed = remainder(now - self.anchor, self.interval);
        now - passed + self.interval
    }
}

/// A share of a length of time, the same one for a name every time.
fn share(name: &str, of: Duration) -> Duration {
    let mut first = [0; 4];
    first.copy_from_slice(&Digest::of(name.as_bytes()).as_bytes()[..4]);
    of.mul_f64(f64::from(u32::from_le_bytes(first)) / (f64::from(u32::MAX) + 1.0))
}

fn remainder(of: Duration, interval: Duration) -> Duration {
    let nanos = of.as_nanos().checked_rem(interval.as_nanos()).unwrap_or_default();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HALF_HOUR: Duration = Duration::from_secs(1800);

    #[test]
    fn a_host_keeps_its_phase_over_restarts() {
        let calendar = Duration::from_secs(1_700_000_123);
        let grid = Grid::new("db-1", HALF_HOUR, Duration::ZERO, calendar);
        let later = Grid::new("db-1", HALF_HOUR, MINUTE, calendar + MINUTE);
        assert_eq!(grid.next(MINUTE * 2), later.next(MINUTE * 2));
        assert!(grid.next(Duration::ZERO) <= HALF_HOUR);
    }

    #[test]
    fn hosts_are_spread() {
        let mut quarters = [0; 4];
        for number in 0..1000 {
            let at = Grid::new(&format!("web-{number}"), HALF_HOUR, Duration::ZERO, Duration::ZERO).next(Duration::ZERO);
            quarters[usize::try_from(at.as_secs() / 451).unwrap()] += 1;
        }
        assert!(quarters.iter().all(|count| (180..320).contains(count)), "{quarters:?}");
    }

    #[test]
    fn wherever_the_calendar_jumps_no_interval_is_missed() {
        for calendar in [0, 1, 1_799, 1_800, 4_102_444_800_u64] {
            let grid = Grid::new("h", HALF_HOUR, MINUTE, Duration::from_secs(calendar));
            let mut now = MINUTE;
            for _ in 0..48 {
                let next = grid.next(now);
                assert!(next > now && next - now <= HALF_HOUR, "{calendar}");
                now = next;
            }
        }
    }

    #[test]
    fn the_first_run_is_at_once_or_soon_unless_one_was_just_made() {
        let grid = Grid::new("h", HALF_HOUR, MINUTE, Duration::from_secs(77));
        assert_eq!(grid.first("h", MINUTE, None), MINUTE, "whoever has let a host in is waiting for it");
        let soon = grid.first("h", MINUTE, Some(HALF_HOUR));
        assert!(soon > MINUTE && soon <= MINUTE * 2);
        assert_eq!(grid.first("h", MINUTE, Some(MINUTE)), grid.next(MINUTE));
    }

    #[test]
    fn a_run_that_took_longer_than_an_interval_is_followed_by_one() {
        let grid = Grid::new("h", MINUTE, Duration::ZERO, Duration::ZERO);
        let first = grid.next(Duration::ZERO);
        let next = grid.next(first + MINUTE * 5 / 2);
        assert_eq!(next, first + MINUTE * 3);
    }
}
