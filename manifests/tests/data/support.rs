//! Small sites made of texts.

use std::sync::Arc;

use keel_engine::value::{Map, Value};
use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::files::MemoryFiles;
use keel_manifests::scope::Scope;
use keel_manifests::site_data::{SiteData, SiteInput};

pub(crate) fn load(files: &[(&str, &str)], input: SiteInput) -> (Arc<SiteData>, Vec<Diagnostic>) {
    let files = Arc::new(MemoryFiles::new(files.iter().copied()));
    let (site, out) = SiteData::load(&(Arc::clone(&files) as _), input);
    site.register_templates("web", files, "modules/web/templates");
    (site, out)
}

pub(crate) fn site(files: &[(&str, &str)]) -> Arc<SiteData> {
    let (site, out) = load(files, SiteInput::default());
    assert_eq!(out, []);
    site
}

/// A host with these variables, in TOML.
pub(crate) fn scope(vars: &str) -> Scope {
    let hosts = format!("[hosts.h-1]\naddress = '10.0.0.1'\ngroups = ['db']\n[hosts.h-1.vars]\n{vars}\n[hosts.h-2]\ngroups = ['db']\n");
    let facts = r#"{"os": {"family": "debian", "major": 12}, "braces": "{{ 7*7 }}"}"#;
    let files = [
        ("inventory/hosts.toml", hosts.as_str()),
        ("inventory/groups/db.toml", ""),
        ("facts/h-1.json", facts),
        ("secrets/galera.toml", "sst = 'age:AAAA'"),
    ];
    site(&files).scope("h-1").unwrap()
}

pub(crate) fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Map>())
}
