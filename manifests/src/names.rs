//! What can be checked without a host: every name in the manifests means something, in every branch,
//! whether a host comes by there or not.

use keel_engine::address::CONTAINER_TYPE;
use keel_engine::schema::TypeSchema;

use crate::codes;
use crate::compile::attributes::{SOURCE, TEMPLATE, stands_for};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::foreign_words;
use crate::inventory::RESERVED_VARIABLES;
use crate::kinds::parse_kind;
use crate::lower::{EXTRA_WORDS, REFERENCE_HELP, STATEMENT_WORDS};
use crate::site::Site;
use crate::sources::Source;
use crate::syntax::{
    Assignment, AssignmentWord, Attribute, Extras, Literal, Module, Name, Reference, RelationPlace, Resource, Span, Statement, Use,
};

/// Checks all loaded manifests of a site.
pub(crate) fn check(site: &Site, out: &mut Vec<Diagnostic>) {
    for source in &site.sources.all {
        let mut checker = Checker { site, source, out };
        checker.statements(&source.manifest.statements);
    }
}

struct Checker<'c> {
    site: &'c Site,
    source: &'c Source,
    out: &'c mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span, help: impl Into<String>) {
        self.out.push(Diagnostic::error(code, message).at(&self.source.path, span.into(), "here").help(help));
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Module(module) => self.module(module),
            Statement::Assignment(assignment) => {
                self.assignment(assignment);
                self.statements(&assignment.body);
            }
            Statement::Use(used) => self.used(used),
            Statement::Resource(resource) => self.resource(resource),
            Statement::Let(bindings) => bindings.bindings.iter().for_each(|binding| self.binding(&binding.name)),
            Statement::For(repeat) => {
                repeat.names.iter().for_each(|name| self.binding(name));
                self.bare(&repeat.list);
                self.statements(&repeat.body);
            }
            Statement::If(choice) => {
                for (condition, body) in &choice.branches {
                    self.bare(condition);
                    self.statements(body);
                }
                self.statements(&choice.otherwise);
            }
            Statement::Defaults(entries) => {
                for entry in entries {
                    if let Some(schema) = self.type_named(&entry.type_name) {
                        self.attributes(&entry.attributes, schema);
                    }
                }
            }
            Statement::Override(change) => {
                self.extras(&change.extras);
                let target = &change.target.type_name;
                if &*target.text == CONTAINER_TYPE {
                    let help = "give the module other arguments, or override the resources in it";
                    self.error(codes::OVERRIDE_NOTHING, "only resources can be overridden", target.span, help);
                } else if let Some(schema) = self.type_named(target) {
                    self.attributes(&change.attributes, schema);
                }
            }
            Statement::Say(say) => say.when.iter().for_each(|when| self.bare(when)),
            Statement::Prune(prune) => {
                if let Some(name) = &prune.type_name {
                    self.type_named(name);
                }
            }
            Statement::Purge(purge) => self.purged(&purge.type_name),
            // Its texts are checked with each host's variables.
            Statement::Schedule(_) | Statement::Guard(_) => {}
        }
    }

    /// A type that is purged must be able to say what is there.
    fn purged(&mut self, name: &Name) {
        let Some(schema) = self.type_named(name) else { return };
        let types = self.site.types;
        if types.can_purge(schema.name) {
            return;
        }
        let by_folder = "`file` and `directory_tree` are purged folder by folder: file \"/etc/app.d\" recurse=#true purge=#true";
        let help = match schema.name {
            "file" | "directory_tree" => by_folder.to_owned(),
            _ => {
                let able = types.schemas().iter().map(|schema| schema.name).filter(|name| types.can_purge(name));
                format!("these can: {}", able.collect::<Vec<_>>().join(", "))
            }
        };
        self.error(codes::NOT_PURGEABLE, format!("what nobody declares of `{}` cannot be purged", schema.name), name.span, help);
    }

    fn module(&mut self, module: &Module) {
        for parameter in &module.parameters {
            self.binding(&parameter.name);
            if let Err(why) = parse_kind(&parameter.kind.text) {
                self.error(codes::BAD_KIND, why, parameter.kind.span, "types are written as in (list<string>)servers");
            }
        }
        self.statements(&module.body);
    }

    fn assignment(&mut self, assignment: &Assignment) {
        for name in &assignment.names {
            if let Some((problem, range)) = self.site.assignee_problem(assignment.to, &name.text) {
                let place = self.source.narrowed(name.span, &name.text, range);
                self.out.push(problem.at(&self.source.path, place, "here"));
            }
        }
        if assignment.to == AssignmentWord::Group && assignment.body.is_empty() {
            let message = format!("the block of group `{}` is empty", assignment.names.first().map_or("", |name| &name.text));
            let span = assignment.names.first().map(|name| name.span).unwrap_or_default();
            self.out.push(Diagnostic::note(codes::EMPTY_MANIFEST, message).at(&self.source.path, span.into(), ""));
        }
    }

    fn used(&mut self, used: &Use) {
        self.extras(&used.extras);
        let Some((_, module)) = self.site.sources.module(&used.module.text) else { return };
        let known: Vec<&str> = module.parameters.iter().map(|parameter| &*parameter.name.text).collect();
        for argument in used.arguments.iter().filter(|argument| !known.contains(&&*argument.name.text)) {
            let message = format!("module `{}` has no parameter `{}`", module.name.text, argument.name.text);
            let help = did_you_mean(&argument.name.text, known.iter().copied()).unwrap_or_else(|| match known.as_slice() {
                [] => "it has no parameters".to_owned(),
                known => format!("it has `{}`", known.join("`, `")),
            });
            self.error(codes::UNKNOWN_PARAMETER, message, argument.name.span, help);
        }
    }

    fn resource(&mut self, resource: &Resource) {
        self.extras(&resource.extras);
        if let Some(schema) = self.type_named(&resource.type_name) {
            self.attributes(&resource.attributes, schema);
        }
    }

    fn type_named(&mut self, name: &Name) -> Option<&'static TypeSchema> {
        let found = self.site.schema(&name.text);
        if found.is_none() {
            let types = self.site.types.schemas().iter().map(|schema| schema.name);
            let mut known: Vec<&str> = types.chain(STATEMENT_WORDS).collect();
            let modules = self.site.sources.modules.keys();
            if modules.into_iter().any(|module| module == &name.text) {
                known.clear();
            }
            let help = match known.is_empty() {
                true => format!("`{}` is a module: write `use {}`", name.text, name.text),
                false => foreign_words::resource_type(&name.text)
                    .or_else(|| did_you_mean(&name.text, known))
                    .unwrap_or_else(|| "`keel doc` lists the resource types".to_owned()),
            };
            self.error(codes::UNKNOWN_TYPE, format!("there is no resource type `{}`", name.text), name.span, help);
        }
        found
    }

    fn attributes(&mut self, attributes: &[Attribute], schema: &TypeSchema) {
        for attribute in attributes {
            let name = &*attribute.name.text;
            if schema.attribute(stands_for(schema, name)).is_some() {
                continue;
            }
            if name == "before" {
                self.error(codes::BAD_RELATION, "this is no reference", attribute.value.span(), REFERENCE_HELP);
                continue;
            }
            let more = if schema.attribute(SOURCE).is_some() { &[TEMPLATE][..] } else { &[] };
            let known = schema.attributes.iter().map(|attribute| attribute.name).chain(more.iter().copied()).chain(EXTRA_WORDS);
            let elsewhere =
                foreign_words::attribute(schema.name, name, |here| schema.attribute(here).is_some()).or_else(|| did_you_mean(name, known));
            let help = elsewhere.unwrap_or_else(|| format!("`keel doc {}` lists its attributes", schema.name));
            self.error(codes::UNKNOWN_ATTRIBUTE, format!("`{}` has no attribute `{name}`", schema.name), attribute.name.span, help);
        }
    }

    fn extras(&mut self, extras: &Extras) {
        extras.when.iter().for_each(|when| self.bare(when));
        for relation in &extras.relations {
            relation.targets.iter().for_each(|target| self.reference(target));
            if let RelationPlace::On(literal) = &relation.place {
                self.selector(literal);
            }
        }
    }

    fn reference(&mut self, reference: &Reference) {
        if &*reference.type_name.text != CONTAINER_TYPE {
            self.type_named(&reference.type_name);
        }
    }

    fn selector(&mut self, literal: &Literal) {
        let Some(text) = literal.scalar.as_text().filter(|text| !text.contains("{{")) else { return };
        if let Err(error) = self.site.select(text) {
            let place = self.source.narrowed(literal.span, text, error.range.clone());
            self.out.push(error.into_diagnostic(&self.source.path, place));
        }
    }

    /// A name that `let`, `for` or a parameter gives.
    fn binding(&mut self, name: &Name) {
        let mut characters = name.text.chars();
        let starts = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        let plain = starts && characters.all(|character| character.is_ascii_alphanumeric() || character == '_');
        if !plain {
            let help = "a name begins with a letter and goes on with letters, digits and `_`; a `-` would be a minus in expressions";
            self.error(codes::BAD_BINDING, format!("`{}` cannot be a name in expressions", name.text), name.span, help);
        } else if RESERVED_VARIABLES.contains(&&*name.text) {
            let help = format!("`{}` is what the inventory says; choose another name", name.text);
            self.error(codes::BAD_BINDING, format!("`{}` is built in", name.text), name.span, help);
        }
    }

    /// A bare expression has no braces around it.
    fn bare(&mut self, literal: &Literal) {
        if literal.scalar.as_text().is_some_and(|text| text.trim_start().starts_with("{{")) {
            self.error(codes::BARE_EXPRESSION, "a bare expression stands without braces", literal.span, "leave `{{` and `}}` away");
        }
    }
}
