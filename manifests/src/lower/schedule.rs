//! `schedule NAME range=HOURS days=DAYS timezone=ZONE`

use super::Lowerer;
use super::data;
use super::parts::Parts;
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::syntax::{Data, Literal, Schedule};

const FORM: &str = "write `schedule \"night\" range=\"02:00-05:00\" days=\"mon-fri\" timezone=\"Europe/Berlin\"`";
const FIELDS: [&str; 3] = ["range", "days", "timezone"];

impl Lowerer<'_> {
    pub(super) fn schedule(&mut self, parts: &Parts<'_>) -> Option<Schedule> {
        let name = self.only_name(parts, FORM);
        let (mut ranges, mut days, mut timezone) = (Vec::new(), None, None);
        let (fields, _) = self.fields(parts, data::Extras::Refused);
        for field in fields {
            let literals = self.literals(&field.value);
            let slot = match &*field.name.text {
                "range" => {
                    ranges = literals;
                    continue;
                }
                "days" => &mut days,
                "timezone" => &mut timezone,
                other => {
                    let help = did_you_mean(other, FIELDS).unwrap_or_else(|| FORM.to_owned());
                    self.error(codes::UNEXPECTED, format!("`{other}` is nothing that a schedule has"), field.name.span.into(), help);
                    continue;
                }
            };
            *slot = literals.first().cloned();
            if literals.len() > 1 {
                self.error(codes::UNEXPECTED, format!("`{}` is one text", field.name.text), field.name.span.into(), FORM);
            }
        }
        if ranges.is_empty() {
            self.error(codes::MISSING_NAME, "a schedule needs `range`, the hours in which changes are made", parts.name_range(), FORM);
        }
        Some(Schedule { name: name?, ranges, days, timezone })
    }

    fn literals(&mut self, data: &Data) -> Vec<Literal> {
        match data {
            Data::Literal(literal) => vec![literal.clone()],
            Data::List(items, _) => items.iter().flat_map(|item| self.literals(item)).collect(),
            Data::Table(_, span) | Data::Keyed(_, _, span) => {
                self.error(codes::UNEXPECTED, "a schedule holds texts, no tables", (*span).into(), FORM);
                Vec::new()
            }
        }
    }
}
