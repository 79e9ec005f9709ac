//! What a git that was killed leaves in a checkout, and what is done about it: locks that nobody holds any more, and
//! files on their way to another commit.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use keel_engine::resource::Failure;

use super::{Git, inside};
use crate::host::{Backup, FileKind, Host, NewFile, Ownership};

/// Stands in `.git` while files are on their way, and holds the commit that they are on their way to.
const MOVE: &str = "keel-move";
/// How far below `.git` locks are looked for: branches and submodules have them, too.
const LOCK_DEPTH_MAX: usize = 16;
/// How much room the names of a checkout's files may take.
const NAMES_BYTES_MAX: usize = 256 << 20;

/// Clears away what a killed git left, so that the next one finds its way.
pub(super) fn clear(host: &Host, git: &Git) -> Result<(), Failure> {
    let Some(repository) = repository(host, git)? else { return Ok(()) };
    if is_at_work(&host.locate(git.path.as_path())) {
        // Its locks are held, and it says so itself.
        return Ok(());
    }
    remove_locks(host, &repository)?;
    clear_way(host, git, &repository)
}

/// Notes that files are about to move to a commit.
pub(super) fn begin_move(host: &Host, git: &Git, commit: &str) -> Result<(), Failure> {
    let Some(repository) = repository(host, git)? else { return Ok(()) };
    let uid = git.user.as_ref().map(|user| Ok::<_, Failure>(host.accounts()?.user_id(user))).transpose()?.flatten();
    let ownership = Ownership { uid, ..Ownership::default() };
    host.replace(repository.join(MOVE), &NewFile { ownership, backup: Backup::None, ..NewFile::of(commit.as_bytes()) })
}

/// Notes that they are where they shall be, or never left.
pub(super) fn end_move(host: &Host, git: &Git) -> Result<(), Failure> {
    let Some(repository) = repository(host, git)? else { return Ok(()) };
    host.remove(repository.join(MOVE)).map(drop)
}

/// Where the checkout keeps its repository; none where that is elsewhere, as in a work tree of somebody's.
fn repository(host: &Host, git: &Git) -> Result<Option<PathBuf>, Failure> {
    let path = git.path.as_path().join(".git");
    Ok(host.stat(&path)?.is_some_and(|stat| stat.kind == FileKind::Folder).then_some(path))
}

/// Whether a git of somebody's runs in a folder. One that cannot be looked at may.
fn is_at_work(folder: &Path) -> bool {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let is_git = |process: &Path| fs::read(process.join("comm")).is_ok_and(|name| name.starts_with(b"git"));
    let is_inside = |process: &Path| {
        fs::read_link(process.join("cwd"))
            .map_or_else(|error| error.kind() == std::io::ErrorKind::PermissionDenied, |directory| directory.starts_with(&folder))
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut processes = processes.filter(|path| path.file_name().is_some_and(is_number));
    processes.any(|process| is_git(&process) && is_inside(&process))
}

fn is_number(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.parse::<u32>().is_ok())
}

fn remove_locks(host: &Host, repository: &Path) -> Result<(), Failure> {
    for (below, stat) in host.list_tree(repository, LOCK_DEPTH_MAX)? {
        if stat.kind == FileKind::File && below.extension().is_some_and(|extension| extension == "lock") {
            host.remove(repository.join(below))?;
        }
    }
    Ok(())
}

/// Removes the files that a killed git had put half way to another commit; the store keeps what they held, as of all
/// files that are removed, in case somebody worked on them since.
fn clear_way(host: &Host, git: &Git, repository: &Path) -> Result<(), Failure> {
    let top = git.path.as_path();
    let Some(commit) = host.read_text(repository.join(MOVE))? else { return Ok(()) };
    let changed = names(host, git, &["diff-tree", "-r", "-z", "--name-only", "--no-renames", "HEAD", commit.trim()])?;
    let differing = names(host, git, &["ls-files", "-z", "--modified", "--others"])?;
    for path in changed.intersection(&differing).map(|name| top.join(name)) {
        if host.stat(&path)?.is_some_and(|stat| stat.kind != FileKind::Folder) {
            host.remove_file(path, Backup::Store)?;
        }
    }
    Ok(())
}

/// The names that a question to git lists; none where git cannot answer, as before the first commit.
fn names(host: &Host, git: &Git, question: &[&str]) -> Result<BTreeSet<PathBuf>, Failure> {
    let output = inside(host, git)?.arguments(question.iter().copied()).capture(NAMES_BYTES_MAX).run()?;
    let listed = if output.is_success() { output.text()? } else { String::new() };
    Ok(listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::super::GitType;
    use crate::trial::Trial;

    fn shell(trial: &Trial, folder: &str, script: &str) {
        let shell = trial.host.command("/bin/sh").arguments(["-ec", script]).directory(trial.path(folder));
        shell.environment("HOME", "/nonexistent").succeed().unwrap();
    }

    /// A repository of three files and a checkout of its branch; the branch has gone on since.
    fn checkout(trial: &Trial) -> [(&'static str, Value); 2] {
        std::fs::create_dir_all(trial.path("/origin")).unwrap();
        let commit = "git add . && git -c user.name=a -c user.email=a@b commit -qm x";
        shell(trial, "/origin", &format!("git init -q -b main . && echo 1 >kept && echo 1 >moved && {commit}"));
        let attributes = [("repo", Value::from(trial.path("/origin").display().to_string())), ("revision", Value::from("main"))];
        trial.converge(&GitType, "/work", &attributes).unwrap();
        shell(trial, "/origin", &format!("echo 2 >moved && echo 2 >new && {commit}"));
        attributes
    }

    /// As if git had been killed while it moved to the branch's new end.
    fn kill_half_way(trial: &Trial) {
        shell(trial, "/work", "git fetch -q && git rev-parse origin/main >.git/keel-move && printf 2 >moved && echo 2 >new");
        trial.write("/work/.git/index.lock", "");
        trial.write("/work/.git/refs/heads/main.lock", "");
    }

    #[test]
    fn a_move_that_was_killed_is_finished_and_work_of_others_stays() {
        let trial = Trial::new();
        let attributes = checkout(&trial);
        kill_half_way(&trial);
        trial.write("/work/kept", "mine\n");
        trial.write("/work/own", "mine\n");
        trial.converge(&GitType, "/work", &attributes).unwrap();
        let found = ["moved", "new", "kept", "own"].map(|name| trial.read(&format!("/work/{name}")));
        assert_eq!(found, ["2\n", "2\n", "mine\n", "mine\n"]);
        assert!(!trial.exists("/work/.git/keel-move") && !trial.exists("/work/.git/index.lock"));
        assert!(!trial.exists("/work/.git/refs/heads/main.lock"));
    }

    #[test]
    fn without_a_move_begun_what_is_in_the_way_is_somebodys_work() {
        let trial = Trial::new();
        let attributes = checkout(&trial);
        kill_half_way(&trial);
        std::fs::remove_file(trial.path("/work/.git/keel-move")).unwrap();
        let error = trial.converge(&GitType, "/work", &attributes).unwrap_err();
        assert!(error.contains("would be overwritten"), "{error}");
        assert_eq!(trial.read("/work/moved"), "2");
        assert!(!trial.exists("/work/.git/keel-move"));
    }

    #[test]
    fn locks_of_a_git_that_runs_stay() {
        let trial = Trial::new();
        let attributes = checkout(&trial);
        kill_half_way(&trial);
        let mut other = std::process::Command::new("git");
        let other = other.args(["cat-file", "--batch"]).current_dir(trial.path("/work")).stdin(std::process::Stdio::piped());
        let mut other = other.stdout(std::process::Stdio::null()).spawn().unwrap();
        let error = trial.converge(&GitType, "/work", &attributes).unwrap_err();
        drop(other.stdin.take());
        other.wait().unwrap();
        assert!(error.contains("index.lock"), "{error}");
        assert!(trial.exists("/work/.git/index.lock"));
    }
}
