//! The walk over statements.

use std::sync::Arc;

use keel_engine::value::Value;

use super::drafts::PendingOverride;
use super::frame::Frame;
use super::mention::Mention;
use super::{Compiler, RESOURCES_MAX};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::scope::{Local, Scope};
use crate::syntax::{Data, For, If, Let, Literal, Name, Override, Resource, Say, Scalar, Statement};

/// How many blocks may stand in one another, across modules.
const BLOCK_DEPTH_MAX: usize = 256;

impl<'s> Compiler<'s> {
    /// Walks all manifests that say who gets what.
    pub(super) fn roots(&mut self, scope: &Scope) {
        for (source, root) in self.site.sources.all.iter().take(self.site.sources.roots).enumerate() {
            let frame = Frame {
                source,
                templates: "",
                folder: "",
                container: None,
                scope: scope.clone(),
                defaults: None,
                tags: Arc::from([]),
                noop: false,
                schedule: None,
                guard: None,
                depth: 0,
            };
            self.body(&root.manifest.statements, &frame);
        }
    }

    /// Walks a block. What `let` names holds from there to the block's end.
    pub(super) fn body(&mut self, statements: &'s [Statement], outer: &Frame<'s>) {
        let mut frame = outer.entered(statements);
        for statement in statements {
            if self.stopped {
                return;
            }
            match statement {
                Statement::Assignment(assignment) => {
                    if self.site.assigned(assignment, self.host) {
                        self.nested(&assignment.body, &frame);
                    }
                }
                Statement::Use(used) => self.use_module(used, &frame),
                Statement::Resource(resource) => self.resource(resource, &frame),
                Statement::Let(bindings) => self.bind(bindings, &mut frame),
                Statement::For(repeat) => self.repeat(repeat, &frame),
                Statement::If(choice) => self.choose(choice, &frame),
                Statement::Override(change) => self.remember_override(change, &frame),
                Statement::Say(say) => self.pass_on(say, &frame),
                Statement::Prune(prune) => self.add_prune(prune, &frame),
                Statement::Purge(purge) => self.add_purge(purge, &frame),
                Statement::Schedule(schedule) => self.add_schedule(schedule, &frame),
                Statement::Guard(guard) => self.add_guard(guard, &frame),
                Statement::Module(_) | Statement::Defaults(_) => {}
            }
        }
    }

    fn nested(&mut self, statements: &'s [Statement], frame: &Frame<'s>) {
        if frame.depth >= BLOCK_DEPTH_MAX {
            if !self.stopped {
                self.say(Diagnostic::error(
                    codes::TOO_DEEP,
                    format!("blocks and modules stand deeper than {BLOCK_DEPTH_MAX} in one another"),
                ));
            }
            self.stopped = true;
            return;
        }
        self.body(statements, frame);
    }

    fn bind(&mut self, bindings: &'s Let, frame: &mut Frame<'s>) {
        for binding in &bindings.bindings {
            if let Some(local) = self.local(&binding.value, frame) {
                frame.scope = frame.scope.child_locals([(binding.name.text.to_string(), local)]);
            }
        }
    }

    fn choose(&mut self, choice: &'s If, frame: &Frame<'s>) {
        for (condition, body) in &choice.branches {
            match self.condition(condition, frame) {
                Some(true) => return self.nested(body, frame),
                Some(false) => {}
                // What cannot be decided leaves no branch.
                None => return,
            }
        }
        self.nested(&choice.otherwise, frame);
    }

    fn repeat(&mut self, repeat: &'s For, frame: &Frame<'s>) {
        let Some(text) = repeat.list.scalar.as_text() else {
            let help = "write for item in=\"expression\", in quotes";
            return self.error(codes::BAD_LOOP, "`in` is an expression", frame.place(repeat.list.span), help);
        };
        // Braces around it were reported when the site was loaded.
        if text.trim_start().starts_with("{{") {
            return;
        }
        let evaluated = frame.scope.evaluate_local(text);
        let Some(list) = self.evaluated(evaluated, &repeat.list, frame) else { return };
        match repeat.names.as_slice() {
            [item] => match list.items() {
                Some(items) => {
                    for value in items {
                        self.turn(repeat, [(item, value)], frame);
                    }
                }
                None => self.not_iterable(
                    &list,
                    "a loop with one name goes over a list",
                    "over a table go two names: `for key value in=...`",
                    repeat,
                    frame,
                ),
            },
            [key, value] => match list.entries() {
                Some(entries) => {
                    for (name, item) in entries {
                        self.turn(repeat, [(key, name), (value, item)], frame);
                    }
                }
                None => self.not_iterable(
                    &list,
                    "a loop with two names goes over a table",
                    "over a list goes one name: `for item in=...`",
                    repeat,
                    frame,
                ),
            },
            _ => {}
        }
    }

    fn turn<const N: usize>(&mut self, repeat: &'s For, names: [(&Name, Local); N], frame: &Frame<'s>) {
        if self.stopped {
            return;
        }
        let scope = frame.scope.child_locals(names.map(|(name, value)| (name.text.to_string(), value)));
        self.nested(&repeat.body, &Frame { scope, ..frame.clone() });
    }

    fn not_iterable(&mut self, list: &Local, message: &str, help: &str, repeat: &For, frame: &Frame<'s>) {
        let found = list.value(&frame.scope).map_or("something else", |value| value.type_name());
        self.error(codes::BAD_LOOP, format!("{message}, found {found}"), frame.place(repeat.list.span), help);
    }

    fn resource(&mut self, declared: &'s Resource, frame: &Frame<'s>) {
        let evaluated = self.declared(declared, frame);
        if evaluated.titles.is_empty() {
            return;
        }
        let Some(extras) = self.extras(&declared.extras, frame) else { return };
        for (number, title) in evaluated.titles.iter().enumerate() {
            let Some(title) = declared.titles.get(title.position) else { continue };
            if self.drafts.len() >= RESOURCES_MAX {
                self.stopped = true;
                let message = format!("the catalog has more than {RESOURCES_MAX} resources");
                return self.error(
                    codes::TOO_MANY_RESOURCES,
                    message,
                    frame.place(title.span),
                    "split what this host does, or loop over less",
                );
            }
            let place = frame.place(title.span);
            let Some(node) = self.declare(&declared.type_name, (&evaluated, number), &extras, place, frame) else { continue };
            self.remember_relations(node, &declared.extras.relations, frame);
        }
    }

    fn remember_override(&mut self, change: &'s Override, frame: &Frame<'s>) {
        if !self.holds(change.extras.when.as_ref(), frame) {
            return;
        }
        let Some(schema) = self.site.schema(&change.target.type_name.text) else { return };
        let Some(target) = self.address(&change.target, frame) else { return };
        let written = self.attributes(&change.attributes, schema, frame);
        let Some(extras) = self.extras(&change.extras, frame) else { return };
        let place = frame.place(change.target.title.span);
        let relations = &change.extras.relations;
        self.overrides.push(PendingOverride { target, written, marks: extras, relations, place, frame: frame.clone() });
    }

    fn pass_on(&mut self, say: &'s Say, frame: &Frame<'s>) {
        if !self.holds(say.when.as_ref(), frame) {
            return;
        }
        let Some(text) = self.public_text(&say.text, "a message", frame) else { return };
        let (code, severity) = if say.fails { (codes::FAILED, Severity::Error) } else { (codes::WARNED, Severity::Warning) };
        let diagnostic = Diagnostic { severity, ..Diagnostic::error(code, text) };
        let diagnostic = self.label(diagnostic, frame.place(say.span), "says the manifest");
        self.say(diagnostic);
    }

    /// Whether a `when` holds; without one everything does.
    pub(super) fn holds(&mut self, when: Option<&'s Literal>, frame: &Frame<'s>) -> bool {
        when.is_none_or(|when| self.condition(when, frame) == Some(true))
    }

    /// A bare expression that must be true or false.
    pub(super) fn condition(&mut self, literal: &Literal, frame: &Frame<'s>) -> Option<bool> {
        match &literal.scalar {
            Scalar::Bool(flag) => Some(*flag),
            // Braces around it were reported when the site was loaded.
            Scalar::Text(text) if text.trim_start().starts_with("{{") => None,
            Scalar::Text(text) => {
                let evaluated = frame.scope.evaluate_bool(text);
                self.evaluated(evaluated, literal, frame)
            }
            _ => {
                let help = "write an expression in quotes: when=\"facts.os.family == 'debian'\"";
                self.error(codes::NOT_BOOL, "a condition is true or false", frame.place(literal.span), help);
                None
            }
        }
    }

    /// A value for `let` and for parameters.
    pub(super) fn local(&mut self, data: &'s Data, frame: &Frame<'s>) -> Option<Local> {
        if let Data::Literal(literal @ Literal { scalar: Scalar::Text(text), mark: crate::syntax::Mark::Plain, .. }) = data {
            let evaluated = frame.scope.interpolate_local(text);
            return self.evaluated(evaluated, literal, frame);
        }
        let value = self.value(data, None, frame)?;
        Some(Local::of(&value, &frame.scope))
    }

    /// The names of tags, whether the resource is `noop`, its schedule and its guard.
    pub(super) fn extras(&mut self, extras: &'s crate::syntax::Extras, frame: &Frame<'s>) -> Option<Marks> {
        let mut tags: Vec<String> = frame.tags.to_vec();
        for tag in &extras.tags {
            let text = self.public_text(tag, "a tag", frame)?;
            if !tags.contains(&text) {
                tags.push(text);
            }
        }
        let noop = match &extras.noop {
            None => frame.noop,
            Some(literal) => match self.literal(literal, None, frame)? {
                Value::Bool(flag) => flag || frame.noop,
                other => {
                    let message = format!("`noop` is #true or #false, found {}", other.type_name());
                    self.error(codes::BAD_ATTRIBUTE, message, frame.place(literal.span), "write noop=#true");
                    return None;
                }
            },
        };
        let schedule = self.mention(extras.schedule.as_ref(), "the name of a schedule", frame.schedule.as_ref(), frame)?;
        let guard = self.mention(extras.guard.as_ref(), "the name of a guard", frame.guard.as_ref(), frame)?;
        Some(Marks { tags, noop, schedule, guard })
    }

    /// What is named here, or else around it. The outer `None` stands for an error that was said.
    #[allow(clippy::option_option, reason = "an error is not the absence of a name")]
    fn mention(&mut self, named: Option<&'s Literal>, what: &str, around: Option<&Mention>, frame: &Frame<'s>) -> Option<Option<Mention>> {
        let Some(literal) = named else { return Some(around.cloned()) };
        let name = Arc::from(self.public_text(literal, what, frame)?);
        Some(Some(Mention { name, place: frame.place(literal.span) }))
    }
}

/// What a declaration says of a resource beside its attributes and relations.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    pub(super) tags: Vec<String>,
    pub(super) noop: bool,
    pub(super) schedule: Option<Mention>,
    pub(super) guard: Option<Mention>,
}
