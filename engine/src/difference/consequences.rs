//! What follows from changes: who is refreshed, by whom in turn, and what is interrupted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Cause, ExpectedDisruption, ExpectedRefresh, Fate, ResourceDifference, TypeTraits};
use crate::address::Address;
use crate::catalog::{Catalog, Effect, Node, Resource};
use crate::walk::Members;

/// By the position of who is refreshed: how, and because of whom.
pub(super) type Due = BTreeMap<usize, (Effect, BTreeSet<Address>)>;

pub(super) fn of(
    head: &Catalog,
    resources: &[ResourceDifference],
    types: &dyn TypeTraits,
) -> (Vec<ExpectedRefresh>, Vec<ExpectedDisruption>) {
    if head.relations.iter().all(|relation| relation.notify.is_none()) {
        return (Vec::new(), disruptions(resources, &[], types));
    }
    let flow = Flow::new(head, resources, types);
    let due = flow.follow_changes();
    let refreshes = due.into_iter().filter_map(|(position, (effect, sources))| {
        let target = head.resources.get(position)?.address.clone();
        Some(ExpectedRefresh { target, effect, sources: sources.into_iter().map(Cause::here).collect() })
    });
    let refreshes: Vec<ExpectedRefresh> = refreshes.collect();
    let disruptions = disruptions(resources, &refreshes, types);
    (refreshes, disruptions)
}

/// How refreshes spread in a catalog.
pub(super) struct Flow<'a> {
    head: &'a Catalog,
    members: Members,
    /// The positions of what changes.
    pub(super) changing: Vec<usize>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(head: &'a Catalog, resources: &[ResourceDifference], types: &dyn TypeTraits) -> Self {
        let differences: HashMap<&Address, &ResourceDifference> = resources.iter().map(|one| (&one.address, one)).collect();
        let difference = |resource: &Resource| differences.get(&resource.address).copied();
        let changes = |resource: &Resource| difference(resource).is_some_and(|one| one.fate.touches_host()) && types.acts(resource);
        let heeds = |resource: &Resource| {
            let own = difference(resource);
            let made = own.map_or(&[][..], |own| &own.changes);
            !resource.noop && types.heeds_refresh(resource, made, own.is_some_and(|own| own.fate == Fate::Added))
        };
        let is_refreshable = |position: usize| {
            let resource = head.resources.get(position);
            resource.is_some_and(|resource| types.is_refreshable(&resource.address.type_name) && heeds(resource))
        };
        let members = Members::of(head, is_refreshable);
        let numbered = head.resources.iter().enumerate();
        let changing = numbered.filter(|(_, resource)| changes(resource)).map(|(position, _)| position).collect();
        Self { head, members, changing }
    }

    /// Who is refreshed because of what changes.
    pub(super) fn follow_changes(&self) -> Due {
        self.follow(&self.changing)
    }

    /// Whom a refresh of this node means.
    pub(super) fn behind(&self, node: Node) -> Vec<usize> {
        self.members.of_node(node)
    }

    /// Follows the notifications from these, and from what is refreshed in turn.
    pub(super) fn follow(&self, starts: &[usize]) -> Due {
        let mut due = Due::new();
        let mut open: Vec<usize> = starts.to_vec();
        let mut seen: BTreeSet<usize> = open.iter().copied().collect();
        while let Some(source) = open.pop() {
            let Some(resource) = self.head.resources.get(source) else { continue };
            for (target, effect) in self.notified(source).into_iter().filter(|(target, _)| *target != source) {
                let (strongest, sources) = due.entry(target).or_insert((effect, BTreeSet::new()));
                *strongest = effect.max(*strongest);
                sources.insert(resource.address.clone());
                if seen.insert(target) {
                    open.push(target);
                }
            }
        }
        due
    }

    /// Whom a change of this resource, or of a container around it, refreshes.
    fn notified(&self, source: usize) -> Vec<(usize, Effect)> {
        let container = self.head.resources.get(source).and_then(|resource| resource.container);
        let around: Vec<Node> = crate::walk::enclosing(self.head, container).map(Node::Container).collect();
        let starts = |first: Node| first == Node::Resource(source) || around.contains(&first);
        let relations = self.head.relations.iter().filter(|relation| starts(relation.first));
        let targets = relations.filter_map(|relation| Some((relation.then, relation.notify?)));
        targets.flat_map(|(then, effect)| self.behind(then).into_iter().map(move |target| (target, effect))).collect()
    }
}

/// What changes and refreshes interrupt.
pub(super) fn disruptions(
    resources: &[ResourceDifference],
    refreshes: &[ExpectedRefresh],
    types: &dyn TypeTraits,
) -> Vec<ExpectedDisruption> {
    let own = resources.iter().filter(|one| one.fate.touches_host()).filter_map(|one| {
        let kind = types.disruption(&one.address.type_name, &one.changes, None)?;
        Some(ExpectedDisruption { kind, address: one.address.clone(), sources: Vec::new() })
    });
    let refreshed = refreshes.iter().filter_map(|refresh| {
        let kind = types.disruption(&refresh.target.type_name, &[], Some(refresh.effect))?;
        Some(ExpectedDisruption { kind, address: refresh.target.clone(), sources: refresh.sources.clone() })
    });
    own.chain(refreshed).collect()
}
