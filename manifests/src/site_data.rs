//! A site's data, read once and shared by all compiles: settings, inventory, variables, facts, secrets' names.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use foldhash::{HashMap, HashMapExt};
use keel_engine::value::Map;
use minijinja::Value;

use crate::config::SiteConfig;
use crate::diagnostic::Diagnostic;
use crate::dynamic_groups::DynamicGroups;
use crate::environment::{Environments, TemplateFolder, TemplateFolders};
use crate::evaluation_error::EvalError;
use crate::fact_reads::{FactReads, FactViews};
use crate::facts::{Facts, LiveFacts};
use crate::files::{SiteFiles, list_with_extension, read_text};
use crate::forms::Forms;
use crate::host_objects::{Groups, HostFacts, HostObject, Hosts, host, subject};
use crate::host_reads::HostReads;
use crate::inventory::{Group, HostId, Inventory, RESERVED_VARIABLES};
use crate::run_variables::RunVariables;
use crate::scope::Scope;
use crate::secrets::SecretNames;
use crate::variables::{Layer, Memo, Raw, merge, realise};

/// What a compile is given besides the site's files.
#[derive(Clone, Default)]
pub struct SiteInput {
    /// Variables of this run, `NAME=VALUE` each; they win over everything.
    pub run_variables: Vec<String>,
    /// Fresh facts; they win over recorded ones.
    pub facts: Option<Arc<dyn LiveFacts>>,
    /// What holds for hosts without facts.
    pub without_facts: WithoutFacts,
}

impl SiteInput {
    /// What is wrong with the form of the run's variables.
    pub fn wrong_variables(&self) -> Vec<Diagnostic> {
        let mut wrong = Vec::new();
        RunVariables::parse(&self.run_variables, &mut wrong);
        wrong
    }
}

/// What holds for hosts of which no facts are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WithoutFacts {
    /// They have none.
    #[default]
    None,
    /// Those of the profile that keel.toml names, if it names one.
    Profile,
}

/// All data of a site.
#[derive(Debug)]
pub struct SiteData {
    /// The settings of keel.toml.
    pub config: SiteConfig,
    /// Hosts and groups.
    pub inventory: Inventory,
    /// What hosts say of themselves.
    pub facts: Facts,
    /// The names of the secrets.
    pub secrets: Arc<SecretNames>,
    pub(crate) environments: Environments,
    /// What texts and templates have in common for all hosts.
    pub(crate) forms: Forms,
    pub(crate) run: RunVariables,
    folders: TemplateFolders,
    myself: Weak<SiteData>,
    /// What was found out about hosts; only of those that somebody asked for.
    memos: RwLock<HashMap<HostId, Arc<Memo>>>,
    group_hosts: HashMap<Arc<str>, OnceLock<Value>>,
    fact_views: FactViews,
    /// Which hosts were asked for by others.
    pub(crate) host_reads: HostReads,
    /// Who is in which group by what they are.
    pub(crate) dynamic: DynamicGroups,
    /// Variables of groups, prepared once for all hosts.
    prepared: HashMap<Arc<str>, HashMap<String, Raw>>,
}

impl SiteData {
    /// Reads the data of a site. Whatever is wrong is reported; what is left can still be asked.
    pub fn load(files: &Arc<dyn SiteFiles + Send + Sync>, input: SiteInput) -> (Arc<Self>, Vec<Diagnostic>) {
        let mut out = Vec::new();
        let config = match read_text(&**files, "keel.toml", &mut out) {
            Some(text) => SiteConfig::parse("keel.toml", &text, &mut out),
            None => SiteConfig::default(),
        };
        let mut facts = Facts::load(&**files, input.facts, &mut out);
        if let (WithoutFacts::Profile, Some(profile)) = (input.without_facts, &config.profile) {
            facts.assume(&**files, profile, &mut out);
        }
        let secrets = Arc::new(SecretNames::load(&**files, &mut out));
        let inventory = Inventory::load(&**files, &config, &mut out);
        let run = RunVariables::parse(&input.run_variables, &mut out);
        let folders = TemplateFolders::default();
        let group_hosts = inventory.groups().map(|group| (Arc::clone(&group.name), OnceLock::new())).collect();
        let site = Arc::new_cyclic(|myself| {
            let mut site = Self {
                environments: Environments::new(&secrets, &folders),
                forms: Forms::default(),
                config,
                inventory,
                facts,
                secrets,
                run,
                folders,
                myself: Weak::clone(myself),
                memos: RwLock::default(),
                group_hosts,
                fact_views: FactViews::default(),
                host_reads: HostReads::default(),
                dynamic: DynamicGroups::default(),
                prepared: HashMap::new(),
            };
            site.settle(&mut out);
            site
        });
        (site, out)
    }

    /// Finds the members of dynamic groups and prepares the groups' variables.
    fn settle(&mut self, out: &mut Vec<Diagnostic>) {
        let mut inventory = std::mem::take(&mut self.inventory);
        let matching: Vec<Group> = inventory.groups().filter(|group| group.matching.is_some()).cloned().collect();
        std::mem::swap(&mut self.inventory, &mut inventory);
        let found = DynamicGroups::find(self, matching, out);
        std::mem::swap(&mut self.inventory, &mut inventory);
        inventory.settle(&self.config, |_, group, _| found.members(&group.name), out);
        self.dynamic = found;
        self.inventory = inventory;
        for group in self.inventory.groups() {
            let raw = |node| Raw::new(node, &group.source, &self.secrets);
            let variables = group.vars.iter().map(|(name, entry)| (name.clone(), raw(&entry.node)));
            self.prepared.insert(Arc::clone(&group.name), variables.collect());
        }
    }

    /// Where a module's templates are. Without this, [`Scope::render`] finds none.
    pub fn register_templates(&self, module: &str, files: Arc<dyn SiteFiles + Send + Sync>, folder: &str) {
        let folder = TemplateFolder { files, folder: folder.to_owned() };
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(module.to_owned(), folder);
    }

    /// What names mean for a host; none if there is no such host.
    pub fn scope(self: &Arc<Self>, host: &str) -> Option<Scope> {
        self.inventory.host_id(host).map(|id| Scope::new(Arc::clone(self), id))
    }

    /// The names of the variables that a host has, in order.
    pub fn variable_names(&self, host: HostId) -> impl Iterator<Item = &str> {
        self.host_reads.note(host);
        let mut names: BTreeSet<&str> = self.run.names().collect();
        if let Some(host) = self.inventory.host_at(host) {
            names.extend(host.vars.keys().map(String::as_str));
        }
        let of_groups = self.inventory.groups().filter(|group| group.hosts.contains(host));
        names.extend(of_groups.flat_map(|group| group.vars.keys().map(String::as_str)));
        names.into_iter()
    }

    /// What the tiers say on a variable, the weakest first.
    pub(crate) fn layers<'a>(&'a self, host: HostId, name: &str) -> Vec<(Tier<'a>, Layer<'a>)> {
        let mut layers = Vec::new();
        for group in self.inventory.setters(name).filter(|group| group.hosts.contains(host)) {
            if let Some(entry) = group.vars.get(name) {
                layers.push((Tier::Group(group), Layer { node: &entry.node, source: &group.source, sets_part: false }));
            }
        }
        if let Some((host, entry)) = self.inventory.host_at(host).and_then(|host| Some((host, host.vars.get(name)?))) {
            layers.push((Tier::Host, Layer { node: &entry.node, source: &host.place.source, sets_part: false }));
        }
        layers.extend(self.run.layers(name).map(|layer| (Tier::Run, layer)));
        layers
    }

    /// The value of a variable for a host; none if nobody sets it.
    pub(crate) fn variable(&self, host: HostId, name: &str) -> Result<Option<Value>, EvalError> {
        self.host_reads.note(host);
        if RESERVED_VARIABLES.contains(&name) {
            return Ok(None);
        }
        let Some(site) = self.myself.upgrade() else { return Ok(None) };
        if let Some(raw) = self.prepared_winner(host, name) {
            return realise(&site, host, name, raw).map(Some);
        }
        let raw = self.memo(host).merged(name, || {
            let layers: Vec<Layer<'_>> = self.layers(host, name).into_iter().map(|(_, layer)| layer).collect();
            if layers.is_empty() { Ok(None) } else { merge(name, &layers, &self.config, &self.secrets).map(Some) }
        })?;
        raw.map(|raw| realise(&site, host, name, &raw)).transpose()
    }

    /// The strongest group's value, where nothing is merged and neither the host nor the run says anything.
    fn prepared_winner(&self, host: HostId, name: &str) -> Option<&Raw> {
        let own = self.inventory.host_at(host)?.vars.contains_key(name);
        if own || self.config.merges(name) || self.run.names().any(|set| set == name) {
            return None;
        }
        let winner = self.inventory.setters(name).rev().find(|group| group.hosts.contains(host))?;
        self.prepared.get(&winner.name)?.get(name)
    }

    pub(crate) fn memo(&self, host: HostId) -> Arc<Memo> {
        if let Some(memo) = self.memos.read().unwrap_or_else(PoisonError::into_inner).get(&host) {
            return Arc::clone(memo);
        }
        Arc::clone(self.memos.write().unwrap_or_else(PoisonError::into_inner).entry(host).or_default())
    }

    /// Forgets what was found out about hosts and their facts, and tells which facts were read.
    pub(crate) fn forget(&self) -> FactReads {
        self.host_reads.forget();
        self.memos.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.fact_views.take(|id| self.inventory.host_at(id).map(|host| host.name.to_string()))
    }

    fn fetch_facts(&self, host: HostId) -> Option<Arc<Map>> {
        self.facts.of(&self.inventory.host_at(host)?.name)
    }

    /// The facts of a host as expressions see them, if it has some.
    pub(crate) fn facts_of(&self, host: HostId) -> Option<Value> {
        self.host_reads.note(host);
        let exist = self.fact_views.exist(host, || self.fetch_facts(host));
        exist.then(|| Value::from_object(HostFacts { site: Weak::clone(&self.myself), id: host }))
    }

    /// One fact as expressions see it. Facts are data: braces in them mean nothing.
    pub(crate) fn fact(&self, host: HostId, name: &str) -> Option<Value> {
        self.host_reads.note(host);
        self.fact_views.value(host, name, &self.secrets, || self.fetch_facts(host))
    }

    /// One fact as it is.
    pub(crate) fn plain_fact(&self, host: HostId, name: &str) -> Option<keel_engine::value::Value> {
        self.host_reads.note(host);
        self.fact_views.plain(host, name, || self.fetch_facts(host))
    }

    /// The names of a host's facts.
    pub(crate) fn fact_names(&self, host: HostId) -> Vec<String> {
        self.host_reads.note(host);
        self.fact_views.names(host, || self.fetch_facts(host))
    }

    /// The hosts of a group as a list, made once for all who ask.
    pub(crate) fn hosts_of_group(&self, name: &str) -> Option<Value> {
        let make = || {
            let members = self.inventory.group(name).into_iter().flat_map(|group| group.hosts.iter());
            Value::from(members.map(|id| host(&self.myself, id)).collect::<Vec<_>>())
        };
        Some(self.group_hosts.get(name)?.get_or_init(make).clone())
    }

    /// The host that something is evaluated for.
    pub(crate) fn host_object(&self, id: HostId) -> HostObject {
        subject(&self.myself, id)
    }

    /// The names that nobody sets.
    pub(crate) fn builtin(&self, id: HostId, name: &str) -> Option<Value> {
        match name {
            "host" => Some(Value::from_object(self.host_object(id))),
            "hosts" => Some(Value::from_object(Hosts(Weak::clone(&self.myself)))),
            "groups" => Some(Value::from_object(Groups(Weak::clone(&self.myself)))),
            "facts" => self.facts_of(id),
            // Ansible's word for an attribute that shall not be given: null says the same.
            "omit" => Some(Value::from(())),
            "inventory_hostname" => self.inventory.host_at(id).map(|host| Value::from(&*host.name)),
            _ => None,
        }
    }

    /// The templates of a module, for advice.
    pub(crate) fn template_paths(&self, module: &str) -> Vec<String> {
        let Some(folder) = self.folder(module) else { return Vec::new() };
        let paths = list_with_extension(&*folder.files, &folder.folder, "", &mut Vec::new());
        let prefix = format!("{}/", folder.folder);
        paths.into_iter().filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect()
    }

    /// The file behind a template's name in the environment.
    pub(crate) fn template_file(&self, name: &str) -> Arc<str> {
        let (module, path) = name.split_once(':').unwrap_or(("", name));
        Arc::from(self.folder(module).map_or_else(|| path.to_owned(), |folder| format!("{}/{path}", folder.folder)))
    }

    /// The text behind a template's name in the environment.
    pub(crate) fn template_source(&self, name: &str) -> Option<String> {
        let folder = self.folder(name.split_once(':')?.0)?;
        read_text(&*folder.files, &self.template_file(name), &mut Vec::new())
    }

    fn folder(&self, module: &str) -> Option<TemplateFolder> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).get(module).cloned()
    }
}

/// Who says something on a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tier<'a> {
    Group(&'a Group),
    Host,
    Run,
}
