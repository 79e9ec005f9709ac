//! `json_file`: values in JSON files.

mod document;

use crate::text_edit::EditorType;
use crate::value_file::{Null, value_file};
use document::Json;

value_file! {
    /// Values in a JSON file, by path. Order, indentation and everything that is not declared stay as they are, byte
    /// for byte.
    ///
    ///     json_file "/etc/docker/daemon.json" {
    ///         values {
    ///             log-driver journald
    ///             "features.buildkit" #true
    ///             insecure-registries { - "10.0.0.1:5000"; }
    ///             bip #null
    ///         }
    ///     }
    ///     json_file "/etc/app.json" ensure=absent { values { "servers[1].weight" any; }; }
    pub struct JsonFile: "json_file" as Json {
        /// What `#null` stands for: `absent`, that the path shall not be there, or the `value` null.
        pub null: Null = Null::Absent,
    }
    null |desired| desired.null
}

/// The type `json_file`.
pub type JsonFileType = EditorType<JsonFile>;

#[cfg(test)]
mod tests;
