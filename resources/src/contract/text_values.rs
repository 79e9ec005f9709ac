//! Scenarios of values in text files.

use keel_engine::value::Value;

use super::scenarios::{Scenario, part, table, text};
use crate::trial::list;

pub(super) fn scenarios() -> Vec<Scenario> {
    [keys()].into_iter().flatten().collect()
}

fn keys() -> Vec<Scenario> {
    let removed = |_: &crate::trial::Trial| vec![("ensure", text("absent")), ("values", table(&[("B", text("any"))]))];
    vec![
        part(
            "key_value",
            "/f",
            &[("/f", "# A=1\nB=x # why\nC=\"y\"")],
            |_| vec![("values", table(&[("A", text("1 2")), ("B", Value::Null), ("C", text("y")), ("D", list(&["1", "2"]))]))],
            &["+ A", "- B", "+ D"],
        ),
        part("key_value", "/f", &[("/f", "A=1\nB=2\n")], removed, &["- B"]),
        part(
            "key_value",
            "/f",
            &[],
            |_| vec![("values", table(&[("a", text("b"))])), ("format", text("plain")), ("separator", text(": "))],
            &["+ a"],
        ),
    ]
}
