//! How much of a site its tests reach: modules and declarations of resources.

use std::collections::BTreeSet;
use std::sync::Arc;

use keel_engine::catalog::{Catalog, Origin};

use crate::library::LIBRARY_FOLDER;
use crate::site::Site;
use crate::syntax::Statement;

/// Where something is declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's path in the site.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is declared, as it is written there.
    pub what: String,
}

/// What the tests of a site come by. Stock modules do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// All modules.
    pub modules: BTreeSet<String>,
    /// Those in a tested catalog.
    pub modules_reached: BTreeSet<String>,
    /// All declarations of resources.
    pub declarations: BTreeSet<Place>,
    /// Those in a tested catalog.
    pub reached: BTreeSet<Place>,
    /// Those of which a test expects something.
    pub expected: BTreeSet<Place>,
}

/// What one catalog, and what is expected of it, comes by.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    modules: BTreeSet<String>,
    reached: BTreeSet<(Arc<str>, u32, u32)>,
    expected: BTreeSet<(Arc<str>, u32, u32)>,
}

impl Steps {
    /// Everything in a catalog.
    pub(super) fn of(catalog: &Catalog) -> Self {
        let modules = catalog.containers.iter().map(|container| container.address.title.to_string()).collect();
        let reached = catalog.resources.iter().filter_map(|resource| key(catalog, resource.origin)).collect();
        Self { modules, reached, expected: BTreeSet::new() }
    }

    /// Notes that something is expected of what is declared here.
    pub(super) fn expect(&mut self, catalog: &Catalog, origin: Origin) {
        self.expected.extend(key(catalog, origin));
    }
}

fn key(catalog: &Catalog, origin: Origin) -> Option<(Arc<str>, u32, u32)> {
    Some((Arc::clone(catalog.files.get(origin.file as usize)?), origin.line, origin.column))
}

impl Coverage {
    /// What there is to come by in a site.
    pub(super) fn of(site: &Site) -> Self {
        let mut coverage = Self::default();
        for source in site.sources.all.iter().filter(|source| !source.path.starts_with(LIBRARY_FOLDER)) {
            let mut open: Vec<&Statement> = source.manifest.statements.iter().collect();
            while let Some(statement) = open.pop() {
                open.extend(statement.inner());
                let resource = match statement {
                    Statement::Module(module) => {
                        coverage.modules.insert(module.name.text.to_string());
                        continue;
                    }
                    Statement::Resource(resource) => resource,
                    _ => continue,
                };
                for title in &resource.titles {
                    let (line, column) = source.position(title.span.start as usize);
                    let what = format!("{} {}", resource.type_name.text, source.slice(title.span.into()));
                    coverage.declarations.insert(Place { file: Arc::clone(&source.path), line, column, what });
                }
            }
        }
        coverage
    }

    /// Takes in what a test came by.
    pub(super) fn add(&mut self, steps: &Steps) {
        self.modules_reached.extend(steps.modules.intersection(&self.modules).cloned());
        let known =
            |place: &Place, among: &BTreeSet<(Arc<str>, u32, u32)>| among.contains(&(Arc::clone(&place.file), place.line, place.column));
        self.reached.extend(self.declarations.iter().filter(|place| known(place, &steps.reached)).cloned());
        self.expected.extend(self.declarations.iter().filter(|place| known(place, &steps.expected)).cloned());
    }

    /// The modules in no tested catalog.
    pub fn modules_missed(&self) -> impl Iterator<Item = &String> {
        self.modules.difference(&self.modules_reached)
    }

    /// The declarations in no tested catalog.
    pub fn missed(&self) -> impl Iterator<Item = &Place> {
        self.declarations.difference(&self.reached)
    }
}
