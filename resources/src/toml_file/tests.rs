//! What operators do with `toml_file`.

use keel_engine::secret::Secret;
use keel_engine::value::Value;

use super::*;
use crate::chance::Chance;
use crate::text_edit::settled;
use crate::trial::{Trial, list};
use crate::value_file::{Format, Place};

fn values(entries: &[(&str, Value)]) -> (&'static str, Value) {
    ("values", Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()))
}

fn check(before: &str, entries: &[(&str, Value)], after: &str) -> Vec<String> {
    let trial = Trial::new();
    trial.write("/f", before);
    let changes = trial.converge(&TomlFileType::NEW, "/f", &[values(entries)]).unwrap();
    assert_eq!(trial.read("/f"), after);
    changes
}

const TEXT: &str = "# top\nversion = 1 # one\n\n# About a.\n[a]\n  x = \"one\"  # c\n  list = [ 1, 2 ]\n\n[a.b]\ny = { z = 1 }\n\n# About t.\n[[t]]\nn = 1\n[[t]]\nn = 2\n";

#[test]
fn values_change_where_they_stand() {
    let wanted = [
        ("version", Value::Int(2)),
        ("a.x", Value::from("two")),
        ("a.list[1]", Value::Int(3)),
        ("a.b.y.z", Value::Bool(true)),
        ("t[1].n", Value::Float(0.5)),
    ];
    let after = TEXT
        .replace("version = 1", "version = 2")
        .replace("\"one\"", "\"two\"")
        .replace("1, 2", "1, 3")
        .replace("z = 1", "z = true")
        .replace("]]\nn = 2", "]]\nn = 0.5");
    assert_eq!(check(TEXT, &wanted, &after).len(), 5);
    assert_eq!(check(TEXT, &[("version", Value::Int(1)), ("a.list", Value::from(vec![Value::Int(1), Value::Int(2)]))], TEXT), [""; 0]);
}

#[test]
fn new_values_go_to_their_tables() {
    check(TEXT, &[("a.new", list(&["p", "q"]))], &TEXT.replace("list = [ 1, 2 ]\n", "list = [ 1, 2 ]\n  new = [\"p\", \"q\"]\n"));
    check(TEXT, &[("name", Value::from("x"))], &TEXT.replace("# one\n", "# one\nname = \"x\"\n"));
    check(TEXT, &[("c.d.\"e.f\"", Value::Int(1))], &format!("{TEXT}\n[c.d]\n\"e.f\" = 1\n"));
    check(TEXT, &[("a.b.y.w", Value::Int(1))], &TEXT.replace("{ z = 1 }", "{ z = 1, w = 1 }"));
    check(TEXT, &[("t[2].n", Value::Int(3))], &format!("{TEXT}\n[[t]]\nn = 3\n"));
    check(TEXT, &[("t[0].m", Value::Int(3))], &TEXT.replace("n = 1\n", "n = 1\nm = 3\n"));
    check(TEXT, &[("a.list[2]", Value::Int(3))], &TEXT.replace("[ 1, 2 ]", "[ 1, 2, 3 ]"));
    check("[a]\nx = 1", &[("y", Value::Int(1))], "y = 1\n\n[a]\nx = 1");
    check("[a]\nx = 1", &[("a.y", Value::Int(1))], "[a]\nx = 1\ny = 1\n");
    check("[a.b]\nx = 1\n", &[("a.y", Value::Int(1))], "[a.b]\nx = 1\n\n[a]\ny = 1\n");
    check("a.b = 1\n", &[("a.c", Value::Int(2))], "a.b = 1\na.c = 2\n");
    check("", &[("x", Value::Int(1)), ("t.y", Value::from("z"))], "x = 1\n\n[t]\ny = \"z\"\n");
    check("a = 1\r\nb = 2\r\n", &[("c", Value::Int(3))], "a = 1\r\nb = 2\r\nc = 3\r\n");
    check("[e]\n", &[("e.x", Value::Int(3))], "[e]\nx = 3\n");
}

#[test]
fn what_goes_leaves_the_comments_of_others() {
    check(TEXT, &[("version", Value::Null)], &TEXT.replace("version = 1 # one\n", ""));
    check(TEXT, &[("a.b", Value::Null)], &TEXT.replace("[a.b]\ny = { z = 1 }\n", ""));
    check(TEXT, &[("t[0].n", Value::Null)], &TEXT.replace("[[t]]\nn = 1\n", "[[t]]\n"));
    check("a.b = 1\nc = 2\n", &[("a.b", Value::Null)], "c = 2\n");
    check("a = {x = 1, y = 2}\n", &[("a.x", Value::Null)], "a = {y = 2}\n");
}

#[test]
fn what_cannot_be_done_without_harm_is_refused_before_anything_is_written() {
    let plan = |text: &str, path: &str, value: Value| {
        let trial = Trial::new();
        trial.write("/f", text);
        trial.plan(&TomlFileType::NEW, "/f", &[values(&[(path, value)])]).unwrap_err()
    };
    assert!(plan("a = \n", "a", Value::Int(1)).starts_with("/f: no TOML at line 1, column"));
    assert!(plan(TEXT, "a", Value::Int(1)).contains("cannot be changed without harm"));
    assert!(plan(TEXT, "version.x", Value::Int(1)).contains("version is of type int, not a table"));
    assert!(plan(TEXT, "x", Value::List(vec![Value::Null])).contains("cannot be changed without harm"));
}

#[test]
fn secrets_are_hidden() {
    let secret = Value::Secret(Secret::new("canary".to_owned()));
    let changes = check("password = \"canary2\"\na = 3\n", &[("password", Value::Null), ("a", secret)], "a = \"canary\"\n");
    assert_eq!(changes, ["- password: (secret) -> absent", "~ a: (secret) -> (secret)"]);
}

#[test]
fn an_edit_changes_its_own_line_and_no_other_byte() {
    let heads = ["# c\n", "a = 1\n", "b = [1,\n  2, # two\n]\n", "x = 'lit' # x\n", "\n", "d.e = 1\n", "q = \"\"\"a\nb\"\"\"\n"];
    let tails = ["[t]\nk = 1 # k\n", "# about s\n[s]\n", "\n", "[t.u]\nv = {w = 1}\n", "[[l]]\nm = 1\n", "[[l]]\n"];
    let mut chance = Chance::from(9);
    let (mut tried, mut done) = (0, 0);
    while tried < 1500 {
        let text = chance.text(&heads, 5) + &chance.text(&tails, 5);
        if document::Toml::read(&text).is_err() {
            continue;
        }
        tried += 1;
        let path = chance.of(&["a", "new", "x", "t.k", "t.new", "s.new", "n.e.w", "d.f", "l[0].m"]);
        // Whatever does not work says so in the plan, and nothing is written then.
        let Ok(after) = settled::<TomlFile>(&[values(&[(path, Value::Int(77))])], &text) else { continue };
        done += 1;
        let lost: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !after.lines().any(|kept| kept == *line)).collect();
        assert!(
            lost.len() <= 1 && lost.iter().all(|line| line.contains(path.rsplit('.').next().unwrap())),
            "{path}: {text:?} became {after:?}"
        );
        let removed = document::Toml::put(&after, &Place::parse(path).unwrap(), None).unwrap();
        assert_ne!(removed, after);
    }
    assert!(done * 10 > tried * 8, "{done} of {tried}");
}
