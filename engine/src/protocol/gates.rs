//! Gates on the wire: an agent asks whether other hosts' things are ready, and says which of its own are.
//!
//! A gate is open if the newest word of the other host (a report, or what settled in a run that goes on)
//! shows the target converged with the definition that the host's current catalog has for it.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::digest::Digest;
use crate::report::Outcome;

/// Where an agent asks; the answer is held until a gate opens, or the time is over.
pub const GATES_PATH: &str = "/v1/gates";
/// The most gates asked at once.
pub const ASKED_MAX: usize = 2_000;
/// The most resources said to have settled.
pub const SETTLED_MAX: usize = 20_000;
/// The longest that an answer is held, in seconds.
pub const WAIT_S_MAX: u64 = 60;

/// Asks for gates, in the middle of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GatesRequest {
    /// The run's name, as its report will have it.
    pub run: String,
    /// The catalog of the run.
    pub catalog: Digest,
    /// What has settled in this run since its last request; others may wait for it.
    #[serde(default)]
    pub settled: Vec<Settled>,
    /// The gates that are not open yet.
    pub asked: Vec<AskedGate>,
    /// How long the answer may be held while none of them is open, in seconds; at most [`WAIT_S_MAX`].
    #[serde(default)]
    pub wait_s: u64,
}

/// A resource that has its outcome in a run that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// The resource.
    pub address: Address,
    /// What came of it.
    pub outcome: Outcome,
}

/// A gate that an agent asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskedGate {
    /// The other host.
    pub host: String,
    /// Its resource, or the whole of a module.
    pub target: Address,
    /// Open, too, if the other host's catalog does not have the target.
    #[serde(default)]
    pub optional: bool,
}

/// How the gates stand, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GatesAnswer {
    /// The gates.
    pub gates: Vec<GateStanding>,
}

/// How one gate stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateStanding {
    /// The other host.
    pub host: String,
    /// Its thing.
    pub target: Address,
    /// Open or closed.
    #[serde(flatten)]
    pub standing: Standing,
}

/// Open or closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// The other host's thing is ready.
    Open {
        /// Another one whenever the target changed: who subscribes and knows another token owes a refresh.
        token: Digest,
    },
    /// It is not.
    Closed {
        /// Why, in one sentence.
        reason: String,
    },
}

impl Standing {
    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        matches!(self, Standing::Open { .. })
    }
}
