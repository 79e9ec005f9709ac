//! How the values that several tiers give to one variable become one, and what each of them adds.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Layer, Raw};
use crate::codes;
use crate::config::{MergeRule, SiteConfig};
use crate::evaluation_error::EvalError;
use crate::inventory::merge_rule;
use crate::secrets::SecretNames;
use crate::toml_reader::Tree;

/// Makes one value of what the tiers say, the weakest first, by the site's merge rules.
///
/// # Errors
/// Fails if a rule asks to merge values of different types.
pub(crate) fn merge(name: &str, layers: &[Layer<'_>], config: &SiteConfig, secrets: &SecretNames) -> Result<Raw, EvalError> {
    let rule = merge_rule(config, name);
    // Without a rule the strongest value replaces the others; what run variables set of it goes on top.
    let from = if rule.is_some() { 0 } else { layers.iter().rposition(|layer| !layer.sets_part).unwrap_or(0) };
    let layers = layers.get(from..).unwrap_or_default();
    let last = match layers {
        [] => return Err(EvalError::new(codes::UNDEFINED, format!("`{name}` is not defined"))),
        [only] => return Ok(Raw::new(only.node, only.source, secrets)),
        [.., last] => last,
    };
    if rule == Some(MergeRule::ListUnique) {
        return merge_lists(name, layers, secrets);
    }
    if rule == Some(MergeRule::Deep) && layers.iter().all(|layer| !matches!(layer.node.tree, Tree::Table(_))) && name.contains('.') {
        return Ok(Raw::new(last.node, last.source, secrets));
    }
    if !layers.iter().all(|layer| matches!(layer.node.tree, Tree::Table(_))) {
        return Err(mismatch(name, layers));
    }
    let mut keys: IndexMap<&str, Vec<Layer<'_>>> = IndexMap::new();
    for layer in layers {
        let Tree::Table(table) = &layer.node.tree else { continue };
        for (key, entry) in table {
            keys.entry(key).or_default().push(Layer { node: &entry.node, ..*layer });
        }
    }
    let merged = keys.into_iter().map(|(key, layers)| {
        let path = format!("{name}.{key}");
        Ok((key.to_owned(), merge(&path, &settle_part(&layers), config, secrets)?))
    });
    Ok(Raw::Table(Arc::new(merged.collect::<Result<_, EvalError>>()?)))
}

/// Below a dotted name from the command line, what is not a table replaces.
fn settle_part<'a>(layers: &[Layer<'a>]) -> Vec<Layer<'a>> {
    layers.iter().map(|layer| Layer { sets_part: layer.sets_part && matches!(layer.node.tree, Tree::Table(_)), ..*layer }).collect()
}

fn merge_lists(name: &str, layers: &[Layer<'_>], secrets: &SecretNames) -> Result<Raw, EvalError> {
    let mut seen = Vec::new();
    let mut items = Vec::new();
    for layer in layers.iter().rev() {
        let Tree::List(list) = &layer.node.tree else { return Err(mismatch(name, layers)) };
        for item in list {
            let value = item.to_value();
            if !seen.contains(&value) {
                seen.push(value);
                items.push(Raw::new(item, layer.source, secrets));
            }
        }
    }
    Ok(Raw::List(Arc::new(items)))
}

fn mismatch(name: &str, layers: &[Layer<'_>]) -> EvalError {
    let mut error = EvalError::new(codes::MERGE_MISMATCH, format!("`{name}` is merged over the tiers, but not all say the same type"));
    for layer in layers {
        error = error.at(&layer.source.path, layer.node.span.clone(), format!("a {}", layer.node.type_name()));
    }
    error.help("give tables (or lists) everywhere, or take the rule out of keel.toml")
}

/// What each of the tiers, the weakest first, adds to the merged value: the dotted names of its parts that hold,
/// `""` for the whole of it. Nothing is added by a tier whose parts stronger ones all say.
pub(crate) fn share_of_each(name: &str, layers: &[Layer<'_>], config: &SiteConfig) -> Vec<Vec<String>> {
    let mut shares = vec![Vec::new(); layers.len()];
    let numbered: Vec<(usize, Layer<'_>)> = layers.iter().copied().enumerate().collect();
    share(name, "", &numbered, config, &mut shares);
    shares
}

/// As [`merge`], for one part of the value.
fn share(name: &str, part: &str, layers: &[(usize, Layer<'_>)], config: &SiteConfig, shares: &mut [Vec<String>]) {
    let rule = merge_rule(config, name);
    let from = if rule.is_some() { 0 } else { layers.iter().rposition(|(_, layer)| !layer.sets_part).unwrap_or(0) };
    let layers = layers.get(from..).unwrap_or_default();
    let mut add = |position: usize, part: &str| shares.get_mut(position).map(|share| share.push(part.to_owned()));
    let Some((last, _)) = layers.last() else { return };
    if rule == Some(MergeRule::ListUnique) {
        let mut seen = Vec::new();
        for (position, layer) in layers.iter().rev() {
            let Tree::List(items) = &layer.node.tree else { continue };
            let before = seen.len();
            items.iter().map(|item| item.to_value()).for_each(|value| {
                if !seen.contains(&value) {
                    seen.push(value)
                }
            });
            if seen.len() > before {
                add(*position, part);
            }
        }
        return;
    }
    if layers.len() == 1 || !layers.iter().all(|(_, layer)| matches!(layer.node.tree, Tree::Table(_))) {
        add(*last, part);
        return;
    }
    let mut keys: IndexMap<&str, Vec<(usize, Layer<'_>)>> = IndexMap::new();
    for (position, layer) in layers {
        let Tree::Table(table) = &layer.node.tree else { continue };
        for (key, entry) in table {
            let sets_part = layer.sets_part && matches!(entry.node.tree, Tree::Table(_));
            keys.entry(key).or_default().push((*position, Layer { node: &entry.node, source: layer.source, sets_part }));
        }
    }
    for (key, layers) in keys {
        let part = if part.is_empty() { key.to_owned() } else { format!("{part}.{key}") };
        share(&format!("{name}.{key}"), &part, &layers, config, shares);
    }
}
