//! What differs in the attributes of a resource. Tables are compared key by key, contents by their bytes, and
//! texts with secrets in them with the secrets' names in the secrets' places.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::TypeTraits;
use crate::address::Address;
use crate::catalog::Resource;
use crate::change::{Action, Change, Shown};
use crate::contents::{Contents, MemoryContents};
use crate::secret::{Sealed, SealedPart, SecretFilter, SecretRef};
use crate::value::{Map, Value};

/// A resource with the contents that its attributes name.
pub(super) type Held<'a> = (&'a Resource, &'a dyn Contents);

/// What differs between two states of a resource.
pub(super) fn between(before: Held<'_>, after: Held<'_>, types: &dyn TypeTraits) -> Vec<Change> {
    let ((earlier, base), (later, head)) = (before, after);
    let mut changes = Vec::new();
    if earlier.attributes != later.attributes {
        changes.extend(of_attributes(&later.address, (&*earlier.attributes, base), (&*later.attributes, head), types));
    }
    if (&earlier.tags, earlier.noop, &earlier.schedule, &earlier.guard) != (&later.tags, later.noop, &later.schedule, &later.guard) {
        changes.extend(of_maps(&besides(earlier), &besides(later)));
    }
    changes
}

/// The secrets of a resource that were closed anew, of the same value.
pub(super) fn closed_anew<'a>(earlier: &'a Resource, later: &Resource) -> BTreeSet<&'a str> {
    if earlier.attributes == later.attributes {
        return BTreeSet::new();
    }
    let later: Vec<&SecretRef> = later.attributes.values().flat_map(|value| secrets(Some(value))).collect();
    let same = |known: &SecretRef, other: &SecretRef| other.path == known.path && other.state() == known.state();
    let anew = |known: &&SecretRef| later.iter().any(|other| same(known, other) && other.fingerprint != known.fingerprint);
    let earlier = earlier.attributes.values().flat_map(|value| secrets(Some(value)));
    earlier.filter(anew).map(|secret| secret.path.as_str()).collect()
}

/// All attributes of a resource that was not there.
pub(super) fn added(resource: &Resource, contents: &dyn Contents, types: &dyn TypeTraits) -> Vec<Change> {
    let mut changes = of_attributes(&resource.address, (&Map::new(), contents), (&*resource.attributes, contents), types);
    changes.extend(of_maps(&Map::new(), &besides(resource)));
    changes
}

/// What the removal of a resource changes of it.
pub(super) fn removed(orphan: &Resource, removal: &Resource, contents: &dyn Contents, types: &dyn TypeTraits) -> Vec<Change> {
    let mut changes = Vec::new();
    let decides = |(name, value): &(&String, &Value)| orphan.attributes.get(*name) != Some(*value);
    for (name, value) in removal.attributes.iter().filter(decides) {
        let unsaid = || if name == "ensure" { Shown::from("present") } else { Shown::Absent };
        let side = |value: &Value| {
            let conceal = types.is_secret(&orphan.address.type_name, name) && !is_closed(value);
            if conceal { Shown::Hidden } else { shown(value, contents) }
        };
        let before = orphan.attributes.get(name).map_or_else(unsaid, side);
        changes.push(Change { attribute: name.clone(), action: Action::Delete, before, after: side(value) });
    }
    changes
}

/// What differs between two tables without contents.
pub(super) fn of_maps(before: &Map, after: &Map) -> Vec<Change> {
    let (none, mut changes) = (MemoryContents::default(), Vec::new());
    maps("", (before, &none), (after, &none), &mut changes);
    changes
}

/// What differs in attributes. Of those that hold a secret nothing is shown that a manifest gives in plain text.
fn of_attributes(address: &Address, before: (&Map, &dyn Contents), after: (&Map, &dyn Contents), types: &dyn TypeTraits) -> Vec<Change> {
    let mut changes = Vec::new();
    maps("", before, after, &mut changes);
    for change in &mut changes {
        let name = top_name(&change.attribute);
        if !types.is_secret(&address.type_name, name) {
            continue;
        }
        for (side, map) in [(&mut change.before, before.0), (&mut change.after, after.0)] {
            if *side != Shown::Absent && !map.get(name).is_some_and(is_closed) {
                *side = Shown::Hidden;
            }
        }
    }
    changes
}

/// The attribute that a change is about; a change may be one of a part of it.
fn top_name(attribute: &str) -> &str {
    attribute.split(['.', ':']).next().unwrap_or_default()
}

/// Whether a value is nothing but secrets that only the host opens: their names may be shown.
fn is_closed(value: &Value) -> bool {
    matches!(value, Value::Sealed(sealed) if !sealed.has_text())
}

/// What a manifest says of a resource besides its attributes.
fn besides(resource: &Resource) -> Map {
    let tags: Vec<Value> = resource.tags.iter().map(|tag| Value::from(tag.as_str())).collect();
    let tags = (!tags.is_empty()).then(|| ("tags", Value::List(tags)));
    let noop = resource.noop.then(|| ("noop", Value::from(true)));
    let schedule = resource.schedule.as_deref().map(|name| ("schedule", Value::from(name)));
    let guard = resource.guard.as_deref().map(|name| ("guard", Value::from(name)));
    [tags, noop, schedule, guard].into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn maps(path: &str, (before, base): (&Map, &dyn Contents), (after, head): (&Map, &dyn Contents), changes: &mut Vec<Change>) {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(gone) {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(earlier), Some(later)) if earlier == later => {}
            (Some(Value::Map(earlier)), Some(Value::Map(later))) => maps(&name, (earlier, base), (later, head), changes),
            (earlier, later) => value(&name, (earlier, base), (later, head), changes),
        }
    }
}

fn value(name: &str, before: (Option<&Value>, &dyn Contents), after: (Option<&Value>, &dyn Contents), changes: &mut Vec<Change>) {
    let side = |(value, contents): (Option<&Value>, &dyn Contents)| value.map_or(Shown::Absent, |value| shown(value, contents));
    let (earlier, later) = (side(before), side(after));
    if earlier != later {
        changes.push(Change::between(name, earlier, later));
    }
    let (earlier, later) = (secrets(before.0), secrets(after.0));
    for path in moved(&earlier, &later) {
        changes.push(Change::update(&format!("{name}: {path}"), Hidden, Hidden));
    }
}

/// Something nobody may see.
struct Hidden;

impl From<Hidden> for Shown {
    fn from(_: Hidden) -> Self {
        Shown::Hidden
    }
}

/// The secrets that both sides name, in another state.
fn moved<'a>(earlier: &[&'a SecretRef], later: &[&SecretRef]) -> BTreeSet<&'a str> {
    let differs = |known: &&&SecretRef| later.iter().any(|other| other.path == known.path && other.state() != known.state());
    earlier.iter().filter(differs).map(|secret| secret.path.as_str()).collect()
}

/// A value as people may see it: contents as their text, secrets as their names.
fn shown(value: &Value, contents: &dyn Contents) -> Shown {
    match value {
        Value::Secret(_) => Shown::Hidden,
        Value::Blob(blob) => match contents.read(blob) {
            Ok(bytes) => match Shown::bytes(&bytes) {
                Shown::Text(plain) => text(plain.to_string()),
                other => other,
            },
            Err(_) => Shown::Binary { digest: blob.digest, size: blob.size },
        },
        Value::Sealed(sealed) => text(named(sealed)),
        Value::String(plain) => text(plain.clone()),
        other => Shown::Value(without_secrets(other)),
    }
}

/// A content in a file and the same text in the manifest are one thing.
fn text(text: String) -> Shown {
    if text.contains('\n') { Shown::Text(Arc::from(text)) } else { Shown::Value(Value::String(text)) }
}

fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Sealed(sealed) => Value::String(named(sealed)),
        Value::List(items) => Value::List(items.iter().map(without_secrets).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), without_secrets(value))).collect()),
        other => other.clone(),
    }
}

/// The text with `(secret PATH)` in the places of its secrets.
fn named(sealed: &Sealed) -> String {
    let part = |part: &SealedPart| match part {
        SealedPart::Text(text) => text.clone(),
        SealedPart::Secret(secret) => {
            let filters: String = secret.filters.iter().map(|filter| format!(", {}", filter_name(*filter))).collect();
            format!("(secret {}{filters})", secret.path)
        }
    };
    sealed.parts.iter().map(part).collect()
}

fn filter_name(filter: SecretFilter) -> &'static str {
    match filter {
        SecretFilter::Base64 => "base64",
        SecretFilter::UrlEncode => "for an address",
        SecretFilter::Json => "as JSON",
        SecretFilter::ShellQuote => "quoted",
    }
}

/// The secrets in a value.
fn secrets(value: Option<&Value>) -> Vec<&SecretRef> {
    let mut found = Vec::new();
    let mut open: Vec<&Value> = value.into_iter().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Sealed(sealed) => found.extend(sealed.parts.iter().filter_map(|part| match part {
                SealedPart::Secret(secret) => Some(secret),
                SealedPart::Text(_) => None,
            })),
            Value::List(items) => open.extend(items),
            Value::Map(map) => open.extend(map.values()),
            _ => {}
        }
    }
    found
}
