//! A YAML text with the place of everything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use keel_engine::resource::Failure;
use keel_engine::value::{Map, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::edit;
use crate::value_file::{DEPTH_MAX, Format, Place};

/// How many values aliases may unfold to.
const UNFOLDED_MAX: usize = 100_000;

/// The format.
pub(crate) struct Yaml;

impl Format for Yaml {
    fn read(text: &str) -> Result<Value, Failure> {
        let Some(top) = parse(text)? else { return Ok(Value::Map(Map::new())) };
        let mut anchors = BTreeMap::new();
        let mut left = UNFOLDED_MAX;
        match top.to_value(&mut anchors, &mut left)? {
            Value::Null => Ok(Value::Map(Map::new())),
            value => Ok(value),
        }
    }

    fn put(text: &str, place: &Place, wanted: Option<&Value>) -> Result<String, Failure> {
        edit::put(text, parse(text)?.as_ref(), place, wanted)
    }
}

/// A value and where it stands. What stands in a block begins with its first part and ends with its last.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
    /// Its own anchor, 0 without one.
    pub(super) anchor: usize,
    pub(super) has_tag: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A text or plain word; in a block (`|`, `>`) or not.
    Scalar {
        value: Value,
        in_block: bool,
    },
    /// What an anchor has.
    Alias(usize),
    List {
        items: Vec<Node>,
        in_flow: bool,
    },
    Table {
        members: Vec<Member>,
        in_flow: bool,
    },
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
}

impl Node {
    /// Whether nothing is written where the value would be.
    pub(super) fn is_unwritten(&self) -> bool {
        self.span.is_empty() && matches!(self.kind, Kind::Scalar { .. })
    }

    /// The anchors that aliases in it name.
    pub(super) fn aliases(&self, found: &mut BTreeSet<usize>) {
        match &self.kind {
            Kind::Alias(anchor) => drop(found.insert(*anchor)),
            Kind::List { items, .. } => items.iter().for_each(|item| item.aliases(found)),
            Kind::Table { members, .. } => members.iter().for_each(|member| member.value.aliases(found)),
            Kind::Scalar { .. } => {}
        }
    }

    /// Whether it or anything in it has one of these anchors.
    pub(super) fn has_anchor(&self, used: &BTreeSet<usize>) -> bool {
        used.contains(&self.anchor)
            || match &self.kind {
                Kind::List { items, .. } => items.iter().any(|item| item.has_anchor(used)),
                Kind::Table { members, .. } => members.iter().any(|member| member.value.has_anchor(used)),
                _ => false,
            }
    }

    fn to_value(&self, anchors: &mut BTreeMap<usize, Value>, left: &mut usize) -> Result<Value, Failure> {
        *left = left.checked_sub(1).ok_or_else(|| Failure::new("its aliases unfold to more than can be read"))?;
        let value = match &self.kind {
            Kind::Scalar { value, .. } => value.clone(),
            Kind::Alias(anchor) => {
                let value = anchors.get(anchor).cloned().ok_or_else(|| Failure::new("an alias names what it stands in"))?;
                *left = left.checked_sub(size(&value)).ok_or_else(|| Failure::new("its aliases unfold to more than can be read"))?;
                value
            }
            Kind::List { items, .. } => Value::List(items.iter().map(|item| item.to_value(anchors, left)).collect::<Result<_, _>>()?),
            Kind::Table { members, .. } => table(members, anchors, left)?,
        };
        if self.anchor != 0 {
            anchors.insert(self.anchor, value.clone());
        }
        Ok(value)
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// A table; what `<<` brings gives way to its own keys.
fn table(members: &[Member], anchors: &mut BTreeMap<usize, Value>, left: &mut usize) -> Result<Value, Failure> {
    let (mut own, mut brought) = (Map::new(), Map::new());
    for member in members {
        let value = member.value.to_value(anchors, left)?;
        let tables = match value {
            Value::Map(map) if member.key == "<<" => vec![map],
            Value::List(items) if member.key == "<<" => {
                items.into_iter().filter_map(|item| if let Value::Map(map) = item { Some(map) } else { None }).collect()
            }
            value => {
                if own.insert(member.key.clone(), value).is_some() {
                    return Err(Failure::new(format!("the key {:?} stands twice in one table", member.key)));
                }
                continue;
            }
        };
        for (key, value) in tables.into_iter().flatten() {
            brought.entry(key).or_insert(value);
        }
    }
    for (key, value) in brought {
        own.entry(key).or_insert(value);
    }
    Ok(Value::Map(own))
}

/// Reads a text; none where there is nothing in it.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Failure> {
    let mut builder =
        Builder { text, bytes: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(), open: Vec::new(), top: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            Failure::new(format!("no YAML at line {}, column {}: {}", marker.line(), marker.col() + 1, error.info()))
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.top)
}

/// A list or table under way.
struct Open {
    start: usize,
    in_flow: bool,
    anchor: usize,
    has_tag: bool,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Table(Vec<Member>, Option<(String, Range<usize>)>),
}

struct Builder<'t> {
    text: &'t str,
    /// The byte that each character begins at.
    bytes: Vec<usize>,
    open: Vec<Open>,
    top: Option<Node>,
}

impl Builder<'_> {
    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.text.len())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        let mut range = self.byte(span.start.index())..self.byte(span.end.index());
        range.end = range.start + written_length(self.text.get(range.clone()).unwrap_or_default(), &event);
        match event {
            Event::DocumentStart(_) if self.top.is_some() => {
                return Err(Failure::new(format!("line {} begins a second document", span.start.line()))
                    .help("a file of several documents is better written whole, with the type `file`"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let in_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let value = if style == ScalarStyle::Plain && tag.is_none() { scalar(&text) } else { Value::String(text.into_owned()) };
                let node = Node { span: range, kind: Kind::Scalar { value, in_block }, anchor, has_tag: tag.is_some() };
                self.put(node, span.start.line())?;
            }
            Event::Alias(anchor) => {
                self.put(Node { span: range, kind: Kind::Alias(anchor), anchor: 0, has_tag: false }, span.start.line())?
            }
            Event::SequenceStart(anchor, tag) => self.begin(range, anchor, tag.is_some(), Parts::List(Vec::new()))?,
            Event::MappingStart(anchor, tag) => self.begin(range, anchor, tag.is_some(), Parts::Table(Vec::new(), None))?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let node = self.close(open, range.start);
                    self.put(node, span.start.line())?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, range: Range<usize>, anchor: usize, has_tag: bool, parts: Parts) -> Result<(), Failure> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Failure::new("nested too deep"));
        }
        let in_flow = self.text.get(range.clone()).is_some_and(|text| text.ends_with(['{', '[']));
        let start = if in_flow { range.end - 1 } else { range.start };
        self.open.push(Open { start, in_flow, anchor, has_tag, parts });
        Ok(())
    }

    fn close(&self, open: Open, end: usize) -> Node {
        let Open { start, in_flow, anchor, has_tag, parts } = open;
        let around = |first: Option<usize>, last: Option<usize>| match in_flow {
            true => start..end + 1,
            false => first.unwrap_or(start)..last.unwrap_or(start),
        };
        match parts {
            Parts::List(items) => {
                // A dash stands on the line of its item or on one above.
                let dash = items.first().and_then(|item| self.text.get(..item.span.start)?.rfind('-'));
                let span = around(dash, items.last().map(|item| item.span.end));
                Node { span, kind: Kind::List { items, in_flow }, anchor, has_tag }
            }
            Parts::Table(members, _) => {
                let end = members.last().map(|member| member.value.span.end.max(self.colon(&member.key_span)));
                let span = around(members.first().map(|member| member.key_span.start), end);
                Node { span, kind: Kind::Table { members, in_flow }, anchor, has_tag }
            }
        }
    }

    /// Behind the colon of a key.
    fn colon(&self, key: &Range<usize>) -> usize {
        edit::behind_colon(self.text, key)
    }

    fn put(&mut self, mut node: Node, line: usize) -> Result<(), Failure> {
        // What a plain text or a block ends with is the space around it.
        if let (Kind::Scalar { .. }, Some(text)) = (&node.kind, self.text.get(node.span.clone())) {
            node.span.end = node.span.start + text.trim_end().len();
        }
        match self.open.last_mut().map(|open| &mut open.parts) {
            None => self.top = Some(node),
            Some(Parts::List(items)) => items.push(node),
            Some(Parts::Table(members, key)) => match key.take() {
                Some((key, key_span)) => members.push(Member { key, key_span, value: node }),
                None => {
                    let text = self.text.get(node.span.clone()).unwrap_or_default().to_owned();
                    let name = match node.kind {
                        Kind::Scalar { value: Value::String(name), .. } => name,
                        Kind::Scalar { .. } => text,
                        _ => return Err(Failure::new(format!("line {line} has a key that is no word"))),
                    };
                    *key = Some((name, node.span));
                }
            },
        }
        Ok(())
    }
}

/// How much of what an event spans is the thing itself: behind a quote or an alias the parser counts the comment in.
fn written_length(text: &str, event: &Event<'_>) -> usize {
    match event {
        Event::Scalar(_, style @ (ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted), ..) => {
            let quote = if *style == ScalarStyle::SingleQuoted { '\'' } else { '"' };
            let Some(open) = text.find(quote) else { return text.len() };
            let (mut escaped, mut end) = (false, open + 1);
            for (at, c) in text.char_indices().filter(|(at, _)| *at > open) {
                let closes = c == quote && !escaped;
                // A doubled quote closes and opens again.
                if closes {
                    end = at + 1;
                    let again = quote == '\'' && text.get(end..).is_some_and(|rest| rest.starts_with('\''));
                    if !again {
                        return end;
                    }
                    escaped = true;
                    continue;
                }
                escaped = c == '\\' && quote == '"' && !escaped;
            }
            end.max(text.len())
        }
        Event::Alias(_) => text.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}')).unwrap_or(text.len()),
        _ => text.len(),
    }
}

/// What a plain word is. Those for yes and no are bools, as most programs have it.
pub(super) fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // A leading zero means octal to some and nothing to others, as in modes and postal codes: it stays text.
    let has_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if has_zero || !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Value::from(text);
    }
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) => Value::Int(number),
        (_, Ok(number)) if number.is_finite() => Value::Float(number),
        _ => Value::from(text),
    }
}
