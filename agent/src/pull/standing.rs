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
    /// When the last run ended.
    pub last_end_ms: Option<u64>,
    /// Whether a run is under way.
    pub running: bool,
    /// Why the server cannot be reached, if it cannot.
    pub server_away: Option<String>,
    #[serde(skip)]
    kept: Option<Box<Standing>>,
}

impl Standing {
    /// Nothing is known yet.
    pub fn new(host: &str) -> Self {
        let (next_run_ms, last_end_ms, server_away) = (None, None, None);
        Self { host: host.to_owned(), process: std::process::id(), next_run_ms, last_end_ms, running: false, server_away, kept: None }
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

    /// One line for systemd.
    pub fn line(&self) -> String {
        match (self.running, &self.server_away) {
            (true, _) => "a run is under way".to_owned(),
            (false, None) => "waiting for the next run".to_owned(),
            (false, Some(why)) => format!("waiting for the next run; {why}"),
        }
    }
}
