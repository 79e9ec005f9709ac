//! `toml_file`: values in TOML files.

mod document;

use crate::text_edit::EditorType;
use crate::value_file::{Null, value_file};
use document::Toml;

value_file! {
    /// Values in a TOML file, by path. Comments, order, spacing and everything that is not declared stay as they are,
    /// byte for byte. A new table is written at the end.
    ///
    ///     toml_file "/etc/containerd/config.toml" {
    ///         values {
    ///             version 2
    ///             "plugins.\"io.containerd.grpc.v1.cri\".sandbox_image" "registry.example.org/pause:3.9"
    ///             debug { level info; }
    ///             "metrics.address" #null
    ///         }
    ///     }
    pub struct TomlFile: "toml_file" as Toml {}
    null |_desired| Null::Absent
}

/// The type `toml_file`.
pub type TomlFileType = EditorType<TomlFile>;

#[cfg(test)]
mod tests;
