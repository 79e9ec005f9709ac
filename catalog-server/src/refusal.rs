//! Refusals: how a problem becomes an answer.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keel_engine::protocol::PROBLEM_JSON;
use keel_engine::protocol::problem::{Code, Problem};

use crate::store::StoreError;

/// A problem on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub Problem);

impl Refusal {
    /// A refusal of a kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }

    /// Adds what to try.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self(self.0.hint(hint))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// What the client may know goes out; what only the server's operator may know goes into the log.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let problem = error.problem();
        if problem.status >= 500 {
            crate::log::warning("the database failed", &[("why", &error)]);
        }
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = matches!(self.0.code, Code::TooManyRequests | Code::Unavailable).then(retry_after);
        let mut response = (status, Json(&self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.extend(retry.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
        // For the audit log, which cannot read a body that is on its way.
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Between 5 and 30 seconds, so that those who were sent away together do not come back together.
fn retry_after() -> u16 {
    5 + crate::random::bytes::<1>().map_or(10, |[byte]| u16::from(byte % 26))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_sent_away_for_a_while_is_told_for_how_long() {
        for (code, told) in [(Code::TooManyRequests, true), (Code::Unavailable, true), (Code::NotFound, false)] {
            let response = Refusal::new(code, "x").into_response();
            let seconds = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().parse::<u16>().unwrap());
            assert_eq!(seconds.is_some_and(|seconds| (5..=30).contains(&seconds)), told);
            assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        }
    }
}
