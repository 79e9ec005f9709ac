//! Files of keys and values that are read, and edited with nothing lost.

use super::*;
use crate::chance::Chance;

const PLAIN: Dialect = Dialect::Plain(Separator::Sign('='));
const STYLE: Style<'static> = Style { quote: Quote::Auto, separator: None, export: None, uncomment: true };

fn wanted(text: &str) -> Wanted {
    Wanted { text: text.to_owned(), expands: false }
}

fn set_in(text: &str, dialect: Dialect, key: &str, values: &[&str], style: &Style<'_>) -> String {
    let mut document = Document::parse(text, dialect);
    let values: Vec<Wanted> = values.iter().map(|value| wanted(value)).collect();
    document.set(key, &values, style);
    let written = document.to_text();
    let again = Document::parse(&written, dialect);
    let found: Vec<String> = again.values(key).iter().map(|found| found.text.clone()).collect();
    assert_eq!(found, values.iter().map(|value| value.text.clone()).collect::<Vec<_>>(), "{text:?} became {written:?}");
    written
}

fn shell(text: &str, key: &str, values: &[&str]) -> String {
    set_in(text, Dialect::Shell, key, values, &STYLE)
}

fn plain(text: &str, key: &str, values: &[&str]) -> String {
    set_in(text, PLAIN, key, values, &STYLE)
}

#[test]
fn a_value_is_changed_where_it_stands_with_its_quotes_and_comment() {
    assert_eq!(shell("# a\nA=1 # one\nB=2\n", "A", &["3"]), "# a\nA=3 # one\nB=2\n");
    assert_eq!(shell("A=\"x\"\n", "A", &["y"]), "A=\"y\"\n");
    assert_eq!(shell("A='x'\n", "A", &["y z"]), "A='y z'\n");
    assert_eq!(shell("A=x\n", "A", &["y z"]), "A=\"y z\"\n");
    assert_eq!(shell("export A=x;\n", "A", &["$y"]), "export A=\"\\$y\";\n");
    assert_eq!(shell("A=\"one\ntwo\" # c\nB=1\n", "A", &["x"]), "A=\"x\" # c\nB=1\n");
    assert_eq!(shell("A=1\r\n", "A", &["2"]), "A=2\r\n");
}

#[test]
fn a_commented_default_is_taken_up_and_everything_else_goes_to_the_end() {
    assert_eq!(shell("# About A.\n# A=1\nB=2\n", "A", &["3"]), "# About A.\nA=3\nB=2\n");
    assert_eq!(shell("# A=1 is usual\nB=2", "A", &["3"]), "# A=1 is usual\nB=2\nA=3\n");
    let below = Style { uncomment: false, ..STYLE };
    assert_eq!(set_in("#A=1\nB=2\n", Dialect::Shell, "A", &["3"], &below), "#A=1\nA=3\nB=2\n");
    assert_eq!(shell("", "A", &[""]), "A=\"\"\n");
}

#[test]
fn of_several_values_the_last_one_counts_and_stays() {
    assert_eq!(shell("A=1\nB=$A\nA=2\n", "A", &["3"]), "B=$A\nA=3\n");
    assert_eq!(shell("A=1\nA=2\n", "A", &[]), "");
    assert_eq!(plain("a = 1\nb = 2\na = 3\n", "a", &["x", "y", "z"]), "a = x\nb = 2\na = y\na = z\n");
    assert_eq!(plain("a = 1\nb = 2\na = 3\n", "a", &["x"]), "b = 2\na = x\n");
}

#[test]
fn what_a_shell_does_otherwise_is_not_touched() {
    let text = "if [ -f /x ]; then\n  A=1\nfi\nA+=2\nB=(1 2)\nC=1 run\n";
    let document = Document::parse(text, Dialect::Shell);
    assert_eq!(document.keys(), Vec::<&str>::new());
    assert_eq!(["A", "B", "C", "D"].map(|key| document.opaque(key)), [Some(4), Some(5), Some(6), None]);
}

#[test]
fn exports_come_and_go() {
    let with = |export| Style { export: Some(export), ..STYLE };
    assert_eq!(set_in("A=1\n", Dialect::Shell, "A", &["1"], &with(true)), "export A=1\n");
    assert_eq!(set_in("export A='1' # c\n", Dialect::Shell, "A", &["1"], &with(false)), "A='1' # c\n");
    assert_eq!(set_in("", Dialect::Shell, "A", &["1"], &with(true)), "export A=1\n");
}

#[test]
fn plain_files_keep_their_separators_and_continuations() {
    assert_eq!(plain("a=1\n", "b", &["2"]), "a=1\nb=2\n");
    assert_eq!(plain("a  =  1\n# b = 0\n", "b", &["2"]), "a  =  1\nb  =  2\n");
    assert_eq!(plain("a = 1 \\\n  2\nb = 3\n", "a", &["x"]), "a = x\nb = 3\n");
    assert_eq!(plain("a =\n", "a", &["x y"]), "a = x y\n");
    assert_eq!(plain("lonely\n", "lonely", &["x"]), "lonely = x\n");
    let spaced = Dialect::Plain(Separator::Space);
    assert_eq!(set_in("Port 22\n", spaced, "Port", &["2222"], &STYLE), "Port 2222\n");
    assert_eq!(set_in("", spaced, "Port", &["1"], &STYLE), "Port 1\n");
}

#[test]
fn whatever_is_not_ours_stays_byte_for_byte() {
    let pieces = [
        "A=1\n",
        "B=\"x y\"\n",
        "export C='z'\r\n",
        "# A=1\n",
        "\n",
        "  A=3\n",
        "A+=1\n",
        "B=(1)\n",
        "é \"\n",
        "A=\"\n",
        "\\\n",
        "D=$(x)\n",
        "=\n",
        " # c\n",
        "b = 1 \\\n",
        "#",
        "A=1 # c",
        "\t",
    ];
    let mut chance = Chance::from(3);
    for _ in 0..4000 {
        let text = chance.text(&pieces, 9);
        for dialect in [Dialect::Shell, PLAIN] {
            let mut document = Document::parse(&text, dialect);
            assert_eq!(document.to_text(), text);
            let others = |document: &Document| -> String {
                let is_ours = |line: &&Line| {
                    matches!(&line.kind, Kind::Entry(entry) if entry.key == "A") || matches!(&line.kind, Kind::Shown(key) if key == "A")
                };
                document.lines.iter().filter(|line| !is_ours(line)).map(|line| line.raw.trim_end()).collect::<Vec<_>>().join("|")
            };
            let before = others(&document);
            document.set("A", &[wanted("new value")], &STYLE);
            assert_eq!(others(&document), before, "{text:?}");
            assert_eq!(document.values("A").len(), 1);
        }
    }
}
