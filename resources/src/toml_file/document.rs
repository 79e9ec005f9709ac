//! A TOML text with the place of everything in it, and edits that leave all other bytes alone.

use std::ops::Range;

use keel_engine::resource::Failure;
use keel_engine::value::{Map, Value};
use toml_edit::{Document, InlineTable, Item, Table, Value as Written};

use crate::value_file::splice::{Splice, line_end, line_start, lines_at, quoted, spliced, without_parts};
use crate::value_file::{Format, Place, Step, nested, position};

/// The format.
pub(crate) struct Toml;

impl Format for Toml {
    fn read(text: &str) -> Result<Value, Failure> {
        Ok(table_value(parse(text)?.as_table()))
    }

    fn put(text: &str, place: &Place, wanted: Option<&Value>) -> Result<String, Failure> {
        let document = parse(text)?;
        let (found, rest) = deepest(document.as_item(), &place.0);
        let edit = match (wanted, rest) {
            (None, []) => removal(text, document.as_item(), &place.0),
            (None, _) => None,
            (Some(wanted), []) => found.span().map(|span| (span, write(wanted))).filter(|_| found.is_value()),
            (Some(wanted), rest) => insertion(text, found, place, rest, wanted),
        };
        Ok(edit.map_or_else(|| text.to_owned(), |edit| spliced(text, &edit)))
    }
}

fn parse(text: &str) -> Result<Document<&str>, Failure> {
    Document::parse(text).map_err(|error| {
        let place = error.span().map(|span| format!(" at {}", position(text, span.start))).unwrap_or_default();
        Failure::new(format!("no TOML{place}: {}", error.message().trim()))
    })
}

/// An item of any kind: what stands in lists are values.
#[derive(Clone, Copy)]
enum Found<'d> {
    Item(&'d Item),
    Value(&'d Written),
    Table(&'d Table),
}

impl<'d> Found<'d> {
    fn span(self) -> Option<Range<usize>> {
        match self {
            Found::Item(item) => item.span(),
            Found::Value(value) => value.span(),
            Found::Table(table) => table.span(),
        }
    }

    fn is_value(self) -> bool {
        matches!(self, Found::Item(Item::Value(_)) | Found::Value(_))
    }

    fn as_value(self) -> Option<&'d Written> {
        match self {
            Found::Item(Item::Value(value)) => Some(value),
            Found::Value(value) => Some(value),
            _ => None,
        }
    }

    fn as_table(self) -> Option<&'d Table> {
        match self {
            Found::Item(Item::Table(table)) => Some(table),
            Found::Table(table) => Some(table),
            _ => None,
        }
    }

    fn child(self, step: &Step) -> Option<Found<'d>> {
        match (self, step) {
            (Found::Item(Item::ArrayOfTables(tables)), Step::Index(index)) => tables.get(*index).map(Found::Table),
            (found, Step::Key(key)) => match (found.as_table(), found.as_value()) {
                (Some(table), _) => table.get(key).map(Found::Item),
                (None, Some(Written::InlineTable(table))) => table.get(key).map(Found::Value),
                _ => None,
            },
            (found, Step::Index(index)) => found.as_value()?.as_array()?.get(*index).map(Found::Value),
        }
    }
}

/// The last thing on the way that is there, and the steps from it on.
fn deepest<'d, 's>(top: &'d Item, steps: &'s [Step]) -> (Found<'d>, &'s [Step]) {
    let (mut found, mut rest) = (Found::Item(top), steps);
    while let Some((child, deeper)) = rest.split_first().and_then(|(step, deeper)| Some((found.child(step)?, deeper))) {
        (found, rest) = (child, deeper);
    }
    (found, rest)
}

fn item_value(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => value_value(value),
        Item::Table(table) => table_value(table),
        Item::ArrayOfTables(tables) => Value::List(tables.iter().map(table_value).collect()),
    }
}

fn table_value(table: &Table) -> Value {
    Value::Map(table.iter().map(|(key, item)| (key.to_owned(), item_value(item))).collect::<Map>())
}

fn value_value(value: &Written) -> Value {
    match value {
        Written::String(text) => Value::String(text.value().clone()),
        Written::Integer(number) => Value::Int(*number.value()),
        Written::Float(number) => Value::Float(*number.value()),
        Written::Boolean(flag) => Value::Bool(*flag.value()),
        // A manifest has no dates: one that is there counts as its text.
        Written::Datetime(date) => Value::String(date.value().to_string()),
        Written::Array(items) => Value::List(items.iter().map(value_value).collect()),
        Written::InlineTable(table) => Value::Map(table.iter().map(|(key, value)| (key.to_owned(), value_value(value))).collect()),
    }
}

/// The edit that adds something.
fn insertion(text: &str, found: Found<'_>, place: &Place, rest: &[Step], wanted: &Value) -> Option<Splice> {
    let (step, deeper) = rest.split_first()?;
    match (found, step) {
        (Found::Item(Item::ArrayOfTables(_)), Step::Index(_)) => {
            let [Step::Key(key)] = deeper else { return None };
            let way = place.0.get(..place.0.len() - rest.len())?;
            Some(section(text, &format!("[[{}]]", dotted(way)?), key, wanted))
        }
        (found, Step::Key(key)) => match (found.as_table(), found.as_value()) {
            (Some(table), _) => into_table(text, table, place, rest, wanted),
            (None, Some(Written::InlineTable(table))) => into_inline(text, table, key, &nested(deeper, wanted)),
            _ => None,
        },
        (found, Step::Index(_)) => {
            let array = found.as_value()?.as_array()?;
            let spans: Vec<Range<usize>> = array.iter().filter_map(Written::span).collect();
            let written = write(&nested(deeper, wanted));
            let Some(last) = spans.last() else { return Some((array.span()?, format!("[{written}]"))) };
            let before = spans.iter().rev().nth(1).map_or(array.span()?.start + 1, |span| span.end);
            let gap = text.get(before..last.start)?;
            let gap = gap.split_once(',').map_or(gap, |(_, behind)| behind);
            // Comments between two values are about them and nobody else.
            let gap = if gap.is_empty() || gap.contains('#') { " " } else { gap };
            Some((last.end..last.end, format!(",{gap}{written}")))
        }
    }
}

/// Adds a key to a table: a line below its last one, or a table of its own at the end of the text.
fn into_table(text: &str, table: &Table, place: &Place, rest: &[Step], wanted: &Value) -> Option<Splice> {
    let (Step::Key(key), deeper) = rest.split_first()? else { return None };
    let way = place.0.get(..place.0.len() - rest.len())?;
    let is_top = way.is_empty();
    // Where a table has no header of its own, its lines begin with its name.
    if table.is_dotted() {
        let Some(Step::Key(own)) = way.last() else { return None };
        let at = line_end(text, last_line(table)?);
        let prefix = text.get(line_start(text, last_line(table)?)..)?;
        let indent: String = prefix.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        let below = way.iter().rev().skip(1).take_while(|step| matches!(step, Step::Key(_))).count();
        // Only a table that is dotted from the one with the header on can be written this way.
        let line = format!("{indent}{}.{} = {}\n", bare(own), bare(key), write(&nested(deeper, wanted)));
        return (below <= 1).then(|| lines_at(text, at, &line));
    }
    let keys_only = deeper.iter().all(|step| matches!(step, Step::Key(_))) && place.0.iter().all(|step| matches!(step, Step::Key(_)));
    if let (false, true, Some((Step::Key(last), between))) = (deeper.is_empty(), keys_only, deeper.split_last()) {
        let way: Vec<Step> = way.iter().chain([&Step::Key(key.clone())]).chain(between).cloned().collect();
        return Some(section(text, &format!("[{}]", dotted(&way)?), last, wanted));
    }
    let line = |indent: &str| format!("{indent}{} = {}\n", bare(key), write(&nested(deeper, wanted)));
    if let Some(last) = last_line(table) {
        let start = line_start(text, last_key(table).unwrap_or(last));
        let indent: String = text.get(start..)?.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        return Some(lines_at(text, line_end(text, last), &line(&indent)));
    }
    if is_top {
        return Some(above_tables(text, table, &line("")));
    }
    if table.is_implicit() {
        return Some(section(text, &format!("[{}]", dotted(way)?), key, &nested(deeper, wanted)));
    }
    Some(lines_at(text, line_end(text, table.span()?.end), &line("")))
}

/// Puts the first key that belongs to no table above the first table and what is said about it.
fn above_tables(text: &str, top: &Table, line: &str) -> Splice {
    let Some(first) = headers(top).into_iter().min() else { return lines_at(text, text.len(), line) };
    let mut at = line_start(text, first);
    while at > 0 {
        let above = line_start(text, at - 1);
        if !text.get(above..at).is_some_and(|line| line.trim_start().starts_with('#')) {
            break;
        }
        at = above;
    }
    lines_at(text, at, &format!("{line}\n"))
}

/// Where the headers of the tables below one stand.
fn headers(table: &Table) -> Vec<usize> {
    let of = |table: &Table| {
        let own = table.span().filter(|_| !table.is_implicit() && !table.is_dotted()).map(|span| span.start);
        own.into_iter().chain(headers(table)).collect::<Vec<_>>()
    };
    table
        .iter()
        .flat_map(|(_, item)| match item {
            Item::Table(table) => of(table),
            Item::ArrayOfTables(tables) => tables.iter().flat_map(of).collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// A table at the end of the text, behind an empty line.
fn section(text: &str, header: &str, key: &str, wanted: &Value) -> Splice {
    let gap = if text.trim().is_empty() || text.ends_with("\n\n") || text.ends_with("\r\n\r\n") { "" } else { "\n" };
    lines_at(text, text.len(), &format!("{gap}{header}\n{} = {}\n", bare(key), write(wanted)))
}

/// Where the last value that a table has itself ends.
fn last_line(table: &Table) -> Option<usize> {
    let ends = table.iter().filter_map(|(_, item)| match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(inner) if inner.is_dotted() => last_line(inner),
        _ => None,
    });
    ends.max()
}

/// Where the key of the last value starts that a table has itself.
fn last_key(table: &Table) -> Option<usize> {
    let keys = table.iter().filter(|(_, item)| item.is_value()).filter_map(|(key, _)| table.key(key)?.span());
    keys.map(|span| span.start).max()
}

fn into_inline(text: &str, table: &InlineTable, key: &str, value: &Value) -> Option<Splice> {
    let written = format!("{} = {}", bare(key), write(value));
    let last = table.iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max();
    match (last, table.is_dotted()) {
        (_, true) => None,
        (Some(end), false) => text.get(..end).map(|_| (end..end, format!(", {written}"))),
        (None, false) => Some((table.span()?, format!("{{ {written} }}"))),
    }
}

/// The edit that takes something away: the line of a key, the lines of a table, or a part of a table on a line.
fn removal(text: &str, top: &Item, steps: &[Step]) -> Option<Splice> {
    let (Step::Key(key), way) = steps.split_last()? else { return None };
    let (parent, _) = deepest(top, way);
    let lines = |start: usize, end: usize| (line_start(text, start)..line_end(text, end), String::new());
    match (parent.as_table(), parent.as_value()) {
        (Some(table), _) => match table.get(key)? {
            Item::Value(value) => Some(lines(table.key(key)?.span()?.start, value.span()?.end)),
            Item::Table(inner) => extent(inner).map(|(start, end)| lines(start, end)),
            _ => None,
        },
        (None, Some(Written::InlineTable(inline))) => {
            let part = |(name, value): (&str, &Written)| Some((inline.key(name)?.span()?.start..value.span()?.end, name == key));
            let parts: Vec<(Range<usize>, bool)> = inline.iter().filter_map(part).collect();
            let span = inline.span()?;
            without_parts(text, &parts, span.start + 1..span.end - 1)
        }
        _ => None,
    }
}

/// Where a table with its own values and the tables below it starts and ends. Others that stand between them are
/// found out by whoever compares.
fn extent(table: &Table) -> Option<(usize, usize)> {
    let own = table.span().filter(|_| !table.is_implicit() && !table.is_dotted());
    let keys = table.iter().filter_map(|(key, item)| Some((table.key(key)?.span()?.start, item.as_value()?.span()?.end)));
    let below = table.iter().flat_map(|(_, item)| match item {
        Item::Table(inner) => extent(inner).into_iter().collect::<Vec<_>>(),
        Item::ArrayOfTables(tables) => tables.iter().filter_map(extent).collect(),
        _ => Vec::new(),
    });
    let parts: Vec<(usize, usize)> = own.into_iter().map(|span| (span.start, span.end)).chain(keys).chain(below).collect();
    Some((parts.iter().map(|part| part.0).min()?, parts.iter().map(|part| part.1).max()?))
}

fn dotted(steps: &[Step]) -> Option<String> {
    let key = |step: &Step| if let Step::Key(key) = step { Some(bare(key)) } else { None };
    steps.iter().map(key).collect::<Option<Vec<_>>>().map(|keys| keys.join("."))
}

fn bare(key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_bare { key.to_owned() } else { quoted(key) }
}

fn write(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Bool(flag) => flag.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(write).collect::<Vec<_>>().join(", ")),
        Value::Map(map) if map.is_empty() => "{}".to_owned(),
        Value::Map(map) => {
            format!("{{ {} }}", map.iter().map(|(key, value)| format!("{} = {}", bare(key), write(value))).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
