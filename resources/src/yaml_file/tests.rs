//! What operators do with `yaml_file`.

use keel_engine::secret::Secret;
use keel_engine::value::{Map, Value};

use super::*;
use crate::chance::Chance;
use crate::text_edit::settled;
use crate::trial::{Trial, list};
use crate::value_file::Format;

fn values(entries: &[(&str, Value)]) -> (&'static str, Value) {
    ("values", Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()))
}

fn table(entries: &[(&str, Value)]) -> Value {
    values(entries).1
}

fn check(before: &str, entries: &[(&str, Value)], after: &str) -> Vec<String> {
    let trial = Trial::new();
    trial.write("/f", before);
    let changes = trial.converge(&YamlFileType::NEW, "/f", &[values(entries)]).unwrap();
    assert_eq!(trial.read("/f"), after);
    changes
}

fn refused(text: &str, path: &str, value: Value) -> String {
    let trial = Trial::new();
    trial.write("/f", text);
    trial.plan(&YamlFileType::NEW, "/f", &[values(&[(path, value)])]).unwrap_err()
}

const TEXT: &str = "# top\nnet: # n\n  v: 2\n  é:\n    a: 'one'   # c\n    list:\n    - x # x\n    - \"y\"\n  flow: {k: v, l: [1, 2]}\n\n# last\nnote: |\n  some\n  text\nempty:\nend: yes\n";

#[test]
fn values_change_where_they_stand() {
    let wanted = [
        ("net.v", Value::Int(3)),
        ("net.é.a", Value::from("it's")),
        ("net.é.list[1]", Value::from("z: z")),
        ("net.flow.k", Value::Bool(true)),
        ("net.flow.l[0]", Value::from("1")),
        ("note", Value::from("short")),
        ("empty", Value::from("no")),
    ];
    let after = TEXT
        .replace("v: 2", "v: 3")
        .replace("'one'", "'it''s'")
        .replace("\"y\"", "\"z: z\"")
        .replace("k: v", "k: true")
        .replace("[1,", "[\"1\",")
        .replace("|\n  some\n  text", "short")
        .replace("empty:", "empty: \"no\"");
    assert_eq!(check(TEXT, &wanted, &after).len(), 7);
    assert_eq!(check(TEXT, &[("end", Value::Bool(true)), ("net.v", Value::Int(2)), ("note", Value::from("some\ntext\n"))], TEXT), [""; 0]);
}

#[test]
fn new_values_look_like_those_around_them() {
    check(TEXT, &[("net.é.b", list(&["p", "q r"]))], &TEXT.replace("    - \"y\"\n", "    - \"y\"\n    b:\n      - p\n      - q r\n"));
    check(TEXT, &[("new.a.b", Value::Int(1))], &format!("{TEXT}new:\n  a:\n    b: 1\n"));
    check(TEXT, &[("empty.a", Value::Int(1))], &TEXT.replace("empty:\n", "empty:\n  a: 1\n"));
    check(TEXT, &[("net.flow.m", Value::Int(1)), ("net.flow.l[2]", Value::Int(3))], &TEXT.replace("[1, 2]}", "[1, 2, 3], m: 1}"));
    check(
        TEXT,
        &[("net.é.list[2]", table(&[("k", Value::Int(1)), ("l", Value::Int(2))]))],
        &TEXT.replace("- \"y\"\n", "- \"y\"\n    - k: 1\n      l: 2\n"),
    );
    check("a: 1", &[("b", Value::Int(1))], "a: 1\nb: 1\n");
    check("", &[("a.b", Value::Int(1))], "a:\n  b: 1\n");
    check("# only\n", &[("a", Value::Int(1))], "# only\na: 1\n");
    check("---\na: {}\n", &[("a.b", Value::Int(1))], "---\na:\n  b: 1\n");
    check("- a: 1\n- b\n", &[("[0].c", Value::Int(1)), ("[2]", Value::from("d"))], "- a: 1\n  c: 1\n- b\n- d\n");
    check("a: 1\r\n", &[("b", Value::Int(1))], "a: 1\r\nb: 1\r\n");
}

#[test]
fn what_goes_leaves_the_rest() {
    check(TEXT, &[("net.v", Value::Null)], &TEXT.replace("  v: 2\n", ""));
    check(TEXT, &[("note", Value::Null)], &TEXT.replace("note: |\n  some\n  text\n", ""));
    check("a: 'it''s' # c\nb: \"q\\\"\" # d\n", &[("a", Value::from("x")), ("b", Value::from("y"))], "a: 'x' # c\nb: \"y\" # d\n");
    check("a: &x 1\nb: *x # why\n", &[("b", Value::Int(2))], "a: &x 1\nb: 2 # why\n");
    check(TEXT, &[("net.flow.k", Value::Null)], &TEXT.replace("k: v, ", ""));
    check("a:\n  b: 1\nc: 2\n", &[("a.b", Value::Null)], "a: {}\nc: 2\n");
    check("- a: 1\n  b: 2\n", &[("[0].a", Value::Null)], "- b: 2\n");
    check("a: 1\n", &[("a", Value::Null)], "");
    check("a:\n- 1\n- 2\nb: 3\n", &[("a", list(&["x"]))], "a:\n- x\nb: 3\n");
    check("a: # why\n  - 1\nb: 3\n", &[("a", Value::Int(5))], "a: 5 # why\nb: 3\n");
}

#[test]
fn what_would_be_damaged_is_refused() {
    assert!(refused("a: &x 1\nb: *x\n", "a", Value::Int(2)).contains("an anchor and its aliases share"));
    assert!(refused("a: &x {k: 1}\nb: *x\n", "a.k", Value::Int(2)).contains("share"));
    assert!(refused("a: &x {k: 1}\nb: *x\n", "b.k", Value::Int(2)).contains("share"));
    assert!(refused("a: 1\n---\nb: 1\n", "a", Value::Int(2)).contains("line 2 begins a second document"));
    assert!(refused("a: !vault x\n", "a", Value::Int(2)).contains("tag"));
    assert!(refused("a: [1\n", "a", Value::Int(2)).starts_with("/f: no YAML at line"));
    assert!(refused("a: 1\na: 2\n", "a", Value::Int(2)).contains("stands twice"));
    assert!(refused("- a: 1\n  # about b\n  b: 2\n", "[0].a", Value::Null).contains("comment"));
    check("a: &x 1\nb: *x\n", &[("b", Value::Int(2))], "a: &x 1\nb: 2\n");
    check("a: &x\n  k: 1\nb:\n  <<: *x\n", &[("b.k", Value::Int(2))], "a: &x\n  k: 1\nb:\n  <<: *x\n  k: 2\n");
    let bomb: String = (1..10).map(|at| format!("a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 9].join(","))).collect();
    assert!(refused(&format!("a0: &a0 [x]\n{bomb}"), "z", Value::Int(1)).contains("unfold to more"));
}

#[test]
fn texts_stay_texts_whatever_they_look_like() {
    for word in [
        "",
        "yes",
        "1",
        "1.5",
        "null",
        "~",
        "a: b",
        "a #b",
        "- x",
        "{x",
        "&a",
        "*a",
        "!t",
        "%x",
        "@x",
        "`x",
        "'x",
        "\"x",
        "0o7",
        "1e3",
        "12:30",
        "2001-01-01",
        " x",
        "x ",
        "a\nb",
        "é",
        "\t",
        "=",
        "<<",
        "?",
        "n",
        "0x1f",
        ".inf",
        "-",
        "---",
        "...",
    ] {
        let text = format!("a: {}\n", write::text(word));
        assert_eq!(document::Yaml::read(&text).unwrap(), Value::Map(Map::from_iter([("a".to_owned(), Value::from(word))])), "{text}");
    }
    assert_eq!(["a b", "/x/y.z", "10.0.0.1", "x=1"].map(write::text), ["a b", "/x/y.z", "\"10.0.0.1\"", "x=1"]);
}

#[test]
fn secrets_are_hidden() {
    let secret = Value::Secret(Secret::new("canary".to_owned()));
    let changes = check("password: canary2\na: 3\n", &[("password", Value::Null), ("a", secret)], "a: canary\n");
    assert_eq!(changes, ["- password: (secret) -> absent", "~ a: (secret) -> (secret)"]);
}

#[test]
fn an_edit_changes_its_own_line_and_no_other_byte() {
    let pieces = [
        "# c\n",
        "a: 1 # one\n",
        "b:\n  c: 'x'\n  d:\n  - 1\n  - e: 2\n",
        "f: {g: 1, h: [2]} # f\n",
        "i: |\n  x\n\n  y\n",
        "\n",
        "j:\n",
        "k:\n- 1\n- 2\n",
        "  # deep\n",
        "l: >-\n  x\n",
        "m: \"q\\n\"\n",
        "n: multi\n  line\n",
        "o: 'x' # o\n",
        "p: [\"y\"] # p\n",
    ];
    let mut chance = Chance::from(13);
    let (mut tried, mut done) = (0, 0);
    while tried < 2000 {
        let text = chance.text(&pieces, 6);
        if document::Yaml::read(&text).is_err() {
            continue;
        }
        tried += 1;
        let path = chance.of(&["a", "new", "b.c", "b.d[1].e", "b.new", "f.g", "f.new", "i", "j", "k[1]", "n.e.w", "m", "o", "p"]);
        let goes = chance.below(4) == 0 && !path.ends_with(']');
        let wanted = if goes { Value::Null } else { Value::Int(77) };
        let Ok(after) = settled::<YamlFile>(&[values(&[(path, wanted)])], &text) else { continue };
        done += 1;
        for comment in ["# c", "# one", "# f", "# o", "# p"] {
            assert!(goes || text.matches(comment).count() == after.matches(comment).count(), "{path}: {text:?} became {after:?}");
        }
        let key = path.split(['.', '[']).next().unwrap();
        let begins = |line: &&str| pieces.iter().any(|piece| piece.starts_with(*line) && !line.trim().is_empty() && !line.starts_with(' '));
        let lost: Vec<&str> = text.lines().filter(begins).filter(|line| !after.lines().any(|kept| kept == *line)).collect();
        assert!(lost.iter().all(|line| line.starts_with(key)), "{path}: {text:?} became {after:?}");
    }
    assert!(done * 10 > tried * 8, "{done} of {tried}");
}
