//! What a run reports as changed lasts: the kernel's own record of a run, read with strace, shows every
//! file synced before it is moved into place, and its folder synced before the run says a word.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use keel_tests::program::keel;

/// One thing that the record shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A file or folder is on disk.
    Synced(String),
    /// In this folder this name became that one.
    Moved { folder: String, from: String, to: String },
    /// Something was printed.
    Printed,
}

/// The steps in the order in which they ended, except what is printed, which counts from its beginning.
fn steps(record: &str) -> Vec<Step> {
    let mut begun: BTreeMap<&str, String> = BTreeMap::new();
    let mut steps = Vec::new();
    for line in record.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(call) = call.strip_suffix(" <unfinished ...>") {
            steps.extend(step(call).filter(|step| *step == Step::Printed));
            begun.insert(process, call.to_owned());
        } else if call.starts_with("<... ") {
            let whole = begun.remove(process).unwrap_or_default();
            steps.extend(step(&whole).filter(|step| *step != Step::Printed && call.ends_with("= 0")));
        } else if call.starts_with("write(") || call.ends_with("= 0") {
            steps.extend(step(call));
        }
    }
    steps
}

fn step(call: &str) -> Option<Step> {
    let (name, rest) = call.split_once('(')?;
    let folder = || rest.split_once('<')?.1.split_once('>').map(|(path, _)| path.to_owned());
    match name {
        "fsync" => folder().map(Step::Synced),
        "renameat" | "renameat2" => {
            let mut texts = rest.split('"').skip(1).step_by(2).map(str::to_owned);
            Some(Step::Moved { folder: folder()?, from: texts.next()?, to: texts.next()? })
        }
        "write" => rest.starts_with("1<").then_some(Step::Printed),
        _ => None,
    }
}

/// What was moved into this folder, in order; stops the test where the order is wrong.
fn check(steps: &[Step], wanted: &str) -> Vec<String> {
    let mut synced: BTreeSet<&str> = BTreeSet::new();
    let mut loose: BTreeSet<&str> = BTreeSet::new();
    let mut moved = Vec::new();
    for step in steps {
        match step {
            Step::Synced(path) if path == wanted => loose.clear(),
            Step::Synced(path) => drop(synced.insert(path)),
            Step::Moved { folder, from, to } if folder == wanted => {
                assert!(synced.contains(format!("{folder}/{from}").as_str()), "{to} was moved into place before it was synced");
                loose.insert(to);
                moved.push(to.clone());
            }
            Step::Moved { .. } => {}
            Step::Printed => assert!(loose.is_empty(), "reported before the folder was synced: {loose:?}"),
        }
    }
    assert!(loose.is_empty(), "never made to last: {loose:?}");
    moved
}

fn why_not() -> Option<String> {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).stdin(Stdio::null()).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("strace: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Some(format!("strace: {error}")),
    }
}

fn converge(folder: &Path, text: &str, count: usize) -> Vec<String> {
    let manifest = format!(
        "group all {{\n    file \"/files\" ensure=directory\n    for i in=\"range({count})\" {{\n        file \"/files/f{{{{ i }}}}\" content=\"{text}\"\n    }}\n}}\n"
    );
    std::fs::write(folder.join("site/manifests/site.kdl"), manifest).unwrap();
    let record = folder.join("record");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "200", "-e", "trace=fsync,renameat,renameat2,write", "-o"]).arg(&record);
    command.arg(keel()).arg("apply").arg(folder.join("site")).args(["--host", "h", "--root"]).arg(folder.join("root"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let steps = steps(&std::fs::read_to_string(&record).unwrap());
    assert!(steps.contains(&Step::Printed));
    let mut moved = check(&steps, folder.join("root/files").to_str().unwrap());
    moved.sort();
    moved
}

#[test]
fn every_file_lasts_before_it_is_reported() {
    if let Some(reason) = why_not() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI nothing is skipped: {reason}");
        std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: {reason}\n").as_bytes()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    for part in ["site/inventory", "site/manifests", "root"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    std::fs::write(folder.join("site/keel.toml"), "name = \"s\"\n").unwrap();
    std::fs::write(folder.join("site/inventory/hosts.toml"), "[hosts.h]\n").unwrap();
    let mut all: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    all.sort();
    assert_eq!(converge(&folder, "new", 200), all);
    assert_eq!(converge(&folder, "newer", 200), all, "what is replaced lasts like what is new");
}

#[test]
fn a_wrong_order_would_be_seen() {
    let record = "7 fsync(5</r/.keel-1>) = 0\n\
                  7 renameat2(4</r>, \".keel-1\", 4</r>, \"a\", RENAME_NOREPLACE <unfinished ...>\n\
                  8 fsync(4</r>) = 0\n\
                  7 <... renameat2 resumed>) = 0\n\
                  7 write(1<pipe:[1]>, \"apply\", 5) = 5\n";
    let found = std::panic::catch_unwind(|| check(&steps(record), "/r"));
    assert!(found.is_err(), "the folder was synced before the file was moved into it");
    let unsynced = "7 renameat(4</r>, \".keel-1\", 4</r>, \"a\") = 0\n7 fsync(4</r>) = 0\n";
    assert!(std::panic::catch_unwind(|| check(&steps(unsynced), "/r")).is_err());
    let right = format!("{}7 fsync(4</r>) = 0\n", &record[..record.find("7 write").unwrap()]);
    assert_eq!(check(&steps(&right), "/r"), ["a"]);
}
