//! Guards: declared by name, for the whole host, and named by resources and uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Resource};
use keel_engine::guard::{Guard, Withdrawal};
use keel_engine::value::{Map, Value};

use super::frame::Frame;
use super::mention::Mention;
use super::{Compiler, Place};
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::syntax;

/// The type whose attributes `ready` takes.
const READY_TYPE: &str = "wait";
const MEMBERS_HELP: &str = "write members=\"{{ groups.db.hosts }}\", or the names of hosts";

/// All guards of a host, by name, with the place of the name.
#[derive(Default)]
pub(super) struct Guards {
    declared: BTreeMap<Arc<str>, (Guard, Place)>,
    /// Those that are wrong: what is said of one is said once, where it stands.
    refused: BTreeSet<Arc<str>>,
}

impl Guards {
    /// Those that resources have.
    pub(super) fn into_catalog(self, catalog: &Catalog) -> Vec<Guard> {
        let named: BTreeSet<&String> = catalog.resources.iter().filter_map(|resource| resource.guard.as_ref()).collect();
        self.declared.into_values().map(|(guard, _)| guard).filter(|guard| named.contains(&guard.name)).collect()
    }
}

impl<'s> Compiler<'s> {
    /// Declares a guard. Declared again in the same way it is the same one.
    pub(super) fn add_guard(&mut self, declared: &'s syntax::Guard, frame: &Frame<'s>) {
        let place = frame.place(declared.name.span);
        let name = Arc::clone(&declared.name.text);
        let Some(guard) = self.guard(declared, frame) else {
            self.guards.refused.insert(name);
            return;
        };
        let Some((first, first_place)) = self.guards.declared.get(&name) else {
            self.guards.declared.insert(name, (guard, place));
            return;
        };
        if *first != guard {
            let first_place = *first_place;
            let diagnostic = Diagnostic::error(codes::BAD_GUARD, format!("guard `{name}` is declared twice, in different ways"));
            let diagnostic = self.label(self.label(diagnostic, place, "again here"), first_place, "first here");
            self.say(diagnostic.help("declare it once, or give one of them another name"));
        }
    }

    fn guard(&mut self, declared: &'s syntax::Guard, frame: &Frame<'s>) -> Option<Guard> {
        let members = self.members(declared, frame);
        let max = match &declared.max {
            Some(literal) => self.most(literal, frame),
            None => Some(1),
        };
        let ready = self.checks("ready", &declared.ready, declared, frame);
        let withdrawal = self.withdrawal(declared, frame);
        let (members, max) = (members?, max?);
        let turns = self.turns(declared, &members, frame);
        if members.len() > 1 && max as usize >= members.len() {
            let message = format!("with max={max} all {} members may be down at once", members.len());
            self.error(codes::BAD_GUARD, message, frame.place(declared.name.span), "a smaller `max` keeps the others up");
            return None;
        }
        Some(Guard { name: declared.name.text.to_string(), members, max, ready: ready?, withdrawal: withdrawal?, turns: turns? })
    }

    /// The names of the members, in their order.
    fn members(&mut self, declared: &'s syntax::Guard, frame: &Frame<'s>) -> Option<Vec<String>> {
        let place = frame.place(declared.name.span);
        let value = self.value(&declared.members, None, frame)?;
        let items = match value {
            Value::List(items) => items,
            one => vec![one],
        };
        let mut members = BTreeSet::new();
        for item in &items {
            let Some(name) = host_named(item) else {
                let message = format!("`members` of guard `{}` are hosts, found {}", declared.name.text, item.type_name());
                self.error(codes::BAD_GUARD, message, place, MEMBERS_HELP);
                return None;
            };
            if self.site.data.inventory.host(name).is_none() {
                let help = did_you_mean(name, self.site.hosts()).unwrap_or_else(|| "declare it in inventory/hosts.toml".to_owned());
                self.error(codes::UNKNOWN_ASSIGNEE, format!("the inventory has no host `{name}`"), place, help);
                return None;
            }
            members.insert(name.to_owned());
        }
        if members.is_empty() {
            self.error(codes::BAD_GUARD, format!("guard `{}` has no members", declared.name.text), place, MEMBERS_HELP);
            return None;
        }
        Some(members.into_iter().collect())
    }

    fn most(&mut self, literal: &'s syntax::Literal, frame: &Frame<'s>) -> Option<u32> {
        let max = match self.literal(literal, None, frame)? {
            Value::Int(number) => u32::try_from(number).ok().filter(|max| *max > 0),
            _ => None,
        };
        if max.is_none() {
            let message = "`max` is a number, 1 or more: how many members may be interrupted at once";
            self.error(codes::BAD_GUARD, message, frame.place(literal.span), "write max=1");
        }
        max
    }

    /// `ready` or `ask`: how a member is seen to be well, checked as the `wait` that it is.
    pub(super) fn checks(
        &mut self,
        word: &str,
        checks: &'s [syntax::Attribute],
        declared: &'s syntax::Guard,
        frame: &Frame<'s>,
    ) -> Option<Map> {
        let mut found = Map::new();
        for check in checks {
            let value = self.value(&check.value, None, frame)?;
            found.insert(check.name.text.to_string(), value);
        }
        let place = frame.place(declared.name.span);
        if found.values().any(Value::has_secret) {
            self.error(codes::SECRET_IN_NAME, format!("a secret in `{word}`"), place, "a command there reads it from a file of its own");
            return None;
        }
        let wait = Resource::new(Address::new(READY_TYPE, &*declared.name.text), found.clone());
        let errors = self.site.types.check(&wait).err().unwrap_or_default();
        for error in &errors {
            let at = checks.iter().find(|check| *check.name.text == *error.attribute);
            let at = at.map_or(place, |check| frame.place(check.name.span));
            let help = error.help.clone().unwrap_or_else(|| format!("`{word}` takes what a `wait` takes: `keel doc wait`"));
            self.error(codes::BAD_GUARD, format!("`{word}` of guard `{}`: {}", declared.name.text, error.sentence()), at, help);
        }
        errors.is_empty().then_some(found)
    }

    /// How a member leaves service and comes back: both commands or none, or it would stay out for ever. The inner none
    /// is for no commands, the outer one for wrong ones.
    fn withdrawal(&mut self, declared: &'s syntax::Guard, frame: &Frame<'s>) -> Option<Option<Withdrawal>> {
        let (drain, undrain) = match (&declared.drain, &declared.undrain) {
            (None, None) => return Some(None),
            (Some(drain), Some(undrain)) => (drain, undrain),
            (drain, _) => {
                let lacking = if drain.is_some() { "undrain" } else { "drain" };
                let message = format!("guard `{}` has no `{lacking}`", declared.name.text);
                let help = "`drain` takes a member out of service before it is interrupted, `undrain` brings it back: give both";
                self.error(codes::BAD_GUARD, message, frame.place(declared.name.span), help);
                return None;
            }
        };
        let drain = self.guard_command("drain", drain, declared, frame);
        let undrain = self.guard_command("undrain", undrain, declared, frame);
        Some(Some(Withdrawal { drain: drain?, undrain: undrain? }))
    }

    fn guard_command(&mut self, word: &str, data: &'s syntax::Data, declared: &'s syntax::Guard, frame: &Frame<'s>) -> Option<Vec<String>> {
        let place = frame.place(declared.name.span);
        let value = self.value(data, None, frame)?;
        if value.has_secret() {
            self.error(codes::SECRET_IN_NAME, format!("a secret in `{word}`"), place, "the command reads it from a file of its own");
            return None;
        }
        let items = match value {
            Value::List(items) => items,
            one => vec![one],
        };
        let command: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        let command = command.filter(|command| command.first().is_some_and(|program| program.starts_with('/')));
        if command.is_none() {
            let message = format!("`{word}` of guard `{}` is no command", declared.name.text);
            let help = format!(
                "write the path of a program and its arguments, each in quotes: {word} \"/usr/local/sbin/out-of-service\" \"{word}\""
            );
            self.error(codes::BAD_GUARD, message, place, help);
        }
        command
    }

    /// Says so if a resource names a guard that nobody declares, or that is none of this host's.
    pub(super) fn look_for_guard(&mut self, named: &Mention) {
        let name = &named.name;
        let Some((guard, _)) = self.guards.declared.get(name) else {
            if self.guards.refused.contains(name) {
                return;
            }
            let near = did_you_mean(name, self.guards.declared.keys().map(|name| &**name));
            let help = near
                .unwrap_or_else(|| format!("declare it: `guard \"{name}\" members=\"{{{{ groups.db.hosts }}}}\" {{ ready {{ ... }} }}`"));
            return self.error(codes::UNKNOWN_GUARD, format!("there is no guard `{name}`"), named.place, help);
        };
        if !guard.members.iter().any(|member| member == self.host) {
            let message = format!("{} is no member of the guard `{name}`", self.host);
            let help = format!("its members are {}", guard.members.join(", "));
            self.error(codes::BAD_GUARD, message, named.place, help);
        }
    }
}

/// The name behind a host of the inventory, or the name itself.
fn host_named(value: &Value) -> Option<&str> {
    match value {
        Value::Map(host) => host.get("name").and_then(Value::as_str),
        other => other.as_str(),
    }
}
