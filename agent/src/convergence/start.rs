//! States that a run starts from, and the chance that makes some of them.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keel_engine::catalog::{Catalog, Resource};

use super::snapshot::{Snapshot, Thing};

/// Chance that a seed repeats (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    /// Chance that begins here.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below an end, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end.max(1)).unwrap_or(u64::MAX)).unwrap_or_default()
    }

    /// Puts items into any order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// A state that a run starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing is there.
    Empty,
    /// A former run got this far.
    Half {
        /// How many resources it did.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// These were applied, in this order.
    Some(Vec<String>),
    /// The end, with this done to it by hand.
    Drifted(Vec<String>),
}

impl Start {
    /// In words.
    pub(super) fn words(&self, seed: u64) -> String {
        match self {
            Start::Empty => "an empty root".to_owned(),
            Start::Half { done, of } => format!("a run that stopped after {done} of {of} resources"),
            Start::Some(addresses) => format!("{} applied alone, in this order (--seed {seed})", addresses.join(", ")),
            Start::Drifted(made) if made.is_empty() => "the end itself".to_owned(),
            Start::Drifted(made) => format!("the end with {} (--seed {seed})", made.join(", ")),
        }
    }
}

/// Something done by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drift {
    /// Where.
    path: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Removed,
    /// The file is as it was before any run.
    Emptied(Vec<u8>),
    Overwritten,
    Mode(u32),
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Removed => write!(f, "{} removed", self.path),
            What::Emptied(_) => write!(f, "{} as it was at first", self.path),
            What::Overwritten => write!(f, "{} overwritten", self.path),
            What::Mode(mode) => write!(f, "the mode of {} set to {mode:04o}", self.path),
        }
    }
}

impl Drift {
    /// Does it.
    ///
    /// # Errors
    /// It cannot be done.
    pub(super) fn make(&self, root: &Path) -> std::io::Result<()> {
        let path = root.join(self.path.trim_start_matches('/'));
        match &self.what {
            What::Removed if fs::symlink_metadata(&path)?.is_dir() => fs::remove_dir_all(path),
            What::Removed => fs::remove_file(path),
            What::Emptied(bytes) => fs::write(path, bytes),
            What::Overwritten => fs::write(path, "somebody was here\n"),
            What::Mode(mode) => fs::set_permissions(path, fs::Permissions::from_mode(*mode)),
        }
    }
}

/// Something that could be done by hand to what a run made; what stood there before any run is left there.
pub(super) fn drift(base: &Snapshot, end: &Snapshot, catalog: &Catalog, chance: &mut Chance) -> Option<Drift> {
    let mut possible = Vec::new();
    for (path, thing) in end.things().iter().filter(|(path, thing)| base.things().get(*path) != Some(thing)) {
        let drift = |what| Drift { path: path.clone(), what };
        let whole = catalog.resources.iter().find(|resource| is_file_at(resource, path));
        let gives = |name: &str| whole.is_some_and(|resource| resource.attributes.contains_key(name));
        possible.push(match base.things().get(path) {
            None => drift(What::Removed),
            Some(Thing::File(_, bytes)) => drift(What::Emptied(bytes.clone())),
            Some(_) => continue,
        });
        if matches!(thing, Thing::File(..)) && (gives("content") || gives("source")) {
            possible.push(drift(What::Overwritten));
        }
        match thing {
            Thing::File(mode, _) | Thing::Folder(mode) if gives("mode") => possible.push(drift(What::Mode(mode ^ 0o040))),
            _ => {}
        }
    }
    let chosen = chance.below(possible.len());
    possible.into_iter().nth(chosen)
}

fn is_file_at(resource: &Resource, path: &str) -> bool {
    let at = resource.attributes.get("path").and_then(|path| path.as_str()).unwrap_or(&resource.address.title);
    &*resource.address.type_name == "file" && at == path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_repeats_itself_and_loses_nothing() {
        let order = |seed| {
            let mut items: Vec<usize> = (0..20).collect();
            Chance::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
    }
}
