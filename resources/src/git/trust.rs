//! Whose a checkout is: git obeys what stands in a repository's own settings, so as root it works only where nobody
//! else can change them, and only in directories where nobody else can put a link in its way.

use std::collections::BTreeSet;
use std::path::Path;

use keel_engine::resource::Failure;

use super::{Git, inside};
use crate::host::{FileKind, Host};

/// How far below a checkout its settings are: `.git` and what it holds.
const SETTINGS_DEPTH: usize = 1;

/// Fails where others than who runs git could change the checkout's settings, or swap it for another one.
pub(super) fn expect_ours(host: &Host, git: &Git) -> Result<(), Failure> {
    // Whoever it belongs to runs git then.
    if git.user.is_some() {
        return Ok(());
    }
    let path = git.path.as_path();
    let repository = path.join(".git");
    if host.stat(path)?.is_none() {
        return expect_trusted(host, git, path.parent().unwrap_or(path), 0);
    }
    expect_trusted(host, git, path, 0)?;
    expect_trusted(host, git, &repository, SETTINGS_DEPTH)?;
    if host.stat(&repository)?.is_some_and(|stat| stat.kind != FileKind::Folder) {
        let failure = Failure::new(format!("{} is no directory, but leads to a repository elsewhere", repository.display()));
        return Err(failure.help("a checkout that is looked after has its own; move this one away"));
    }
    Ok(())
}

/// Fails where others could put links in the way of files that git knows in one of these commits.
pub(super) fn expect_ours_throughout(host: &Host, git: &Git, commits: &[&str]) -> Result<(), Failure> {
    if git.user.is_some() {
        return Ok(());
    }
    let mut folders = BTreeSet::new();
    for commit in commits {
        let listed = inside(host, git)?.arguments(["ls-tree", "-r", "-d", "-z", "--name-only", commit]).succeed()?.text()?;
        folders.extend(listed.split('\0').filter(|name| !name.is_empty()).map(|name| git.path.as_path().join(name)));
    }
    for folder in folders {
        if host.stat(&folder)?.is_some_and(|stat| stat.kind == FileKind::Folder) {
            expect_trusted(host, git, &folder, 0)?;
        }
    }
    Ok(())
}

fn expect_trusted(host: &Host, git: &Git, path: &Path, depth: usize) -> Result<(), Failure> {
    let help = format!("say whose checkout it is with `user`, as whom git runs then; or take it from them: chown -R root: {}", git.path);
    host.expect_trusted(path, depth, "git would do as root what they write there", &help)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};

    use keel_engine::value::Value;

    use super::super::GitType;
    use crate::trial::Trial;

    fn set_mode(trial: &Trial, path: &str, mode: u32) {
        fs::set_permissions(trial.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A repository whose one file lies in a directory.
    fn repository(trial: &Trial) -> Value {
        let script = "git init -q -b main . && mkdir deep && echo 1 >deep/file && git add . && \
                      git -c user.name=a -c user.email=a@b commit -qm 1";
        fs::create_dir_all(trial.path("/origin")).unwrap();
        trial.host.command("/bin/sh").arguments(["-c", script]).directory(trial.path("/origin")).succeed().unwrap();
        Value::from(trial.path("/origin").display().to_string())
    }

    #[test]
    fn settings_that_others_may_write_are_not_obeyed() {
        let trial = Trial::new();
        let attributes = [("repo", repository(&trial))];
        trial.converge(&GitType, "/work", &attributes).unwrap();
        // What anybody could have written there.
        let settings = format!("[core]\n\tfsmonitor = touch {}\n", trial.path("/obeyed").display());
        let config = fs::read_to_string(trial.path("/work/.git/config")).unwrap();
        fs::write(trial.path("/work/.git/config"), config + &settings).unwrap();
        for (path, mode) in [("/work/.git/config", 0o666), ("/work/.git", 0o777), ("/work", 0o777), ("", 0o777)] {
            set_mode(&trial, path, mode);
            let error = trial.plan(&GitType, "/work", &attributes).unwrap_err();
            assert!(error.starts_with("others can change ") && !trial.exists("/obeyed"), "{path}: {error}");
            set_mode(&trial, path, mode & !0o022);
        }
        assert_eq!(trial.plan(&GitType, "/work", &attributes).unwrap(), [""; 0]);
        assert!(!trial.exists("/obeyed"), "not even what root wrote there");
    }

    #[test]
    fn a_checkout_of_somebody_else_is_theirs_to_run_git_in() {
        let Some(trial) = Trial::as_root() else { return };
        let attributes = [("repo", repository(&trial))];
        trial.converge(&GitType, "/work", &attributes).unwrap();
        chown(trial.path("/work/.git/config"), Some(77), None).unwrap();
        let error = trial.plan(&GitType, "/work", &attributes).unwrap_err();
        assert!(error.contains("others can change /work/.git/config"), "{error}");
    }

    #[test]
    fn directories_with_files_that_git_knows_are_ours_before_it_writes() {
        let trial = Trial::new();
        let attributes = [("repo", repository(&trial)), ("revision", Value::from("main")), ("force", Value::Bool(true))];
        trial.converge(&GitType, "/work", &attributes).unwrap();
        let script = "echo 2 >deep/file && git -c user.name=a -c user.email=a@b commit -qam 2";
        trial.host.command("/bin/sh").arguments(["-c", script]).directory(trial.path("/origin")).succeed().unwrap();
        fs::create_dir(trial.path("/work/uploads")).unwrap();
        set_mode(&trial, "/work/uploads", 0o777);
        set_mode(&trial, "/work/deep", 0o777);
        let error = trial.converge(&GitType, "/work", &attributes).unwrap_err();
        assert!(error.contains("others can change /work/deep"), "{error}");
        assert_eq!(trial.read("/work/deep/file"), "1\n");
        set_mode(&trial, "/work/deep", 0o755);
        trial.converge(&GitType, "/work", &attributes).unwrap();
        assert_eq!(trial.read("/work/deep/file"), "2\n", "what git knows nothing of is anybody's");
    }
}
