//! What operators do with `xml_value`.

use keel_engine::secret::Secret;
use keel_engine::value::Value;

use super::*;
use crate::chance::Chance;
use crate::text_edit::settled;
use crate::trial::{Trial, list};

fn values(entries: &[(&str, Value)]) -> (&'static str, Value) {
    ("values", Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()))
}

fn check(before: &str, entries: &[(&str, Value)], after: &str) -> Vec<String> {
    let trial = Trial::new();
    trial.write("/f", before);
    let changes = trial.converge(&XmlValueType::NEW, "/f", &[values(entries)]).unwrap();
    assert_eq!(trial.read("/f"), after);
    changes
}

fn refused(text: &str, path: &str) -> String {
    let trial = Trial::new();
    trial.write("/f", text);
    trial.plan(&XmlValueType::NEW, "/f", &[values(&[(path, Value::from("x"))])]).unwrap_err()
}

const TEXT: &str = "<?xml version='1.0'?>\n<!DOCTYPE s [<!ENTITY e \"]>\">]>\n<!-- <s port=\"0\"/> -->\n<s port='1' >\n    <a n=\"x\" ><b>one &amp; two</b></a>\n    <a n='y'/>\n    <c>\n        text\n    </c> <!-- c -->\n</s>\n";

#[test]
fn values_change_where_they_stand() {
    let wanted = [
        ("/s/@port", Value::Int(2)),
        ("/s/a[@n='x']/b", Value::from("<3>")),
        ("/s/a[2]/@n", Value::from("it's")),
        ("/s/c", Value::from("other")),
    ];
    let after =
        TEXT.replace("'1' >", "'2' >").replace("one &amp; two", "&lt;3&gt;").replace("'y'", "'it&apos;s'").replace("text\n", "other\n");
    let changes = check(TEXT, &wanted, &after);
    assert_eq!(changes[1], "~ /s/a[@n='x']/b: one & two -> <3>");
    assert_eq!(check(TEXT, &[("/s/a[1]/b/text()", Value::from("one & two")), ("/s/c", Value::from("text"))], TEXT), [""; 0]);
    check("<a><![CDATA[x<y]]></a>", &[("/a", Value::from("x<y"))], "<a><![CDATA[x<y]]></a>");
}

#[test]
fn what_is_missing_is_made_on_the_way() {
    check(TEXT, &[("/s/a[@n='y']/@m", Value::Int(1))], &TEXT.replace("'y'/>", "'y' m=\"1\"/>"));
    check(TEXT, &[("/s/a[@n='z']/d/@m", Value::Int(1))], &TEXT.replace("</c> ", "</c>\n    <a n=\"z\">\n        <d m=\"1\"/>\n    </a> "));
    check(TEXT, &[("/s/a[2]/d", Value::from("v"))], &TEXT.replace("'y'/>", "'y'>\n        <d>v</d>\n    </a>"));
    check("<a/>", &[("/a/b[1]/@c", Value::from("v"))], "<a><b c=\"v\"/></a>");
    check("<a>\n</a>\n", &[("/a/b", Value::from("v"))], "<a>\n  <b>v</b>\n</a>\n");
    check("<a/>", &[("/a", Value::from("v"))], "<a>v</a>");
    let trial = Trial::new();
    trial.converge(&XmlValueType::NEW, "/f", &[values(&[("/a/b/@c", Value::Bool(true))]), ("create", Value::Bool(true))]).unwrap();
    assert_eq!(trial.read("/f"), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b c=\"true\"/></a>\n");
}

#[test]
fn what_goes_takes_its_line_along() {
    check(TEXT, &[("/s/a[@n='y']", Value::Null)], &TEXT.replace("    <a n='y'/>\n", ""));
    assert_eq!(
        check(TEXT, &[("/s/a", Value::Null)], &TEXT.replace("    <a n=\"x\" ><b>one &amp; two</b></a>\n    <a n='y'/>\n", "")).len(),
        2
    );
    check(TEXT, &[("/s/a[1]/@n", Value::Null), ("/s/none/@x", Value::Null)], &TEXT.replace("<a n=\"x\" >", "<a >"));
    check(TEXT, &[("/s/c", Value::Null)], &TEXT.replace("    <c>\n        text\n    </c> <!-- c -->", "     <!-- c -->"));
}

#[test]
fn what_is_not_one_place_is_an_error() {
    assert!(refused(TEXT, "/s/a/@n").contains("leads to 2 places"));
    assert!(refused(TEXT, "/s/a/d").contains("there are 2 elements a on the way"));
    assert!(refused(TEXT, "/other/x").contains("only one"));
    assert!(refused(TEXT, "/s").contains("holds more than a text"));
    assert!(refused(TEXT, "/s/a[4]/@x").contains("at that position"));
    assert_eq!(refused("<a>\n<b></a>", "/a"), "/f: no </b> at line 2, column 4");
    assert_eq!(refused("<a b=1/>", "/a"), "/f: no quote at line 1, column 6");
    assert!(refused(&"<a>".repeat(300), "/a").contains("nested too deep"));
    assert!(Trial::refuses::<XmlValueType>("/f", &[values(&[("a", Value::Int(1))])]).contains("is no path"));
    assert!(Trial::refuses::<XmlValueType>("/f", &[values(&[("/a", list(&["x"]))])]).contains("found a list"));
}

#[test]
fn secrets_and_what_looks_like_one_are_hidden() {
    let secret = Value::Secret(Secret::new("canary".to_owned()));
    let changes =
        check("<a password=\"canary2\"><b>canary3</b></a>", &[("/a/@password", Value::Null), ("/a/b", secret)], "<a><b>canary</b></a>");
    assert_eq!(changes, ["- /a/@password: (secret) -> absent", "~ /a/b: (secret) -> (secret)"]);
}

#[test]
fn an_edit_changes_its_own_value_and_no_other_byte() {
    let pieces =
        ["<!-- <k/> -->", "\n  ", "<k a='1'/>", "<l b=\"&lt;\" >t</l>", "text ", "<![CDATA[</x>]]>", "<?p >?>", "<m><n/></m>", "é"];
    let mut chance = Chance::from(17);
    for _ in 0..3000 {
        let (before, after) = (chance.text(&pieces, 5), chance.text(&pieces, 5));
        let wrap = |inner: &str| format!("<x>\n{before}<y>{inner}</y>{after}\n</x>\n");
        let new = settled::<XmlValue>(&[values(&[("/x/y", Value::from("new"))])], &wrap("old")).unwrap();
        assert_eq!(new, wrap("new"));
        let text = settled::<XmlValue>(&[values(&[("/x/z/@w", Value::from("1"))])], &new).unwrap();
        assert!(text.contains(&before) && text.contains("<y>new</y>") && text.ends_with("</x>\n"), "{text}");
    }
}
