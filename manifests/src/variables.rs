//! Variables of one host: which tier wins, what is merged, and values that are evaluated when somebody asks.

mod merging;

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use foldhash::HashMap;
use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object};

use crate::codes;
use crate::conversion::to_template;
use crate::evaluation_error::EvalError;
use crate::host_reads;
use crate::inventory::HostId;
use crate::reads::{self, Lazy, Question};
use crate::secrets::SecretNames;
use crate::site_data::SiteData;
use crate::toml_reader::{Node, SourceFile, Tree};
pub(crate) use merging::{merge, share_of_each};

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

/// What was found out about one host's variables before.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// Variables before evaluation, by name: tiers are merged once.
    merged: Mutex<HashMap<String, Raw>>,
    /// What names mean for the host, where no block gives them another meaning. Errors are not kept.
    meanings: Mutex<HashMap<String, Option<minijinja::Value>>>,
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

    /// What a name means for the host, found once.
    pub(crate) fn meaning(
        &self,
        name: &str,
        find: impl FnOnce() -> Result<Option<minijinja::Value>, EvalError>,
    ) -> Result<Option<minijinja::Value>, EvalError> {
        if let Some(known) = self.meanings.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(known.clone());
        }
        let found = find()?;
        self.meanings.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), found.clone());
        Ok(found)
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
            Ok(minijinja::Value::from_object(LazyTable { site: Arc::downgrade(site), host, path: Arc::from(path), table }))
        }
        Raw::List(items) => {
            let items = items.iter().enumerate().map(|(position, item)| realise(site, host, &format!("{path}[{position}]"), item));
            items.collect::<Result<Vec<_>, _>>().map(minijinja::Value::from)
        }
        Raw::Text(text) => remember(site, host, path, text),
    }
}

fn remember(site: &Arc<SiteData>, host: HostId, path: &str, text: &RawText) -> Result<minijinja::Value, EvalError> {
    let memo = site.memo(host);
    if let Some(known) = memo.evaluated.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
        return known.clone();
    }
    enter(site, host, path)?;
    let scope = crate::scope::Scope::new(Arc::clone(site), host);
    let _reader = host_reads::reading_for(host);
    let value = reads::unrecorded(|| scope.interpolate_raw(&text.text)).map_err(|mut error| {
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
pub(crate) struct LazyTable {
    /// Weak, since the site remembers values that hold such tables.
    site: Weak<SiteData>,
    pub(crate) host: HostId,
    path: Arc<str>,
    table: Arc<IndexMap<String, Raw>>,
}

impl LazyTable {
    /// The table itself, whosever it is.
    pub(crate) fn lazy(&self) -> Lazy {
        Lazy { path: Arc::clone(&self.path), table: Arc::clone(&self.table) }
    }
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
        let value = match realise(&site, self.host, &format!("{}.{key}", self.path), raw) {
            Ok(value) => value,
            Err(error) => minijinja::Value::from(minijinja::Error::from(error)),
        };
        reads::note(Some(self.host), |whose| Question::Entry(whose, self.lazy(), Arc::from(key)), Some(&value));
        Some(value)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.table.keys().map(|key| minijinja::Value::from(key.as_str())).collect())
    }
}
