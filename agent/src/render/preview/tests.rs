//! The forms of a preview on a sample with a hostile title.

use std::path::Path;

use keel_engine::catalog::{Effect, RelationWord};
use keel_engine::change::{Action, Change, Shown};
use keel_engine::difference::{Cause, Condition, Difference, ExpectedDisruption, ExpectedRefresh};
use keel_engine::preview::HostPreview;
use keel_engine::resource::Disruption;

use super::*;
use crate::render::paint::Paint;
use crate::render::report::Style;

const STYLE: Style = Style { paint: Paint { colour: false }, all: false, full: false };

/// A title that means something in every format, and something else in each.
const HOSTILE: &str = "/x\u{1b}[2J</code></details><script>alert(1)</script>]]>\"&'`|@all **b** ::error::%0A\u{202e}\u{ffff}";

fn resource(type_name: &str, title: &str, fate: Fate, changes: Vec<Change>) -> ResourceDifference {
    let origin = format!("modules/web/module.kdl:{}", title.len());
    ResourceDifference { address: Address::new(type_name, title), fate, origin, modules: vec!["web".to_owned()], note: None, changes }
}

fn difference() -> Difference {
    let text = |text: &str| Shown::Text(text.into());
    let (page, web) = (Cause::here(Address::new("file", "/srv/page")), Address::new("service", "web"));
    let elsewhere = Cause { address: Address::new("file", HOSTILE), host: Some("db-1".to_owned()), only_if: Some(Condition::RunsLater) };
    Difference {
        resources: vec![
            resource(
                "file",
                "/srv/page",
                Fate::Changed,
                vec![
                    Change::update("mode", "0640", "0644"),
                    Change::between("content", text("a\n```\nb\n"), text("a\n````\n<b>\n")),
                    Change::between("content: db/password", Shown::Hidden, Shown::Hidden),
                ],
            ),
            resource("file", HOSTILE, Fate::Added, vec![Change::create("content", HOSTILE)]),
            resource("package", "tool", Fate::Deleted, vec![Change::delete("ensure", "present")]),
            resource("file", "/old", Fate::Released, Vec::new()),
        ],
        relations: vec![RelationDifference {
            action: Action::Create,
            from: web.clone(),
            word: RelationWord::Require,
            target: Address::new("service", "db"),
            host: Some("db-1".to_owned()),
            effect: None,
            origin: "manifests/site.kdl:4".to_owned(),
        }],
        settings: vec![Change::update("schedule night", "01:00-02:00", "02:00-03:00")],
        refreshes: vec![ExpectedRefresh { target: web.clone(), effect: Effect::Restart, sources: vec![page.clone(), elsewhere] }],
        disruptions: vec![ExpectedDisruption { kind: Disruption::Restart, address: web, sources: vec![page] }],
    }
}

fn host(name: &str, state: HostState, difference: Difference, problems: Vec<Problem>) -> HostPreview {
    HostPreview { host: name.to_owned(), groups: vec!["all".to_owned(), "web".to_owned()], state, difference, problems }
}

fn sample() -> Preview {
    let revision = |name: &str, commit: &str| Revision { name: name.to_owned(), commit: Some(commit.repeat(40)) };
    let subject = Subject::Difference { base: revision("main", "a"), head: revision("feature`<b>", "b") };
    let problem = Problem {
        level: Level::Error,
        code: Some("KE0213".to_owned()),
        message: format!("there is no type `{HOSTILE}`"),
        help: vec!["did you mean `file`?".to_owned()],
        place: Some(Place { file: "manifests/a b.kdl".to_owned(), line: 3, column: 5 }),
        in_base: false,
    };
    let hosts = vec![
        host("web-1", HostState::Changed, difference(), Vec::new()),
        host("web-2", HostState::Changed, difference(), Vec::new()),
        host("db-1", HostState::Broken, Difference::default(), vec![problem]),
        host("web-9", HostState::Silent, Difference::default(), Vec::new()),
        host("idle", HostState::Unchanged, Difference::default(), Vec::new()),
    ];
    Preview::fold("shop", subject, hosts, Vec::new()).below("sites/shop/")
}

/// Compares with what was reviewed; `KEEL_REFRESH=1` writes it anew.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/previews").join(name);
    if std::env::var_os("KEEL_REFRESH").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == reviewed, "{name} is another one: look at it, and run the test with KEEL_REFRESH=1\n{text}");
}

fn pretty(data: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(data).unwrap() + "\n"
}

#[test]
fn every_format_is_the_one_that_was_reviewed() {
    let preview = sample();
    golden("preview.txt", &text::render(&preview, STYLE));
    golden("preview.json", &pretty(&preview));
    golden("preview.md", &markdown::render(&preview, 60_000, false));
    golden("preview.xml", &junit::render(&preview));
    golden("preview.sarif", &pretty(&sarif::render(&preview)));
    golden("preview.github", &github::render(&preview));
    golden("preview.gitlab.json", &pretty(&gitlab::render(&preview)));
    // The style and the script stand in files of their own.
    let page = html::render(&preview, &Pictures::default());
    let bare = page.replace(include_str!("page.css"), "(page.css)\n").replace(include_str!("page.js"), "(page.js)\n");
    assert!(bare.len() + 5_000 < page.len(), "the page has both");
    golden("preview.html", &bare);
}

#[test]
fn no_title_gets_out_of_its_place() {
    let preview = sample();
    let (terminal, page) = (text::render(&preview, STYLE), html::render(&preview, &Pictures::default()));
    assert!(!terminal.contains(['\u{1b}', '\u{202e}']), "{terminal}");
    assert!(!page.contains("<script>alert") && page.matches("<script>").count() == 1, "{page}");
    let annotations = github::render(&preview);
    assert!(
        annotations.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ") || line.starts_with("::notice "))
    );
    let xml = junit::render(&preview);
    assert!(!xml.contains("]]>") && !xml.contains('\u{ffff}'), "{xml}");
    let comment = markdown::render(&preview, 60_000, false);
    // Inside of the fence all is text; outside of it nothing may open or close anything, or call anybody.
    let outside: String = comment.split("`````").step_by(2).collect();
    assert_eq!(outside.matches("<details").count(), outside.matches("</details>").count(), "{comment}");
    assert!(!outside.contains("@all") && !outside.contains("<script"), "{comment}");
}

#[test]
fn a_comment_is_cut_to_its_size_and_says_what_it_lacks() {
    let whole = markdown::render(&sample(), 60_000, false);
    assert!(!whole.contains("Left out"), "{whole}");
    for max in [1000, 1500, 2000] {
        let cut = markdown::render(&sample(), max, false);
        assert!(cut.len() <= max && cut.contains("Left out"), "{max}: {} bytes\n{cut}", cut.len());
    }
}

#[test]
fn a_case_of_junit_is_named_by_code_and_place_and_no_two_are_the_same() {
    let problem = |code: &str, line| Problem {
        level: Level::Error,
        code: Some(code.to_owned()),
        message: "m".to_owned(),
        help: Vec::new(),
        place: Some(Place { file: "a.kdl".to_owned(), line, column: 5 }),
        in_base: false,
    };
    let problems = vec![problem("KE0201", 1), problem("KE0201", 2), problem("KE0201", 2)];
    let preview = Preview::fold("s", Subject::Check { of: Revision::folder() }, Vec::new(), problems);
    let xml = junit::render(&preview);
    for name in ["KE0201 a.kdl:1:5", "KE0201 a.kdl:2:5", "KE0201 a.kdl:2:5 (2)"] {
        assert_eq!(xml.matches(&format!("name=\"{name}\"")).count(), 1, "{name}\n{xml}");
    }
}

#[test]
fn a_page_shows_a_part_of_a_very_long_text_and_says_so() {
    let long: String = (0..60_000).map(|number| format!("line {number}\n")).collect();
    let mut preview = sample();
    preview.entries.truncate(1);
    let change = Change::create("content", Shown::bytes(long.as_bytes()));
    preview.entries[0].difference.settings = vec![change];
    let page = html::render(&preview, &Pictures::default());
    assert!(page.contains("line 9000\n") || page.contains("line 9000<"), "the beginning is there");
    assert!(!page.contains("line 59999") && page.contains(" more lines, --format text --full shows them"));
}

#[test]
fn findings_keep_their_print_when_lines_move() {
    let prints = |preview: &Preview| {
        let found = gitlab::render(preview);
        found.as_array().unwrap().iter().map(|one| one["fingerprint"].clone()).collect::<Vec<_>>()
    };
    let mut moved = sample();
    for entry in &mut moved.entries {
        entry.difference.resources.iter_mut().for_each(|one| one.origin = "modules/web/module.kdl:999".to_owned());
    }
    assert_eq!(prints(&sample()), prints(&moved));
}

#[test]
fn places_of_the_stock_library_are_not_in_the_repository() {
    assert_eq!(place_of("(library)/chrony/module.kdl:3"), None);
    assert_eq!(place_of("?:0"), None);
    assert_eq!(place_of("m/a:b.kdl:3").map(|place| (place.file, place.line)), Some(("m/a:b.kdl".to_owned(), 3)));
}
