//! What a run must remember: refreshes owed, and what was last enforced. The engine says what is to
//! be kept; the agent keeps it on disk.

use crate::address::Address;
use crate::catalog::Resource;
use crate::digest::Digest;
use crate::purge::PURGE_TAG;
use crate::report::{Cause, Owed};
use crate::value::Value;

/// The book of refreshes. Entries are written before the change that causes them and struck out
/// after the refresh succeeded, so that they survive whatever happens between the two.
pub trait Ledger {
    /// What is owed now.
    fn owed(&self) -> Vec<Owed>;
    /// Writes entries down. On return they are on disk.
    ///
    /// # Errors
    /// Says why they could not be written; the change must then not be made.
    fn owe(&mut self, entries: &[Owed]) -> Result<(), String>;
    /// Strikes out everything owed to a target, because it was refreshed.
    ///
    /// # Errors
    /// Says why it could not be written; the refresh will then happen once more.
    fn settle(&mut self, target: &Address) -> Result<(), String>;
    /// Strikes out entries of a change that did not happen.
    ///
    /// # Errors
    /// As [`Ledger::settle`].
    fn withdraw(&mut self, entries: &[Owed]) -> Result<(), String>;
}

/// A ledger that forgets, for plans and tests.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    entries: Vec<Owed>,
}

impl MemoryLedger {
    /// A ledger with these entries.
    pub fn new(entries: Vec<Owed>) -> Self {
        Self { entries }
    }
}

impl Ledger for MemoryLedger {
    fn owed(&self) -> Vec<Owed> {
        self.entries.clone()
    }

    fn owe(&mut self, entries: &[Owed]) -> Result<(), String> {
        self.entries.extend_from_slice(entries);
        Ok(())
    }

    fn settle(&mut self, target: &Address) -> Result<(), String> {
        self.entries.retain(|entry| entry.target != *target);
        Ok(())
    }

    fn withdraw(&mut self, entries: &[Owed]) -> Result<(), String> {
        self.entries.retain(|entry| !entries.contains(entry));
        Ok(())
    }
}

/// What was last enforced: a short hash for every attribute of every resource.
pub trait Enforced: Sync {
    /// The hash that [`attribute_hash`] gave when the attribute was last enforced.
    fn last(&self, address: &Address, attribute: &str) -> Option<u64>;
    /// Whether the resource was ever enforced.
    fn knows(&self, address: &Address) -> bool;
    /// Whether the resource as it is declared now is the one that was last enforced.
    fn is_same(&self, resource: &Resource) -> bool;
}

/// Nothing was ever enforced.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingEnforced;

impl Enforced for NothingEnforced {
    fn last(&self, _address: &Address, _attribute: &str) -> Option<u64> {
        None
    }

    fn knows(&self, _address: &Address) -> bool {
        false
    }

    fn is_same(&self, _resource: &Resource) -> bool {
        false
    }
}

/// A short hash of a desired value. Secrets count by the fingerprint of their encrypted form.
pub fn attribute_hash(value: Option<&Value>) -> u64 {
    let bytes = value.and_then(|value| postcard::to_stdvec(value).ok()).unwrap_or_default();
    let digest = Digest::of(&bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Who moved, if this attribute has to be changed now.
pub fn cause(enforced: &dyn Enforced, resource: &Resource, attribute: &str) -> Cause {
    if resource.tags.iter().any(|tag| tag == PURGE_TAG) {
        return Cause::Purge;
    }
    if !enforced.knows(&resource.address) {
        return Cause::New;
    }
    // A change may have a name of its own (a key of an `ini`, the lines that a source became): then the
    // whole resource decides.
    let same = match resource.attributes.get(attribute) {
        Some(value) => enforced.last(&resource.address, attribute) == Some(attribute_hash(Some(value))),
        None => enforced.is_same(resource),
    };
    if same { Cause::Drift } else { Cause::Intent }
}
