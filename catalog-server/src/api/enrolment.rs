//! `/v1/enrolment`: how a host that nobody knows gets in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use keel_engine::digest::Digest;
use keel_engine::host_name::HostName;
use keel_engine::protocol::certificate::Certificate;
use keel_engine::protocol::enrolment::{Enrolment, EnrolmentRequest, EnrolmentState, JoinToken};
use keel_engine::protocol::problem::Code;

use super::Here;
use crate::audit::{Act, Outcome, record};
use crate::authority::SigningRequest;
use crate::body::{Named, Sent};
use crate::refusal::Refusal;
use crate::server::{Server, now_s};
use crate::store::{Admission, Leave, NewCertificate, Pending, PendingState, StoreError, now_ms};

/// When an agent that waits for approval asks again, in seconds.
const RETRY_S: u64 = 10;

type Answer = Result<(StatusCode, Json<Enrolment>), Refusal>;

/// Lets a host in by a token, or writes down that it asks.
pub async fn ask(State(server): Here, Sent(request): Sent<EnrolmentRequest>) -> Answer {
    let signing = SigningRequest::read(&request.csr, &request.host).map_err(|why| Refusal::new(Code::Malformed, why))?;
    check_recipient(&request.recipient)?;
    let id = signing.id().to_string();
    // Who asks again with the same key lost the answer: it is the same answer, and no second use of a token.
    if let Some(known) = server.store.enrolment(&id).await?
        && known.host == request.host.as_str()
        && (request.token.is_none() || matches!(known.state, PendingState::Issued(_)))
    {
        return answer(known);
    }
    let Some(token) = &request.token else {
        server.store.ask(&id, request.host.as_str(), &request.csr, &request.recipient).await?;
        let waiting = Enrolment { id, host: request.host, state: EnrolmentState::Waiting { retry_s: RETRY_S } };
        return Ok((StatusCode::ACCEPTED, Json(waiting)));
    };
    let candidate = Candidate { host: &request.host, csr: &request.csr, recipient: &request.recipient, environment: None };
    let certificate = admit(&server, candidate, &signing, Leave::Token(digest_of(token))).await?;
    Ok((StatusCode::OK, Json(Enrolment { id, host: request.host, state: EnrolmentState::Issued { certificate } })))
}

/// How an enrolment stands.
pub async fn show(State(server): Here, Named(id): Named<Digest>) -> Answer {
    let unknown = || Refusal::new(Code::NotFound, "nobody asked to be let in with this key, or it was turned away");
    answer(server.store.enrolment(&id.to_string()).await?.ok_or_else(unknown)?)
}

fn answer(pending: Pending) -> Answer {
    let host = HostName::new(pending.host).map_err(|_| Refusal::new(Code::Internal, "the record of this enrolment is damaged"))?;
    let (status, state) = match pending.state {
        PendingState::Waiting => (StatusCode::ACCEPTED, EnrolmentState::Waiting { retry_s: RETRY_S }),
        PendingState::Issued(certificate) => {
            let damaged = |_| Refusal::new(Code::Internal, "the record of this certificate is damaged");
            (StatusCode::OK, EnrolmentState::Issued { certificate: serde_json::from_str(&certificate).map_err(damaged)? })
        }
    };
    Ok((status, Json(Enrolment { id: pending.id, host, state })))
}

/// What the store keeps of a token.
pub fn digest_of(token: &JoinToken) -> String {
    Digest::of(token.reveal_token_text().as_bytes()).to_string()
}

/// A host about to be let in.
pub struct Candidate<'a> {
    /// Its name.
    pub host: &'a HostName,
    /// Its signing request as it came.
    pub csr: &'a str,
    /// The age recipient that its secrets are sealed to.
    pub recipient: &'a str,
    /// The environment that it is to follow; the default one, if none.
    pub environment: Option<String>,
}

/// Lets a host in. The certificate is made first: what is not listed is good for nothing.
///
/// # Errors
/// The token is not good, or there is a host of the name.
pub async fn admit(server: &Server, candidate: Candidate<'_>, signing: &SigningRequest, by: Leave) -> Result<Certificate, Refusal> {
    let Candidate { host, csr, recipient, environment } = candidate;
    let made = server.authority.certify(host, signing, now_s());
    let certificate = made.map_err(|error| {
        crate::log::warning("no certificate could be made", &[("host", &host), ("why", &error)]);
        Refusal::new(Code::Internal, "the authority could not make a certificate")
    })?;
    let actor = match &by {
        Leave::Token(_) => format!("host {host}"),
        Leave::Operator(name) => format!("operator {name}"),
    };
    let admission = Admission {
        host: host.clone(),
        environment: environment.unwrap_or_else(|| server.settings.environment.clone()),
        recipient: recipient.to_owned(),
        enrolment: signing.id().to_string(),
        csr: csr.to_owned(),
        certificate: listing(&certificate),
        answer: serde_json::to_string(&certificate).unwrap_or_default(),
        by,
    };
    let admitted = server.store.admit(&admission).await;
    let outcome = if admitted.is_ok() { Outcome::Done } else { Outcome::Refused };
    // An operator who is refused is written down with the request.
    if admitted.is_ok() || matches!(admission.by, Leave::Token(_)) {
        record(now_ms(), &Act { act: "admit", actor, object: host.as_str(), outcome, detail: &certificate.serial });
    }
    match (admitted, &admission.by) {
        (Ok(_), _) => Ok(certificate),
        (Err(StoreError::NotFound(_)), Leave::Token(_)) => Err(Refusal::new(Code::TokenRefused, "the token is not good for this host")
            .hint("it is good once, and not for long: make another one with `keel-server token create`")),
        (Err(error @ StoreError::Conflict(_)), _) => {
            Err(Refusal::from(error)
                .hint(format!("if this is a new machine of that name, forget the old one first: `keel node purge {host}`")))
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// What the list keeps of a certificate.
pub fn listing(certificate: &Certificate) -> NewCertificate {
    let expires_ms = i64::try_from(certificate.not_after).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
    NewCertificate { serial: certificate.serial.clone(), expires_ms }
}

/// Whether a text can be an x25519 recipient of age; whether it is one the sealing finds out.
///
/// # Errors
/// It cannot.
pub fn check_recipient(recipient: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if recipient.len() == 62 && recipient.starts_with("age1") && recipient.bytes().all(plain) {
        return Ok(());
    }
    Err(Refusal::new(Code::Malformed, "`recipient` is no age recipient (age1 and 58 more letters and digits)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_of_one_kind() {
        let good = format!("age1{}", "q".repeat(58));
        assert!(check_recipient(&good).is_ok());
        for wrong in ["", "age1", &good.to_uppercase(), &format!("{good}q"), &good.replace("age1", "ssh-"), &good.replace('q', "\n")] {
            assert!(check_recipient(wrong).is_err(), "{wrong}");
        }
    }
}
