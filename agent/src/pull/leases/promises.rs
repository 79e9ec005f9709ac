//! Promises: the leases that this host asked for and has to give back, on disk. One is written down before the server is
//! asked, so that whatever becomes of the run, a later one gives the lease back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use keel_engine::guard::{Guard, Withdrawal};
use keel_engine::value::Map;
use serde::{Deserialize, Serialize};

use crate::pull::home::Home;
use crate::state::{read_if_there, replace};

/// What is known of a lease that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The answer has not come: the host may hold it.
    Asked,
    /// The host holds it.
    Held,
    /// The host does not hold it, and the server knows that it wants it.
    Waits,
}

/// A lease that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// How it stands.
    pub state: State,
    /// The guard's checks: they are still known when a later catalog has the guard no more.
    pub ready: Map,
    /// How the host left service, if it may have, and comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Withdrawal>,
    /// The runs, as processes, that did not come to their end since the lease was asked for: what they began may go on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub runs: BTreeSet<u32>,
}

impl Promise {
    /// What brings the host back, where it may have been taken out of service.
    pub fn undrain(&self) -> Option<&[String]> {
        let withdrawal = self.withdrawal.as_ref().filter(|_| self.state != State::Waits)?;
        Some(&withdrawal.undrain)
    }
}

/// All promises of a host, by guard.
#[derive(Debug)]
pub struct Promises {
    path: PathBuf,
    all: BTreeMap<String, Promise>,
}

impl Promises {
    /// Reads them.
    ///
    /// # Errors
    /// They cannot be read. Then nothing may be asked for, or a lease could be forgotten.
    pub fn load(home: &Home) -> Result<Self, String> {
        let advised = |error| format!("{error}; `keel lease list` shows what the server knows");
        Self::at(home.kept.join("leases.json")).map_err(advised)
    }

    /// Reads those in a file.
    ///
    /// # Errors
    /// As [`Promises::load`].
    pub fn at(path: PathBuf) -> Result<Self, String> {
        let all = match read_if_there(&path)? {
            None => BTreeMap::new(),
            Some(bytes) => {
                let damaged = |error| format!("{} cannot be read: {error}", path.display());
                serde_json::from_slice(&bytes).map_err(damaged)?
            }
        };
        Ok(Self { path, all })
    }

    /// The promises.
    pub fn all(&self) -> &BTreeMap<String, Promise> {
        &self.all
    }

    /// The guards whose leases the host holds, or may hold.
    pub fn held(&self) -> Vec<String> {
        self.all.iter().filter(|(_, promise)| promise.state != State::Waits).map(|(guard, _)| guard.clone()).collect()
    }

    /// The first guard whose server never answered.
    pub fn unanswered(&self) -> Option<&str> {
        self.all.iter().find(|(_, promise)| promise.state == State::Asked).map(|(guard, _)| guard.as_str())
    }

    /// Writes down how one stands, for this process. On return it is on disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&mut self, guard: &Guard, state: State) -> Result<(), String> {
        let mut runs = self.all.remove(&guard.name).map(|earlier| earlier.runs).unwrap_or_default();
        runs.insert(std::process::id());
        let promise = Promise { state, ready: guard.ready.clone(), withdrawal: guard.withdrawal.clone(), runs };
        self.all.insert(guard.name.clone(), promise);
        self.keep()
    }

    /// Writes down that this process is done with one, in order: what goes on of its commands does so on purpose.
    ///
    /// # Errors
    /// It cannot be written; the lease is then kept until the last of those processes has ended.
    pub fn end_run(&mut self, guard: &str) -> Result<(), String> {
        let run = std::process::id();
        let was_noted = self.all.get_mut(guard).is_some_and(|promise| promise.runs.remove(&run));
        if was_noted { self.keep() } else { Ok(()) }
    }

    /// Strikes one out: the server knows that it is over.
    ///
    /// # Errors
    /// It cannot be written; a later run then says once more that it is over.
    pub fn forget(&mut self, guard: &str) -> Result<(), String> {
        if self.all.remove(guard).is_some() { self.keep() } else { Ok(()) }
    }

    fn keep(&self) -> Result<(), String> {
        let text = serde_json::to_vec_pretty(&self.all).map_err(|error| error.to_string())?;
        replace(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_survive_the_process_and_go_when_they_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        let mut promises = Promises::load(&home).unwrap();
        let guard =
            |name: &str| Guard { name: name.to_owned(), members: Vec::new(), max: 1, ready: Map::new(), withdrawal: None, turns: None };
        promises.note(&guard("galera"), State::Asked).unwrap();
        promises.note(&guard("ha"), State::Waits).unwrap();
        let mut promises = Promises::load(&home).unwrap();
        assert_eq!(promises.held(), ["galera"], "what may be held is");
        assert_eq!(promises.unanswered(), Some("galera"));
        promises.forget("galera").unwrap();
        assert_eq!(Promises::load(&home).unwrap().all().keys().collect::<Vec<_>>(), ["ha"]);
        std::fs::write(home.kept.join("leases.json"), "{\"galera\":").unwrap();
        assert!(Promises::load(&home).unwrap_err().contains("keel lease list"));
    }

    #[test]
    fn a_run_is_noted_until_it_ends_in_order() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("leases.json");
        let guard = Guard { name: "ha".to_owned(), members: Vec::new(), max: 1, ready: Map::new(), withdrawal: None, turns: None };
        let earlier = r#"{"ha":{"state":"held","ready":{},"runs":[7]}}"#;
        std::fs::write(&path, earlier).unwrap();
        let mut promises = Promises::at(path.clone()).unwrap();
        promises.note(&guard, State::Held).unwrap();
        let runs = || Promises::at(path.clone()).unwrap().all()["ha"].runs.clone();
        assert_eq!(runs(), BTreeSet::from([7, std::process::id()]), "the earlier one is not forgotten");
        promises.end_run("ha").unwrap();
        assert_eq!(runs(), BTreeSet::from([7]));
    }

    #[test]
    fn who_may_be_out_of_service_is_brought_back_by_a_later_run() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        let withdrawal = Withdrawal { drain: vec!["/out".to_owned()], undrain: vec!["/back".to_owned()] };
        let guard =
            Guard { name: "web".to_owned(), members: Vec::new(), max: 1, ready: Map::new(), withdrawal: Some(withdrawal), turns: None };
        for (state, undrain) in [(State::Asked, Some("/back")), (State::Held, Some("/back")), (State::Waits, None)] {
            Promises::load(&home).unwrap().note(&guard, state).unwrap();
            let promises = Promises::load(&home).unwrap();
            assert_eq!(promises.all()["web"].undrain().and_then(<[String]>::first).map(String::as_str), undrain, "{state:?}");
        }
    }
}
