//! Finding values in an XML text, and putting others there with all other bytes left alone.

use keel_engine::resource::Failure;

use super::document::{Element, parse};
use super::path::{Condition, XmlPath, XmlStep};
use crate::value_file::splice::{Splice, line_end, line_start, spliced};

/// What new files begin with.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The values that a path leads to; none for an element that has elements in it.
///
/// # Errors
/// The text is no XML.
pub(super) fn find(text: &str, path: &XmlPath) -> Result<Vec<Option<String>>, Failure> {
    let top = parse(text)?;
    let elements = top.as_ref().map_or_else(Vec::new, |top| elements(text, top, &path.steps));
    let value = |element: &&Element| match &path.attribute {
        Some(attribute) => element.attribute(text, attribute).map(Some),
        None => Some(element.text(text)),
    };
    Ok(elements.iter().filter_map(value).collect())
}

/// The elements that steps lead to.
fn elements<'e>(text: &str, top: &'e Element, steps: &[XmlStep]) -> Vec<&'e Element> {
    let Some((first, rest)) = steps.split_first() else { return Vec::new() };
    let mut found = chosen(text, vec![top], first);
    for step in rest {
        found = found.into_iter().flat_map(|element| chosen(text, element.children.iter().collect(), step)).collect();
    }
    found
}

fn chosen<'e>(text: &str, elements: Vec<&'e Element>, step: &XmlStep) -> Vec<&'e Element> {
    let mut found: Vec<&Element> = elements.into_iter().filter(|element| element.name == step.name).collect();
    for condition in &step.conditions {
        found = match condition {
            Condition::Position(position) => found.get(position - 1).copied().into_iter().collect(),
            Condition::Attribute(name, value) => {
                found.into_iter().filter(|element| element.attribute(text, name).as_ref() == Some(value)).collect()
            }
        };
    }
    found
}

/// Puts a value where a path leads, or takes away what is there.
///
/// # Errors
/// The way there leads to several places, or what is there holds more than a text.
pub(super) fn put(text: &str, path: &XmlPath, wanted: Option<&str>) -> Result<String, Failure> {
    let Some(top) = parse(text)? else {
        let made = wanted.and_then(|wanted| new_elements(&path.steps, path.attribute.as_deref(), wanted, None));
        return Ok(made.map_or_else(|| text.to_owned(), |made| format!("{HEAD}{made}\n")));
    };
    let targets = elements(text, &top, &path.steps);
    let edits = match (wanted, targets.as_slice()) {
        (None, targets) => targets.iter().filter_map(|element| removal(text, element, path.attribute.as_deref())).collect(),
        (Some(wanted), [element]) => vec![replacement(text, element, path, wanted)?],
        (Some(wanted), _) => vec![insertion(text, &top, path, wanted)?],
    };
    // From the end, so that what comes first keeps its place.
    Ok(edits.iter().rev().fold(text.to_owned(), |text, edit| spliced(&text, edit)))
}

fn replacement(text: &str, element: &Element, path: &XmlPath, wanted: &str) -> Result<Splice, Failure> {
    if let Some(name) = &path.attribute {
        return Ok(match element.attributes.iter().find(|attribute| attribute.name == *name) {
            Some(attribute) => (attribute.value.clone(), escaped(wanted)),
            None => (element.head_end..element.head_end, format!(" {name}=\"{}\"", escaped(wanted))),
        });
    }
    let Some(inside) = element.inside.clone() else {
        let tail = element.head_end..element.span.end;
        return Ok((tail, format!(">{}</{}>", escaped(wanted), element.name)));
    };
    let old = text.get(inside.clone()).unwrap_or_default();
    if !element.children.is_empty() || old.contains("<!--") || old.contains("<?") {
        return Err(Failure::new(format!("{} holds more than a text", element.name)).help("name the element in it that is meant"));
    }
    // The space around a text belongs to the layout.
    let start = inside.start + (old.len() - old.trim_start().len());
    let end = inside.start + old.trim_end().len();
    Ok((if start < end { start..end } else { inside }, escaped(wanted)))
}

/// Makes what is missing, as the last part of the last element on the way that is there.
fn insertion(text: &str, top: &Element, path: &XmlPath, wanted: &str) -> Result<Splice, Failure> {
    for end in (1..path.steps.len()).rev() {
        let (way, rest) = path.steps.split_at(end);
        let parent = match elements(text, top, way).as_slice() {
            [] => continue,
            [parent] => *parent,
            several => {
                let last = way.last().map(|step| step.name.as_str()).unwrap_or_default();
                return Err(Failure::new(format!("there are {} elements {last} on the way", several.len()))
                    .help("say which one, such as [1] or [@name='main']"));
            }
        };
        if !is_next(text, parent, rest) {
            return Err(Failure::new("an element cannot be made at that position").help("positions go on with the next number"));
        }
        let start = line_start(text, parent.span.start);
        let own: String = text.get(start..parent.span.start).unwrap_or_default().chars().take_while(|c| c.is_whitespace()).collect();
        let deeper = format!("{own}{}", unit(text));
        let is_broken = text.trim().contains('\n');
        let made = new_elements(rest, path.attribute.as_deref(), wanted, is_broken.then_some((deeper.as_str(), unit(text))))
            .ok_or_else(|| Failure::new("nothing can be made of that path"))?;
        let (before, behind) = if is_broken { (format!("\n{deeper}"), format!("\n{own}")) } else { Default::default() };
        return Ok(match (parent.children.last(), &parent.inside) {
            (Some(last), _) => {
                let gap = text.get(..last.span.start).unwrap_or_default();
                let gap = gap
                    .get(gap.trim_end().len()..)
                    .filter(|gap| gap.contains('\n'))
                    .map_or(before, |gap| gap.rsplit_once('\n').map(|(_, indent)| format!("\n{indent}")).unwrap_or_default());
                (last.span.end..last.span.end, format!("{gap}{made}"))
            }
            (None, None) => (parent.head_end..parent.span.end, format!(">{before}{made}{behind}</{}>", parent.name)),
            (None, Some(inside)) if text.get(inside.clone()).is_some_and(|inside| inside.trim().is_empty()) => {
                (inside.clone(), format!("{before}{made}{behind}"))
            }
            (None, Some(inside)) => (inside.end..inside.end, made),
        });
    }
    Err(Failure::new(format!("the top of the file is {}, and a file has only one", top.name)))
}

/// Whether the first of the steps would lead to what is put behind the last one there.
fn is_next(text: &str, parent: &Element, rest: &[XmlStep]) -> bool {
    let count_before = |step: &XmlStep, conditions: usize| {
        let above = XmlStep { name: step.name.clone(), conditions: step.conditions.get(..conditions).unwrap_or_default().to_vec() };
        chosen(text, parent.children.iter().collect(), &above).len()
    };
    rest.first().is_some_and(|step| {
        step.conditions.iter().enumerate().all(|(at, condition)| match condition {
            Condition::Position(position) => *position == count_before(step, at) + 1,
            Condition::Attribute(..) => true,
        })
    })
}

/// What one level is indented by.
fn unit(text: &str) -> &str {
    let indents = text
        .lines()
        .filter(|line| line.trim_start().starts_with('<'))
        .map(|line| line.get(..line.len() - line.trim_start().len()).unwrap_or_default());
    indents.into_iter().find(|indent| !indent.is_empty()).unwrap_or("  ")
}

/// Elements one in the other, with a value at the end; each on a line of its own where an indentation is given.
fn new_elements(steps: &[XmlStep], attribute: Option<&str>, wanted: &str, indent: Option<(&str, &str)>) -> Option<String> {
    let (step, rest) = steps.split_first()?;
    let mut head = format!("<{}", step.name);
    for condition in &step.conditions {
        if let Condition::Attribute(name, value) = condition {
            head.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
    }
    if rest.is_empty() {
        return Some(match attribute {
            Some(name) => format!("{head} {name}=\"{}\"/>", escaped(wanted)),
            None => format!("{head}>{}</{}>", escaped(wanted), step.name),
        });
    }
    let deeper = indent.map(|(indent, unit)| (format!("{indent}{unit}"), unit));
    let inner = new_elements(rest, attribute, wanted, deeper.as_ref().map(|(indent, unit)| (indent.as_str(), *unit)))?;
    Some(match (indent, deeper) {
        (Some((indent, _)), Some((deeper, _))) => format!("{head}>\n{deeper}{inner}\n{indent}</{}>", step.name),
        _ => format!("{head}>{inner}</{}>", step.name),
    })
}

/// Takes an attribute or an element away, with the line that it had to itself.
fn removal(text: &str, element: &Element, attribute: Option<&str>) -> Option<Splice> {
    if let Some(name) = attribute {
        let attribute = element.attributes.iter().find(|attribute| attribute.name == name)?;
        return Some((attribute.span.clone(), String::new()));
    }
    let span = &element.span;
    let (start, end) = (line_start(text, span.start), line_end(text, span.end));
    let is_alone = text.get(start..span.start)?.trim().is_empty() && text.get(span.end..end)?.trim().is_empty();
    Some((if is_alone { start..end } else { span.clone() }, String::new()))
}

/// A text as it can stand between tags and quotes of both kinds.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}
