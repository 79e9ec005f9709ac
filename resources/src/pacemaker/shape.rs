//! What an element of the CIB is made of, as a table that is read in both directions: manifests become
//! elements by it (`render.rs`), and elements become manifests (`describe.rs`).

/// A kind of element and the type that keeps it.
pub(super) struct Shape {
    /// The part of the configuration in which such elements stand.
    pub(super) section: &'static str,
    /// Its name, and what decides it where there are several.
    pub(super) tag: Tag,
    /// Those that are children in the order that the schema wants.
    pub(super) parts: &'static [Part],
}

/// The name of an element.
pub(super) enum Tag {
    /// It is always the same.
    Always(&'static str),
    /// An attribute of the manifest decides: its values with the names that they mean.
    By { attribute: &'static str, tags: &'static [(&'static str, &'static str)] },
}

/// A part of an element and what manifests call it.
pub(super) enum Part {
    /// An attribute. Manifests have underscores where its name has dashes.
    Attribute(&'static str),
    /// An attribute that people write for people: a text even where it looks like a number.
    Text(&'static str),
    /// An attribute with several words in it, between commas.
    List { name: &'static str, attribute: &'static str },
    /// The agent of a resource: class, provider and type.
    Agent,
    /// Sets of names with values: `name`, `name_set` and `name_from`.
    Pairs { name: &'static str, tag: &'static str },
    /// The operations of a resource.
    Operations,
    /// One rule, or as many as there are.
    Rule { is_many: bool },
    /// Children that are names of something, in a list.
    Names { name: &'static str, wrapper: Option<&'static str>, tag: &'static str, attribute: &'static str },
    /// Resources that are resources of their own, and stand in this element.
    Members { is_many: bool },
    /// At most one child.
    One { name: &'static str, tag: &'static str, parts: &'static [Part] },
    /// Children that have ids of their own, by these.
    Keyed { name: &'static str, tag: &'static str, parts: &'static [Part] },
    /// Children whose order means something.
    Ordered { name: &'static str, tag: &'static str, parts: &'static [Part] },
    /// A child without anything in it, which is there or not.
    Flag { name: &'static str, tag: &'static str },
}

/// The elements that are resources: they may stand in groups, clones and bundles.
pub(super) const RESOURCE_TAGS: [&str; 5] = ["primitive", "group", "clone", "master", "bundle"];

/// The parts of an operation, but for its name.
pub(super) const OPERATION: &[Part] = &[
    Part::Text("description"),
    Part::Attribute("interval"),
    Part::Attribute("timeout"),
    Part::Attribute("role"),
    Part::Attribute("on-fail"),
    Part::Attribute("enabled"),
    Part::Attribute("record-pending"),
    Part::Attribute("start-delay"),
    Part::Attribute("interval-origin"),
    Part::Attribute("requires"),
    Part::Pairs { name: "params", tag: "instance_attributes" },
    Part::Pairs { name: "meta", tag: "meta_attributes" },
];

/// What a resource set of a constraint is made of.
pub(super) const RESOURCE_SET: &[Part] = &[
    Part::Attribute("sequential"),
    Part::Attribute("require-all"),
    Part::Attribute("ordering"),
    Part::Attribute("action"),
    Part::Attribute("role"),
    Part::Attribute("score"),
    Part::Attribute("kind"),
    Part::Names { name: "resources", wrapper: None, tag: "resource_ref", attribute: "id" },
];

impl Shape {
    /// Whether elements of this name are of this shape.
    pub(super) fn is_tag(&self, name: &str) -> bool {
        match &self.tag {
            Tag::Always(tag) => *tag == name,
            Tag::By { tags, .. } => tags.iter().any(|(_, tag)| *tag == name),
        }
    }
}

impl Part {
    /// What manifests call it.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Part::Attribute(attribute) | Part::Text(attribute) => vec![attribute.replace('-', "_")],
            Part::Agent => vec!["agent".to_owned()],
            Part::Pairs { name, .. } => vec![(*name).to_owned(), format!("{name}_set"), format!("{name}_from")],
            Part::Operations => vec!["op".to_owned()],
            Part::Rule { .. } => vec!["rule".to_owned()],
            Part::Members { is_many } => vec![members_name(*is_many).to_owned()],
            Part::List { name, .. }
            | Part::Names { name, .. }
            | Part::One { name, .. }
            | Part::Keyed { name, .. }
            | Part::Ordered { name, .. }
            | Part::Flag { name, .. } => vec![(*name).to_owned()],
        }
    }
}

/// What manifests call the resources that stand in another one.
pub(super) fn members_name(is_many: bool) -> &'static str {
    if is_many { "members" } else { "resource" }
}
