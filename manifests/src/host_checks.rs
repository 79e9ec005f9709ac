//! What checking hosts came to, kept from one check of a site to the next, and used for the hosts for which nothing
//! that counts has changed since: the manifests, who is in which group, the variables and facts of the host, and of
//! the other hosts that its compile looked at.

use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::cluster_part::ClusterPart;
use crate::codes;
use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::host_reads::Others;
use crate::inventory::HostId;
use crate::site::Site;
use crate::toml_reader::{Node, Table, Tree};
use crate::workers::for_each;

/// What checking one host came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostCheck {
    /// How many resources its catalog has; none where it has no catalog.
    pub resources: Option<usize>,
    /// What the compile said.
    pub found: Vec<Diagnostic>,
    /// What is probably not meant.
    pub lints: Vec<Diagnostic>,
    /// What its catalog says of clusters.
    pub cluster: ClusterPart,
    /// The catalog without what its resources hold, where relations of the site lead to other hosts.
    pub catalog: Option<Catalog>,
}

/// What of a compile is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: Digest,
    /// The other hosts that count; everybody if none are named.
    others: Option<Vec<u32>>,
    resources: Option<usize>,
    found: Vec<KeptDiagnostic>,
    lints: Vec<KeptDiagnostic>,
    cluster: ClusterPart,
    catalog: Option<Vec<u8>>,
}

/// A diagnostic as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptDiagnostic {
    code: String,
    severity: u8,
    message: String,
    labels: Vec<(String, u64, u64, String)>,
    help: Vec<String>,
    host: Option<String>,
}

/// The state of everything that checks of hosts depend on.
pub struct HostChecks<'s> {
    site: &'s Site,
    /// What counts for all hosts.
    common: Digest,
    /// What counts for each host.
    own: Vec<Digest>,
    /// What counts for whoever looks at everybody.
    everybody: Digest,
}

/// Checks of hosts, and what is to be kept of them.
pub struct Checked {
    /// One for each host that was asked for, in their order.
    pub checks: Vec<HostCheck>,
    /// What the next check is given; none where nothing changed.
    pub kept: Option<Vec<u8>>,
    /// How many of the hosts were compiled.
    pub compiled: usize,
}

impl<'s> HostChecks<'s> {
    /// Looks at a loaded site. `program` tells programs apart that compile differently.
    ///
    /// # Errors
    /// A file of the site cannot be read: then nothing can be kept.
    pub fn of(site: &'s Site, program: &[u8]) -> Result<Self, String> {
        let own: Vec<Digest> = (0..site.data.inventory.host_count()).map(|id| own_state(site, id)).collect();
        let bytes: Vec<u8> = own.iter().flat_map(|digest| *digest.as_bytes()).collect();
        Ok(Self { site, common: common_state(site, program)?, own, everybody: Digest::of(&bytes) })
    }

    fn key(&self, host: HostId, others: Option<&[u32]>) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("Evenkeel 2026 state of a host's check");
        hasher.update(self.common.as_bytes());
        let named = others.unwrap_or_default().iter().map(|id| *id as usize);
        for digest in std::iter::once(host).chain(named).filter_map(|id| self.own.get(id)) {
            hasher.update(digest.as_bytes());
        }
        if others.is_none() {
            hasher.update(self.everybody.as_bytes());
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// Checks hosts. `before` is what the last check left; whatever is wrong with it, the answers are the same.
    pub fn check(&self, hosts: &[String], before: Option<&[u8]>) -> Checked {
        let mut kept = self.still_good(before.unwrap_or_default());
        let ids: Vec<Option<HostId>> = hosts.iter().map(|host| self.site.data.inventory.host_id(host)).collect();
        let known = ids.iter().map(|id| id.and_then(|id| kept.get_mut(id)?.take()).and_then(|kept| Some((kept.check()?, kept))));
        let mut checks: Vec<Option<(HostCheck, Option<Kept>)>> =
            known.map(|known| known.map(|(check, kept)| (check, Some(kept)))).collect();
        let missing: Vec<usize> = (0..hosts.len()).filter(|position| matches!(checks.get(*position), Some(None))).collect();
        let fresh = for_each(&missing, |position| hosts.get(*position).map(|host| self.site.check_host(host)));
        let compiled = missing.len();
        for (position, check) in missing.into_iter().zip(fresh) {
            if let (Some(slot), Some(check)) = (checks.get_mut(position), check) {
                *slot = Some((check, None));
            }
        }
        let mut done = Vec::with_capacity(hosts.len());
        for (id, checked) in ids.into_iter().zip(checks) {
            let Some((check, former)) = checked else { continue };
            if let Some(slot) = id.and_then(|id| kept.get_mut(id)) {
                *slot = former.or_else(|| id.map(|id| self.keep(id, &check)));
            }
            done.push(check);
        }
        let kept = (compiled > 0).then(|| postcard::to_stdvec(&(self.common, kept)).unwrap_or_default());
        Checked { checks: done, kept, compiled }
    }

    /// What was kept and still holds, by host.
    fn still_good(&self, before: &[u8]) -> Vec<Option<Kept>> {
        let count = self.own.len();
        let common = postcard::take_from_bytes::<Digest>(before).ok().filter(|(common, _)| *common == self.common);
        let kept = common.and_then(|(_, rest)| postcard::from_bytes::<Vec<Option<Kept>>>(rest).ok()).unwrap_or_default();
        let good = |(id, kept): (usize, Option<Kept>)| kept.filter(|kept| self.key(id, kept.others.as_deref()) == kept.key);
        let mut kept: Vec<Option<Kept>> = kept.into_iter().enumerate().map(good).collect();
        kept.resize_with(count, || None);
        kept
    }

    fn keep(&self, host: HostId, check: &HostCheck) -> Kept {
        let others = match self.site.data.host_reads.of(host) {
            Others::Everybody => None,
            Others::Some(others) => Some(others.into_iter().map(|id| u32::try_from(id).unwrap_or(u32::MAX)).collect::<Vec<u32>>()),
        };
        Kept {
            key: self.key(host, others.as_deref()),
            others,
            resources: check.resources,
            found: check.found.iter().map(KeptDiagnostic::of).collect(),
            lints: check.lints.iter().map(KeptDiagnostic::of).collect(),
            cluster: check.cluster.clone(),
            catalog: check.catalog.as_ref().and_then(|catalog| catalog.to_bytes().ok()),
        }
    }
}

impl Site {
    /// Compiles a host and lints its catalog.
    pub fn check_host(&self, host: &str) -> HostCheck {
        let compiled = self.compile(host);
        let lints = compiled.catalog.as_ref().map(|catalog| self.lint_catalog(catalog)).unwrap_or_default();
        let cluster = compiled.catalog.as_ref().map(|catalog| self.cluster_part(catalog, &compiled.contents)).unwrap_or_default();
        let resources = compiled.catalog.as_ref().map(|catalog| catalog.resources.len());
        let catalog = compiled.catalog.filter(|_| self.sources.relate_hosts()).map(bare);
        HostCheck { resources, found: compiled.diagnostics, lints, cluster, catalog }
    }
}

/// A catalog without what its resources hold: ten thousand of them have to fit into memory.
fn bare(mut catalog: Catalog) -> Catalog {
    for resource in &mut catalog.resources {
        resource.attributes = Default::default();
        resource.tags = Vec::new();
    }
    catalog
}

impl Kept {
    /// What it stands for; none if it cannot be read.
    fn check(&self) -> Option<HostCheck> {
        let catalog = match &self.catalog {
            Some(bytes) => Some(Catalog::from_bytes(bytes).ok()?),
            None => None,
        };
        let all = |kept: &[KeptDiagnostic]| kept.iter().map(KeptDiagnostic::diagnostic).collect::<Option<Vec<_>>>();
        let cluster = self.cluster.clone();
        Some(HostCheck { resources: self.resources, found: all(&self.found)?, lints: all(&self.lints)?, cluster, catalog })
    }
}

impl KeptDiagnostic {
    fn of(diagnostic: &Diagnostic) -> Self {
        let label = |label: &Label| (label.file.to_string(), label.span.start as u64, label.span.end as u64, label.text.clone());
        Self {
            code: diagnostic.code.to_owned(),
            severity: match diagnostic.severity {
                Severity::Error => 0,
                Severity::Warning => 1,
                Severity::Note => 2,
            },
            message: diagnostic.message.clone(),
            labels: diagnostic.labels.iter().map(label).collect(),
            help: diagnostic.help.clone(),
            host: diagnostic.host.clone(),
        }
    }

    fn diagnostic(&self) -> Option<Diagnostic> {
        let label = |(file, start, end, text): &(String, u64, u64, String)| {
            let span = usize::try_from(*start).ok()?..usize::try_from(*end).ok()?;
            Some(Label { file: file.as_str().into(), span, text: text.clone() })
        };
        Some(Diagnostic {
            code: codes::find(&self.code)?.code,
            severity: match self.severity {
                0 => Severity::Error,
                1 => Severity::Warning,
                _ => Severity::Note,
            },
            message: self.message.clone(),
            labels: self.labels.iter().map(label).collect::<Option<Vec<_>>>()?,
            help: self.help.clone(),
            host: self.host.clone(),
        })
    }
}

/// Everything that counts for all hosts: all of the site but facts, tests and what variables are.
fn common_state(site: &Site, program: &[u8]) -> Result<Digest, String> {
    let mut hasher = blake3::Hasher::new_derive_key("Evenkeel 2026 state of a site");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(program);
    let elsewhere = ["facts/", "tests/", "inventory/"];
    for file in site.files().list("")?.into_iter().filter(|file| !elsewhere.iter().any(|folder| file.path.starts_with(folder))) {
        add(file.path.as_bytes());
        add(&[u8::from(file.executable)]);
        let bytes = site.files().read(&file.path).map_err(|why| format!("{}: {why}", file.path))?;
        add(Digest::of(&bytes.unwrap_or_default()).as_bytes());
    }
    let inventory = &site.data.inventory;
    for host in inventory.hosts() {
        add(format!("{:?}", (&host.name, &host.address, &host.tags, &host.place.source.path)).as_bytes());
    }
    for group in inventory.groups() {
        let members: Vec<HostId> = group.hosts.iter().collect();
        let matching = group.matching.as_ref().map(|matching| &matching.text);
        let said = (&group.name, &group.tier_name, group.tier, group.priority, &group.source.path, matching, members);
        add(format!("{said:?}").as_bytes());
        group.vars.keys().for_each(|name| add(name.as_bytes()));
    }
    add(format!("{:?}", site.data.run).as_bytes());
    if site.sources.point_elsewhere() {
        add(format!("{:?}", site.outgoing()).as_bytes());
    }
    add(&[u8::from(site.broken)]);
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

/// What counts for one host: its variables with their places, those of its groups, its facts.
fn own_state(site: &Site, id: HostId) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("Evenkeel 2026 state of a host");
    let inventory = &site.data.inventory;
    if let Some(host) = inventory.host_at(id) {
        add_table(&mut hasher, &host.vars);
        for group in inventory.groups().filter(|group| group.hosts.contains(id)) {
            add_table(&mut hasher, &group.vars);
        }
        let facts = site.data.facts.of(&host.name);
        hasher.update(&postcard::to_stdvec(&facts.as_deref()).unwrap_or_default());
    }
    hasher.update(format!("{:?}", site.data.dynamic.faults_of(id)).as_bytes());
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

fn add_table(hasher: &mut blake3::Hasher, table: &Table) {
    hasher.update(&(table.len() as u64).to_le_bytes());
    for (key, entry) in table {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
        hasher.update(&(entry.key_span.start as u64).to_le_bytes());
        add_node(hasher, &entry.node);
    }
}

fn add_node(hasher: &mut blake3::Hasher, node: &Node) {
    hasher.update(&(node.span.start as u64).to_le_bytes());
    hasher.update(&(node.span.end as u64).to_le_bytes());
    match &node.tree {
        Tree::Scalar(value) => {
            let bytes = postcard::to_stdvec(value).unwrap_or_default();
            hasher.update(&[0]).update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        }
        Tree::List(items) => {
            hasher.update(&[1]).update(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| add_node(hasher, item));
        }
        Tree::Table(table) => {
            hasher.update(&[2]);
            add_table(hasher, table);
        }
    }
}
