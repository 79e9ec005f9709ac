//! `/operator/v1/why/{host}`: what happened to one resource lately.

use axum::Json;
use axum::extract::State;
use keel_engine::address::Address;
use keel_engine::protocol::fleet::ResourceHistory;
use keel_engine::protocol::problem::Code;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Here;
use super::reports::check_limit;
use crate::body::{Asked, Named};
use crate::refusal::Refusal;

/// Which resource.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its address, `(file)/etc/motd`.
    resource: String,
    /// How many runs, at most 1000.
    #[serde(default = "some")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

fn some() -> u32 {
    10
}

/// Shows the runs in which it was not simply unchanged.
pub async fn show(
    State(server): Here,
    Named(host): Named<String>,
    Asked(which): Asked<Resource>,
) -> Result<Json<ResourceHistory>, Refusal> {
    check_limit(which.limit)?;
    let no_address = || Refusal::new(Code::Malformed, "`resource` is no address").hint("(file)/etc/motd");
    let address = Address::parse(&which.resource).ok_or_else(no_address)?;
    if server.store.node(&host).await?.is_none() {
        return Err(Refusal::new(Code::NotFound, "there is no such host").hint("keel node list"));
    }
    Ok(Json(server.store.resource_history(&host, &address, which.limit).await?))
}
