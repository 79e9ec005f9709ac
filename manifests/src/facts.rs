//! Recorded facts, `facts/HOST.json`: what hosts said of themselves. They are data and never templates.

mod forms;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use keel_engine::value::{Map, Value};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::files::SiteFiles;

pub use forms::{FactForm, custom_facts};

/// Fresh facts, fetched when a compile asks for them.
pub trait LiveFacts: Send + Sync {
    /// What a host last said of itself; none if it said nothing yet, and then its recorded facts count.
    fn of(&self, host: &str) -> Option<Arc<Map>>;
}

impl LiveFacts for BTreeMap<String, Arc<Map>> {
    fn of(&self, host: &str) -> Option<Arc<Map>> {
        self.get(host).cloned()
    }
}

/// The facts of all hosts that have some.
#[derive(Clone, Default)]
pub struct Facts {
    recorded: BTreeMap<String, Arc<Map>>,
    /// What is assumed of hosts that have none.
    assumed: Option<Arc<Map>>,
    live: Option<Arc<dyn LiveFacts>>,
}

impl Facts {
    /// Reads all recorded facts of a site; live ones win over them.
    pub fn load(files: &dyn SiteFiles, live: Option<Arc<dyn LiveFacts>>, out: &mut Vec<Diagnostic>) -> Self {
        let mut facts = Self { recorded: BTreeMap::new(), assumed: None, live };
        for path in crate::files::list_with_extension(files, "facts", ".json", out) {
            let Some(text) = crate::files::read_text(files, &path, out) else { continue };
            let name = path.trim_start_matches("facts/").trim_end_matches(".json");
            match parse(&text) {
                Ok(map) => {
                    facts.recorded.insert(name.to_owned(), Arc::new(map));
                }
                Err(error) => {
                    let place = error.span.clone();
                    out.push(Diagnostic::error(codes::BAD_FACTS, error.message).at(&path.as_str().into(), place, "here"));
                }
            }
        }
        facts
    }

    /// Assumes the facts in a file of the site for hosts that have none.
    pub(crate) fn assume(&mut self, files: &dyn SiteFiles, path: &str, out: &mut Vec<Diagnostic>) {
        let Some(text) = crate::files::read_text(files, path, out) else {
            let message = format!("`profile` in keel.toml names {path}, which is not there");
            return out.push(
                Diagnostic::error(codes::BAD_FACTS, message).help(format!("on a host that is like the others, `keel facts > {path}`")),
            );
        };
        match parse(&text) {
            Ok(map) => self.assumed = Some(Arc::new(map)),
            Err(error) => out.push(Diagnostic::error(codes::BAD_FACTS, error.message).at(&path.into(), error.span, "here")),
        }
    }

    /// The facts of a host, if there are some.
    pub fn of(&self, host: &str) -> Option<Arc<Map>> {
        self.live_of(host).or_else(|| self.recorded.get(host).cloned()).or_else(|| self.assumed.clone())
    }

    /// The facts that a host sent itself: nobody has looked at them.
    pub(crate) fn live_of(&self, host: &str) -> Option<Arc<Map>> {
        self.live.as_ref().and_then(|live| live.of(host))
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.recorded.keys()).finish()
    }
}

/// Why a text holds no facts.
#[derive(Debug)]
struct FactsError {
    message: String,
    span: std::ops::Range<usize>,
}

/// Reads facts as a host sends them.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_facts(text: &str) -> Result<Map, String> {
    parse(text).map_err(|error| error.message)
}

/// Reads the text of a facts file.
fn parse(text: &str) -> Result<Map, FactsError> {
    let whole = |message: String| FactsError { message, span: 0..text.len().min(1) };
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value @ serde_json::Value::Object(_)) => match from_json(value).map_err(whole)? {
            Value::Map(map) => Ok(map),
            other => Err(whole(format!("facts are an object, not a {}", other.type_name()))),
        },
        Ok(_) => Err(whole("facts are a JSON object".to_owned())),
        Err(error) => {
            let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            let at = (line_start + error.column().saturating_sub(1)).min(text.len());
            Err(FactsError { message: format!("not JSON: {error}"), span: at..(at + 1).min(text.len()) })
        }
    }
}

/// A JSON value as a value of the language.
///
/// # Errors
/// Fails on numbers that do not fit.
pub fn from_json(json: serde_json::Value) -> Result<Value, String> {
    Ok(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect::<Result<_, _>>()?),
        serde_json::Value::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| Ok((key, from_json(value)?))).collect::<Result<_, String>>()?)
        }
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(float)) if number.is_f64() && float.is_finite() => Value::Float(float),
            _ => return Err(format!("the number {number} does not fit into 64 bits")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn reads_facts_and_reports_bad_files() {
        let files = MemoryFiles::new([
            ("facts/db-1.json", r#"{"os": {"family": "debian"}, "text": "{{ 7*7 }}"}"#),
            ("facts/bad.json", "{\n  \"a\": }"),
            ("facts/big.json", r#"{"n": 18446744073709551615}"#),
            ("facts/list.json", "[]"),
            ("facts/README.md", "x"),
        ]);
        let mut out = Vec::new();
        let facts = Facts::load(&files, None, &mut out);
        assert_eq!(facts.of("db-1").unwrap().get("text"), Some(&Value::from("{{ 7*7 }}")));
        assert!(facts.of("bad").is_none());
        assert_eq!(out.len(), 3);
        assert_eq!(out[0].labels[0].span, 9..10);
    }

    #[test]
    fn who_has_no_facts_has_those_of_the_profile() {
        let files = MemoryFiles::new([("facts/a.json", r#"{"os": "b"}"#), ("like.json", r#"{"os": "debian"}"#), ("bad.json", "[")]);
        let mut out = Vec::new();
        let mut facts = Facts::load(&files, None, &mut out);
        facts.assume(&files, "like.json", &mut out);
        let os = |host: &str| facts.of(host).unwrap().get("os").cloned();
        assert_eq!((os("a"), os("new"), out.len()), (Some(Value::from("b")), Some(Value::from("debian")), 0));
        facts.assume(&files, "bad.json", &mut out);
        facts.assume(&files, "gone.json", &mut out);
        assert!(out.len() == 2 && out[1].message.contains("gone.json, which is not there"), "{out:?}");
    }
}
