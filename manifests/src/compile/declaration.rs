//! One declaration of resources, evaluated: everything that does not depend on what stands around it.

use std::sync::{Arc, OnceLock};

use keel_engine::attributes::AttributeError;
use keel_engine::contents::{Blob, Contents};
use keel_engine::footprint::Footprint;
use keel_engine::value::Value;

use super::attributes::Written;
use super::frame::Frame;
use super::sharing::Found;
use super::{Compiler, Purpose, RENDERED_BYTES_MAX};
use crate::reads;
use crate::syntax::Resource;

/// What a declaration comes to.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// The attributes, with defaults.
    pub(super) written: Arc<Written>,
    /// The titles that could be had, each by its position in the declaration. None where a `when` does not hold.
    pub(super) titles: Vec<Title>,
    /// The bytes that attributes name.
    contents: Vec<(Blob, Arc<[u8]>)>,
    /// How much text it made.
    rendered_bytes: usize,
}

/// One of a declaration's titles.
#[derive(Debug)]
pub(super) struct Title {
    pub(super) position: usize,
    pub(super) text: Arc<str>,
    /// What the resource touches, once its attributes were found to be good.
    footprint: OnceLock<Arc<Footprint>>,
}

impl Title {
    /// What the resource touches; it is checked if nobody did yet.
    pub(super) fn footprint(
        &self,
        check: impl FnOnce() -> Result<Footprint, Vec<AttributeError>>,
    ) -> Result<Arc<Footprint>, Vec<AttributeError>> {
        if let Some(known) = self.footprint.get() {
            return Ok(Arc::clone(known));
        }
        let checked = Arc::new(check()?);
        Ok(Arc::clone(self.footprint.get_or_init(|| checked)))
    }
}

impl<'s> Compiler<'s> {
    /// What a declaration comes to here: what it came to for another host, where that is the same.
    pub(super) fn declared(&mut self, declaration: &'s Resource, frame: &Frame<'s>) -> Arc<Declared> {
        if self.purpose == Purpose::Outgoing {
            return Arc::new(self.evaluate(declaration, frame));
        }
        let sharing = &self.site.sharing;
        // The syntax tree of a loaded site stays where it is.
        let place = std::ptr::from_ref(declaration).addr();
        match sharing.find(place, &frame.scope) {
            Found::Result(known) if self.rendered_bytes + known.rendered_bytes <= RENDERED_BYTES_MAX => {
                self.rendered_bytes += known.rendered_bytes;
                known.contents.iter().for_each(|(blob, bytes)| self.contents.insert_named(*blob, bytes));
                return known;
            }
            Found::Result(_) | Found::Hopeless => return Arc::new(self.evaluate(declaration, frame)),
            Found::Nothing => {}
        }
        let remarks = self.remarks;
        let (declared, reads) = reads::record(frame.scope.host, || Arc::new(self.evaluate(declaration, frame)));
        // What was said on the way would not be said for others.
        let reads = reads.filter(|_| self.remarks == remarks);
        sharing.keep(place, reads, &declared, self.number);
        declared
    }

    fn evaluate(&mut self, declaration: &'s Resource, frame: &Frame<'s>) -> Declared {
        if !self.holds(declaration.extras.when.as_ref(), frame) {
            return Declared::default();
        }
        // Unknown types were reported when the site was loaded.
        let Some(schema) = self.site.schema(&declaration.type_name.text) else { return Declared::default() };
        let rendered_before = self.rendered_bytes;
        let written = self.attributes(&declaration.attributes, schema, frame);
        let written = self.with_defaults(written, schema, frame);
        let mut contents = Vec::new();
        written.values.values().for_each(|value| self.add_contents(value, &mut contents));
        let titles = declaration.titles.iter().enumerate().filter_map(|(position, title)| {
            let text = self.title(title, frame)?;
            Some(Title { position, text, footprint: OnceLock::new() })
        });
        let titles = titles.collect();
        Declared { written: Arc::new(written), titles, contents, rendered_bytes: self.rendered_bytes - rendered_before }
    }

    fn add_contents(&self, value: &Value, contents: &mut Vec<(Blob, Arc<[u8]>)>) {
        match value {
            Value::Blob(blob) => contents.extend(self.contents.read(blob).ok().map(|bytes| (*blob, bytes))),
            Value::List(items) => items.iter().for_each(|item| self.add_contents(item, contents)),
            Value::Map(map) => map.values().for_each(|item| self.add_contents(item, contents)),
            _ => {}
        }
    }
}
