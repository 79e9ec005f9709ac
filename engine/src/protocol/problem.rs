//! Problems: the body of every answer that is not a success (RFC 9457, with a code and advice).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a request was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// What kind of trouble it is; programs decide by it.
    pub code: Code,
    /// The HTTP status that the code stands for.
    pub status: u16,
    /// One sentence about this occurrence.
    pub detail: String,
    /// What to try.
    #[serde(default, rename = "try", skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, status: code.status(), detail: detail.into(), hint: None }
    }

    /// Adds what to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What happened, on one line; what to try stands apart, for who prints both.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.lines().next().unwrap_or_default())
    }
}

impl std::error::Error for Problem {}

/// The kinds of trouble, with the HTTP status of each.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:literal,)+) => {
        /// What kind of trouble it is. In JSON its name in lower case with hyphens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
            /// A code of a newer server.
            #[serde(other)]
            Unknown,
        }

        impl Code {
            /// All codes that this version knows.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The HTTP status that it stands for.
            pub fn status(self) -> u16 {
                match self {
                    $(Code::$name => $status,)+
                    Code::Unknown => 500,
                }
            }
        }
    };
}

codes! {
    /// The request is not what the route takes: syntax, unknown fields, values out of range.
    Malformed = 400,
    /// No certificate or token, or one that is not (or no longer) good.
    Unauthenticated = 401,
    /// The certificate ran out; only a renewal is possible with it.
    CertificateExpired = 401,
    /// The one-time token is unknown, used or too old; which of them is not said.
    TokenRefused = 401,
    /// Who asks is known and may not.
    Forbidden = 403,
    /// There is no such thing, or it is not the asker's to see.
    NotFound = 404,
    /// The path exists, the method does not.
    MethodNotAllowed = 405,
    /// The client took longer to send its request than it may.
    RequestTimeout = 408,
    /// It contradicts what the server already has.
    Conflict = 409,
    /// The server does not have the facts that the request names: send them and ask again.
    FactsNeeded = 412,
    /// The body is larger than the route takes.
    TooLarge = 413,
    /// The body has another media type or encoding than the route takes.
    UnsupportedMediaType = 415,
    /// The range begins after the end.
    RangeNotSatisfiable = 416,
    /// Readable, but its parts contradict each other.
    Unprocessable = 422,
    /// The host does not compile in its environment, and there is no earlier catalog to serve.
    DoesNotCompile = 422,
    /// Too many requests at once or lately: wait as `Retry-After` says.
    TooManyRequests = 429,
    /// The header of the request is larger than the server takes.
    HeaderTooLarge = 431,
    /// The server failed; its log has more.
    Internal = 500,
    /// The server cannot answer now, for instance because its database is away: try again later.
    Unavailable = 503,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_statuses_of_errors() {
        for code in Code::ALL {
            let name = serde_json::to_string(code).unwrap();
            assert_eq!(serde_json::from_str::<Code>(&name).unwrap(), *code);
            assert!((400..600).contains(&code.status()), "{name}");
        }
        assert_eq!(serde_json::to_string(&Code::FactsNeeded).unwrap(), "\"facts-needed\"");
    }

    #[test]
    fn a_newer_server_is_understood() {
        let text = r#"{"code":"from-the-future","status":418,"detail":"no coffee","brand":"x"}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!((problem.code, problem.status), (Code::Unknown, 418));
    }
}
