//! The commands, one file each: an argument struct whose doc comment is the help, and `run`.

pub mod agent;
pub mod apply;
pub mod check;
pub mod compile;
pub mod completions;
pub mod doc;
pub mod explain;
pub mod facts;
pub mod fmt;
pub mod graph;
pub mod inspect;
pub mod man;
pub mod node;
pub mod plan;
pub mod report;
pub mod secret;
pub mod status;
mod target;
pub mod undo;
pub mod why;
