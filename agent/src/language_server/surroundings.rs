//! What the block means that a place is in, and which names hold there.

use keel_engine::resource::Types;
use keel_engine::schema::{Kind, TypeSchema};
use keel_manifests::cursor::{Cursor, Head};
use keel_manifests::kinds::parse_kind;
use keel_manifests::lookup::extra_words;
use keel_manifests::site::Site;
use keel_manifests::syntax::{Module, Parameter};

/// The words that begin relations.
pub(super) const RELATIONS: [&str; 4] = ["require", "before", "notify", "subscribe"];

/// What the nodes of a block are.
#[derive(Clone, Copy)]
pub(super) enum Block<'a> {
    /// Nothing is around the place.
    Top,
    /// Statements; of a module, parameters too.
    Statements { in_module: bool },
    /// The types of a `defaults`.
    Types,
    /// Attributes of this type.
    Attributes(&'static TypeSchema),
    /// Parameters of this module.
    Parameters(&'a Module),
    /// What nothing is known of.
    Other,
}

/// The type of this name.
pub(super) fn schema(name: &str) -> Option<&'static TypeSchema> {
    keel_resources::declared().schemas().iter().find(|schema| schema.name == name)
}

/// What the nodes are in the innermost of some blocks.
pub(super) fn block<'a>(blocks: &[Head], site: Option<&'a Site>) -> Block<'a> {
    let Some((inner, outer)) = blocks.split_last() else { return Block::Top };
    match inner.name() {
        "module" | "host" | "group" | "on" if outer.is_empty() => Block::Statements { in_module: inner.name() == "module" },
        "for" | "if" | "elif" | "else" => Block::Statements { in_module: false },
        "defaults" => Block::Types,
        _ => within(inner, site),
    }
}

/// What belongs to a node beside its name: as properties, or in its block.
pub(super) fn within<'a>(head: &Head, site: Option<&'a Site>) -> Block<'a> {
    let module = || site?.module(head.argument(1)).map(|(module, _)| Block::Parameters(module));
    match head.name() {
        "use" => module().unwrap_or(Block::Other),
        "override" => {
            let annotation = head.words.get(1).and_then(|word| word.annotation.as_deref());
            annotation.and_then(schema).map_or(Block::Other, Block::Attributes)
        }
        name => schema(name).map_or(Block::Other, Block::Attributes),
    }
}

impl<'a> Block<'a> {
    /// The kind of an attribute or parameter.
    pub(super) fn kind_of(self, name: &str) -> Option<Kind> {
        match self {
            Block::Attributes(schema) => Some(schema.attribute(name)?.kind.clone()),
            Block::Parameters(module) => parse_kind(&parameter(module, name)?.kind.text).ok(),
            _ => None,
        }
    }

    /// The names of all attributes or parameters, and of what stands beside them.
    pub(super) fn names(self) -> Vec<&'a str> {
        let own: Vec<&str> = match self {
            Block::Attributes(schema) => {
                schema.attributes.iter().map(|one| one.name).filter(|name| *name != schema.title_attribute).collect()
            }
            Block::Parameters(module) => module.parameters.iter().map(|one| &*one.name.text).collect(),
            _ => return Vec::new(),
        };
        let extra = extra_words().iter().filter(|word| !own.contains(*word));
        own.iter().chain(extra).copied().collect()
    }
}

/// The parameter of a module.
pub(super) fn parameter<'m>(module: &'m Module, name: &str) -> Option<&'m Parameter> {
    module.parameters.iter().find(|parameter| &*parameter.name.text == name)
}

/// The module whose body a place is in.
pub(super) fn module_around<'a>(cursor: &Cursor, site: &'a Site) -> Option<&'a Module> {
    let outer = cursor.blocks.first().filter(|head| head.name() == "module")?;
    site.module(outer.argument(1)).map(|(module, _)| module)
}

/// The names that loops and `let` made for a place.
pub(super) fn local_names(cursor: &Cursor) -> impl Iterator<Item = &str> {
    cursor.blocks.iter().flat_map(|head| {
        let looped = if head.name() == "for" { head.words.get(1..).unwrap_or_default() } else { &[] };
        looped.iter().map(|word| word.text.as_str()).chain(head.names.iter().map(String::as_str))
    })
}
