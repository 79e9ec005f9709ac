//! Tests of the program `keel` from outside: sites in scratch folders, converged below scratch roots.

#![allow(clippy::unwrap_used, reason = "a test may stop where it cannot go on")]

mod bad_input;
mod documentation;
mod explain;
mod orphans;
mod outputs;
mod plans;
mod runs;
mod schedules;
mod secrets;
mod stage;
mod undo;
