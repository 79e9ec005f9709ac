//! Groups that hosts are in by what they are: the members that `match` finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use keel_engine::digest::Digest;
use keel_engine::value::Map;
use minijinja::Expression;
use minijinja::value::ValueKind;

use crate::amplification::Bounded;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::evaluation_error::EvalError;
use crate::host_objects::match_context;
use crate::inventory::{Group, HostId, HostSet, MatchExpression};
use crate::site_data::SiteData;

/// All dynamic groups of a site with who is in them.
#[derive(Debug, Default)]
pub(crate) struct DynamicGroups {
    groups: Vec<DynamicGroup>,
    /// What is wrong with single hosts: their own facts fail in an expression that does for others.
    faults: BTreeMap<HostId, Vec<Diagnostic>>,
}

#[derive(Debug)]
struct DynamicGroup {
    group: Group,
    by_facts: bool,
    members: HostSet,
}

impl DynamicGroups {
    /// Asks the expression of every group about every host.
    pub(crate) fn find(site: &SiteData, matching: Vec<Group>, out: &mut Vec<Diagnostic>) -> Self {
        let mut found = Self::default();
        for group in matching {
            let Some(expression) = &group.matching else { continue };
            let members = found.find_members(site, &group, expression, out);
            let by_facts = members.as_ref().is_some_and(|(_, by_facts)| *by_facts);
            found.groups.push(DynamicGroup { by_facts, members: members.unwrap_or_default().0, group });
        }
        found
    }

    /// The hosts that a group's expression found.
    pub(crate) fn members(&self, name: &str) -> HostSet {
        self.groups.iter().find(|dynamic| &*dynamic.group.name == name).map(|dynamic| dynamic.members.clone()).unwrap_or_default()
    }

    /// What is wrong with a host, as far as its own facts are to blame.
    pub(crate) fn faults_of(&self, host: HostId) -> &[Diagnostic] {
        self.faults.get(&host).map_or(&[], Vec::as_slice)
    }

    /// Who is in groups by facts, as one hash; none where no group asks for facts.
    pub(crate) fn state(&self) -> Option<Digest> {
        let by_facts: Vec<&DynamicGroup> = self.groups.iter().filter(|dynamic| dynamic.by_facts).collect();
        let parts = by_facts.iter().map(|dynamic| (&*dynamic.group.name, dynamic.members.iter().collect::<Vec<HostId>>()));
        let bytes = postcard::to_stdvec(&parts.collect::<Vec<_>>()).unwrap_or_default();
        (!by_facts.is_empty()).then(|| Digest::of(&bytes))
    }

    /// Whether a host's facts as they are now put it into other groups than those that were found.
    pub(crate) fn outdated(&self, site: &SiteData, host: HostId) -> bool {
        let Some(name) = site.inventory.host_at(host).map(|host| &*host.name) else { return false };
        let facts = site.facts.of(name);
        let known_faulty = !self.faults_of(host).is_empty();
        self.groups.iter().filter(|dynamic| dynamic.by_facts).any(|dynamic| {
            let Some(expression) = &dynamic.group.matching else { return false };
            let now = compile(site, expression, |compiled| match &facts {
                Some(facts) => holds(site, &dynamic.group, compiled, host, Some(facts)),
                None => Ok(false),
            });
            now.and_then(|now| now).map_or(!known_faulty, |now| known_faulty || now != dynamic.members.contains(host))
        })
    }

    /// The members of one group, and whether facts decide; none if its expression is broken.
    fn find_members(
        &mut self,
        site: &SiteData,
        group: &Group,
        expression: &MatchExpression,
        out: &mut Vec<Diagnostic>,
    ) -> Option<(HostSet, bool)> {
        let told = |error: EvalError| error.into_diagnostic(&expression.place.source.path, expression.place.span.clone());
        let mut members = HostSet::default();
        let mut without_facts = Vec::new();
        let mut found = Vec::new();
        let compiled = compile(site, expression, |compiled| {
            let by_facts = compiled.undeclared_variables(false).contains("facts");
            if by_facts {
                crate::inventory::check_secrets_by_facts(group, &mut found);
            }
            for (id, host) in site.inventory.hosts().enumerate() {
                let live = if by_facts { site.facts.live_of(&host.name) } else { None };
                let own_fault = live.is_some();
                let facts = live.or_else(|| if by_facts { site.facts.of(&host.name) } else { None });
                if by_facts && facts.is_none() {
                    without_facts.push(host.name.to_string());
                    continue;
                }
                match holds(site, group, compiled, id, facts.as_deref()) {
                    Ok(true) => members.insert(id),
                    Ok(false) => {}
                    // What a host says of itself must not take the catalogs of all others away.
                    Err(error) if own_fault => self.faults.entry(id).or_default().push(told(error)),
                    Err(error) => {
                        found.push(told(error));
                        break;
                    }
                }
            }
            by_facts
        });
        out.append(&mut found);
        let by_facts = compiled.map_err(|error| out.push(told(error))).ok()?;
        if let Some(first) = without_facts.first() {
            let count = without_facts.len();
            let message = match count {
                1 => format!("{first} has no facts, so it cannot be in `{}`", group.name),
                _ => format!("{count} hosts have no facts, so they cannot be in `{}`; the first is {first}", group.name),
            };
            let place = &expression.place;
            let diagnostic = Diagnostic::warning(codes::NO_FACTS, message).at(&place.source.path, place.span.clone(), "this needs facts");
            out.push(diagnostic.help(format!("record them: `keel facts > facts/{first}.json` on the host")));
        }
        Some((members, by_facts))
    }
}

/// Gives the expression, ready to be asked, to `then`.
fn compile<T>(site: &SiteData, expression: &MatchExpression, then: impl FnOnce(&Expression<'_, '_>) -> T) -> Result<T, EvalError> {
    let bounded = Bounded::expression(&expression.text)?;
    let compiled = site.environments.texts.compile_expression(&bounded.source);
    compiled.map(|compiled| then(&compiled)).map_err(|error| EvalError::from_minijinja(&error, &expression.text))
}

/// Whether a group's expression holds for a host.
fn holds(site: &SiteData, group: &Group, compiled: &Expression<'_, '_>, id: HostId, facts: Option<&Map>) -> Result<bool, EvalError> {
    let name = site.inventory.host_at(id).map(|host| Arc::clone(&host.name)).unwrap_or_default();
    let Some(context) = match_context(site, id, facts) else { return Ok(false) };
    match compiled.eval(context) {
        Ok(value) if value.kind() == ValueKind::Bool => Ok(value.is_true()),
        Ok(value) => {
            let message = format!("`match` of group `{}` is true or false; for host {name} it is of the type {}", group.name, value.kind());
            Err(EvalError::new(codes::GROUP_MATCH, message))
        }
        Err(error) => {
            let text = group.matching.as_ref().map_or("", |expression| &expression.text);
            let inner = EvalError::from_minijinja(&error, text);
            let message = format!("`match` of group `{}` fails for host {name}: {}", group.name, inner.message);
            let help = "it sees `host.name`, `.address`, `.tags`, `.groups`, `.vars` and `facts`";
            Err(EvalError { help: inner.help, ..EvalError::new(codes::GROUP_MATCH, message) }.help(help))
        }
    }
}
