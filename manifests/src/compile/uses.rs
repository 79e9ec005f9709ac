//! `use`: parameters are given, looked up or defaulted, checked, and the module's body is walked.

use std::sync::Arc;

use keel_engine::address::{Address, CONTAINER_TYPE};
use keel_engine::catalog::Node;
use keel_engine::value::{Map, Value};

use super::drafts::DraftContainer;
use super::frame::Frame;
use super::{Compiler, Place, Purpose};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::kinds::{fit, parse_kind};
use crate::scope::{Local, Scope};
use crate::site::Site;
use crate::sources::ModulePlace;
use crate::syntax::{Module, Parameter, Use};

/// A use together with the module it means.
#[derive(Clone, Copy)]
struct Call<'s> {
    used: &'s Use,
    module: &'s Module,
    place: &'s ModulePlace,
}

/// A module as a host uses it.
pub(crate) struct Usage<'s> {
    /// The `use`; the first one where there are several alike.
    pub(crate) used: &'s Use,
    /// Where it stands.
    pub(crate) place: Place,
    /// The value of every parameter.
    pub(crate) arguments: Map,
}

impl<'s> Compiler<'s> {
    /// How a host uses a module; none if it does not, or if what is wrong with the manifests hides it.
    pub(crate) fn usage_of(site: &'s Site, host: &str, module: &str) -> Option<Usage<'s>> {
        let (mut compiler, scope) = Self::new(site, host, Purpose::Outgoing).ok()?;
        compiler.roots(&scope);
        let container = compiler.containers.into_iter().find(|container| container.module == module)?;
        Some(Usage { used: container.used, place: container.place, arguments: container.arguments })
    }

    pub(super) fn use_module(&mut self, used: &'s Use, frame: &Frame<'s>) {
        if !self.holds(used.extras.when.as_ref(), frame) {
            return;
        }
        // Unknown modules were reported when the site was loaded.
        let Some((place, module)) = self.site.sources.module(&used.module.text) else { return };
        let Some(marks) = self.extras(&used.extras, frame) else { return };
        let Some((scope, arguments)) = self.parameters(Call { used, module, place }, frame) else { return };
        let at = frame.place(used.module.span);
        let known = self.containers.iter().position(|container| container.module == &*module.name.text);
        if let Some(position) = known {
            let first = self.containers.get(position).map(|container| (container.place, container.arguments == arguments));
            if let Some((first, false)) = first {
                let diagnostic = Diagnostic::error(
                    codes::DUPLICATE_USE,
                    format!("module `{}` is used twice, with different arguments", module.name.text),
                );
                let diagnostic = self.label(self.label(diagnostic, at, "again here"), first, "first here");
                self.say(diagnostic.help("use it once; what differs between hosts belongs into variables"));
            }
            return self.remember_relations(Node::Container(position), &used.extras.relations, frame);
        }
        let position = self.containers.len();
        let address = Address { type_name: Arc::from(CONTAINER_TYPE), title: Arc::clone(&module.name.text) };
        self.containers.push(DraftContainer { used, module: &module.name.text, address, parent: frame.container, place: at, arguments });
        self.remember_relations(Node::Container(position), &used.extras.relations, frame);
        let inside = Frame {
            source: place.source,
            templates: if place.folder.is_empty() { "" } else { &module.name.text },
            folder: &place.folder,
            container: Some(position),
            scope,
            defaults: None,
            tags: Arc::from(marks.tags),
            noop: marks.noop,
            schedule: marks.schedule,
            guard: marks.guard,
            depth: frame.depth,
        };
        self.body(&module.body, &inside);
    }

    /// The names that hold in the module, and the values as they are compared between uses.
    fn parameters(&mut self, call: Call<'s>, frame: &Frame<'s>) -> Option<(Scope, Map)> {
        let mut scope = frame.scope.bare();
        let mut arguments = Map::new();
        let mut complete = true;
        for parameter in &call.module.parameters {
            match self.parameter(parameter, call, frame, &scope) {
                Some((local, value)) => {
                    arguments.insert(parameter.name.text.to_string(), value);
                    scope = scope.child_locals([(parameter.name.text.to_string(), local)]);
                }
                None => complete = false,
            }
        }
        complete.then_some((scope, arguments))
    }

    fn parameter(&mut self, parameter: &'s Parameter, call: Call<'s>, frame: &Frame<'s>, scope: &Scope) -> Option<(Local, Value)> {
        let Call { used, module, place } = call;
        let declared = Place { source: place.source, span: parameter.name.span };
        let given = used.arguments.iter().find(|argument| argument.name.text == parameter.name.text);
        let (local, from) = match given {
            Some(argument) => (self.local(&argument.value, frame)?, frame.place(argument.name.span)),
            None => {
                let name = format!("{}.{}", module.name.text, parameter.name.text);
                match frame.scope.lookup_local(&name) {
                    Ok(Some(local)) => (local, declared),
                    Ok(None) => (self.default(parameter, call, frame, scope)?, declared),
                    Err(error) => {
                        let source = self.site.sources.all.get(frame.source)?;
                        self.say(error.into_diagnostic(&source.path, used.module.span.into()));
                        return None;
                    }
                }
            }
        };
        let value = match local.value(&frame.scope) {
            Ok(value) => value,
            Err(error) => {
                let source = self.site.sources.all.get(from.source)?;
                self.say(error.into_diagnostic(&source.path, from.span.into()));
                return None;
            }
        };
        self.fitted(parameter, call, (local, value), from, frame)
    }

    /// Checks the value against the parameter's type.
    fn fitted(
        &mut self,
        parameter: &Parameter,
        call: Call<'s>,
        found: (Local, Value),
        from: Place,
        frame: &Frame<'s>,
    ) -> Option<(Local, Value)> {
        let (local, value) = found;
        let Call { used, module, .. } = call;
        // Unknown types were reported when the site was loaded.
        let kind = parse_kind(&parameter.kind.text).ok()?;
        let host = |name: &str| self.site.data.inventory.host(name).and_then(|_| frame.scope.evaluate(&format!("hosts[{name:?}]")).ok());
        match fit(&kind, value.clone(), &host) {
            Ok(fitted) if fitted == value => Some((local, value)),
            Ok(fitted) => Some((Local::of(&fitted, &frame.scope), fitted)),
            Err(why) => {
                let message = format!("parameter `{}` of module `{}`: {why}", parameter.name.text, module.name.text);
                let diagnostic = self.label(Diagnostic::error(codes::BAD_PARAMETER, message), from, "here");
                let at = frame.place(used.module.span);
                let diagnostic =
                    if from.source == at.source && from.span == at.span { diagnostic } else { self.label(diagnostic, at, "in this use") };
                let variable = format!("{}.{}", module.name.text, parameter.name.text);
                let given = used.arguments.iter().any(|argument| argument.name.text == parameter.name.text);
                let help = if given {
                    format!("its type is {kind}")
                } else {
                    format!("its type is {kind}; the value is that of the variable `{variable}`, or the default")
                };
                self.say(diagnostic.help(help));
                None
            }
        }
    }

    fn default(&mut self, parameter: &'s Parameter, call: Call<'s>, frame: &Frame<'s>, scope: &Scope) -> Option<Local> {
        let Call { used, module, place } = call;
        let inside = Frame { source: place.source, scope: scope.clone(), ..frame.clone() };
        if let Some(default) = &parameter.default {
            return self.local(default, &inside);
        }
        if parameter.kind.text.ends_with('?') {
            return Some(Local::of(&Value::Null, scope));
        }
        let name = &parameter.name.text;
        let message = format!("module `{}` needs the parameter `{name}`", module.name.text);
        let diagnostic =
            self.label(Diagnostic::error(codes::MISSING_PARAMETER, message), frame.place(used.module.span), "not given in this use");
        let diagnostic = self.label(diagnostic, inside.place(parameter.name.span), "declared here, without a default");
        self.say(
            diagnostic.help(format!("write `use {} {name}=...`, or set the variable `{}.{name}`", module.name.text, module.name.text)),
        );
        None
    }
}
