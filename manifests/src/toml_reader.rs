//! Reads TOML texts into trees of values that know their places, and says all that is wrong at once.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use keel_engine::value::Value;
use toml::de::{DeTable, DeValue};

use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};

/// A text file of the site.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path in the site.
    pub path: Arc<str>,
    /// The offset of each line's first byte.
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// A file of this path and text.
    pub fn new(path: &str, text: &str) -> Arc<Self> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Arc::new(Self { path: Arc::from(path), line_starts: std::iter::once(0).chain(ends).collect() })
    }

    /// The line of an offset, from 1.
    pub fn line(&self, offset: usize) -> u32 {
        self.line_starts.partition_point(|start| *start <= offset) as u32
    }
}

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<SourceFile>,
    /// The bytes meant.
    pub span: Range<usize>,
}

impl Place {
    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.source.line(self.span.start)
    }
}

/// Prints `file:line`.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source.path, self.line())
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The bytes of the value.
    pub span: Range<usize>,
    /// The value.
    pub tree: Tree,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A value without parts.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A table, in the order it was written.
pub type Table = IndexMap<String, Entry>;

/// A value of a table, with the place of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The bytes of the key.
    pub key_span: Range<usize>,
    /// The value.
    pub node: Node,
}

impl Node {
    /// What the value is called in messages.
    pub fn type_name(&self) -> &'static str {
        match &self.tree {
            Tree::Scalar(value) => value.type_name(),
            Tree::List(_) => "list",
            Tree::Table(_) => "table",
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.tree {
            Tree::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The plain value, without places.
    pub fn to_value(&self) -> Value {
        match &self.tree {
            Tree::Scalar(value) => value.clone(),
            Tree::List(items) => Value::List(items.iter().map(Node::to_value).collect()),
            Tree::Table(table) => Value::Map(table.iter().map(|(key, entry)| (key.clone(), entry.node.to_value())).collect()),
        }
    }
}

/// Reads a text. What cannot be used is reported and left out; the rest is returned.
pub fn read_table(source: &Arc<SourceFile>, text: &str, out: &mut Vec<Diagnostic>) -> Table {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        out.push(Diagnostic::error(codes::TOML_SYNTAX, error.message().to_owned()).at(&source.path, span, "here"));
    }
    convert_table(source, table.get_ref(), out)
}

fn convert_table(source: &Arc<SourceFile>, table: &DeTable<'_>, out: &mut Vec<Diagnostic>) -> Table {
    let mut converted = Table::new();
    for (key, value) in table.iter() {
        if let Some(tree) = convert(source, value.get_ref(), value.span(), out) {
            let node = Node { span: value.span(), tree };
            converted.insert(key.get_ref().to_string(), Entry { key_span: key.span(), node });
        }
    }
    converted
}

fn convert(source: &Arc<SourceFile>, value: &DeValue<'_>, span: Range<usize>, out: &mut Vec<Diagnostic>) -> Option<Tree> {
    let out_of_range =
        |what: &str| Diagnostic::error(codes::NUMBER_RANGE, format!("{what} cannot be used")).at(&source.path, span.clone(), "this number");
    let scalar = match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Int(number),
            Err(_) => {
                out.push(out_of_range("a whole number beyond 64 bits"));
                return None;
            }
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => {
                out.push(out_of_range("an infinite number or NaN"));
                return None;
            }
        },
        DeValue::Array(items) => {
            let items = items.iter().filter_map(|item| {
                let span = item.span();
                convert(source, item.get_ref(), span.clone(), out).map(|tree| Node { span, tree })
            });
            return Some(Tree::List(items.collect()));
        }
        DeValue::Table(table) => return Some(Tree::Table(convert_table(source, table, out))),
    };
    Some(Tree::Scalar(scalar))
}

/// Takes a table apart key by key; what is left at the end is unknown.
pub struct Fields<'a> {
    source: &'a Arc<SourceFile>,
    table: &'a Table,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Starts on a table.
    pub fn new(source: &'a Arc<SourceFile>, table: &'a Table) -> Self {
        Self { source, table, known: Vec::new() }
    }

    /// The value of a key, whatever it is.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.table.get(key).map(|entry| &entry.node)
    }

    /// The text of a key.
    pub fn text(&mut self, key: &'static str, out: &mut Vec<Diagnostic>) -> Option<(&'a str, Range<usize>)> {
        let node = self.node(key)?;
        let text = node.as_str();
        if text.is_none() {
            out.push(wrong_type(self.source, key, "a text", node));
        }
        text.map(|text| (text, node.span.clone()))
    }

    /// The whole number of a key.
    pub fn int(&mut self, key: &'static str, out: &mut Vec<Diagnostic>) -> Option<(i64, Range<usize>)> {
        let node = self.node(key)?;
        if let Tree::Scalar(Value::Int(number)) = &node.tree {
            return Some((*number, node.span.clone()));
        }
        out.push(wrong_type(self.source, key, "a whole number", node));
        None
    }

    /// The texts of a key that holds a list of them, or one alone.
    pub fn texts(&mut self, key: &'static str, out: &mut Vec<Diagnostic>) -> Vec<(&'a str, Range<usize>)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let items = match &node.tree {
            Tree::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut texts = Vec::new();
        for item in items {
            match item.as_str() {
                Some(text) => texts.push((text, item.span.clone())),
                None => out.push(wrong_type(self.source, key, "a list of texts", item)),
            }
        }
        texts
    }

    /// The table of a key.
    pub fn table(&mut self, key: &'static str, out: &mut Vec<Diagnostic>) -> Option<&'a Table> {
        let node = self.node(key)?;
        if let Tree::Table(table) = &node.tree {
            return Some(table);
        }
        out.push(wrong_type(self.source, key, "a table", node));
        None
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self, out: &mut Vec<Diagnostic>) {
        for (key, entry) in self.table {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let mut diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{key}`")).at(
                &self.source.path,
                entry.key_span.clone(),
                "nothing reads this",
            );
            diagnostic.help.extend(did_you_mean(key, self.known.iter().copied()));
            if diagnostic.help.is_empty() {
                diagnostic.help.push(format!("the keys here are `{}`", self.known.join("`, `")));
            }
            out.push(diagnostic);
        }
    }
}

/// The complaint about a value of the wrong type.
pub fn wrong_type(source: &SourceFile, key: &str, wanted: &str, found: &Node) -> Diagnostic {
    let message = format!("`{key}` takes {wanted}, not a {}", found.type_name());
    Diagnostic::error(codes::WRONG_TYPE, message).at(&source.path, found.span.clone(), format!("this is a {}", found.type_name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Table, Vec<Diagnostic>) {
        let mut out = Vec::new();
        let table = read_table(&SourceFile::new("x.toml", text), text, &mut out);
        (table, out)
    }

    #[test]
    fn keeps_order_types_and_places() {
        let text = "z = 1\na = [true, 'x', 2.5]\n[t]\nwhen = 2026-01-02\n";
        let (table, out) = read(text);
        assert_eq!(out, []);
        assert_eq!(table.keys().collect::<Vec<_>>(), ["z", "a", "t"]);
        let entry = table.get("a").unwrap();
        assert_eq!(&text[entry.key_span.clone()], "a");
        assert_eq!(&text[entry.node.span.clone()], "[true, 'x', 2.5]");
        let expected = Value::List(vec![Value::Bool(true), Value::from("x"), Value::Float(2.5)]);
        assert_eq!(entry.node.to_value(), expected);
        assert_eq!(SourceFile::new("x", text).line(entry.key_span.start), 2);
    }

    #[test]
    fn reports_all_mistakes_at_once() {
        let (table, out) = read("a = 99999999999999999999\nb = nan\nc = \nd = 1\n");
        let codes: Vec<_> = out.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, [codes::TOML_SYNTAX, codes::NUMBER_RANGE, codes::NUMBER_RANGE]);
        assert!(table.contains_key("d"));
    }

    #[test]
    fn unknown_keys_are_errors_with_the_nearest_name() {
        let text = "teir = 'set'\n";
        let source = SourceFile::new("x.toml", text);
        let mut out = Vec::new();
        let table = read_table(&source, text, &mut out);
        let mut fields = Fields::new(&source, &table);
        assert_eq!(fields.text("tier", &mut out), None);
        fields.finish(&mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].help, ["did you mean `tier`?"]);
    }
}
