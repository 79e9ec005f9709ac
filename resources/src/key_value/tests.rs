//! What operators do with `key_value`.

use keel_engine::secret::Secret;

use super::*;
use crate::trial::{Trial, list};

fn values(entries: &[(&str, Value)]) -> (&'static str, Value) {
    ("values", Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()))
}

fn check(before: &str, attributes: &[(&str, Value)], after: &str) -> Vec<String> {
    let trial = Trial::new();
    trial.write("/f", before);
    let changes = trial.converge(&KeyValueType::NEW, "/f", attributes).unwrap();
    assert_eq!(trial.read("/f"), after);
    changes
}

#[test]
fn values_are_made_changed_and_removed_among_what_is_there() {
    let before = "# Defaults\n#PORT=22\nOPTIONS='-x'  # why\nOLD=1\nLISTS=a";
    let wanted = [("PORT", Value::Int(2222)), ("OPTIONS", Value::from("-a 'b' $c")), ("OLD", Value::Null), ("NEW", list(&["a", "b"]))];
    let changes = check(before, &[values(&wanted)], "# Defaults\nPORT=2222\nOPTIONS=\"-a 'b' \\$c\"  # why\nLISTS=a\nNEW=\"a b\"\n");
    assert_eq!(changes, ["+ PORT: absent -> 2222", "~ OPTIONS: -x -> -a 'b' $c", "- OLD: 1 -> absent", "+ NEW: absent -> a b"]);
    let plain = ("format", Value::from("plain"));
    check("a = 1\nb = 2\n", &[values(&[("a", Value::from("x y"))]), plain.clone(), ("purge", Value::Bool(true))], "a = x y\n");
    check("a = 1\n", &[values(&[("a", list(&["x", "y"]))]), plain, ("list", Value::from("repeat"))], "a = x\na = y\n");
}

#[test]
fn what_says_the_same_is_not_written() {
    let before = "A=\"x\"\nB='y'\nexport C=z # c\nD=a\\ b";
    let same = [("A", Value::from("x")), ("B", Value::from("y")), ("C", Value::from("z")), ("D", Value::from("a b"))];
    assert_eq!(check(before, &[values(&same)], before), [""; 0]);
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let trial = Trial::new();
    // Found by fuzzing: the new line would be the rest of the text above it.
    for (text, format) in [("B=\"x\n", "shell"), ("b = x\\\n", "plain")] {
        trial.write("/f", text);
        let made = trial.converge(&KeyValueType::NEW, "/f", &[values(&[("A", Value::from("1 2"))]), ("format", Value::from(format))]);
        assert!(made.as_ref().is_err_and(|error| error == "/f: A would not be read as it is written"), "{text:?}: {made:?}");
        assert_eq!(trial.read("/f"), text);
    }
}

#[test]
fn a_shell_puts_in_only_what_is_meant_to_be() {
    let path = || values(&[("PATH", Value::from("$PATH:/x"))]);
    assert_eq!(check("PATH=\"$PATH:/x\"\n", &[path()], "PATH=\"\\$PATH:/x\"\n").len(), 1);
    check("PATH=\"$PATH:/x\"\n", &[path(), ("expand", Value::Bool(true))], "PATH=\"$PATH:/x\"\n");
    check("PATH=/y\n", &[path(), ("expand", Value::Bool(true))], "PATH=\"$PATH:/x\"\n");
    let refused = Trial::refuses::<KeyValueType>;
    for text in ["a\"b", "$(open", "`"] {
        let attributes = [values(&[("A", Value::from(text))]), ("expand", Value::Bool(true))];
        assert!(refused("/f", &attributes).contains("double quotes"), "{text}");
    }
}

#[test]
fn exports_are_changes_of_their_own() {
    let export = |flag| [values(&[("A", Value::Int(1))]), ("export", Value::Bool(flag))];
    assert_eq!(check("A=1\n", &export(true), "export A=1\n"), ["~ A export: #false -> #true"]);
    assert_eq!(check("export A=1\n", &export(false), "A=1\n"), ["~ A export: #true -> #false"]);
    assert_eq!(check("", &export(true), "export A=1\n"), ["+ A: absent -> 1"]);
}

#[test]
fn secrets_and_what_looks_like_one_are_hidden() {
    let secret = Value::Secret(Secret::new("canary".to_owned()));
    let wanted = [("KEY", secret), ("DB_PASSWORD", Value::Null)];
    let changes = check("KEY=old-canary\nDB_PASSWORD=canary2\n", &[values(&wanted)], "KEY=canary\n");
    assert_eq!(changes, ["~ KEY: (secret) -> (secret)", "- DB_PASSWORD: (secret) -> absent"]);
}

#[test]
fn what_is_no_plain_value_is_an_error_with_its_line() {
    let trial = Trial::new();
    trial.write("/f", "# a\nA=(1 2)\n");
    let error = trial.plan(&KeyValueType::NEW, "/f", &[values(&[("A", Value::Int(1))])]).unwrap_err();
    assert_eq!(error, "/f: line 2 does more with A than give it a value");
}

#[test]
fn names_and_words_that_make_no_sense_are_refused() {
    let refuse = |attributes: &[(&str, Value)]| Trial::refuses::<KeyValueType>("/f", attributes);
    for key in ["", "a b", "1A", "a=b", "A-B"] {
        assert!(refuse(&[values(&[(key, Value::Int(1))])]).contains("cannot be the name of a key"), "{key:?}");
    }
    assert!(refuse(&[("separator", Value::from(":"))]).contains("format=plain"));
    assert!(refuse(&[("list", Value::from("repeat"))]).contains("last one counts"));
    assert!(refuse(&[("format", Value::from("plain")), ("export", Value::Bool(true))]).contains("format=shell"));
}

#[test]
fn a_file_describes_itself_without_its_passwords() {
    let trial = Trial::new();
    trial.write("/f", "A=\"x y\"\nDB_PASSWORD=p\nB=$A\nC=1\nC=2\n");
    let described = keel_engine::resource::ResourceType::describe(&KeyValueType::NEW, &trial.host, Some("/f")).unwrap().unwrap().remove(0);
    assert_eq!(described.attributes, Map::from_iter([values(&[("A", Value::from("x y"))])].map(|(name, value)| (name.to_owned(), value))));
}

#[test]
fn many_resources_of_one_file_are_one_write() {
    use keel_engine::attributes::Attributes;
    use keel_engine::resource::{ResourceType, Work};
    let trial = Trial::new();
    trial.write("/f", "A=1\nB=(x)\n");
    let resources: Vec<KeyValue> = ["A", "B", "C"]
        .iter()
        .map(|key| {
            let attributes: Map = [values(&[(key, Value::Int(7))])].map(|(name, value)| (name.to_owned(), value)).into();
            KeyValue::from_attributes("/f", &attributes).unwrap()
        })
        .collect();
    let observed: Vec<_> = resources.iter().map(|desired| KeyValueType::NEW.observe(&trial.host, &[desired]).remove(0)).collect();
    let nothing = KeyValueType::NEW.observe(&trial.host, &[&resources[0]]).remove(0).unwrap();
    let works: Vec<_> = resources
        .iter()
        .zip(&observed)
        .map(|(desired, observed)| Work { desired, observed: observed.as_ref().unwrap_or(&nothing), changes: &[] })
        .collect();
    let inode = |trial: &Trial| std::os::unix::fs::MetadataExt::ino(&trial.path("/f").metadata().unwrap());
    let before = inode(&trial);
    let done: Vec<bool> = KeyValueType::NEW.apply_batch(&trial.host, &works).iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, true], "what one cannot do keeps nobody else from it");
    assert_eq!(trial.read("/f"), "A=7\nB=(x)\nC=7\n");
    assert_ne!(inode(&trial), before);
}
