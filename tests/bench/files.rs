//! Sites of plain files, and runs with next to nothing in them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::Result;
use crate::loops::{contents, file_name};
use crate::measure::{Cost, alone, cost, in_turns, loop_cost};
use crate::table::Row;

/// A site of so many files of one KiB and a folder to converge them in.
struct Stage {
    keel: String,
    folder: TempDir,
    count: usize,
}

impl Stage {
    fn new(keel: &Path, count: usize) -> Result<Stage> {
        let folder = tempfile::tempdir()?;
        let stage = Stage { keel: keel.to_string_lossy().into_owned(), folder, count };
        let padding = contents(0);
        let padding = padding.trim_start_matches("0\n").trim_end();
        let name = file_name(0).replace('0', "{{ i }}");
        let manifest = format!(
            "group all {{\n    file \"/files\" ensure=directory\n    for i in=\"range({count})\" {{\n        \
             file \"/files/{name}\" content=\"{{{{ i }}}}\\n{padding}\\n\"\n    }}\n}}\n"
        );
        write_site(&stage.site(), if count == 0 { "" } else { &manifest })?;
        Ok(stage)
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn files(&self) -> PathBuf {
        self.root().join("files")
    }

    fn apply(&self) -> Result<Cost> {
        std::fs::create_dir_all(self.root())?;
        cost(&[&self.keel, "apply", &self.site().to_string_lossy(), "--host", "bench", "--root", &self.root().to_string_lossy()])
    }

    /// A run that does not know what the last one saw of the files, and reads them again.
    fn apply_unknowing(&self) -> Result<Cost> {
        remove(&self.root().join("var/cache/keel/site-bench"))?;
        self.apply()
    }

    /// Applies until there is nothing left to do or to remember: keel trusts neither a site nor a file
    /// that was written in the last two seconds.
    fn settle(&self) -> Result<()> {
        self.apply()?;
        std::thread::sleep(Duration::from_secs(3));
        self.apply()?;
        Ok(())
    }

    fn apply_from_empty(&self) -> Result<Cost> {
        remove(&self.root())?;
        self.apply()
    }

    fn bare(&self, kind: &str) -> Result<Cost> {
        loop_cost(kind, &self.files(), &self.count.to_string())
    }

    fn bare_write_from_empty(&self) -> Result<Cost> {
        let folder = self.folder.path().join("bare");
        remove(&folder)?;
        std::fs::create_dir_all(&folder)?;
        loop_cost("write", &folder, &self.count.to_string())
    }
}

/// Writes a site with one host, `bench`, and one manifest.
pub(crate) fn write_site(site: &Path, manifest: &str) -> Result<()> {
    std::fs::create_dir_all(site.join("inventory"))?;
    std::fs::create_dir_all(site.join("manifests"))?;
    std::fs::write(site.join("keel.toml"), "name = \"bench\"\n")?;
    std::fs::write(site.join("inventory/hosts.toml"), "[hosts.bench]\n")?;
    Ok(std::fs::write(site.join("manifests/site.kdl"), manifest)?)
}

/// What a run costs before there is anything to do.
pub(crate) fn fixed_costs(keel: &Path) -> Result<Vec<Row>> {
    let program = keel.to_string_lossy();
    let version = alone(|| cost(&[&program, "--version"]))?;
    let facts = alone(|| cost(&[&program, "facts"]))?;
    let stage = Stage::new(keel, 0)?;
    stage.settle()?;
    let empty = alone(|| stage.apply())?;
    Ok(vec![
        Row::time("keel --version", version.cpu, Duration::from_millis(5)),
        Row::time("keel facts", facts.cpu, Duration::from_millis(30)),
        Row::time("a run with nothing in it", empty.cpu, Duration::from_millis(10)),
    ])
}

/// A thousand files, then ten thousand.
pub(crate) fn rows(keel: &Path) -> Result<Vec<Row>> {
    let mut rows = thousand(keel)?;
    rows.extend(ten_thousand(keel)?);
    Ok(rows)
}

/// A thousand files that are right.
fn thousand(keel: &Path) -> Result<Vec<Row>> {
    let stage = Stage::new(keel, 1_000)?;
    stage.settle()?;
    let unchanged = alone(|| stage.apply_unknowing())?;
    Ok(vec![
        Row::time("1,000 files, no-op", unchanged.cpu, Duration::from_millis(50)),
        Row::memory("1,000 files, no-op, peak", unchanged.peak_kib, 24),
    ])
}

/// Ten thousand files: from nothing, read again, and known unchanged.
fn ten_thousand(keel: &Path) -> Result<Vec<Row>> {
    let stage = Stage::new(keel, 10_000)?;
    let from_empty = in_turns(|| stage.bare_write_from_empty(), || stage.apply_from_empty())?;
    stage.settle()?;
    let read = in_turns(|| stage.bare("read"), || stage.apply_unknowing())?;
    stage.settle()?;
    let known = in_turns(|| stage.bare("stat"), || stage.apply())?;
    Ok(vec![
        Row::ratio("10,000 files, from empty, against write + fsync + rename", from_empty, 1.5),
        Row::ratio("10,000 files, no-op, against statx + read + blake3", read, 3.0),
        Row::ratio("10,000 files, known unchanged, against statx", known, 5.0),
    ])
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
