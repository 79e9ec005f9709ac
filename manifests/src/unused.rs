//! Modules that nobody uses: no host comes by there, so what a compile would find is looked for as far as it
//! can be told without one: texts and expressions, templates and sources, and what relations point at.

use std::collections::BTreeSet;

use keel_engine::address::CONTAINER_TYPE;
use keel_engine::schema::TypeSchema;

use crate::codes;
use crate::compile::attributes::{CONTENT, SOURCE, TEMPLATE};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::evaluation_error::EvalError;
use crate::files::SiteFiles;
use crate::scope::Scope;
use crate::site::{Site, in_folder};
use crate::sources::Source;
use crate::syntax::{Attribute, Data, Extras, Literal, Mark, Module, Reference, RelationPlace, Resource, Scalar, Statement};

/// Checks the modules that nobody uses, where they were loaded.
pub(crate) fn check(site: &Site, out: &mut Vec<Diagnostic>) {
    // Where a text is wrong whatever its variables are, any host's names will do to say so.
    let Some(scope) = site.hosts().next().and_then(|host| site.data.scope(host)) else { return };
    if site.sources.unused.is_empty() {
        return;
    }
    let declared = &Declared::of(site);
    for name in &site.sources.unused {
        let Some((place, module)) = site.sources.module(name) else { continue };
        let Some(source) = site.sources.all.get(place.source) else { continue };
        Walk { site, scope: &scope, declared, source, module, folder: &place.folder, out }.statements(&module.body);
    }
}

/// What the manifests declare, whoever gets it.
#[derive(Default)]
struct Declared<'s> {
    /// Type and title.
    resources: BTreeSet<(&'s str, &'s str)>,
    /// Types with a title that only a host's variables tell.
    open: BTreeSet<&'s str>,
}

impl<'s> Declared<'s> {
    fn of(site: &'s Site) -> Self {
        let mut declared = Self::default();
        let mut open: Vec<&Statement> = site.sources.all.iter().flat_map(|source| &source.manifest.statements).collect();
        while let Some(statement) = open.pop() {
            match statement {
                Statement::Resource(resource) => declared.add(resource),
                other => open.extend(other.inner()),
            }
        }
        declared
    }

    fn add(&mut self, resource: &'s Resource) {
        for title in &resource.titles {
            match plain_text(title) {
                Some(text) => drop(self.resources.insert((&resource.type_name.text, text))),
                None => drop(self.open.insert(&resource.type_name.text)),
            }
        }
    }
}

/// A text in which nothing is put in.
fn plain_text(literal: &Literal) -> Option<&str> {
    let text = literal.scalar.as_text()?;
    match literal.mark {
        Mark::Verbatim => Some(text),
        Mark::Plain if !text.contains("{{") => Some(text),
        _ => None,
    }
}

struct Walk<'c> {
    site: &'c Site,
    scope: &'c Scope,
    declared: &'c Declared<'c>,
    source: &'c Source,
    module: &'c Module,
    folder: &'c str,
    out: &'c mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Use(used) => {
                used.arguments.iter().for_each(|argument| self.data(&argument.value));
                self.extras(&used.extras);
            }
            Statement::Resource(resource) => {
                resource.titles.iter().for_each(|title| self.literal(title));
                if let Some(schema) = self.site.schema(&resource.type_name.text) {
                    self.attributes(&resource.attributes, schema);
                }
                self.extras(&resource.extras);
            }
            Statement::Let(bindings) => bindings.bindings.iter().for_each(|binding| self.data(&binding.value)),
            Statement::For(repeat) => {
                self.expression(&repeat.list);
                self.statements(&repeat.body);
            }
            Statement::If(choice) => {
                for (condition, body) in &choice.branches {
                    self.expression(condition);
                    self.statements(body);
                }
                self.statements(&choice.otherwise);
            }
            Statement::Defaults(entries) => {
                for entry in entries {
                    if let Some(schema) = self.site.schema(&entry.type_name.text) {
                        self.attributes(&entry.attributes, schema);
                    }
                }
            }
            Statement::Override(change) => {
                if let Some(schema) = self.site.schema(&change.target.type_name.text) {
                    self.attributes(&change.attributes, schema);
                }
                self.extras(&change.extras);
            }
            Statement::Say(say) => {
                say.when.iter().for_each(|when| self.expression(when));
                self.literal(&say.text);
            }
            Statement::Schedule(schedule) => {
                let texts = schedule.ranges.iter().chain(&schedule.days).chain(&schedule.timezone);
                texts.for_each(|text| self.literal(text));
            }
            Statement::Guard(guard) => {
                self.data(&guard.members);
                guard.max.iter().for_each(|max| self.literal(max));
                guard.ready.iter().for_each(|check| self.data(&check.value));
                guard.drain.iter().chain(&guard.undrain).for_each(|command| self.data(command));
                guard.ask.iter().flatten().for_each(|check| self.data(&check.value));
                guard.turn.iter().for_each(|turn| self.literal(turn));
            }
            Statement::Purge(purge) => purge.keep.iter().for_each(|name| self.literal(name)),
            Statement::Module(_) | Statement::Assignment(_) | Statement::Prune(_) => {}
        }
    }

    fn say(&mut self, error: EvalError, literal: &Literal) {
        let text = literal.scalar.as_text().map_or("", |text| text);
        let place = self.source.narrowed(literal.span, text, error.range.clone());
        self.out.push(error.into_diagnostic(&self.source.path, place));
    }

    fn expression(&mut self, literal: &Literal) {
        // Braces around a bare expression are said by the check of names.
        let Scalar::Text(text) = &literal.scalar else { return };
        if !text.trim_start().starts_with("{{")
            && let Err(error) = self.scope.parse_expression(text)
        {
            self.say(error, literal);
        }
    }

    fn literal(&mut self, literal: &Literal) {
        let Scalar::Text(text) = &literal.scalar else { return };
        let parsed = match literal.mark {
            Mark::Verbatim => return,
            Mark::Plain => self.scope.parse_text(text),
            Mark::Expression => self.scope.parse_expression(text),
            Mark::Secret if text.contains("{{") => self.scope.parse_text(text),
            Mark::Secret => self.scope.secret(text).map(drop),
        };
        if let Err(error) = parsed {
            self.say(error, literal);
        }
    }

    fn data(&mut self, data: &Data) {
        match data {
            Data::Literal(literal) => self.literal(literal),
            Data::List(items, _) => items.iter().for_each(|item| self.data(item)),
            Data::Table(entries, _) => entries.iter().for_each(|entry| self.data(&entry.value)),
            Data::Keyed(key, entries, _) => {
                self.literal(key);
                entries.iter().for_each(|entry| self.data(&entry.value));
            }
        }
    }

    fn attributes(&mut self, attributes: &[Attribute], schema: &TypeSchema) {
        for attribute in attributes {
            self.data(&attribute.value);
            let name = &*attribute.name.text;
            let has_content = schema.attribute(CONTENT).is_some();
            match &attribute.value {
                Data::Literal(literal) if name == TEMPLATE && has_content && schema.attribute(TEMPLATE).is_none() => self.template(literal),
                Data::Literal(literal) if name == SOURCE && has_content => self.content_source(literal),
                _ => {}
            }
        }
    }

    fn template(&mut self, literal: &Literal) {
        let Some(path) = plain_text(literal) else { return };
        let module = if self.folder.is_empty() { "" } else { &self.module.name.text };
        if let Err(error) = self.scope.parse_template(module, path) {
            self.say(error, literal);
        }
    }

    /// One source of a content. Of several those that are missing may be left out, so they are not looked at.
    fn content_source(&mut self, literal: &Literal) {
        let Some(path) = plain_text(literal).filter(|path| !path.starts_with('/')) else { return };
        let folder = in_folder(self.folder, "files");
        let whole = format!("{folder}/{path}");
        let files = &self.site.files;
        let is_file = !matches!(files.read(&whole), Ok(None));
        if is_file || files.list(&whole).is_ok_and(|listed| !listed.is_empty()) {
            return;
        }
        let listed = files.list(&folder).unwrap_or_default();
        let prefix = format!("{folder}/");
        let near = did_you_mean(path, listed.iter().filter_map(|file| file.path.strip_prefix(&prefix)));
        let help = near.unwrap_or_else(|| format!("put it into {folder}/; a path on the host begins with `/`"));
        self.error(codes::SOURCE_MISSING, format!("there is no source {path} in {folder}/"), literal, help);
    }

    fn error(&mut self, code: &'static str, message: String, literal: &Literal, help: String) {
        self.out.push(Diagnostic::error(code, message).at(&self.source.path, literal.span.into(), "here").help(help));
    }

    fn extras(&mut self, extras: &Extras) {
        extras.when.iter().for_each(|when| self.expression(when));
        extras.tags.iter().for_each(|tag| self.literal(tag));
        extras.schedule.iter().chain(&extras.guard).for_each(|name| self.literal(name));
        for relation in &extras.relations {
            relation.targets.iter().for_each(|target| self.literal(&target.title));
            match &relation.place {
                RelationPlace::Here => {}
                RelationPlace::Host(literal) => self.assignee(literal, "host"),
                RelationPlace::Group(literal) => self.assignee(literal, "group"),
                RelationPlace::On(literal) => self.literal(literal),
            }
            if !relation.optional {
                relation.targets.iter().for_each(|target| self.reference(target));
            }
        }
    }

    fn assignee(&mut self, literal: &Literal, what: &str) {
        self.literal(literal);
        let Some(name) = plain_text(literal) else { return };
        let inventory = &self.site.data.inventory;
        let (known, near) = match what {
            "host" => (inventory.host(name).is_some(), did_you_mean(name, self.site.hosts())),
            _ => (inventory.group(name).is_some(), did_you_mean(name, inventory.groups().map(|group| &*group.name))),
        };
        if !known {
            let help = near.unwrap_or_else(|| format!("declare the {what} in inventory/"));
            self.error(codes::UNKNOWN_ASSIGNEE, format!("the inventory has no {what} `{name}`"), literal, help);
        }
    }

    /// Something that no manifest declares for anybody cannot be in a catalog.
    fn reference(&mut self, reference: &Reference) {
        let (type_name, Some(title)) = (&*reference.type_name.text, plain_text(&reference.title)) else { return };
        let (known, near) = if type_name == CONTAINER_TYPE {
            let modules = &self.site.sources.modules;
            (modules.contains_key(title), did_you_mean(title, modules.keys().map(|name| &**name)))
        } else {
            let is_open = self.declared.open.contains(type_name) || self.site.schema(type_name).is_none();
            let titles = self.declared.resources.iter().filter(|(of, _)| *of == type_name).map(|(_, title)| *title);
            (is_open || self.declared.resources.contains(&(type_name, title)), did_you_mean(title, titles))
        };
        if !known {
            let address = keel_engine::address::Address::new(type_name, title);
            let help = near.unwrap_or_else(|| "declare it, or write optional=#true".to_owned());
            self.error(codes::DANGLING, format!("this points at {address}, which no manifest declares"), &reference.title, help);
        }
    }
}
