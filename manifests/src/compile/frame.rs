//! Where the walk stands: the block's file, module, names and defaults.

use std::sync::Arc;

use crate::compile::Place;
use crate::compile::mention::Mention;
use crate::scope::Scope;
use crate::syntax::{Span, Statement, TypeDefaults};

/// The surroundings of a statement. Cloning is cheap: everything large is shared.
#[derive(Clone)]
pub(super) struct Frame<'s> {
    /// The manifest, by position in the site's sources.
    pub(super) source: usize,
    /// Under which name its templates are registered; empty for the site's own.
    pub(super) templates: &'s str,
    /// The folder with `templates/` and `files/`; empty for the site's own.
    pub(super) folder: &'s str,
    /// The use of a module that it stands in.
    pub(super) container: Option<usize>,
    /// What names mean.
    pub(super) scope: Scope,
    /// `defaults` of this block and those around it, within the module.
    pub(super) defaults: Option<Arc<DefaultsLayer<'s>>>,
    /// Tags of the uses around it.
    pub(super) tags: Arc<[String]>,
    /// Whether a use around it is `noop`.
    pub(super) noop: bool,
    /// The schedule of the nearest use around it that has one.
    pub(super) schedule: Option<Mention>,
    /// The guard of the nearest use around it that has one.
    pub(super) guard: Option<Mention>,
    /// How many blocks it stands in.
    pub(super) depth: usize,
}

/// The `defaults` of one block.
pub(super) struct DefaultsLayer<'s> {
    pub(super) source: usize,
    pub(super) entries: Vec<&'s TypeDefaults>,
    pub(super) outer: Option<Arc<DefaultsLayer<'s>>>,
}

impl<'s> Frame<'s> {
    /// A place in this frame's manifest.
    pub(super) fn place(&self, span: Span) -> Place {
        Place { source: self.source, span }
    }

    /// The frame of a block with these statements: its `defaults` hold for all of it.
    pub(super) fn entered(&self, statements: &'s [Statement]) -> Self {
        let mut frame = self.clone();
        frame.depth += 1;
        let entries: Vec<&'s TypeDefaults> = statements
            .iter()
            .filter_map(|statement| match statement {
                Statement::Defaults(entries) => Some(entries),
                _ => None,
            })
            .flatten()
            .collect();
        if !entries.is_empty() {
            frame.defaults = Some(Arc::new(DefaultsLayer { source: self.source, entries, outer: frame.defaults.take() }));
        }
        frame
    }
}
