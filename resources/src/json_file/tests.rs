//! What operators do with `json_file`.

use keel_engine::secret::Secret;
use keel_engine::value::{Map, Value};

use super::*;
use crate::chance::Chance;
use crate::trial::{Trial, list};
use crate::value_file::{Format, Place, Step};

fn values(entries: &[(&str, Value)]) -> (&'static str, Value) {
    ("values", Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()))
}

fn check(before: &str, entries: &[(&str, Value)], after: &str) -> Vec<String> {
    let trial = Trial::new();
    trial.write("/f", before);
    let changes = trial.converge(&JsonFileType::NEW, "/f", &[values(entries)]).unwrap();
    assert_eq!(trial.read("/f"), after);
    changes
}

#[test]
fn values_change_where_they_stand() {
    let before = "{\n    \"a\" : 1,\n    \"b\": {\"c\": [1, 2],  \"d\": null},\n    \"e\": \"x\"\n}";
    let changes = check(
        before,
        &[("a", Value::Int(2)), ("b.c[1]", Value::from("two")), ("e", Value::Bool(true)), ("b.d", Value::Float(0.5))],
        "{\n    \"a\" : 2,\n    \"b\": {\"c\": [1, \"two\"],  \"d\": 0.5},\n    \"e\": true\n}",
    );
    assert_eq!(changes, ["~ a: 1 -> 2", "~ b.c[1]: 2 -> two", "~ e: x -> #true", "~ b.d: #null -> 0.5"]);
    assert_eq!(
        check("{\"a\": 1.0, \"b\": \"1\"}", &[("a", Value::Int(1)), ("b", Value::from("1"))], "{\"a\": 1.0, \"b\": \"1\"}"),
        [""; 0]
    );
}

#[test]
fn new_values_look_like_those_around_them() {
    check("{\n  \"a\": 1\n}\n", &[("b", Value::Int(2))], "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
    check("{\n\t\"a\":1\n}\n", &[("b.c", list(&["x", "y"]))], "{\n\t\"a\":1,\n\t\"b\":{\n\t\t\"c\": [\"x\", \"y\"]\n\t}\n}\n");
    check("{\"a\":1}", &[("b", Value::Int(2))], "{\"a\":1, \"b\":2}");
    check("{}\n", &[("a.b", Value::Int(2))], "{\n  \"a\": {\n    \"b\": 2\n  }\n}\n");
    check("", &[("a", Value::Int(2))], "{\n  \"a\": 2\n}\n");
    check("{\n  \"a\": [\n    1\n  ]\n}\n", &[("a[1]", Value::Int(2))], "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n");
    check("{\"a\": null}", &[("a.b", Value::Int(2))], "{\"a\": {\"b\": 2}}");
}

#[test]
fn what_goes_takes_its_comma_along() {
    let before = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n";
    check(before, &[("a", Value::Null)], "{\n  \"b\": 2,\n  \"c\": 3\n}\n");
    check(before, &[("b", Value::Null)], "{\n  \"a\": 1,\n  \"c\": 3\n}\n");
    check(before, &[("c", Value::Null)], "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
    check("{\"a\": {\"b\": 1}}", &[("a.b", Value::Null)], "{\"a\": {}}");
    check("{\"a\": [{\"b\": 1}]}", &[("a[0].b", Value::Null), ("x.y", Value::Null)], "{\"a\": [{}]}");
    check("{\"a\": 1, \"b\": 0, \"a\": 2}", &[("a", Value::Null)], "{\"b\": 0}");
}

#[test]
fn a_null_is_a_value_where_that_is_meant() {
    let trial = Trial::new();
    trial.write("/f", "{\"a\": 1}");
    trial.converge(&JsonFileType::NEW, "/f", &[values(&[("a", Value::Null)]), ("null", Value::from("value"))]).unwrap();
    assert_eq!(trial.read("/f"), "{\"a\": null}");
    trial.converge(&JsonFileType::NEW, "/f", &[values(&[("a", Value::from("any"))]), ("ensure", Value::from("absent"))]).unwrap();
    assert_eq!(trial.read("/f"), "{}");
}

#[test]
fn tables_are_merged_and_lists_replaced() {
    let table = Value::Map(Map::from_iter([("x".to_owned(), Value::Int(1)), ("y".to_owned(), Value::Map(Map::new()))]));
    check("{\"a\": {\"z\": 0}}", &[("a", table)], "{\"a\": {\"z\": 0, \"x\": 1, \"y\": {}}}");
    check("{\"a\": [1, 2]}", &[("a", list(&["x"]))], "{\"a\": [\"x\"]}");
}

#[test]
fn what_cannot_be_read_or_reached_is_an_error_with_its_place() {
    let plan = |text: &str, path: &str| {
        let trial = Trial::new();
        trial.write("/f", text);
        trial.plan(&JsonFileType::NEW, "/f", &[values(&[(path, Value::Int(1))])]).unwrap_err()
    };
    assert_eq!(plan("{\n  \"a\" 1\n}", "a"), "/f: no `:` at line 2, column 7");
    assert_eq!(plan("{\"a\": 1,}", "a"), "/f: no key in quotes at line 1, column 9");
    assert_eq!(plan("{} x", "a"), "/f: more behind the end at line 1, column 4");
    assert_eq!(plan("{\"a\": 1}", "a.b"), "/f: a is of type int, not a table");
    assert_eq!(plan("{\"a\": [1]}", "a[3]"), "/f: a ends before position 3: it has 1");
    assert!(plan(&"[".repeat(200), "a").contains("nested too deep"));
    let clash = [values(&[("a", Value::Int(1)), ("a.b", Value::Int(1))])];
    assert!(Trial::refuses::<JsonFileType>("/f", &clash).contains("a and a.b say different things"));
    assert!(Trial::refuses::<JsonFileType>("/f", &[values(&[("a[0]", Value::Null)])]).contains("by its position"));
    assert!(Trial::refuses::<JsonFileType>("/f", &[values(&[("a..b", Value::Int(1))])]).contains("empty key"));
}

#[test]
fn secrets_and_what_looks_like_one_are_hidden() {
    let secret = Value::Secret(Secret::new("canary \"1\"".to_owned()));
    let changes = check("{\"token\": \"canary2\", \"a\": 3}", &[("token", Value::Null), ("a", secret)], "{\"a\": \"canary \\\"1\\\"\"}");
    assert_eq!(changes, ["- token: (secret) -> absent", "~ a: (secret) -> (secret)"]);
}

/// Some JSON in some layout.
fn any_value(chance: &mut Chance, depth: usize, gap: &str) -> String {
    let space = chance.of(&["", " ", gap]);
    match chance.below(if depth == 0 { 5 } else { 7 }) {
        0 => "null".to_owned(),
        1 => chance.of(&["1", "-2.5e3", "0", "true"]).to_owned(),
        2 => chance.of(&["\"\"", "\"a\\\"b\"", "\"\\u00e9 }\"", "\"é,{\""]).to_owned(),
        3 => "{}".to_owned(),
        4 => format!("[{space}]"),
        5 => {
            let items: Vec<String> = (0..=chance.below(3)).map(|_| any_value(chance, depth - 1, gap)).collect();
            format!("[{space}{}{space}]", items.join(&format!("{space},{space}")))
        }
        _ => {
            let members: Vec<String> = (0..=chance.below(3))
                .map(|at| format!("\"{}\"{space}:{space}{}", ["a", "b", "c.d", "e"][at], any_value(chance, depth - 1, gap)))
                .collect();
            format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
        }
    }
}

#[test]
fn an_edit_changes_its_own_value_and_no_other_byte() {
    let mut chance = Chance::from(5);
    for _ in 0..3000 {
        let gap = chance.of(&["\n  ", "\n\t", "\r\n    "]);
        let inner = any_value(&mut chance, 3, gap);
        let text = format!("{{\"x\": {inner}, \"keep\": {{\"a\": [1,2 ,3]}},\"y\":\"z\" }}\n");
        let place = Place(vec![Step::Key(chance.of(&["x", "new", "y"]).to_owned())]);
        let wanted = Value::from(vec![Value::Int(7)]);
        let put = document::Json::put(&text, &place, Some(&wanted)).unwrap();
        assert!(put.contains("{\"a\": [1,2 ,3]}"), "{put}");
        let mut expected = document::Json::read(&text).unwrap();
        let Value::Map(map) = &mut expected else { unreachable!() };
        map.insert(place.last_key().to_owned(), wanted);
        assert_eq!(document::Json::read(&put).unwrap(), expected, "{text}");
        let removed = document::Json::put(&put, &place, None).unwrap();
        map_without(&mut expected, place.last_key());
        assert_eq!(document::Json::read(&removed).unwrap(), expected, "{put}");
        if place.last_key() == "new" {
            assert_eq!(removed, text, "what came and went left nothing behind");
        }
    }
}

fn map_without(value: &mut Value, key: &str) {
    if let Value::Map(map) = value {
        map.shift_remove(key);
    }
}
