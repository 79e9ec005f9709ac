//! The configuration of a Pacemaker cluster: types for everything that a CIB holds.
//!
//! All of them together are one group: the CIB is read once, everything that differs goes into one copy of
//! it (`merge.rs`), which Pacemaker verifies and simulates (`foresight.rs`), and one patch of the difference
//! is pushed against what was read (`door.rs`). What an element consists of is a table (`shape.rs`) that is
//! read in both directions.

pub mod acl;
mod agent_metadata;
pub mod alert;
pub mod bundle;
mod cib;
mod cib_group;
pub mod clone;
pub mod colocation;
mod declared;
mod describe;
mod door;
mod element;
pub mod fencing_topology;
mod foresight;
pub mod group;
pub mod inventory;
pub mod location;
mod member_node;
mod merge;
pub mod node;
pub mod node_attribute;
pub mod op_default;
pub mod order;
mod pairs;
pub mod primitive;
pub mod property;
mod references;
mod render;
pub mod rsc_default;
mod rule;
mod setting;
mod shape;
mod simulation;
pub mod tag;
pub mod template;
#[cfg(test)]
mod tests;
pub mod ticket;
mod tree;
pub mod word;

use indexmap::IndexMap;
use keel_engine::attributes::{AttributeError, Attributes};
use keel_engine::catalog::{Effect, Resource};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{AnyType, Described, Disruption, Failure, Group, Listed, Listing, Nature};
use keel_engine::schema::{Kind, TypeSchema};
use keel_engine::value::{Map, Value};

use crate::host::Host;
use cib_group::CibGroup;
use declared::{Declared, Keeps};
use render::Wrong;

/// The family of all types here.
pub const FAMILY: &str = "pcmk";

/// A table of tables, by the names that a manifest gives them: `op monitor interval="10s"`.
pub(crate) type Tables = IndexMap<String, IndexMap<String, Value>>;

/// A type of the cluster's configuration.
pub struct PacemakerType {
    name: &'static str,
    keeps: Keeps,
    schema: fn() -> TypeSchema,
    check: fn(&str, &Map) -> Result<(), Vec<AttributeError>>,
    listing: Listing<Host>,
}

impl PacemakerType {
    const fn new<T: Attributes>(name: &'static str, keeps: Keeps) -> Self {
        let check = |title: &str, attributes: &Map| T::from_attributes(title, attributes).map(drop);
        Self { name, keeps, schema: T::schema, check, listing: removable::<T> }
    }

    fn read(&self, resource: &Resource) -> Result<Declared, Vec<AttributeError>> {
        (self.check)(&resource.address.title, &resource.attributes)?;
        let error = |Wrong { attribute, message }: Wrong| AttributeError::new(&attribute, message);
        Declared::read(&self.keeps, &resource.address.title, &resource.attributes).map_err(|wrongs| wrongs.into_iter().map(error).collect())
    }
}

/// What of the type with these attributes may go where nobody declares it.
fn removable<T: Attributes>(host: &Host) -> Result<Listed, Failure> {
    let name = T::schema().name;
    let kind = TYPES.iter().find(|kind| kind.name == name);
    kind.map_or(Ok(Listed::default()), |kind| inventory::removable(host, &kind.keeps).map(Listed::from))
}

/// All types, in the order of the manual.
pub static TYPES: [&PacemakerType; 18] = [
    &property::TYPE,
    &rsc_default::TYPE,
    &op_default::TYPE,
    &node::TYPE,
    &node_attribute::TYPE,
    &template::TYPE,
    &primitive::TYPE,
    &group::TYPE,
    &clone::TYPE,
    &bundle::TYPE,
    &location::TYPE,
    &colocation::TYPE,
    &order::TYPE,
    &ticket::TYPE,
    &fencing_topology::TYPE,
    &acl::TYPE,
    &tag::TYPE,
    &alert::TYPE,
];

impl AnyType<Host> for PacemakerType {
    fn schema(&self) -> TypeSchema {
        (self.schema)()
    }

    fn nature(&self) -> Nature {
        Nature { batch: true, of_cluster: true, ..Nature::default() }
    }

    fn removal(&self) -> Option<(&'static str, &'static str)> {
        let is_word = |kind: &Kind| matches!(kind, Kind::Enum(words) if words.iter().any(|word| word == "absent"));
        self.schema().attribute("ensure").is_some_and(|ensure| is_word(&ensure.kind)).then_some(("ensure", "absent"))
    }

    /// What the cluster itself stops and starts because of a change is for its own simulation to say.
    fn disruption(&self, _changes: &[Change], _refresh: Option<Effect>) -> Option<Disruption> {
        None
    }

    fn family(&self) -> Option<&'static str> {
        Some(FAMILY)
    }

    fn check(&self, resource: &Resource) -> Result<Footprint, Vec<AttributeError>> {
        Ok(self.read(resource)?.footprint())
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        inventory::of_type(host, &self.keeps, title).map(Some)
    }

    fn removable(&self) -> Option<Listing<Host>> {
        self.removal().map(|_| self.listing)
    }

    fn group<'t>(&'t self, resources: &[&Resource]) -> Result<Box<dyn Group<Host> + 't>, (usize, Vec<AttributeError>)> {
        let mut declared = Vec::with_capacity(resources.len());
        for (at, resource) in resources.iter().enumerate() {
            let kind = TYPES.iter().find(|kind| *kind.name == *resource.address.type_name).copied().unwrap_or(self);
            declared.push(kind.read(resource).map_err(|errors| (at, errors))?);
        }
        Ok(Box::new(CibGroup::new(declared)))
    }
}
