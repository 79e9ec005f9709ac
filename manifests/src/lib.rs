//! The language of Evenkeel and its compiler: KDL and TOML text in, catalogs and diagnostics out.
//!
//! Pure: it reads a site through [`files::SiteFiles`] and never touches the machine it runs on.

pub mod codes;
pub mod config;
pub mod diagnostic;
pub mod facts;
pub mod files;
pub mod guard;
pub mod inventory;
mod lower;
pub mod parse;
pub mod pattern;
pub mod syntax;
mod tokens;
pub mod toml_reader;
mod traps;
