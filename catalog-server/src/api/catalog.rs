//! `/v1/catalog`: what the host that asks should be.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use keel_engine::digest::Digest;
use keel_engine::protocol::catalog::{CATALOG_MEDIA, COMMIT_HEADER, ENVIRONMENT_HEADER, FACTS_HEADER};
use keel_engine::protocol::problem::{Code, Problem};

use super::Here;
use super::conditional::{etag, is_unchanged};
use crate::caller::Caller;
use crate::compiler::{Brief, NoCatalog, inflated};
use crate::log::printable;
use crate::refusal::Refusal;
use crate::route::{Header, Http};
use crate::server::Server;

/// The headers of a catalog.
pub const HTTP: Http = Http {
    reads: &[
        Header { name: FACTS_HEADER, about: "The blake3 of the facts that the host sent last, in hexadecimal.", required: true },
        Header { name: "if-none-match", about: "The entity tag of the catalog that the host has.", required: false },
        Header { name: "accept-encoding", about: "With `zstd` the catalog comes compressed by it.", required: false },
    ],
    sets: &[
        Header { name: "etag", about: "The id of the catalog: the blake3 of its bytes before compression, in quotes.", required: true },
        Header { name: COMMIT_HEADER, about: "The commit that the catalog is good for.", required: true },
        Header { name: ENVIRONMENT_HEADER, about: "The environment that the host follows.", required: true },
        Header { name: "content-encoding", about: "`zstd`, if the catalog comes compressed.", required: false },
    ],
    also: &[(304, "The catalog is the one that the host has.")],
};

/// Gives the catalog, or says that the one that the host has is still the right one.
pub async fn show(State(server): Here, caller: Caller, headers: HeaderMap) -> Result<Response, Refusal> {
    let facts = facts(&headers)?;
    let host = caller.host.as_str();
    let brief = server.compiler.current(&caller.environment, host, facts).await?;
    if is_unchanged(&headers, &brief.id) {
        remember(&server, host, &brief).await?;
        return given(&headers, named(&brief), None);
    }
    let delivered = server.compiler.catalog(&caller.environment, host, facts).await?;
    remember(&server, host, &delivered.brief).await?;
    given(&headers, named(&delivered.brief), Some(delivered.compressed))
}

/// A catalog's name, its commit and its environment.
type NamedCatalog<'a> = (Digest, &'a str, &'a str);

fn named(brief: &Brief) -> NamedCatalog<'_> {
    (brief.id, &brief.commit, &brief.environment)
}

/// A catalog as it goes out: compressed, if the client takes that; without a body it is the one that the client has.
///
/// # Errors
/// The compressed form is damaged.
pub(super) fn given(headers: &HeaderMap, named: NamedCatalog<'_>, compressed: Option<Vec<u8>>) -> Result<Response, Refusal> {
    match compressed {
        None => answer(named, StatusCode::NOT_MODIFIED, Body::empty(), None),
        Some(compressed) if accepts_zstd(headers) => answer(named, StatusCode::OK, Body::from(compressed), Some("zstd")),
        Some(compressed) => {
            let bytes = inflated(&compressed).map_err(|why| Refusal::new(Code::Internal, why))?;
            answer(named, StatusCode::OK, Body::from(bytes), None)
        }
    }
}

/// The facts that the host says it has sent.
///
/// # Errors
/// It does not say.
pub(super) fn facts(headers: &HeaderMap) -> Result<Digest, Refusal> {
    let Some(value) = headers.get(FACTS_HEADER) else {
        return Err(Refusal::new(Code::FactsNeeded, "the request does not say which facts it goes with"));
    };
    let digest = value.to_str().ok().and_then(|text| text.parse().ok());
    digest.ok_or_else(|| Refusal::new(Code::Malformed, format!("{FACTS_HEADER} is no blake3 in hexadecimal")))
}

/// Remembers what the host is being given, before it goes out. The same again costs nothing.
async fn remember(server: &Server, host: &str, brief: &Brief) -> Result<(), Refusal> {
    if server.compiler.is_delivered(host, brief) {
        return Ok(());
    }
    if let Some(given) = server.compiler.given(host, brief).await {
        server.store.deliver(host, &given).await?;
        server.compiler.delivered(host, brief);
    }
    Ok(())
}

fn answer(
    (id, commit, environment): NamedCatalog<'_>,
    status: StatusCode,
    body: Body,
    encoding: Option<&'static str>,
) -> Result<Response, Refusal> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(&id));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    for (name, word) in [(COMMIT_HEADER, commit), (ENVIRONMENT_HEADER, environment)] {
        let value = HeaderValue::from_str(&printable(word)).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    if status == StatusCode::OK {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CATALOG_MEDIA));
    }
    headers.extend(encoding.map(|encoding| (header::CONTENT_ENCODING, HeaderValue::from_static(encoding))));
    Ok(response)
}

/// Whether the client takes zstd: it names it, and not with the weight 0.
fn accepts_zstd(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("zstd"));
        named && !parts.any(|weight| weight.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0)))
    })
}

/// What a host is told that has no catalog.
impl From<NoCatalog> for Refusal {
    fn from(none: NoCatalog) -> Self {
        let code = match &none {
            NoCatalog::FactsNeeded(_) => Code::FactsNeeded,
            NoCatalog::NoCommit(_) | NoCatalog::Unavailable(_) => Code::Unavailable,
            NoCatalog::DoesNotCompile { .. } => Code::DoesNotCompile,
        };
        let problem = Problem::new(code, printable(&none.to_string()));
        match none {
            NoCatalog::DoesNotCompile { findings, .. } => match findings.into_iter().find(|finding| finding.error) {
                Some(first) => Refusal(Problem::new(code, format!("{}; the first error: {}", problem.detail, printable(&first.message)))),
                None => Refusal(problem),
            },
            NoCatalog::Unavailable(why) => {
                crate::log::warning("a catalog cannot be had", &[("why", &why)]);
                Refusal::new(Code::Unavailable, "the server cannot give catalogs now")
            }
            _ => Refusal(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn zstd_is_sent_to_who_takes_it() {
        for (value, takes) in [("zstd", true), ("gzip, ZSTD;q=0.5", true), ("gzip", false), ("zstd;q=0", false), ("zstd; q=0.0", false)] {
            assert_eq!(accepts_zstd(&headers(header::ACCEPT_ENCODING, value)), takes, "{value}");
        }
        assert!(!accepts_zstd(&HeaderMap::new()));
    }

    #[test]
    fn a_request_has_to_name_its_facts() {
        let name = HeaderName::from_static(FACTS_HEADER);
        assert_eq!(facts(&HeaderMap::new()).unwrap_err().0.code, Code::FactsNeeded);
        assert_eq!(facts(&headers(name.clone(), "zz")).unwrap_err().0.code, Code::Malformed);
        assert_eq!(facts(&headers(name, &Digest::of(b"x").to_string())).unwrap(), Digest::of(b"x"));
    }

    #[test]
    fn who_has_no_catalog_hears_why_without_what_is_none_of_his_business() {
        let refusal = Refusal::from(NoCatalog::Unavailable("disk /var/secret is full".to_owned()));
        assert!(!refusal.0.detail.contains("secret"));
        assert_eq!(Refusal::from(NoCatalog::FactsNeeded("h".to_owned())).0.status, 412);
    }
}
