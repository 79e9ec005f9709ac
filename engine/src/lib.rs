//! The engine of Evenkeel: desired state as plain data, and the run that converges a host to it.
//!
//! Everything here is pure. It opens no file, starts no process, asks no clock and reads no
//! environment: what it knows comes in as arguments (observations through [`resource`]'s contract,
//! time as a function), and what it wants goes out as data (a [`report::Report`]).
//!
//! Reading order: [`value`] and [`secret`], [`address`], [`schema`] and [`mod@attributes`] (what a type
//! declares), [`catalog`] (what a host should be), [`resource`] (the contract of a type),
//! [`change`], [`graph`] and its passes, [`queue`], [`walk`] (the one coordinator loop), [`report`],
//! [`difference`] (two catalogs of one host), [`preview`] (what a whole fleet would change) and [`checked`] (what is
//! said of a site);
//! [`protocol`] is what the catalog server and the agent say to each other.

pub mod address;
mod adoption;
pub mod attributes;
pub mod catalog;
pub mod change;
pub mod checked;
pub mod contents;
pub mod definitions;
pub mod difference;
pub mod digest;
pub mod footprint;
pub mod glob;
pub mod graph;
pub mod guard;
pub mod host_name;
pub mod ledger;
pub mod orphan;
pub mod preview;
pub mod printable;
pub mod protocol;
pub mod purge;
pub mod queue;
pub mod report;
pub mod resource;
pub mod schedule;
pub mod schema;
#[cfg(test)]
mod schemas;
pub mod secret;
pub mod text;
pub mod turns;
pub mod value;
pub mod walk;
mod wire;
