//! Finds groups of equal standing that give one variable of one host different values.

use super::{Group, HostSet, Inventory};
use crate::codes;
use crate::config::{MergeRule, SiteConfig};
use crate::diagnostic::Diagnostic;
use crate::toml_reader::{Node, Tree};

/// Reports each disagreement once, with the first of its hosts.
pub(super) fn check(inventory: &Inventory, config: &SiteConfig, out: &mut Vec<Diagnostic>) {
    let mut names: Vec<&String> = inventory.setters.keys().collect();
    names.sort();
    for name in names {
        let setters: Vec<&Group> = inventory.setters(name).collect();
        for (position, group) in setters.iter().enumerate() {
            let stronger = setters.get(position + 1..).unwrap_or_default();
            for other in stronger.iter().take_while(|other| (other.tier, other.priority) == (group.tier, group.priority)) {
                let mut both = group.hosts.intersection(&other.hosts);
                if both.is_empty() {
                    continue;
                }
                let (Some(first), Some(second)) = (group.vars.get(name), other.vars.get(name)) else { continue };
                let mut found = Vec::new();
                differences(config, name.clone(), &first.node, &second.node, &mut found);
                for difference in found {
                    both.remove(&decided(inventory, group, &difference.path));
                    if !both.is_empty() {
                        out.push(report(inventory, [group, other], &difference, &both));
                    }
                }
            }
        }
    }
}

struct Difference<'a> {
    path: String,
    first: &'a Node,
    second: &'a Node,
}

/// The places in which two values of one variable disagree; where tables are merged, key by key.
fn differences<'a>(config: &SiteConfig, path: String, first: &'a Node, second: &'a Node, found: &mut Vec<Difference<'a>>) {
    if first.to_value() == second.to_value() {
        return;
    }
    match (merge_rule(config, &path), &first.tree, &second.tree) {
        (Some(MergeRule::ListUnique), _, _) => {}
        (Some(_), Tree::Table(table), Tree::Table(other)) => {
            for (key, entry) in table {
                if let Some(counterpart) = other.get(key) {
                    differences(config, format!("{path}.{key}"), &entry.node, &counterpart.node, found);
                }
            }
        }
        _ => found.push(Difference { path, first, second }),
    }
}

/// The rule that holds for a path: its own, or `deep` of something it lies in.
pub(crate) fn merge_rule(config: &SiteConfig, path: &str) -> Option<MergeRule> {
    if let Some(rule) = config.merge.get(path) {
        return Some(*rule);
    }
    let (parent, _) = path.rsplit_once('.')?;
    (merge_rule(config, parent) == Some(MergeRule::Deep)).then_some(MergeRule::Deep)
}

/// The hosts for which something stronger than a group's standing settles a path.
fn decided(inventory: &Inventory, group: &Group, path: &str) -> HostSet {
    let mut keys = path.split('.');
    let Some(name) = keys.next() else { return HostSet::default() };
    let sets = |vars: &crate::toml_reader::Table| {
        let mut node = vars.get(name).map(|entry| &entry.node);
        for key in keys.clone() {
            node = match node.map(|node| &node.tree) {
                Some(Tree::Table(table)) => table.get(key).map(|entry| &entry.node),
                _ => None,
            };
        }
        node.is_some()
    };
    let mut hosts: HostSet = inventory.hosts.values().enumerate().filter(|(_, host)| sets(&host.vars)).map(|(id, _)| id).collect();
    for stronger in inventory.setters(name).filter(|other| (other.tier, other.priority) > (group.tier, group.priority)) {
        if sets(&stronger.vars) {
            hosts.add(&stronger.hosts);
        }
    }
    hosts
}

fn report(inventory: &Inventory, groups: [&Group; 2], difference: &Difference<'_>, hosts: &HostSet) -> Diagnostic {
    let [first, second] = groups;
    let host = hosts.iter().next().and_then(|id| inventory.host_at(id)).map(|host| host.name.to_string()).unwrap_or_default();
    let others = match hosts.len() {
        0 | 1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    let message = format!(
        "groups `{}` and `{}` disagree on `{}` for host {host}{others}: both are of tier {}, priority {}",
        first.name, second.name, difference.path, first.tier_name, first.priority
    );
    Diagnostic::error(codes::GROUP_CONFLICT, message)
        .at(&first.source.path, difference.first.span.clone(), format!("`{}` says this", first.name))
        .at(&second.source.path, difference.second.span.clone(), format!("`{}` says this", second.name))
        .help("give one of the groups a higher `priority`, or set the variable where it is stronger, for instance at the host")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn check_site(keel: &str, hosts: &str, groups: &[(&str, &str)]) -> Vec<String> {
        let mut files = MemoryFiles::new([("inventory/hosts.toml", hosts)]);
        for (name, text) in groups {
            files.insert(&format!("inventory/groups/{name}.toml"), text.as_bytes());
        }
        let mut out = Vec::new();
        let config = SiteConfig::parse("keel.toml", keel, &mut out);
        let mut inventory = Inventory::load(&files, &config, &mut out);
        inventory.settle(&config, |_, _, _| HostSet::default(), &mut out);
        out.retain(Diagnostic::is_error);
        assert!(out.iter().all(|diagnostic| diagnostic.code == codes::GROUP_CONFLICT && diagnostic.labels.len() == 2), "{out:?}");
        out.into_iter().map(|diagnostic| diagnostic.message).collect()
    }

    const A: &str = "tier = 'set'\nmembers = ['h*']\nvars = { port = 1, t = { x = 1, y = 2 } }\n";
    const B: &str = "tier = 'set'\nmembers = ['h-1', 'h-2']\nvars = { port = 2, t = { x = 9, z = 3 } }\n";

    #[test]
    fn equal_standing_and_different_values_are_an_error() {
        let found = check_site("[merge]\nt = 'shallow'\n", "[hosts.h-1]\n[hosts.h-2]\n[hosts.h-3]\n", &[("a", A), ("b", B)]);
        assert_eq!(
            found,
            [
                "groups `a` and `b` disagree on `port` for host h-1 and 1 more: both are of tier set, priority 0",
                "groups `a` and `b` disagree on `t.x` for host h-1 and 1 more: both are of tier set, priority 0",
            ]
        );
    }

    #[test]
    fn no_error_where_it_does_not_matter() {
        let decided = "[hosts.h-1]\nvars = { port = 5, t = { } }\n";
        assert_eq!(check_site("", decided, &[("a", A), ("b", B)]), [] as [String; 0], "the host decides");
        let custom = ("c", "tier = 'custom'\nmembers = ['h-1']\nvars = { port = 5, t = 1 }\n");
        assert_eq!(check_site("", "[hosts.h-1]\n", &[("a", A), ("b", B), custom]), [] as [String; 0], "a stronger tier decides");
        assert_eq!(check_site("", "[hosts.h-3]\n[hosts.h-4]\n", &[("a", A)]), [] as [String; 0], "nobody is in both");
        assert_eq!(check_site("", "[hosts.h-1]\n", &[("a", A), ("b", &B.replace("tier", "priority = 1\ntier"))]), [] as [String; 0]);
    }
}
