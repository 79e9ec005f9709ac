//! Tests of the program `keel` from outside: sites in scratch folders, converged below scratch roots.

#![allow(clippy::unwrap_used, reason = "a test may stop where it cannot go on")]

mod bad_input;
mod ci;
mod clusters;
mod diff;
mod diff_across;
mod documentation;
mod explain;
mod formats;
mod inspect;
mod language_server;
mod machine;
mod orphans;
mod outputs;
mod page;
mod plans;
mod purge;
mod random_site;
mod runs;
mod schedules;
mod secrets;
mod site_tests;
mod stage;
mod truth;
mod undo;
