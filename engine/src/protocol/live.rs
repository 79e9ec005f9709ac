//! Signs of life: what a server says to those who only want to know whether it is there.

use serde::{Deserialize, Serialize};

/// That a server answers: `GET /v1/live`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Live {
    /// The server's version.
    pub version: String,
}

/// How a server is: `GET /health`. Its status is 503 where it is not healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// Whether it can do what it is for. Troubles of the site, such as a commit that is refused, do not change that.
    pub healthy: bool,
    /// The server's version.
    pub version: String,
    /// What is wrong, one sentence each; `keel status` says more.
    pub troubles: Vec<String>,
}
