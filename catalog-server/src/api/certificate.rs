//! `/v1/certificate`: a host's next certificate.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::certificate::{Certificate, Renewal};
use keel_engine::protocol::problem::Code;

use super::Here;
use super::enrolment::{check_recipient, listing};
use crate::audit::{Act, Outcome, record};
use crate::authority::SigningRequest;
use crate::body::Sent;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::server::now_s;
use crate::store::now_ms;

/// Makes it. The record of the host is the same; so is what shuts it out.
pub async fn renew(State(server): Here, caller: Caller, Sent(request): Sent<Renewal>) -> Result<Json<Certificate>, Refusal> {
    let signing = SigningRequest::read(&request.csr, &caller.host).map_err(|why| Refusal::new(Code::Malformed, why))?;
    check_recipient(&request.recipient)?;
    if caller.expired && signing.id() != caller.key {
        return Err(Refusal::new(Code::Forbidden, "with a certificate that ran out only the same key is certified again"));
    }
    let certificate = server.authority.certify(&caller.host, &signing, now_s()).map_err(|error| {
        crate::log::warning("no certificate could be made", &[("host", &caller.host), ("why", &error)]);
        Refusal::new(Code::Internal, "the authority could not make a certificate")
    })?;
    server.store.renew(caller.host.as_str(), &listing(&certificate), &request.recipient).await?;
    let actor = format!("host {}", caller.host);
    let act = Act { act: "renew", actor, object: caller.host.as_str(), outcome: Outcome::Done, detail: &certificate.serial };
    record(now_ms(), &act);
    Ok(Json(certificate))
}
