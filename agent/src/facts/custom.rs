//! Custom facts: what the data files and programs in `/etc/keel/facts.d` add.
//!
//! `NAME.json` and `NAME.toml` hold a table, `NAME.txt` lines `key=value`; a program prints a JSON object or such
//! lines. One source that is wrong costs its own facts and nothing else.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keel_engine::protocol::facts::FACTS_BYTES_MAX;
use keel_engine::value::Map;
use keel_manifests::facts::{FactForm, custom_facts};
use keel_resources::host::Host;

use super::Collected;
use crate::pull::self_check::{Purpose, distrust};

const FOLDER: &str = "etc/keel/facts.d";
/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long its processes have after that to end by themselves.
const GRACE: Duration = Duration::from_secs(1);

/// Adds the custom facts of the host below a root folder. What the program itself knows stays as it is.
pub(super) fn add(root: &Path, collected: &mut Collected) {
    let folder = root.join(FOLDER);
    let Ok(entries) = std::fs::read_dir(&folder) else { return };
    if let Some(why) = distrust(&folder, Purpose::Folder) {
        return collected.warnings.push(format!("custom facts are left out: {why}"));
    }
    let mut sources: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_meant(path)).collect();
    sources.sort();
    let programs_run = root == Path::new("/");
    // Each may take its whole time, so they take it together.
    let found: Vec<Result<Table, String>> = std::thread::scope(|scope| {
        let started: Vec<_> = sources.iter().map(|source| scope.spawn(move || table_of(source, programs_run))).collect();
        let ended = started.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("reading it ended unexpectedly".to_owned())));
        ended.collect()
    });
    for (source, found) in sources.iter().zip(found) {
        merge(source, found, collected);
    }
}

/// Copies that editors and packages leave are no sources.
fn is_meant(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && ![".bak", "~", ".dpkg-old", ".dpkg-new", ".dpkg-dist"].iter().any(|end| name.ends_with(end))
}

/// The facts of a source, and what of it is left out.
type Table = (Map, Vec<String>);

fn merge(source: &Path, found: Result<Table, String>, collected: &mut Collected) {
    let mut warn = |why: String| collected.warnings.push(format!("custom facts of {}: {why}", source.display()));
    match found {
        Err(why) => warn(why),
        Ok((facts, dropped)) => {
            dropped.into_iter().for_each(&mut warn);
            for (name, value) in facts {
                match collected.facts.get(&name) {
                    None => drop(collected.facts.insert(name, value)),
                    Some(_) => warn(format!("{name:?} is there already, from this program or from a source before")),
                }
            }
        }
    }
}

fn table_of(source: &Path, programs_run: bool) -> Result<Table, String> {
    if let Some(why) = distrust(source, Purpose::File) {
        return Err(why);
    }
    let metadata = std::fs::symlink_metadata(source).map_err(|error| error.to_string())?;
    let (bytes, form) = match form_of(source, &metadata) {
        Some(FactForm::Printed) if !programs_run => return Err("programs tell of this machine, not of another root folder".to_owned()),
        Some(FactForm::Printed) => (printed(source)?, FactForm::Printed),
        Some(form) => (content(source)?, form),
        None => return Err("nothing says what it is: name it .json, .toml or .txt, or make it executable".to_owned()),
    };
    let (facts, dropped) = custom_facts(bytes, form)?;
    Ok((facts, dropped.into_iter().map(|one| format!("{} is left out: {}", one.path, one.why)).collect()))
}

fn form_of(source: &Path, metadata: &Metadata) -> Option<FactForm> {
    if metadata.permissions().mode() & 0o111 != 0 {
        return Some(FactForm::Printed);
    }
    match source.extension()?.to_str()? {
        "json" => Some(FactForm::Json),
        "toml" => Some(FactForm::Toml),
        "txt" => Some(FactForm::Lines),
        _ => None,
    }
}

fn content(source: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(source).map_err(|error| error.to_string())?;
    file.take(FACTS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn printed(source: &Path) -> Result<Vec<u8>, String> {
    let command = Host::new("/").command(&source.to_string_lossy()).timeout(Some(TIMEOUT)).grace(GRACE).capture(FACTS_BYTES_MAX);
    let output = command.succeed().map_err(|failure| failure.message)?;
    output.stdout.whole().ok_or_else(|| format!("it prints more than {FACTS_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root folder with these custom facts; what has no extension is a program.
    fn collected(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let mut collected = Collected::default();
        collected.facts.insert("hostname".to_owned(), "own".into());
        add(root.path(), &mut collected);
        let facts = collected.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let place = format!("{}/", folder.display());
        (facts, collected.warnings.iter().map(|warning| warning.replace(&place, "")).collect())
    }

    #[test]
    fn three_forms_add_facts_and_the_first_who_names_one_has_it() {
        let (facts, warnings) = collected(&[
            ("a.json", r#"{"rack": {"row": 7}, "hostname": "other"}"#),
            ("b.toml", "row = 8\nbought = 2026-01-02\n"),
            ("c.txt", "# who\nowner = team a\nrow=9\n\n"),
            (".hidden.json", "{"),
            ("c.txt~", "owner=b"),
        ]);
        let found: Vec<&str> = facts.iter().map(String::as_str).collect();
        assert_eq!(found, ["hostname: own", "rack: {row: 7}", "row: 8", "bought: 2026-01-02", "owner: team a"]);
        assert_eq!(
            warnings,
            [
                "custom facts of a.json: \"hostname\" is there already, from this program or from a source before",
                "custom facts of c.txt: \"row\" is there already, from this program or from a source before",
            ]
        );
    }

    #[test]
    fn a_bad_source_costs_its_own_facts_only() {
        let (facts, warnings) = collected(&[
            ("a.json", "[1]"),
            ("b.toml", "= 1"),
            ("c.txt", "no pair"),
            ("d.yaml", "a: 1"),
            ("e.json", r#"{"good": 1, "__proto__": 2, "huge": 1e400}"#),
        ]);
        assert_eq!(facts, ["hostname: own", "good: 1"]);
        for name in ["a.json", "b.toml", "c.txt", "d.yaml", "e.json"] {
            assert!(warnings.iter().any(|warning| warning.contains(name)), "{name}: {warnings:?}");
        }
    }

    #[test]
    fn what_others_may_write_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.json"), r#"{"a": 1}"#).unwrap();
        std::fs::set_permissions(folder.join("a.json"), std::fs::Permissions::from_mode(0o666)).unwrap();
        let mut one = Collected::default();
        add(root.path(), &mut one);
        assert!(one.facts.is_empty() && one.warnings[0].contains("others may write"), "{:?}", one.warnings);
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut all = Collected::default();
        add(root.path(), &mut all);
        assert!(all.facts.is_empty() && all.warnings[0].contains("custom facts are left out"), "{:?}", all.warnings);
    }

    #[test]
    fn programs_print_either_form_and_have_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str, script: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            table_of(&path, true).map(|(facts, _)| facts.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>())
        };
        assert_eq!(program("json", "echo '{\"a\": [1]}'").unwrap(), ["a: [1]"]);
        assert_eq!(program("lines", "echo a=b").unwrap(), ["a: b"]);
        assert!(program("fails", "echo why >&2; exit 3").unwrap_err().contains("exited with status 3: why"));
        assert!(program("huge", "head -c 3000000 /dev/zero").unwrap_err().contains("more than"));
        assert!(program("binary", "printf '\\377=1'").unwrap_err().contains("UTF-8"));
        assert!(table_of(&folder.path().join("json"), false).unwrap_err().contains("this machine"));
    }
}
