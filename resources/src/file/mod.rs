//! `file`: files, directories and links.

mod account;
mod apply;
mod attributes;
mod diff;
mod listing;
mod mode;
mod observe;
mod source;
#[cfg(test)]
mod tests;
mod tree;

use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, Reliance, ResourceType, Work};

use crate::host::Host;

pub use account::Account;
pub(crate) use attributes::check_path;
pub use attributes::{Ensure, File, Links, Source};
pub use mode::ModeSpec;
pub use observe::Observed;

/// The type `file`.
pub struct FileType;

impl ResourceType for FileType {
    type Host = Host;
    type Desired = File;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&File]) -> Vec<Result<Observed, ObserveError>> {
        observe::observe_all(host, desired)
    }

    fn diff(&self, desired: &File, observed: &Observed) -> Vec<Change> {
        diff::diff(desired, observed)
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        self.apply_batch(host, std::slice::from_ref(work)).pop().unwrap_or(Ok(()))
    }

    fn apply_batch(&self, host: &Host, works: &[Work<'_, Self>]) -> Vec<Result<(), Failure>> {
        apply::apply_all(host, works)
    }

    fn nature(&self) -> Nature {
        Nature { lots: true, file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &File) -> Footprint {
        let path = format!("path:{}", desired.path);
        // Two files of one path are one thing, also where neither of them says anything of the content.
        let mut footprint = Footprint::default().own(format!("file:{}", desired.path));
        if let Some(parent) = desired.path.parent() {
            footprint = footprint.need(format!("path:{parent}"));
        }
        let kind = desired.kind();
        // Who says nothing of the content leaves it to others, such as `line`.
        let writes = matches!(kind, Ensure::Absent | Ensure::Link) || kind == Ensure::File && desired.has_content() && desired.replace;
        if writes {
            footprint = footprint.write(path.clone());
        }
        if kind == Ensure::Absent {
            return footprint;
        }
        footprint = footprint.provide(path);
        for source in &desired.source {
            if let Source::Path(source) = source {
                footprint = footprint.need(format!("path:{source}"));
            }
        }
        let accounts =
            [desired.owner.as_ref().and_then(|owner| owner.key("user")), desired.group.as_ref().and_then(|group| group.key("group"))];
        accounts.into_iter().flatten().fold(footprint, Footprint::need)
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        // Nobody wants a list of all files, only what is asked for.
        let found = title.map(|path| listing::listing(host, path)).transpose()?;
        Ok(Some(found.flatten().into_iter().collect()))
    }

    fn reliance(&self, desired: &File, observed: &Observed) -> Reliance {
        let nothing_to_remove = desired.kind() == Ensure::Absent && observed.stat.is_none();
        let local = desired.source.iter().any(|source| matches!(source, Source::Path(_)));
        if nothing_to_remove || local || desired.purge { Reliance::UntilOpaque } else { Reliance::Firm }
    }
}
