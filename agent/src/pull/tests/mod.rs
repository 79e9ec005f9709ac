//! Tests of the agent against a server that misbehaves.

mod authority;
mod fake;
mod faults;
mod identities;
mod listening;
