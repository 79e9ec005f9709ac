//! `/operator/v1/tokens`: one-time tokens that let a host in.

use axum::Json;
use axum::extract::State;
use keel_engine::host_name::HostName;
use keel_engine::protocol::enrolment::JoinToken;
use keel_engine::protocol::nodes::{TokenAnswer, TokenRequest};
use keel_engine::protocol::problem::Code;

use super::Here;
use super::enrolment::digest_of;
use super::nodes::served;
use crate::audit::{Act, Outcome, record};
use crate::authority::Authority;
use crate::body::Sent;
use crate::caller::Operator;
use crate::random::{bytes, hex};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::store::{NewToken, Store, now_ms};

/// How long a token is good if nobody says otherwise, in seconds.
pub const VALID_S: u64 = 600;
/// The longest that a token may be good, in seconds.
pub const VALID_S_MAX: u64 = 24 * 3600;

/// Makes one.
pub async fn create(State(server): Here, operator: Operator, Sent(request): Sent<TokenRequest>) -> Result<Json<TokenAnswer>, Refusal> {
    let host = request.host.clone();
    let made = make(&server.store, &server.authority, &server.settings, request, &operator.name).await?;
    let (actor, object) = (format!("operator {}", operator.name), host.as_ref().map_or("any host", HostName::as_str));
    record(now_ms(), &Act { act: "token", actor, object, outcome: Outcome::Done, detail: "" });
    Ok(Json(made))
}

/// Makes a token and the command to use it with.
///
/// # Errors
/// It would be good for too long, or the database does not answer.
pub async fn make(
    store: &Store,
    authority: &Authority,
    settings: &Settings,
    request: TokenRequest,
    by: &str,
) -> Result<TokenAnswer, Refusal> {
    let valid_s = request.valid_s.unwrap_or(VALID_S);
    if !(1..=VALID_S_MAX).contains(&valid_s) {
        return Err(Refusal::new(Code::Malformed, format!("a token is good for 1 to {VALID_S_MAX} seconds")));
    }
    if let Some(environment) = &request.environment {
        served(settings, environment)?;
    }
    let secret = bytes::<20>().map_err(|error| Refusal::new(Code::Internal, error.message))?;
    let token = JoinToken::new(hex(&secret));
    let expires_ms = now_ms().saturating_add(i64::try_from(valid_s * 1000).unwrap_or(i64::MAX));
    let host = request.host.map(String::from);
    let command = command(settings, &token, &authority.published().fingerprint, host.as_deref());
    let new = NewToken { digest: digest_of(&token), host, environment: request.environment, by: by.to_owned(), expires_ms };
    store.add_token(&new).await?;
    Ok(TokenAnswer { token, expires_ms, command })
}

/// What to run on the host that is to be let in.
fn command(settings: &Settings, token: &JoinToken, fingerprint: &str, host: Option<&str>) -> String {
    let (server, token) = (settings.agents_url(), token.reveal_token_text());
    // The machine may call itself otherwise, and the token is good for this name only.
    let host = host.map_or_else(String::new, |host| format!(" --host {host}"));
    format!("keel agent enroll --server {server} --token {token} --fingerprint {fingerprint}{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_has_everything_that_a_host_needs() {
        let settings = Settings::parse("names = ['keel.example.org', '::1']\nlisten = '[::]:7440'").unwrap();
        let any = command(&settings, &JoinToken::new("cafe"), "f00", None);
        assert_eq!(any, "keel agent enroll --server https://keel.example.org:7440 --token cafe --fingerprint f00");
        assert_eq!(command(&settings, &JoinToken::new("cafe"), "f00", Some("web-1")), format!("{any} --host web-1"));
        let settings = Settings::parse("names = ['keel.example.org']\nlisten = '[::]:0'").unwrap();
        assert_eq!(settings.agents_url(), "https://keel.example.org:PORT", "no port is better than a wrong one");
    }
}
