//! What is told of two catalogs.

use super::*;
use crate::catalog::{Container, Node, Origin, PruneRule, Relation};
use crate::change::Shown;
use crate::contents::MemoryContents;
use crate::orphan::absent;
use crate::secret::{Sealed, SealedPart, SecretRef};
use crate::value::Map;

struct Types;

impl TypeTraits for Types {
    fn is_refreshable(&self, type_name: &str) -> bool {
        matches!(type_name, "service" | "exec")
    }
    fn removal(&self, orphan: &Resource) -> Option<Resource> {
        (&*orphan.address.type_name == "file").then(|| absent(orphan, "ensure", "absent"))
    }
    fn disruption(&self, type_name: &str, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption> {
        match (type_name, refresh) {
            ("service", Some(Effect::Restart)) => Some(Disruption::Restart),
            ("package", None) if !changes.is_empty() => Some(Disruption::Software),
            _ => None,
        }
    }
    fn acts(&self, resource: &Resource) -> bool {
        !resource.attributes.contains_key("refresh_only")
    }
    fn is_of_host(&self, _resource: &Resource, change: &Change) -> bool {
        !matches!(&*change.attribute, "validate" | "tags" | "noop")
    }
    fn is_secret(&self, _type_name: &str, attribute: &str) -> bool {
        attribute == "password"
    }
    fn heeds_refresh(&self, resource: &Resource, _made: &[Change], is_new: bool) -> bool {
        resource.attributes.get("ensure") != Some(&Value::from("stopped")) && (!is_new || !self.acts(resource))
    }
}

fn resource(type_name: &str, title: &str, attributes: &[(&str, Value)]) -> Resource {
    let attributes: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Resource::new(Address::new(type_name, title), attributes)
}

fn catalog(resources: Vec<Resource>) -> Catalog {
    Catalog { resources, ..Catalog::empty("h", "s") }
}

fn between(base: &Catalog, head: &Catalog) -> Difference {
    let contents = MemoryContents::default();
    Difference::between(Side { catalog: base, contents: &contents }, Side { catalog: head, contents: &contents }, &Types)
}

fn fates(difference: &Difference) -> Vec<(Fate, &str)> {
    difference.resources.iter().map(|one| (one.fate, &*one.address.title)).collect()
}

fn notify(first: Node, then: Node, effect: Effect) -> Relation {
    Relation { first, then, notify: Some(effect), word: RelationWord::Notify, origin: Origin::default() }
}

#[test]
fn equal_catalogs_differ_in_nothing_wherever_they_were_written() {
    let one = catalog(vec![resource("file", "/a", &[("content", Value::from("x"))])]);
    let mut other = one.clone();
    other.resources[0].origin.line = 7;
    assert!(between(&one, &other).is_empty());
}

#[test]
fn what_comes_goes_and_changes_is_told_apart() {
    let mut base = catalog(vec![resource("file", "/same", &[]), resource("file", "/old", &[]), resource("host", "gone", &[])]);
    base.resources.push(resource("file", "/never", &[("ensure", Value::from("absent"))]));
    let mut head = catalog(vec![resource("file", "/new", &[]), resource("file", "/same", &[("mode", Value::from("0600"))])]);
    let all = [(Fate::Added, "/new"), (Fate::Changed, "/same"), (Fate::Forgotten, "/never"), (Fate::Released, "gone")];
    assert_eq!(fates(&between(&base, &head)), [&all[..], &[(Fate::Released, "/old")]].concat());
    head.prune = vec![PruneRule { type_name: Some("file".to_owned()), module: None, max: 2 }];
    let pruned = between(&base, &head);
    assert_eq!(pruned.resources.last().map(|one| (one.fate, &*one.address.title)), Some((Fate::Deleted, "/old")));
    assert_eq!(pruned.settings, [Change::create("prune type=file", "up to 2")]);
    head.prune[0].max = 0;
    assert_eq!(between(&base, &head).resources.last().map(|one| one.fate), Some(Fate::Held));
}

#[test]
fn tables_are_compared_by_key_and_contents_by_their_bytes() {
    let mut contents = MemoryContents::default();
    let table =
        |port: i64| Value::Map([("port".to_owned(), Value::from(port)), ("name".to_owned(), Value::from("n"))].into_iter().collect());
    let blob = Value::Blob(contents.insert(b"one\ntwo\n".to_vec()));
    let base = catalog(vec![resource("ini", "/a", &[("section", table(1)), ("content", Value::from("one\ntwo\n"))])]);
    let head = catalog(vec![resource("ini", "/a", &[("section", table(2)), ("content", blob)])]);
    let side = |catalog| Side { catalog, contents: &contents };
    let difference = Difference::between(side(&base), side(&head), &Types);
    assert_eq!(difference.resources[0].changes, [Change::update("section.port", 1, 2)]);
}

fn sealed(before: &str, path: &str, fingerprint: &str) -> Value {
    let secret = SecretRef { path: path.to_owned(), fingerprint: fingerprint.to_owned(), filters: Vec::new() };
    Value::Sealed(Sealed { parts: vec![SealedPart::Text(before.to_owned()), SealedPart::Secret(secret)] })
}

#[test]
fn of_a_secret_only_its_name_is_told_and_that_it_changed() {
    let with = |value| catalog(vec![resource("file", "/a", &[("content", value)])]);
    let changes = |one, other| between(&with(one), &with(other)).resources.first().map(|one| one.changes.clone()).unwrap_or_default();
    assert_eq!(changes(sealed("p=", "db/pw", "f1"), sealed("p=", "db/pw", "f1")), []);
    let hidden = Change::between("content: db/pw", Shown::Hidden, Shown::Hidden);
    assert_eq!(changes(sealed("p=", "db/pw", "f1"), sealed("p=", "db/pw", "f2")), [hidden]);
    let anew = between(&with(sealed("p=", "db/pw", "f1")), &with(sealed("p=", "db/pw", "f2:f1")));
    assert_eq!(fates(&anew), [(Fate::Restated, "/a")]);
    assert_eq!(anew.resources[0].note.as_deref(), Some("closed anew, of the same value: secret db/pw"));
    assert_eq!(anew.resources[0].changes, []);
    let named = Change::update("content", "p=(secret db/pw)", "q=(secret db/other)");
    assert_eq!(changes(sealed("p=", "db/pw", "f1"), sealed("q=", "db/other", "f3")), [named]);
}

#[test]
fn what_should_have_been_a_secret_is_hidden() {
    let of = |value: Value| catalog(vec![resource("user", "u", &[("password", value)])]);
    let changes = |one: Value, other: Value| between(&of(one), &of(other)).resources[0].changes.clone();
    let hidden = |before, after| vec![Change::between("password", before, after)];
    let named = || Shown::from("(secret db/pw)");
    let whole = || Value::Sealed(Sealed::whole(SecretRef { path: "db/pw".to_owned(), fingerprint: "f".to_owned(), filters: Vec::new() }));
    assert_eq!(changes(Value::from("one"), Value::from("two")), hidden(Shown::Hidden, Shown::Hidden));
    assert_eq!(changes(Value::from("one"), whole()), hidden(Shown::Hidden, named()));
    assert_eq!(changes(whole(), sealed("plain", "db/pw", "f")), hidden(named(), Shown::Hidden));
    let added = between(&catalog(vec![]), &of(Value::from("one")));
    assert_eq!(added.resources[0].changes, [Change::create("password", Shown::Hidden)]);
}

#[test]
fn refreshes_follow_from_changes_and_from_refreshes() {
    let mut base = catalog(vec![
        resource("file", "/a", &[("content", Value::from("1"))]),
        resource("exec", "build", &[]),
        resource("service", "web", &[]),
        resource("package", "tool", &[]),
    ]);
    base.containers.push(Container { address: Address::new("module", "m"), parent: None, origin: Origin::default() });
    base.resources[2].container = Some(0);
    base.relations.push(notify(Node::Resource(0), Node::Resource(1), Effect::Reload));
    base.relations.push(notify(Node::Resource(1), Node::Container(0), Effect::Restart));
    let mut head = base.clone();
    std::sync::Arc::make_mut(&mut head.resources[0].attributes).insert("content".to_owned(), Value::from("2"));
    let difference = between(&base, &head);
    let refreshed: Vec<_> =
        difference.refreshes.iter().map(|one| (&*one.target.title, one.effect, &*one.sources[0].address.title)).collect();
    assert_eq!(refreshed, [("build", Effect::Reload, "/a"), ("web", Effect::Restart, "build")]);
    let disrupted: Vec<_> = difference.disruptions.iter().map(|one| (one.kind, &*one.address.title)).collect();
    assert_eq!(disrupted, [(Disruption::Restart, "web")]);
    // What is only planned does nothing, and so nothing follows from it.
    head.resources[0].noop = true;
    assert_eq!(between(&base, &head).refreshes, []);
    head.resources[0].noop = false;
    head.resources[1].noop = true;
    assert_eq!(between(&base, &head).refreshes, [], "nor is it refreshed");
}

/// A file that notifies somebody.
fn notifying(file: &[(&str, Value)], target: Resource) -> Catalog {
    let mut catalog = catalog(vec![resource("file", "/a", file), target]);
    catalog.relations.push(notify(Node::Resource(0), Node::Resource(1), Effect::Restart));
    catalog
}

#[test]
fn what_only_says_how_changes_nothing_and_refreshes_nobody() {
    let validate = |with: &str| [("validate", Value::from(with))];
    let web = || resource("service", "web", &[]);
    let difference = between(&notifying(&validate("a"), web()), &notifying(&validate("b"), web()));
    assert_eq!(fates(&difference), [(Fate::Restated, "/a")]);
    assert_eq!((difference.refreshes, difference.disruptions), (vec![], vec![]));
    let command = |with: &str| resource("exec", "reload", &[("refresh_only", Value::from(true)), ("command", Value::from(with))]);
    let waits = between(&notifying(&[], command("a")), &notifying(&[], command("b")));
    assert_eq!(fates(&waits), [(Fate::Restated, "reload")], "it runs for others only");
}

#[test]
fn who_comes_with_a_change_is_refreshed_where_nothing_else_starts_it() {
    let empty = catalog(vec![]);
    let refreshed = |target: Resource| between(&empty, &notifying(&[], target)).refreshes.len();
    assert_eq!(refreshed(resource("service", "web", &[])), 0, "its own change starts it");
    assert_eq!(refreshed(resource("exec", "reload", &[("refresh_only", Value::from(true))])), 1);
    let stopped = || resource("service", "web", &[("ensure", Value::from("stopped"))]);
    let content = |text: &str| [("content", Value::from(text))];
    assert_eq!(between(&notifying(&content("a"), stopped()), &notifying(&content("b"), stopped())).refreshes, []);
}

#[test]
fn what_was_only_planned_comes_whole_when_it_is_meant() {
    let of = |noop: bool| catalog(vec![Resource { noop, ..resource("file", "/a", &[("content", Value::from("x"))]) }]);
    assert_eq!(fates(&between(&catalog(vec![]), &of(true))), [(Fate::Noop, "/a")]);
    let lifted = between(&of(true), &of(false));
    assert_eq!(fates(&lifted), [(Fate::Changed, "/a")]);
    let changed: Vec<&str> = lifted.resources[0].changes.iter().map(|change| &*change.attribute).collect();
    assert_eq!(changed, ["noop", "content"]);
    let command = |noop: bool| catalog(vec![Resource { noop, ..resource("exec", "x", &[("refresh_only", Value::from(true))]) }]);
    let command = between(&command(true), &command(false));
    assert_eq!(fates(&command), [(Fate::Restated, "x")], "it still runs for others only");
    assert_eq!(command.resources[0].note.as_deref(), Some("refreshed, if that is owed to it from before"));
}

#[test]
fn relations_are_the_same_however_they_are_written() {
    let mut base = catalog(vec![resource("file", "/a", &[]), resource("file", "/b", &[])]);
    let relation = |word| Relation { first: Node::Resource(0), then: Node::Resource(1), notify: None, word, origin: Origin::default() };
    base.relations.push(relation(RelationWord::Before));
    let mut head = base.clone();
    head.relations[0].word = RelationWord::Require;
    assert!(between(&base, &head).is_empty());
    head.relations.clear();
    let gone = &between(&base, &head).relations[0];
    assert_eq!((gone.action, &*gone.from.title, gone.word, &*gone.target.title), (Action::Delete, "/a", RelationWord::Before, "/b"));
}
