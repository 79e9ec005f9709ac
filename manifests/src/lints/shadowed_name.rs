//! A `let` or a loop that hides a name of a block around it, or a variable of the inventory.

use std::collections::HashSet;
use std::sync::Arc;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::site::Site;
use crate::sources::Source;
use crate::syntax::{Name, Statement};

pub(super) fn check(site: &Site) -> Vec<Diagnostic> {
    let inventory = &site.data.inventory;
    let of_hosts = inventory.hosts().flat_map(|host| host.vars.keys()).map(String::as_str);
    let variables: HashSet<&str> = inventory.variable_names().chain(of_hosts).collect();
    let mut found = Vec::new();
    for source in &site.sources.all {
        let mut walk = Walk { source, variables: &variables, names: Vec::new(), found: &mut found };
        walk.block(&source.manifest.statements);
    }
    found
}

struct Walk<'w> {
    source: &'w Source,
    variables: &'w HashSet<&'w str>,
    /// The names that hold here, those of the innermost block last.
    names: Vec<Name>,
    found: &'w mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn block(&mut self, statements: &[Statement]) {
        let outside = self.names.len();
        for statement in statements {
            match statement {
                Statement::Let(binding) => binding.bindings.iter().for_each(|binding| self.name(&binding.name)),
                Statement::Module(module) => self.inside(module.parameters.iter().map(|parameter| parameter.name.clone()), &module.body),
                Statement::For(repeat) => {
                    let before = self.names.len();
                    repeat.names.iter().for_each(|name| self.name(name));
                    self.block(&repeat.body);
                    self.names.truncate(before);
                }
                Statement::Assignment(assignment) => self.block(&assignment.body),
                Statement::If(choice) => {
                    choice.branches.iter().for_each(|(_, body)| self.block(body));
                    self.block(&choice.otherwise);
                }
                _ => {}
            }
        }
        self.names.truncate(outside);
    }

    /// Parameters hide nothing: a module is meant to see its own first.
    fn inside(&mut self, names: impl Iterator<Item = Name>, body: &[Statement]) {
        let before = self.names.len();
        self.names.extend(names);
        self.block(body);
        self.names.truncate(before);
    }

    fn name(&mut self, name: &Name) {
        let path: &Arc<str> = &self.source.path;
        let outer = self.names.iter().rev().find(|known| known.text == name.text);
        let message = |what: &str| format!("`{}` hides {what}", name.text);
        let found = match outer {
            Some(outer) => {
                let diagnostic = Diagnostic::warning(codes::SHADOWED_NAME, message("the same name of a block around it"));
                Some(diagnostic.at(path, name.span.into(), "here").at(path, outer.span.into(), "the other one"))
            }
            None if self.variables.contains(&*name.text) => {
                let diagnostic = Diagnostic::warning(codes::SHADOWED_NAME, message("the variable of the inventory"));
                Some(diagnostic.at(path, name.span.into(), "here"))
            }
            None => None,
        };
        self.found.extend(found.map(|diagnostic| diagnostic.help("give it another name")));
        self.names.push(name.clone());
    }
}
