//! Who a handler answers: a host or an operator that the admission has let through.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use keel_engine::digest::Digest;
use keel_engine::host_name::HostName;
use keel_engine::protocol::problem::{Code, Problem};

use crate::access::Identity;
use crate::refusal::Refusal;
use crate::store::Role;

/// The host that asks. Everything is from its certificate and its record, nothing from the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its name.
    pub host: HostName,
    /// The environment that it follows.
    pub environment: String,
    /// The age recipient that its secrets are sealed to.
    pub recipient: String,
    /// The blake3 of its certificate's public key.
    pub key: Digest,
    /// Whether the certificate ran out; then it may only be renewed.
    pub expired: bool,
}

/// The operator who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// A handler that takes a [`Caller`] on a route that is not a host's is a defect; nobody gets in by it.
fn nobody() -> Refusal {
    Refusal(Problem::new(Code::Unauthenticated, "this is not known to whom it answers"))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match parts.extensions.get::<Identity>() {
            Some(Identity::Host(caller) | Identity::Expired(caller)) => Ok(caller.clone()),
            _ => Err(nobody()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match parts.extensions.get::<Identity>() {
            Some(Identity::Operator(operator)) => Ok(operator.clone()),
            _ => Err(nobody()),
        }
    }
}
