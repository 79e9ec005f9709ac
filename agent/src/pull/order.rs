//! An order: what a round is to do, and of what it takes part.

use std::collections::BTreeSet;

use keel_engine::catalog::Catalog;
use keel_engine::graph::Graph;
use keel_engine::protocol::reports::Trigger;
use keel_engine::walk::{Filter, Groups, affected};

use crate::run::Choice;

/// Of more resources a look at a part is no less than one at everything.
const PART_MAX: usize = 300;

/// What a round is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// What started it.
    pub trigger: Trigger,
    /// What takes part.
    pub choice: Choice,
}

impl Order {
    /// A look at what was touched takes along what that depends on, and what it refreshes. Where that is much, or
    /// nobody can tell, everything is looked at.
    pub(super) fn widened(&self, catalog: Option<&Catalog>) -> Self {
        let (Trigger::Watch { .. }, false, Some(catalog)) = (&self.trigger, self.choice.filter.only.is_empty(), catalog) else {
            return self.clone();
        };
        let part = affected_by(&self.choice.filter, catalog).filter(|part| part.len() <= PART_MAX).unwrap_or_default();
        let only = part.iter().filter_map(|&position| catalog.resources.get(position)).map(|resource| resource.address.reference());
        let filter = Filter { only: only.collect(), ..self.choice.filter.clone() };
        Self { choice: Choice { filter, ..self.choice.clone() }, ..self.clone() }
    }
}

/// What the resources that a filter admits affect, if the catalog is a sound one.
fn affected_by(filter: &Filter, catalog: &Catalog) -> Option<BTreeSet<usize>> {
    let types = keel_resources::all();
    let footprints = Groups::build(&types, &catalog.resources).ok()?.footprints();
    let graph = Graph::build(catalog, &footprints).ok()?;
    let touched = catalog.resources.iter().enumerate().filter(|(_, resource)| filter.admits(catalog, resource));
    Some(affected(catalog, &graph, touched.map(|(position, _)| position)))
}
