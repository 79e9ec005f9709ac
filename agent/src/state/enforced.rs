//! What was last enforced on this host, as short hashes: tells drift from intent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Resource};
use keel_engine::ledger::{Enforced, attribute_hash};
use keel_engine::report::{Outcome, ResourceReport};
use serde::{Deserialize, Serialize};

use super::{State, read_if_there, replace};

/// A hash for every attribute of every resource that was enforced.
type Attributes = BTreeMap<String, u64>;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Table {
    resources: BTreeMap<Address, Attributes>,
}

/// The table on disk. It is read when the first change asks for it: most runs never do.
pub struct EnforcedFile {
    path: PathBuf,
    table: OnceLock<Table>,
}

impl EnforcedFile {
    /// The table of a host.
    pub fn of(state: &State) -> Self {
        Self { path: state.kept.join("enforced.bin"), table: OnceLock::new() }
    }

    fn table(&self) -> &Table {
        // A table that cannot be read only makes drift look new; that is no reason to stop a run.
        self.table.get_or_init(|| {
            let bytes = read_if_there(&self.path).ok().flatten().unwrap_or_default();
            postcard::from_bytes(&bytes).unwrap_or_default()
        })
    }

    /// Takes in what a run enforced.
    ///
    /// # Errors
    /// Names the file and says why it cannot be written.
    pub fn update(&mut self, catalog: &Catalog, reports: &[ResourceReport]) -> Result<(), String> {
        let mut table = Table { resources: self.table().resources.clone() };
        let declared: BTreeMap<&Address, &Resource> = catalog.resources.iter().map(|resource| (&resource.address, resource)).collect();
        table.resources.retain(|address, _| declared.contains_key(address));
        for report in reports {
            let Some(resource) = declared.get(&report.address) else { continue };
            let enforced = matches!(report.outcome, Outcome::Unchanged | Outcome::Changed);
            if enforced && !resource.noop {
                table.resources.insert(report.address.clone(), hashes(resource));
            }
        }
        let bytes = postcard::to_stdvec(&table).map_err(|error| error.to_string())?;
        replace(&self.path, &bytes)?;
        self.table = OnceLock::from(table);
        Ok(())
    }
}

fn hashes(resource: &Resource) -> Attributes {
    resource.attributes.iter().map(|(name, value)| (name.clone(), attribute_hash(Some(value)))).collect()
}

impl Enforced for EnforcedFile {
    fn last(&self, address: &Address, attribute: &str) -> Option<u64> {
        self.table().resources.get(address)?.get(attribute).copied()
    }

    fn knows(&self, address: &Address) -> bool {
        self.table().resources.contains_key(address)
    }

    fn is_same(&self, resource: &Resource) -> bool {
        self.table().resources.get(&resource.address) == Some(&hashes(resource))
    }
}
