//! The forms of `keel diff`, judged by the schemas of those who read them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::diff::edited;
use crate::stage::{Done, Stage};

fn manifest_folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether a judge is there; `tests/run` installs them, and in CI they have to be.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{program} {arguments:?} is not there, and in CI nothing is skipped");
    if !found {
        Stage::say(&format!("skipped: {program} {arguments:?} is not there; tests/run installs it"));
    }
    found
}

fn judge_json(schema: &Path, document: &Path) {
    if !is_there("python3", &["-c", "import jsonschema"]) {
        return;
    }
    let program = "import json, sys, jsonschema
schema, document = (json.load(open(path)) for path in sys.argv[1:])
jsonschema.validators.validator_for(schema)(schema).validate(document)";
    Done::of(Command::new("python3").args(["-c", program]).arg(schema).arg(document).output().unwrap()).expect(0);
}

/// Holds what was printed against a published schema.
pub(crate) fn judge_printed(schema: &str, printed: &str) {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("printed.json");
    std::fs::write(&document, printed).unwrap();
    judge_json(&manifest_folder("../engine/schemas").join(schema), &document);
}

fn judge_xml(schema: &Path, document: &Path) {
    if is_there("xmllint", &["--version"]) {
        Done::of(Command::new("xmllint").arg("--noout").arg("--schema").arg(schema).arg(document).output().unwrap()).expect(0);
    }
}

/// A stage with a change that has a bit of everything, and the output of a format in a file.
fn written(stage: &Stage, format: &str) -> PathBuf {
    let path = stage.folder().join(format!("out.{format}"));
    stage.keel(&["diff", "main", "--format", format, "-o", path.to_str().unwrap()]);
    path
}

fn changed() -> Stage {
    let stage = edited();
    stage.write("site/inventory/groups/web.toml", "members = [\"web-*\"]\n[vars]\nport = 8080\n");
    let manifest = "on \"host:*\" { use app; }\nhost db-1 { fail \"not <today> & \\\"never\\\"\"; }\n";
    stage.write("site/manifests/site.kdl", manifest);
    stage
}

#[test]
fn every_form_keeps_to_its_schema() {
    let stage = changed();
    for (sarif, junit, own) in [
        (written(&stage, "sarif"), written(&stage, "junit"), written(&stage, "json")),
        (
            manifest_folder("tests/previews/preview.sarif"),
            manifest_folder("tests/previews/preview.xml"),
            manifest_folder("tests/previews/preview.json"),
        ),
    ] {
        judge_json(&manifest_folder("tests/schemas/sarif-2.1.0.json"), &sarif);
        judge_xml(&manifest_folder("tests/schemas/junit-10.xsd"), &junit);
        judge_json(&manifest_folder("../engine/schemas/preview.json"), &own);
    }
    let check = stage.folder().join("check.sarif");
    std::fs::write(&check, stage.keel(&["check", "--format", "sarif"]).expect(1).out).unwrap();
    judge_json(&manifest_folder("tests/schemas/sarif-2.1.0.json"), &check);
    judge_printed("check.json", &stage.keel(&["check", "--json"]).expect(1).out);
}

#[test]
fn the_published_schema_refuses_what_is_no_preview() {
    if !is_there("python3", &["-c", "import jsonschema"]) {
        return;
    }
    let stage = changed();
    let text = std::fs::read_to_string(written(&stage, "json")).unwrap();
    let mut data: Value = serde_json::from_str(&text).unwrap();
    data["entries"][0]["state"] = Value::from("well");
    stage.write("wrong.json", &data.to_string());
    let schema = manifest_folder("../engine/schemas/preview.json");
    let wrong = stage.folder().join("wrong.json");
    let found = std::panic::catch_unwind(|| judge_json(&schema, &wrong));
    assert!(found.is_err(), "a state that is none has to be refused");
}

#[test]
fn annotations_name_files_below_the_top_of_the_repository() {
    let stage = changed();
    let text = stage.keel(&["diff", "main", "--format", "github"]).expect(4).out;
    assert!(text.starts_with("::error file=manifests/site.kdl,line=2,"), "{text}");
    assert!(text.contains("::warning ") && text.contains("::notice file=modules/app/module.kdl,line=2,"), "{text}");
    let outer = stage.folder().to_owned();
    std::fs::remove_dir_all(stage.site().join(".git")).unwrap();
    crate::diff::git(&outer, &["init", "-q"]);
    crate::diff::git(&outer, &["add", "site"]);
    crate::diff::git(&outer, &["commit", "-q", "-m", "one"]);
    stage.write("site/modules/app/module.kdl", "module app {\n    file \"/etc/new\"\n}\n");
    let found: Value = serde_json::from_str(&stage.keel(&["diff", "main", "--format", "gitlab"]).expect(4).out).unwrap();
    let paths: Vec<&str> = found.as_array().unwrap().iter().map(|one| one["location"]["path"].as_str().unwrap()).collect();
    assert!(paths.iter().all(|path| path.starts_with("site/")), "{paths:?}");
}
