//! The commands, one file each: an argument struct whose doc comment is the help, and `run`.

pub mod agent;
pub mod apply;
pub mod check;
pub mod compile;
pub mod completions;
pub mod diff;
pub mod doc;
pub mod explain;
pub mod facts;
mod fleet_plan;
pub mod fmt;
pub mod graph;
pub mod inspect;
pub mod lease;
pub mod lsp;
pub mod man;
pub mod node;
pub mod plan;
mod preview;
pub mod report;
pub mod secret;
pub mod status;
mod target;
pub mod test;
pub mod undo;
pub mod why;
