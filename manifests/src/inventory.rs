//! The inventory: hosts, the groups that hold them, and who is in which.

mod conflicts;
mod groups;
mod hosts;
mod members;
mod released;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

pub(crate) use conflicts::merge_rule;
pub use groups::{Group, MatchExpression};
pub use hosts::Host;
pub use members::HostSet;
pub(crate) use released::check_secrets_by_facts;

use crate::config::SiteConfig;
use crate::diagnostic::Diagnostic;
use crate::files::SiteFiles;

/// The group that every host is in.
pub const ALL: &str = "all";
/// How deeply groups may be nested.
pub const MAX_DEPTH: usize = 32;
/// Names that expressions find without anybody setting them.
pub const RESERVED_VARIABLES: [&str; 6] = ["host", "hosts", "groups", "facts", "inventory_hostname", "omit"];

/// Position of a host in the inventory.
pub type HostId = usize;
/// Position of a group, in the order of strength, the weakest first.
pub type GroupId = usize;

/// All hosts and groups of a site.
#[derive(Debug, Default)]
pub struct Inventory {
    hosts: IndexMap<Arc<str>, Host>,
    groups: Vec<Group>,
    group_names: HashMap<Arc<str>, GroupId>,
    /// The groups that set a variable, the weakest first.
    setters: HashMap<String, Vec<GroupId>>,
}

impl Inventory {
    /// Reads the inventory of a site. Members by `match` are still missing: see [`Inventory::settle`].
    pub fn load(files: &dyn SiteFiles, config: &SiteConfig, out: &mut Vec<Diagnostic>) -> Self {
        let hosts = hosts::load(files, out);
        let groups = groups::load(files, config, out);
        let mut inventory = Self { hosts, groups, ..Self::default() };
        inventory.index();
        members::assign(&mut inventory, out);
        inventory
    }

    /// Adds the members that `matches` finds by the groups' expressions, then checks the whole.
    /// While it runs, hosts have the groups that they are in by name only, so nothing can go in circles.
    pub fn settle(
        &mut self,
        config: &SiteConfig,
        mut matches: impl FnMut(&Self, &Group, &MatchExpression) -> HostSet,
        out: &mut Vec<Diagnostic>,
    ) {
        let found: Vec<(GroupId, HostSet)> = (0..self.groups.len())
            .filter_map(|id| {
                let group = self.groups.get(id)?;
                Some((id, matches(self, group, group.matching.as_ref()?)))
            })
            .collect();
        for (id, set) in &found {
            if let Some(group) = self.groups.get_mut(*id) {
                group.hosts.add(set);
            }
        }
        members::spread(self);
        conflicts::check(self, config, out);
    }

    /// All hosts, in the order of the files.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// How many hosts there are.
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// The host of this name with its position.
    pub fn host_id(&self, name: &str) -> Option<HostId> {
        self.hosts.get_index_of(name)
    }

    /// The host at a position.
    pub fn host_at(&self, id: HostId) -> Option<&Host> {
        self.hosts.get_index(id).map(|(_, host)| host)
    }

    /// All groups, the weakest first.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(*self.group_names.get(name)?)
    }

    /// The hosts of a group, in the order of the inventory; none if there is no such group.
    pub fn members(&self, group: &str) -> Vec<&Host> {
        self.group(group).map_or_else(Vec::new, |group| group.hosts.iter().filter_map(|id| self.host_at(id)).collect())
    }

    /// The groups that a host is in, the weakest first.
    pub fn groups_of(&self, host: &str) -> Vec<&Group> {
        let id = self.host_id(host);
        self.groups.iter().filter(|group| id.is_some_and(|id| group.hosts.contains(id))).collect()
    }

    /// The groups that set a variable, the weakest first.
    pub fn setters(&self, variable: &str) -> impl DoubleEndedIterator<Item = &Group> {
        self.setters.get(variable).into_iter().flatten().filter_map(|id| self.groups.get(*id))
    }

    /// All names of variables that any group sets.
    pub fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.setters.keys().map(String::as_str)
    }

    fn index(&mut self) {
        self.groups.sort_by(|a, b| (a.tier, a.priority, &a.name).cmp(&(b.tier, b.priority, &b.name)));
        for (id, group) in self.groups.iter().enumerate() {
            self.group_names.insert(Arc::clone(&group.name), id);
            for variable in group.vars.keys() {
                self.setters.entry(variable.clone()).or_default().push(id);
            }
        }
    }
}
