//! `/operator/v1/nodes`: the hosts, who waits, and letting in and shutting out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use keel_engine::host_name::HostName;
use keel_engine::protocol::enrolment::{SHOWN_ID_DIGITS, shown_id};
use keel_engine::protocol::nodes as wire;
use keel_engine::protocol::problem::Code;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Here;
use super::enrolment::{Candidate, admit};
use super::reports::check_limit;
use crate::audit::{Act, Outcome, record};
use crate::authority::SigningRequest;
use crate::body::{Asked, Named, Sent};
use crate::caller::Operator;
use crate::log::printable;
use crate::refusal::Refusal;
use crate::server::Server;
use crate::settings::Settings;
use crate::store::{Leave, Node, NodeState, Pending, StoreError, now_ms};

/// Which hosts to list.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// Names that come after this one.
    after: String,
    /// How many, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: String::new(), limit: 100 }
    }
}

/// Lists hosts, and on the first page who waits.
pub async fn list(State(server): Here, Asked(page): Asked<Page>) -> Result<Json<wire::NodeList>, Refusal> {
    check_limit(page.limit)?;
    if !page.after.is_empty() && HostName::new(page.after.as_str()).is_err() {
        return Err(Refusal::new(Code::Malformed, "`after` is no host name"));
    }
    let nodes = server.store.nodes(&page.after, page.limit).await?;
    let waiting = if page.after.is_empty() { server.store.waiting(None).await? } else { Vec::new() };
    let is_full = nodes.len() as u64 == u64::from(page.limit);
    let after = nodes.last().filter(|_| is_full).map(|node| node.name.clone());
    Ok(Json(wire::NodeList {
        waiting: waiting.into_iter().map(shown_waiting).collect(),
        nodes: nodes.into_iter().map(shown).collect(),
        after,
    }))
}

/// Shows one host, or who waits under its name.
pub async fn show(State(server): Here, Named(host): Named<HostName>) -> Result<Json<wire::NodeDetail>, Refusal> {
    let node = server.store.node(host.as_str()).await?.map(shown);
    let waiting: Vec<_> = server.store.waiting(Some(host.as_str())).await?.into_iter().map(shown_waiting).collect();
    if node.is_none() && waiting.is_empty() {
        return Err(unknown(&host));
    }
    let certificates = server.store.serials(host.as_str()).await?;
    let certificates = certificates.into_iter().map(|(serial, expires_ms)| wire::NodeCertificate { serial, expires_ms });
    Ok(Json(wire::NodeDetail { node, certificates: certificates.collect(), waiting }))
}

/// Lets a waiting host in.
pub async fn approve(
    State(server): Here,
    operator: Operator,
    Named(host): Named<HostName>,
    Sent(approval): Sent<wire::Approval>,
) -> Result<Json<wire::Node>, Refusal> {
    approval.environment.iter().try_for_each(|environment| served(&server.settings, environment))?;
    let chosen = chosen(server.store.waiting(Some(host.as_str())).await?, approval.id.as_deref(), &host)?;
    let signing = SigningRequest::read(&chosen.csr, &host).map_err(|why| Refusal::new(Code::Unprocessable, why))?;
    let candidate = Candidate { host: &host, csr: &chosen.csr, recipient: &chosen.recipient, environment: approval.environment };
    admit(&server, candidate, &signing, Leave::Operator(operator.name)).await?;
    found(&server, &host).await
}

/// Says so if no host can follow an environment: it would have no catalogs, for ever.
///
/// # Errors
/// The server follows no such branch.
pub fn served(settings: &Settings, environment: &str) -> Result<(), Refusal> {
    settings.serves(environment).map_err(|why| {
        Refusal::new(Code::Unprocessable, why).hint("name one of these, or let the server follow it by `environments` in server.toml")
    })
}

/// The one who is meant, of those who wait under a name. An id may be given as people type it, by its beginning.
fn chosen(waiting: Vec<Pending>, id: Option<&str>, host: &HostName) -> Result<Pending, Refusal> {
    let ids: Vec<&str> = waiting.iter().map(|pending| shown_id(&pending.id)).collect();
    let ids = ids.join(", ");
    if ids.is_empty() {
        return Err(
            Refusal::new(Code::NotFound, format!("nobody waits under the name {host}")).hint("run `keel agent enroll` on the host first")
        );
    }
    // Who only took the name of a host is not let in by mistake.
    let Some(id) = id else {
        return Err(Refusal::new(Code::Conflict, format!("name the id of who is to be let in; under the name {host} waits {ids}"))
            .hint("look at the id that `keel agent enroll` shows on the host, and name it with --id"));
    };
    let is_meant = |pending: &Pending| pending.id == id || id.len() >= SHOWN_ID_DIGITS && pending.id.starts_with(id);
    let mut meant = waiting.into_iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(pending), None) => Ok(pending),
        (Some(_), Some(_)) => Err(Refusal::new(Code::Conflict, format!("several wait under the name {host} with that id: {ids}"))
            .hint("name the whole id that `keel agent enroll` shows on the host")),
        (None, _) => Err(Refusal::new(Code::NotFound, format!("nobody waits with that id under the name {host}, only {ids}"))
            .hint("look at the id that `keel agent enroll` shows on the host")),
    }
}

/// Shuts a host out.
pub async fn revoke(
    State(server): Here,
    operator: Operator,
    Named(host): Named<HostName>,
    Sent(revocation): Sent<wire::Revocation>,
) -> Result<Json<wire::Node>, Refusal> {
    if let Some(node) = server.store.node(host.as_str()).await?
        && node.state == NodeState::Revoked
    {
        let why = printable(node.revoked_why.as_deref().unwrap_or("nobody said why"));
        return Err(Refusal::new(Code::Conflict, format!("{host} is shut out already: {why}")).hint(format!("keel node show {host}")));
    }
    server.store.revoke(host.as_str(), &revocation.why, &operator.name).await?;
    server.allowed.forget(host.as_str());
    done("revoke", &operator, host.as_str(), &revocation.why);
    found(&server, &host).await
}

/// Lets a host follow another environment.
pub async fn follow(
    State(server): Here,
    operator: Operator,
    Named(host): Named<HostName>,
    Sent(follow): Sent<wire::Follow>,
) -> Result<Json<wire::Node>, Refusal> {
    served(&server.settings, &follow.environment)?;
    server.store.follow(host.as_str(), &follow.environment, &operator.name).await?;
    server.allowed.forget(host.as_str());
    done("follow", &operator, host.as_str(), &follow.environment);
    found(&server, &host).await
}

/// Forgets a host, or turns away who waits under its name.
pub async fn purge(State(server): Here, operator: Operator, Named(host): Named<HostName>) -> Result<StatusCode, Refusal> {
    let act = match server.store.purge(host.as_str(), &operator.name).await {
        Ok(()) => "purge",
        Err(StoreError::NotFound(_)) => {
            server.store.turn_away(host.as_str(), &operator.name).await.map_err(|error| match error {
                StoreError::NotFound(_) => unknown(&host),
                other => other.into(),
            })?;
            "turn-away"
        }
        Err(error) => return Err(error.into()),
    };
    server.allowed.forget(host.as_str());
    done(act, &operator, host.as_str(), "");
    Ok(StatusCode::NO_CONTENT)
}

fn done(act: &str, operator: &Operator, object: &str, detail: &str) {
    record(now_ms(), &Act { act, actor: format!("operator {}", operator.name), object, outcome: Outcome::Done, detail });
}

fn unknown(host: &HostName) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no host {host}, and nobody waits under that name")).hint("keel node list")
}

async fn found(server: &Server, host: &HostName) -> Result<Json<wire::Node>, Refusal> {
    server.store.node(host.as_str()).await?.map(|node| Json(shown(node))).ok_or_else(|| unknown(host))
}

fn shown(node: Node) -> wire::Node {
    let revoked = node.revoked_ms.map(|at_ms| wire::Revoked { at_ms, why: node.revoked_why.unwrap_or_default() });
    wire::Node {
        host: node.name,
        state: match node.state {
            NodeState::Active => wire::NodeState::Active,
            NodeState::Revoked => wire::NodeState::Revoked,
        },
        environment: node.environment,
        since_ms: node.created_ms,
        approved_by: node.approved_by,
        revoked,
    }
}

fn shown_waiting(pending: Pending) -> wire::WaitingNode {
    wire::WaitingNode { host: pending.host, id: pending.id, asked_ms: pending.asked_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PendingState;

    fn waiting(ids: &[&str]) -> Vec<Pending> {
        let one = |id: &&str| Pending {
            id: (*id).to_owned(),
            host: "db-1".to_owned(),
            csr: String::new(),
            recipient: String::new(),
            state: PendingState::Waiting,
            asked_ms: 0,
        };
        ids.iter().map(one).collect()
    }

    #[test]
    fn who_is_let_in_has_to_be_named() {
        let host = HostName::new("db-1").unwrap();
        let chosen = |ids: &[&str], id| chosen(waiting(ids), id, &host).map(|pending| pending.id).map_err(|refusal| refusal.0.code);
        assert_eq!(chosen(&["a"], None), Err(Code::Conflict), "it may be somebody else who took the name");
        assert_eq!(chosen(&["a"], Some("a")), Ok("a".to_owned()));
        assert_eq!(chosen(&["a", "b"], None), Err(Code::Conflict));
        assert_eq!(chosen(&["a", "b"], Some("b")), Ok("b".to_owned()));
        assert_eq!(chosen(&["a"], Some("c")), Err(Code::NotFound));
        assert_eq!(chosen(&[], None), Err(Code::NotFound));
        let (one, other) = ("9a".repeat(32), "0b".repeat(32));
        assert_eq!(chosen(&[&one, &other], Some(shown_id(&one))), Ok(one.clone()), "as people type it");
        assert_eq!(chosen(&[&one], Some(&one[..8])), Err(Code::NotFound), "so few digits could be another key's");
    }
}
