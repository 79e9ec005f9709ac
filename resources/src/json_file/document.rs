//! A JSON text with the place of everything in it, and edits that leave all other bytes alone.

use std::ops::Range;

use keel_engine::resource::Failure;
use keel_engine::value::{Map, Value};

use crate::value_file::cursor::Cursor;
use crate::value_file::splice::{Splice, quoted, spliced, without_parts};
use crate::value_file::{DEPTH_MAX, Format, Place, Step, nested};

/// The format.
pub(crate) struct Json;

/// A value and where it stands.
#[derive(Debug)]
struct Node {
    span: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Table(Vec<Member>),
}

#[derive(Debug)]
struct Member {
    key: String,
    key_span: Range<usize>,
    value: Node,
}

impl Format for Json {
    fn read(text: &str) -> Result<Value, Failure> {
        if text.trim().is_empty() { Ok(Value::Map(Map::new())) } else { Ok(parse(text)?.to_value()) }
    }

    fn put(text: &str, place: &Place, wanted: Option<&Value>) -> Result<String, Failure> {
        if text.trim().is_empty() {
            let top = wanted.map(|wanted| nested(&place.0, wanted));
            return Ok(top.map_or_else(|| text.to_owned(), |top| format!("{}\n", write(&top, "  ", Some("")))));
        }
        let top = parse(text)?;
        let (node, rest) = top.deepest(&place.0);
        let edit = match (wanted, rest) {
            (None, []) => top.removal(text, &place.0),
            (None, _) => None,
            (Some(wanted), []) => Some((node.span.clone(), write_at(text, node.span.start, wanted))),
            (Some(wanted), [step, deeper @ ..]) => node.insertion(text, step, &nested(deeper, wanted)),
        };
        Ok(edit.map_or_else(|| text.to_owned(), |edit| spliced(text, &edit)))
    }
}

impl Node {
    fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::List(items.iter().map(Node::to_value).collect()),
            // Of a key that stands there twice the last one counts.
            Kind::Table(members) => Value::Map(members.iter().map(|member| (member.key.clone(), member.value.to_value())).collect()),
        }
    }

    fn child(&self, step: &Step) -> Option<&Node> {
        match (&self.kind, step) {
            (Kind::Table(members), Step::Key(key)) => members.iter().rfind(|member| member.key == *key).map(|member| &member.value),
            (Kind::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The last value on the way that is there, and the steps from it on.
    fn deepest<'s>(&self, steps: &'s [Step]) -> (&Node, &'s [Step]) {
        match steps.split_first().and_then(|(step, rest)| Some((self.child(step)?, rest))) {
            Some((child, rest)) => child.deepest(rest),
            None => (self, steps),
        }
    }

    /// The edit that adds something to a table or list.
    fn insertion(&self, text: &str, step: &Step, value: &Value) -> Option<Splice> {
        let spans: Vec<(usize, usize)> = match &self.kind {
            Kind::Table(members) => members.iter().map(|member| (member.key_span.start, member.value.span.end)).collect(),
            Kind::List(items) => items.iter().map(|item| (item.span.start, item.span.end)).collect(),
            Kind::Scalar(_) => {
                return Some((self.span.clone(), write_at(text, self.span.start, &nested(std::slice::from_ref(step), value))));
            }
        };
        let Some((start, end)) = spans.last().copied() else {
            // What is empty is written anew around its first part.
            let whole = nested(std::slice::from_ref(step), value);
            return Some((self.span.clone(), write_at(text, self.span.start, &whole)));
        };
        let before = spans.iter().rev().nth(1).map_or(self.span.start + 1, |(_, end)| *end);
        let gap = text.get(before..start)?;
        let gap = gap.split_once(',').map_or(gap, |(_, behind)| behind);
        // The only part of a table on one line has no space before it that could be a model.
        let gap = if gap.is_empty() && spans.len() == 1 { " " } else { gap };
        let key = match (step, &self.kind) {
            (Step::Key(key), Kind::Table(members)) => {
                let last = members.last()?;
                format!("{}{}", quoted(key), text.get(last.key_span.end..last.value.span.start)?)
            }
            _ => String::new(),
        };
        let indent = gap.rsplit_once('\n').map(|(_, indent)| indent);
        let written = write(value, unit(text), indent);
        Some((end..end, format!(",{gap}{key}{written}")))
    }

    /// The edit that takes something away, with the comma that it needed.
    fn removal(&self, text: &str, steps: &[Step]) -> Option<Splice> {
        let (last, way) = steps.split_last()?;
        let (parent, rest) = self.deepest(way);
        if !rest.is_empty() {
            return None;
        }
        let (Kind::Table(members), Step::Key(key)) = (&parent.kind, last) else { return None };
        let parts: Vec<(Range<usize>, bool)> =
            members.iter().map(|member| (member.key_span.start..member.value.span.end, member.key == *key)).collect();
        without_parts(text, &parts, parent.span.start + 1..parent.span.end - 1)
    }
}

/// A value in the way of the text around it.
fn write_at(text: &str, at: usize, value: &Value) -> String {
    let line = text.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    let is_one_line = !text.trim().contains('\n');
    write(value, unit(text), (!is_one_line || text.trim().len() <= 2).then_some(indent.as_str()))
}

/// What a level is indented by.
fn unit(text: &str) -> &str {
    let indents = text.lines().skip(1).map(|line| line.get(..line.len() - line.trim_start().len()).unwrap_or_default());
    indents.into_iter().find(|indent| !indent.is_empty()).unwrap_or("  ")
}

/// Writes a value, over several lines where an indentation is given. Lists of scalars have one line.
fn write(value: &Value, unit: &str, indent: Option<&str>) -> String {
    let deeper = indent.map(|indent| format!("{indent}{unit}"));
    let join = |parts: Vec<String>, open: char, close: char, broken: bool| match (indent, &deeper) {
        _ if parts.is_empty() => format!("{open}{close}"),
        (Some(indent), Some(deeper)) if broken => format!("{open}\n{deeper}{}\n{indent}{close}", parts.join(&format!(",\n{deeper}"))),
        _ => format!("{open}{}{close}", parts.join(", ")),
    };
    match value {
        Value::Map(map) => {
            let members = map.iter().map(|(key, value)| format!("{}: {}", quoted(key), write(value, unit, deeper.as_deref())));
            join(members.collect(), '{', '}', true)
        }
        Value::List(items) => {
            let is_deep = items.iter().any(|item| matches!(item, Value::List(_) | Value::Map(_)));
            join(items.iter().map(|item| write(item, unit, deeper.as_deref())).collect(), '[', ']', is_deep)
        }
        Value::String(text) => quoted(text),
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}

fn parse(text: &str) -> Result<Node, Failure> {
    let mut reader = Reader(Cursor::new(text));
    let node = reader.value(DEPTH_MAX)?;
    reader.skip_space();
    if reader.0.at < text.len() { Err(reader.odd("more behind the end")) } else { Ok(node) }
}

/// Reads JSON from left to right.
struct Reader<'t>(Cursor<'t>);

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.0.skip(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    fn odd(&self, what: &str) -> Failure {
        let failure = self.0.odd(what);
        let rest = self.0.rest();
        if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') {
            failure.help("JSON has no comments")
        } else {
            failure
        }
    }

    /// Whether this character comes next; it is taken then.
    fn takes(&mut self, c: char) -> bool {
        self.skip_space();
        let found = self.0.rest().starts_with(c);
        self.0.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Node, Failure> {
        self.skip_space();
        let start = self.0.at;
        if depth == 0 {
            return Err(self.odd("nested too deep"));
        }
        let kind = match self.0.rest().chars().next() {
            Some('{') => self.table(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Kind::Scalar(Value::String(self.string()?)),
            _ => Kind::Scalar(self.word()?),
        };
        Ok(Node { span: start..self.0.at, kind })
    }

    fn table(&mut self, depth: usize) -> Result<Kind, Failure> {
        self.0.at += 1;
        let mut members = Vec::new();
        while !self.takes('}') {
            if !members.is_empty() && !self.takes(',') {
                return Err(self.odd("no `,` or `}`"));
            }
            self.skip_space();
            let start = self.0.at;
            if !self.0.rest().starts_with('"') {
                return Err(self.odd("no key in quotes"));
            }
            let key = self.string()?;
            let key_span = start..self.0.at;
            if !self.takes(':') {
                return Err(self.odd("no `:`"));
            }
            members.push(Member { key, key_span, value: self.value(depth - 1)? });
        }
        Ok(Kind::Table(members))
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Failure> {
        self.0.at += 1;
        let mut items = Vec::new();
        while !self.takes(']') {
            if !items.is_empty() && !self.takes(',') {
                return Err(self.odd("no `,` or `]`"));
            }
            items.push(self.value(depth - 1)?);
        }
        Ok(Kind::List(items))
    }

    /// Finds a text's end and leaves its escapes to a reader that knows them all.
    fn string(&mut self) -> Result<String, Failure> {
        let rest = self.0.rest();
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let quoted = end.and_then(|(end, _)| rest.get(..=end)).ok_or_else(|| self.odd("a text that never ends"))?;
        let text = serde_json::from_str(quoted).map_err(|_| self.odd("a text with a wrong escape or a line break"))?;
        self.0.at += quoted.len();
        Ok(text)
    }

    fn word(&mut self) -> Result<Value, Failure> {
        let rest = self.0.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.')).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            word => number(word).ok_or_else(|| self.odd(if word.is_empty() { "no value" } else { "a word that is no value" }))?,
        };
        self.0.at += end;
        Ok(value)
    }
}

fn number(word: &str) -> Option<Value> {
    let number: serde_json::Number = serde_json::from_str(word).ok()?;
    number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Float))
}
