//! Catalogs and contents on the wire: the bodies are plain bytes, what is said of them stands in headers.

/// Where an agent asks for its catalog.
pub const CATALOG_PATH: &str = "/v1/catalog";
/// Below this an agent asks for a content, by its blake3 in lower-case hexadecimal.
pub const CONTENT_PATH: &str = "/v1/content";

/// In a request: the blake3 of the facts that the agent last sent, in hexadecimal.
pub const FACTS_HEADER: &str = "keel-facts";
/// In an answer: the commit that the catalog was compiled from, in hexadecimal.
pub const COMMIT_HEADER: &str = "keel-commit";
/// In an answer: the environment that the host follows.
pub const ENVIRONMENT_HEADER: &str = "keel-environment";

/// The media type of a catalog's binary form.
pub const CATALOG_MEDIA: &str = "application/vnd.keel.catalog";
/// The most bytes of a catalog.
pub const CATALOG_BYTES_MAX: usize = 32 << 20;
/// The most bytes of one content.
pub const CONTENT_BYTES_MAX: u64 = 1 << 30;
