//! What comes with a request: bodies, names in paths and queries, each bounded and typed, each refused with a problem.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use keel_engine::protocol::JSON;
use keel_engine::protocol::problem::Code;
use serde::de::DeserializeOwned;

use crate::json;
use crate::log::printable;
use crate::refusal::Refusal;

/// How long a client may take to send a body.
const SEND: Duration = Duration::from_secs(30);

/// The most bytes that a body may have on this route; the admission puts it beside the request.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// A JSON body as its type.
pub struct Sent<T>(pub T);

/// A JSON body as it came, for a reader of its own.
pub struct SentBytes(pub Bytes);

/// What stands in the path.
pub struct Named<T>(pub T);

/// What stands in the query.
pub struct Asked<T>(pub T);

fn malformed(why: &str) -> Refusal {
    Refusal::new(Code::Malformed, printable(why))
}

impl<S: Sync> FromRequest<S> for SentBytes {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        check_media(request.headers())?;
        // A route that takes a body says how much; without its word there is no room.
        let limit = request.extensions().get::<BodyLimit>().map_or(0, |limit| limit.0);
        let body = axum::body::to_bytes(request.into_body(), limit);
        let late = |_| Refusal::new(Code::RequestTimeout, "the body did not come in time");
        match tokio::time::timeout(SEND, body).await.map_err(late)? {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if too_long(&error) => Err(Refusal::new(Code::TooLarge, format!("the body has more than {limit} bytes"))),
            Err(_) => Err(malformed("the body did not come whole")),
        }
    }
}

fn too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// JSON and nothing around it: a packed body would have to be bounded twice, and nobody needs one.
fn check_media(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = |why: &str| Err(Refusal::new(Code::UnsupportedMediaType, why));
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refused("the body is packed; send it as it is");
    }
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.split(';').next().is_none_or(|media| !media.trim().eq_ignore_ascii_case(JSON)) {
        return refused("the body has to be application/json");
    }
    Ok(())
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let SentBytes(bytes) = SentBytes::from_request(request, state).await?;
        json::check(&bytes).map_err(|why| malformed(&why))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| malformed(&error.to_string()))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|error| malformed(&error.body_text()))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|error| malformed(&error.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Question {
        number: u8,
    }

    async fn sent(media: &str, body: &'static str, limit: usize) -> Result<u8, u16> {
        let mut request = Request::builder().header(header::CONTENT_TYPE, media).body(Body::from(body)).unwrap();
        request.extensions_mut().insert(BodyLimit(limit));
        Sent::<Question>::from_request(request, &()).await.map(|Sent(question)| question.number).map_err(|refusal| refusal.0.status)
    }

    #[tokio::test]
    async fn bodies_are_bounded_typed_and_strict() {
        assert_eq!(sent(JSON, r#"{"number":7}"#, 100).await, Ok(7));
        assert_eq!(sent("application/json; charset=utf-8", r#"{"number":7}"#, 12).await, Ok(7));
        assert_eq!(sent(JSON, r#"{"number":7}"#, 11).await, Err(413));
        assert_eq!(sent("text/plain", r#"{"number":7}"#, 100).await, Err(415));
        for body in [r#"{"number":7,"number":8}"#, r#"{"number":7,"x":1}"#, r#"{"number":256}"#, r#"{"number":7}x"#, "", "[]"] {
            assert_eq!(sent(JSON, body, 100).await, Err(400), "{body}");
        }
    }

    #[tokio::test]
    async fn packed_bodies_are_not_unpacked() {
        let request = Request::builder().header(header::CONTENT_TYPE, JSON).header(header::CONTENT_ENCODING, "gzip");
        let refused = SentBytes::from_request(request.body(Body::empty()).unwrap(), &()).await;
        assert_eq!(refused.err().unwrap().0.status, 415);
    }
}
