//! The part of a catalog that can be tried in a scratch folder: what is all in files. The places of the other
//! resources stay in the graph, so that what came before them still comes before what came after them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Container, Node, Relation, Resource};
use keel_engine::footprint::Footprint;
use keel_engine::graph::Graph;
use keel_engine::resource::Types;
use keel_engine::secret::SealedPart;
use keel_engine::value::Value;

/// What does not take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What it is.
    pub address: Address,
    /// Why.
    pub why: String,
}

/// A catalog of file-level resources.
#[derive(Debug, Clone)]
pub struct FilePart {
    /// The catalog.
    pub catalog: Catalog,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// The files that are tables for its resources.
    pub tables: BTreeSet<String>,
    /// The positions of its resources in the host's catalog.
    positions: Vec<usize>,
    footprints: Vec<Footprint>,
}

/// The files that are tables for a catalog's resources, as their types say.
fn tables(catalog: &Catalog) -> BTreeSet<String> {
    let types: BTreeMap<&str, _> = keel_resources::all().into_iter().map(|kind| (kind.schema().name, kind)).collect();
    let table = |resource: &Resource| types.get(&*resource.address.type_name)?.table(resource);
    catalog.resources.iter().filter_map(table).collect()
}

/// The attribute with a command that looks at a candidate; in a scratch folder there are no commands.
const VALIDATE: &str = "validate";

impl FilePart {
    /// What of a host's catalog can be tried.
    pub fn of(catalog: &Catalog) -> Self {
        let file_level: BTreeSet<&str> =
            keel_resources::all().into_iter().filter(|kind| kind.nature().file_level).map(|kind| kind.schema().name).collect();
        let mut whole = catalog.clone();
        whole.gates.clear();
        whole.prune.clear();
        whole.purge.clear();
        whole.schedules.clear();
        whole.guards.clear();
        let mut out = BTreeMap::new();
        for (position, resource) in whole.resources.iter_mut().enumerate() {
            resource.schedule = None;
            resource.guard = None;
            let why = if !file_level.contains(&*resource.address.type_name) {
                Some(format!("a `{}` is more than files", resource.address.type_name))
            } else if resource.noop {
                Some("it is `noop`".to_owned())
            } else {
                simplify(resource);
                keel_resources::declared().check(resource).err().map(|_| "it needs a secret as such".to_owned())
            };
            out.extend(why.map(|why| (position, why)));
        }
        let positions = (0..whole.resources.len()).collect();
        Self { catalog: whole, left_out: Vec::new(), tables: BTreeSet::new(), positions, footprints: Vec::new() }
            .without(out.into_iter().collect())
    }

    /// The same without some resources, with why.
    pub fn without(self, out: Vec<(usize, String)>) -> Self {
        let out: BTreeMap<usize, String> = out.into_iter().collect();
        let mut left_out = self.left_out;
        let mut catalog = self.catalog;
        let mut nodes = Vec::new();
        let (mut kept, mut positions) = (Vec::new(), Vec::new());
        for (position, resource) in std::mem::take(&mut catalog.resources).into_iter().enumerate() {
            match out.get(&position) {
                None => {
                    nodes.push(Node::Resource(kept.len()));
                    positions.extend(self.positions.get(position));
                    kept.push(resource);
                }
                Some(why) => {
                    // An empty container holds its place among the relations.
                    nodes.push(Node::Container(catalog.containers.len()));
                    catalog.containers.push(Container {
                        address: resource.address.clone(),
                        parent: resource.container,
                        origin: resource.origin,
                    });
                    left_out.push(LeftOut { address: resource.address, why: why.clone() });
                }
            }
        }
        let place = |node: Node| match node {
            Node::Resource(position) => nodes.get(position).copied().unwrap_or(node),
            Node::Container(_) => node,
        };
        catalog.resources = kept;
        catalog.relations = catalog
            .relations
            .into_iter()
            .map(|relation| Relation { first: place(relation.first), then: place(relation.then), notify: None, ..relation })
            .collect();
        let types = keel_resources::declared();
        let footprints = catalog.resources.iter().map(|resource| types.check(resource).unwrap_or_default()).collect();
        let tables = tables(&catalog);
        Self { catalog, left_out, tables, positions, footprints }
    }

    /// The order in which one worker would apply it.
    pub fn order(&self) -> Vec<usize> {
        Graph::build(&self.catalog, &self.footprints).map(|graph| graph.order().to_vec()).unwrap_or_default()
    }

    /// The position of a resource in the host's catalog.
    pub fn position(&self, position: usize) -> Option<usize> {
        self.positions.get(position).copied()
    }

    /// Who writes one of these paths or a part of it, by position in the host's catalog.
    pub fn writers_of(&self, paths: &[&str]) -> Vec<usize> {
        let writes = |footprint: &Footprint| {
            let keys = footprint.provides.iter().chain(&footprint.writes).chain(&footprint.needs);
            let own = keys
                .filter_map(|key| key.strip_prefix("path:").or_else(|| key.strip_prefix("text:")).or_else(|| key.strip_prefix("file:")));
            own.map(|key| key.split('#').next().unwrap_or(key)).any(|key| paths.contains(&key))
        };
        let found = self.footprints.iter().zip(&self.positions).filter(|(footprint, _)| writes(footprint));
        found.map(|(_, position)| *position).collect()
    }

    /// Puts into a root what somebody else would have brought: the folders around files, the files that are only
    /// edited, and the accounts, which are all the caller's own.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn furnish(&self, root: &Path) -> std::io::Result<()> {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        let provided: BTreeSet<&str> = self.footprints.iter().flat_map(|footprint| &footprint.provides).map(String::as_str).collect();
        let needs = || self.footprints.iter().flat_map(|footprint| &footprint.needs).filter(|key| !provided.contains(key.as_str()));
        let edited: BTreeSet<&str> = self.footprints.iter().flat_map(edited_files).collect();
        for folder in ["etc", "var", "usr", "run"] {
            fs::create_dir_all(root.join(folder))?;
        }
        for path in needs().filter_map(|key| key.strip_prefix("path:")).filter(|path| !edited.contains(path)) {
            fs::create_dir_all(at(path))?;
        }
        for path in &edited {
            if let Some(folder) = at(path).parent().filter(|_| !provided.contains(format!("path:{path}").as_str())) {
                fs::create_dir_all(folder)?;
            }
        }
        for path in edited
            .iter()
            .filter(|path| !provided.contains(format!("text:{path}").as_str()) && !provided.contains(format!("path:{path}").as_str()))
        {
            fs::write(at(path), "")?;
        }
        let names = |prefix: &str| -> BTreeSet<String> {
            let named = needs().filter_map(|key| key.strip_prefix(prefix)).map(str::to_owned);
            named.chain(std::iter::once("root".to_owned())).collect()
        };
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let users: String = names("user:").iter().map(|name| format!("{name}:x:{uid}:{gid}::/:/bin/sh\n")).collect();
        let groups: String = names("group:").iter().map(|name| format!("{name}:x:{gid}:\n")).collect();
        fs::write(root.join("etc/passwd"), users)?;
        fs::write(root.join("etc/group"), groups)
    }
}

/// The files that a resource keeps a part of.
fn edited_files(footprint: &Footprint) -> impl Iterator<Item = &str> {
    let texts = footprint.needs.iter().chain(&footprint.provides).filter_map(|key| key.strip_prefix("text:"));
    let parts = footprint.writes.iter().filter_map(|key| key.strip_prefix("path:")?.split_once('#').map(|(path, _)| path));
    texts.chain(parts)
}

/// Takes out what needs more than a folder: commands that look at candidates, and secrets, for which their names do.
fn simplify(resource: &mut Resource) {
    let special = |value: &Value| value.has_secret();
    if !resource.attributes.contains_key(VALIDATE) && !resource.attributes.values().any(special) {
        return;
    }
    let mut attributes = (*resource.attributes).clone();
    attributes.shift_remove(VALIDATE);
    attributes.values_mut().for_each(open);
    resource.attributes = attributes.into();
}

fn open(value: &mut Value) {
    match value {
        Value::Sealed(sealed) => {
            let part = |part: &SealedPart| match part {
                SealedPart::Text(text) => text.clone(),
                SealedPart::Secret(secret) => format!("secret-{}", secret.path),
            };
            *value = Value::String(sealed.parts.iter().map(part).collect());
        }
        Value::List(items) => items.iter_mut().for_each(open),
        Value::Map(map) => map.values_mut().for_each(open),
        _ => {}
    }
}
