//! Every resource type of Evenkeel, and the one door to the host ([`host`]).
//!
//! A type is one file and one line in [`all`].

mod accounts;
pub mod archive;
pub mod block;
#[cfg(test)]
mod contract;
pub mod cron;
pub mod ensure;
pub mod exec;
pub mod file;
pub mod git;
pub mod group;
pub mod host;
pub mod hosts;
pub mod identity;
pub mod ini;
pub mod line;
pub mod mount;
pub mod package;
pub mod pattern;
pub mod service;
pub mod sysctl;
mod text_file;
mod text_part;
#[cfg(test)]
mod trial;
pub mod user;
pub mod wait;

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
        &service::ServiceType,
        &file::FileType,
        &line::LineType,
        &block::BlockType,
        &ini::IniType,
        &hosts::HostEntryType,
        &sysctl::SysctlType,
        &mount::MountType,
        &user::UserType,
        &group::GroupType,
        &exec::ExecType,
        &cron::CronType,
        &git::GitType,
        &archive::ArchiveType,
        &wait::WaitType,
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
