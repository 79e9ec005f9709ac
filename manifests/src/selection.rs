//! Which hosts a selector means, and what it names in vain.

use std::collections::BTreeSet;
use std::sync::Arc;

use keel_engine::value::Value;

use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::evaluation_error::EvalError;
use crate::inventory::HostId;
use crate::pattern::Pattern;
use crate::scope::Scope;
use crate::selector::{Selector, SelectorError, Term};
use crate::site_data::SiteData;

/// How many names are told where one is not known.
const NAMED_MAX: usize = 8;

impl SiteData {
    /// The hosts that a selector means, in the order of the inventory.
    ///
    /// # Errors
    /// Fails if a variable that it asks for cannot be evaluated.
    pub fn select(self: &Arc<Self>, selector: &Selector) -> Result<Vec<&str>, EvalError> {
        let mut selected = Vec::new();
        for (id, host) in self.inventory.hosts().enumerate() {
            if self.holds(selector.root(), id)? {
                selected.push(&*host.name);
            }
        }
        Ok(selected)
    }

    /// Whether a selector means a host.
    ///
    /// # Errors
    /// As [`SiteData::select`].
    pub fn selects(self: &Arc<Self>, selector: &Selector, host: &str) -> Result<bool, EvalError> {
        self.inventory.host_id(host).map_or(Ok(false), |id| self.holds(selector.root(), id))
    }

    fn holds(self: &Arc<Self>, term: &Term, id: HostId) -> Result<bool, EvalError> {
        let Some(host) = self.inventory.host_at(id) else { return Ok(false) };
        Ok(match term {
            Term::Host(pattern, _) => pattern.matches(&host.name),
            Term::Group(pattern, _) => match pattern.literal() {
                Some(name) => self.inventory.group(name).is_some_and(|group| group.hosts.contains(id)),
                None => self.inventory.groups().any(|group| pattern.matches(&group.name) && group.hosts.contains(id)),
            },
            Term::Tag(pattern, _) => host.tags.iter().any(|tag| pattern.matches(tag)),
            Term::Fact(path, wanted) => {
                let mut keys = path.split('.');
                let first = keys.next().and_then(|key| self.plain_fact(id, key));
                matches_value(first.as_ref().and_then(|first| keys.try_fold(first, field)), wanted)
            }
            Term::Variable(path, wanted) => {
                let value = Scope::new(Arc::clone(self), id).lookup(path)?;
                matches_value(value.as_ref(), wanted)
            }
            Term::Not(term) => !self.holds(term, id)?,
            Term::And(terms) => {
                for term in terms {
                    if !self.holds(term, id)? {
                        return Ok(false);
                    }
                }
                true
            }
            Term::Or(terms) => {
                for term in terms {
                    if self.holds(term, id)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }

    /// What a selector names and the inventory does not have: probably misspelt.
    pub fn unknown_names(&self, selector: &Selector) -> Vec<SelectorError> {
        let mut unknown = Vec::new();
        self.collect_unknown(selector.root(), &mut unknown);
        unknown
    }

    fn collect_unknown(&self, term: &Term, unknown: &mut Vec<SelectorError>) {
        let mut check = |what: &str, pattern: &Pattern, span: &std::ops::Range<usize>, known: Vec<&str>| {
            let Some(name) = pattern.literal() else { return };
            if !known.contains(&name) {
                let help = did_you_mean(name, known.iter().copied()).or_else(|| Some(what_there_is(what, &known)));
                let message = format!("there is no {what} `{name}`");
                unknown.push(SelectorError { code: codes::SELECTOR_UNKNOWN, message, span: span.clone(), help });
            }
        };
        match term {
            Term::Host(pattern, span) => check("host", pattern, span, self.inventory.hosts().map(|host| &*host.name).collect()),
            Term::Group(pattern, span) => check("group", pattern, span, self.inventory.groups().map(|group| &*group.name).collect()),
            Term::Tag(pattern, span) => {
                let tags = self.inventory.hosts().flat_map(|host| host.tags.iter().map(String::as_str));
                check("tag", pattern, span, tags.collect());
            }
            Term::Fact(..) | Term::Variable(..) => {}
            Term::Not(term) => self.collect_unknown(term, unknown),
            Term::And(terms) | Term::Or(terms) => terms.iter().for_each(|term| self.collect_unknown(term, unknown)),
        }
    }
}

/// The names that could be meant, a few of them.
fn what_there_is(what: &str, known: &[&str]) -> String {
    let names: BTreeSet<&str> = known.iter().copied().collect();
    let shown = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => format!("the inventory has no {what}s"),
        count if count <= NAMED_MAX => format!("the {what}s of the inventory are {shown}"),
        count => format!("the {what}s of the inventory are {shown} and {} more", count - NAMED_MAX),
    }
}

fn field<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Map(map) => map.get(key),
        _ => None,
    }
}

/// Compares as text: `true`, `4`, `debian`; of a list one item is enough.
fn matches_value(value: Option<&Value>, wanted: &Pattern) -> bool {
    match value {
        None | Some(Value::Null | Value::Map(_) | Value::Sealed(_) | Value::Secret(_) | Value::Blob(_)) => false,
        Some(Value::Bool(flag)) => wanted.matches(if *flag { "true" } else { "false" }),
        Some(Value::List(items)) => items.iter().any(|item| matches_value(Some(item), wanted)),
        Some(plain) => wanted.matches(&plain.to_string()),
    }
}
