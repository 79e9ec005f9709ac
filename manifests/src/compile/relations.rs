//! Relations: remembered while the manifests are walked, resolved when everything is declared.

use foldhash::{HashMap, HashSet};
use keel_engine::address::Address;
use keel_engine::catalog::{Effect, Gate, Node, Relation, RelationWord};

use super::frame::Frame;
use super::outgoing::is_forward;
use super::{Compiler, Place, RELATIONS_MAX};
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::syntax::{self, Literal, RelationPlace};

/// A relation whose target may not be declared yet.
pub(super) struct PendingRelation<'s> {
    pub(super) from: Node,
    pub(super) written: &'s syntax::Relation,
    pub(super) target: Address,
    pub(super) place: Place,
    /// Other hosts whose thing is meant; none for this host's own.
    pub(super) hosts: Option<Vec<String>>,
}

impl PendingRelation<'_> {
    /// Whether the manifest names a host, and it happens to be this one.
    fn names_this_host(&self) -> bool {
        self.hosts.is_none() && matches!(self.written.place, RelationPlace::Host(_))
    }
}

/// How many relations that point at nothing are said: a loop can make thousands, and advice looks at all titles.
const DANGLING_MAX: usize = 50;

/// What relations point at, while they are resolved.
pub(super) struct Targets<'s> {
    /// The first container of each module.
    containers: HashMap<&'s str, usize>,
    /// How many relations pointed at nothing so far.
    dangling: usize,
}

/// All relations of a catalog, with the places that become their origins.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) relations: Vec<(Relation, Place)>,
    pub(super) gates: Vec<(Gate, Place)>,
}

impl<'s> Compiler<'s> {
    /// Remembers the relations of a resource or a use.
    pub(super) fn remember_relations(&mut self, from: Node, relations: &'s [syntax::Relation], frame: &Frame<'s>) {
        for written in relations {
            let Some(hosts) = self.hosts_meant(written, frame) else { continue };
            for reference in &written.targets {
                let Some(target) = self.address(reference, frame) else { continue };
                let place = frame.place(reference.title.span);
                let hosts_count = hosts.as_ref().map_or(1, Vec::len);
                self.relation_count = self.relation_count.saturating_add(hosts_count);
                if self.relation_count > RELATIONS_MAX {
                    self.stopped = true;
                    let help = "point at whole modules, (module)NAME, in place of many resources";
                    return self.error(
                        codes::TOO_MANY_RELATIONS,
                        format!("the catalog has more than {RELATIONS_MAX} relations"),
                        place,
                        help,
                    );
                }
                self.relations.push(PendingRelation { from, written, target, place, hosts: hosts.clone() });
            }
        }
    }

    /// The other hosts that a relation means; the outer none if that cannot be told.
    fn hosts_meant(&mut self, written: &'s syntax::Relation, frame: &Frame<'s>) -> Option<Option<Vec<String>>> {
        let place = &written.place;
        let (literal, what) = match place {
            RelationPlace::Here => return Some(None),
            RelationPlace::Host(literal) => (literal, "the name of a host"),
            RelationPlace::Group(literal) => (literal, "the name of a group"),
            RelationPlace::On(literal) => (literal, "a selector"),
        };
        let text = self.public_text(literal, what, frame)?;
        let at = frame.place(literal.span);
        if matches!(place, RelationPlace::Host(_)) {
            return self.one_host(&text, at);
        }
        let selected = match place {
            RelationPlace::Group(_) => self.group_members(&text, at)?,
            _ => self.selected(&text, literal, frame)?,
        };
        if selected.is_empty() && !written.optional {
            let effect = if is_forward(written.word) { "nobody waits" } else { "it waits for nobody" };
            let message = format!("`{}` means no host at present: {effect}", written.word);
            let diagnostic = self.label(Diagnostic::warning(codes::NOBODY, message), at, "means nobody");
            self.say(diagnostic.help("optional=#true says that this is meant"));
        }
        // A thing cannot wait for its own host as it waits for the others.
        Some(Some(selected.into_iter().filter(|name| name != self.host).collect()))
    }

    fn one_host(&mut self, name: &str, at: Place) -> Option<Option<Vec<String>>> {
        if name == self.host {
            return Some(None);
        }
        if self.site.data.inventory.host(name).is_some() {
            return Some(Some(vec![name.to_owned()]));
        }
        let help = did_you_mean(name, self.site.hosts()).unwrap_or_else(|| "declare it in inventory/hosts.toml".to_owned());
        self.error(codes::UNKNOWN_ASSIGNEE, format!("the inventory has no host `{name}`"), at, help);
        None
    }

    fn group_members(&mut self, name: &str, at: Place) -> Option<Vec<String>> {
        let inventory = &self.site.data.inventory;
        if inventory.group(name).is_none() {
            let help = did_you_mean(name, inventory.groups().map(|group| &*group.name))
                .unwrap_or_else(|| "groups are files of inventory/groups".to_owned());
            self.error(codes::UNKNOWN_ASSIGNEE, format!("the inventory has no group `{name}`"), at, help);
            return None;
        }
        Some(inventory.members(name).into_iter().map(|host| host.name.to_string()).collect())
    }

    fn selected(&mut self, text: &str, literal: &Literal, frame: &Frame<'s>) -> Option<Vec<String>> {
        match self.site.select(text) {
            Ok(hosts) => Some(hosts),
            Err(error) => self.evaluated(Err(error), literal, frame),
        }
    }

    /// Resolves everything remembered.
    pub(super) fn resolve_relations(&mut self) -> Resolved {
        let Resolved { mut relations, mut gates } = Resolved::default();
        let mut seen = HashSet::default();
        let containers = self.containers.iter().enumerate().rev().map(|(position, container)| (container.module, position));
        let mut targets = Targets { containers: containers.collect(), dangling: 0 };
        let mut all = std::mem::take(&mut self.relations);
        if self.stopped {
            // There will be no catalog, and resolving what was remembered so far would only take time.
            all.clear();
        }
        for pending in all {
            let word = pending.written.word;
            let notify = effect_of(pending.written);
            let origin = Default::default();
            match &pending.hosts {
                // Who waits for these is another host: its catalog holds the gate.
                Some(_) if is_forward(word) => {}
                Some(hosts) => {
                    for host in hosts {
                        let (target, optional) = (pending.target.clone(), pending.written.optional);
                        gates
                            .push((Gate { node: pending.from, host: host.clone(), target, word, notify, optional, origin }, pending.place));
                    }
                }
                None => {
                    let Some(other) = self.target(&pending, &mut targets) else { continue };
                    // The member that all members wait for does not wait for itself.
                    if pending.names_this_host() && self.holds_node(other, pending.from) {
                        continue;
                    }
                    let (first, then) = match word {
                        RelationWord::Require | RelationWord::Subscribe => (other, pending.from),
                        RelationWord::Before | RelationWord::Notify => (pending.from, other),
                    };
                    if seen.insert((first, then, notify)) {
                        relations.push((Relation { first, then, notify, word, origin }, pending.place));
                    }
                }
            }
        }
        gates.extend(self.gates_from_others(&targets));
        Resolved { relations, gates }
    }

    /// Whether a node is another one, or a module around it.
    fn holds_node(&self, outer: Node, inner: Node) -> bool {
        let mut next = match inner {
            Node::Resource(position) => self.drafts.get(position).and_then(|draft| draft.container),
            Node::Container(position) => Some(position),
        };
        while let Some(position) = next {
            if outer == Node::Container(position) {
                return true;
            }
            next = self.containers.get(position).and_then(|container| container.parent);
        }
        outer == inner
    }

    /// This host's thing of an address.
    pub(super) fn find_target(&self, address: &Address, targets: &Targets<'s>) -> Option<Node> {
        match address.is_container() {
            true => targets.containers.get(&*address.title).copied().map(Node::Container),
            false => self.drafts.find(address).map(Node::Resource),
        }
    }

    fn target(&mut self, pending: &PendingRelation<'s>, targets: &mut Targets<'s>) -> Option<Node> {
        let address = &pending.target;
        let found = self.find_target(address, targets);
        // Unknown types were reported when the site was loaded.
        let type_known = address.is_container() || self.site.schema(&address.type_name).is_some();
        if found.is_some() || pending.written.optional || !type_known {
            return found;
        }
        targets.dangling += 1;
        if targets.dangling > DANGLING_MAX {
            return None;
        }
        let near = if address.is_container() {
            did_you_mean(&address.title, self.containers.iter().map(|container| container.module))
        } else {
            self.drafts.nearest(address)
        };
        let help = near.unwrap_or_else(|| "declare it for this host, or write optional=#true".to_owned());
        let message = format!("`{}` points at {address}, which is not in the catalog", pending.written.word);
        self.error(codes::DANGLING, message, pending.place, help);
        None
    }
}

/// The refresh that a relation carries; without a word it is a restart.
pub(super) fn effect_of(written: &syntax::Relation) -> Option<Effect> {
    let effect = match written.effect.as_ref().map(|effect| &*effect.text) {
        Some("reload") => Effect::Reload,
        _ => Effect::Restart,
    };
    matches!(written.word, RelationWord::Notify | RelationWord::Subscribe).then_some(effect)
}
