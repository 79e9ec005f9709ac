//! The admission: what every request passes before its handler sees it. Who asks, may they, is there
//! room; and how long it may take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use keel_engine::digest::Digest;
use keel_engine::protocol::problem::{Code, Problem};
use tokio::sync::OwnedSemaphorePermit;

use crate::access::{Identity, Who, decide};
use crate::audit::{Act, Outcome, record};
use crate::body::BodyLimit;
use crate::caller::{Caller, Operator};
use crate::finish::Finish;
use crate::metrics::RouteMetrics;
use crate::quotas::{Quota, Taken};
use crate::refusal::Refusal;
use crate::route::{Counted, Route};
use crate::server::{Server, now_s};
use crate::store::{Listed, Topic, now_ms};
use crate::tls::{Peer, Presented, Work};

/// Wrong bearer tokens from one address in a minute.
const WRONG_TOKENS: Quota = Quota { per_minute: 30, at_once: u32::MAX };
/// Held requests of one host at once: one for news, one for gates, and one of each that is being given up.
const HELD_AT_ONCE: u32 = 4;

/// What stands before one route.
#[derive(Clone)]
pub struct Door {
    server: Arc<Server>,
    rule: Arc<Rule>,
}

struct Rule {
    name: String,
    who: Who,
    /// Whether an operator changes something with it.
    acts: bool,
    has_query: bool,
    body_max: usize,
    within: Duration,
    held: bool,
    counted: Counted,
    metrics: Arc<RouteMetrics>,
}

/// What a request holds while it is answered. Dropped with the last byte of the answer.
pub struct Pass {
    _work: Work,
    _taken: Option<Taken>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Door {
    /// The door of a route.
    pub fn of(route: &Route, server: &Arc<Server>) -> Self {
        let name = format!("{} {}", route.method, route.path);
        let rule = Rule {
            who: route.who,
            acts: matches!(route.who, Who::Role(_)) && route.method != Method::GET,
            has_query: route.query.is_some(),
            body_max: route.body_max,
            within: route.within,
            held: route.held,
            counted: route.counted,
            metrics: server.metrics.route(&name),
            name,
        };
        Self { server: Arc::clone(server), rule: Arc::new(rule) }
    }

    async fn let_in(&self, request: &Parts) -> Result<(Identity, Pass), Refusal> {
        let nobody = || Refusal::new(Code::Internal, "the connection does not say who is there");
        let peer = request.extensions.get::<Peer>().ok_or_else(nobody)?;
        let identity = self.identify(peer, &request.headers).await?;
        decide(&identity, self.rule.who).map_err(|code| self.refused(&identity, peer, code))?;
        if let Identity::Host(caller) | Identity::Expired(caller) = &identity {
            self.server.machines.check(&self.server.store, caller.host.as_str(), &request.headers).await?;
        }
        let pass = self.check_shape(request).and_then(|()| self.pass(&identity, peer));
        pass.inspect_err(|refusal| self.note_refused(&identity.to_string(), &self.object(request), &refusal.0)).map(|pass| (identity, pass))
    }

    /// What a request is to act on, for the audit log.
    fn object(&self, request: &Parts) -> String {
        format!("{} {}", request.method, request.uri.path())
    }

    /// Writes down that an operator's act came to nothing, though the role allows it.
    fn note_refused(&self, actor: &str, object: &str, problem: &Problem) {
        if self.rule.acts {
            let act = Act { act: "request", actor: actor.to_owned(), object, outcome: Outcome::Refused, detail: &problem.detail };
            record(now_ms(), &act);
        }
    }

    async fn identify(&self, peer: &Peer, headers: &HeaderMap) -> Result<Identity, Refusal> {
        match (&peer.presented, self.rule.who) {
            (Some(presented), Who::Host | Who::RenewingHost) => {
                let listed = self.server.allowed.look(&self.server.store, &presented.serial).await?;
                Ok(host(presented, listed, now_s()))
            }
            (None, Who::Role(_)) => self.operator(peer, headers).await,
            // Who asks does not matter where everybody may, and a certificate is nobody to the operator's API.
            _ => Ok(Identity::Nobody),
        }
    }

    async fn operator(&self, peer: &Peer, headers: &HeaderMap) -> Result<Identity, Refusal> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = value.and_then(|value| value.strip_prefix("Bearer ")) else { return Ok(Identity::Nobody) };
        let digest = Digest::of(token.trim().as_bytes()).to_string();
        if let Some(operator) = self.server.store.operator(&digest).await? {
            return Ok(Identity::Operator(Operator { name: operator.name, role: operator.role }));
        }
        let peer = format!("wrong token {}", peer.address.ip());
        let room = self.server.quotas.take(&peer, WRONG_TOKENS, Instant::now());
        room.map(|_| Identity::Nobody).ok_or_else(|| Refusal::new(Code::TooManyRequests, "too many wrong tokens came from this address"))
    }

    fn refused(&self, identity: &Identity, peer: &Peer, code: Code) -> Refusal {
        if !matches!(identity, Identity::Nobody) {
            let act = Act { act: "request", actor: identity.to_string(), object: &self.rule.name, outcome: Outcome::Refused, detail: "" };
            record(now_ms(), &act);
        }
        if matches!(identity, Identity::Unlisted(_)) {
            // Nothing that is asked over this connection will ever be answered.
            peer.activity.close();
        }
        match (code, self.rule.who) {
            (Code::CertificateExpired, _) => {
                Refusal::new(code, "the certificate ran out").hint("renew it with POST /v1/certificate, for thirty days with the same key")
            }
            (Code::Unauthenticated, Who::Role(_)) => Refusal::new(code, "this needs the bearer token of an operator")
                .hint("`keel-server operator add NAME --role ROLE` on the server makes one"),
            (Code::Unauthenticated, _) => Refusal::new(code, "this needs the certificate of a host that is let in")
                .hint("enrol the host with `keel agent enroll`; if it was enrolled, `keel node show HOST` says why it is not let in"),
            (_, who) => Refusal::new(code, format!("{identity} may not do this: it is for {who}")),
        }
    }

    /// What can be said before a byte of the body is read.
    fn check_shape(&self, request: &Parts) -> Result<(), Refusal> {
        if !self.rule.has_query && request.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(Refusal::new(Code::Malformed, "this takes no query"));
        }
        let length = request.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.rule.body_max as u64) {
            return Err(Refusal::new(Code::TooLarge, format!("this takes at most {} bytes", self.rule.body_max)));
        }
        Ok(())
    }

    fn pass(&self, identity: &Identity, peer: &Peer) -> Result<Pass, Refusal> {
        let limits = &self.server.settings.limits;
        let (name, per_minute) = match self.rule.counted {
            Counted::Not => (None, 0),
            Counted::ByName => (Some(identity.to_string()), limits.host_requests_per_minute),
            Counted::ByAddress => (Some(format!("address {}", peer.address.ip())), limits.enrolments_per_minute),
        };
        let (name, at_once) = match name {
            Some(name) if self.rule.held => (Some(format!("held {name}")), HELD_AT_ONCE),
            Some(name) if self.rule.counted == Counted::ByName => (Some(name), limits.host_requests),
            other => (other, u32::MAX),
        };
        let quota = Quota { per_minute, at_once };
        let taken = name.map(|name| self.server.quotas.take(&name, quota, Instant::now()).ok_or_else(too_many)).transpose()?;
        let room = if self.rule.held {
            None
        } else {
            Some(Arc::clone(&self.server.room).try_acquire_owned().map_err(|_| Refusal::new(Code::Unavailable, "the server is busy"))?)
        };
        let work = peer.activity.begin(Instant::now() + self.rule.within);
        Ok(Pass { _work: work, _taken: taken, _room: room })
    }

    /// Runs the handler, and no longer than it may; one that is held ends early when the server stops or
    /// the host's record changes.
    async fn answer(&self, mut request: Request, next: Next, identity: Identity) -> Response {
        let peer = request.extensions().get::<Peer>().cloned();
        request.extensions_mut().insert(BodyLimit(self.rule.body_max));
        request.extensions_mut().insert(identity.clone());
        let late = || Refusal::new(Code::Unavailable, "the answer took too long").into_response();
        let handled = tokio::time::timeout(self.rule.within, next.run(request));
        if !self.rule.held {
            return handled.await.unwrap_or_else(|_| late());
        }
        let Some(peer) = peer else { return stopping().into_response() };
        tokio::select! {
            response = handled => response.unwrap_or_else(|_| late()),
            refusal = self.interrupted(&identity, &peer) => refusal.into_response(),
        }
    }

    /// Returns when a held answer is not to be held any longer.
    async fn interrupted(&self, identity: &Identity, peer: &Peer) -> Refusal {
        let mut stop = self.server.stop.clone();
        let (Identity::Host(caller), Some(presented)) = (identity, &peer.presented) else {
            stop.requested().await;
            return stopping();
        };
        let watch = self.server.store.watch(vec![Topic::Node(caller.host.to_string())]);
        loop {
            tokio::select! {
                () = stop.requested() => return stopping(),
                () = watch.changed() => {}
            }
            self.server.allowed.forget(caller.host.as_str());
            match self.server.allowed.look(&self.server.store, &presented.serial).await {
                Ok(listed) => {
                    let identity = host(presented, listed, now_s());
                    if let Err(code) = decide(&identity, self.rule.who) {
                        return self.refused(&identity, peer, code);
                    }
                }
                Err(error) => return Refusal::from(error),
            }
        }
    }
}

fn too_many() -> Refusal {
    Refusal::new(Code::TooManyRequests, "too many requests, at once or in a minute").hint("wait as Retry-After says")
}

fn stopping() -> Refusal {
    Refusal::new(Code::Unavailable, "the server stops").hint("ask again")
}

/// Who a certificate makes its bearer, given what the list says of it.
fn host(presented: &Presented, listed: Option<Listed>, now: u64) -> Identity {
    let Some(listed) = listed.filter(|listed| listed.is_good() && listed.host == presented.host.as_str()) else {
        return Identity::Unlisted(presented.host.to_string());
    };
    let expired = now >= presented.not_after;
    let caller =
        Caller { host: presented.host.clone(), environment: listed.environment, recipient: listed.recipient, key: presented.key, expired };
    if expired { Identity::Expired(caller) } else { Identity::Host(caller) }
}

/// What stands before a handler.
pub async fn admit(State(door): State<Door>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let response = match door.let_in(&parts).await {
        Ok((identity, pass)) => {
            let (actor, object) = (identity.to_string(), door.object(&parts));
            let response = door.answer(Request::from_parts(parts, body), next, identity).await;
            if let Some(problem) = response.extensions().get::<Problem>() {
                door.note_refused(&actor, &object, problem);
            }
            response.map(|body| axum::body::Body::new(Finish::new(body, pass)))
        }
        Err(refusal) => refusal.into_response(),
    };
    door.rule.metrics.note(response.status().as_u16(), begun.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use keel_engine::host_name::HostName;

    use super::*;
    use crate::store::NodeState;

    fn listed(host: &str, state: NodeState, revoked_ms: Option<i64>) -> Option<Listed> {
        Some(Listed {
            host: host.to_owned(),
            state,
            environment: "production".to_owned(),
            recipient: "age1".to_owned(),
            expires_ms: 0,
            revoked_ms,
        })
    }

    #[test]
    fn only_who_is_on_the_list_under_its_own_name_is_a_host() {
        let presented =
            Presented { host: HostName::new("db-1").unwrap(), serial: "4f".to_owned(), not_after: 1000, key: Digest::of(b"key") };
        let kind = |listed, now| match host(&presented, listed, now) {
            Identity::Host(_) => "host",
            Identity::Expired(_) => "expired",
            Identity::Unlisted(_) => "unlisted",
            _ => "other",
        };
        assert_eq!(kind(listed("db-1", NodeState::Active, None), 999), "host");
        assert_eq!(kind(listed("db-1", NodeState::Active, None), 1000), "expired");
        assert_eq!(kind(None, 999), "unlisted");
        assert_eq!(kind(listed("db-2", NodeState::Active, None), 999), "unlisted");
        assert_eq!(kind(listed("db-1", NodeState::Revoked, None), 999), "unlisted");
        assert_eq!(kind(listed("db-1", NodeState::Active, Some(1)), 999), "unlisted");
        assert_eq!(kind(listed("db-1", NodeState::Revoked, Some(1)), 2000), "unlisted");
    }
}
