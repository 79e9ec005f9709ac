//! The attributes of a declaration: its own, then those of `defaults`, then the site's.

use std::sync::Arc;

use keel_engine::contents::Blob;
use keel_engine::schema::{Kind, TypeSchema};
use keel_engine::value::{Map, Value};

use super::frame::Frame;
use super::{Compiler, Place, Purpose, RENDERED_BYTES_MAX};
use crate::codes;
use crate::syntax::{Attribute, Data};

/// Texts longer than this travel beside the catalog.
const INLINE_BYTES_MAX: usize = 256;

/// The attribute that templates and long texts become.
pub(crate) const CONTENT: &str = "content";
/// The word for a content that a template makes.
pub(crate) const TEMPLATE: &str = "template";
/// The word for a content that lies in a file.
pub(crate) const SOURCE: &str = "source";

/// Evaluated attributes with the places they come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub(super) values: Arc<Map>,
    pub(super) places: Vec<(Arc<str>, Place)>,
    /// Attributes whose value could not be had; what is wrong with them was said.
    pub(super) lost: bool,
}

impl Written {
    /// Where an attribute was written.
    pub(super) fn place(&self, attribute: &str) -> Option<Place> {
        self.places.iter().find(|(name, _)| **name == *attribute).map(|(_, place)| *place)
    }
}

impl<'s> Compiler<'s> {
    /// Evaluates the attributes of a declaration.
    pub(super) fn attributes(&mut self, attributes: &'s [Attribute], schema: &TypeSchema, frame: &Frame<'s>) -> Written {
        let mut written = Written::default();
        if self.purpose == Purpose::Outgoing {
            return written;
        }
        let mut values = Map::with_capacity(attributes.len());
        let mut content: Option<(&str, Place)> = None;
        for attribute in attributes {
            let name = stands_for(schema, &attribute.name.text);
            // Unknown attributes were reported when the site was loaded.
            if schema.attribute(name).is_none() {
                continue;
            }
            let place = frame.place(attribute.name.span);
            let before = if matches!(name, CONTENT | SOURCE) { content.replace((&attribute.name.text, place)) } else { None };
            if let Some((before, first)) = before {
                self.two_contents(before, first, &attribute.name.text, place);
            }
            match self.attribute(attribute, name, schema, frame) {
                Some(value) if name == &*attribute.name.text => written.lost |= !self.put(&mut values, attribute, value, frame),
                Some(value) => {
                    values.insert(name.to_owned(), value);
                }
                None => written.lost = true,
            }
            written.places.push((shared_name(attribute, name), place));
        }
        written.values = Arc::new(values);
        written
    }

    fn two_contents(&mut self, before: &str, first: Place, again: &str, place: Place) {
        let diagnostic =
            crate::diagnostic::Diagnostic::error(codes::CONTENT_TWICE, format!("`{again}` and `{before}` both say what is in it"));
        let diagnostic = self.label(self.label(diagnostic, place, "here"), first, "and here");
        self.say(diagnostic.help("keep one of them"));
    }

    fn attribute(&mut self, attribute: &'s Attribute, name: &str, schema: &TypeSchema, frame: &Frame<'s>) -> Option<Value> {
        let kind = schema.attribute(name).map(|attribute| &attribute.kind);
        if name == CONTENT && &*attribute.name.text == TEMPLATE {
            return self.template(attribute, frame);
        }
        let value = self.value(&attribute.value, kind, frame)?;
        match (name, value) {
            (CONTENT, Value::String(text)) => self.content(text, frame.place(attribute.name.span)),
            // Only types that can fetch have an address for a source.
            (SOURCE, Value::String(text)) if schema.attribute(CONTENT).is_none() && text.contains("://") => Some(Value::String(text)),
            (SOURCE, value) if schema.attribute(CONTENT).is_some() || kind.is_some_and(takes_files) => self.source(value, attribute, frame),
            (_, value) => Some(value),
        }
    }

    /// `template "x.j2"`
    fn template(&mut self, attribute: &'s Attribute, frame: &Frame<'s>) -> Option<Value> {
        let Data::Literal(literal) = &attribute.value else {
            let help = "write template \"NAME.j2\", a file of the module's `templates` folder";
            self.error(codes::BAD_ATTRIBUTE, "`template` is the name of one file", frame.place(attribute.name.span), help);
            return None;
        };
        let name = self.public_text(literal, "the name of a template", frame)?;
        let rendered = frame.scope.render(frame.templates, &name);
        match self.evaluated(rendered, literal, frame)? {
            Value::String(text) => self.content(text, frame.place(literal.span)),
            other => Some(other),
        }
    }

    /// A text that becomes a file: long ones travel beside the catalog.
    fn content(&mut self, text: String, place: Place) -> Option<Value> {
        self.rendered_bytes += text.len();
        if self.rendered_bytes > RENDERED_BYTES_MAX {
            self.stopped = true;
            let message = format!("the texts of this catalog have more than {} MiB", RENDERED_BYTES_MAX >> 20);
            self.error(codes::TOO_MANY_RESOURCES, message, place, "large files are better given as `source`");
            return None;
        }
        if text.len() <= INLINE_BYTES_MAX {
            return Some(Value::String(text));
        }
        Some(Value::Blob(self.keep(text.into_bytes())))
    }

    /// Keeps bytes beside the catalog.
    pub(super) fn keep(&mut self, bytes: impl Into<Arc<[u8]>>) -> Blob {
        self.contents.insert(bytes)
    }

    /// Adds what the blocks around and the site say for the type.
    pub(super) fn with_defaults(&mut self, mut written: Written, schema: &TypeSchema, frame: &Frame<'s>) -> Written {
        if self.purpose == Purpose::Outgoing {
            return written;
        }
        let mut layer = frame.defaults.clone();
        while let Some(current) = layer {
            let entries = current.entries.iter().filter(|entry| *entry.type_name.text == *schema.name);
            for attribute in entries.flat_map(|entry| &entry.attributes) {
                let name = stands_for(schema, &attribute.name.text);
                if schema.attribute(name).is_none() || written.values.contains_key(name) || self.has_content(&written, name) {
                    continue;
                }
                let frame = Frame { source: current.source, ..frame.clone() };
                match self.attribute(attribute, name, schema, &frame) {
                    Some(value) => {
                        Arc::make_mut(&mut written.values).insert(name.to_owned(), value);
                        written.places.push((shared_name(attribute, name), frame.place(attribute.name.span)));
                    }
                    None => written.lost = true,
                }
            }
            layer = current.outer.clone();
        }
        if let Some(defaults) = self.site.data.config.defaults.get(schema.name) {
            for (name, value) in defaults {
                if schema.attribute(name).is_some() && !written.values.contains_key(name) && !self.has_content(&written, name) {
                    Arc::make_mut(&mut written.values).insert(name.clone(), value.clone());
                }
            }
        }
        written
    }

    /// A default content yields to a source, and the other way round.
    fn has_content(&self, written: &Written, name: &str) -> bool {
        matches!(name, CONTENT | SOURCE) && (written.values.contains_key(CONTENT) || written.values.contains_key(SOURCE))
    }
}

/// The name of what an attribute stands for, without a copy where that is its own.
fn shared_name(attribute: &Attribute, name: &str) -> Arc<str> {
    if *attribute.name.text == *name { Arc::clone(&attribute.name.text) } else { Arc::from(name) }
}

/// Whether an attribute of this kind takes files of the site.
fn takes_files(kind: &Kind) -> bool {
    match kind {
        Kind::List(inner) => takes_files(inner),
        Kind::OneOf(kinds) => kinds.contains(&Kind::Text),
        _ => false,
    }
}

/// The attribute behind a word: `template` is another way to say `content`.
pub(crate) fn stands_for<'n>(schema: &TypeSchema, name: &'n str) -> &'n str {
    if name == TEMPLATE && schema.attribute(TEMPLATE).is_none() && schema.attribute(CONTENT).is_some() { CONTENT } else { name }
}
