//! Purge: what is on a host and no resource declares is removed, where a manifest asks for that.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Address;
use crate::catalog::{Catalog, Node, PurgeRule, Relation, RelationWord, Resource};
use crate::footprint::Footprint;
use crate::glob;
use crate::resource::Described;
use crate::value::{Map, Value};

/// The tag that removals of a purge carry, for `--only` and `--skip`.
pub const PURGE_TAG: &str = "purge";

/// What the resources of a catalog decide, and what they cannot do without.
#[derive(Debug, Default)]
pub struct Declared<'a> {
    keys: BTreeSet<&'a str>,
    /// Files of which resources write parts, with the types that do.
    parts: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Declared<'a> {
    /// What these resources declare, each with its footprint.
    pub fn of(resources: &'a [Resource], footprints: &'a [Footprint]) -> Self {
        let mut declared = Self::default();
        for (resource, footprint) in resources.iter().zip(footprints) {
            // A path that is needed may well be anybody's; an account may not go as long as it is needed.
            let needs = footprint.needs.iter().filter(|key| !key.starts_with("path:"));
            for key in footprint.writes.iter().chain(needs) {
                match key.split_once('#') {
                    Some((file, _)) if file.starts_with("path:") => {
                        declared.parts.entry(file).or_default().insert(&resource.address.type_name);
                        declared.keys.insert(key);
                    }
                    _ => {
                        declared.keys.insert(key);
                    }
                }
            }
        }
        declared
    }

    /// Whether a thing of this type and footprint is declared, or needed, or lies in what is declared.
    pub fn holds(&self, type_name: &str, thing: &Footprint) -> bool {
        thing.writes.iter().any(|key| self.has(type_name, key))
    }

    fn has(&self, type_name: &str, key: &str) -> bool {
        if self.keys.contains(key) {
            return true;
        }
        let Some(path) = key.strip_prefix("path:") else { return false };
        let (path, is_part) = path.split_once('#').map_or((path, false), |(file, _)| (file, true));
        // Whose line of a file another type wrote cannot be told.
        let types = self.parts.get(&*format!("path:{path}"));
        if types.is_some_and(|types| !is_part || types.iter().any(|other| *other != type_name)) {
            return true;
        }
        let upward = std::iter::successors(Some(path), |path| path.rfind('/').filter(|at| *at > 0).and_then(|at| path.get(..at)));
        self.keys.contains(&*format!("file:{path}")) || upward.into_iter().any(|path| self.keys.contains(&*format!("path:{path}")))
    }
}

/// The thing as a resource, which stands where the rule stands. `taken` has the addresses of all others.
pub fn resource(rule: &PurgeRule, title_attribute: &str, thing: Described, taken: &mut BTreeSet<Address>) -> Resource {
    let numbered = |number: usize| if number == 1 { thing.title.clone() } else { format!("{} {number}", thing.title) };
    let addresses = (1..).map(|number| Address::new(&*rule.type_name, &*numbered(number)));
    let address = addresses.into_iter().find(|address| !taken.contains(address)).unwrap_or_else(|| Address::new(&*rule.type_name, ""));
    taken.insert(address.clone());
    let mut attributes: Map = thing.attributes;
    if *address.title != *thing.title && !attributes.contains_key(title_attribute) {
        attributes.insert(title_attribute.to_owned(), Value::from(thing.title.as_str()));
    }
    let tags = rule.tags.iter().cloned().chain([PURGE_TAG.to_owned()]).collect();
    let (noop, schedule) = (rule.noop, rule.schedule.clone());
    Resource { address, attributes: attributes.into(), origin: rule.origin, container: None, tags, noop, schedule, guard: None }
}

/// Whether a rule lets a thing of this name stay.
pub fn is_kept(rule: &PurgeRule, name: &str) -> bool {
    rule.keep.iter().any(|pattern| glob::matches(pattern, name))
}

/// Adds removals behind everything else. Nothing of a type is removed before all that is declared of it is
/// there, and what another removal needs goes after it: a user after the jobs in the user's crontab.
pub fn append(catalog: &mut Catalog, removals: Vec<(Resource, Footprint)>) {
    let declared_count = catalog.resources.len();
    let mut writers: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, (_, footprint)) in removals.iter().enumerate() {
        writers.extend(footprint.writes.iter().map(|key| (key.as_str(), declared_count + position)));
    }
    let mut relations = Vec::new();
    for (position, (resource, footprint)) in removals.iter().enumerate() {
        let position = declared_count + position;
        let mut relate = |first: usize, then: usize| {
            let (first, then) = (Node::Resource(first), Node::Resource(then));
            relations.push(Relation { first, then, notify: None, word: RelationWord::Before, origin: resource.origin });
        };
        let same_type = |declared: &Resource| declared.address.type_name == resource.address.type_name;
        for (declared, _) in catalog.resources.iter().enumerate().filter(|(_, declared)| same_type(declared)) {
            relate(declared, position);
        }
        let needed: BTreeSet<usize> = footprint.needs.iter().filter_map(|key| writers.get(key.as_str()).copied()).collect();
        needed.into_iter().filter(|needed| *needed != position).for_each(|needed| relate(position, needed));
    }
    catalog.relations.extend(relations);
    catalog.resources.extend(removals.into_iter().map(|(resource, _)| resource));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Origin;
    use crate::graph::Graph;

    fn rule(keep: &[&str]) -> PurgeRule {
        let keep = keep.iter().map(|name| (*name).to_owned()).collect();
        PurgeRule { type_name: "user".to_owned(), max: 5, keep, tags: vec![], noop: false, schedule: None, origin: Origin::default() }
    }

    fn thing(title: &str) -> Described {
        Described { title: title.to_owned(), attributes: Map::new() }
    }

    fn of_type(type_name: &str, title: &str) -> Resource {
        resource(&PurgeRule { type_name: type_name.to_owned(), ..rule(&[]) }, "name", thing(title), &mut BTreeSet::new())
    }

    #[test]
    fn what_is_declared_needed_or_inside_of_it_stays() {
        let resources = [of_type("user", "ada"), of_type("cron", "job"), of_type("line", "l"), of_type("tree", "t"), of_type("file", "f")];
        let footprints = [
            Footprint::default().own("user:ada").need("group:ada"),
            Footprint::default().own("cron:app/job").need("user:app").need("path:/etc/cron.d"),
            Footprint::default().write("path:/etc/hosts#x"),
            Footprint::default().own("path:/etc/sudoers.d"),
            Footprint::default().own("file:/etc/cron.d/one"),
        ];
        let declared = Declared::of(&resources, &footprints);
        let holds = |type_name: &str, key: &str| declared.holds(type_name, &Footprint::default().own(key));
        for (type_name, key) in [
            ("user", "user:ada"),
            ("user", "user:app"),
            ("group", "group:ada"),
            ("host", "path:/etc/hosts#web-1"),
            ("file", "path:/etc/hosts"),
            ("sudo", "path:/etc/sudoers.d/eve"),
            ("file", "path:/etc/cron.d/one"),
        ] {
            assert!(holds(type_name, key), "{key}");
        }
        for (type_name, key) in
            [("user", "user:eve"), ("line", "path:/etc/hosts#y"), ("file", "path:/etc/cron.d"), ("sudo", "path:/etc/sudoers.dd/eve")]
        {
            assert!(!holds(type_name, key), "{key}");
        }
    }

    #[test]
    fn names_to_keep_are_patterns_and_titles_stay_unique() {
        assert!(is_kept(&rule(&["ada", "svc-*"]), "svc-backup") && !is_kept(&rule(&["ada"]), "adam"));
        let mut taken = BTreeSet::from([Address::new("user", "eve")]);
        let second = resource(&rule(&[]), "name", thing("eve"), &mut taken);
        assert_eq!(&*second.address.title, "eve 2");
        assert_eq!(second.attributes.get("name"), Some(&Value::from("eve")));
        assert_eq!(&*resource(&rule(&[]), "name", thing("eve"), &mut taken).address.title, "eve 3");
    }

    #[test]
    fn a_user_goes_after_the_jobs_and_both_after_what_is_declared() {
        let mut catalog = Catalog::empty("h", "s");
        catalog.resources.push(of_type("user", "ada"));
        let user = (of_type("user", "eve"), Footprint::default().own("user:eve"));
        let job = (of_type("cron", "job"), Footprint::default().own("cron:eve/job").need("user:eve"));
        append(&mut catalog, vec![user.clone(), job.clone()]);
        let footprints = [Footprint::default().own("user:ada"), user.1, job.1];
        let graph = Graph::build(&catalog, &footprints).unwrap();
        assert_eq!(graph.order(), [0, 2, 1]);
    }

    /// Whatever is declared, nothing with its keys is undeclared, and all else is.
    #[test]
    fn every_set_of_declared_names_holds_its_own_and_no_other() {
        let names = ["a", "b", "ab", "ba", "c"];
        for set in 0..1_usize << names.len() {
            let is_in = |at: &usize| set & (1 << at) != 0;
            let declared: Vec<&str> = (0..names.len()).filter(is_in).map(|at| names[at]).collect();
            let resources: Vec<Resource> = declared.iter().map(|name| of_type("user", name)).collect();
            let footprints: Vec<Footprint> = declared.iter().map(|name| Footprint::default().own(format!("user:{name}"))).collect();
            let held = Declared::of(&resources, &footprints);
            for name in names {
                assert_eq!(held.holds("user", &Footprint::default().own(format!("user:{name}"))), declared.contains(&name), "{name} {set}");
            }
        }
    }
}
