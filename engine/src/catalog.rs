//! The catalog: what one host should be. Immutable plain data; every decision was the compiler's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::digest::Digest;
use crate::guard::Guard;
use crate::schedule::Schedule;
use crate::value::Map;

/// The compiled result for one host. Its identity is the blake3 of its binary form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The host it is for.
    pub host: String,
    /// The site's name.
    pub site: String,
    /// All resources, in the order of the manifests.
    pub resources: Vec<Resource>,
    /// All uses of modules, an outer one before the inner ones.
    pub containers: Vec<Container>,
    /// All explicit relations between things of this catalog.
    pub relations: Vec<Relation>,
    /// All relations to other hosts' things.
    pub gates: Vec<Gate>,
    /// What happens to resources that an earlier catalog had and this one has not.
    pub prune: Vec<PruneRule>,
    /// What is removed where no resource declares it; at most one rule a type.
    pub purge: Vec<PurgeRule>,
    /// The schedules that resources and rules name.
    pub schedules: Vec<Schedule>,
    /// The guards that resources name.
    pub guards: Vec<Guard>,
    /// The manifest files that origins point into.
    pub files: Vec<Arc<str>>,
}

/// One thing in a desired state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name in this catalog.
    pub address: Address,
    /// What the manifest says of it, complete with defaults and overrides, without the relations. Catalogs of
    /// one site share what they have in common.
    pub attributes: Arc<Map>,
    /// Where it was declared.
    pub origin: Origin,
    /// The use of a module that it stands in, by position in [`Catalog::containers`].
    pub container: Option<usize>,
    /// Tags that the manifest gave; type and module names count as tags without being listed.
    pub tags: Vec<String>,
    /// Only ever planned, whatever the run is.
    pub noop: bool,
    /// The schedule outside of which it is not changed, by its name in [`Catalog::schedules`].
    pub schedule: Option<String>,
    /// The guard of its disruptions, by its name in [`Catalog::guards`].
    pub guard: Option<String>,
}

/// A use of a module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// `(module)NAME`.
    pub address: Address,
    /// The use that it stands in.
    pub parent: Option<usize>,
    /// Where it was used.
    pub origin: Origin,
}

/// A place in the manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Position in [`Catalog::files`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One end of a relation inside a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Node {
    /// Position in [`Catalog::resources`].
    Resource(usize),
    /// The whole of a container, by position in [`Catalog::containers`].
    Container(usize),
}

/// `first` comes before `then`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// What is done first.
    pub first: Node,
    /// What is done after it.
    pub then: Node,
    /// Whether changes of `first` refresh `then`.
    pub notify: Option<Effect>,
    /// How the manifest wrote it.
    pub word: RelationWord,
    /// Where it was written.
    pub origin: Origin,
}

/// The four words for relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RelationWord {
    /// This after that.
    Require,
    /// This before that.
    Before,
    /// This before that, and that is refreshed when this changed.
    Notify,
    /// This after that, and this is refreshed when that changed.
    Subscribe,
}

impl std::fmt::Display for RelationWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RelationWord::Require => "require",
            RelationWord::Before => "before",
            RelationWord::Notify => "notify",
            RelationWord::Subscribe => "subscribe",
        })
    }
}

/// What a refresh does to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The target reads its configuration again, and goes on.
    Reload,
    /// The target starts anew. Asked for both, it is restarted.
    Restart,
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Effect::Reload => "reload",
            Effect::Restart => "restart",
        })
    }
}

/// A relation that points at another host's thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The thing of this host.
    pub node: Node,
    /// The other host.
    pub host: String,
    /// The other host's thing.
    pub target: Address,
    /// `require` and `subscribe` wait for the other; `before` and `notify` let the other wait for this.
    pub word: RelationWord,
    /// The refresh it carries, if any.
    pub notify: Option<Effect>,
    /// Whether the other host may do without the target.
    pub optional: bool,
    /// Where it was written.
    pub origin: Origin,
}

impl Gate {
    /// Whether this host waits for the other one (and not the other for this).
    pub fn waits(&self) -> bool {
        matches!(self.word, RelationWord::Require | RelationWord::Subscribe)
    }
}

/// Says that orphans are removed and not only released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PruneRule {
    /// Only resources of this type; all types if none.
    pub type_name: Option<String>,
    /// Only resources of this module; everywhere if none.
    pub module: Option<String>,
    /// The most resources that one run may remove by this rule.
    pub max: usize,
}

/// Says that things of a type are removed where no resource declares them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurgeRule {
    /// The type, one that can list what may be removed.
    pub type_name: String,
    /// The most things that one run may remove by this rule.
    pub max: usize,
    /// Names that stay: `*` is any text, `?` any one character.
    pub keep: Vec<String>,
    /// Tags of the removals: those of the uses around the rule, and the modules it stands in.
    pub tags: Vec<String>,
    /// Removals are only ever planned, whatever the run is.
    pub noop: bool,
    /// The schedule outside of which nothing is removed.
    pub schedule: Option<String>,
    /// Where it stands.
    pub origin: Origin,
}

/// About how long the binary form of a resource is, so that a buffer need not grow often.
const BYTES_OF_A_RESOURCE: usize = 256;

impl Resource {
    /// Names what the manifest says of it, wherever it says so: two catalogs that want the same of a
    /// thing have the same definition of it.
    pub fn definition(&self) -> Digest {
        let bytes = postcard::to_extend(&(&self.address, &self.attributes), Vec::with_capacity(2 * BYTES_OF_A_RESOURCE));
        Digest::of(&bytes.unwrap_or_default())
    }
}

impl Resource {
    /// A resource that says nothing but what it is, as no manifest declared it.
    pub fn new(address: Address, attributes: impl Into<Arc<Map>>) -> Self {
        Self {
            address,
            attributes: attributes.into(),
            origin: Origin::default(),
            container: None,
            tags: Vec::new(),
            noop: false,
            schedule: None,
            guard: None,
        }
    }
}

impl Catalog {
    /// A catalog with nothing in it.
    pub fn empty(host: &str, site: &str) -> Self {
        Self {
            host: host.to_owned(),
            site: site.to_owned(),
            resources: Vec::new(),
            containers: Vec::new(),
            relations: Vec::new(),
            gates: Vec::new(),
            prune: Vec::new(),
            purge: Vec::new(),
            schedules: Vec::new(),
            guards: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The binary form that caches keep and that the identity is computed from.
    ///
    /// # Errors
    /// Fails only if a value cannot be encoded, which would be a defect of the compiler.
    pub fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_extend(self, Vec::with_capacity(BYTES_OF_A_RESOURCE * self.resources.len()))
    }

    /// Reads the binary form back.
    ///
    /// # Errors
    /// Fails on bytes that are no catalog of this version, or one that points at what it does not have.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let catalog: Self = postcard::from_bytes(bytes)?;
        if catalog.is_whole() { Ok(catalog) } else { Err(postcard::Error::DeserializeBadEncoding) }
    }

    /// Whether all positions are positions of something, and an outer container stands before the inner ones.
    fn is_whole(&self) -> bool {
        let is_there = |node: &Node| match node {
            Node::Resource(position) => *position < self.resources.len(),
            Node::Container(position) => *position < self.containers.len(),
        };
        self.resources.iter().all(|resource| resource.container.is_none_or(|position| position < self.containers.len()))
            && self.containers.iter().enumerate().all(|(own, container)| container.parent.is_none_or(|parent| parent < own))
            && self.relations.iter().all(|relation| is_there(&relation.first) && is_there(&relation.then))
            && self.gates.iter().all(|gate| is_there(&gate.node))
    }

    /// The catalog's identity: equal catalogs have equal ones.
    ///
    /// # Errors
    /// As [`Catalog::to_bytes`].
    pub fn id(&self) -> Result<Digest, postcard::Error> {
        Ok(Digest::of(&self.to_bytes()?))
    }

    /// `file:line` of an origin, as messages print it.
    pub fn place(&self, origin: Origin) -> String {
        let file = self.files.get(origin.file as usize).map_or("?", |file| file);
        format!("{file}:{}", origin.line)
    }

    /// The address behind a node.
    pub fn address(&self, node: Node) -> &Address {
        match node {
            Node::Resource(position) => &self.resources[position].address,
            Node::Container(position) => &self.containers[position].address,
        }
    }

    /// The schedule that a resource has, if any.
    pub fn schedule_of(&self, resource: &Resource) -> Option<&Schedule> {
        let name = resource.schedule.as_ref()?;
        self.schedules.iter().find(|schedule| schedule.name == *name)
    }

    /// The guard that a resource has, by its position in [`Catalog::guards`].
    pub fn guard_of(&self, resource: &Resource) -> Option<usize> {
        let name = resource.guard.as_ref()?;
        self.guards.iter().position(|guard| guard.name == *name)
    }

    /// The names of the modules that a resource stands in, the innermost first.
    pub fn modules_of(&self, resource: &Resource) -> impl Iterator<Item = &str> {
        let mut next = resource.container;
        std::iter::from_fn(move || {
            let container = &self.containers[next?];
            next = container.parent;
            Some(&*container.address.title)
        })
    }

    /// Whether `--only` or `--skip` with this word means this resource: its own tags, its type, its
    /// address and the modules it stands in.
    pub fn is_tagged(&self, resource: &Resource, word: &str) -> bool {
        resource.tags.iter().any(|tag| tag == word)
            || &*resource.address.type_name == word
            || Address::parse(word).as_ref() == Some(&resource.address)
            || self.modules_of(resource).any(|module| module == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Withdrawal;
    use crate::turns::Turns;
    use crate::value::Value;

    /// A resource in a use of a module in another one, and a relation between them.
    fn catalog() -> Catalog {
        let container = |parent| Container { address: Address::new("module", "m"), parent, origin: Origin::default() };
        let resource = Resource {
            address: Address::new("file", "/a"),
            attributes: Arc::default(),
            origin: Origin::default(),
            container: Some(1),
            tags: Vec::new(),
            noop: false,
            schedule: None,
            guard: None,
        };
        let (first, then) = (Node::Resource(0), Node::Container(0));
        let relation = Relation { first, then, notify: None, word: RelationWord::Before, origin: Origin::default() };
        Catalog {
            resources: vec![resource],
            containers: vec![container(None), container(Some(0))],
            relations: vec![relation],
            ..Catalog::empty("h", "s")
        }
    }

    /// One with all that a guard may have, and one with nothing of it.
    fn guards() -> Vec<Guard> {
        let ready = Map::from_iter([("tcp".to_owned(), Value::from("x:1"))]);
        let words = || vec!["/bin/true".to_owned()];
        let withdrawal = Some(Withdrawal { drain: words(), undrain: words() });
        let turns = Some(Turns { turn_s: 600, asks: [("i".to_owned(), ready.clone())].into() });
        let full = Guard { name: "full".to_owned(), members: vec!["h".to_owned(), "i".to_owned()], max: 1, ready, withdrawal, turns };
        vec![Guard { name: "bare".to_owned(), withdrawal: None, turns: None, ..full.clone() }, full]
    }

    #[test]
    fn a_catalog_comes_back_and_one_that_points_at_nothing_does_not() {
        let back = |change: fn(&mut Catalog)| {
            let mut catalog = catalog();
            change(&mut catalog);
            Catalog::from_bytes(&catalog.to_bytes().unwrap()).map(|read| assert_eq!(read, catalog)).is_ok()
        };
        assert!(back(|_| {}));
        assert!(back(|catalog| catalog.guards = guards()));
        assert!(!back(|catalog| catalog.resources[0].container = Some(2)));
        assert!(!back(|catalog| catalog.containers[1].parent = Some(1)), "a circle has no end");
        assert!(!back(|catalog| catalog.relations[0].first = Node::Resource(1)));
        assert!(!back(|catalog| catalog.relations[0].then = Node::Container(2)));
    }
}
