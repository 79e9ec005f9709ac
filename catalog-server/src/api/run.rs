//! `/operator/v1/run`: asks hosts to run at once.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::fleet::{RunAnswer, RunRequest};
use keel_engine::protocol::news::News;
use keel_engine::protocol::problem::Code;

use super::Here;
use crate::audit::{Act, Outcome, record};
use crate::body::Sent;
use crate::caller::Operator;
use crate::refusal::Refusal;
use crate::store::now_ms;

/// Tells them.
pub async fn ask(State(server): Here, operator: Operator, Sent(request): Sent<RunRequest>) -> Result<Json<RunAnswer>, Refusal> {
    if request.hosts.is_empty() {
        return Err(Refusal::new(Code::Malformed, "`hosts` names nobody"));
    }
    let hosts: Vec<String> = request.hosts.into_iter().map(String::from).collect();
    let told = server.store.tell(&hosts, &News::Run { by: operator.name.clone() }).await?;
    for host in &told {
        let actor = format!("operator {}", operator.name);
        record(now_ms(), &Act { act: "run", actor, object: host, outcome: Outcome::Done, detail: "" });
    }
    Ok(Json(RunAnswer { told }))
}
