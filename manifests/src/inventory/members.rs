//! Who is in which group: sets of hosts, and how they spread along the nesting of groups.

use std::collections::HashMap;
use std::sync::Arc;

use super::{ALL, GroupId, HostId, Inventory, MAX_DEPTH};
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};

/// A set of hosts, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSet {
    words: Vec<u64>,
}

impl HostSet {
    /// Adds a host.
    pub fn insert(&mut self, host: HostId) {
        let word = host / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= 1 << (host % 64);
        }
    }

    /// Whether a host is in it.
    pub fn contains(&self, host: HostId) -> bool {
        self.words.get(host / 64).is_some_and(|bits| bits & (1 << (host % 64)) != 0)
    }

    /// Adds all hosts of another set.
    pub fn add(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (bits, more) in self.words.iter_mut().zip(&other.words) {
            *bits |= more;
        }
    }

    /// The hosts that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self { words: self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect() }
    }

    /// Takes the hosts of another set out.
    pub fn remove(&mut self, other: &Self) {
        for (bits, less) in self.words.iter_mut().zip(&other.words) {
            *bits &= !less;
        }
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|bits| *bits == 0)
    }

    /// How many hosts are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// The hosts, in the order of the inventory.
    pub fn iter(&self) -> impl Iterator<Item = HostId> {
        let bits_of = |(word, bits): (usize, &u64)| {
            let bits = *bits;
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word * 64 + bit)
        };
        self.words.iter().enumerate().filter(|(_, bits)| **bits != 0).flat_map(bits_of)
    }
}

impl FromIterator<HostId> for HostSet {
    fn from_iter<T: IntoIterator<Item = HostId>>(hosts: T) -> Self {
        let mut set = Self::default();
        hosts.into_iter().for_each(|host| set.insert(host));
        set
    }
}

/// Puts hosts into the groups that name them or that they name, and checks the nesting.
pub(super) fn assign(inventory: &mut Inventory, out: &mut Vec<Diagnostic>) {
    let mut named: Vec<HostSet> = vec![HostSet::default(); inventory.groups.len()];
    for (host_id, host) in inventory.hosts.values().enumerate() {
        for (name, span) in &host.named_groups {
            match inventory.group_names.get(name.as_str()).and_then(|group| named.get_mut(*group)) {
                Some(set) => set.insert(host_id),
                None => out.push(unknown_group(inventory, name).at(&host.place.source.path, span.clone(), "no such group")),
            }
        }
    }
    for (group, set) in inventory.groups.iter().zip(&mut named) {
        if &*group.name == ALL {
            (0..inventory.hosts.len()).for_each(|host| set.insert(host));
        }
        for (pattern, span) in &group.members {
            let mut hosts = HostSet::default();
            match pattern.literal() {
                Some(name) => hosts.extend_by(inventory.host_id(name)),
                None => {
                    let matching = inventory.hosts.keys().enumerate().filter(|(_, name)| pattern.matches(name));
                    hosts = matching.map(|(host, _)| host).collect();
                }
            }
            if hosts.is_empty() {
                let message = format!("no host is called `{}`", pattern.as_str());
                let mut diagnostic = Diagnostic::warning(codes::EMPTY_PATTERN, message).at(&group.source.path, span.clone(), "this member");
                diagnostic.help.extend(did_you_mean(pattern.as_str(), inventory.hosts.keys().map(|name| &**name)));
                out.push(diagnostic);
            }
            set.add(&hosts);
        }
        for (child, span) in &group.children {
            if inventory.group(child).is_none() {
                out.push(unknown_group(inventory, child).at(&group.source.path, span.clone(), "no such group"));
            }
        }
    }
    for (group, set) in inventory.groups.iter_mut().zip(named) {
        group.hosts = set;
    }
    check_nesting(inventory, out);
    spread(inventory);
}

impl HostSet {
    fn extend_by(&mut self, host: Option<HostId>) {
        if let Some(host) = host {
            self.insert(host);
        }
    }
}

fn unknown_group(inventory: &Inventory, name: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(codes::UNKNOWN_GROUP, format!("unknown group `{name}`"));
    diagnostic.help.extend(did_you_mean(name, inventory.group_names.keys().map(|known| &**known)));
    diagnostic.help(format!("a group is a file, `inventory/groups/{name}.toml`"))
}

/// Reports circles and too deep nesting, and cuts them so that the rest can be checked.
fn check_nesting(inventory: &mut Inventory, out: &mut Vec<Diagnostic>) {
    let mut depths: HashMap<GroupId, usize> = HashMap::new();
    let mut cuts: Vec<(GroupId, String)> = Vec::new();
    for start in 0..inventory.groups.len() {
        let mut path = Vec::new();
        descend(inventory, start, &mut path, &mut depths, &mut cuts, out);
    }
    for (id, child) in cuts {
        if let Some(group) = inventory.groups.get_mut(id) {
            group.children.retain(|(name, _)| *name != child);
        }
    }
}

/// The depth of the nesting below a group. Recursion ends at [`MAX_DEPTH`].
fn descend(
    inventory: &Inventory,
    id: GroupId,
    path: &mut Vec<GroupId>,
    depths: &mut HashMap<GroupId, usize>,
    cuts: &mut Vec<(GroupId, String)>,
    out: &mut Vec<Diagnostic>,
) -> usize {
    if let Some(depth) = depths.get(&id) {
        return *depth;
    }
    let Some(group) = inventory.groups.get(id) else { return 0 };
    path.push(id);
    let mut depth = 1;
    for (child, span) in &group.children {
        let Some(child_id) = inventory.group_names.get(child.as_str()).copied() else { continue };
        let label = |diagnostic: Diagnostic| diagnostic.at(&group.source.path, span.clone(), "from here");
        if let Some(start) = path.iter().position(|passed| *passed == child_id) {
            let names = path.iter().skip(start).chain([&child_id]).filter_map(|id| inventory.groups.get(*id));
            let circle: Vec<&str> = names.map(|group| &*group.name).collect();
            let message = format!("groups contain each other: {}", circle.join(" -> "));
            out.push(label(Diagnostic::error(codes::GROUP_CYCLE, message)).help("remove one of these from the other's `groups`"));
            cuts.push((id, child.clone()));
        } else if path.len() >= MAX_DEPTH {
            out.push(label(Diagnostic::error(codes::GROUP_DEPTH, format!("groups are nested more than {MAX_DEPTH} levels deep"))));
            cuts.push((id, child.clone()));
        } else {
            let below = descend(inventory, child_id, path, depths, cuts, out);
            depth = depth.max(below + 1);
            if path.len() + below > MAX_DEPTH {
                out.push(label(Diagnostic::error(codes::GROUP_DEPTH, format!("groups are nested more than {MAX_DEPTH} levels deep"))));
            }
        }
    }
    path.pop();
    depths.insert(id, depth);
    depth
}

/// Puts the hosts of children into their parents, whatever the nesting.
pub(super) fn spread(inventory: &mut Inventory) {
    let mut done = vec![false; inventory.groups.len()];
    for id in 0..inventory.groups.len() {
        gather(inventory, id, &mut done);
    }
}

fn gather(inventory: &mut Inventory, id: GroupId, done: &mut [bool]) {
    match done.get_mut(id) {
        Some(state) if !*state => *state = true,
        _ => return,
    }
    let children: Vec<Arc<str>> =
        inventory.groups.get(id).map_or_else(Vec::new, |group| group.children.iter().map(|(child, _)| Arc::from(child.as_str())).collect());
    for child in children {
        let Some(child_id) = inventory.group_names.get(&child).copied() else { continue };
        gather(inventory, child_id, done);
        let set = inventory.groups.get(child_id).map(|child| child.hosts.clone()).unwrap_or_default();
        if let Some(group) = inventory.groups.get_mut(id) {
            group.hosts.add(&set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SiteConfig;
    use crate::files::MemoryFiles;

    fn load(files: &MemoryFiles) -> (Inventory, Vec<Diagnostic>) {
        let mut out = Vec::new();
        let inventory = Inventory::load(files, &SiteConfig::default(), &mut out);
        (inventory, out)
    }

    fn names(inventory: &Inventory, group: &str) -> Vec<String> {
        inventory.members(group).iter().map(|host| host.name.to_string()).collect()
    }

    #[test]
    fn hosts_are_in_groups_by_name_by_pattern_and_by_nesting() {
        let files = MemoryFiles::new([
            ("inventory/hosts.toml", "[hosts.db-2]\n[hosts.db-1]\n[hosts.web-1]\ngroups = ['lb']\n"),
            ("inventory/groups/db.toml", "members = ['db-*']\n"),
            ("inventory/groups/lb.toml", ""),
            ("inventory/groups/site.toml", "groups = ['db', 'lb']\n"),
        ]);
        let (inventory, out) = load(&files);
        assert_eq!(out, []);
        assert_eq!(names(&inventory, "db"), ["db-2", "db-1"]);
        assert_eq!(names(&inventory, "lb"), ["web-1"]);
        assert_eq!(names(&inventory, "site"), ["db-2", "db-1", "web-1"]);
        assert_eq!(names(&inventory, "all").len(), 3);
        let groups: Vec<_> = inventory.groups_of("web-1").iter().map(|group| group.name.to_string()).collect();
        assert_eq!(groups, ["all", "lb", "site"]);
    }

    #[test]
    fn unknown_groups_circles_and_depth_are_errors() {
        let mut files = MemoryFiles::new([
            ("inventory/hosts.toml", "[hosts.a]\ngroups = ['dd']\n"),
            ("inventory/groups/db.toml", "groups = ['x']\n"),
            ("inventory/groups/x.toml", "groups = ['db']\nmembers = ['nobody']\n"),
        ]);
        let (_, out) = load(&files);
        let codes: Vec<_> = out.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, [codes::UNKNOWN_GROUP, codes::EMPTY_PATTERN, codes::GROUP_CYCLE]);
        assert_eq!(out[2].message, "groups contain each other: db -> x -> db");
        assert_eq!(out[0].help[0], "did you mean `db`?");

        files = MemoryFiles::new([("inventory/hosts.toml", "[hosts.a]\n")]);
        for level in 0..33 {
            files.insert(&format!("inventory/groups/g{level:02}.toml"), format!("groups = ['g{:02}']", level + 1).as_bytes());
        }
        files.insert("inventory/groups/g33.toml", b"");
        let (_, out) = load(&files);
        assert_eq!(out.iter().filter(|diagnostic| diagnostic.code == codes::GROUP_DEPTH).count(), 1, "{out:?}");
    }
}
