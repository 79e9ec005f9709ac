//! Which other hosts' variables and facts the evaluations for a host read. As long as those are what they were, and
//! its own, and the manifests, its compile comes to the same.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::inventory::HostId;

/// A host that reads more others than this reads everybody, as far as anybody has to know.
const OTHERS_MAX: usize = 64;

thread_local! {
    /// The host that something is evaluated for now.
    static READER: Cell<Option<HostId>> = const { Cell::new(None) };
}

/// Puts back who was evaluated for before.
pub(crate) struct Before(Option<HostId>);

impl Drop for Before {
    fn drop(&mut self) {
        READER.set(self.0);
    }
}

/// From here on something is evaluated for this host.
pub(crate) fn reading_for(host: HostId) -> Before {
    Before(READER.replace(Some(host)))
}

/// Whose variables and facts count for a host beside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Others {
    /// Those of these hosts.
    Some(BTreeSet<HostId>),
    /// Those of everybody.
    Everybody,
}

/// What was read so far, by who read it. What a variable of another host read counts for that one: who reads the
/// variable later, when it is known already, depends on it all the same.
#[derive(Debug, Default)]
pub(crate) struct HostReads {
    by_reader: Mutex<BTreeMap<HostId, Others>>,
}

impl HostReads {
    /// Notes that something of a host is read.
    pub(crate) fn note(&self, read: HostId) {
        let Some(reader) = READER.get().filter(|reader| *reader != read) else { return };
        let mut by_reader = self.by_reader.lock().unwrap_or_else(PoisonError::into_inner);
        let others = by_reader.entry(reader).or_insert_with(|| Others::Some(BTreeSet::new()));
        if let Others::Some(known) = others {
            known.insert(read);
            if known.len() > OTHERS_MAX {
                *others = Others::Everybody;
            }
        }
    }

    /// Whose state counts for a host: those that it read, those that they read, and so on.
    pub(crate) fn of(&self, host: HostId) -> Others {
        let by_reader = self.by_reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = BTreeSet::new();
        let mut open = vec![host];
        while let Some(reader) = open.pop() {
            match by_reader.get(&reader) {
                None => {}
                Some(Others::Everybody) => return Others::Everybody,
                Some(Others::Some(read)) => open.extend(read.iter().filter(|other| **other != host && found.insert(**other))),
            }
            if found.len() > OTHERS_MAX {
                return Others::Everybody;
            }
        }
        Others::Some(found)
    }

    /// Forgets all of it.
    pub(crate) fn forget(&self) {
        self.by_reader.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_by_way_of_others_counts() {
        let reads = HostReads::default();
        reads.note(9);
        {
            let _reader = reading_for(1);
            reads.note(1);
            {
                let _other = reading_for(2);
                reads.note(3);
            }
            reads.note(2);
        }
        reads.note(8);
        assert_eq!(reads.of(1), Others::Some(BTreeSet::from([2, 3])));
        assert_eq!(reads.of(2), Others::Some(BTreeSet::from([3])));
        assert_eq!(reads.of(3), Others::Some(BTreeSet::new()));
        let _reader = reading_for(3);
        (10..100).for_each(|other| reads.note(other));
        assert_eq!(reads.of(1), Others::Everybody);
        reads.forget();
        assert_eq!(reads.of(1), Others::Some(BTreeSet::new()));
    }
}
