//! Values: literals with their annotations, and nodes that are lists and tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use kdl::{KdlEntry, KdlNode, KdlValue};

use super::Lowerer;
use super::parts::{Parts, Placed, name_of, value_span};
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::syntax::{self, Attribute, Data, Literal, Mark, Scalar, Span};

/// Whether a node's relations, tags and conditions are taken apart from its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extras {
    Taken,
    Refused,
}

/// The annotations of values; every other one names a resource type.
const MARKS: [(&str, Mark); 3] = [("lit", Mark::Verbatim), ("secret", Mark::Secret), ("expr", Mark::Expression)];

impl Lowerer<'_> {
    /// A value with its annotation.
    pub(super) fn literal(&mut self, entry: &KdlEntry) -> Option<Literal> {
        let span = value_span(entry);
        let mark = match entry.ty() {
            None => Mark::Plain,
            Some(ty) => {
                match MARKS.iter().find(|(word, _)| *word == ty.value()) {
                    Some((_, mark)) => mark.clone(),
                    None => {
                        let help = did_you_mean(ty.value(), MARKS.iter().map(|(word, _)| *word))
                        .unwrap_or_else(|| "values take (lit), (secret) and (expr); references stand after `require`, `before`, `notify` and `subscribe`".to_owned());
                        self.error(codes::BAD_ANNOTATION, format!("`({})` says nothing of a value", ty.value()), ty.range(), help);
                        return None;
                    }
                }
            }
        };
        let scalar = self.scalar(entry)?;
        if mark != Mark::Plain && scalar.as_text().is_none() {
            self.error(codes::BAD_ANNOTATION, "the annotation wants a text", span.into(), "write the value in quotes");
            return None;
        }
        Some(Literal { scalar, mark, span })
    }

    pub(super) fn scalar(&mut self, entry: &KdlEntry) -> Option<Scalar> {
        let octal = entry.format().is_some_and(|format| format.value_repr.trim_start_matches(['+', '-']).starts_with("0o"));
        Some(match entry.value() {
            KdlValue::Null => Scalar::Null,
            KdlValue::Bool(flag) => Scalar::Bool(*flag),
            KdlValue::String(text) => Scalar::Text(Arc::from(text.as_str())),
            KdlValue::Float(number) if number.is_finite() => Scalar::Float(*number),
            KdlValue::Integer(number) => match i64::try_from(*number) {
                Ok(number) if octal => Scalar::Octal(number),
                Ok(number) => Scalar::Int(number),
                Err(_) => return self.out_of_range(entry),
            },
            KdlValue::Float(_) => return self.out_of_range(entry),
        })
    }

    fn out_of_range(&mut self, entry: &KdlEntry) -> Option<Scalar> {
        self.error(codes::NUMBER_OUT_OF_RANGE, "the number is out of range", value_span(entry).into(), "whole numbers have 64 bits");
        None
    }

    /// The attributes of a node, given as properties and as children, and what else belongs to it.
    pub(super) fn fields(&mut self, parts: &Parts<'_>, extras: Extras) -> (Vec<Attribute>, syntax::Extras) {
        let mut attributes: Vec<Attribute> = Vec::new();
        let mut taken = syntax::Extras::default();
        for (name, entry) in &parts.properties {
            if extras == Extras::Taken && self.extra_property(&mut taken, name, entry) {
                continue;
            }
            let value = self.literal(entry).map(Data::Literal);
            attributes.extend(value.map(|value| Attribute { name: name_of(name), value }));
        }
        for child in parts.children() {
            if let Some(ty) = child.ty() {
                let help = "an annotation stands before a value: `password (secret)\"db/app\"`";
                self.error(codes::BAD_ANNOTATION, "a node takes no annotation", ty.range(), help);
            }
            if extras == Extras::Taken && self.extra_child(&mut taken, child) {
                continue;
            }
            if extras == Extras::Taken && self.misspelt_relation(child) {
                continue;
            }
            let value = self.data(child);
            attributes.extend(value.map(|value| Attribute { name: name_of(child.name()), value }));
        }
        self.refuse_doubled(&attributes);
        (attributes, taken)
    }

    /// An attribute may be given once. Tables under names, such as `section a` and `section b`, may be
    /// several as long as the names differ; names that are computed are compared when they are known.
    fn refuse_doubled(&mut self, attributes: &[Attribute]) {
        let mut seen: BTreeMap<(&str, Option<&str>), Span> = BTreeMap::new();
        for attribute in attributes {
            let key = match &attribute.value {
                Data::Keyed(key, ..) => key.scalar.as_text().map(|text| &**text),
                _ => None,
            };
            let what = match key {
                Some(key) => format!("`{} {key}`", attribute.name.text),
                None => format!("`{}`", attribute.name.text),
            };
            let key = (&*attribute.name.text, key);
            let clash = seen.get(&key).or_else(|| key.1.and_then(|_| seen.get(&(key.0, None)))).copied();
            if let Some(first) = clash {
                self.twice(codes::DUPLICATE_ATTRIBUTE, &what, first.into(), attribute.name.span.into());
            }
            seen.insert(key, attribute.name.span);
        }
    }

    /// The value that a child node holds.
    fn data(&mut self, node: &KdlNode) -> Option<Data> {
        let parts = Parts::of(node);
        let span: Span = node.range().into();
        let has_table = parts.has_block() || !parts.properties.is_empty();
        match parts.arguments.as_slice() {
            [] if !has_table => {
                let help = format!("write `{} VALUE`; `#null` and \"\" are values, too", parts.word());
                self.error(codes::MISSING_NAME, format!("`{}` has no value", parts.word()), parts.name_range(), help);
                None
            }
            [] => Some(self.block(&parts, span)),
            [one] if !has_table => self.literal(one).map(Data::Literal),
            several if !has_table => {
                let items = several.iter().filter_map(|entry| self.literal(entry)).map(Data::Literal);
                Some(Data::List(items.collect(), span))
            }
            [one] => {
                let key = self.literal(one);
                let (table, _) = self.fields(&parts, Extras::Refused);
                Some(Data::Keyed(key?, table, span))
            }
            [_, second, ..] => {
                let help = "several values are a list, and a list has no block; give each a node of its own";
                self.error(codes::UNEXPECTED, format!("`{}` has several values and a block", parts.word()), second.range(), help);
                None
            }
        }
    }

    /// A list of `-` items, or a table.
    fn block(&mut self, parts: &Parts<'_>, span: Span) -> Data {
        let is_item = |node: &&KdlNode| node.name().value() == "-";
        if !parts.properties.is_empty() || !parts.children().any(|node| is_item(&node)) {
            let (table, _) = self.fields(parts, Extras::Refused);
            return Data::Table(table, span);
        }
        if let Some(odd) = parts.children().find(|node| !is_item(node)) {
            let help = "a block is a list of `-` items, or a table of names with values";
            self.error(codes::UNEXPECTED, format!("`{}` stands among `-` items", odd.name().value()), odd.name().range(), help);
        }
        let items: Vec<&KdlNode> = parts.children().filter(is_item).collect();
        Data::List(items.into_iter().filter_map(|item| self.data(item)).collect(), span)
    }
}
