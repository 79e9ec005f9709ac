//! What may be written at a place.

use std::collections::BTreeMap;

use keel_engine::resource::Types;
use keel_engine::schema::Kind;
use keel_manifests::cursor::{Cursor, Spot};
use keel_manifests::lookup::{body_words, top_words};
use keel_manifests::site::Site;
use keel_manifests::syntax::{Mark, Scalar};
use lsp_types::CompletionItemKind;

use super::surroundings::{Block, RELATIONS, block, local_names, module_around, within};

/// The types that parameters can have.
const KINDS: [&str; 15] = [
    "string",
    "int",
    "float",
    "bool",
    "path",
    "host",
    "ip",
    "cidr",
    "port",
    "duration",
    "size",
    "secret",
    "any",
    "list<string>",
    "enum<a,b>",
];
/// What may stand before a value.
const VALUE_ANNOTATIONS: [&str; 3] = ["secret", "expr", "lit"];

/// Something that may be written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Offer {
    /// What is written.
    pub(super) text: String,
    /// What the editor shows as its kind.
    pub(super) kind: OfferKind,
    /// A few words beside it.
    pub(super) detail: String,
}

/// What an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OfferKind {
    Word,
    Type,
    Attribute,
    Module,
    Variable,
    Value,
    Resource,
}

impl From<OfferKind> for CompletionItemKind {
    fn from(kind: OfferKind) -> Self {
        match kind {
            OfferKind::Word => CompletionItemKind::KEYWORD,
            OfferKind::Type => CompletionItemKind::CLASS,
            OfferKind::Attribute => CompletionItemKind::PROPERTY,
            OfferKind::Module => CompletionItemKind::MODULE,
            OfferKind::Variable => CompletionItemKind::VARIABLE,
            OfferKind::Value => CompletionItemKind::VALUE,
            OfferKind::Resource => CompletionItemKind::REFERENCE,
        }
    }
}

fn offer(text: impl Into<String>, kind: OfferKind, detail: impl Into<String>) -> Offer {
    Offer { text: text.into(), kind, detail: detail.into() }
}

fn words<'w>(words: impl IntoIterator<Item = &'w str>, kind: OfferKind) -> Vec<Offer> {
    words.into_iter().map(|word| offer(word, kind, "")).collect()
}

/// All that may be written at a place; the editor takes what fits to what was begun.
pub(super) fn offers(cursor: &Cursor, site: Option<&Site>) -> Vec<Offer> {
    let around = block(&cursor.blocks, site);
    match &cursor.spot {
        Spot::Comment => Vec::new(),
        Spot::Name => node_names(around),
        Spot::Annotation => annotations(cursor),
        Spot::Value(name) => values(owner(cursor, site).kind_of(name), site),
        Spot::Expression => site.map(|site| variables(cursor, site)).unwrap_or_default(),
        Spot::Argument => arguments(cursor, around, site),
    }
}

/// Whose property or attribute the node of a place is.
fn owner<'a>(cursor: &Cursor, site: Option<&'a Site>) -> Block<'a> {
    within(&cursor.head, site)
}

fn types() -> Vec<Offer> {
    let summary = |doc: &str| doc.trim().lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    keel_resources::declared().schemas().iter().map(|schema| offer(schema.name, OfferKind::Type, summary(schema.doc))).collect()
}

fn node_names(around: Block<'_>) -> Vec<Offer> {
    match around {
        Block::Top => words(top_words().iter().copied(), OfferKind::Word),
        Block::Statements { in_module } => [words(body_words(in_module), OfferKind::Word), types()].concat(),
        Block::Types => types(),
        Block::Attributes(_) | Block::Parameters(_) => names_with_kinds(around, ""),
        Block::Other => Vec::new(),
    }
}

/// The attributes or parameters of a block, each with what comes after its name.
fn names_with_kinds(of: Block<'_>, after: &str) -> Vec<Offer> {
    let kind = |name: &str| of.kind_of(name).map(|kind| kind.to_string()).unwrap_or_default();
    of.names().into_iter().map(|name| offer(format!("{name}{after}"), OfferKind::Attribute, kind(name))).collect()
}

fn annotations(cursor: &Cursor) -> Vec<Offer> {
    match cursor.head.name() {
        "param" => words(KINDS, OfferKind::Value),
        name if RELATIONS.contains(&name) || name == "override" => [types(), words(["module"], OfferKind::Word)].concat(),
        _ => words(VALUE_ANNOTATIONS, OfferKind::Word),
    }
}

fn values(kind: Option<Kind>, site: Option<&Site>) -> Vec<Offer> {
    match kind {
        Some(Kind::Enum(choices)) => words(choices.iter().map(String::as_str), OfferKind::Value),
        Some(Kind::Bool) => words(["#true", "#false"], OfferKind::Value),
        Some(Kind::Host) => words(site.into_iter().flat_map(Site::hosts), OfferKind::Value),
        Some(Kind::Nullable(inner) | Kind::List(inner)) => values(Some(*inner), site),
        Some(Kind::OneOf(kinds)) => kinds.into_iter().flat_map(|kind| values(Some(kind), site)).collect(),
        _ => Vec::new(),
    }
}

fn variables(cursor: &Cursor, site: &Site) -> Vec<Offer> {
    // After a dot come parts, of which only those of `groups` and `hosts` are known here.
    if let Some((name, _)) = cursor.typed.rsplit_once('.') {
        let groups = site.data().inventory.groups().map(|group| &*group.name);
        return match name {
            "groups" => groups.map(|group| offer(format!("groups.{group}"), OfferKind::Variable, "group")).collect(),
            "hosts" => site.hosts().map(|host| offer(format!("hosts.{host}"), OfferKind::Variable, "host")).collect(),
            _ => Vec::new(),
        };
    }
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    found.extend(site.variable_names().into_iter().map(|name| (name.to_owned(), "variable".to_owned())));
    let parameters = module_around(cursor, site).map(|module| &*module.parameters).unwrap_or_default();
    found.extend(parameters.iter().map(|one| (one.name.text.to_string(), format!("parameter, {}", one.kind.text))));
    found.extend(local_names(cursor).map(|name| (name.to_owned(), "of this block".to_owned())));
    found.into_iter().map(|(name, detail)| offer(name, OfferKind::Variable, detail)).collect()
}

fn arguments(cursor: &Cursor, around: Block<'_>, site: Option<&Site>) -> Vec<Offer> {
    let (head, count) = (&cursor.head, cursor.head.words.len());
    let inventory = site.map(|site| &site.data().inventory);
    match (head.name(), around) {
        ("host", Block::Top) => words(site.into_iter().flat_map(Site::hosts), OfferKind::Value),
        ("group", Block::Top) => inventory.map(|all| words(all.groups().map(|group| &*group.name), OfferKind::Value)).unwrap_or_default(),
        ("use", _) if count == 1 => words(site.map(Site::module_names).unwrap_or_default(), OfferKind::Module),
        ("purge" | "prune", _) => types(),
        (name, _) if RELATIONS.contains(&name) => site.map(references).unwrap_or_default(),
        (name, Block::Attributes(_) | Block::Parameters(_)) => values(around.kind_of(name), site),
        _ if count > 1 && !cursor.in_quotes => {
            let mut offers = names_with_kinds(owner(cursor, site), "=");
            offers.retain(|one| !head.properties.iter().any(|given| one.text.strip_suffix('=') == Some(given)));
            offers
        }
        _ => Vec::new(),
    }
}

/// All resources and modules that a relation can point at by what is written.
fn references(site: &Site) -> Vec<Offer> {
    let mut found: Vec<Offer> = Vec::new();
    for (resource, location) in site.declarations() {
        let titles = resource.titles.iter().filter(|title| title.mark == Mark::Plain);
        let texts = titles.filter_map(|title| match &title.scalar {
            Scalar::Text(text) if !text.contains("{{") => Some(text),
            _ => None,
        });
        found.extend(texts.map(|title| offer(reference(&resource.type_name.text, title), OfferKind::Resource, &*location.path)));
    }
    found.extend(site.module_names().into_iter().map(|name| offer(reference("module", name), OfferKind::Module, "")));
    found.sort();
    found.dedup_by(|a, b| a.text == b.text);
    found
}

fn reference(kind: &str, title: &str) -> String {
    let is_plain =
        title.starts_with(|c: char| c.is_ascii_alphabetic()) && title.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_plain { format!("({kind}){title}") } else { format!("({kind}){title:?}") }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{at as cursor_at, site};
    use super::*;

    /// What is offered at the `|` of a text.
    fn at(marked: &str) -> Vec<String> {
        offers(&cursor_at(marked, Cursor::at), Some(&site())).into_iter().map(|offer| offer.text).collect()
    }

    fn has(marked: &str, wanted: &[&str], unwanted: &[&str]) {
        let found = at(marked);
        for one in wanted {
            assert!(found.iter().any(|text| text == one), "{marked}: no {one} in {found:?}");
        }
        for one in unwanted {
            assert!(!found.iter().any(|text| text == one), "{marked}: {one} in {found:?}");
        }
    }

    #[test]
    fn nodes_are_offered_where_they_may_stand() {
        has("|", &["group", "module"], &["file", "use"]);
        has("group web {\n |", &["file", "service", "use", "for"], &["module", "param"]);
        has("module m {\n |", &["param", "file"], &["group_"]);
        has("group web { file \"/x\" {\n |", &["mode", "owner", "require"], &["path", "file"]);
        has("group web { defaults {\n |", &["file"], &["use"]);
    }

    #[test]
    fn modules_with_their_parameters_are_offered() {
        has("group web { use |", &["web_server", "chrony"], &["file"]);
        has("group web { use web_server |", &["port=", "when="], &["mode="]);
        has("group web { use web_server port=1 {\n |", &["port", "require"], &["mode"]);
    }

    #[test]
    fn values_follow_their_kinds() {
        has("group web { service nginx ensure=|", &["running", "stopped"], &["#true"]);
        has("group web { service nginx enable=|", &["#true", "#false"], &["running"]);
        has("group web { service nginx {\n ensure |", &["running"], &["#true"]);
        has("group web { service nginx ensure=running |", &["enable="], &["ensure="]);
        has("host |", &["web-1"], &[]);
        has("group |", &["web", "all"], &[]);
    }

    #[test]
    fn variables_and_names_of_the_block_are_offered() {
        has("module web_server {\n let a=1\n for one in=\"x\" { file \"/{{ |", &["workers", "port", "a", "one", "facts"], &["file"]);
        has("group web { if \"groups.|", &["groups.web"], &["workers"]);
    }

    #[test]
    fn references_are_offered_as_they_are_written() {
        has("group web { file \"/y\" {\n require |", &["(file)\"/etc/x y\"", "(package)nginx", "(module)web_server"], &["file"]);
        has("group web { file \"/y\" {\n require (|", &["file", "module"], &["secret"]);
        has("group web { file \"/y\" content=(|", &["secret"], &["file"]);
        has("module m { param (|", &["port", "string"], &["file"]);
    }
}
