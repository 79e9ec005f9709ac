//! How an orphan is removed: the same resource, but absent.

use keel_engine::catalog::Resource;
use keel_engine::orphan::absent;
use keel_engine::resource::AnyType;
use keel_resources::host::Host;

/// The resource that removes an orphan; none if its type cannot remove anything.
pub(super) fn of(types: &[&dyn AnyType<Host>], orphan: &Resource) -> Option<Resource> {
    let kind = types.iter().find(|kind| *kind.schema().name == *orphan.address.type_name)?;
    let (attribute, value) = kind.removal()?;
    let whole = absent(orphan, attribute, value);
    if kind.check(&whole).is_ok() {
        return Some(whole);
    }
    // Attributes that describe what should be there do not go with its absence: the title must do.
    let mut bare = whole;
    let title = kind.schema().title_attribute;
    bare.attributes.retain(|name, _| name == attribute || name == title);
    kind.check(&bare).is_ok().then_some(bare)
}
