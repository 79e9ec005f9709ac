//! What a test gives: facts that stand in the place of recorded ones, and variables as a run would set them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{FactsOf, SiteTest};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::files::{SiteFile, SiteFiles};
use crate::syntax::{Attribute, Data, Literal, Mark, Scalar};

/// A site with other facts.
pub(super) struct WithFacts {
    pub(super) site: Arc<dyn SiteFiles + Send + Sync>,
    /// By path.
    pub(super) facts: BTreeMap<String, Arc<[u8]>>,
}

impl SiteFiles for WithFacts {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        match self.facts.get(path) {
            Some(bytes) => Ok(Some(Arc::clone(bytes))),
            None => self.site.read(path),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<SiteFile>, String> {
        let mut listed = self.site.list(folder)?;
        if folder == "facts" || folder.is_empty() {
            listed.retain(|file| !self.facts.contains_key(&file.path));
            let given = self.facts.iter();
            listed.extend(given.map(|(path, bytes)| SiteFile { path: path.clone(), executable: false, size: bytes.len() as u64 }));
            listed.sort_by(|one, other| one.path.cmp(&other.path));
        }
        Ok(listed)
    }
}

impl SiteTest {
    /// Whether nothing is given, so that the site is as it is.
    pub(super) fn gives_nothing(&self) -> bool {
        self.facts.is_empty() && self.variables.is_empty()
    }

    /// The site with the facts that these hosts have in the test.
    pub(super) fn files(&self, site: &Arc<dyn SiteFiles + Send + Sync>, hosts: &[String]) -> Result<WithFacts, Diagnostic> {
        let mut facts: BTreeMap<String, Value> = BTreeMap::new();
        for given in &self.facts {
            let named = given.host.as_ref().map(|host| vec![host.text.to_string()]);
            for host in named.as_deref().unwrap_or(hosts) {
                let path = format!("facts/{host}.json");
                let known = match (&given.file, facts.remove(&path)) {
                    (Some(file), _) => self.read_facts(&**site, &file.text, given)?,
                    (None, Some(known)) => known,
                    (None, None) => recorded(&**site, &path),
                };
                facts.insert(path, self.with_values(known, &given.values)?);
            }
        }
        let facts = facts.into_iter().map(|(path, value)| (path, Arc::from(value.to_string().into_bytes()))).collect();
        Ok(WithFacts { site: Arc::clone(site), facts })
    }

    fn read_facts(&self, site: &dyn SiteFiles, path: &str, given: &FactsOf) -> Result<Value, Diagnostic> {
        let read = site.read(path).and_then(|bytes| bytes.ok_or_else(|| "there is no such file in the site".to_owned()));
        let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
        parsed.map_err(|why| {
            let span = given.file.as_ref().map(|file| file.span).unwrap_or_default();
            let diagnostic = Diagnostic::error(codes::TEST_FORM, format!("no facts can be read from {path}: {why}"));
            diagnostic.at(&self.file, span.into(), "here").help("`keel facts` prints those of a host; the path begins at the site's folder")
        })
    }

    fn with_values(&self, mut facts: Value, values: &[Attribute]) -> Result<Value, Diagnostic> {
        for value in values {
            let more = json!({ &*value.name.text: self.plain(&value.value)? });
            merge(&mut facts, more);
        }
        Ok(facts)
    }

    /// The variables, as `--var` takes them.
    pub(super) fn run_variables(&self) -> Result<Vec<String>, Diagnostic> {
        let set = self.variables.iter().map(|variable| {
            let value = self.plain(&variable.value)?;
            let text = toml(&value).ok_or_else(|| self.refuse(&variable.value, "a variable is not null"))?;
            Ok(format!("{}={text}", variable.name.text))
        });
        set.collect()
    }

    fn refuse(&self, data: &Data, message: &str) -> Diagnostic {
        let diagnostic = Diagnostic::error(codes::TEST_FORM, message).at(&self.file, data.span().into(), "here");
        diagnostic.help("what a test gives is plain: texts, numbers, #true, #false, lists and tables")
    }

    /// A value as it stands.
    fn plain(&self, data: &Data) -> Result<Value, Diagnostic> {
        let table = |entries: &[Attribute]| {
            let mut map = Value::Object(Map::new());
            for entry in entries {
                merge(&mut map, json!({ &*entry.name.text: self.plain(&entry.value)? }));
            }
            Ok(map)
        };
        match data {
            Data::Literal(Literal { mark: Mark::Secret | Mark::Expression, .. }) => {
                Err(self.refuse(data, "a test gives neither secrets nor expressions"))
            }
            Data::Literal(literal) => Ok(match &literal.scalar {
                Scalar::Null => Value::Null,
                Scalar::Bool(flag) => json!(flag),
                Scalar::Int(number) | Scalar::Octal(number) => json!(number),
                Scalar::Float(number) => json!(number),
                Scalar::Text(text) => json!(text),
            }),
            Data::List(items, _) => items.iter().map(|item| self.plain(item)).collect::<Result<Vec<_>, _>>().map(Value::Array),
            Data::Table(entries, _) => table(entries),
            Data::Keyed(key, entries, _) => match key.scalar.as_text() {
                Some(key) => Ok(json!({ &**key: table(entries)? })),
                None => Err(self.refuse(data, "the name of a table is a text")),
            },
        }
    }
}

/// The facts that the site has recorded, if they can be read; what is wrong with them is said when it is loaded.
fn recorded(site: &dyn SiteFiles, path: &str) -> Value {
    let bytes = site.read(path).ok().flatten();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| json!({}))
}

/// Puts what is in `more` into a table, also deep inside.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// A value as TOML writes it on one line.
fn toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Option<Vec<_>>>()?.join(", ")),
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| Some(format!("{} = {}", json!(key), toml(value)?));
            format!("{{ {} }}", map.iter().map(entry).collect::<Option<Vec<_>>>()?.join(", "))
        }
        // JSON's texts and numbers are TOML's, too.
        scalar => scalar.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_put_in_deep_and_variables_are_toml() {
        let mut facts = json!({ "os": { "family": "suse", "version": 15 }, "cpus": 2 });
        merge(&mut facts, json!({ "os": { "family": "debian" }, "tags": ["a"] }));
        assert_eq!(facts, json!({ "os": { "family": "debian", "version": 15 }, "cpus": 2, "tags": ["a"] }));
        let value = json!({ "a b": [1, 1.5, true, "x\"\n"] });
        let written = toml(&value).unwrap();
        assert_eq!(written, "{ \"a b\" = [1, 1.5, true, \"x\\\"\\n\"] }");
        assert!(toml::from_str::<toml::Table>(&format!("v = {written}")).is_ok());
        assert_eq!(toml(&json!([null])), None);
    }
}
