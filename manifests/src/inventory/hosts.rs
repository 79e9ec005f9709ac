//! Reads `inventory/hosts.toml` and `inventory/hosts/*.toml`.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use keel_engine::host_name::check_host_name;

use super::RESERVED_VARIABLES;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::files::{SiteFiles, list_with_extension, read_text};
use crate::toml_reader::{Fields, Place, SourceFile, Table, Tree, read_table, wrong_type};

/// A host of the inventory.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name, which is its identity.
    pub name: Arc<str>,
    /// Where it can be reached, if that is written down.
    pub address: Option<String>,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// The groups that its entry names, with their places.
    pub named_groups: Vec<(String, Range<usize>)>,
    /// Its own variables.
    pub vars: Table,
    /// Where it is declared.
    pub place: Place,
}

/// Reads all hosts of a site.
pub(super) fn load(files: &dyn SiteFiles, out: &mut Vec<Diagnostic>) -> IndexMap<Arc<str>, Host> {
    let mut paths = vec!["inventory/hosts.toml".to_owned()];
    paths.extend(list_with_extension(files, "inventory/hosts", ".toml", out));
    let mut hosts = IndexMap::new();
    for path in paths {
        if let Some(text) = read_text(files, &path, out) {
            read_file(&SourceFile::new(&path, &text), &text, &mut hosts, out);
        }
    }
    hosts
}

fn read_file(source: &Arc<SourceFile>, text: &str, hosts: &mut IndexMap<Arc<str>, Host>, out: &mut Vec<Diagnostic>) {
    let table = read_table(source, text, out);
    let mut fields = Fields::new(source, &table);
    let entries = fields.table("hosts", out);
    fields.finish(out);
    for (name, entry) in entries.into_iter().flatten() {
        let place = Place { source: Arc::clone(source), span: entry.key_span.clone() };
        if let Err(why) = check_host_name(name) {
            let mut diagnostic = Diagnostic::error(codes::BAD_HOST_NAME, format!("`{name}` is not a host name: {why}"));
            diagnostic = diagnostic.at(&source.path, place.span.clone(), "this name");
            if name.parse::<std::net::IpAddr>().is_ok() {
                diagnostic = diagnostic.help(format!("give the host a name, and write `address = \"{name}\"`"));
            }
            let same = name.trim_end_matches('.').to_ascii_lowercase();
            if let Some(other) = hosts.get(same.as_str()) {
                diagnostic = diagnostic.at(&other.place.source.path, other.place.span.clone(), "and this is the same host");
            }
            out.push(diagnostic);
            continue;
        }
        if let Some(other) = hosts.get(name.as_str()) {
            let diagnostic = Diagnostic::error(codes::DUPLICATE_HOST, format!("host `{name}` is given twice"));
            let diagnostic = diagnostic.at(&source.path, place.span, "here");
            out.push(diagnostic.at(&other.place.source.path, other.place.span.clone(), "and here"));
            continue;
        }
        let Tree::Table(body) = &entry.node.tree else {
            out.push(wrong_type(source, name, "a table", &entry.node));
            continue;
        };
        let name: Arc<str> = Arc::from(name.as_str());
        hosts.insert(Arc::clone(&name), read_host(name, place, body, out));
    }
}

fn read_host(name: Arc<str>, place: Place, body: &Table, out: &mut Vec<Diagnostic>) -> Host {
    let source = Arc::clone(&place.source);
    let mut fields = Fields::new(&source, body);
    let address = fields.text("address", out).map(|(address, _)| address.to_owned());
    let named_groups = fields.texts("groups", out).into_iter().map(|(group, span)| (group.to_owned(), span)).collect();
    let tags = fields.texts("tags", out).into_iter().map(|(tag, _)| tag.to_owned()).collect();
    let vars = fields.table("vars", out).cloned().unwrap_or_default();
    let reported = out.len();
    fields.finish(out);
    // `[hosts.web.example.org]` is a table `example` in the host `web`, which nobody means.
    for diagnostic in out.iter_mut().skip(reported) {
        diagnostic.help.push(format!("a host name with dots needs quotes: `[hosts.\"{name}.example.org\"]`; variables stand in `vars`"));
    }
    check_variable_names(&source, &vars, out);
    Host { name, address, tags, named_groups, vars, place }
}

/// Reports variables that would hide what is built in.
pub(super) fn check_variable_names(source: &SourceFile, vars: &Table, out: &mut Vec<Diagnostic>) {
    for (name, entry) in vars {
        if RESERVED_VARIABLES.contains(&name.as_str()) {
            let diagnostic = Diagnostic::error(codes::RESERVED_VARIABLE, format!("`{name}` is built in and cannot be set"));
            out.push(diagnostic.at(&source.path, entry.key_span.clone(), "this variable").help("choose another name"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn duplicates_by_case_and_dot_are_shown_with_both_places() {
        let files = MemoryFiles::new([
            ("inventory/hosts.toml", "[hosts.db-1]\naddress = '10.0.0.1'\n[hosts.'DB-1']\n[hosts.'db-1.']\n[hosts.'10.0.0.9']\n"),
            ("inventory/hosts/more.toml", "[hosts.db-1]\n[hosts.web.example.org]\nvars = { facts = 1 }\n"),
        ]);
        let mut out = Vec::new();
        let hosts = load(&files, &mut out);
        assert_eq!(hosts.len(), 2);
        let codes: Vec<_> = out.iter().map(|diagnostic| (diagnostic.code, diagnostic.labels.len())).collect();
        assert_eq!(
            codes,
            [
                (codes::BAD_HOST_NAME, 2),
                (codes::BAD_HOST_NAME, 2),
                (codes::BAD_HOST_NAME, 1),
                (codes::DUPLICATE_HOST, 2),
                (codes::UNKNOWN_KEY, 1),
            ]
        );
        assert!(out[4].help.iter().any(|help| help.contains("needs quotes")));
    }
}
