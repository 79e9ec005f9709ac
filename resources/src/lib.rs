//! Every resource type of Evenkeel, and the one door to the host ([`host`]).
//!
//! A type is one file and one line in [`all`].

mod accounts;
pub mod acl;
pub mod alternatives;
pub mod apt_pin;
pub mod apt_repository;
pub mod archive;
pub mod block;
pub mod certificate;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod contract;
pub mod cron;
pub mod debconf;
pub mod directory_tree;
pub mod ensure;
pub mod exec;
pub mod file;
pub mod galera;
pub mod git;
pub mod group;
pub mod haproxy;
pub mod host;
pub mod hostname;
pub mod hosts;
pub mod identity;
pub mod ini;
pub mod json_file;
mod judged_file;
pub mod kernel_module;
pub mod key_value;
pub mod limits;
pub mod line;
pub mod locale;
pub mod logrotate;
pub mod mount;
pub mod mysql;
pub mod nftables;
pub mod pacemaker;
pub mod package;
pub mod pattern;
pub mod pip;
pub mod service;
pub mod ssh_authorized_key;
mod ssh_key;
pub mod ssh_known_host;
pub mod sudo;
pub mod swap;
pub mod sysctl;
pub mod systemd_unit;
pub mod text_edit;
mod text_file;
mod text_part;
pub mod timezone;
pub mod toml_file;
#[cfg(test)]
mod trial;
pub mod user;
mod value_file;
pub mod wait;
mod whole_file;
pub mod xml_value;
pub mod yaml_file;

use std::sync::OnceLock;

use keel_engine::attributes::AttributeError;
use keel_engine::catalog::Resource;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{AnyType, Types};
use keel_engine::schema::TypeSchema;

use host::Host;

/// The table of types, in the order of the manual.
#[rustfmt::skip]
pub fn all() -> Vec<&'static dyn AnyType<Host>> {
    vec![
        &package::PackageType,
        &apt_repository::AptRepositoryType,
        &apt_pin::AptPinType,
        &debconf::DebconfType,
        &alternatives::AlternativesType,
        &pip::PipType,
        &service::ServiceType,
        &systemd_unit::SystemdUnitType,
        &file::FileType,
        &directory_tree::DirectoryTreeType,
        &line::LineType,
        &block::BlockType,
        &ini::IniType,
        &key_value::KeyValueType::NEW,
        &json_file::JsonFileType::NEW,
        &toml_file::TomlFileType::NEW,
        &yaml_file::YamlFileType::NEW,
        &xml_value::XmlValueType::NEW,
        &acl::AclType,
        &hosts::HostEntryType,
        &hostname::HostnameType,
        &timezone::TimezoneType,
        &locale::LocaleType,
        &sysctl::SysctlType,
        &kernel_module::KernelModuleType,
        &mount::MountType,
        &swap::SwapType,
        &nftables::NftablesType,
        &limits::LimitsType,
        &logrotate::LogrotateType,
        &user::UserType,
        &group::GroupType,
        &sudo::SudoType,
        &certificate::CertificateType,
        &ssh_authorized_key::AuthorizedKeyType,
        &ssh_known_host::KnownHostType,
        &exec::ExecType,
        &cron::CronType,
        &git::GitType,
        &archive::ArchiveType,
        &wait::WaitType,
        &mysql::variable::VariableType,
        &mysql::plugin::PluginType,
        &mysql::database::DatabaseType,
        &mysql::user::UserType,
        &mysql::grant::GrantType,
        &mysql::replication::ReplicationType,
        &mysql::query_check::QueryCheckType,
        &galera::GaleraClusterType,
        &haproxy::HaproxyServerType,
        &pacemaker::property::TYPE,
        &pacemaker::rsc_default::TYPE,
        &pacemaker::op_default::TYPE,
        &pacemaker::node::TYPE,
        &pacemaker::node_attribute::TYPE,
        &pacemaker::template::TYPE,
        &pacemaker::primitive::TYPE,
        &pacemaker::group::TYPE,
        &pacemaker::clone::TYPE,
        &pacemaker::bundle::TYPE,
        &pacemaker::location::TYPE,
        &pacemaker::colocation::TYPE,
        &pacemaker::order::TYPE,
        &pacemaker::ticket::TYPE,
        &pacemaker::fencing_topology::TYPE,
        &pacemaker::acl::TYPE,
        &pacemaker::tag::TYPE,
        &pacemaker::alert::TYPE,
    ]
}

/// The types as the compiler sees them.
pub struct Declared {
    types: Vec<&'static dyn AnyType<Host>>,
    schemas: Vec<TypeSchema>,
}

/// The declarations of all types, made once.
pub fn declared() -> &'static Declared {
    static DECLARED: OnceLock<Declared> = OnceLock::new();
    DECLARED.get_or_init(|| {
        let types = all();
        let schemas = types.iter().map(|kind| kind.schema()).collect();
        Declared { types, schemas }
    })
}

impl Types for Declared {
    fn can_purge(&self, type_name: &str) -> bool {
        self.types.iter().any(|kind| kind.schema().name == type_name && kind.removable().is_some())
    }

    fn is_of_cluster(&self, type_name: &str) -> bool {
        let position = self.schemas.iter().position(|schema| schema.name == type_name);
        position.and_then(|position| self.types.get(position)).is_some_and(|kind| kind.nature().of_cluster)
    }

    fn schemas(&self) -> &[TypeSchema] {
        &self.schemas
    }

    fn check(&self, resource: &Resource) -> Result<Footprint, Vec<AttributeError>> {
        let position = self.schemas.iter().position(|schema| *schema.name == *resource.address.type_name);
        match position {
            Some(position) => self.types[position].check(resource),
            None => Err(vec![AttributeError::new("", "is of a type that does not exist")]),
        }
    }
}
