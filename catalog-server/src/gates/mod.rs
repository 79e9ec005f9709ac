//! Gates: the rule, as plain decisions over values, and the gatekeeper who applies it.
//!
//! A gate is open if the newest word of the other host shows the target converged with the definition
//! that the host's current catalog has for it.

mod fingerprints;
mod keeper;
mod rule;
mod word;

pub use fingerprints::{Fingerprint, Fingerprints};
pub use keeper::{Current, CurrentCatalogs, GateKeeper};
pub use rule::{Other, standing};
pub use word::{Said, Word};
