//! What the names of a site stand for and where they are declared: for editors.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::inventory::{Group, Host, RESERVED_VARIABLES};
use crate::library;
use crate::lower::{EXTRA_WORDS, STATEMENT_WORDS, TOP_WORDS};
use crate::site::Site;
use crate::syntax::{Module, Resource, Statement};

/// Bytes of a file of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file's path in the site.
    pub path: Arc<str>,
    /// The bytes meant.
    pub span: Range<usize>,
}

/// Who gives a variable a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setter {
    /// `group web` or `host web-1`.
    pub who: String,
    /// Where the variable's name stands.
    pub location: Location,
    /// The line, from 1.
    pub line: u32,
}

/// The words that may begin a node at the top of a manifest.
pub fn top_words() -> &'static [&'static str] {
    &TOP_WORDS
}

/// The words that may begin a node in a module, or in a block that says who gets something; those that only a module
/// takes come with one.
pub fn body_words(in_module: bool) -> impl Iterator<Item = &'static str> {
    let outside = move |word: &&str| !matches!(*word, "module" | "on") && (in_module || *word != "param");
    STATEMENT_WORDS.into_iter().filter(outside)
}

/// The words that every resource and every use of a module takes beside its attributes.
pub fn extra_words() -> &'static [&'static str] {
    &EXTRA_WORDS
}

impl Site {
    /// The modules that can be used.
    pub fn module_names(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = library::modules().collect();
        names.extend(self.sources.modules.keys().map(|name| &**name));
        names
    }

    /// A module of the site, or of the library if something uses it, and where its name stands.
    pub fn module(&self, name: &str) -> Option<(&Module, Location)> {
        let (place, module) = self.sources.module(name)?;
        let source = self.sources.all.get(place.source)?;
        Some((module, Location { path: Arc::clone(&source.path), span: module.name.span.into() }))
    }

    /// All declarations of resources, under whatever condition, and where each begins.
    pub fn declarations(&self) -> Vec<(&Resource, Location)> {
        let mut found = Vec::new();
        for source in &self.sources.all {
            let mut open: Vec<&Statement> = source.manifest.statements.iter().collect();
            while let Some(statement) = open.pop() {
                if let Statement::Resource(resource) = statement {
                    let span = resource.type_name.span.into();
                    found.push((resource, Location { path: Arc::clone(&source.path), span }));
                }
                open.extend(statement.inner());
            }
        }
        found
    }

    /// The names that expressions find: variables of groups and hosts, and what is always there.
    pub fn variable_names(&self) -> BTreeSet<&str> {
        let inventory = &self.data.inventory;
        let own = inventory.hosts().flat_map(|host| host.vars.keys()).map(String::as_str);
        inventory.variable_names().chain(own).chain(RESERVED_VARIABLES).collect()
    }

    /// Who sets a variable, the weakest group first, then the hosts.
    pub fn setters_of(&self, variable: &str) -> Vec<Setter> {
        let inventory = &self.data.inventory;
        let group = |group: &Group| {
            let span = group.vars.get(variable)?.key_span.clone();
            let line = group.source.line(span.start);
            let location = Location { path: Arc::clone(&group.source.path), span };
            Some(Setter { who: format!("group {}", group.name), location, line })
        };
        let host = |host: &Host| {
            let span = host.vars.get(variable)?.key_span.clone();
            let line = host.place.source.line(span.start);
            let location = Location { path: Arc::clone(&host.place.source.path), span };
            Some(Setter { who: format!("host {}", host.name), location, line })
        };
        inventory.setters(variable).filter_map(group).chain(inventory.hosts().filter_map(host)).collect()
    }

    /// Where a host is declared.
    pub fn host_location(&self, name: &str) -> Option<Location> {
        let place = &self.data.inventory.host(name)?.place;
        Some(Location { path: Arc::clone(&place.source.path), span: place.span.clone() })
    }

    /// Where a group is declared: the beginning of its file.
    pub fn group_location(&self, name: &str) -> Option<Location> {
        let group = self.data.inventory.group(name)?;
        Some(Location { path: Arc::clone(&group.source.path), span: 0..0 })
    }
}
