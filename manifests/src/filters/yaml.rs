//! YAML in and out. Reading uses saphyr-parser, which is maintained and pure Rust, for its events only:
//! what an alias costs is then ours to decide. Writing is small enough to do here.

use indexmap::IndexMap;
use minijinja::Value;
use saphyr_parser::{Event, Parser, ScalarStyle};

use super::formats::{Plain, json_text};

const MAX_DEPTH: usize = 64;

/// Reads one document. Words for yes and no are bools, as PyYAML has it.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("this is not YAML: {error}"))?;
        builder.take(event).map_err(|why| format!("line {}: {why}", span.start.line()))?;
    }
    Ok(builder.finished.unwrap_or_else(|| Value::from(())))
}

/// A list or table under way, with its anchor.
enum Open {
    List(Vec<Value>, usize),
    Table(IndexMap<Value, Value>, Option<Value>, usize),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: IndexMap<usize, Value>,
    finished: Option<Value>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.put(if plain { scalar(&text) } else { Value::from(text.as_ref()) }, anchor)
            }
            Event::SequenceStart(anchor, ..) => self.begin(Open::List(Vec::new(), anchor)),
            Event::MappingStart(anchor, ..) => self.begin(Open::Table(IndexMap::new(), None, anchor)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(items, anchor)) => self.put(Value::from(items), anchor),
                Some(Open::Table(table, _, anchor)) => self.put(Value::from_pairs(table), anchor),
                None => Err("an end without a beginning".to_owned()),
            },
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().ok_or("an alias to itself")?;
                self.put(value, 0)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("nested more than {MAX_DEPTH} levels deep"));
        }
        self.open.push(open);
        Ok(())
    }

    fn put(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None if self.finished.is_some() => return Err("more than one document".to_owned()),
            None => self.finished = Some(value),
            Some(Open::List(items, _)) => items.push(value),
            Some(Open::Table(_, key @ None, _)) => *key = Some(value),
            Some(Open::Table(table, key, _)) => match key.take() {
                Some(key) if key.as_str() == Some("<<") => merge(table, &value)?,
                Some(key) if table.contains_key(&key) => return Err(format!("the key `{key}` stands twice")),
                Some(key) => {
                    table.insert(key, value);
                }
                None => {}
            },
        }
        Ok(())
    }
}

/// `<<: *other`: keys of the other table that are not there yet.
fn merge(table: &mut IndexMap<Value, Value>, other: &Value) -> Result<(), String> {
    for key in other.try_iter().map_err(|error| error.to_string())? {
        let value = other.get_item(&key).map_err(|error| error.to_string())?;
        table.entry(key).or_insert(value);
    }
    Ok(())
}

fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::from(()),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::from(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::from(false),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(Ok(number)) = text.strip_prefix("0x").map(|hexadecimal| i64::from_str_radix(hexadecimal, 16)) {
        return Value::from(number);
    }
    // A leading zero means octal to some and nothing to others, as in modes and postal codes: it stays text.
    let zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if zero || !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Value::from(text);
    }
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) => Value::from(number),
        (_, Ok(float)) if float.is_finite() => Value::from(float),
        _ => Value::from(text),
    }
}

/// Writes a value in block style.
pub(super) fn write(value: &Plain, indent: usize) -> String {
    let mut out = String::new();
    write_at(value, indent, 0, &mut out);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn write_at(value: &Plain, indent: usize, column: usize, out: &mut String) {
    match value {
        Plain::List(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                start_line(position, column, out);
                out.push('-');
                out.push_str(&" ".repeat(indent - 1));
                write_at(item, indent, column + indent, out);
            }
        }
        Plain::Table(table) if !table.is_empty() => {
            for (position, (key, item)) in table.iter().enumerate() {
                start_line(position, column, out);
                out.push_str(&plain_or_quoted(key));
                out.push(':');
                match item {
                    Plain::Table(inner) if !inner.is_empty() => {
                        out.push('\n');
                        out.push_str(&" ".repeat(column + indent));
                        write_at(item, indent, column + indent, out);
                    }
                    Plain::List(inner) if !inner.is_empty() => {
                        out.push('\n');
                        out.push_str(&" ".repeat(column));
                        write_at(item, indent, column, out);
                    }
                    _ => {
                        out.push(' ');
                        write_at(item, indent, column, out);
                    }
                }
            }
        }
        Plain::List(_) => out.push_str("[]\n"),
        Plain::Table(_) => out.push_str("{}\n"),
        scalar => {
            out.push_str(&match scalar {
                Plain::Bool(flag) => flag.to_string(),
                Plain::Number(text) | Plain::Secret(text) => text.clone(),
                Plain::Text(text) => plain_or_quoted(text),
                _ => "null".to_owned(),
            });
            out.push('\n');
        }
    }
}

/// The first item of a block stands where the block begins; the others on lines of their own.
fn start_line(position: usize, column: usize, out: &mut String) {
    if position > 0 {
        out.push_str(&" ".repeat(column));
    }
}

fn plain_or_quoted(text: &str) -> String {
    let special_start = |first: char| "-?:,[]{}#&*!|>'\"%@`=<".contains(first) || first.is_whitespace();
    let reads_back = scalar(text).as_str() == Some(text) && !text.starts_with('0');
    let plain = reads_back
        && !text.starts_with(special_start)
        && !text.starts_with(|first: char| first.is_ascii_digit() || first == '.' || first == '+')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control)
        && !matches!(text, "y" | "n" | "Y" | "N");
    match plain {
        true => text.to_owned(),
        false if text.chars().any(char::is_control) => json_text(text),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        write(&Plain::new(&parse(text).unwrap(), false).unwrap(), 2)
    }

    #[test]
    fn writes_what_it_reads() {
        let text = "a: 1\nb:\n- x\n- c: 2\n  d: {}\n- []\ntext: 'yes'\nmode: '0644'\nip: '10.0.0.1'\ndeep:\n  er:\n    x: null\n";
        assert_eq!(round_trip(text), text);
        let four = write(&Plain::new(&parse("l: [{a: 1, b: 2}]").unwrap(), false).unwrap(), 4);
        assert_eq!(four, "l:\n-   a: 1\n    b: 2\n");
    }

    #[test]
    fn reads_as_pyyaml_and_refuses_bombs() {
        assert_eq!(parse("[yes, off, ~, 0x10, 1.5, '1', 0644]").unwrap().to_string(), "[True, False, None, 16, 1.5, '1', '0644']");
        assert_eq!(parse("a: &x {p: 1}\nb: {<<: *x, q: 2}").unwrap().to_string(), "{'a': {'p': 1}, 'b': {'p': 1, 'q': 2}}");
        assert!(parse("a: 1\na: 2").is_err());
        assert!(parse("a: [1").is_err());
        assert!(parse(&"[".repeat(5000)).is_err());
        let mut bomb = "a0: &a0 [x, x]\n".to_owned();
        for level in 1..40 {
            bomb.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
        }
        assert!(Plain::new(&parse(&bomb).unwrap(), false).is_err(), "shared until somebody unfolds it");
    }

    #[test]
    fn texts_that_would_read_as_something_else_are_quoted() {
        for text in ["yes", "~", "1", "1e3", "- a", "a: b", "a #b", "", " a", "{{ x }}", "@x", "n"] {
            let written = plain_or_quoted(text);
            assert!(written.starts_with('\'') && parse(&written).unwrap().as_str() == Some(text), "{text} {written}");
        }
        assert_eq!(plain_or_quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(plain_or_quoted("http://x/y"), "http://x/y");
    }
}
