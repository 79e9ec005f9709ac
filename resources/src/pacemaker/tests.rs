//! Tests of the whole family: on files, with Pacemaker's own tools where they are installed.

mod generated;
mod on_files;

use keel_engine::address::Address;
use keel_engine::catalog::Resource;
use keel_engine::change::Change;
use keel_engine::resource::{AnyType, Described};
use keel_engine::value::{Map, Value};

use super::cib::Cib;
use super::{TYPES, inventory};
use crate::host::Host;
use crate::trial::Trial;

/// A resource of a catalog.
fn resource(type_name: &str, title: &str, attributes: Map) -> Resource {
    Resource::new(Address::new(type_name, title), attributes)
}

/// The attributes of a resource, in short.
fn map(attributes: &[(&str, Value)]) -> Map {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn table(entries: &[(&str, Value)]) -> Value {
    Value::Map(map(entries))
}

/// Everything of a configuration as resources, or what cannot be said of it.
fn described(cib: &Cib) -> Result<Vec<Resource>, String> {
    let mut resources = Vec::new();
    for kind in TYPES {
        let things = inventory::described(&kind.keeps, cib).map_err(|unsayable| unsayable.0)?;
        resources.extend(things.into_iter().map(|Described { title, attributes }| resource(kind.name, &title, attributes)));
    }
    match inventory::nowhere(cib).first() {
        Some(odd) => Err(odd.clone()),
        None => Ok(resources),
    }
}
