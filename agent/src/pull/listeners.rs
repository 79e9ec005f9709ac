//! Those who tell the agent what happens elsewhere: at the server, to files, to services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keel_engine::address::Address;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::home::Home;
use super::leases::prover;
use super::news;
use super::service::Event;
use super::settings::AgentSettings;
use super::watch::{self, WatchList};

/// Units of systemd with the resources that manage them.
type Units = BTreeMap<String, Vec<Address>>;

/// How often it is looked whether a lease that was held after a run may go back.
const LEASE_INTERVAL: Duration = Duration::from_secs(15);

/// Tells every now and then that a lease is held, or that the host was found not to be ready, for as long as that is so.
async fn leases_held(home: Home, interval: Duration, events: UnboundedSender<Event>) {
    while prover::is_wanted(&home) {
        tokio::time::sleep(interval).await;
        let unready = prover::unready(&home);
        if !unready.is_empty() && events.send(Event::Demands(unready)).is_err() {
            return;
        }
        if prover::owes(&home) && events.send(Event::HoldsLease).is_err() {
            return;
        }
    }
}

/// The listeners of an agent; they end with it.
pub struct Listeners {
    news: JoinHandle<()>,
    /// There only while a lease is held, so that an agent with nothing to do sleeps.
    leases: Option<JoinHandle<()>>,
    /// Has the server tried now.
    wake: Arc<Notify>,
    files: Option<JoinHandle<()>>,
    units: Option<(Units, JoinHandle<()>)>,
}

impl Listeners {
    /// Begins to listen, as far as the settings want it.
    pub fn begin(home: &Home, settings: &AgentSettings, events: &UnboundedSender<Event>) -> Self {
        let wake = Arc::new(Notify::new());
        let news = tokio::spawn(news::listen(home.clone(), settings.clone(), events.clone(), Arc::clone(&wake)));
        let mut listeners = Self { news, leases: None, wake, files: None, units: None };
        listeners.look_at_leases(home, events);
        listeners.look_again(home, settings, events);
        listeners
    }

    /// Something may have changed between this host and the server: one that is away is tried now.
    pub fn try_server(&self) {
        self.wake.notify_waiters();
    }

    fn look_away(&mut self) {
        if let Some(files) = self.files.take() {
            files.abort();
        }
    }

    /// A run or a proof is over, perhaps with a lease that is still held.
    pub fn look_at_leases(&mut self, home: &Home, events: &UnboundedSender<Event>) {
        let looks = self.leases.as_ref().is_some_and(|leases| !leases.is_finished());
        if !looks && prover::is_wanted(home) {
            self.leases = Some(tokio::spawn(leases_held(home.clone(), LEASE_INTERVAL, events.clone())));
        }
    }

    /// A run is over, perhaps with another catalog, or folders that were not there before. The connection
    /// to systemd stays while its units are the same.
    pub fn look_again(&mut self, home: &Home, settings: &AgentSettings, events: &UnboundedSender<Event>) {
        self.look_at_leases(home, events);
        let Some(list) = WatchList::load(home).filter(|_| settings.watch) else { return self.look_away() };
        if self.units.as_ref().is_none_or(|(units, task)| *units != list.units || task.is_finished()) {
            if let Some((_, task)) = self.units.take() {
                task.abort();
            }
            let task = tokio::spawn(watch::units(home.root.clone(), list.units.clone(), events.clone()));
            self.units = Some((list.units, task));
        }
        let files = watch::files(&home.root, list.paths, events.clone());
        self.look_away();
        self.files = files;
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.look_away();
        self.news.abort();
        if let Some(leases) = self.leases.take() {
            leases.abort();
        }
        if let Some((_, task)) = self.units.take() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::guard::Guard;
    use keel_engine::value::Map;

    use super::*;
    use crate::pull::leases::promises::{Promises, State};

    #[test]
    fn nothing_wakes_an_agent_that_holds_no_lease() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        runtime.block_on(leases_held(home.clone(), Duration::from_secs(3600), sender.clone()));
        assert!(events.try_recv().is_err(), "it ends at once");
        let guard = Guard { name: "galera".to_owned(), members: Vec::new(), max: 1, ready: Map::new(), withdrawal: None, turns: None };
        Promises::load(&home).unwrap().note(&guard, State::Held).unwrap();
        runtime.block_on(async {
            let looks = tokio::spawn(leases_held(home.clone(), Duration::from_millis(1), sender));
            assert!(matches!(events.recv().await, Some(Event::HoldsLease)));
            Promises::load(&home).unwrap().forget("galera").unwrap();
            looks.await.unwrap();
        });
    }
}
