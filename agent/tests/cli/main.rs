//! Tests of the program `keel` from outside: sites in scratch folders, converged below scratch roots.

mod explain;
mod orphans;
mod outputs;
mod plans;
mod runs;
mod secrets;
mod stage;
