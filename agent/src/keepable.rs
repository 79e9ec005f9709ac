//! What of a host a manifest can keep: what is described and, declared so, plans to nothing.

use std::collections::BTreeSet;

use keel_engine::address::Address;
use keel_engine::attributes::AttributeError;
use keel_engine::catalog::Resource;
use keel_engine::change::Change;
use keel_engine::resource::{AnyType, Described, Failure, ObserveError, Unsaid};
use keel_resources::host::Host;
use keel_resources::package;

/// Parts what can be kept from what cannot, which comes as a line each.
pub fn sift(host: &Host, kind: &'static dyn AnyType<Host>, things: Vec<Described>) -> (Vec<Described>, Vec<String>) {
    // What belongs together is described as a whole, and what of it no manifest can say is refused before.
    if kind.family().is_some() {
        return (things, Vec::new());
    }
    let (mut kept, mut left) = (Vec::new(), Vec::new());
    let resources: Vec<Resource> = things.iter().map(|thing| resource(kind, thing)).collect();
    let reasons = reasons(host, kind, &resources);
    for ((thing, resource), reason) in things.into_iter().zip(&resources).zip(reasons) {
        match reason {
            None => kept.push(thing),
            Some(why) => left.push(format!("{}: {why}", resource.address)),
        }
    }
    (kept, left)
}

/// What there is of a type and is not among what is described, but for what packages brought; or that this cannot
/// be told.
pub fn unsaid(host: &Host, kind: &'static dyn AnyType<Host>, described: &[Described]) -> Vec<String> {
    let name = kind.schema().name;
    own_unsaid(host, kind, described).map_or_else(
        |failure| vec![format!("whatever else there may be of the type {name}: {}", failure.message)],
        |unsaid| unsaid.into_iter().map(|Unsaid { what, why }| format!("{name} {what}: {why}")).collect(),
    )
}

fn own_unsaid(host: &Host, kind: &'static dyn AnyType<Host>, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
    let mut unsaid = kind.unsaid(host, described)?;
    let paths: BTreeSet<&str> = unsaid.iter().map(|thing| thing.what.as_str()).filter(|what| what.starts_with('/')).collect();
    let packaged = package::owned(host, &paths)?;
    unsaid.retain(|thing| !packaged.contains(&thing.what));
    Ok(unsaid)
}

fn resource(kind: &dyn AnyType<Host>, thing: &Described) -> Resource {
    Resource::new(Address::new(kind.schema().name, thing.title.as_str()), thing.attributes.clone())
}

/// Why each cannot be kept; none where it can.
fn reasons(host: &Host, kind: &'static dyn AnyType<Host>, resources: &[Resource]) -> Vec<Option<String>> {
    let refused = |resource: &Resource| kind.check(resource).err().map(|errors| sentences(&errors));
    let mut reasons: Vec<Option<String>> = resources.iter().map(refused).collect();
    let sound: Vec<usize> = (0..resources.len()).filter(|&at| reasons[at].is_none()).collect();
    let members: Vec<&Resource> = sound.iter().map(|&at| &resources[at]).collect();
    let group = match kind.group(&members) {
        Ok(group) => group,
        Err((_, errors)) => {
            sound.into_iter().for_each(|at| reasons[at] = Some(sentences(&errors)));
            return reasons;
        }
    };
    let observed = group.observe(host, &(0..members.len()).collect::<Vec<_>>());
    for (at, observed) in sound.into_iter().zip(observed) {
        reasons[at] = match observed {
            Ok(changes) if changes.is_empty() => None,
            Ok(changes) => Some(format!("declared so, this would change: {}", names(&changes))),
            Err(ObserveError::NotYet(failure) | ObserveError::Failed(failure)) => Some(failure.message),
        };
    }
    reasons
}

fn sentences(errors: &[AttributeError]) -> String {
    errors.iter().map(AttributeError::sentence).collect::<Vec<_>>().join("; ")
}

/// Their names alone: values may be secrets.
fn names(changes: &[Change]) -> String {
    let names: BTreeSet<&str> = changes.iter().map(|change| change.attribute.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
