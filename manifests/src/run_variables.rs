//! Variables of one run, `--var NAME=VALUE`: stronger than everything in the inventory.

use std::collections::BTreeSet;
use std::sync::Arc;

use keel_engine::value::Value;

use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::files::SiteFiles;
use crate::inventory::{Inventory, RESERVED_VARIABLES};
use crate::toml_reader::{Entry, Node, SourceFile, Table, Tree, read_table};
use crate::variables::Layer;

/// Where a site may use variables.
const MENTIONING: [&str; 4] = ["manifests", "modules", "templates", "inventory"];

/// All variables of a run, in the order they were given.
#[derive(Debug)]
pub(crate) struct RunVariables {
    source: Arc<SourceFile>,
    /// First name, value, and whether the name had more parts.
    set: Vec<(String, Node, bool)>,
}

impl RunVariables {
    /// Reads `NAME=VALUE` texts. A dotted name sets a part of a table and leaves the rest of it.
    pub(crate) fn parse(texts: &[String], out: &mut Vec<Diagnostic>) -> Self {
        let mut variables = Self { source: SourceFile::new("--var", ""), set: Vec::new() };
        for text in texts {
            match parse_one(text) {
                Ok(one) => variables.set.push(one),
                Err(why) => out.push(
                    Diagnostic::error(codes::RUN_VARIABLE, why).help("write `--var NAME=VALUE`, for instance `--var nginx.workers=4`"),
                ),
            }
        }
        variables
    }

    /// Warns of names that nothing in the site ever mentions: most of them are misspelt.
    pub(crate) fn warn_of_unheard(&self, inventory: &Inventory, files: &dyn SiteFiles, out: &mut Vec<Diagnostic>) {
        if self.set.is_empty() {
            return;
        }
        let of_hosts = inventory.hosts().flat_map(|host| host.vars.keys()).map(String::as_str);
        let known: BTreeSet<&str> = inventory.variable_names().chain(of_hosts).collect();
        let mut wanted: BTreeSet<&str> = self.names().filter(|name| !known.contains(name)).collect();
        for file in MENTIONING.iter().flat_map(|folder| files.list(folder).unwrap_or_default()) {
            if wanted.is_empty() {
                return;
            }
            let bytes = files.read(&file.path).ok().flatten().unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            wanted.retain(|name| !text.contains(name));
        }
        for name in wanted {
            let warning = Diagnostic::warning(codes::RUN_VARIABLE, format!("nothing in the site mentions the variable `{name}`"));
            out.push(warning.help(did_you_mean(name, known.iter().copied()).unwrap_or_else(|| "it is set for nobody".to_owned())));
        }
    }

    /// The first names that are set.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(|(name, _, _)| name.as_str())
    }

    /// What is said on a variable, in the order it was given.
    pub(crate) fn layers<'a>(&'a self, name: &str) -> impl Iterator<Item = Layer<'a>> {
        let wanted = name.to_owned();
        let said = self.set.iter().filter(move |(set, _, _)| *set == wanted);
        said.map(|(_, node, sets_part)| Layer { node, source: &self.source, sets_part: *sets_part })
    }
}

fn parse_one(text: &str) -> Result<(String, Node, bool), String> {
    let (path, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    let keys: Vec<&str> = path.trim().split('.').collect();
    let plain = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !keys.iter().all(plain) {
        return Err(format!("`{path}` is not the name of a variable"));
    }
    let Some((first, rest)) = keys.split_first() else { return Err(format!("`{text}` has no name")) };
    if RESERVED_VARIABLES.contains(first) {
        return Err(format!("`{first}` is built in and cannot be set"));
    }
    let mut node = parse_value(value);
    for key in rest.iter().rev() {
        let table: Table = [((*key).to_owned(), Entry { key_span: 0..0, node })].into_iter().collect();
        node = Node { span: 0..0, tree: Tree::Table(table) };
    }
    Ok(((*first).to_owned(), node, !rest.is_empty()))
}

/// A value as TOML reads it; what TOML cannot read is a text.
fn parse_value(text: &str) -> Node {
    let document = format!("value = {text}\n");
    let mut problems = Vec::new();
    let table = read_table(&SourceFile::new("--var", &document), &document, &mut problems);
    match table.get("value") {
        Some(entry) if problems.is_empty() && table.len() == 1 => entry.node.clone(),
        _ => Node { span: 0..0, tree: Tree::Scalar(Value::from(text)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, Value), String> {
        parse_one(text).map(|(name, node, _)| (name, node.to_value()))
    }

    #[test]
    fn values_are_toml_or_text() {
        assert_eq!(parse("a=4"), Ok(("a".into(), Value::Int(4))));
        assert_eq!(parse("a=true"), Ok(("a".into(), Value::Bool(true))));
        assert_eq!(parse("a=[1, 2]"), Ok(("a".into(), Value::from(vec![1, 2]))));
        assert_eq!(parse("a=10.0.0.1"), Ok(("a".into(), Value::from("10.0.0.1"))));
        assert_eq!(parse("a="), Ok(("a".into(), Value::from(""))));
        assert_eq!(parse("a=x=y"), Ok(("a".into(), Value::from("x=y"))));
        assert_eq!(parse("a='4'"), Ok(("a".into(), Value::from("4"))));
        let nested = Value::Map([("c".to_owned(), Value::Int(1))].into_iter().collect());
        assert_eq!(parse("a.b.c=1"), Ok(("a".into(), Value::Map([("b".to_owned(), nested)].into_iter().collect()))));
        for bad in ["a", "=1", "a..b=1", "facts=1", "a b=1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
