//! What resources and uses have beside their attributes: relations, conditions, tags, `noop`, schedules, guards.

use kdl::{KdlEntry, KdlIdentifier, KdlNode};
use keel_engine::catalog::RelationWord;

use super::Lowerer;
use super::parts::{Parts, Placed, name_of, value_span};
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::syntax::{Extras, Literal, Mark, Name, Reference, Relation, RelationPlace, Scalar};

/// Words that are never attributes or parameters.
pub(crate) const EXTRA_WORDS: [&str; 9] = ["require", "before", "notify", "subscribe", "when", "tag", "noop", "schedule", "guard"];

/// What a relation can have as properties.
const RELATION_PROPERTIES: [&str; 5] = ["host", "group", "on", "optional", "effect"];

fn relation_word(word: &str) -> Option<RelationWord> {
    Some(match word {
        "require" => RelationWord::Require,
        "before" => RelationWord::Before,
        "notify" => RelationWord::Notify,
        "subscribe" => RelationWord::Subscribe,
        _ => return None,
    })
}

/// What to say where a reference is expected.
pub(crate) const REFERENCE_HELP: &str = "write (type)title, such as (service)nginx or (file)\"/etc/motd\"";

/// `line` and `block` have an attribute `before`: a pattern, where the relation has references. Whether a type has it
/// is not known here; the check of names says so of the others.
fn may_be_attribute<'e>(word: RelationWord, mut entries: impl Iterator<Item = &'e KdlEntry>) -> bool {
    word == RelationWord::Before
        && entries.next().is_some_and(|first| first.ty().is_none() && first.value().is_string() && entries.next().is_none())
}

impl Lowerer<'_> {
    /// Takes a property if it is one of these; tells whether it was.
    pub(super) fn extra_property(&mut self, extras: &mut Extras, name: &KdlIdentifier, entry: &KdlEntry) -> bool {
        if let Some(word) = relation_word(name.value()).filter(|word| !may_be_attribute(*word, std::iter::once(entry))) {
            if let Some(target) = self.reference(entry) {
                let span = name.range().into();
                let place = RelationPlace::Here;
                extras.relations.push(Relation { word, targets: vec![target], place, optional: false, effect: None, span });
            }
            return true;
        }
        if !EXTRA_WORDS.contains(&name.value()) || relation_word(name.value()).is_some() {
            return false;
        }
        if let Some(literal) = self.literal(entry) {
            self.single(extras, &name_of(name), literal);
        }
        true
    }

    /// Takes a child if it is one of these; tells whether it was.
    pub(super) fn extra_child(&mut self, extras: &mut Extras, node: &KdlNode) -> bool {
        let parts = Parts::of(node);
        let is_relation = |word: &RelationWord| !may_be_attribute(*word, node.entries().iter());
        if let Some(word) = relation_word(parts.word()).filter(is_relation) {
            extras.relations.extend(self.relation(&parts, word));
            return true;
        }
        if !EXTRA_WORDS.contains(&parts.word()) || relation_word(parts.word()).is_some() {
            return false;
        }
        self.refuse_properties(&parts, &[]);
        let literals: Vec<Literal> = parts.arguments.iter().filter_map(|entry| self.literal(entry)).collect();
        if literals.is_empty() || (parts.word() != "tag" && literals.len() > 1) {
            let help = format!("write `{} VALUE`", parts.word());
            self.error(codes::MISSING_NAME, format!("`{}` wants one value", parts.word()), parts.name_range(), help);
            return true;
        }
        for literal in literals {
            self.single(extras, &name_of(node.name()), literal);
        }
        true
    }

    /// A child that holds references under another name than the four; tells whether it was one.
    pub(super) fn misspelt_relation(&mut self, node: &KdlNode) -> bool {
        let words = ["require", "before", "notify", "subscribe"];
        let is_reference = |entry: &KdlEntry| entry.ty().is_some_and(|ty| !matches!(ty.value(), "lit" | "secret" | "expr"));
        let near = did_you_mean(node.name().value(), words).filter(|_| node.entries().iter().any(is_reference));
        let Some(help) = near else { return false };
        self.error(codes::BAD_RELATION, format!("`{}` is no relation", node.name().value()), node.name().range(), help);
        true
    }

    fn single(&mut self, extras: &mut Extras, name: &Name, literal: Literal) {
        let slot = match &*name.text {
            "when" => &mut extras.when,
            "noop" => &mut extras.noop,
            "schedule" => &mut extras.schedule,
            "guard" => &mut extras.guard,
            _ => return extras.tags.push(literal),
        };
        let first = slot.as_ref().map(|first| first.span);
        *slot = Some(literal);
        if let Some(first) = first {
            self.twice(codes::DUPLICATE_ATTRIBUTE, &format!("`{}`", name.text), first.into(), name.span.into());
        }
    }

    /// `(type)title`
    pub(super) fn reference(&mut self, entry: &KdlEntry) -> Option<Reference> {
        let span = value_span(entry);
        let (Some(ty), Some(title)) = (entry.ty(), entry.value().as_string()) else {
            self.error(codes::BAD_RELATION, "this is no reference", entry.range(), REFERENCE_HELP);
            return None;
        };
        let title = Literal { scalar: Scalar::Text(title.into()), mark: Mark::Plain, span };
        Some(Reference { type_name: name_of(ty), title })
    }

    fn relation(&mut self, parts: &Parts<'_>, word: RelationWord) -> Option<Relation> {
        let properties = if matches!(word, RelationWord::Notify | RelationWord::Subscribe) {
            &RELATION_PROPERTIES[..]
        } else {
            &RELATION_PROPERTIES[..4]
        };
        self.refuse_properties(parts, properties);
        if parts.has_block() {
            self.error(codes::UNEXPECTED, format!("`{word}` has no block"), parts.name_range(), "write all references on its line");
        }
        let targets: Vec<_> = parts.arguments.iter().filter_map(|entry| self.reference(entry)).collect();
        if parts.arguments.is_empty() {
            let help = "write (type)title after it, one or several";
            self.error(codes::BAD_RELATION, format!("`{word}` points at nothing"), parts.name_range(), help);
        }
        let optional = match self.property(parts, "optional").map(|literal| (literal.scalar, literal.span)) {
            None => false,
            Some((Scalar::Bool(flag), _)) => flag,
            Some((_, span)) => {
                self.error(codes::BAD_RELATION, "`optional` is #true or #false", span.into(), "write optional=#true");
                false
            }
        };
        let effect = self.effect(parts);
        let place = self.place(parts);
        (!targets.is_empty()).then(|| Relation { word, targets, place, optional, effect, span: parts.name_range().into() })
    }

    pub(super) fn effect(&mut self, parts: &Parts<'_>) -> Option<Name> {
        let literal = self.property(parts, "effect")?;
        match literal.scalar.as_text() {
            Some(text) if matches!(&**text, "reload" | "restart") => Some(Name { text: text.clone(), span: literal.span }),
            other => {
                let near = other.and_then(|text| did_you_mean(text, ["reload", "restart"]));
                let help = near.unwrap_or_else(|| "write effect=reload or effect=restart".to_owned());
                self.error(codes::BAD_RELATION, "`effect` is `reload` or `restart`", literal.span.into(), help);
                None
            }
        }
    }

    /// Whose thing a relation means.
    fn place(&mut self, parts: &Parts<'_>) -> RelationPlace {
        let mut given = Vec::new();
        for (word, make) in [("host", RelationPlace::Host as fn(Literal) -> _), ("group", RelationPlace::Group), ("on", RelationPlace::On)]
        {
            given.extend(self.property(parts, word).map(|literal| (literal.span, make(literal))));
        }
        if let [_, (span, _), ..] = given.as_slice() {
            let help = "`on` takes a selector that says both: on=\"group:db and host:db-1\"";
            self.error(codes::BAD_RELATION, "one of `host`, `group` and `on` is enough", (*span).into(), help);
        }
        given.into_iter().next().map_or(RelationPlace::Here, |(_, place)| place)
    }
}
