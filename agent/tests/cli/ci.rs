//! `examples/ci`: the script lines of the CI files are executed as they stand there, and the hooks as hooks.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::diff::{commit, edited, git};
use crate::stage::{Done, Stage};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/ci").join(name)
}

/// The lines below a key of a YAML file: of its block, or the items of its list.
fn lines_below(text: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(head) = lines.next() {
        if head.trim() != key {
            continue;
        }
        while let Some(line) = lines.next_if(|line| indent(line) > indent(head)) {
            found.push(line.trim().trim_start_matches("- ").to_owned());
        }
    }
    found
}

/// Folders in front of PATH: one with the program, and one with a `gh` that only notes what it was told.
fn path(stage: &Stage) -> String {
    let gh = stage.folder().join("bin/gh");
    stage.write("bin/gh", &format!("#!/bin/sh\necho \"$*\" >> '{}'\n", stage.folder().join("told").display()));
    std::fs::set_permissions(&gh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_keel")).parent().unwrap();
    format!("{}:{}:/usr/bin:/bin", program.display(), stage.folder().join("bin").display())
}

fn shell(stage: &Stage, script: &str, variables: &[(&str, &str)]) -> Done {
    let mut command = Command::new("/bin/sh");
    command.args(["-ec", script]).current_dir(stage.site()).env_clear().env("HOME", stage.folder()).env("PATH", path(stage));
    Done::of(command.envs(variables.iter().copied()).output().unwrap())
}

/// A stage whose last commit changes a port, with everything formatted.
fn pushed() -> Stage {
    let stage = edited();
    stage.write("site/tests/app.kdl", "test \"the app runs\" {\n    group web\n    contains (service)app ensure=running\n}\n");
    stage.keel(&["fmt"]).expect(0);
    stage.write("site/inventory/groups/web.toml", "members = [\"web-*\"]\n[vars]\nport = 8080\n");
    commit(&stage, "two");
    stage
}

#[test]
fn the_lines_for_github_run_as_they_stand() {
    let stage = pushed();
    let script = lines_below(&std::fs::read_to_string(example("github.yml")).unwrap(), "run: |").join("\n");
    let summary = stage.folder().join("summary");
    let variables = [("BASE", "HEAD~1"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()), ("PULL_REQUEST", "7")];
    let done = shell(&stage, &script, &variables).expect(0);
    assert!(done.out.contains("::notice file=modules/app/module.kdl,line=2,"), "{}", done.out);
    assert!(std::fs::read_to_string(&summary).unwrap().contains("+port = 8080"));
    assert!(std::fs::read_to_string(stage.site().join("keel-diff.html")).unwrap().contains("</html>"));
    assert!(std::fs::read_to_string(stage.folder().join("told")).unwrap().starts_with("pr comment 7 "));
    stage.write("site/tests/app.kdl", "test \"the app runs\" {\n    group web\n    contains (service)app ensure=stopped\n}\n");
    let failed = shell(&stage, &script, &variables).expect(4);
    assert!(failed.out.contains("::error file=tests/app.kdl,line=3,"), "{}", failed.out);
    stage.write("site/manifests/site.kdl", "host web-1 {\n    fil \"/x\"\n}\n");
    let refused = shell(&stage, &script, &variables).expect(1);
    assert!(refused.out.contains("::error file=manifests/site.kdl,line=2,"), "{}", refused.out);
}

#[test]
fn the_lines_for_gitlab_run_as_they_stand() {
    let stage = pushed();
    let script = lines_below(&std::fs::read_to_string(example("gitlab.yml")).unwrap(), "script:").join("\n");
    let variables = [("CI_MERGE_REQUEST_DIFF_BASE_SHA", "HEAD~1"), ("CI_COMMIT_SHA", "HEAD")];
    assert!(shell(&stage, &script, &variables).expect(0).out.contains("+port = 8080"));
    for report in ["gl-code-quality-report.json", "keel-diff.xml", "keel-diff.html", "keel-test.xml"] {
        assert!(std::fs::metadata(stage.site().join(report)).unwrap().len() > 100, "{report}");
    }
}

fn hook(stage: &Stage, name: &str, folder: &Path) {
    let script = std::fs::read_to_string(example(name)).unwrap().replace("#!/bin/sh\n", &format!("#!/bin/sh\nPATH='{}'\n", path(stage)));
    let place = folder.join(name);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&place, script).unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_commit_that_does_not_compile_is_not_made() {
    let stage = pushed();
    hook(&stage, "pre-commit", &stage.site().join(".git/hooks"));
    let try_commit = || {
        let identity = "git -c user.name=t -c user.email=t@example.org";
        shell(&stage, &format!("git add -A && {identity} commit -q -m three"), &[])
    };
    stage.write("site/manifests/site.kdl", "host web-1 {\n    fil \"/x\"\n}\n");
    assert_ne!(try_commit().code, 0);
    stage.write("site/manifests/site.kdl", "host web-1 {\n    file \"/x\" content=\"y\"\n}\n");
    try_commit().expect(0);
    let kept = || std::fs::read_dir(stage.site().join(".git/keel")).unwrap().count();
    assert_eq!(kept(), 2, "each look has a folder of its own, and what is kept none");
}

#[test]
fn a_push_that_does_not_compile_is_refused_and_another_is_explained() {
    let stage = pushed();
    let bare = stage.folder().join("bare.git");
    git(stage.folder(), &["clone", "-q", "--bare", stage.site().to_str().unwrap(), bare.to_str().unwrap()]);
    hook(&stage, "pre-receive", &bare.join("hooks"));
    let push = |branch: &str| shell(&stage, &format!("git push -q '{}' HEAD:refs/heads/{branch}", bare.display()), &[]);
    stage.write("site/manifests/site.kdl", "host web-1 {\n    fil \"/x\"\n}\n");
    commit(&stage, "three");
    let refused = push("main");
    assert!(refused.code != 0 && refused.err.contains("`file`") && refused.err.contains("refused: main"), "{}", refused.err);
    push("elsewhere").expect(0);
    // What a tree says of itself hides nothing of it.
    stage.write("site/.gitattributes", "manifests/** export-ignore\n");
    commit(&stage, "hidden");
    let hidden = push("main");
    assert!(hidden.code != 0 && hidden.err.contains("`file`"), "{}", hidden.err);
    stage.write("site/manifests/site.kdl", "host web-1 {\n    file \"/etc/x\" content=\"y\"\n}\n");
    commit(&stage, "four");
    let taken = push("main").expect(0);
    assert!(taken.err.contains("+ file \"/etc/x\""), "{}", taken.err);
    assert_eq!(std::fs::read_dir(bare.join("keel")).unwrap().count(), 2);
}
