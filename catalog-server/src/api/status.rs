//! `/operator/v1/status`: the fleet at a glance.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::fleet::{Condition, FleetStatus};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Here;
use super::reports::check_limit;
use crate::body::Asked;
use crate::refusal::Refusal;
use crate::store::StatusFilter;
use crate::troubles::{self, Trouble};

/// Which hosts to show; all are counted in any case.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Which {
    /// Only those in this condition.
    condition: Option<Condition>,
    /// Only this host.
    host: Option<String>,
    /// How many, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

impl Default for Which {
    fn default() -> Self {
        Self { condition: None, host: None, limit: 100 }
    }
}

/// Shows how the hosts are, the gravest first, and what is wrong with the server and the site.
pub async fn show(State(server): Here, Asked(which): Asked<Which>) -> Result<Json<FleetStatus>, Refusal> {
    check_limit(which.limit)?;
    let filter = StatusFilter { condition: which.condition, host: which.host, limit: which.limit };
    let mut fleet = server.store.fleet(&filter).await?;
    fleet.troubles = troubles::all(&server).await.into_iter().map(Trouble::whole).collect();
    Ok(Json(fleet))
}
