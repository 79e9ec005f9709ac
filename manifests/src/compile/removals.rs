//! What a host's manifests permit to be removed: orphans, and what nobody declares.

use keel_engine::catalog::{Origin, PruneRule, PurgeRule};

use super::frame::Frame;
use super::mention::Mention;
use super::{Compiler, Place};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::syntax::{Prune, Purge};

/// A rule with the places of its type and of its schedule's name.
pub(super) struct PlacedPurge {
    pub(super) rule: PurgeRule,
    pub(super) place: Place,
    pub(super) schedule: Option<Mention>,
}

impl<'s> Compiler<'s> {
    pub(super) fn add_prune(&mut self, prune: &Prune, frame: &Frame<'s>) {
        let module = frame.container.and_then(|container| self.containers.get(container)).map(|container| container.module.to_owned());
        let type_name = prune.type_name.as_ref().map(|name| name.text.to_string());
        let rule = PruneRule { type_name, module, max: prune.max as usize };
        if !self.prune.contains(&rule) {
            self.prune.push(rule);
        }
    }

    /// Adds a rule. Said again in the same way it is the same one.
    pub(super) fn add_purge(&mut self, purge: &'s Purge, frame: &Frame<'s>) {
        let place = frame.place(purge.type_name.span);
        let keep: Vec<Option<String>> = purge.keep.iter().map(|name| self.public_text(name, "a name to keep", frame)).collect();
        let Some(keep) = keep.into_iter().collect() else { return };
        let rule = PurgeRule {
            type_name: purge.type_name.text.to_string(),
            max: purge.max as usize,
            keep,
            tags: frame.tags.iter().cloned().chain(self.modules_around(frame)).collect(),
            noop: frame.noop,
            schedule: frame.schedule.as_ref().map(|schedule| schedule.name.to_string()),
            origin: Origin::default(),
        };
        let Some(first) = self.purge.iter().find(|known| known.rule.type_name == rule.type_name) else {
            self.purge.push(PlacedPurge { rule, place, schedule: frame.schedule.clone() });
            return;
        };
        let known = &first.rule;
        if (known.max, &known.keep, known.noop, &known.schedule) != (rule.max, &rule.keep, rule.noop, &rule.schedule) {
            let first_place = first.place;
            let message = format!("`{}` is purged twice, in different ways", rule.type_name);
            let diagnostic = self.label(Diagnostic::error(codes::PURGED_TWICE, message), place, "again here");
            let diagnostic = self.label(diagnostic, first_place, "first here");
            self.say(diagnostic.help("say it once, or twice the same"));
        }
    }

    /// The modules that a statement stands in, the innermost first.
    fn modules_around(&self, frame: &Frame<'s>) -> Vec<String> {
        let mut next = frame.container;
        std::iter::from_fn(|| {
            let container = self.containers.get(next?)?;
            next = container.parent;
            Some(container.module.to_owned())
        })
        .collect()
    }
}
