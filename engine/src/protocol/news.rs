//! News: what an agent hears of between its runs, through a request that the server holds.

use serde::{Deserialize, Serialize};

use super::leases::Demand;
use crate::address::Address;

/// Where an agent listens: `?after=N&wait_s=S`; N is 0 at first, then what the last answer said.
pub const NEWS_PATH: &str = "/v1/news";
/// The longest that an answer is held, in seconds.
pub const WAIT_S_MAX: u64 = 300;

/// The question, as the query of [`NEWS_PATH`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewsRequest {
    /// The number of the last news that the agent has heard of.
    pub after: u64,
    /// How long the answer may be held while there is nothing, in seconds; at most [`WAIT_S_MAX`].
    pub wait_s: u64,
    /// The highest number of a demand that the agent has heard of. A server that knows no demands gave none.
    #[serde(skip_serializing_if = "is_zero")]
    pub demands_after: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The answer; empty, if nothing happened while it was held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewsAnswer {
    /// What to ask after the next time.
    pub after: u64,
    /// What happened, the oldest first. Each is a reason to run at once, if it does not say otherwise.
    pub news: Vec<News>,
    /// Who wants to know how the host is as a member of a cluster; no reason to run.
    #[serde(default)]
    pub demands: Vec<Demand>,
}

/// Something that happened. An agent that does not know the kind runs as for [`News::Catalog`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// There is another catalog for the host.
    Catalog {
        /// The commit that it comes from.
        commit: String,
    },
    /// What the last run waited for is ready.
    Gate {
        /// The other host.
        host: String,
        /// Its thing.
        target: Address,
    },
    /// A lease that the host's last run waited for may be had.
    Lease {
        /// The guard.
        guard: String,
    },
    /// An operator asked for a run.
    Run {
        /// Who.
        by: String,
    },
    /// Somebody asks what a commit would change; `/v1/inquiries` says which. No reason to run.
    Inquiry,
    /// A newer server knows more.
    #[serde(other)]
    Other,
}
