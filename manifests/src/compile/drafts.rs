//! The resources of a catalog while it grows: one by address, with the places they come from.

use std::sync::Arc;

use foldhash::HashMap;
use keel_engine::address::Address;
use keel_engine::catalog::Node;
use keel_engine::value::Map;

use super::attributes::Written;
use super::declaration::Declared;
use super::frame::Frame;
use super::statements::Marks;
use super::{Compiler, Place};
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::syntax::{Name, Relation, Use};

/// A resource that may still be changed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) address: Address,
    pub(super) written: Arc<Written>,
    /// Where the attributes come from: a declaration and the number of its title. None once they were changed.
    pub(super) declared: Option<(Arc<Declared>, usize)>,
    pub(super) marks: Marks,
    pub(super) container: Option<usize>,
    /// The title's place.
    pub(super) place: Place,
    /// Where it was overridden.
    pub(super) overridden: Option<Place>,
}

/// All resources so far, in the order of the manifests.
#[derive(Default)]
pub(super) struct Drafts<'s> {
    all: Vec<Draft>,
    by_type: HashMap<&'s str, HashMap<Arc<str>, usize>>,
}

/// A use of a module.
pub(super) struct DraftContainer<'s> {
    pub(super) used: &'s Use,
    pub(super) module: &'s str,
    pub(super) address: Address,
    pub(super) parent: Option<usize>,
    pub(super) place: Place,
    /// What was given to it.
    pub(super) arguments: Map,
}

/// An `override`, applied when everything is declared.
pub(super) struct PendingOverride<'s> {
    pub(super) target: Address,
    pub(super) written: Written,
    pub(super) marks: Marks,
    pub(super) relations: &'s [Relation],
    pub(super) place: Place,
    pub(super) frame: Frame<'s>,
}

impl<'s> Drafts<'s> {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn find(&self, address: &Address) -> Option<usize> {
        self.by_type.get(&*address.type_name)?.get(&address.title).copied()
    }

    pub(super) fn get(&self, position: usize) -> Option<&Draft> {
        self.all.get(position)
    }

    pub(super) fn into_vec(self) -> Vec<Draft> {
        self.all
    }

    /// The nearest titles of a type, as advice.
    pub(super) fn nearest(&self, address: &Address) -> Option<String> {
        let titles = self.by_type.get(&*address.type_name)?;
        did_you_mean(&address.title, titles.keys().map(|title| &**title))
    }

    fn add(&mut self, type_name: &'s str, draft: Draft) -> usize {
        let position = self.all.len();
        self.by_type.entry(type_name).or_default().insert(Arc::clone(&draft.address.title), position);
        self.all.push(draft);
        position
    }
}

impl<'s> Compiler<'s> {
    /// Declares a resource. Declared again with the same attributes it is the same one.
    pub(super) fn declare(
        &mut self,
        type_name: &'s Name,
        (declared, number): (&Arc<Declared>, usize),
        marks: &Marks,
        place: Place,
        frame: &Frame<'s>,
    ) -> Option<Node> {
        let title = &declared.titles.get(number)?.text;
        let written = &declared.written;
        let address = Address { type_name: Arc::clone(&type_name.text), title: Arc::clone(title) };
        let Some(position) = self.drafts.find(&address) else {
            let (written, marks, declared) = (Arc::clone(written), marks.clone(), Some((Arc::clone(declared), number)));
            let draft = Draft { address, written, declared, marks, container: frame.container, place, overridden: None };
            return Some(Node::Resource(self.drafts.add(&type_name.text, draft)));
        };
        let draft = self.drafts.all.get_mut(position)?;
        let same = draft.written.values == written.values
            && draft.marks.noop == marks.noop
            && draft.marks.schedule == marks.schedule
            && draft.marks.guard == marks.guard;
        if same || draft.written.lost || written.lost {
            for tag in &marks.tags {
                if !draft.marks.tags.contains(tag) {
                    draft.marks.tags.push(tag.clone());
                }
            }
            return Some(Node::Resource(position));
        }
        self.say_duplicate(position, written, place);
        None
    }

    fn say_duplicate(&mut self, position: usize, again: &Written, place: Place) {
        let Some(draft) = self.drafts.get(position) else { return };
        let names = draft.written.values.keys().chain(again.values.keys());
        let mut differing: Vec<&str> = Vec::new();
        for name in names.filter(|name| draft.written.values.get(*name) != again.values.get(*name)) {
            if !differing.contains(&&**name) {
                differing.push(name);
            }
        }
        let what = if differing.is_empty() { "noop`, `schedule` or `guard".to_owned() } else { differing.join("`, `") };
        let message = format!("{} is declared twice, with different `{what}`", draft.address);
        let first = draft.place;
        let diagnostic = self.label(Diagnostic::error(codes::DUPLICATE_RESOURCE, message), place, "again here");
        let diagnostic = self.label(diagnostic, first, "first here");
        self.say(diagnostic.help("declare it once, and change it elsewhere with `override`, or give both the same attributes"));
    }

    /// Applies the overrides: each target is there, and overridden once.
    pub(super) fn apply_overrides(&mut self) {
        for change in std::mem::take(&mut self.overrides) {
            let Some(position) = self.drafts.find(&change.target) else {
                let help =
                    self.drafts.nearest(&change.target).unwrap_or_else(|| "an override changes what another block declares".to_owned());
                self.error(codes::OVERRIDE_NOTHING, format!("there is no {} to override", change.target), change.place, help);
                continue;
            };
            if let Some(first) = self.drafts.get(position).and_then(|draft| draft.overridden) {
                let diagnostic = Diagnostic::error(codes::OVERRIDE_TWICE, format!("{} is overridden twice", change.target));
                let diagnostic = self.label(self.label(diagnostic, change.place, "again here"), first, "first here");
                self.say(diagnostic.help("put both changes into one override"));
                continue;
            }
            self.remember_relations(Node::Resource(position), change.relations, &change.frame);
            let Some(draft) = self.drafts.all.get_mut(position) else { continue };
            draft.overridden = Some(change.place);
            draft.marks.noop |= change.marks.noop;
            if change.marks.schedule.is_some() {
                draft.marks.schedule = change.marks.schedule;
            }
            if change.marks.guard.is_some() {
                draft.marks.guard = change.marks.guard;
            }
            for tag in change.marks.tags {
                if !draft.marks.tags.contains(&tag) {
                    draft.marks.tags.push(tag);
                }
            }
            draft.declared = None;
            override_attributes(Arc::make_mut(&mut draft.written), change.written);
        }
    }
}

/// Replaces attributes; a new content takes the place of an old source, and the other way round.
fn override_attributes(written: &mut Written, change: Written) {
    use super::attributes::{CONTENT, SOURCE};
    let values = Arc::make_mut(&mut written.values);
    if change.values.contains_key(CONTENT) {
        values.shift_remove(SOURCE);
    }
    if change.values.contains_key(SOURCE) {
        values.shift_remove(CONTENT);
    }
    values.extend(Arc::unwrap_or_clone(change.values));
    written.lost |= change.lost;
    written.places.splice(0..0, change.places);
}
