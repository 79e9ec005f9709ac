//! Permissions to remove things: `prune TYPE max=N` and `purge TYPE max=N keep=NAMES`

use super::Lowerer;
use super::data;
use super::parts::Parts;
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::syntax::{Data, Literal, Prune, Purge, Scalar, Statement};

const PURGE_FORM: &str = "write `purge user max=5`, with `keep=\"svc-*\"` for names that stay; `max` bounds what one run may remove";

impl Lowerer<'_> {
    pub(super) fn prune(&mut self, parts: &Parts<'_>) -> Option<Statement> {
        let form = "write `prune file max=10`; `max` bounds what one run may remove";
        self.refuse_properties(parts, &["max"]);
        let types = self.names(parts, form);
        if !parts.properties.iter().any(|(name, _)| name.value() == "max") {
            self.error(codes::MISSING_NAME, "`prune` needs `max`, the most that one run may remove", parts.name_range(), form);
            return None;
        }
        let max = self.property(parts, "max").and_then(|max| match max.scalar {
            Scalar::Int(number) => u32::try_from(number).ok().filter(|max| *max > 0),
            _ => None,
        });
        let (Some(max), true) = (max, types.len() <= 1) else {
            self.error(codes::MISSING_NAME, "`prune` takes at most one type, and a number `max`, 1 or more", parts.name_range(), form);
            return None;
        };
        Some(Statement::Prune(Prune { type_name: types.into_iter().next(), max }))
    }

    pub(super) fn purge(&mut self, parts: &Parts<'_>) -> Option<Purge> {
        let type_name = self.only_name(parts, PURGE_FORM);
        let (mut max, mut keep) = (None, Vec::new());
        let (fields, _) = self.fields(parts, data::Extras::Refused);
        for field in fields {
            match (&*field.name.text, &field.value) {
                ("max", Data::Literal(Literal { scalar: Scalar::Int(number), .. })) => max = u32::try_from(*number).ok(),
                ("max", _) => {}
                ("keep", value) => keep = self.names_to_keep(value),
                (other, _) => {
                    let help = did_you_mean(other, ["max", "keep"]).unwrap_or_else(|| PURGE_FORM.to_owned());
                    self.error(codes::UNEXPECTED, format!("`{other}` is nothing that `purge` takes"), field.name.span.into(), help);
                }
            }
        }
        let Some(max) = max.filter(|max| *max > 0) else {
            let message = "`purge` needs a number `max`, 1 or more: the most that one run may remove";
            self.error(codes::MISSING_NAME, message, parts.name_range(), PURGE_FORM);
            return None;
        };
        Some(Purge { type_name: type_name?, max, keep })
    }

    fn names_to_keep(&mut self, value: &Data) -> Vec<Literal> {
        match value {
            Data::Literal(literal) => vec![literal.clone()],
            Data::List(items, _) => items.iter().flat_map(|item| self.names_to_keep(item)).collect(),
            Data::Table(_, span) | Data::Keyed(_, _, span) => {
                self.error(codes::UNEXPECTED, "`keep` holds names, no tables", (*span).into(), PURGE_FORM);
                Vec::new()
            }
        }
    }
}
