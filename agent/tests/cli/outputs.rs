//! The forms of output that other programs read.

use serde_json::Value;

use crate::stage::Stage;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn check_speaks_to_people_programs_and_forges() {
    let stage = Stage::new("fil \"/a\" content=\"x\"");
    assert!(stage.keel(&["check"]).expect(1).out.contains("`file`"));
    let data = json(&stage.keel(&["check", "--json"]).expect(1).out);
    assert_eq!(data["diagnostics"][0]["labels"][0]["start"]["line"], 2);
    let sarif = json(&stage.keel(&["check", "--format", "sarif"]).expect(1).out);
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
    assert!(stage.keel(&["check", "--format", "github"]).expect(1).out.starts_with("::error file=manifests/site.kdl,line=2,col=1,"));
    stage.manifest("file \"/a\" content=\"x\"");
    assert!(stage.keel(&["check"]).expect(0).out.contains("1 host, 1 resource, all compile"));
}

#[test]
fn check_judges_relations_across_hosts() {
    let stage = Stage::new("file \"/a\" content=\"x\" { require (file)\"/z\" host=other; }");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\n[hosts.other]\n");
    let dangling = stage.keel(&["check"]).expect(1);
    assert!(dangling.out.contains("other"), "{}", dangling.out);
    stage.write("site/manifests/other.kdl", "host other { file \"/z\" content=\"z\" { require (file)\"/a\" host=h; }; }\n");
    let circle = stage.keel(&["check"]).expect(1);
    assert!(circle.out.contains("/a") && circle.out.contains("/z"), "{}", circle.out);
    stage.write("site/manifests/other.kdl", "host other { file \"/z\" content=\"z\"; }\n");
    stage.keel(&["check"]).expect(0);
}

#[test]
fn a_check_by_what_is_kept_says_the_same() {
    let manifest = "file \"/nowhere/a\" content=\"x\"\nwarn \"look at {{ word }}\"";
    let stage = Stage::new(manifest);
    stage.write("site/inventory/groups/all.toml", "[vars]\nword = \"this\"\n");
    let cache = stage.folder().join("cache");
    let check = || stage.keel(&["check", "--cache", cache.to_str().unwrap()]);
    let cold = check().expect(0);
    assert!(cold.out.contains("look at this") && cold.out.contains("KE0805"), "{}", cold.out);
    let mut files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files, [cache.join("site.checks"), cache.join("site.lowered")]);
    assert_eq!(check().expect(0).out, cold.out);
    stage.write("site/inventory/groups/all.toml", "[vars]\nword = \"that\"\n");
    assert!(check().expect(0).out.contains("look at that"));
    stage.manifest("fil \"/a\" content=\"x\"");
    check().expect(1);
    check().expect(1);
    stage.manifest(manifest);
    stage.write("site/inventory/groups/all.toml", "[vars]\nword = \"this\"\n");
    files.iter().for_each(|file| std::fs::write(file, "rubbish").unwrap());
    assert_eq!(check().expect(0).out, cold.out);
}

#[test]
fn a_catalog_is_the_same_every_time() {
    let stage = Stage::new("file \"/a\" content=\"x\"\nfile \"/b\" content=\"{{ facts.os.family | default('none') }}\"");
    let unknown = stage.keel(&["compile", "--host", "h"]).expect(1);
    assert!(unknown.err.contains("keel facts > facts/h.json"), "{}", unknown.err);
    stage.write("site/facts/h.json", "{ \"os\": { \"family\": \"debian\" } }");
    let first = stage.keel(&["compile", "--host", "h"]).expect(0).out;
    assert_eq!(first, stage.keel(&["compile", "--host", "h"]).expect(0).out);
    assert_eq!(json(&first)["catalog"]["resources"][0]["attributes"]["content"], "x");
}

#[test]
fn graphs_come_as_pictures_and_as_data() {
    let stage = Stage::new("file \"/d\" ensure=directory\nfile \"/d/f\" content=\"x\"");
    for (form, start) in [("dot", "digraph keel {"), ("mermaid", "flowchart LR"), ("svg", "<svg ")] {
        let out = stage.keel(&["graph", "--host", "h", "-o", form]).expect(0).out;
        assert!(out.starts_with(start) && out.contains("/d/f"), "{form}: {out}");
    }
    let data = json(&stage.keel(&["graph", "--host", "h", "--json"]).expect(0).out);
    assert_eq!(
        data["resources"][1],
        serde_json::json!({ "address": data["edges"][0]["to"], "origin": "manifests/site.kdl:3", "container": null })
    );
    assert_eq!(data["edges"][0]["key"], "path:/d", "{data}");
}

#[test]
fn every_type_has_a_reference_page() {
    let stage = Stage::new("");
    let list = stage.keel(&["doc"]).expect(0).out;
    assert!(list.lines().count() >= 16, "{list}");
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        let page = stage.keel(&["doc", name]).expect(0).out;
        assert!(page.contains("Attributes") && page.lines().count() > 10, "{page}");
    }
    let wrong = stage.keel(&["doc", "sevice"]).expect(64);
    assert!(wrong.err.contains("did you mean `service`"), "{}", wrong.err);
}

#[test]
fn colour_is_for_terminals_or_for_those_who_ask() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    assert!(!stage.run("plan", &[]).expect(0).out.contains('\u{1b}'));
    assert!(stage.run("plan", &["--color", "always"]).expect(0).out.contains('\u{1b}'));
}

#[test]
fn fmt_checks_and_formats() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    let check = stage.keel(&["fmt", "--check"]).expect(1);
    assert!(check.out.contains("site.kdl"), "{}", check.out);
    stage.keel(&["fmt"]).expect(0);
    stage.keel(&["fmt", "--check"]).expect(0);
    let text = std::fs::read_to_string(stage.site().join("manifests/site.kdl")).unwrap();
    assert_eq!(text, "host h {\n    file \"/a\" content=\"x\"\n}\n");
}

#[test]
fn inspect_prints_what_plans_to_nothing() {
    let stage = Stage::new("");
    stage.write("root/etc/hosts", "10.0.0.1\tdb-1 db\n10.0.0.3\t{{x}}\n10.0.0.2\tweb # mine\n");
    stage.write("root/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nada:x:1000:0:{{ Ada }}:/home/ada:/bin/sh\n");
    stage.write("root/etc/group", "root:x:0:ada\n");
    let root = stage.root();
    let inspect = |more: &[&str]| stage.keel(&[&["inspect", "--root", root.to_str().unwrap()], more].concat());
    let everything = inspect(&["--all"]).expect(0).out;
    assert!(everything.contains("host \"web\" ip=\"10.0.0.2\"\n") && everything.contains("(lit)\"{{ Ada }}\""), "{everything}");
    stage.manifest(&everything);
    stage.run("plan", &["--detailed-exitcode"]).expect(0);
    let one = json(&inspect(&["user", "ada", "--json"]).expect(0).out);
    assert_eq!((one[0]["title"].as_str(), one[0]["attributes"]["uid"].as_i64()), (Some("ada"), Some(1000)));
    assert!(inspect(&["user", "eve"]).expect(1).err.contains("there is no user \"eve\" here"));
    assert!(inspect(&["line"]).expect(64).err.contains("cannot be listed"));
    assert!(inspect(&["usr"]).expect(64).err.contains("user"));
}

#[test]
fn inspect_prints_the_values_of_a_file_that_is_named() {
    let stage = Stage::new("");
    let root = stage.root();
    stage.write("root/etc/a.json", "{\"log\": {\"level\": \"info\", \"to\": [\"x\"]}, \"none\": [], \"nothing\": null, \"db_password\": \"c4nary\", \"list\": [{\"a\": 1}, 2]}\n");
    stage.write("root/etc/a.toml", "port = 5\n[server]\nname = \"{{ x }}\"\n");
    stage.write("root/etc/a.yaml", "a:\n  - one\n  - two\nb: 1.5\n");
    let inspect = |more: &[&str]| stage.keel(&[&["inspect", "--root", root.to_str().unwrap()], more].concat());
    let texts: Vec<String> = [("json_file", "/etc/a.json"), ("toml_file", "/etc/a.toml"), ("yaml_file", "/etc/a.yaml")]
        .map(|(kind, path)| inspect(&[kind, path]).expect(0).out)
        .into();
    assert!(texts[0].contains("level \"info\"") && !texts[0].contains("c4nary"), "{}", texts[0]);
    stage.manifest(&texts.concat());
    let plan = stage.run("plan", &["--detailed-exitcode", "--all"]).expect(0);
    assert!(plan.out.contains("3 unchanged") || plan.out.contains("json_file"), "{}", plan.out);
    assert!(inspect(&["json_file"]).expect(64).err.contains("keel inspect json_file /PATH"));
    assert!(inspect(&["--all"]).expect(0).out.is_empty());
}
