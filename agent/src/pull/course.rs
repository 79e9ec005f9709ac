//! What the agent does next. Pure: it is told what happened and what time it is, and says when to start
//! what. Instants are lengths of time since the agent began, by a clock that never goes back.

use std::collections::BTreeSet;
use std::time::Duration;

use keel_engine::address::Address;
use keel_engine::protocol::news::News;
use keel_engine::protocol::reports::Trigger;
use keel_engine::walk::Filter;

use super::grid::Grid;
use super::order::Order;
use crate::run::Choice;

/// How many runs local events may start in [`EARLY_WINDOW`]; a thing that is broken again and again is
/// then left to the runs on the grid.
const EARLY_MAX: usize = 20;
const EARLY_WINDOW: Duration = Duration::from_secs(600);
/// How long events may gather: a program that replaces a file touches it more than once.
const GATHER: Duration = Duration::from_millis(100);
/// Where more than this was touched, everything is looked at, and so many are named.
const TOUCHED_MAX: usize = 100;
/// From one try to the next, when somebody else is running.
const BUSY_RETRY: Duration = Duration::from_secs(60);

/// The agent's course.
#[derive(Debug)]
pub struct Course {
    grid: Grid,
    /// When the next run on the grid is due.
    due: Duration,
    trigger: Trigger,
    /// A run of everything that somebody asked for.
    wanted: Option<Trigger>,
    /// What was touched, since when it gathers.
    touched: BTreeSet<Address>,
    touched_since: Option<Duration>,
    /// When something that waits for its hours may be changed.
    opening: Option<Duration>,
    /// When early runs were started lately.
    early: Vec<Duration>,
    /// Whether something was touched for which no run could be started any more.
    held_back: bool,
    running: bool,
}

impl Course {
    /// A course whose first run is due at this instant.
    pub fn new(grid: Grid, first: Duration) -> Self {
        Self {
            grid,
            due: first,
            trigger: Trigger::Start,
            wanted: None,
            touched: BTreeSet::new(),
            touched_since: None,
            opening: None,
            early: Vec::new(),
            held_back: false,
            running: false,
        }
    }

    /// Somebody asks for a run.
    pub fn want(&mut self, trigger: Trigger) {
        self.wanted.get_or_insert(trigger);
    }

    /// The server has news.
    pub fn hear(&mut self, news: &[News]) {
        for one in news {
            self.want(match one {
                News::Gate { host, target } => Trigger::Gate { host: host.clone(), target: target.clone() },
                News::Lease { guard } => Trigger::Lease { guard: guard.clone() },
                News::Run { by } => Trigger::Operator { name: by.clone() },
                News::Catalog { .. } | News::Other => Trigger::Catalog,
                News::Inquiry => continue,
            });
        }
    }

    /// Something was touched on the host. During a run nobody can tell whether it was the run: a look after
    /// its end does, and finds nothing to do if it was.
    pub fn touch(&mut self, now: Duration, addresses: impl IntoIterator<Item = Address>) {
        self.touched.extend(addresses);
        if !self.touched.is_empty() {
            self.touched_since.get_or_insert(now);
        }
    }

    /// What waits for its hours may be changed from this instant on; nothing waits if there is none.
    pub fn open_at(&mut self, opening: Option<Duration>) {
        self.opening = opening;
    }

    /// When something is to be started, if nothing happens before.
    pub fn next(&self) -> Duration {
        if self.running {
            return Duration::MAX;
        }
        if self.wanted.is_some() {
            return Duration::ZERO;
        }
        let gathered = self.touched_since.map(|since| since + GATHER);
        gathered.into_iter().chain(self.opening).fold(self.due, Duration::min)
    }

    /// When the next run on the grid is due.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// What to start now, if anything.
    pub fn start(&mut self, now: Duration) -> Option<Order> {
        if now < self.next() || self.running {
            return None;
        }
        if self.opening.is_some_and(|opening| now >= opening) {
            self.opening = None;
            self.want(Trigger::Opening);
        }
        let asked = self.wanted.take();
        if asked.is_some() || now >= self.due {
            let on_time = std::mem::replace(&mut self.trigger, Trigger::Interval);
            if now >= self.due {
                self.due = self.grid.next(now);
            } else {
                self.trigger = on_time.clone();
            }
            self.forget_touched();
            self.running = true;
            return Some(Order { trigger: asked.unwrap_or(on_time), choice: Choice::default() });
        }
        self.early.retain(|at| now.saturating_sub(*at) < EARLY_WINDOW);
        let mut touched: Vec<Address> = std::mem::take(&mut self.touched).into_iter().collect();
        self.forget_touched();
        if touched.is_empty() {
            self.held_back &= self.early.len() >= EARLY_MAX;
            return None;
        }
        self.held_back = self.early.len() >= EARLY_MAX;
        if self.held_back {
            return None;
        }
        self.early.push(now);
        self.running = true;
        let mut filter = Filter::default();
        if touched.len() <= TOUCHED_MAX {
            filter.only = touched.iter().map(Address::reference).collect();
        }
        touched.truncate(TOUCHED_MAX);
        Some(Order { trigger: Trigger::Watch { touched }, choice: Choice { filter, ..Choice::default() } })
    }

    /// Whether local events start no runs for now, because they started too many.
    pub fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Whether the reports that wait may be delivered now; a run that is under way or due does that itself.
    pub fn may_deliver(&mut self, now: Duration) -> bool {
        let may = now < self.next() && !self.running;
        self.running |= may;
        may
    }

    /// The run is over.
    pub fn ended(&mut self, now: Duration) {
        self.running = false;
        // What systemd tells of the run itself comes a moment after its end.
        self.touched_since = self.touched_since.map(|_| now);
    }

    /// The run could not be made, for somebody else is running.
    pub fn was_busy(&mut self, now: Duration) {
        self.ended(now);
        self.due = self.due.min(now + BUSY_RETRY);
    }

    /// Another grid holds from now on; what is under way or was asked for stays.
    pub fn follow(&mut self, grid: Grid, now: Duration) {
        self.grid = grid;
        self.due = grid.next(now);
    }

    fn forget_touched(&mut self) {
        self.touched.clear();
        self.touched_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn course() -> Course {
        Course::new(Grid::new("h", MINUTE, Duration::ZERO, Duration::ZERO), Duration::from_secs(1))
    }

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn address() -> Address {
        Address::new("file", "/etc/motd")
    }

    #[test]
    fn runs_come_one_an_interval_and_never_two_at_once() {
        let mut course = course();
        assert!(course.start(Duration::ZERO).is_none());
        assert_eq!(course.start(second(1)).unwrap().trigger, Trigger::Start);
        assert!(course.start(second(500)).is_none(), "one is under way");
        course.ended(second(500));
        assert_eq!(course.start(second(500)).unwrap().trigger, Trigger::Interval);
        course.ended(second(500));
        assert!(course.start(second(500)).is_none(), "what was missed is not made up for");
    }

    #[test]
    fn forty_eight_intervals_are_forty_eight_runs() {
        let mut course = course();
        course.start(second(1));
        course.ended(second(2));
        for _ in 0..48 {
            let due = course.next();
            assert_eq!(course.start(due).unwrap().trigger, Trigger::Interval);
            course.ended(due);
        }
        assert!(course.next() <= second(1) + 49 * MINUTE);
    }

    #[test]
    fn what_is_asked_for_during_a_run_comes_after_it() {
        let mut course = course();
        course.start(second(1));
        course.hear(&[News::Run { by: "kim".to_owned() }, News::Catalog { commit: "c".to_owned() }]);
        assert!(course.start(second(2)).is_none());
        course.ended(second(2));
        assert_eq!(course.start(second(2)).unwrap().trigger, Trigger::Operator { name: "kim".to_owned() });
        course.ended(second(2));
        assert!(course.start(second(2)).is_none(), "one run serves all who asked");
    }

    #[test]
    fn what_is_touched_starts_a_run_of_itself_once_it_has_settled() {
        let mut course = course();
        course.start(second(1));
        course.ended(second(2));
        course.touch(second(3), [address(), address()]);
        assert!(course.start(second(3)).is_none());
        let order = course.start(second(3) + GATHER).unwrap();
        assert_eq!(order.choice.filter.only, ["(file)/etc/motd"]);
        assert!(matches!(order.trigger, Trigger::Watch { touched } if touched == [address()]));
    }

    #[test]
    fn what_is_touched_during_a_run_is_looked_at_after_it() {
        let mut course = course();
        course.touch(Duration::ZERO, [Address::new("file", "/before")]);
        course.start(second(1));
        course.touch(second(1), [address()]);
        assert!(course.start(second(2)).is_none(), "one is under way");
        course.ended(second(3));
        assert!(course.start(second(3)).is_none(), "more may be told of the run");
        assert_eq!(course.start(second(3) + GATHER).unwrap().choice.filter.only, ["(file)/etc/motd"], "and the run saw what was before it");
        course.ended(second(4));
        assert_eq!(course.next(), course.due(), "a look that touches nothing is the last one");
    }

    #[test]
    fn where_much_is_touched_everything_is_looked_at() {
        let mut course = course();
        course.start(second(1));
        course.touch(second(1), (0..2_000).map(|number| Address::new("file", format!("/srv/{number}"))));
        course.ended(second(2));
        let order = course.start(second(3)).unwrap();
        assert!(order.choice.filter.only.is_empty());
        assert!(matches!(order.trigger, Trigger::Watch { touched } if touched.len() == TOUCHED_MAX));
    }

    #[test]
    fn a_thing_that_is_broken_again_and_again_is_left_to_the_grid() {
        let mut course = course();
        course.start(second(1));
        course.ended(second(2));
        course.due = second(10_000);
        let mut early = 0;
        for turn in 0..30 {
            course.touch(second(2 + turn), [address()]);
            early += usize::from(course.start(second(3 + turn)).is_some());
            course.ended(second(3 + turn));
        }
        assert_eq!(early, EARLY_MAX);
        assert!(course.is_held_back());
        course.touch(second(700), [address()]);
        assert!(course.start(second(701)).is_some(), "after a while it is tried again");
    }

    #[test]
    fn a_delivery_of_its_own_starts_where_no_run_does_it() {
        let mut course = course();
        assert!(!course.may_deliver(second(1)), "a run is due");
        course.start(second(1));
        assert!(!course.may_deliver(second(2)), "a run is under way");
        course.ended(second(3));
        assert!(course.may_deliver(second(3)));
        course.want(Trigger::Local);
        assert!(course.start(second(4)).is_none(), "nor does a run start while something is delivered");
        course.ended(second(5));
        assert!(!course.may_deliver(second(5)) && course.start(second(5)).is_some());
    }

    #[test]
    fn what_waits_for_its_hours_is_done_when_they_begin() {
        let mut course = course();
        course.start(second(1));
        course.ended(second(2));
        course.due = second(1_000);
        course.open_at(Some(second(100)));
        assert_eq!(course.next(), second(100));
        assert!(course.start(second(99)).is_none());
        assert_eq!(course.start(second(100)).unwrap().trigger, Trigger::Opening);
        course.ended(second(101));
        assert_eq!(course.next(), second(1_000), "once");
    }

    #[test]
    fn a_busy_host_is_tried_again_soon() {
        let mut course = Course::new(Grid::new("h", 100 * MINUTE, Duration::ZERO, Duration::ZERO), Duration::ZERO);
        course.start(Duration::ZERO);
        course.was_busy(second(1));
        assert!(course.next() <= second(1) + BUSY_RETRY);
    }
}
