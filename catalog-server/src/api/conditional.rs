//! Conditional requests: what the client has is named by an entity tag, and not sent again.

use axum::http::{HeaderMap, HeaderValue, header};
use keel_engine::digest::Digest;

/// The entity tag of what has this hash.
pub(super) fn etag(id: &Digest) -> HeaderValue {
    // Hexadecimal digits and quotes are always a header.
    HeaderValue::from_str(&format!("\"{id}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether the client says that it has this.
pub(super) fn is_unchanged(headers: &HeaderMap, id: &Digest) -> bool {
    let tag = format!("\"{id}\"");
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_in_any_form_matches_and_no_other() {
        let id = Digest::of(b"x");
        let with = |value: &str| HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap())]);
        for value in [format!("\"{id}\""), format!("W/\"{id}\""), format!("\"a\", \"{id}\""), "*".to_owned()] {
            assert!(is_unchanged(&with(&value), &id), "{value}");
        }
        for value in [format!("{id}"), format!("\"{}\"", Digest::of(b"y"))] {
            assert!(!is_unchanged(&with(&value), &id), "{value}");
        }
        assert_eq!(etag(&id).to_str().unwrap(), format!("\"{id}\""));
    }
}
