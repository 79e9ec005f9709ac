//! A site, loaded: its data, its manifests, and what of them can be checked without a host.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use foldhash::{HashMap, HashMapExt};
use keel_engine::catalog::{Catalog, Origin};
use keel_engine::contents::MemoryContents;
use keel_engine::digest::Digest;
use keel_engine::resource::Types;
use keel_engine::schema::TypeSchema;

use crate::cluster_part::ClusterPart;
use crate::codes;
use crate::compile::{Compiled, Compiler, Declared, Outgoing, OutgoingRelations, Place, Sharing, SoundOutlines};
use crate::diagnostic::{Diagnostic, did_you_mean, sort};
use crate::evaluation_error::EvalError;
use crate::fact_reads::{FactKeys, FactReads};
use crate::files::SiteFiles;
use crate::fleet::{self, Pointer};
use crate::inventory::ALL;
use crate::library::WithLibrary;
use crate::lints;
use crate::pattern::Pattern;
use crate::selector::{Selector, SelectorError};
use crate::site_data::{SiteData, SiteInput};
use crate::sources::{Extent, LoweredCache, Sources};
use crate::syntax::{Assignment, AssignmentWord, Statement};
use crate::workers::for_each;

/// How a site is loaded.
#[derive(Default)]
pub struct LoadOptions<'c> {
    /// Facts and variables of this run.
    pub input: SiteInput,
    /// Which modules are loaded.
    pub extent: Extent,
    /// Lowered manifests of earlier runs.
    pub cache: Option<&'c dyn LoweredCache>,
}

/// A site whose hosts can be compiled, each on its own and several at a time.
pub struct Site {
    pub(crate) data: Arc<SiteData>,
    pub(crate) sources: Sources,
    pub(crate) files: Arc<WithLibrary>,
    pub(crate) types: &'static dyn Types,
    schemas: HashMap<&'static str, usize>,
    /// The selectors of the manifests' `on` blocks.
    selectors: HashMap<Arc<str>, Selector>,
    /// What declarations came to for other hosts.
    pub(crate) sharing: Sharing<Declared>,
    /// What catalogs of other hosts were found to be sound with.
    pub(crate) sound: SoundOutlines,
    /// Whether loading found an error: then no host has a catalog.
    pub(crate) broken: bool,
    /// What makes hosts wait for others that say so, found once for all compiles.
    outgoing: OnceLock<OutgoingRelations>,
    /// Which facts that came from.
    outgoing_facts: OnceLock<Vec<(String, FactKeys, Digest)>>,
}

impl Site {
    /// Loads a site. There is none only where nothing at all can be compiled; errors may be found in
    /// any case, and then the hosts' compiles find what else is wrong, but make no catalogs.
    pub fn load(
        files: Arc<dyn SiteFiles + Send + Sync>,
        options: LoadOptions<'_>,
        types: &'static dyn Types,
    ) -> (Option<Self>, Vec<Diagnostic>) {
        let (data, mut out) = SiteData::load(&files, options.input);
        data.run.warn_of_unheard(&data.inventory, &*files, &mut out);
        let files = Arc::new(WithLibrary { site: files });
        let sources = Sources::load(&*files, options.extent, options.cache, &mut out);
        for (name, place) in &sources.modules {
            data.register_templates(name, Arc::clone(&files) as _, &in_folder(&place.folder, "templates"));
        }
        data.register_templates("", Arc::clone(&files) as _, "templates");
        let schemas = types.schemas().iter().enumerate().map(|(position, schema)| (schema.name, position)).collect();
        let mut site = Self {
            data,
            sources,
            files,
            types,
            schemas,
            selectors: HashMap::new(),
            sharing: Sharing::default(),
            sound: SoundOutlines::default(),
            broken: false,
            outgoing: OnceLock::new(),
            outgoing_facts: OnceLock::new(),
        };
        site.selectors = site.parse_selectors();
        crate::names::check(&site, &mut out);
        crate::unused::check(&site, &mut out);
        sort(&mut out);
        site.broken = out.iter().any(Diagnostic::is_error);
        (Some(site), out)
    }

    /// The site's name.
    pub fn name(&self) -> &str {
        &self.data.config.name
    }

    /// Inventory, variables, facts and secrets' names.
    pub fn data(&self) -> &Arc<SiteData> {
        &self.data
    }

    /// The names of all hosts, in the order of the inventory.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.data.inventory.hosts().map(|host| &*host.name)
    }

    /// The site's files together with the stock library's: whatever a label can point at.
    pub fn files(&self) -> &dyn SiteFiles {
        &*self.files
    }

    /// Compiles one host.
    pub fn compile(&self, host: &str) -> Compiled {
        Compiler::run(self, host)
    }

    /// Compiles several hosts on all processors; the results come in their order.
    pub fn compile_all(&self, hosts: &[String]) -> Vec<Compiled> {
        for_each(hosts, |host| self.compile(host))
    }

    /// Compiles one host and tells which facts the result depends on. Nothing that was found out on the
    /// way is kept: for a site that lives long, with one compile at a time.
    pub fn compile_alone(&self, host: &str) -> (Compiled, FactReads) {
        self.data.forget();
        self.outgoing_facts();
        let compiled = self.compile(host);
        (compiled, self.data.forget())
    }

    /// What all catalogs have in common that facts decide: who is in which group, and who makes whom wait.
    /// None where facts decide nothing of it.
    pub fn fleet_state(&self) -> Option<Digest> {
        let groups = self.data.dynamic.state();
        let outgoing = (!self.outgoing_facts().is_empty()).then(|| Digest::of(format!("{:?}", self.outgoing()).as_bytes()));
        let both = (groups, outgoing);
        (both != (None, None)).then(|| Digest::of(format!("{both:?}").as_bytes()))
    }

    /// Whether a host's facts changed so that what all catalogs have in common may no longer be right: then
    /// the site has to be loaded again.
    pub fn is_outdated(&self, host: &str) -> bool {
        let facts = || self.data.facts.of(host);
        let read = |(of, keys, state): &(String, FactKeys, Digest)| of == host && keys.digest(facts().as_deref()) != *state;
        let moved = || self.data.inventory.host_id(host).is_some_and(|id| self.data.dynamic.outdated(&self.data, id));
        self.outgoing_facts().iter().any(read) || moved()
    }

    /// The facts that decide who makes whom wait, as they were when that was found out.
    fn outgoing_facts(&self) -> &[(String, FactKeys, Digest)] {
        self.outgoing_facts.get_or_init(|| {
            if !self.sources.point_elsewhere() {
                return Vec::new();
            }
            self.data.forget();
            self.outgoing();
            let state = |(host, keys): (String, FactKeys)| {
                let state = keys.digest(self.data.facts.of(&host).as_deref());
                (host, keys, state)
            };
            self.data.forget().into_iter().map(state).collect()
        })
    }

    /// Whether any relation leads from one host to another.
    pub fn relates_hosts(&self) -> bool {
        self.sources.relate_hosts()
    }

    /// The hosts that others' `before` and `notify` point at, in the order of their names.
    pub fn pointed_at(&self) -> BTreeSet<&str> {
        let required = if self.sources.point_elsewhere() { self.outgoing().required() } else { Vec::new() };
        required.into_iter().map(|(host, _)| host).collect()
    }

    /// Checks the catalogs of all hosts together.
    pub fn check_fleet(&self, catalogs: &[Catalog]) -> Vec<Diagnostic> {
        self.check_fleet_without(catalogs, &BTreeSet::new())
    }

    /// Checks the catalogs of hosts together, as far as relations do not point at hosts that have none yet.
    pub fn check_fleet_without(&self, catalogs: &[Catalog], yet_to_come: &BTreeSet<String>) -> Vec<Diagnostic> {
        let place = |place: Place| Some((Arc::clone(&self.sources.all.get(place.source)?.path), place.span.into()));
        let pointer = |host: &'_ str, relation: &'_ Outgoing| Pointer {
            from: relation.host.clone(),
            host: host.to_owned(),
            target: relation.target.clone(),
            word: relation.word,
            place: place(relation.place),
        };
        let outgoing = if self.sources.point_elsewhere() { self.outgoing().required() } else { Vec::new() };
        let outgoing = outgoing.into_iter().filter(|(host, _)| !yet_to_come.contains(*host));
        let pointers = outgoing.map(|(host, relation)| pointer(host, relation)).collect();
        fleet::check(catalogs, pointers, &|catalog, origin| self.locate(catalog, origin))
    }

    /// The place behind an origin of a catalog: a file of the site, and the bytes there.
    pub fn locate(&self, catalog: &Catalog, origin: Origin) -> Option<(Arc<str>, Range<usize>)> {
        let path = catalog.files.get(origin.file as usize)?;
        let source = self.sources.all.iter().find(|source| source.path == *path)?;
        let offset = source.offset(origin.line, origin.column);
        Some((Arc::clone(&source.path), offset..source.word_end(offset)))
    }

    /// What compiles and is probably not meant, in the site as a whole.
    pub fn lint(&self) -> Vec<Diagnostic> {
        lints::check(self)
    }

    /// What is probably not meant in the catalog of a host. Hosts that share a declaration share what there is to
    /// say of it.
    pub fn lint_catalog(&self, catalog: &Catalog) -> Vec<Diagnostic> {
        lints::check_catalog(self, catalog)
    }

    /// What does not fit together in clusters, by what all hosts' catalogs say of them.
    pub fn lint_clusters(&self, parts: &[(&str, &ClusterPart)]) -> Vec<Diagnostic> {
        lints::check_clusters(parts)
    }

    /// What a host's catalog says of clusters.
    pub fn cluster_part(&self, catalog: &Catalog, contents: &MemoryContents) -> ClusterPart {
        ClusterPart::of(self, catalog, contents)
    }

    /// Whether things of a type belong to a whole cluster.
    pub(crate) fn is_of_cluster(&self, type_name: &str) -> bool {
        self.types.is_of_cluster(type_name)
    }

    /// Gives findings the levels that keel.toml asks for, and leaves out what it ignores.
    pub fn levelled(&self, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        lints::levelled(self, found)
    }

    /// What makes hosts wait for others that say so.
    pub(crate) fn outgoing(&self) -> &OutgoingRelations {
        self.outgoing.get_or_init(|| OutgoingRelations::collect(self))
    }

    /// The hosts that a selector means, in the order of the inventory.
    ///
    /// # Errors
    /// Says what is wrong with the selector: its form, or a name that the inventory does not have.
    pub fn select(&self, selector: &str) -> Result<Vec<String>, EvalError> {
        let parsed = self.parse_selector(selector)?;
        Ok(self.data.select(&parsed)?.into_iter().map(str::to_owned).collect())
    }

    /// The selectors of the manifests' `on` blocks, in no order.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        self.selectors.values()
    }

    /// The good selectors of all `on` blocks; the check of names says what is wrong with the others.
    fn parse_selectors(&self) -> HashMap<Arc<str>, Selector> {
        let statements = self.sources.all.iter().flat_map(|source| &source.manifest.statements);
        let names = statements.filter_map(|statement| match statement {
            Statement::Assignment(Assignment { to: AssignmentWord::On, names, .. }) => Some(names),
            _ => None,
        });
        names.flatten().filter_map(|name| Some((Arc::clone(&name.text), self.parse_selector(&name.text).ok()?))).collect()
    }

    fn parse_selector(&self, text: &str) -> Result<Selector, EvalError> {
        let told = |error: SelectorError| EvalError {
            range: Some(error.span),
            help: error.help.into_iter().collect(),
            ..EvalError::new(error.code, error.message)
        };
        let parsed = Selector::parse(text).map_err(told)?;
        match self.data.unknown_names(&parsed).into_iter().next() {
            Some(error) => Err(told(error)),
            None => Ok(parsed),
        }
    }

    /// Whether a host gets what a block says.
    pub(crate) fn assigned(&self, assignment: &Assignment, host: &str) -> bool {
        let inventory = &self.data.inventory;
        assignment.names.iter().any(|name| match assignment.to {
            AssignmentWord::Host => Pattern::parse(&name.text).is_ok_and(|pattern| pattern.matches(host)),
            AssignmentWord::Group => inventory.groups_of(host).iter().any(|group| group.name == name.text),
            AssignmentWord::On => match self.selectors.get(&name.text) {
                Some(selector) => self.data.selects(selector, host).unwrap_or(false),
                None => false,
            },
        })
    }

    /// What is wrong with the name of a block that says who gets something, with the part of the name
    /// that is to blame; also that it means nobody.
    pub(crate) fn assignee_problem(&self, word: AssignmentWord, name: &str) -> Option<(Diagnostic, Option<Range<usize>>)> {
        let inventory = &self.data.inventory;
        let unknown = |what: &str, near: Option<String>, file: &str| {
            let diagnostic = Diagnostic::error(codes::UNKNOWN_ASSIGNEE, format!("the inventory has no {what} `{name}`"));
            Some((diagnostic.help(near.unwrap_or_else(|| format!("declare it in {file}"))), None))
        };
        let nobody = |message: String| {
            let diagnostic = Diagnostic::warning(codes::NOBODY, message).help("what stands here has no effect at present");
            Some((diagnostic, None))
        };
        match word {
            AssignmentWord::Host if Pattern::parse(name).is_ok_and(|pattern| self.hosts().any(|host| pattern.matches(host))) => None,
            AssignmentWord::Host => unknown("host", did_you_mean(name, self.hosts()), "inventory/hosts.toml"),
            AssignmentWord::Group if inventory.group(name).is_none() && name != ALL => {
                let near = did_you_mean(name, inventory.groups().map(|group| &*group.name));
                unknown("group", near, &format!("inventory/groups/{name}.toml"))
            }
            AssignmentWord::Group if inventory.members(name).is_empty() => nobody(format!("nobody is in group `{name}`")),
            AssignmentWord::Group => None,
            AssignmentWord::On => match self.select(name) {
                Ok(hosts) if hosts.is_empty() => {
                    let diagnostic = nobody("the selector means no host".to_owned());
                    diagnostic.map(|(diagnostic, range)| match self.facts_that_are_missing(name) {
                        Some(help) => (diagnostic.help(help), range),
                        None => (diagnostic, range),
                    })
                }
                Ok(_) => None,
                Err(error) => Some((Diagnostic { help: error.help, ..Diagnostic::error(error.code, error.message) }, error.range)),
            },
        }
    }

    /// What to try where a selector means nobody because it asks for facts that nobody has recorded.
    fn facts_that_are_missing(&self, selector: &str) -> Option<String> {
        Selector::parse(selector).ok().filter(Selector::reads_facts)?;
        let host = self.hosts().find(|host| self.data.facts.of(host).is_none())?;
        Some(format!("{host} has no recorded facts, by which it may be meant: on it, `keel facts > facts/{host}.json`"))
    }

    /// The declaration of a resource type.
    pub(crate) fn schema(&self, name: &str) -> Option<&'static TypeSchema> {
        self.types.schemas().get(*self.schemas.get(name)?)
    }
}

/// A folder below a module's folder, or below the site for what stands in no module's.
pub(crate) fn in_folder(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
