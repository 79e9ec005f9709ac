//! The secrets of a catalog, sealed for the host whose catalog names them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Where an agent asks for its secrets.
pub const SECRETS_PATH: &str = "/v1/secrets";

/// Every secret that a host's catalog names. Nobody but the host can open them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SealedSecrets {
    /// The catalog that names them.
    pub catalog: Digest,
    /// The closed texts by the path of the secret, `FILE/KEY`: `age:` and base64, as in a site's files.
    pub secrets: BTreeMap<String, String>,
}
