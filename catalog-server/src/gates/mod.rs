//! The rule for gates, as plain decisions: no database, no clock, no network.
//!
//! A gate is open if the newest word of the other host shows the target converged with the definition
//! that the host's current catalog has for it.

mod fingerprints;
mod rule;
mod word;

pub use fingerprints::Fingerprints;
pub use rule::{Other, standing};
pub use word::{Said, Word};
