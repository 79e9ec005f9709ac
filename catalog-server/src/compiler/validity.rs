//! Whether a catalog that was compiled earlier is still the right one: its commit, the facts it read,
//! and what facts decide for all catalogs together.

use std::sync::Arc;

use keel_engine::digest::Digest;
use keel_engine::value::Map;
use keel_manifests::facts::parse_facts;

use super::facts::StoredFacts;
use super::known::Brief;
use super::messages::FactsRead;
use super::{Commit, Compiler, NoCatalog, Slot, blocking};

impl Compiler {
    /// The catalog that is already there, if everything that it depends on is as it was.
    pub(super) async fn still_right(
        &self,
        environment: &str,
        commit: &Arc<Commit>,
        host: &str,
        facts: &StoredFacts,
    ) -> Result<Option<Brief>, NoCatalog> {
        let (current, ahead) = {
            let hosts = self.inner.known.hosts();
            let known = hosts.get(host);
            let right = |brief: &Brief| *brief.commit == *commit.id && *brief.environment == *environment;
            let of = |brief: Option<&Option<Brief>>| brief.cloned().flatten().filter(right);
            (of(known.map(|known| &known.current)), of(known.map(|known| &known.ahead)))
        };
        if let Some(brief) = current
            && let Some(brief) = self.confirm(brief, host, facts).await?
        {
            if let Some(known) = self.inner.known.hosts().get_mut(host) {
                known.current = Some(brief.clone());
                known.failed = None;
            }
            return Ok(Some(brief));
        }
        if let Some(brief) = ahead
            && let Some(brief) = self.confirm(brief, host, facts).await?
        {
            return self.promote(host, brief).await;
        }
        Ok(None)
    }

    /// The brief with these facts taken into account, if they change nothing.
    async fn confirm(&self, brief: Brief, host: &str, facts: &StoredFacts) -> Result<Option<Brief>, NoCatalog> {
        // After a restart this is known from the first catalog that was compiled with them.
        let known_state = self.inner.fleet_state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains_key(&brief.commit);
        if known_state && brief.fleet_state() != self.fleet_state_of(&brief.commit) {
            return Ok(None);
        }
        let clock = self.inner.known.clock();
        if brief.read_of(host).is_some_and(|read| !is_unchanged(read, Some(facts))) {
            return Ok(None);
        }
        for read in brief.reads_of_others(host) {
            if !self.inner.known.changed_since(&read.host, brief.clock()) {
                continue;
            }
            // Who sent nothing has recorded facts or none; those are the commit's.
            let Some(stored) = self.inner.facts.facts(&read.host).await.map_err(NoCatalog::Unavailable)? else { continue };
            if !is_unchanged(read, Some(&stored)) {
                return Ok(None);
            }
        }
        // Whether this host's facts change what is decided for all is found by compiling it.
        if brief.fleet_state().is_some() && self.inner.known.changed_since(host, brief.clock()) {
            return Ok(None);
        }
        if !known_state {
            self.set_fleet_state(&brief.commit, brief.fleet_state());
        }
        Ok(Some(brief.confirmed(facts.digest, clock)))
    }

    /// Makes the catalog that was compiled ahead the host's current one.
    async fn promote(&self, host: &str, brief: Brief) -> Result<Option<Brief>, NoCatalog> {
        let (shelf, name, id) = (Arc::clone(&self.inner.shelf), host.to_owned(), brief.id);
        let kept = blocking(move || {
            let Some(old) = shelf.record(&name) else { return Ok(false) };
            let Some(entry) = old.ahead.clone().filter(|entry| entry.id == id) else { return Ok(false) };
            let new = Slot::Current.filled(&old, entry);
            shelf.put_record(&new)?;
            old.gone(&new).for_each(|id| shelf.drop_catalog(&id));
            Ok(true)
        });
        if !kept.await? {
            return Ok(None);
        }
        if let Some(known) = self.inner.known.hosts().get_mut(host) {
            known.current = Some(brief.clone());
            known.ahead = None;
            known.failed = None;
        }
        Ok(Some(brief))
    }
}

fn is_unchanged(read: &FactsRead, facts: Option<&StoredFacts>) -> bool {
    let parse = |facts: &StoredFacts| std::str::from_utf8(&facts.json).ok().and_then(|text| parse_facts(text).ok());
    let facts: Option<Map> = facts.and_then(parse);
    let state: Digest = read.keys.digest(facts.as_ref());
    state == read.state
}
