//! Scenarios of values in text files.

use keel_engine::value::Value;

use super::scenarios::{Scenario, part, table, text};
use crate::trial::list;

pub(super) fn scenarios() -> Vec<Scenario> {
    [keys(), values(), trees()].into_iter().flatten().collect()
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

fn values() -> Vec<Scenario> {
    let wanted = |_: &crate::trial::Trial| vec![("values", table(&[("a.b", text("x")), ("c", Value::Null), ("d", list(&["1", "2"]))]))];
    let gone = |_: &crate::trial::Trial| vec![("ensure", text("absent")), ("values", table(&[("a.b", text("any"))]))];
    let nulls = |_: &crate::trial::Trial| vec![("null", text("value")), ("values", table(&[("a", Value::Null)]))];
    let changes = &["~ a.b", "- c", "+ d"];
    vec![
        part("json_file", "/f", &[("/f", "{\"a\": {\"b\": 1},\n \"c\": 2}")], wanted, changes),
        part("json_file", "/f", &[("/f", "{\"a\": {\"b\": 1}}")], gone, &["- a.b"]),
        part("json_file", "/f", &[], nulls, &["+ a"]),
        part("toml_file", "/f", &[("/f", "c = 2 # c\n[a]\nb = 1 # b\n")], wanted, changes),
        part("toml_file", "/f", &[("/f", "a.b = 1\n")], gone, &["- a.b"]),
        part("yaml_file", "/f", &[("/f", "# a\na:\n  b: 1 # b\nc: 2\n")], wanted, changes),
        part("yaml_file", "/f", &[("/f", "a: {b: 1}\n")], gone, &["- a.b"]),
        part("yaml_file", "/f", &[], nulls, &["+ a"]),
        part(
            "xml_value",
            "/f",
            &[("/f", "<a b='1'><!-- c --><d/></a>")],
            |_| vec![("values", table(&[("/a/@b", text("2")), ("/a/d", Value::Null), ("/a/e/@f", text("x"))]))],
            &["~ /a/@b", "- /a/d", "+ /a/e/@f"],
        ),
        part(
            "xml_value",
            "/f",
            &[("/f", "<a b='1'/>")],
            |_| vec![("ensure", text("absent")), ("values", table(&[("/a/@b", text("any"))]))],
            &["- /a/@b"],
        ),
    ]
}

fn trees() -> Vec<Scenario> {
    let mirrored = |_: &crate::trial::Trial| vec![("source", text("/s")), ("purge", Value::Bool(true)), ("exclude", text("mine"))];
    let files = &[("/d/old", "x"), ("/d/mine", "m"), ("/s/new/deep", "n")];
    vec![
        part("directory_tree", "/d", files, mirrored, &["+ new", "+ new/deep", "- old"]),
        part("directory_tree", "/d", files, |_| vec![("ensure", text("absent"))], &["- ensure"]),
    ]
}
