//! The resources of a run, grouped by type or family of types.

use std::collections::HashMap;

use crate::address::Address;
use crate::attributes::AttributeError;
use crate::catalog::{Effect, Resource};
use crate::change::Change;
use crate::footprint::Footprint;
use crate::resource::{AnyType, Disruption, Failure, Group, Nature, PlannedRefresh, Reliance};

/// All resources of a run. They hold opened secrets and live no longer than the run.
pub struct Groups<'t, H: ?Sized> {
    pub(super) groups: Vec<TypeGroup<'t, H>>,
    /// For every resource its group and its position there.
    pub(super) places: Vec<Place>,
}

/// The resources of one type or family.
pub(super) struct TypeGroup<'t, H: ?Sized> {
    pub(super) nature: Nature,
    pub(super) group: Box<dyn Group<H> + 't>,
    /// The resources' positions in the catalog.
    pub(super) resources: Vec<usize>,
}

/// Where a resource is among the groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) group: usize,
    pub(super) member: usize,
}

/// A resource that cannot be made ready for a run.
#[derive(Debug)]
pub struct GroupError {
    /// The resource.
    pub address: Address,
    /// What is wrong with it.
    pub errors: Vec<AttributeError>,
}

impl<'t, H: ?Sized> Groups<'t, H> {
    /// Groups resources, whose secrets have been opened, by type or family.
    ///
    /// # Errors
    /// The first resource whose type is unknown or whose attributes its type refuses.
    pub fn build(types: &[&'t dyn AnyType<H>], resources: &[Resource]) -> Result<Self, GroupError> {
        let by_name: HashMap<&str, &&'t dyn AnyType<H>> = types.iter().map(|kind| (kind.schema().name, kind)).collect();
        let mut members: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut group_of: HashMap<&str, usize> = HashMap::new();
        let mut places = Vec::with_capacity(resources.len());
        for (position, resource) in resources.iter().enumerate() {
            let name: &str = &resource.address.type_name;
            let family = by_name.get(name).and_then(|kind| kind.family());
            let group = *group_of.entry(family.unwrap_or(name)).or_insert_with(|| {
                members.push((name, Vec::new()));
                members.len() - 1
            });
            places.push(Place { group, member: members[group].1.len() });
            members[group].1.push(position);
        }
        let groups = members.into_iter().map(|(name, positions)| type_group(by_name.get(name).copied(), name, positions, resources));
        Ok(Self { groups: groups.collect::<Result<_, _>>()?, places })
    }

    /// What every resource touches, in the order of the catalog.
    pub fn footprints(&self) -> Vec<Footprint> {
        self.places.iter().map(|place| self.groups[place.group].group.footprint(place.member)).collect()
    }

    /// What everybody should know who reads the report.
    pub fn warnings(&self) -> Vec<String> {
        self.groups.iter().flat_map(|group| group.group.warnings()).collect()
    }

    pub(super) fn held(&self, resource: usize) -> Option<String> {
        let place = self.places[resource];
        self.groups[place.group].group.held(place.member)
    }

    pub(super) fn nature(&self, resource: usize) -> Nature {
        self.groups[self.places[resource].group].nature
    }

    pub(super) fn reliance(&self, resource: usize) -> Reliance {
        let place = self.places[resource];
        self.groups[place.group].group.reliance(place.member)
    }

    pub(super) fn plan_refresh(&self, resource: usize, effect: Effect, made: &[Change]) -> PlannedRefresh {
        let place = self.places[resource];
        self.groups[place.group].group.plan_refresh(place.member, effect, made)
    }

    pub(super) fn disrupts(
        &self,
        host: &H,
        resource: usize,
        changes: &[Change],
        refresh: Option<Effect>,
    ) -> Result<Option<Disruption>, Failure> {
        let place = self.places[resource];
        self.groups[place.group].group.disrupts(host, place.member, changes, refresh)
    }

    pub(super) fn guards_let(&self, host: &H, resource: usize) -> Result<bool, Failure> {
        let place = self.places[resource];
        self.groups[place.group].group.guards_let(host, place.member)
    }
}

fn type_group<'t, H: ?Sized>(
    kind: Option<&&'t dyn AnyType<H>>,
    name: &str,
    positions: Vec<usize>,
    resources: &[Resource],
) -> Result<TypeGroup<'t, H>, GroupError> {
    let members: Vec<&Resource> = positions.iter().map(|&position| &resources[position]).collect();
    let error = |position: usize, errors| GroupError { address: members[position].address.clone(), errors };
    let kind = kind.ok_or_else(|| error(0, vec![AttributeError::new("", format!("the type {name} does not exist in this program"))]))?;
    let group = kind.group(&members).map_err(|(position, errors)| error(position, errors))?;
    Ok(TypeGroup { nature: kind.nature(), group, resources: positions })
}
