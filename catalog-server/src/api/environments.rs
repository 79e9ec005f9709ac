//! `/operator/v1/environments`: which commit hosts get, what became of the newest, and who does not compile.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use keel_engine::protocol::environment::{EnvironmentList, FailingHost};

use super::Here;
use crate::audit::{Act, Outcome, record};
use crate::caller::Operator;
use crate::store::now_ms;

/// Lists them.
pub async fn list(State(server): Here, _: Operator) -> Json<EnvironmentList> {
    let failing = server.compiler.failed_hosts().into_iter();
    let failing = failing.map(|failed| FailingHost { host: failed.host, reason: failed.reason, findings: failed.findings });
    Json(EnvironmentList { environments: server.environments.list(), trouble: server.environments.trouble(), failing: failing.collect() })
}

/// Has the repository looked at now; what came of it stands in the list some time later.
pub async fn look(State(server): Here, operator: Operator) -> StatusCode {
    server.environments.notify();
    let actor = format!("operator {}", operator.name);
    record(now_ms(), &Act { act: "look", actor, object: "repository", outcome: Outcome::Done, detail: "" });
    StatusCode::ACCEPTED
}
