//! Edits of a YAML text that leave all other bytes alone.

use std::collections::BTreeSet;
use std::ops::Range;

use keel_engine::resource::Failure;
use keel_engine::value::{Map, Value};

use super::document::{Kind, Member, Node};
use super::write::{behind_dash, behind_key, flow, text as key_text};
use crate::value_file::splice::{Splice, line_end, line_start, lines_at, spliced, without_parts};
use crate::value_file::{Place, Step, nested};

/// A node with the way to it: what it stands in, and the key that it stands behind.
struct Reached<'n> {
    node: &'n Node,
    behind: Option<&'n Range<usize>>,
}

/// Puts a value into a text or takes it away.
pub(super) fn put(text: &str, top: Option<&Node>, place: &Place, wanted: Option<&Value>) -> Result<String, Failure> {
    let Some(top) = top.filter(|top| !top.is_unwritten()) else {
        let Some(wanted) = wanted else { return Ok(text.to_owned()) };
        let whole = nested(&place.0, wanted);
        let lines = match &whole {
            Value::Map(map) => map.iter().map(|(key, value)| format!("{}:{}\n", key_text(key), behind_key(value, 0))).collect(),
            value => format!("{}\n", flow(value)),
        };
        return Ok(spliced(text, &lines_at(text, text.len(), &lines)));
    };
    let mut used = BTreeSet::new();
    top.aliases(&mut used);
    let mut reached = Reached { node: top, behind: None };
    let mut rest = place.0.as_slice();
    loop {
        let is_end = rest.is_empty();
        if used.contains(&reached.node.anchor)
            || !is_end && matches!(reached.node.kind, Kind::Alias(_))
            || is_end && reached.node.has_anchor(&used)
        {
            return Err(Failure::new(format!("{place} is in what an anchor and its aliases share, so a change would reach further"))
                .help("write the value out where it is meant to differ, or change the file by hand"));
        }
        let Some((child, deeper)) = rest.split_first().and_then(|(step, deeper)| Some((child(reached.node, step)?, deeper))) else { break };
        (reached, rest) = (child, deeper);
    }
    let edits = match (wanted, rest) {
        (None, []) => removal(text, top, &place.0)?,
        (None, _) => Vec::new(),
        (Some(_), []) if reached.node.has_tag => return Err(Failure::new(format!("{place} has a tag, which says what it is"))),
        (Some(wanted), []) => replacement(text, &reached, wanted),
        (Some(wanted), [step, deeper @ ..]) => insertion(text, &reached, step, &nested(deeper, wanted)),
    };
    // From the end, so that what comes first keeps its place.
    Ok(edits.iter().rev().fold(text.to_owned(), |text, edit| spliced(&text, edit)))
}

fn child<'n>(node: &'n Node, step: &Step) -> Option<Reached<'n>> {
    match (&node.kind, step) {
        (Kind::Table { members, .. }, Step::Key(key)) => {
            let member = members.iter().find(|member| member.key == *key)?;
            Some(Reached { node: &member.value, behind: Some(&member.key_span) })
        }
        (Kind::List { items, .. }, Step::Index(index)) => Some(Reached { node: items.get(*index)?, behind: None }),
        _ => None,
    }
}

/// Behind the colon of a key.
pub(super) fn behind_colon(text: &str, key: &Range<usize>) -> usize {
    text.get(key.end..).and_then(|rest| rest.find(':')).map_or(key.end, |colon| key.end + colon + 1)
}

/// How far a byte is from the start of its line.
fn column(text: &str, at: usize) -> usize {
    text.get(line_start(text, at)..at).unwrap_or_default().chars().count()
}

/// Whether nothing but space stands in front of a byte in its line.
fn begins_line(text: &str, at: usize) -> bool {
    text.get(line_start(text, at)..at).is_some_and(|before| before.trim().is_empty())
}

/// The edits that put a value in the place of another, in order.
fn replacement(text: &str, reached: &Reached<'_>, wanted: &Value) -> Vec<Splice> {
    let node = reached.node;
    let colon = reached.behind.map(|key| behind_colon(text, key));
    match (&node.kind, colon) {
        (Kind::Scalar { in_block: true, .. }, Some(colon)) => vec![(colon..node.span.end, format!(" {}", flow(wanted)))],
        (Kind::Scalar { .. }, Some(colon)) if node.is_unwritten() => vec![(colon..colon, format!(" {}", flow(wanted)))],
        (Kind::List { in_flow: false, .. } | Kind::Table { in_flow: false, .. }, Some(colon)) => {
            let at = node.span.start - column(text, node.span.start);
            let behind = line_end(text, node.span.end);
            // Lists go on where the old one stood, with the space that it had.
            match wanted {
                Value::List(items) if !items.is_empty() && matches!(node.kind, Kind::List { .. }) => {
                    let column = column(text, node.span.start);
                    let lines: String =
                        items.iter().map(|item| format!("{}- {}\n", " ".repeat(column), behind_dash(item, column))).collect();
                    let (_, lines) = lines_at(text, at, &lines);
                    vec![(at..behind, lines)]
                }
                wanted => vec![(colon..colon, format!(" {}", flow(wanted))), (at..behind, String::new())],
            }
        }
        _ => vec![(node.span.clone(), like(text.get(node.span.clone()).unwrap_or_default(), wanted))],
    }
}

/// A value in the quotes of the one that it takes the place of.
fn like(old: &str, wanted: &Value) -> String {
    match wanted {
        Value::String(word) if old.starts_with('\'') && !word.contains(|c: char| c.is_control()) => {
            format!("'{}'", word.replace('\'', "''"))
        }
        Value::String(word) if old.starts_with('"') => crate::value_file::splice::quoted(word),
        wanted => flow(wanted),
    }
}

/// The edits that add something to a table or list.
fn insertion(text: &str, reached: &Reached<'_>, step: &Step, value: &Value) -> Vec<Splice> {
    let node = reached.node;
    let whole = || nested(std::slice::from_ref(step), value);
    let written = |step: &Step| match step {
        Step::Key(key) => format!("{}: {}", key_text(key), flow(value)),
        Step::Index(_) => flow(value),
    };
    match (&node.kind, step) {
        (Kind::Table { members, in_flow: false }, Step::Key(key)) => {
            let Some(first) = members.first() else { return Vec::new() };
            let column = column(text, first.key_span.start);
            let line = format!("{}{}:{}\n", " ".repeat(column), key_text(key), behind_key(value, column));
            vec![lines_at(text, line_end(text, node.span.end), &line)]
        }
        (Kind::List { in_flow: false, .. }, Step::Index(_)) => {
            let column = column(text, node.span.start);
            let line = format!("{}- {}\n", " ".repeat(column), behind_dash(value, column));
            vec![lines_at(text, line_end(text, node.span.end), &line)]
        }
        (Kind::Table { members, .. }, Step::Key(_)) if !members.is_empty() => {
            let end = members.last().map_or(node.span.end, |member| member.value.span.end.max(behind_colon(text, &member.key_span)));
            vec![(end..end, format!(", {}", written(step)))]
        }
        (Kind::List { items, .. }, Step::Index(_)) if !items.is_empty() => {
            let end = items.last().map_or(node.span.end, |item| item.span.end);
            vec![(end..end, format!(", {}", written(step)))]
        }
        // Nothing yet, as in `key:` or `key: {}`: lines below it.
        (Kind::Scalar { value: Value::Null, .. } | Kind::Table { .. } | Kind::List { .. }, _) => match reached.behind {
            Some(key) if begins_line(text, key.start) || is_in_dashes(text, key.start) => {
                let colon = behind_colon(text, key);
                let lines = behind_key(&whole(), column(text, key.start));
                let end = node.span.end.max(colon);
                let lines = lines_at(text, line_end(text, end), &format!("{}\n", lines.trim_start_matches('\n')));
                vec![(colon..end, String::new()), lines]
            }
            _ if node.is_unwritten() => Vec::new(),
            _ => vec![(node.span.clone(), flow(&whole()))],
        },
        _ => Vec::new(),
    }
}

/// Whether only dashes stand in front of a byte in its line.
fn is_in_dashes(text: &str, at: usize) -> bool {
    text.get(line_start(text, at)..at).is_some_and(|before| before.chars().all(|c| matches!(c, ' ' | '-')))
}

/// The edits that take something away, in order.
fn removal(text: &str, top: &Node, steps: &[Step]) -> Result<Vec<Splice>, Failure> {
    let Some((last, way)) = steps.split_last() else { return Ok(Vec::new()) };
    let mut parent = Reached { node: top, behind: None };
    for step in way {
        let Some(child) = child(parent.node, step) else { return Ok(Vec::new()) };
        parent = child;
    }
    let (Kind::Table { members, in_flow }, Step::Key(key)) = (&parent.node.kind, last) else { return Ok(Vec::new()) };
    let part = |member: &Member| {
        let end = member.value.span.end.max(behind_colon(text, &member.key_span));
        (member.key_span.start..end, member.key == *key)
    };
    let parts: Vec<(Range<usize>, bool)> = members.iter().map(part).collect();
    if *in_flow {
        let span = &parent.node.span;
        return Ok(without_parts(text, &parts, span.start + 1..span.end - 1).into_iter().collect());
    }
    let Some(at) = parts.iter().position(|(_, goes)| *goes) else { return Ok(Vec::new()) };
    let Some((span, _)) = parts.get(at) else { return Ok(Vec::new()) };
    // The only part of something leaves an empty one behind; of the whole file it leaves nothing.
    if parts.len() == 1 && !way.is_empty() {
        return Ok(replacement(text, &parent, &Value::Map(Map::new())));
    }
    if begins_line(text, span.start) {
        return Ok(vec![(line_start(text, span.start)..line_end(text, span.end), String::new())]);
    }
    // The first key behind a dash: the next one moves up into its place, if nothing is said between them.
    let Some((next, _)) = parts.get(at + 1) else { return Ok(Vec::new()) };
    if !text.get(span.end..next.start).is_some_and(|between| between.trim().is_empty()) {
        return Err(Failure::new("a comment stands where the next key would move up").help("move the comment, or change the file by hand"));
    }
    Ok(vec![(span.start..next.start, String::new())])
}
