//! From drafts to the catalog, and the checks of the whole: attributes by the types themselves, then
//! what resources touch, then the graph.

use std::sync::Arc;

use foldhash::HashMap;
use keel_engine::attributes::AttributeError;
use keel_engine::catalog::{Catalog, Container, Origin, PurgeRule, Resource};
use keel_engine::footprint::Footprint;
use keel_engine::schema::{Kind, TypeSchema};
use keel_engine::value::Value;

use super::drafts::{Draft, Drafts};
use super::sound::Outline;
use super::{Compiler, Place};
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::footprints;
use crate::foreign_words;

impl<'s> Compiler<'s> {
    /// Makes the catalog, complete or not, and says everything that is wrong with it.
    pub(super) fn assemble(&mut self) -> Option<Catalog> {
        let resolved = self.resolve_relations();
        let mut origins = Origins::default();
        let mut catalog = Catalog::empty(self.host, self.site.name());
        for (mut relation, place) in resolved.relations {
            relation.origin = origins.of(self, place);
            catalog.relations.push(relation);
        }
        for (mut gate, place) in resolved.gates {
            gate.origin = origins.of(self, place);
            catalog.gates.push(gate);
        }
        for container in std::mem::take(&mut self.containers) {
            let origin = origins.of(self, container.place);
            catalog.containers.push(Container { address: container.address, parent: container.parent, origin });
        }
        let footprints = self.resources(&mut catalog, &mut origins);
        catalog.prune = std::mem::take(&mut self.prune);
        for purge in std::mem::take(&mut self.purge) {
            purge.schedule.iter().for_each(|schedule| self.look_for_schedule(schedule));
            catalog.purge.push(PurgeRule { origin: origins.of(self, purge.place), ..purge.rule });
        }
        catalog.schedules = std::mem::take(&mut self.schedules).into_catalog(&catalog);
        catalog.guards = std::mem::take(&mut self.guards).into_catalog(&catalog);
        catalog.files = origins.files.iter().filter_map(|source| Some(self.site.sources.all.get(*source)?.path.clone())).collect();
        if let Some((footprints, places)) = footprints.filter(|_| !self.stopped) {
            self.look_at_the_whole(&catalog, footprints, &places);
        }
        Some(catalog)
    }

    /// Says what is wrong with the resources together, unless another host's were just so and nothing was.
    fn look_at_the_whole(&mut self, catalog: &Catalog, footprints: Vec<Arc<Footprint>>, places: &[Place]) {
        let outline = Outline::of(catalog, footprints);
        if self.site.sound.has(&outline) {
            return;
        }
        let footprints: Vec<&Footprint> = outline.footprints().collect();
        let findings = footprints::check(catalog, &footprints);
        if findings.is_empty() {
            return self.site.sound.keep(outline);
        }
        for finding in findings {
            let mut diagnostic = Diagnostic { labels: Vec::new(), ..finding.diagnostic };
            for (resource, text) in finding.resources {
                if let Some(place) = places.get(resource) {
                    diagnostic = self.label(diagnostic, *place, &text);
                }
            }
            diagnostic = self.at_origins(diagnostic, catalog, &finding.relations);
            self.say(diagnostic);
        }
    }

    /// Adds labels for relations, which are known by their origin only.
    fn at_origins(&self, mut diagnostic: Diagnostic, catalog: &Catalog, relations: &[(usize, String)]) -> Diagnostic {
        for (relation, text) in relations {
            let Some(origin) = catalog.relations.get(*relation).map(|relation| relation.origin) else { continue };
            let Some(path) = catalog.files.get(origin.file as usize) else { continue };
            let Some(source) = self.site.sources.all.iter().find(|source| source.path == *path) else { continue };
            let offset = source.offset(origin.line, origin.column);
            diagnostic = diagnostic.at(&source.path, offset..source.word_end(offset), text.clone());
        }
        diagnostic
    }

    /// Checks every resource. Footprints and places are there only if all could be checked.
    fn resources(&mut self, catalog: &mut Catalog, origins: &mut Origins) -> Option<(Vec<Arc<Footprint>>, Vec<Place>)> {
        let drafts: Drafts<'s> = std::mem::take(&mut self.drafts);
        let drafts = drafts.into_vec();
        let mut footprints = Vec::with_capacity(drafts.len());
        let mut places = Vec::with_capacity(drafts.len());
        for mut draft in drafts {
            // Null says that an attribute is not given, also where `defaults` would give it.
            let mut attributes = Arc::clone(&draft.written.values);
            if attributes.values().any(|value| matches!(value, Value::Null)) {
                Arc::make_mut(&mut attributes).retain(|_, value| *value != Value::Null);
            }
            let resource = Resource {
                address: draft.address.clone(),
                attributes,
                origin: origins.of(self, draft.place),
                container: draft.container,
                tags: std::mem::take(&mut draft.marks.tags),
                noop: draft.marks.noop,
                schedule: draft.marks.schedule.as_ref().map(|schedule| schedule.name.to_string()),
                guard: draft.marks.guard.as_ref().map(|guard| guard.name.to_string()),
            };
            if let Some(schedule) = &draft.marks.schedule {
                self.look_for_schedule(schedule);
            }
            if let Some(guard) = &draft.marks.guard {
                self.look_for_guard(guard);
            }
            places.push(draft.place);
            let check = || self.site.types.check(&resource);
            let title = draft.declared.as_ref().and_then(|(declared, number)| declared.titles.get(*number));
            match title.map_or_else(|| check().map(Arc::new), |title| title.footprint(check)) {
                Ok(footprint) => footprints.push(footprint),
                // What could not be evaluated would only be said once more, as missing.
                Err(_) if draft.written.lost => {}
                Err(errors) => self.say_attributes(&draft, &resource, errors),
            }
            catalog.resources.push(resource);
        }
        (footprints.len() == places.len()).then_some((footprints, places))
    }

    fn say_attributes(&mut self, draft: &Draft, resource: &Resource, errors: Vec<AttributeError>) {
        let schema = self.site.schema(&draft.address.type_name);
        for error in errors {
            let name = &error.attribute;
            let given = resource.attributes.contains_key(name);
            let of_title = schema.is_some_and(|schema| schema.title_attribute == name);
            let place = draft.written.place(name).unwrap_or(draft.place);
            let required = schema.and_then(|schema| schema.attribute(name)).is_some_and(|attribute| attribute.required);
            let (code, message) = match (given, of_title) {
                (false, true) => (codes::BAD_ATTRIBUTE, format!("{}: {}", draft.address, error.message)),
                (false, false) if required => (codes::MISSING_ATTRIBUTE, format!("{} needs the attribute `{name}`", draft.address)),
                _ => (codes::BAD_ATTRIBUTE, format!("{}: {}", draft.address, error.sentence())),
            };
            let elsewhere = resource.attributes.get(name).and_then(|value| foreign_words::value(&draft.address.type_name, name, value));
            // What should have been a secret is not said again.
            let wants_text = schema
                .and_then(|schema| schema.attribute(name))
                .is_some_and(|it| matches!(it.kind, Kind::Text | Kind::String) && !it.secret);
            let to_text = resource.attributes.get(name).filter(|_| wants_text).and_then(into_text);
            let help = elsewhere.or(error.help).or(to_text).or_else(|| schema.and_then(|schema| describe(schema, name)));
            self.error(code, message, place, help.unwrap_or_else(|| format!("`keel doc {}` has the attributes", draft.address.type_name)));
        }
    }
}

/// How a value that is no text becomes one.
fn into_text(value: &Value) -> Option<String> {
    matches!(value, Value::Int(_) | Value::Float(_) | Value::Bool(_))
        .then(|| format!("a text: \"{value}\", or `{{{{ ... | string }}}}` where an expression says it"))
}

/// The first sentence on an attribute from its documentation.
fn describe(schema: &TypeSchema, name: &str) -> Option<String> {
    match schema.attribute(name) {
        Some(attribute) => {
            let doc = attribute.doc.trim();
            let sentence = doc.split_inclusive(". ").next().unwrap_or(doc).lines().map(str::trim).collect::<Vec<_>>().join(" ");
            Some(format!("`{name}` ({}): {}", attribute.kind, sentence.trim()))
        }
        None => did_you_mean(name, schema.attributes.iter().map(|attribute| attribute.name)),
    }
}

/// The files that a catalog's origins point into, numbered as they come up.
#[derive(Default)]
struct Origins {
    /// Positions in the site's sources.
    files: Vec<usize>,
    numbers: HashMap<usize, u32>,
}

impl Origins {
    fn of(&mut self, compiler: &Compiler<'_>, place: Place) -> Origin {
        let number = *self.numbers.entry(place.source).or_insert_with(|| {
            self.files.push(place.source);
            u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
        });
        let (line, column) =
            compiler.site.sources.all.get(place.source).map_or((1, 1), |source| source.position(place.span.start as usize));
        Origin { file: number, line, column }
    }
}
