//! What of a host's catalog counts for the cluster that it is a member of: who the members are, as its configuration
//! says, and what belongs to the cluster and not to the host.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Origin, Resource};
use keel_engine::contents::{Contents, MemoryContents};
use keel_engine::digest::Digest;
use keel_engine::value::{Map, Value};
use serde::{Deserialize, Serialize};

use crate::site::Site;

/// Where Corosync reads what its cluster is.
const COROSYNC_FILE: &str = "/etc/corosync/corosync.conf";
/// Where Galera's arbitrator does.
const ARBITRATOR_FILE: &str = "/etc/default/garb";
/// Below this the database does.
const DATABASE_FOLDER: &str = "/etc/mysql/";

/// A host's part in clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterPart {
    /// Its Corosync.
    pub corosync: Option<Corosync>,
    /// Its Galera.
    pub galera: Option<Galera>,
    /// The Galera cluster in which it only votes.
    pub arbitrates: Option<String>,
    /// What it declares of the whole cluster.
    pub shared: Vec<Shared>,
}

/// Bytes of a file of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    file: String,
    start: usize,
    end: usize,
}

/// What `corosync.conf` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corosync {
    /// The cluster's name.
    pub name: String,
    /// The members.
    pub members: Vec<Member>,
    /// Whether something else than the votes of the members decides where these are even.
    pub tie_breaker: bool,
    /// Where the file is declared.
    pub spot: Option<Spot>,
}

/// A member of a Corosync cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Option<u64>,
    /// How many votes it has.
    pub votes: u64,
}

/// What the settings of Galera say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Galera {
    /// The cluster's name.
    pub name: String,
    /// The addresses that it looks for the cluster at; none means that it begins a new one.
    pub addresses: Vec<String>,
    /// Whether members have weights of their own.
    pub weighted: bool,
    /// Where that is declared.
    pub spot: Option<Spot>,
}

/// Something of the whole cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// Its address.
    pub address: Address,
    /// The blake3 of each attribute's value.
    pub attributes: BTreeMap<String, Digest>,
    /// Where it is declared.
    pub spot: Option<Spot>,
}

impl Spot {
    fn of(site: &Site, catalog: &Catalog, origin: Origin) -> Option<Self> {
        let (file, span) = site.locate(catalog, origin)?;
        Some(Self { file: file.to_string(), start: span.start, end: span.end })
    }

    /// The file and the bytes in it.
    pub(crate) fn label(&self) -> (Arc<str>, Range<usize>) {
        (self.file.as_str().into(), self.start..self.end)
    }
}

impl ClusterPart {
    /// What a catalog says.
    pub(crate) fn of(site: &Site, catalog: &Catalog, contents: &MemoryContents) -> Self {
        let mut part = Self::default();
        let mut known: HashMap<&str, bool> = HashMap::new();
        for resource in &catalog.resources {
            let spot = || Spot::of(site, catalog, resource.origin);
            let type_name = &*resource.address.type_name;
            if *known.entry(type_name).or_insert_with(|| site.is_of_cluster(type_name)) {
                part.shared.push(Shared { address: resource.address.clone(), attributes: digests(&resource.attributes), spot: spot() });
                continue;
            }
            match type_name {
                "file" => part.add_file(resource, contents, spot),
                "ini" => {
                    let found = resource.attributes.get("section").and_then(map).and_then(galera_of_sections);
                    part.galera = found.map(|galera| Galera { spot: spot(), ..galera }).or(part.galera);
                }
                _ => {}
            }
        }
        part
    }

    fn add_file(&mut self, resource: &Resource, contents: &MemoryContents, spot: impl Fn() -> Option<Spot>) {
        let text = || text_of(resource, contents);
        match &*resource.address.title {
            COROSYNC_FILE => self.corosync = text().and_then(|text| corosync(&text)).map(|corosync| Corosync { spot: spot(), ..corosync }),
            ARBITRATOR_FILE => self.arbitrates = text().and_then(|text| settings(&text).remove("GALERA_GROUP")),
            path if path.starts_with(DATABASE_FOLDER) => {
                let galera = text().and_then(|text| galera(settings(&text)));
                self.galera = galera.map(|galera| Galera { spot: spot(), ..galera }).or(self.galera.take());
            }
            _ => {}
        }
    }
}

fn digests(attributes: &Map) -> BTreeMap<String, Digest> {
    let digest = |value: &Value| Digest::of(&postcard::to_stdvec(value).unwrap_or_default());
    attributes.iter().map(|(name, value)| (name.clone(), digest(value))).collect()
}

/// The text of a file that is given as a whole.
fn text_of(resource: &Resource, contents: &MemoryContents) -> Option<String> {
    match resource.attributes.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Blob(blob) => String::from_utf8(contents.read(blob).ok()?.to_vec()).ok(),
        _ => None,
    }
}

/// Reads `corosync.conf`: sections in braces, and lines of a key, a colon and a value.
fn corosync(text: &str) -> Option<Corosync> {
    let mut found = Corosync::default();
    let mut path: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_suffix('{') {
            path.push(section.trim().to_owned());
            match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["nodelist", "node"] => found.members.push(Member { votes: 1, ..Member::default() }),
                ["quorum", "device"] => found.tie_breaker = true,
                _ => {}
            }
        } else if line == "}" {
            path.pop();
        } else if let Some((key, value)) = line.split_once(':') {
            let (key, value) = (key.trim(), value.trim());
            match (path.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), key) {
                (["totem"], "cluster_name") => found.name = value.to_owned(),
                (["quorum"], "two_node" | "auto_tie_breaker") => found.tie_breaker |= value == "1",
                (["nodelist", "node"], _) => found.members.last_mut().into_iter().for_each(|member| member.set(key, value)),
                _ => {}
            }
        }
    }
    (!found.name.is_empty()).then_some(found)
}

impl Member {
    fn set(&mut self, key: &str, value: &str) {
        match key {
            "name" => self.name = value.to_owned(),
            // Without a name a member is known by its address.
            "ring0_addr" if self.name.is_empty() => self.name = value.to_owned(),
            "nodeid" => self.id = value.parse().ok(),
            "quorum_votes" => self.votes = value.parse().unwrap_or(1),
            _ => {}
        }
    }
}

/// The last value of each key in lines of a key, an equals sign and a value.
fn settings(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';', '[']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().replace('-', "_"), value.trim().trim_matches(['"', '\'']).to_owned())).collect()
}

fn map(value: &Value) -> Option<&Map> {
    if let Value::Map(map) = value { Some(map) } else { None }
}

fn galera_of_sections(sections: &Map) -> Option<Galera> {
    let keys = sections.values().filter_map(map).flat_map(Map::iter);
    let pairs = keys.filter_map(|(key, value)| Some((key.replace('-', "_"), value.as_str()?.to_owned())));
    galera(pairs.collect())
}

fn galera(settings: BTreeMap<String, String>) -> Option<Galera> {
    let hosts = settings.get("wsrep_cluster_address")?.strip_prefix("gcomm://")?;
    let hosts = hosts.split('?').next().unwrap_or(hosts);
    let addresses = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect();
    let name = settings.get("wsrep_cluster_name").cloned().unwrap_or_else(|| "my_wsrep_cluster".to_owned());
    let weighted = settings.get("wsrep_provider_options").is_some_and(|options| options.contains("pc.weight"));
    Some(Galera { name, addresses, weighted, spot: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corosync_says_who_its_members_are() {
        let text = "# c\ntotem {\n  version: 2\n  cluster_name: ams\n}\nnodelist {\n  node {\n    name: a\n    nodeid: 1\n    ring0_addr: 10.0.0.1\n  }\n  \
                    node {\n    ring0_addr: 10.0.0.2\n    nodeid: 7\n    quorum_votes: 3\n  }\n}\nquorum {\n  provider: corosync_votequorum\n}\n";
        let found = corosync(text).unwrap();
        let members: Vec<_> = found.members.iter().map(|member| (member.name.as_str(), member.id, member.votes)).collect();
        assert_eq!((found.name.as_str(), found.tie_breaker), ("ams", false));
        assert_eq!(members, [("a", Some(1), 1), ("10.0.0.2", Some(7), 3)]);
        assert!(corosync(&text.replace("corosync_votequorum", "x\n  two_node: 1")).unwrap().tie_breaker);
        assert!(corosync(&text.replace("  provider: corosync_votequorum", "  device {\n    model: net\n  }")).unwrap().tie_breaker);
        assert_eq!(corosync("totem {"), None);
    }

    #[test]
    fn galera_says_where_it_looks_for_its_cluster() {
        let found = |text: &str| galera(settings(text));
        let some = found(
            "[galera]\n# wsrep_cluster_name = old\nwsrep_cluster_name = \"db\"\nwsrep-cluster-address=gcomm://a, b:4567,c?pc.wait=yes\n",
        )
        .unwrap();
        assert_eq!((some.name.as_str(), some.addresses), ("db", vec!["a".to_owned(), "b:4567".to_owned(), "c".to_owned()]));
        assert!(found("wsrep_cluster_address=gcomm://\n").unwrap().addresses.is_empty());
        assert_eq!(found("port=3306\n"), None);
    }
}
