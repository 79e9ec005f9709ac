//! Where a variable's value comes from: every candidate, its place, and why the winner won.

use std::sync::Arc;

use keel_engine::value::Value;
use serde::Serialize;

use crate::evaluation_error::EvalError;
use crate::inventory::{Group, merge_rule};
use crate::scope::Scope;
use crate::site_data::{SiteData, Tier};

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
}

/// One place that sets a variable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The tier: one of the site's, `host` or `run`.
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
        let (name, _) = key.split_once('.').unwrap_or((key, ""));
        let layers = self.layers(id, name);
        let merged = merge_rule(&self.config, name).is_some();
        let mut candidates: Vec<Candidate> = Vec::new();
        for (position, (tier, layer)) in layers.iter().enumerate() {
            let replaced = layers.get(position + 1..).unwrap_or_default().iter().find(|(_, other)| !other.sets_part);
            let winner = merged || replaced.is_none();
            let why = match replaced {
                _ if merged => format!("merged, as keel.toml says for `{name}`"),
                Some((stronger, _)) => format!("beaten by {}", why_stronger(tier, stronger)),
                None if layer.sets_part => "sets a part of it".to_owned(),
                None if layers.len() == 1 => "nobody else says anything".to_owned(),
                None => format!("{} is the strongest", describe(tier)),
            };
            let (tier, group) = match tier {
                Tier::Group(group) => (group.tier_name.clone(), Some(group.name.to_string())),
                Tier::Host => ("host".to_owned(), None),
                Tier::Run => ("run".to_owned(), None),
            };
            let (file, line) = (layer.source.path.to_string(), layer.source.line(layer.node.span.start));
            candidates.push(Candidate { tier, group, file, line, value: layer.node.to_value(), winner, why });
        }
        let value = Scope::new(Arc::clone(self), id).lookup(key)?;
        Ok(Some(Explanation { key: key.to_owned(), host: host.to_owned(), candidates, value }))
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
