//! Which facts a compile read: as long as those stay as they are, so does the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;
use keel_engine::digest::Digest;
use keel_engine::value::{Map, Value};
use serde::{Deserialize, Serialize};

use crate::conversion::to_template;
use crate::inventory::HostId;
use crate::secrets::SecretNames;

/// What was read of the facts of hosts, by host. A host of which only the existence of facts was asked
/// stands here too.
pub type FactReads = BTreeMap<String, FactKeys>;

/// What was read of one host's facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactKeys {
    /// The names of single facts.
    pub keys: BTreeSet<String>,
    /// All of them were listed.
    pub whole: bool,
}

impl FactKeys {
    /// The state of what was read. Equal facts have equal ones; facts that were not read change nothing.
    pub fn digest(&self, facts: Option<&Map>) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("Evenkeel 2026 facts that were read");
        let mut add = |key: &str, value: Option<&Value>| {
            let bytes = postcard::to_stdvec(&(key, value)).unwrap_or_default();
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
        };
        if let Some(facts) = facts {
            add("", Some(&Value::Bool(true)));
            match self.whole {
                true => facts.iter().for_each(|(key, value)| add(key, Some(value))),
                false => self.keys.iter().for_each(|key| add(key, facts.get(key))),
            }
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// The facts that were asked for, host by host.
#[derive(Debug, Default)]
pub(crate) struct FactViews {
    views: Mutex<HashMap<HostId, FactView>>,
}

/// One host's facts as they were when somebody first asked.
#[derive(Debug, Default)]
struct FactView {
    facts: Option<Arc<Map>>,
    /// Facts as expressions see them, by name.
    values: HashMap<String, minijinja::Value>,
    read: FactKeys,
}

impl FactViews {
    fn with<T>(&self, id: HostId, fetch: impl FnOnce() -> Option<Arc<Map>>, read: impl FnOnce(&mut FactView) -> T) -> T {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        read(views.entry(id).or_insert_with(|| FactView { facts: fetch(), ..FactView::default() }))
    }

    /// Whether the host has facts.
    pub(crate) fn exist(&self, id: HostId, fetch: impl FnOnce() -> Option<Arc<Map>>) -> bool {
        self.with(id, fetch, |view| view.facts.is_some())
    }

    /// One fact as expressions see it.
    pub(crate) fn value(
        &self,
        id: HostId,
        key: &str,
        secrets: &SecretNames,
        fetch: impl FnOnce() -> Option<Arc<Map>>,
    ) -> Option<minijinja::Value> {
        self.with(id, fetch, |view| {
            view.note(key);
            if let Some(known) = view.values.get(key) {
                return Some(known.clone());
            }
            let value = to_template(view.facts.as_ref()?.get(key)?, secrets);
            view.values.insert(key.to_owned(), value.clone());
            Some(value)
        })
    }

    /// One fact as it is.
    pub(crate) fn plain(&self, id: HostId, key: &str, fetch: impl FnOnce() -> Option<Arc<Map>>) -> Option<Value> {
        self.with(id, fetch, |view| {
            view.note(key);
            view.facts.as_ref()?.get(key).cloned()
        })
    }

    /// The names of all facts.
    pub(crate) fn names(&self, id: HostId, fetch: impl FnOnce() -> Option<Arc<Map>>) -> Vec<String> {
        self.with(id, fetch, |view| {
            view.read.whole = true;
            view.facts.iter().flat_map(|facts| facts.keys().cloned()).collect()
        })
    }

    /// What was read so far; from now on it is forgotten.
    pub(crate) fn take(&self, name: impl Fn(HostId) -> Option<String>) -> FactReads {
        let views = std::mem::take(&mut *self.views.lock().unwrap_or_else(PoisonError::into_inner));
        views.into_iter().filter_map(|(id, view)| Some((name(id)?, view.read))).collect()
    }
}

impl FactView {
    fn note(&mut self, key: &str) {
        if !self.read.keys.contains(key) {
            self.read.keys.insert(key.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, i64)]) -> Map {
        pairs.iter().map(|(key, number)| ((*key).to_owned(), Value::Int(*number))).collect()
    }

    #[test]
    fn only_what_was_read_counts() {
        let read = FactKeys { keys: ["a".to_owned(), "gone".to_owned()].into(), whole: false };
        let state = read.digest(Some(&facts(&[("a", 1), ("b", 2)])));
        assert_eq!(state, read.digest(Some(&facts(&[("b", 3), ("a", 1)]))));
        for other in [facts(&[("a", 2)]), facts(&[("a", 1), ("gone", 1)]), facts(&[])] {
            assert_ne!(state, read.digest(Some(&other)));
        }
        assert_ne!(read.digest(None), read.digest(Some(&facts(&[]))));
        let whole = FactKeys { whole: true, ..FactKeys::default() };
        assert_ne!(whole.digest(Some(&facts(&[("a", 1)]))), whole.digest(Some(&facts(&[("a", 1), ("b", 2)]))));
    }

    #[test]
    fn reads_are_noted_and_taken() {
        let views = FactViews::default();
        let fetch = || Some(Arc::new(facts(&[("a", 1)])));
        assert_eq!(views.plain(0, "a", fetch), Some(Value::Int(1)));
        assert_eq!(views.plain(0, "b", || panic!("fetched once")), None);
        assert!(!views.exist(1, || None));
        let reads = views.take(|id| Some(format!("h{id}")));
        assert_eq!(reads["h0"], FactKeys { keys: ["a".to_owned(), "b".to_owned()].into(), whole: false });
        assert_eq!(reads["h1"], FactKeys::default());
        assert_eq!(views.take(|id| Some(id.to_string())).len(), 0);
    }
}
