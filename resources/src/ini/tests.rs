//! What operators do with `ini`.

use keel_engine::attributes::Attributes;
use keel_engine::secret::Secret;
use keel_engine::value::Map;

use super::*;
use crate::trial::{Trial, list};

fn sections(sections: &[(&str, &[(&str, Value)])]) -> (&'static str, Value) {
    let table = |keys: &[(&str, Value)]| Value::Map(keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect());
    let all: Map = sections.iter().map(|(section, keys)| ((*section).to_owned(), table(keys))).collect();
    ("section", Value::Map(all))
}

fn check(before: &str, attributes: &[(&str, Value)], after: &str) -> Vec<String> {
    let trial = Trial::new();
    trial.write("/f", before);
    let changes = trial.converge(&IniType, "/f", attributes).unwrap();
    assert_eq!(trial.read("/f"), after);
    changes
}

#[test]
fn settings_are_made_changed_and_removed_among_what_is_there() {
    let before = "# nova\n[DEFAULT]\n#debug = false\nlog_dir=/var/log/nova\n\n[api]\nworkers=4 # four\n";
    let wanted = [("debug", Value::Bool(false)), ("log_dir", Value::Null), ("enabled", list(&["a", "b"]))];
    let attributes = [sections(&[("DEFAULT", &wanted), ("api", &[("workers", Value::Int(8))]), ("new", &[("x", Value::from("y"))])])];
    let changes = check(
        before,
        &attributes,
        "# nova\n[DEFAULT]\n#debug = false\ndebug=false\nenabled=a\nenabled=b\n\n[api]\nworkers=8\n\n[new]\nx=y\n",
    );
    assert_eq!(
        changes,
        [
            "+ DEFAULT/debug: absent -> false",
            "- DEFAULT/log_dir: /var/log/nova -> absent",
            "+ DEFAULT/enabled: absent -> [a, b]",
            "~ api/workers: 4 # four -> 8",
            "+ new/x: absent -> y"
        ]
    );
}

#[test]
fn what_is_right_is_not_written() {
    let before = "[a]\nx = 1\ny=two\n";
    assert_eq!(
        check(before, &[sections(&[("a", &[("x", Value::Int(1)), ("y", Value::from("two")), ("z", Value::Null)])])], before),
        Vec::<String>::new()
    );
}

#[test]
fn keys_without_a_section_stand_at_the_top() {
    check("x=1\n[a]\nx=1\n", &[sections(&[("", &[("x", Value::Int(2)), ("y", Value::Int(3))])])], "x=2\ny=3\n[a]\nx=1\n");
}

#[test]
fn lists_repeat_the_key_or_share_a_line() {
    let wanted = || sections(&[("a", &[("x", list(&["1", "2"]))])]);
    check("[a]\nx = 1\nx = 3\nx = 4\n", &[wanted()], "[a]\nx = 1\nx = 2\n");
    check("[a]\nx = 1\n", &[wanted(), ("list", Value::from("comma"))], "[a]\nx = 1,2\n");
    check("[a]\nx = 1\n", &[wanted(), ("list", Value::from("space"))], "[a]\nx = 1 2\n");
    check("[a]\nx = 1\ny = 1\n", &[sections(&[("a", &[("x", Value::List(vec![]))])])], "[a]\ny = 1\n");
}

#[test]
fn absent_removes_keys_and_sections_named_without_any() {
    let attributes = [("ensure", Value::from("absent")), sections(&[("a", &[("x", Value::from("any"))]), ("b", &[])])];
    assert_eq!(check("[a]\nx = 1\ny = 2\n[b]\nz = 1\n", &attributes, "[a]\ny = 2\n"), ["- a/x: 1 -> absent", "- [b]: 1 keys -> absent"]);
}

#[test]
fn purging_takes_other_keys_or_other_sections() {
    let before = "top=1\n[a]\nx=1\ny=2\n[b]\nz=1\n";
    let wanted = || sections(&[("a", &[("x", Value::Int(1))])]);
    check(before, &[wanted(), ("purge", Value::from("keys"))], "top=1\n[a]\nx=1\n[b]\nz=1\n");
    check(before, &[wanted(), ("purge", Value::from("sections"))], "top=1\n[a]\nx=1\n");
}

#[test]
fn the_file_is_made_where_that_is_allowed() {
    let trial = Trial::new();
    let wanted = sections(&[("a", &[("x", Value::Int(1))])]);
    trial.converge(&IniType, "/f", std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(trial.read("/f"), "[a]\nx = 1\n");
    assert_eq!(trial.plan(&IniType, "/g", &[wanted.clone(), ("create", Value::Bool(false))]).unwrap_err(), "the file /g does not exist");
    let compact = [wanted, ("separator", Value::from("="))];
    trial.converge(&IniType, "/h", &compact).unwrap();
    assert_eq!(trial.read("/h"), "[a]\nx=1\n");
}

#[test]
fn secrets_and_what_looks_like_one_are_hidden() {
    let secret = Value::Secret(Secret::new("canary".to_owned()));
    let attributes = [sections(&[("a", &[("key", secret), ("admin_password", Value::Null), ("url", Value::from("none"))])])];
    let before = "[a]\nkey = old-canary\nadmin_password = canary2\nurl = mysql://u:canary3@h/db\n";
    assert_eq!(
        check(before, &attributes, "[a]\nkey = canary\nurl = none\n"),
        ["~ a/key: (secret) -> (secret)", "- a/admin_password: (secret) -> absent", "~ a/url: (secret) -> none"]
    );
}

#[test]
fn names_that_would_break_the_file_are_refused() {
    let refuse = |section: &str, key: &str| Trial::refuses::<IniType>("/f", &[sections(&[(section, &[(key, Value::Int(1))])])]);
    assert!(refuse("a]", "x").contains("section"));
    for key in ["", "a=b", "#a", "[a", "a\nb", " a"] {
        assert!(refuse("a", key).contains("cannot be the name of a key"), "{key:?}");
    }
    assert!(Trial::refuses::<IniType>("/f", &[("separator", Value::from("->"))]).starts_with("separator"));
}

#[test]
fn several_resources_change_one_file_at_once() {
    let trial = Trial::new();
    let resources: Vec<Ini> = (0..8)
        .map(|number| {
            let attributes: Map = [sections(&[("a", &[(format!("k{number}").as_str(), Value::Int(number))])])]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
            Ini::from_attributes("/f", &attributes).unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for desired in &resources {
            let host = &trial.host;
            scope.spawn(move || {
                let observed = IniType.observe(host, &[desired]).remove(0).unwrap();
                let changes = IniType.diff(desired, &observed);
                IniType.apply(host, &Work { desired, observed: &observed, changes: &changes }).unwrap();
            });
        }
    });
    assert_eq!(trial.read("/f").lines().count(), 9);
}
