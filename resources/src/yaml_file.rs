//! `yaml_file`: values in YAML files.

mod document;
mod edit;
mod write;

use crate::text_edit::EditorType;
use crate::value_file::{Null, value_file};
use document::Yaml;

value_file! {
    /// Values in a YAML file, by path. Comments, order, quotes and everything that is not declared stay as they are,
    /// byte for byte.
    ///
    /// Files of several documents are refused, and so is a change to what an alias (`*name`) shows elsewhere.
    /// `yes`, `no`, `on` and `off` without quotes count as bools.
    ///
    ///     yaml_file "/etc/netplan/01-eth0.yaml" {
    ///         values {
    ///             "network.ethernets.eth0.dhcp4" #false
    ///             "network.ethernets.eth0.addresses" { - "10.0.0.5/24"; }
    ///             "network.ethernets.eth1" #null
    ///         }
    ///     }
    pub struct YamlFile: "yaml_file" as Yaml {
        /// What `#null` stands for: `absent`, that the path shall not be there, or the `value` null.
        pub null: Null = Null::Absent,
    }
    null |desired| desired.null
}

/// The type `yaml_file`.
pub type YamlFileType = EditorType<YamlFile>;

#[cfg(test)]
mod tests;
