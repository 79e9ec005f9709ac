//! Every folder in `examples/` compiles for every host of its inventory, to what its file in
//! `tests/expected/` says. `KEEL_REFRESH=1` writes those files anew; read what changed in them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use keel_tests::program::keel;
use serde_json::Value;

const LINES_MAX: usize = 200;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn examples() -> Vec<PathBuf> {
    let inside = |folder: &Path| {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    // Sites that belong together stand in one folder.
    let sites = inside(&folder("../examples"))
        .into_iter()
        .flat_map(|path| if path.join("keel.toml").is_file() { vec![path] } else { inside(&path) });
    let mut examples: Vec<PathBuf> = sites.filter(|path| path.join("keel.toml").is_file()).collect();
    examples.sort();
    assert!(!examples.is_empty());
    examples
}

/// The hosts of a site, by the heads of their tables.
fn hosts(site: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(site.join("inventory/hosts.toml")).unwrap();
    let heads = text.lines().filter_map(|line| line.strip_prefix("[hosts.")?.strip_suffix(']'));
    heads.map(|name| name.trim_matches('"').to_owned()).collect()
}

fn answer(arguments: &[&str]) -> String {
    let output = Command::new(keel()).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "keel {}:\n{}{said}", arguments.join(" "), String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_example_compiles_to_what_is_expected() {
    let mut different = Vec::new();
    for site in examples() {
        let name = site.file_name().unwrap().to_string_lossy().into_owned();
        let site_text = site.to_string_lossy().into_owned();
        let mut summary = String::new();
        for host in hosts(&site) {
            let catalog: Value = serde_json::from_str(&answer(&["compile", &site_text, "--host", &host])).unwrap();
            summarise(&host, &catalog, &mut summary);
        }
        assert!(summary.lines().count() <= LINES_MAX, "{name}: a summary of {} lines is read by nobody", summary.lines().count());
        let file = folder("expected").join(format!("{name}.txt"));
        if std::env::var_os("KEEL_REFRESH").is_some() {
            std::fs::write(&file, &summary).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != summary {
            different.push(format!("{name}: not as {} says:\n{summary}", file.display()));
        }
    }
    assert!(different.is_empty(), "{}\nKEEL_REFRESH=1 writes the files anew", different.join("\n"));
}

#[test]
fn every_example_passes_the_check() {
    for site in examples() {
        answer(&["check", &site.to_string_lossy()]);
    }
}

#[test]
fn every_example_passes_its_own_tests_and_converges_from_anywhere() {
    for site in examples() {
        answer(&["test", &site.to_string_lossy(), "--converge", "--seed", "1"]);
    }
}

/// One line a resource and one a relation, long values by their hash.
fn summarise(host: &str, compiled: &Value, summary: &mut String) {
    let catalog = &compiled["catalog"];
    writeln!(summary, "host {host}").unwrap();
    for resource in catalog["resources"].as_array().unwrap() {
        let attributes = resource["attributes"].as_object().unwrap();
        let attributes: Vec<String> = attributes.iter().map(|(name, value)| format!("{name}={}", short(value))).collect();
        writeln!(summary, "  {} {}", address(resource), attributes.join(" ")).unwrap();
    }
    for relation in catalog["relations"].as_array().unwrap() {
        let effect = relation["notify"].as_str().map(|effect| format!(" effect={effect}")).unwrap_or_default();
        let [first, then] = ["first", "then"].map(|end| node(catalog, &relation[end]));
        writeln!(summary, "  {first} {} {then}{effect}", relation["word"].as_str().unwrap()).unwrap();
    }
}

/// The address of one end of a relation: a resource or a use of a module, by position.
fn node(catalog: &Value, end: &Value) -> String {
    let (list, position) = match (end["Resource"].as_u64(), end["Container"].as_u64()) {
        (Some(position), _) => ("resources", position),
        (None, position) => ("containers", position.unwrap()),
    };
    address(&catalog[list][usize::try_from(position).unwrap()])
}

fn address(thing: &Value) -> String {
    let part = |name: &str| thing["address"][name].as_str().unwrap();
    format!("({}){}", part("type_name"), part("title"))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 60 { text } else { format!("#{}", &blake3::hash(text.as_bytes()).to_hex()[..8]) }
}
