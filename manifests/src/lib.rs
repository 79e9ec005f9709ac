//! The language of Evenkeel and its compiler: KDL and TOML text in, catalogs and diagnostics out.
//!
//! Pure: it reads a site through [`files::SiteFiles`] and never touches the machine it runs on.

mod amplification;
mod breadth;
pub mod codes;
pub mod compile;
pub mod config;
mod conversion;
pub mod diagnostic;
mod dynamic_groups;
mod environment;
pub mod evaluation_error;
pub mod explanation;
pub mod fact_reads;
pub mod facts;
pub mod files;
mod filters;
pub mod fleet;
pub mod fmt;
mod footprints;
pub mod foreign_words;
pub mod guard;
mod host_objects;
pub mod inventory;
pub mod kinds;
pub mod library;
mod lower;
mod names;
pub mod parse;
pub mod pattern;
mod run_variables;
pub mod scope;
pub mod secrets;
mod selection;
pub mod selector;
pub mod site;
pub mod site_data;
pub mod sources;
pub mod syntax;
mod tokens;
pub mod toml_reader;
mod traps;
mod unused;
mod variables;
mod workers;
