//! A password or the like that stands in a manifest as plain text.

use keel_engine::catalog::{Catalog, Resource};
use keel_engine::value::Value;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::site::Site;

/// Words for no password at all.
const NO_PASSWORD: [&str; 4] = ["", "*", "!", "!*"];

pub(super) fn check(site: &Site, catalog: &Catalog) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for resource in &catalog.resources {
        let schema = site.schema(&resource.address.type_name);
        for attribute in schema.iter().flat_map(|schema| &schema.attributes).filter(|attribute| attribute.secret) {
            if resource.attributes.get(attribute.name).is_some_and(is_plain) {
                found.push(say(site, catalog, resource, attribute.name));
            }
        }
    }
    found
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => !NO_PASSWORD.contains(&text.as_str()),
        Value::Blob(_) => true,
        _ => false,
    }
}

/// The value itself is nowhere in it.
fn say(site: &Site, catalog: &Catalog, resource: &Resource, attribute: &str) -> Diagnostic {
    let message = format!("`{attribute}` of {} is given in plain text", resource.address);
    let mut diagnostic = Diagnostic::warning(codes::PLAIN_SECRET, message);
    diagnostic.host = Some(catalog.host.clone());
    let diagnostic = match site.locate(catalog, resource.origin) {
        Some((file, span)) => diagnostic.at(&file, span, "this resource"),
        None => diagnostic,
    };
    let path = format!("{}/{attribute}", resource.address.type_name);
    diagnostic.help(format!("`keel secret set {path}`, then `{attribute}=(secret)\"{path}\"`; change it where the site was ever shared"))
}
