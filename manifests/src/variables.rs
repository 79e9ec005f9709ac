//! Variables of one host: which tier wins, what is merged, and values that are evaluated when somebody asks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object};

use crate::codes;
use crate::config::{MergeRule, SiteConfig};
use crate::conversion::to_template;
use crate::evaluation_error::EvalError;
use crate::inventory::{HostId, merge_rule};
use crate::secrets::SecretNames;
use crate::site_data::SiteData;
use crate::toml_reader::{Node, SourceFile, Tree};

/// The most variables that may stand between a variable and the value it comes from.
const MAX_CHAIN: usize = 40;

/// A variable's value before evaluation. Parts without `{{ }}` are ready, and shared by all hosts.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    Ready(minijinja::Value),
    Text(Arc<RawText>),
    List(Arc<Vec<Raw>>),
    Table(Arc<IndexMap<String, Raw>>),
}

/// A text with `{{ }}`, and where it stands.
#[derive(Debug)]
pub(crate) struct RawText {
    text: String,
    source: Arc<SourceFile>,
    span: std::ops::Range<usize>,
}

/// One tier's say on a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) node: &'a Node,
    pub(crate) source: &'a Arc<SourceFile>,
    /// From the command line: a dotted name sets a part and leaves the rest of the table.
    pub(crate) sets_part: bool,
}

impl Raw {
    /// Prepares one value.
    pub(crate) fn new(node: &Node, source: &Arc<SourceFile>, secrets: &SecretNames) -> Self {
        if !has_expression(node) {
            return Raw::Ready(to_template(&node.to_value(), secrets));
        }
        match &node.tree {
            Tree::Scalar(_) => {
                let text = node.as_str().unwrap_or_default().to_owned();
                Raw::Text(Arc::new(RawText { text, source: Arc::clone(source), span: node.span.clone() }))
            }
            Tree::List(items) => Raw::List(Arc::new(items.iter().map(|item| Raw::new(item, source, secrets)).collect())),
            Tree::Table(table) => {
                Raw::Table(Arc::new(table.iter().map(|(key, entry)| (key.clone(), Raw::new(&entry.node, source, secrets))).collect()))
            }
        }
    }
}

fn has_expression(node: &Node) -> bool {
    match &node.tree {
        Tree::Scalar(_) => node.as_str().is_some_and(|text| text.contains("{{")),
        Tree::List(items) => items.iter().any(has_expression),
        Tree::Table(table) => table.values().any(|entry| has_expression(&entry.node)),
    }
}

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

/// What was found out about one host's variables before.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// Variables before evaluation, by name: tiers are merged once.
    merged: Mutex<HashMap<String, Raw>>,
    /// Texts that were evaluated, by their dotted names.
    evaluated: Mutex<HashMap<String, Result<minijinja::Value, EvalError>>>,
}

impl Memo {
    /// A variable before evaluation, made once.
    pub(crate) fn merged(&self, name: &str, make: impl FnOnce() -> Result<Option<Raw>, EvalError>) -> Result<Option<Raw>, EvalError> {
        if let Some(known) = self.merged.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(Some(known.clone()));
        }
        let made = make()?;
        if let Some(raw) = &made {
            self.merged.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), raw.clone());
        }
        Ok(made)
    }
}

thread_local! {
    /// What this thread is evaluating right now, the outermost first: to find circles, also over several hosts.
    static UNDER_WAY: RefCell<Vec<(HostId, String)>> = const { RefCell::new(Vec::new()) };
}

/// The value of a raw one for a host. `path` is its dotted name.
pub(crate) fn realise(site: &Arc<SiteData>, host: HostId, path: &str, raw: &Raw) -> Result<minijinja::Value, EvalError> {
    match raw {
        Raw::Ready(value) => Ok(value.clone()),
        Raw::Table(table) => {
            let table = Arc::clone(table);
            Ok(minijinja::Value::from_object(LazyTable { site: Arc::downgrade(site), host, path: path.to_owned(), table }))
        }
        Raw::List(items) => {
            let items = items.iter().enumerate().map(|(position, item)| realise(site, host, &format!("{path}[{position}]"), item));
            items.collect::<Result<Vec<_>, _>>().map(minijinja::Value::from)
        }
        Raw::Text(text) => remember(site, host, path, text),
    }
}

fn remember(site: &Arc<SiteData>, host: HostId, path: &str, text: &RawText) -> Result<minijinja::Value, EvalError> {
    let Some(memo) = site.memo(host) else { return Err(EvalError::new(codes::UNDEFINED, path)) };
    if let Some(known) = memo.evaluated.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
        return known.clone();
    }
    enter(site, host, path)?;
    let scope = crate::scope::Scope::new(Arc::clone(site), host);
    let value = scope.interpolate_raw(&text.text).map_err(|mut error| {
        error.range = None;
        error.at(&text.source.path, text.span.clone(), format!("the variable `{path}`"))
    });
    UNDER_WAY.with_borrow_mut(|stack| stack.pop());
    // What failed inside a circle or a long chain failed for whoever asked first: it is not remembered.
    let lasting = !matches!(&value, Err(error) if error.code == codes::VARIABLE_LOOP || error.code == codes::VARIABLE_DEPTH);
    if lasting {
        memo.evaluated.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), value.clone());
    }
    value
}

/// Notes that a variable is under way; fails if it already is.
fn enter(site: &SiteData, host: HostId, path: &str) -> Result<(), EvalError> {
    UNDER_WAY.with_borrow_mut(|stack| {
        let label = |(of, name): &(HostId, String)| match site.inventory.host_at(*of) {
            Some(other) if *of != host => format!("{name} of {}", other.name),
            _ => name.clone(),
        };
        let this = (host, path.to_owned());
        if let Some(start) = stack.iter().position(|passed| *passed == this) {
            let chain: Vec<String> = stack.iter().skip(start).chain([&this]).map(label).collect();
            let message = format!("the variable `{path}` needs its own value: {}", chain.join(" -> "));
            return Err(EvalError::new(codes::VARIABLE_LOOP, message).help("let one of them have a value of its own"));
        }
        if stack.len() >= MAX_CHAIN {
            let chain: Vec<String> = stack.iter().rev().take(3).rev().map(label).collect();
            let message = format!("more than {MAX_CHAIN} variables refer to each other in a row, the last ones are {}", chain.join(" -> "));
            return Err(EvalError::new(codes::VARIABLE_DEPTH, message));
        }
        stack.push(this);
        Ok(())
    })
}

/// A table whose values are evaluated when somebody asks, so that one may refer to another.
struct LazyTable {
    /// Weak, since the site remembers values that hold such tables.
    site: Weak<SiteData>,
    host: HostId,
    path: String,
    table: Arc<IndexMap<String, Raw>>,
}

impl fmt::Debug for LazyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.path)
    }
}

impl Object for LazyTable {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<minijinja::Value> {
        let raw = self.table.get(key)?;
        let site = self.site.upgrade()?;
        Some(match realise(&site, self.host, &format!("{}.{key}", self.path), raw) {
            Ok(value) => value,
            Err(error) => minijinja::Value::from(minijinja::Error::from(error)),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.table.keys().map(|key| minijinja::Value::from(key.as_str())).collect())
    }
}
