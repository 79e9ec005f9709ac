//! Reference pages of resource types, from their own doc comments.

use keel_engine::resource::Types;
use keel_engine::schema::{AttributeSchema, TypeSchema};

use super::paint::Paint;

/// All types, a line each.
pub fn list(schemas: &[TypeSchema], paint: Paint) -> String {
    let widest = schemas.iter().map(|schema| schema.name.len()).max().unwrap_or_default();
    let line = |schema: &TypeSchema| {
        let summary = summary(schema.doc);
        format!("{}  {summary}\n", paint.bold(&format!("{:<widest$}", schema.name)))
    };
    schemas.iter().map(line).collect()
}

/// The first sentence of a doc comment.
fn summary(doc: &str) -> String {
    let text = unindented(doc);
    let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    paragraph.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// One type's page.
pub fn page(schema: &TypeSchema, paint: Paint) -> String {
    let title = format!("{}\n\n{}\n\n", paint.bold(schema.name), unindented(schema.doc));
    let attributes = schema.attributes.iter().map(|one| attribute(one, paint));
    let relations = "Every type also takes require, before, notify, subscribe, tag, noop, when, schedule and guard.\n";
    let purge = match keel_resources::declared().can_purge(schema.name) {
        true => format!("`purge {} max=5` removes what no resource declares, five at most in one run.\n", schema.name),
        false => String::new(),
    };
    title + &paint.bold("Attributes") + "\n\n" + &attributes.collect::<String>() + relations + &purge
}

/// One attribute.
pub fn attribute(attribute: &AttributeSchema, paint: Paint) -> String {
    let mut notes = vec![attribute.kind.to_string()];
    if attribute.required {
        notes.push("required".to_owned());
    }
    notes.extend(attribute.default.as_ref().map(|default| format!("default {default}")));
    let doc: String = unindented(attribute.doc).lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect();
    format!("{}  {}\n{doc}\n", paint.bold(attribute.name), paint.dim(&notes.join(", ")))
}

/// A doc comment without the blank that rustdoc leaves in front of every line.
fn unindented(doc: &str) -> String {
    let lines: Vec<&str> = doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}
