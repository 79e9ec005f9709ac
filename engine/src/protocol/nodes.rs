//! Hosts as the operator's API shows them: who is in, who asks to be let in, and the tokens that let in.

use serde::{Deserialize, Serialize};

use crate::host_name::HostName;

/// Some of the hosts, with everybody who waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeList {
    /// Who waits, the longest first.
    pub waiting: Vec<WaitingNode>,
    /// Hosts in the order of their names.
    pub nodes: Vec<Node>,
    /// What to give as `after` to get the next ones; none if there are none.
    pub after: Option<String>,
}

/// A host that the server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Node {
    /// Its name.
    pub host: String,
    /// Whether it is let in.
    pub state: NodeState,
    /// The environment that it follows.
    pub environment: String,
    /// When it was let in, in milliseconds since 1970.
    pub since_ms: i64,
    /// By whose leave.
    pub approved_by: Option<String>,
    /// When and why it was shut out.
    pub revoked: Option<Revoked>,
}

/// Whether a host is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It is.
    Active,
    /// It was, and is no more.
    Revoked,
}

/// When and why a host was shut out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Revoked {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Why.
    pub why: String,
}

/// One host with its certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeDetail {
    /// The host; none if it only waits for approval.
    pub node: Option<Node>,
    /// Its certificates that are good, the newest first.
    pub certificates: Vec<NodeCertificate>,
    /// Who waits under this name.
    pub waiting: Vec<WaitingNode>,
}

/// A certificate of a host, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeCertificate {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// When it ceases to be valid, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// Somebody who asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitingNode {
    /// The name that was asked for.
    pub host: String,
    /// The enrolment's id, the blake3 of the key; `keel agent enroll` shows how it begins on the host.
    pub id: String,
    /// When it was asked, in milliseconds since 1970.
    pub asked_ms: i64,
}

/// Lets a waiting host in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The enrolment's id, as the host shows it: without, nobody is let in, and the answer names who waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The environment that it is to follow; the default one, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// Shuts a host out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Why, for whoever asks later.
    pub why: String,
}

/// Lets a host follow an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// The environment.
    pub environment: String,
}

/// Makes a one-time token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The only host that may use it; any, if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The environment that the host is to follow; the default one, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How long it is good, in seconds; ten minutes, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_s: Option<u64>,
}

/// A one-time token, shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenAnswer {
    /// The token.
    pub token: super::enrolment::JoinToken,
    /// When it ceases to be good, in milliseconds since 1970.
    pub expires_ms: i64,
    /// What to run on the host.
    pub command: String,
}
