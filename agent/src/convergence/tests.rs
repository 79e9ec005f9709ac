//! Sites that converge to one end, and sites that do not.

use std::path::PathBuf;
use std::sync::Arc;

use keel_engine::contents::Contents;
use keel_manifests::files::MemoryFiles;
use keel_manifests::site::{LoadOptions, Site};

use super::{Convergence, Fault, Plan, attempt};

fn tried(manifest: &str) -> Convergence {
    let text = format!("host h {{\n{manifest}\n}}\n");
    let files = MemoryFiles::new([("keel.toml", "name = \"s\"\n"), ("inventory/hosts.toml", "[hosts.h]\n"), ("manifests/site.kdl", &text)]);
    let (site, found) = Site::load(Arc::new(files), LoadOptions::default(), keel_resources::declared());
    assert!(found.iter().all(|one| !one.is_error()), "{found:?}");
    let compiled = site.unwrap().compile("h");
    assert!(compiled.catalog.is_some(), "{:?}", compiled.diagnostics);
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { folder: folder.path().to_owned(), seed: 5, drifts: 10 };
    let contents: Arc<dyn Contents> = Arc::new(compiled.contents);
    let convergence = attempt(&compiled.catalog.unwrap(), &contents, &plan).unwrap();
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<PathBuf>>(),
        Vec::<PathBuf>::new()
    );
    convergence
}

fn faults(convergence: &Convergence) -> Vec<Fault> {
    convergence.findings.iter().map(|finding| finding.fault).collect()
}

#[test]
fn what_does_not_depend_on_the_start_comes_to_one_end() {
    let convergence = tried(
        "    file \"/srv/a\" ensure=directory mode=\"0750\"\n    file \"/srv/a/b\" content=\"one\\n\" mode=\"0640\" owner=somebody\n    \
         file \"/srv/l\" target=\"/srv/a\"\n    line \"/etc/words\" line=one\n    ini \"/etc/x.ini\" create=#true {\n        section main {\n            k 1\n        }\n    }\n    \
         package app\n    service app ensure=running {\n        require (package)app\n    }",
    );
    assert_eq!(convergence.findings, []);
    assert_eq!((convergence.tried, convergence.states), (5, 1 + 4 + 10));
    let left: Vec<String> = convergence.left_out.iter().map(|left| left.address.to_string()).collect();
    assert_eq!(left, ["package \"app\"", "service \"app\""]);
}

#[test]
fn names_in_the_table_of_hosts_have_no_order() {
    let names: String = (1..5).map(|number| format!("    host \"db-{number}\" ip=\"192.0.2.{number}\"\n")).collect();
    let convergence = tried(&names);
    assert_eq!((convergence.findings, convergence.tried), (Vec::new(), 4));
    // Wherever the table is.
    let elsewhere: String =
        (1..5).map(|number| format!("    host \"db-{number}\" ip=\"192.0.2.{number}\" file=\"/etc/names\"\n")).collect();
    let convergence = tried(&elsewhere);
    assert_eq!((convergence.findings, convergence.tried), (Vec::new(), 4));
}

#[test]
fn lines_without_an_order_depend_on_who_was_first() {
    let lines = "    line \"one\" path=\"/etc/words\" line=one\n    line \"two\" path=\"/etc/words\" line=two";
    let convergence = tried(lines);
    assert_eq!(faults(&convergence), [Fault::Elsewhere]);
    assert_eq!(convergence.findings[0].resources, [0, 1]);
    // Which of the two is first in an empty root is up to the workers.
    assert!(convergence.findings[0].details[0].starts_with("/etc/words: line 1 is `"), "{:?}", convergence.findings);
}

#[test]
fn two_that_undo_each_other_are_found_by_the_second_run() {
    let fight = "    line \"one\" path=\"/etc/words\" line=\"a=1\" match=\"^a=\"\n    line \"two\" path=\"/etc/words\" line=\"a=2\" match=\"^a=\" {\n        require (line)one\n    }";
    assert!(faults(&tried(fight)).contains(&Fault::SecondRun));
}

#[test]
fn the_order_by_way_of_what_is_left_out_is_kept() {
    let chain = "    line \"one\" path=\"/etc/words\" line=one\n    exec \"between\" always=#true {\n        command \"/bin/true\"\n        require (line)one\n        before (line)two\n    }\n    line \"two\" path=\"/etc/words\" line=two";
    let convergence = tried(chain);
    assert_eq!(convergence.tried, 2);
    assert_eq!(convergence.findings.iter().filter(|finding| finding.fault != Fault::Elsewhere).count(), 0);
    assert_eq!(convergence.left_out[0].address.to_string(), "exec \"between\"");
}
