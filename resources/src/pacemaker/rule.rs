//! Rules: when something in the CIB holds. Manifests have them as texts, `#uname eq n1 and pingd gte 100`,
//! or as tables with such a text as `expression` beside the rule's own score and role.

use keel_engine::value::{Map, Value};

use super::describe::Unsayable;
use super::tree::Node;
use super::word::{text_of, value_of};

/// What a rule may have beside its expressions.
const OWN: [&str; 3] = ["score", "score-attribute", "role"];
/// The attributes of a date that stand in front of its duration.
const MOMENTS: [&str; 2] = ["start", "end"];
/// What dates and durations are given by. The schema takes some in both that mean something in one, and `yearsdays`.
const SPAN: [&str; 13] = [
    "seconds",
    "minutes",
    "hours",
    "days",
    "monthdays",
    "weekdays",
    "yeardays",
    "yearsdays",
    "weeks",
    "months",
    "weekyears",
    "years",
    "moon",
];
/// What tells a kind of resource.
const RESOURCE: [&str; 3] = ["class", "provider", "type"];
/// What tells an operation.
const OPERATION: [&str; 2] = ["name", "interval"];
/// How deep rules may stand in each other.
const DEPTH_MAX: usize = 16;

/// The rule that a value stands for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn render(id: &str, value: &Value) -> Result<Node, String> {
    let mut node = Node::new("rule").with("id", id);
    let text = match value {
        Value::String(text) => text,
        Value::Map(map) => {
            for (key, value) in map.iter().filter(|(key, _)| *key != "expression") {
                let own = OWN.iter().find(|own| own.replace('-', "_") == *key);
                let own = own.ok_or_else(|| format!("has no `{key}`, only expression, score, score_attribute and role"))?;
                node.set(own, text_of(value).ok_or_else(|| format!("`{key}` is one value"))?);
            }
            map.get("expression").and_then(Value::as_str).ok_or("has no `expression`, such as \"#uname eq n1\"")?
        }
        other => return Err(format!("is a text or a table, and not a {}", other.type_name())),
    };
    let mut parser = Parser { words: split(text)?, at: 0 };
    parser.alternatives(&mut node, DEPTH_MAX)?;
    match parser.next() {
        None => Ok(node),
        Some(word) => Err(format!("ends before {:?}: join expressions by `and` or `or`", word.text)),
    }
}

/// What manifests say of a rule.
pub(super) fn describe(rule: &Node) -> Result<Value, Unsayable> {
    let mut map = Map::new();
    for (name, value) in &rule.attributes {
        match name.as_str() {
            "id" | "boolean-op" => {}
            name if OWN.contains(&name) => drop(map.insert(name.replace('-', "_"), value_of(value))),
            other => return Err(Unsayable::of(rule, format!("has the attribute {other}"))),
        }
    }
    let text = Value::from(expressions(rule)?);
    if map.is_empty() {
        return Ok(text);
    }
    map.insert("expression".to_owned(), text);
    Ok(Value::Map(map))
}

fn expressions(rule: &Node) -> Result<String, Unsayable> {
    let joint = match rule.attribute("boolean-op") {
        None | Some("and") => " and ",
        Some("or") => " or ",
        Some(other) => return Err(Unsayable::of(rule, format!("joins its expressions by {other}"))),
    };
    if rule.children.is_empty() {
        return Err(Unsayable::of(rule, "has no expression"));
    }
    let texts: Vec<String> = rule.children.iter().map(expression).collect::<Result<_, _>>()?;
    Ok(texts.join(joint))
}

fn expression(node: &Node) -> Result<String, Unsayable> {
    if !matches!(node.name.as_str(), "rule" | "date_expression") && !node.children.is_empty() {
        return Err(Unsayable::of(node, "has something in it"));
    }
    match node.name.as_str() {
        "rule" => {
            only(node, &["boolean-op"])?;
            Ok(format!("({})", expressions(node)?))
        }
        "expression" => {
            only(node, &["attribute", "operation", "value", "type", "value-source"])?;
            comparison(node)
        }
        "date_expression" => {
            only(node, &["operation", "start", "end"])?;
            date(node)
        }
        "rsc_expression" => with_pairs("resource", node, &RESOURCE),
        "op_expression" => with_pairs("operation", node, &OPERATION),
        _ => Err(Unsayable::of(node, "is no expression")),
    }
}

fn only(node: &Node, known: &[&str]) -> Result<(), Unsayable> {
    match node.attributes.keys().find(|name| *name != "id" && !known.contains(&name.as_str())) {
        Some(odd) => Err(Unsayable::of(node, format!("has the attribute {odd}"))),
        None => Ok(()),
    }
}

/// A word with the attributes of an element behind it, as `name=value`.
fn with_pairs(word: &str, node: &Node, known: &[&str]) -> Result<String, Unsayable> {
    only(node, known)?;
    let pairs = node.attributes.iter().filter(|(name, _)| *name != "id").map(|(name, value)| format!("{name}={}", quoted(value)));
    Ok(std::iter::once(word.to_owned()).chain(pairs).collect::<Vec<_>>().join(" "))
}

fn comparison(node: &Node) -> Result<String, Unsayable> {
    let of = |name: &str| node.attribute(name);
    let missing = || Unsayable::of(node, "does not say what it compares");
    let (attribute, operation) = (of("attribute").ok_or_else(missing)?, of("operation").ok_or_else(missing)?);
    let attribute = quoted(attribute);
    match (operation, of("value")) {
        ("defined" | "not_defined", None) if of("type").is_none() && of("value-source").is_none() => Ok(format!("{operation} {attribute}")),
        ("defined" | "not_defined", _) | (_, None) => Err(Unsayable::of(node, "compares in an unusual way")),
        (operation, Some(value)) => {
            let kind = of("type").map(|kind| format!("{kind}:")).unwrap_or_default();
            let source = of("value-source").map(|source| format!("@{source}")).unwrap_or_default();
            Ok(format!("{attribute} {kind}{operation}{source} {}", quoted(value)))
        }
    }
}

fn date(node: &Node) -> Result<String, Unsayable> {
    let operation = match node.attribute("operation") {
        Some("in_range") => "in",
        Some("date_spec") => "spec",
        Some(operation @ ("gt" | "lt")) => operation,
        _ => return Err(Unsayable::of(node, "has no known operation")),
    };
    let mut text = format!("date {operation}");
    for moment in MOMENTS {
        if let Some(value) = node.attribute(moment) {
            text.push_str(&format!(" {moment}={}", quoted(value)));
        }
    }
    match (operation, node.children.as_slice()) {
        (_, []) => Ok(text),
        ("spec", [spec]) if spec.name == "date_spec" && spec.children.is_empty() => with_pairs(&text, spec, &SPAN),
        ("in", [duration]) if duration.name == "duration" && duration.children.is_empty() => {
            with_pairs(&format!("{text} duration"), duration, &SPAN)
        }
        _ => Err(Unsayable::of(node, "has something in it")),
    }
}

/// A word as it stands, or in quotes where it would be read as something else.
fn quoted(text: &str) -> String {
    const TAKEN: [&str; 8] = ["and", "or", "date", "resource", "operation", "defined", "not_defined", "duration"];
    let plain = |c: char| c.is_alphanumeric() || "#._-+:/%*@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !TAKEN.contains(&text) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    /// Whether any of it stood in quotes, so that it is no word of the language.
    is_quoted: bool,
}

/// Splits a rule into words; parentheses are words, and quotes hold together.
fn split(text: &str) -> Result<Vec<Token>, String> {
    let mut words = Vec::new();
    let mut word: Option<Token> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '(' | ')' => {
                words.extend(word.take());
                words.push(Token { text: c.to_string(), is_quoted: false });
            }
            '\'' | '"' => {
                let word = word.get_or_insert_with(|| Token { text: String::new(), is_quoted: true });
                word.is_quoted = true;
                loop {
                    match chars.next() {
                        None => return Err("has a quote that never ends".to_owned()),
                        Some('\\') => word.text.extend(chars.next()),
                        Some(end) if end == c => break,
                        Some(other) => word.text.push(other),
                    }
                }
            }
            c => word.get_or_insert_with(|| Token { text: String::new(), is_quoted: false }).text.push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

struct Parser {
    words: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.words.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let word = self.peek().cloned();
        self.at += 1;
        word
    }

    fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|word| !word.is_quoted && word.text == text)
    }

    fn take(&mut self, what: &str) -> Result<Token, String> {
        self.next().ok_or_else(|| format!("ends where {what} was expected"))
    }

    /// Expressions that are all joined by one word.
    fn alternatives(&mut self, rule: &mut Node, depth: usize) -> Result<(), String> {
        let mut joint: Option<String> = None;
        loop {
            let id = format!("{}-expression", rule.id().unwrap_or_default());
            let id = if rule.children.is_empty() { id } else { format!("{id}-{}", rule.children.len()) };
            let child = self.expression(&id, depth)?;
            rule.children.push(child);
            if !self.is("and") && !self.is("or") {
                break;
            }
            let word = self.take("`and` or `or`")?.text;
            match &joint {
                Some(joint) if *joint != word => return Err("mixes `and` with `or`: put one of them in parentheses".to_owned()),
                _ => joint = Some(word),
            }
        }
        if joint.as_deref() == Some("or") {
            rule.set("boolean-op", "or");
        }
        Ok(())
    }

    fn expression(&mut self, id: &str, depth: usize) -> Result<Node, String> {
        if depth == 0 {
            return Err("is nested too deep".to_owned());
        }
        let first = self.take("an expression")?;
        match (first.is_quoted, first.text.as_str()) {
            (false, "(") => {
                let mut node = Node::new("rule").with("id", id);
                self.alternatives(&mut node, depth - 1)?;
                if !self.is(")") {
                    return Err("has a `(` without its `)`".to_owned());
                }
                self.at += 1;
                Ok(node)
            }
            (false, "date") => self.date(id),
            (false, "resource") => self.pairs(Node::new("rsc_expression").with("id", id), &RESOURCE),
            (false, "operation") => self.pairs(Node::new("op_expression").with("id", id), &OPERATION),
            (false, word @ ("defined" | "not_defined")) => {
                let attribute = self.take("an attribute")?.text;
                Ok(Node::new("expression").with("id", id).with("attribute", attribute).with("operation", word))
            }
            (false, ")" | "and" | "or") => Err(format!("has `{}` where an expression was expected", first.text)),
            _ => self.comparison(id, &first.text),
        }
    }

    fn comparison(&mut self, id: &str, attribute: &str) -> Result<Node, String> {
        let operator = self.take(&format!("an operator behind {attribute}"))?.text;
        let (operator, source) = operator.split_once('@').map_or((operator.as_str(), None), |(operator, source)| (operator, Some(source)));
        let (kind, operation) = operator.split_once(':').map_or((None, operator), |(kind, operation)| (Some(kind), operation));
        const OPERATIONS: [&str; 6] = ["eq", "ne", "lt", "gt", "lte", "gte"];
        if !OPERATIONS.contains(&operation) {
            return Err(format!("has {operation:?} behind {attribute}, expected one of {}", OPERATIONS.join(" ")));
        }
        let value = self.take("a value")?;
        if !value.is_quoted && matches!(value.text.as_str(), "(" | ")" | "and" | "or") {
            return Err(format!("has no value behind {attribute} {operation}"));
        }
        let mut node = Node::new("expression").with("id", id).with("attribute", attribute).with("operation", operation);
        node.set("value", value.text);
        kind.into_iter().for_each(|kind| node.set("type", kind));
        source.into_iter().for_each(|source| node.set("value-source", source));
        Ok(node)
    }

    fn date(&mut self, id: &str) -> Result<Node, String> {
        let word = self.take("gt, lt, in or spec behind date")?.text;
        let operation = match word.as_str() {
            "in" => "in_range",
            "spec" => "date_spec",
            "gt" | "lt" => word.as_str(),
            other => return Err(format!("has {other:?} behind date, expected gt, lt, in or spec")),
        };
        let node = Node::new("date_expression").with("id", id).with("operation", operation);
        if operation == "date_spec" {
            let spec = self.pairs(Node::new("date_spec").with("id", format!("{id}-date_spec")), &SPAN)?;
            return Ok(Node { children: vec![spec], ..node });
        }
        let mut node = self.pairs(node, &MOMENTS)?;
        if self.is("duration") {
            self.at += 1;
            node.children.push(self.pairs(Node::new("duration").with("id", format!("{id}-duration")), &SPAN)?);
        }
        Ok(node)
    }

    /// Takes `name=value` as long as there are any.
    fn pairs(&mut self, mut node: Node, known: &[&str]) -> Result<Node, String> {
        while let Some((name, value)) = self.peek().and_then(|word| word.text.split_once('=')) {
            if !known.contains(&name) {
                return Err(format!("has no {name:?} there, only {}", known.join(", ")));
            }
            node.set(name, value);
            self.at += 1;
        }
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written_the_same() {
        for text in [
            "#uname eq n1",
            "#uname eq n1 and pingd number:gte 100",
            "(#uname eq n1 or #uname eq n2) and not_defined maintenance",
            "limit integer:gt@meta maximum",
            "date gt start=2026-01-01",
            "date in start='2026-01-01 10:00' end=2027-01-01",
            "date in start=2026-01-01 duration hours=8",
            "date spec hours=9-17 weekdays=1-5 or date lt end=2026-05-05",
            "resource class=ocf provider=heartbeat type=IPaddr2 and operation name=monitor interval=10s",
            "'date' eq 'and' and x eq '' and y ne 'it\\'s'",
        ] {
            let rule = render("r", &Value::from(text)).unwrap();
            assert_eq!(describe(&rule), Ok(Value::from(text)));
        }
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for (text, part) in [
            ("", "ends where an expression"),
            ("a eq 1 or b eq 2 and c eq 3", "mixes `and` with `or`"),
            ("(a eq 1", "`(` without its `)`"),
            ("a is 1", "expected one of eq"),
            ("a eq", "ends where a value"),
            ("a eq 1 b", "join expressions"),
            ("date at noon", "expected gt, lt, in or spec"),
            ("date spec hour=9", "has no \"hour\" there"),
            ("a eq 'x", "quote that never ends"),
        ] {
            let error = render("r", &Value::from(text)).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(render("r", &Value::from("(".repeat(100))).unwrap_err().contains("too deep"));
    }

    #[test]
    fn what_no_text_can_say_is_refused() {
        let nested = Node {
            children: vec![Node::new("expression").with("attribute", "a").with("operation", "defined")],
            ..Node::new("rule").with("id", "in").with("score", "5")
        };
        let rule = Node { children: vec![nested], ..Node::new("rule").with("id", "r") };
        assert_eq!(describe(&rule), Err(Unsayable("<rule id=\"in\"> has the attribute score".to_owned())));
    }
}
