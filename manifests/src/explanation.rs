//! Where a variable's value comes from: every candidate, its place, and why the winner won.

mod parameter;

use std::sync::Arc;

use keel_engine::value::Value;
use serde::Serialize;

use crate::evaluation_error::EvalError;
use crate::inventory::{Group, merge_rule};
use crate::scope::Scope;
use crate::site_data::{SiteData, Tier};
use crate::toml_reader::Tree;
use crate::variables::{Layer, share_of_each};

pub use parameter::ExplainedParameter;

/// The answer to `keel explain KEY --host H`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The variable.
    pub key: String,
    /// The host.
    pub host: String,
    /// Who says something, the weakest first.
    pub candidates: Vec<Candidate>,
    /// What holds, evaluated; none if nobody says anything.
    pub value: Option<Value>,
    /// The module's parameter of that name, if there is one.
    pub parameter: Option<ExplainedParameter>,
}

/// One place that sets a variable or a parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The tier: one of the site's, `host` or `run`; of a parameter also `default` and `use`.
    pub tier: String,
    /// The group, if it is one.
    pub group: Option<String>,
    /// The file; `--var` for the command line.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The value as it is written there.
    pub value: Value,
    /// Whether it takes part in what holds.
    pub winner: bool,
    /// Why it won, or who beat it.
    pub why: String,
}

impl SiteData {
    /// Explains a variable of a host by its dotted name; none if there is no such host.
    ///
    /// # Errors
    /// Fails if the variable cannot be evaluated.
    pub fn explain(self: &Arc<Self>, host: &str, key: &str) -> Result<Option<Explanation>, EvalError> {
        let Some(id) = self.inventory.host_id(host) else { return Ok(None) };
        let (name, inner) = key.split_once('.').unwrap_or((key, ""));
        let layers = self.layers(id, name);
        let candidates = match merge_rule(&self.config, name) {
            Some(_) => self.merged_candidates(name, inner, &layers),
            None => replaced_candidates(&layers, inner),
        };
        let value = Scope::new(Arc::clone(self), id).lookup(key)?;
        Ok(Some(Explanation { key: key.to_owned(), host: host.to_owned(), candidates, value, parameter: None }))
    }

    /// Who says something on a merged variable, or on the part of it that was asked for.
    fn merged_candidates(&self, name: &str, inner: &str, layers: &[(Tier<'_>, Layer<'_>)]) -> Vec<Candidate> {
        let whole: Vec<Layer<'_>> = layers.iter().map(|(_, layer)| *layer).collect();
        let shares = share_of_each(name, &whole, &self.config);
        let asked = |part: &&String| inner.is_empty() || part.is_empty() || within(part, inner) || within(inner, part);
        let mut candidates = Vec::new();
        for ((tier, layer), share) in layers.iter().zip(shares) {
            let Some(part) = part_of(layer, inner) else { continue };
            let holds: Vec<&str> = share.iter().filter(asked).map(String::as_str).collect();
            let why = match holds.as_slice() {
                [] => format!("merged, as keel.toml says for `{name}`, but stronger ones say all of it"),
                [""] => format!("merged, as keel.toml says for `{name}`"),
                parts => format!("merged, as keel.toml says for `{name}`: {} from here", few(parts)),
            };
            candidates.push(candidate(tier, &part, !holds.is_empty(), why));
        }
        candidates
    }
}

/// Who says something on a variable that is not merged: the strongest wins whole. Of each only the part
/// is shown that was asked for, if it has one.
fn replaced_candidates(layers: &[(Tier<'_>, Layer<'_>)], inner: &str) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (position, (tier, layer)) in layers.iter().enumerate() {
        let replaced = layers.get(position + 1..).unwrap_or_default().iter().find(|(_, other)| !other.sets_part);
        let why = match replaced {
            Some((stronger, _)) => format!("beaten by {}", why_stronger(tier, stronger)),
            None if layer.sets_part => "sets a part of it".to_owned(),
            None if layers.len() == 1 => "nobody else says anything".to_owned(),
            None => format!("{} is the strongest", describe(tier)),
        };
        let shown = part_of(layer, inner).unwrap_or(*layer);
        candidates.push(candidate(tier, &shown, replaced.is_none(), why));
    }
    candidates
}

fn candidate(tier: &Tier<'_>, layer: &Layer<'_>, winner: bool, why: String) -> Candidate {
    let (tier, group) = match tier {
        Tier::Group(group) => (group.tier_name.clone(), Some(group.name.to_string())),
        Tier::Host => ("host".to_owned(), None),
        Tier::Run => ("run".to_owned(), None),
    };
    let (file, line) = (layer.source.path.to_string(), layer.source.line(layer.node.span.start));
    Candidate { tier, group, file, line, value: layer.node.to_value(), winner, why }
}

/// What a layer says on a part of its value.
fn part_of<'a>(layer: &Layer<'a>, inner: &str) -> Option<Layer<'a>> {
    let mut keys = inner.split('.').filter(|key| !key.is_empty());
    let node = keys.try_fold(layer.node, |node, key| match &node.tree {
        Tree::Table(table) => table.get(key).map(|entry| &entry.node),
        _ => None,
    });
    Some(Layer { node: node?, ..*layer })
}

/// Whether a dotted name is another one, or a part of it.
fn within(part: &str, whole: &str) -> bool {
    part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// How many parts are named; the others are counted.
const PARTS_MAX: usize = 5;

fn few(parts: &[&str]) -> String {
    let named: Vec<String> = parts.iter().take(PARTS_MAX).map(|part| format!("`{part}`")).collect();
    match parts.len().saturating_sub(PARTS_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn describe(tier: &Tier<'_>) -> String {
    match tier {
        Tier::Group(group) => format!("group {} (tier {}, priority {})", group.name, group.tier_name, group.priority),
        Tier::Host => "the host's own entry".to_owned(),
        Tier::Run => "the command line".to_owned(),
    }
}

fn why_stronger(weak: &Tier<'_>, strong: &Tier<'_>) -> String {
    let reason = |weak: &Group, strong: &Group| match weak.tier == strong.tier {
        true => format!("priority {} over {}", strong.priority, weak.priority),
        false => format!("tier {} over {}", strong.tier_name, weak.tier_name),
    };
    match (weak, strong) {
        (Tier::Group(weak), Tier::Group(group)) => format!("group {}: {}", group.name, reason(weak, group)),
        _ => describe(strong),
    }
}
