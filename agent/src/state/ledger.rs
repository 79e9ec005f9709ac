//! The ledger of owed refreshes on disk: a small JSON file, replaced whole at every entry.

use std::path::PathBuf;

use keel_engine::address::Address;
use keel_engine::ledger::Ledger;
use keel_engine::report::Owed;

use super::{State, read_if_there, replace};

/// The book on disk.
pub struct LedgerFile {
    path: PathBuf,
    entries: Vec<Owed>,
}

impl LedgerFile {
    /// Opens the book of a host; a missing file is an empty book.
    ///
    /// # Errors
    /// A file that cannot be read or understood: starting with an empty book would lose refreshes.
    pub fn open(state: &State) -> Result<Self, String> {
        let path = state.kept.join("owed.json");
        let entries = match read_if_there(&path)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{} is damaged ({error}): refreshes may be owed that it no longer tells; restart what you doubt, remove the file, and run again", path.display()))?,
            None => Vec::new(),
        };
        Ok(Self { path, entries })
    }

    /// Strikes out what is owed to things that the catalog does not have any more. Returns them.
    ///
    /// # Errors
    /// As [`Ledger::settle`].
    pub fn release(&mut self, is_known: impl Fn(&Address) -> bool) -> Result<Vec<Owed>, String> {
        let (kept, released): (Vec<Owed>, Vec<Owed>) = self.entries.drain(..).partition(|entry| is_known(&entry.target));
        self.entries = kept;
        if !released.is_empty() {
            self.write()?;
        }
        Ok(released)
    }

    fn strike(&mut self, is_over: impl Fn(&Owed) -> bool) -> Result<(), String> {
        let before = self.entries.len();
        self.entries.retain(|entry| !is_over(entry));
        if self.entries.len() == before { Ok(()) } else { self.write() }
    }

    fn write(&self) -> Result<(), String> {
        let bytes = serde_json::to_vec_pretty(&self.entries).map_err(|error| error.to_string())?;
        replace(&self.path, &bytes)
    }
}

impl Ledger for LedgerFile {
    fn owed(&self) -> Vec<Owed> {
        self.entries.clone()
    }

    fn owe(&mut self, entries: &[Owed]) -> Result<(), String> {
        let before = self.entries.len();
        for entry in entries {
            let known =
                self.entries.iter().any(|old| old.target == entry.target && old.source == entry.source && old.effect >= entry.effect);
            if !known {
                self.entries.push(entry.clone());
            }
        }
        if self.entries.len() == before { Ok(()) } else { self.write() }
    }

    fn settle(&mut self, target: &Address) -> Result<(), String> {
        self.strike(|entry| entry.target == *target)
    }

    fn withdraw(&mut self, entries: &[Owed]) -> Result<(), String> {
        self.strike(|entry| entries.contains(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_engine::catalog::Effect;

    #[test]
    fn entries_survive_the_process_and_go_when_settled() {
        let root = tempfile::tempdir().unwrap();
        let state = State::of_site(root.path(), "s");
        state.make_folders().unwrap();
        let target = Address::new("service", "nginx");
        let owed = Owed { target: target.clone(), source: Address::new("file", "/a"), effect: Effect::Reload, since_ms: 7 };
        LedgerFile::open(&state).unwrap().owe(&[owed.clone(), owed.clone()]).unwrap();
        let mut reopened = LedgerFile::open(&state).unwrap();
        assert_eq!(reopened.owed(), [owed]);
        reopened.settle(&target).unwrap();
        assert!(LedgerFile::open(&state).unwrap().owed().is_empty());
    }

    #[test]
    fn a_damaged_book_is_not_taken_for_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let state = State::of_site(root.path(), "s");
        state.make_folders().unwrap();
        std::fs::write(state.kept.join("owed.json"), "[{").unwrap();
        assert!(LedgerFile::open(&state).err().unwrap().contains("owed.json is damaged"));
    }
}
