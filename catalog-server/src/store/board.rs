//! The board on which news is put up: who waits for something hears of it at once.
//!
//! It holds no truth, only wake-ups; what happened stands in the database. With PostgreSQL the wake-ups
//! of other servers arrive too, through its notifications.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The lines of topics that have no name.
const ENVIRONMENTS: &str = "environments";
const FACTS: &str = "facts";

/// What one may wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A host's record or certificates changed.
    Node(String),
    /// A host said how its resources are: a report, or what settled in a run that goes on.
    Word(String),
    /// There is news for a host.
    News(String),
    /// A host answered an inquiry.
    Inquiry(String),
    /// An environment moved, or was refused.
    Environment(String),
    /// Something happened to the leases of a guard, or a member said how it is.
    Lease(String),
    /// Any environment did.
    Environments,
    /// The facts of any host changed.
    Facts,
}

impl Topic {
    /// One line, as it travels between servers.
    pub(super) fn line(&self) -> String {
        let (kind, name) = match self {
            Topic::Node(name) => ("node", name),
            Topic::Word(name) => ("word", name),
            Topic::News(name) => ("news", name),
            Topic::Inquiry(id) => ("inquiry", id),
            Topic::Environment(name) => ("environment", name),
            Topic::Lease(name) => ("lease", name),
            Topic::Environments => return ENVIRONMENTS.to_owned(),
            Topic::Facts => return FACTS.to_owned(),
        };
        format!("{kind} {name}")
    }

    pub(super) fn from_line(line: &str) -> Option<Self> {
        match line {
            ENVIRONMENTS => return Some(Topic::Environments),
            FACTS => return Some(Topic::Facts),
            _ => {}
        }
        let (kind, name) = line.split_once(' ')?;
        let name = name.to_owned();
        match kind {
            "node" => Some(Topic::Node(name)),
            "word" => Some(Topic::Word(name)),
            "news" => Some(Topic::News(name)),
            "inquiry" => Some(Topic::Inquiry(name)),
            "environment" => Some(Topic::Environment(name)),
            "lease" => Some(Topic::Lease(name)),
            _ => None,
        }
    }
}

type Waiting = HashMap<Topic, HashMap<u64, Arc<Notify>>>;

/// Who waits for what.
#[derive(Default)]
pub(super) struct Board {
    waiting: Mutex<Waiting>,
    next: AtomicU64,
}

impl Board {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes who waits for the topic.
    pub(super) fn wake(&self, topic: &Topic) {
        self.waiting().get(topic).into_iter().flatten().for_each(|(_, one)| one.notify_one());
    }

    /// Wakes everybody: wake-ups may have been missed.
    pub(super) fn wake_all(&self) {
        self.waiting().values().flatten().for_each(|(_, one)| one.notify_one());
    }

    /// How many wait, each counted once for all its topics.
    pub(super) fn watching(&self) -> usize {
        let waiting = self.waiting();
        waiting.values().flat_map(HashMap::keys).collect::<HashSet<_>>().len()
    }

    /// Waits for these topics from now on.
    pub(super) fn watch(self: &Arc<Self>, topics: Vec<Topic>) -> Watch {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let notify = Arc::new(Notify::new());
        let mut waiting = self.waiting();
        for topic in &topics {
            waiting.entry(topic.clone()).or_default().insert(number, Arc::clone(&notify));
        }
        drop(waiting);
        Watch { board: Arc::clone(self), topics, number, notify }
    }
}

/// A place in front of the board. What happens between its making and [`Watch::changed`] is not missed.
pub struct Watch {
    board: Arc<Board>,
    topics: Vec<Topic>,
    number: u64,
    notify: Arc<Notify>,
}

impl Watch {
    /// Returns when one of the topics may have changed since the last call. It may return too often.
    pub async fn changed(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.board.waiting();
        for topic in &self.topics {
            if let Some(watchers) = waiting.get_mut(topic) {
                watchers.remove(&self.number);
                if watchers.is_empty() {
                    waiting.remove(topic);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watch_hears_its_topics_only_and_misses_nothing() {
        let board = Arc::new(Board::default());
        let watch = board.watch(vec![Topic::Word("a".to_owned()), Topic::News("b".to_owned())]);
        let idle = tokio::time::Duration::from_millis(20);
        board.wake(&Topic::Word("b".to_owned()));
        assert!(tokio::time::timeout(idle, watch.changed()).await.is_err());
        board.wake(&Topic::News("b".to_owned()));
        watch.changed().await;
        board.wake_all();
        watch.changed().await;
    }

    #[test]
    fn nothing_is_left_of_who_went_away() {
        let board = Arc::new(Board::default());
        drop(board.watch(vec![Topic::Word("a".to_owned())]));
        assert!(board.waiting().is_empty() && board.watching() == 0);
    }

    #[test]
    fn a_topic_travels_as_a_line() {
        let named = [Topic::Node("a.b".to_owned()), Topic::Environment("main line".to_owned()), Topic::Environment(String::new())];
        let named = named.into_iter().chain([Topic::Inquiry("00ff".to_owned()), Topic::Lease("galera".to_owned())]);
        for topic in named.chain([Topic::Environments, Topic::Facts]) {
            assert_eq!(Topic::from_line(&topic.line()), Some(topic));
        }
        assert_eq!(Topic::from_line("shutdown now"), None);
    }
}
