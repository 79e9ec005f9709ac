//! The page of `keel diff --format html`, looked at in a real browser, from a file and without a network.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::diff::edited;
use crate::stage::{Done, Stage};

/// The browser, where there is one; `tests/run` installs it, and in CI it has to be there.
fn browser() -> Option<&'static str> {
    let found =
        ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "there is no chromium, and in CI nothing is skipped");
    if found.is_none() {
        Stage::say("skipped: there is no chromium; tests/run installs it");
    }
    found
}

fn page() -> (Stage, PathBuf) {
    let stage = edited();
    stage.write("site/inventory/groups/web.toml", "members = [\"web-*\"]\n[vars]\nport = 8080\n");
    let hostile = "file \"/etc/db\" content=\"<script>document.title='broken in'</script>\"";
    let manifest = format!("on \"host:*\" {{ use app; }}\ngroup db {{ {hostile}; service db ensure=running; }}\n");
    stage.write("site/manifests/site.kdl", &manifest);
    let path = stage.folder().join("page.html");
    stage.keel(&["diff", "main", "--format", "html", "-o", path.to_str().unwrap()]).expect(0);
    (stage, path)
}

fn run(browser: &str, stage: &Stage, arguments: &[String]) -> Done {
    let profile = format!("--user-data-dir={}", stage.folder().join("browser").display());
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    // Whatever it would fetch, there is nobody to answer.
    command.args(["--host-resolver-rules=MAP * 0.0.0.0", "--disable-background-networking", &profile]).args(arguments);
    Done::of(command.output().unwrap())
}

/// What the page is once its script has run.
fn looked_at(browser: &str, stage: &Stage, page: &Path, asked: &str) -> String {
    run(browser, stage, &["--dump-dom".to_owned(), format!("file://{}{asked}", page.display())]).expect(0).out
}

/// The heads of the sections that are in sight.
fn in_sight(dom: &str) -> Vec<String> {
    let sections = dom.split("<section ").skip(1);
    let shown = sections.filter(|section| !section.split('>').next().unwrap().contains("hidden"));
    shown
        .map(|section| section.split("<h2").nth(1).unwrap().split('>').nth(1).unwrap().split('<').next().unwrap().trim().to_owned())
        .collect()
}

#[test]
fn the_page_searches_and_filters_from_a_file() {
    let Some(browser) = browser() else { return };
    let (stage, page) = page();
    let all = looked_at(browser, &stage, &page, "");
    assert_eq!(in_sight(&all), ["2 hosts", "db-1"], "{all}");
    assert!(all.contains("<title>keel diff main@") && !all.contains("broken in</title>"), "no title of a site runs as a script");
    assert!(all.contains("<svg role=\"img\""), "the graph is drawn\n{all}");
    assert_eq!(in_sight(&looked_at(browser, &stage, &page, "#group=db")), ["db-1"]);
    assert_eq!(in_sight(&looked_at(browser, &stage, &page, "#q=8080")), ["2 hosts"]);
    assert_eq!(in_sight(&looked_at(browser, &stage, &page, "#q=web-2")), ["2 hosts"]);
    assert_eq!(in_sight(&looked_at(browser, &stage, &page, "#q=nowhere")), Vec::<String>::new());
    let typed = looked_at(browser, &stage, &page, "#type=service");
    assert_eq!(in_sight(&typed), ["db-1"]);
    assert!(typed.contains("1 of 2 sets of hosts shown"), "{typed}");
}

#[test]
fn a_picture_of_the_page_is_kept() {
    let Some(browser) = browser() else { return };
    let (stage, page) = page();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, scheme) in [
        ("diff-page-light.png", "--blink-settings=preferredColorScheme=1"),
        ("diff-page-dark.png", "--blink-settings=preferredColorScheme=0"),
    ] {
        let picture = folder.join(name);
        let arguments = [
            "--window-size=1280,1600".to_owned(),
            "--hide-scrollbars".to_owned(),
            scheme.to_owned(),
            format!("--screenshot={}", picture.display()),
            format!("file://{}", page.display()),
        ];
        run(browser, &stage, &arguments).expect(0);
        let bytes = std::fs::read(&picture).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000, "{} has {} bytes", picture.display(), bytes.len());
    }
}
