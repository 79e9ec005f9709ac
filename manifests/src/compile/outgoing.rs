//! `before` and `notify` that point at other hosts. Who waits is the other host, so a first pass over the hosts
//! that declare such relations collects them, and the other host's compile turns each into a gate.

use std::collections::{BTreeMap, BTreeSet};

use keel_engine::address::Address;
use keel_engine::catalog::{Effect, Gate, Node, RelationWord};

use super::relations::{Targets, effect_of};
use super::{Compiler, Place, Purpose};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::host_reads::reading_for;
use crate::site::Site;
use crate::syntax::{Assignment, Extras, Relation, RelationPlace, Statement};
use crate::workers::for_each;

/// A relation that makes a thing of another host wait for one of this.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// The host that declares it.
    pub(crate) host: String,
    /// The thing that comes first, on that host.
    from: Address,
    /// The thing of the other host that waits.
    pub(crate) target: Address,
    /// The word as it is written.
    pub(crate) word: RelationWord,
    notify: Option<Effect>,
    /// Whether the other host may do without the target.
    pub(crate) optional: bool,
    /// The target's place in the manifest.
    pub(crate) place: Place,
}

/// All relations of a site that make other hosts wait.
#[derive(Debug, Default)]
pub(crate) struct OutgoingRelations {
    by_waiting_host: BTreeMap<String, Vec<Outgoing>>,
    /// Hosts whose manifests have errors: not all of what they declare is known.
    incomplete: Vec<String>,
}

impl OutgoingRelations {
    /// Collects them from all hosts that get a block in which there is one. No compile asks for these
    /// relations while this one walks the manifests, so it cannot wait for itself.
    pub(crate) fn collect(site: &Site) -> Self {
        let hosts = declaring_hosts(site);
        let passes = for_each(&hosts, |host| Compiler::outgoing_of(site, host));
        let mut all = Self::default();
        for (host, pass) in hosts.iter().zip(passes) {
            if !pass.complete {
                all.incomplete.push(host.clone());
            }
            for (waiting, relation) in pass.relations {
                all.by_waiting_host.entry(waiting).or_default().push(relation);
            }
        }
        all
    }

    /// Relations whose target must be there, each with the host that waits.
    pub(crate) fn required(&self) -> Vec<(&str, &Outgoing)> {
        let mut all: Vec<(&str, &Outgoing)> =
            self.by_waiting_host.iter().flat_map(|(host, relations)| relations.iter().map(|relation| (&**host, relation))).collect();
        all.retain(|(_, relation)| !relation.optional);
        all
    }

    /// What makes a host wait.
    fn to(&self, host: &str) -> &[Outgoing] {
        self.by_waiting_host.get(host).map_or(&[], Vec::as_slice)
    }
}

/// What the first pass over one host found.
#[derive(Default)]
struct Pass {
    /// Each with the host that waits.
    relations: Vec<(String, Outgoing)>,
    /// Whether all of the host's manifests could be evaluated.
    complete: bool,
}

impl<'s> Compiler<'s> {
    /// The first pass: who waits for this host's things.
    fn outgoing_of(site: &'s Site, host: &str) -> Pass {
        let _reader = site.data.inventory.host_id(host).map(reading_for);
        let Ok((mut compiler, scope)) = Self::new(site, host, Purpose::Outgoing) else { return Pass::default() };
        compiler.roots(&scope);
        compiler.apply_overrides();
        let mut pass = Pass { relations: Vec::new(), complete: !compiler.diagnostics.iter().any(Diagnostic::is_error) };
        for pending in std::mem::take(&mut compiler.relations) {
            let (Some(hosts), true) = (&pending.hosts, is_forward(pending.written.word)) else { continue };
            let Some(from) = compiler.address_of(pending.from) else { continue };
            for waiting in hosts {
                let relation = Outgoing {
                    host: compiler.host.to_owned(),
                    from: from.clone(),
                    target: pending.target.clone(),
                    word: pending.written.word,
                    notify: effect_of(pending.written),
                    optional: pending.written.optional,
                    place: pending.place,
                };
                pass.relations.push((waiting.clone(), relation));
            }
        }
        pass
    }

    fn address_of(&self, node: Node) -> Option<Address> {
        match node {
            Node::Resource(position) => self.drafts.get(position).map(|draft| draft.address.clone()),
            Node::Container(position) => self.containers.get(position).map(|container| container.address.clone()),
        }
    }

    /// The gates that other hosts' declarations put before this host's things. A target that is not here is for the
    /// check of the fleet to say: it is the other host's mistake, and no reason for this one to have no catalog.
    pub(super) fn gates_from_others(&mut self, targets: &Targets<'s>) -> Vec<(Gate, Place)> {
        if !self.site.sources.point_elsewhere() {
            return Vec::new();
        }
        let site = self.site;
        // What is wrong with the whole site was said when it was loaded.
        if let Some(first) = site.outgoing().incomplete.first().filter(|_| !site.broken) {
            let message = format!("what host {first} puts before things of other hosts cannot be told: its manifests have errors");
            let diagnostic = Diagnostic::warning(codes::FLEET_INCOMPLETE, message);
            self.say(diagnostic.help(format!("`keel check` says what is wrong; it may lack recorded facts, facts/{first}.json")));
        }
        let mut gates = Vec::new();
        for relation in site.outgoing().to(self.host) {
            let Some(node) = self.find_target(&relation.target, targets) else { continue };
            let gate = Gate {
                node,
                host: relation.host.clone(),
                target: relation.from.clone(),
                word: if relation.word == RelationWord::Notify { RelationWord::Subscribe } else { RelationWord::Require },
                notify: relation.notify,
                optional: relation.optional,
                origin: Default::default(),
            };
            gates.push((gate, relation.place));
        }
        gates
    }
}

/// Whether what is pointed at waits, and not what points.
pub(super) fn is_forward(word: RelationWord) -> bool {
    matches!(word, RelationWord::Before | RelationWord::Notify)
}

/// The hosts that get a block from which a `before` or `notify` leads to other hosts.
fn declaring_hosts(site: &Site) -> Vec<String> {
    let mut modules: BTreeSet<&str> = BTreeSet::new();
    loop {
        let leads = |name: &&str| {
            let module = site.sources.module(name).map(|(_, module)| module);
            !modules.contains(name) && module.is_some_and(|module| points_elsewhere(&module.body, &modules))
        };
        let found: Vec<&str> = site.sources.modules.keys().map(|name| &**name).filter(leads).collect();
        if found.is_empty() {
            break;
        }
        modules.extend(found);
    }
    let roots = site.sources.all.iter().take(site.sources.roots).flat_map(|source| &source.manifest.statements);
    let blocks: Vec<&Assignment> = roots
        .filter_map(|statement| match statement {
            Statement::Assignment(block) if points_elsewhere(&block.body, &modules) => Some(block),
            _ => None,
        })
        .collect();
    site.hosts().filter(|host| blocks.iter().any(|block| site.assigned(block, host))).map(str::to_owned).collect()
}

/// Whether a `before` or `notify` to other hosts stands in statements, or in one of the modules that they use.
pub(crate) fn points_elsewhere(statements: &[Statement], modules: &BTreeSet<&str>) -> bool {
    any_relation(statements, modules, |relation| is_forward(relation.word) && relation.place != RelationPlace::Here)
}

/// Whether a relation to other hosts, whichever way it leads, stands in statements.
pub(crate) fn relates_hosts(statements: &[Statement]) -> bool {
    any_relation(statements, &BTreeSet::new(), |relation| relation.place != RelationPlace::Here)
}

/// Whether such a relation stands in statements, or one of these modules is used there.
fn any_relation(statements: &[Statement], modules: &BTreeSet<&str>, wanted: impl Fn(&Relation) -> bool) -> bool {
    let declares = |extras: &Extras| extras.relations.iter().any(&wanted);
    let mut open: Vec<&Statement> = statements.iter().collect();
    while let Some(statement) = open.pop() {
        let found = match statement {
            Statement::Use(used) => declares(&used.extras) || modules.contains(&*used.module.text),
            Statement::Resource(resource) => declares(&resource.extras),
            Statement::Override(change) => declares(&change.extras),
            other => {
                open.extend(other.inner());
                false
            }
        };
        if found {
            return true;
        }
    }
    false
}
