//! `/operator/v1/status`: the fleet at a glance.

use axum::Json;
use axum::extract::State;
use keel_engine::host_name::HostName;
use keel_engine::protocol::fleet::{Condition, FleetStatus};
use keel_engine::protocol::problem::Code;
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
    /// Only those that come after this one, as the last page gave it: a condition and a name, `failing/db-1`.
    after: Option<String>,
    /// How many, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

impl Default for Which {
    fn default() -> Self {
        Self { condition: None, host: None, after: None, limit: 100 }
    }
}

/// Shows how the hosts are, the gravest first, and what is wrong with the server and the site.
pub async fn show(State(server): Here, Asked(which): Asked<Which>) -> Result<Json<FleetStatus>, Refusal> {
    check_limit(which.limit)?;
    let after = which.after.as_deref().map(place).transpose()?;
    let filter = StatusFilter { condition: which.condition, host: which.host, after, limit: which.limit };
    let mut fleet = server.store.fleet(&filter).await?;
    fleet.troubles = troubles::all(&server).await.into_iter().map(Trouble::whole).collect();
    fleet.leases = server.store.all_leases().await?;
    Ok(Json(fleet))
}

/// Where a page ended.
fn place(text: &str) -> Result<(Condition, String), Refusal> {
    let place = text.split_once('/').and_then(|(word, host)| Some((Condition::from_word(word)?, HostName::new(host).ok()?.into())));
    place.ok_or_else(|| Refusal::new(Code::Malformed, "`after` is a condition and a host, such as failing/db-1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_at_a_condition_and_a_host() {
        assert_eq!(place("failing/db-1").unwrap(), (Condition::Failing, "db-1".to_owned()));
        for wrong in ["", "db-1", "failing", "failing/", "sad/db-1", "failing/db 1"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
