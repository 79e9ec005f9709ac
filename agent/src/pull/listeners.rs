//! Those who tell the agent what happens elsewhere: at the server, to files, to services.

use std::collections::BTreeMap;

use keel_engine::address::Address;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::home::Home;
use super::news;
use super::service::Event;
use super::settings::AgentSettings;
use super::watch::{self, WatchList};

/// Units of systemd with the resources that manage them.
type Units = BTreeMap<String, Vec<Address>>;

/// The listeners of an agent; they end with it.
pub struct Listeners {
    news: JoinHandle<()>,
    files: Option<JoinHandle<()>>,
    units: Option<(Units, JoinHandle<()>)>,
}

impl Listeners {
    /// Begins to listen, as far as the settings want it.
    pub fn begin(home: &Home, settings: &AgentSettings, events: &UnboundedSender<Event>) -> Self {
        let news = tokio::spawn(news::listen(home.clone(), settings.clone(), events.clone()));
        let mut listeners = Self { news, files: None, units: None };
        listeners.look_again(home, settings, events);
        listeners
    }

    fn look_away(&mut self) {
        if let Some(files) = self.files.take() {
            files.abort();
        }
    }

    /// A run is over, perhaps with another catalog, or folders that were not there before. The connection
    /// to systemd stays while its units are the same.
    pub fn look_again(&mut self, home: &Home, settings: &AgentSettings, events: &UnboundedSender<Event>) {
        self.look_away();
        let Some(list) = WatchList::load(home).filter(|_| settings.watch) else { return };
        if self.units.as_ref().is_none_or(|(units, task)| *units != list.units || task.is_finished()) {
            if let Some((_, task)) = self.units.take() {
                task.abort();
            }
            let task = tokio::spawn(watch::units(home.root.clone(), list.units.clone(), events.clone()));
            self.units = Some((list.units, task));
        }
        self.files = Some(tokio::spawn(watch::files(home.root.clone(), list.paths, events.clone())));
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.look_away();
        self.news.abort();
        if let Some((_, task)) = self.units.take() {
            task.abort();
        }
    }
}
