//! Enrolment: how a host that nobody knows gets its first certificate.
//!
//! The agent makes a key, connects to a server that it recognises by the root certificate's
//! fingerprint, and asks `POST /v1/enrolment`. With a one-time token the answer is the certificate;
//! without one an operator has to approve, and the agent asks `GET /v1/enrolment/{id}` until then.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use crate::host_name::HostName;

/// Asks to become a host of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The name that the host wants to have.
    pub host: HostName,
    /// A certificate signing request as PEM. Nothing but its public key counts.
    pub csr: String,
    /// The host's age recipient (`age1...`), to which secrets are sealed.
    pub recipient: String,
    /// The one-time token of the join command; without it an operator has to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<JoinToken>,
}

/// A one-time token that lets one host in. Its text is not shown by Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct JoinToken(String);

impl JoinToken {
    /// Takes the text of a token.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. The name is long so that every use can be found and reviewed.
    pub fn reveal_token_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::secret::PLACEHOLDER)
    }
}

/// How an enrolment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Enrolment {
    /// Its id: the blake3 of the request's public key (its DER SubjectPublicKeyInfo), in hexadecimal.
    /// An agent that lost an answer can compute it and ask how the enrolment stands.
    pub id: String,
    /// The name that was asked for.
    pub host: HostName,
    /// What came of it so far.
    #[serde(flatten)]
    pub state: EnrolmentState,
}

/// How many digits of an enrolment's id people compare and type: too many to be found by trying keys.
pub const SHOWN_ID_DIGITS: usize = 16;

/// An enrolment's id, as people compare and type it.
pub fn shown_id(id: &str) -> &str {
    id.get(..SHOWN_ID_DIGITS).unwrap_or(id)
}

/// What came of an enrolment so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum EnrolmentState {
    /// An operator has to approve it: `keel node approve HOST --id ID`.
    Waiting {
        /// When to ask again, in seconds.
        retry_s: u64,
    },
    /// The host is in, and this is its certificate.
    Issued {
        /// The certificate.
        certificate: Certificate,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_and_never_shown() {
        let token = JoinToken::new("canary");
        assert_eq!(serde_json::to_string(&token).unwrap(), "\"canary\"");
        assert!(!format!("{token:?}").contains("canary"));
    }

    #[test]
    fn a_request_with_a_field_that_nobody_knows_is_refused() {
        let text = r#"{"host":"db-1","csr":"x","recipient":"age1x","token":"t","roles":["admin"]}"#;
        let error = serde_json::from_str::<EnrolmentRequest>(text).unwrap_err().to_string();
        assert!(error.contains("unknown field `roles`"), "{error}");
    }

    #[test]
    fn an_enrolment_is_one_flat_object() {
        let host = HostName::new("db-1").unwrap();
        let waiting = Enrolment { id: "f00".to_owned(), host, state: EnrolmentState::Waiting { retry_s: 10 } };
        let text = serde_json::to_string(&waiting).unwrap();
        assert_eq!(text, r#"{"id":"f00","host":"db-1","state":"waiting","retry_s":10}"#);
        assert_eq!(serde_json::from_str::<Enrolment>(&text).unwrap(), waiting);
    }
}
