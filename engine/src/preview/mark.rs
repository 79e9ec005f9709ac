//! A mark of what would change on a host, by which hosts with the same changes find each other: who has the same
//! mark may be the same, and is compared in full.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::HostPreview;
use crate::change::{Change, Shown};

/// The mark. Nothing is copied for it: the texts of a fleet may be many times what memory there is.
pub(super) fn mark(host: &HostPreview) -> u64 {
    let mut hasher = DefaultHasher::new();
    host.state.hash(&mut hasher);
    for resource in &host.difference.resources {
        (&resource.address, resource.fate).hash(&mut hasher);
        resource.changes.iter().for_each(|change| add(change, &mut hasher));
    }
    host.difference.refreshes.iter().for_each(|refresh| refresh.target.hash(&mut hasher));
    host.difference.settings.iter().for_each(|change| add(change, &mut hasher));
    host.problems.iter().for_each(|problem| problem.message.hash(&mut hasher));
    hasher.finish()
}

fn add(change: &Change, hasher: &mut DefaultHasher) {
    change.attribute.hash(hasher);
    for side in [&change.before, &change.after] {
        match side {
            Shown::Absent => 0_u8.hash(hasher),
            Shown::Hidden => 1_u8.hash(hasher),
            Shown::Value(value) => value.to_string().hash(hasher),
            Shown::Text(text) => text.hash(hasher),
            Shown::Binary { digest, .. } => digest.as_bytes().hash(hasher),
        }
    }
}
