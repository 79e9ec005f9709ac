//! What goes on in a connection: the requests that are worked on, each with an end that it may not pass.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection may be open without a request.
const IDLE: Duration = Duration::from_secs(45);

/// The requests of one connection.
#[derive(Debug)]
pub struct Activity {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// When each request has to be answered, the answer's last byte included.
    ends: BTreeMap<u64, Instant>,
    /// When the last request ended, or the connection began.
    quiet_since: Instant,
    closing: bool,
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// Finish what goes on, then close.
    Finish,
    /// Close at once: somebody does not take an answer, or sends a request without end.
    Drop,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { next: 0, ends: BTreeMap::new(), quiet_since: now, closing: false }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request began that has to be over by `end`. It is over when the returned value is dropped.
    pub fn begin(self: &Arc<Self>, end: Instant) -> Work {
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        state.ends.insert(number, end);
        Work { activity: Arc::clone(self), number }
    }

    /// Closes the connection after what goes on.
    pub fn close(&self) {
        self.state().closing = true;
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let state = self.state();
        if state.ends.values().any(|end| *end <= now) {
            Verdict::Drop
        } else if state.closing || (state.ends.is_empty() && now.saturating_duration_since(state.quiet_since) >= IDLE) {
            Verdict::Finish
        } else {
            Verdict::Keep
        }
    }
}

/// A request that is worked on.
#[derive(Debug)]
pub struct Work {
    activity: Arc<Activity>,
    number: u64,
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.ends.remove(&self.number);
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_connections_end_and_busy_ones_do_not() {
        let begin = Instant::now();
        let activity = Activity::new(begin);
        assert_eq!(activity.verdict(begin), Verdict::Keep);
        assert_eq!(activity.verdict(begin + IDLE), Verdict::Finish);
        let work = activity.begin(begin + Duration::from_secs(600));
        assert_eq!(activity.verdict(begin + IDLE), Verdict::Keep);
        assert_eq!(activity.verdict(begin + Duration::from_secs(600)), Verdict::Drop);
        drop(work);
        assert_eq!(activity.verdict(Instant::now()), Verdict::Keep);
        activity.close();
        assert_eq!(activity.verdict(Instant::now()), Verdict::Finish);
    }
}
