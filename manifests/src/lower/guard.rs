//! `guard NAME members=HOSTS max=1 { ready { ... } }`

use super::Lowerer;
use super::data;
use super::parts::Parts;
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::syntax::{Attribute, Data, Guard};

const FORM: &str = "write `guard \"galera\" members=\"{{ groups.db.hosts }}\" max=1 { ready { tcp \"127.0.0.1:3306\" } }`";
const FIELDS: [&str; 7] = ["members", "max", "ready", "drain", "undrain", "ask", "turn"];

impl Lowerer<'_> {
    pub(super) fn guard(&mut self, parts: &Parts<'_>) -> Option<Guard> {
        let name = self.only_name(parts, FORM);
        let (mut members, mut max, mut ready, mut drain, mut undrain) = (None, None, None, None, None);
        let (mut ask, mut turn) = (None, None);
        let (fields, _) = self.fields(parts, data::Extras::Refused);
        for Attribute { name, value } in fields {
            match (&*name.text, value) {
                ("members", value) => members = Some(value),
                ("max", Data::Literal(literal)) => max = Some(literal),
                ("ready", Data::Table(checks, _)) => ready = Some(checks),
                ("drain", value @ (Data::Literal(_) | Data::List(..))) => drain = Some(value),
                ("undrain", value @ (Data::Literal(_) | Data::List(..))) => undrain = Some(value),
                ("ask", Data::Table(checks, _)) => ask = Some(checks),
                ("turn", Data::Literal(literal)) => turn = Some(literal),
                ("max" | "ready" | "drain" | "undrain" | "ask" | "turn", _) => {
                    let message = format!("`{}` is given in another form", name.text);
                    self.error(codes::UNEXPECTED, message, name.span.into(), FORM);
                    return None;
                }
                (other, _) => {
                    let help = did_you_mean(other, FIELDS).unwrap_or_else(|| FORM.to_owned());
                    self.error(codes::UNEXPECTED, format!("`{other}` is nothing that a guard has"), name.span.into(), help);
                }
            }
        }
        let (Some(members), Some(ready)) = (members, ready) else {
            let message = "a guard needs `members`, the hosts of the cluster, and `ready`, how to see that one of them is well";
            self.error(codes::MISSING_NAME, message, parts.name_range(), FORM);
            return None;
        };
        Some(Guard { name: name?, members, max, ready, drain, undrain, ask, turn })
    }
}
