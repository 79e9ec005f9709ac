//! Leases on the wire: an agent asks for the permission to interrupt its host as a member of a cluster, says how the
//! member is, and gives the lease back when it is well again.
//!
//! A lease has no end of its own. Its holder gives it back by a proof that it is ready, or an operator takes it.

use serde::{Deserialize, Serialize};

use crate::guard::Readiness;

/// Where an agent asks for a lease; the answer is held until there is one, or the time is over.
pub const LEASES_PATH: &str = "/v1/leases";
/// Where an agent says how its host is as a member.
pub const PROOF_PATH: &str = "/v1/leases/proof";
/// Where operators look at leases.
pub const OPERATOR_LEASES_PATH: &str = "/operator/v1/leases";
/// Where operators take one.
pub const RELEASE_PATH: &str = "/operator/v1/leases/release";
/// The longest that an answer is held, in seconds.
pub const WAIT_S_MAX: u64 = 60;
/// The longest name of a guard, and of a run, in bytes.
pub const NAME_MAX: usize = 256;
/// The longest reason that is kept, in bytes.
pub const REASON_MAX: usize = 1024;

/// Asks for the lease of one of the host's guards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// The guard.
    pub guard: String,
    /// The run's name, as its report will have it.
    pub run: String,
    /// How long the answer may be held while there is no lease, in seconds; at most [`WAIT_S_MAX`].
    #[serde(default)]
    pub wait_s: u64,
}

/// Whether the host holds the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "lease", rename_all = "snake_case")]
pub enum LeaseAnswer {
    /// It does, until it proves that it is ready.
    Held,
    /// It does not.
    Refused {
        /// Why, in one sentence.
        why: String,
    },
}

/// How the host is as a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeaseProof {
    /// The guard.
    pub guard: String,
    /// What was found.
    pub found: Readiness,
    /// The demand that it answers: the look was made after it was heard of.
    #[serde(default)]
    pub demand: u64,
    /// Whether the host interrupts nothing now and asks for nothing more: where it is ready, its lease goes back.
    #[serde(default)]
    pub over: bool,
}

/// What became of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProofReceipt {
    /// Whether the host holds the guard's lease after it.
    pub held: bool,
}

/// Somebody wants to know how the host is as a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Demand {
    /// The guard.
    pub guard: String,
    /// Its number; later demands have higher ones.
    pub number: u64,
}

/// All leases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseList {
    /// When it was looked at, in milliseconds since 1970 by the server's clock.
    pub now_ms: i64,
    /// By guard, those that are held first, then by host.
    pub leases: Vec<Lease>,
}

/// A lease that a host holds or waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lease {
    /// The guard.
    pub guard: String,
    /// The host.
    pub host: String,
    /// Whether it holds the lease.
    pub held: bool,
    /// Since when it holds it or waits for it, in milliseconds since 1970 by the server's clock.
    pub since_ms: i64,
    /// The run that asked last.
    pub run: String,
    /// Why it waits, or why it has not given the lease back.
    pub reason: String,
}

/// Takes a lease from a host, or ends its waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeaseRelease {
    /// The guard.
    pub guard: String,
    /// The host.
    pub host: String,
    /// Why, for whoever asks later.
    pub why: String,
}
