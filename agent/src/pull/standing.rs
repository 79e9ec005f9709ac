//! How the agent stands, in a small file that `keel agent status` reads: no secrets, nothing that matters.

use serde::{Deserialize, Serialize};

use super::home::Home;
use crate::state::read_if_there;

const FILE: &str = "agent.json";

/// How the agent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The host's name.
    pub host: String,
    /// The agent's process.
    pub process: u32,
    /// When the next run is due, in milliseconds since 1970.
    pub next_run_ms: Option<u64>,
    /// How the last round ended.
    #[serde(default)]
    pub last_round: Option<LastRound>,
    /// Whether a run is under way.
    pub running: bool,
    /// Why the server cannot be reached, if it cannot.
    pub server_away: Option<String>,
    /// Why not all files are watched that should be.
    #[serde(default)]
    pub unwatched: Option<String>,
    /// Whether what is watched was touched so often that it starts no runs for now.
    #[serde(default)]
    pub held_back: bool,
    #[serde(skip)]
    kept: Option<Box<Standing>>,
}

/// How a round ended, which may have come to no run at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRound {
    /// When, in milliseconds since 1970.
    pub ended_ms: u64,
    /// Why the run did not happen; none if it did.
    pub failure: Option<String>,
}

impl Standing {
    /// Nothing is known yet.
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            process: std::process::id(),
            next_run_ms: None,
            last_round: None,
            running: false,
            server_away: None,
            unwatched: None,
            held_back: false,
            kept: None,
        }
    }

    /// Writes it down if it is news; says whether it was. The time of the next run alone is none while it
    /// only wavers by the clock's own jitter.
    pub fn keep(&mut self, home: &Home) -> bool {
        let mut now = Self { kept: None, ..self.clone() };
        if let Some(kept) = &self.kept {
            let wavers = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a.abs_diff(b) < 1_000);
            if wavers(now.next_run_ms, kept.next_run_ms) {
                now.next_run_ms = kept.next_run_ms;
            }
            if **kept == now {
                return false;
            }
        }
        // It is only for people, and made anew at the next change.
        let _ = serde_json::to_vec(&now).map(|text| std::fs::write(home.running.join(FILE), text));
        self.kept = Some(Box::new(now));
        true
    }

    /// What a running agent wrote.
    pub fn load(home: &Home) -> Option<Self> {
        serde_json::from_slice(&read_if_there(&home.running.join(FILE)).ok()??).ok()
    }

    /// What keeps `watch = true` from doing its work.
    pub fn watch_trouble(&self) -> Option<String> {
        let held_back = || "what is watched was touched too often lately, and starts no runs for now".to_owned();
        self.unwatched.clone().or_else(|| self.held_back.then(held_back))
    }

    /// One line for systemd.
    pub fn line(&self) -> String {
        if self.running {
            return "a run is under way".to_owned();
        }
        let failure = self.last_round.as_ref().and_then(|round| round.failure.as_deref());
        let failure = failure.map(|why| format!("the last one did not happen: {why}"));
        let parts = [Some("waiting for the next run".to_owned()), failure, self.server_away.clone(), self.watch_trouble()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_told_what_is_wrong_between_runs() {
        let mut standing = Standing::new("db-1");
        assert_eq!(standing.line(), "waiting for the next run");
        standing.server_away = Some("the server cannot be reached".to_owned());
        standing.last_round = Some(LastRound { ended_ms: 1, failure: Some("no catalog".to_owned()) });
        assert_eq!(standing.line(), "waiting for the next run; the last one did not happen: no catalog; the server cannot be reached");
        (standing.server_away, standing.last_round, standing.held_back) = (None, None, true);
        assert!(standing.line().contains("touched too often"));
        standing.unwatched = Some("/etc cannot be watched".to_owned());
        assert_eq!(standing.line(), "waiting for the next run; /etc cannot be watched");
        standing.running = true;
        assert_eq!(standing.line(), "a run is under way");
    }
}
