//! `/operator/v1/environments`: which commit hosts get, what became of the newest, and who does not compile.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use keel_engine::protocol::environment::{EnvironmentList, FailingHost};

use super::Here;
use crate::caller::Operator;

/// Lists them.
pub async fn list(State(server): Here, _: Operator) -> Json<EnvironmentList> {
    let failing = server.compiler.failed_hosts().into_iter();
    let failing = failing.map(|failed| FailingHost { host: failed.host, reason: failed.reason, findings: failed.findings });
    Json(EnvironmentList { environments: server.environments.list(), trouble: server.environments.trouble(), failing: failing.collect() })
}

/// Has the repository looked at now; what came of it stands in the list some time later.
pub async fn look(State(server): Here, _: Operator) -> StatusCode {
    server.environments.notify();
    StatusCode::ACCEPTED
}
