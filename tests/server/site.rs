//! A site that operators push: a bare repository, and a work tree beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The branch that hosts follow.
const BRANCH: &str = "production";

/// A bare repository with a work tree to commit from. Copies are the same one.
#[derive(Clone)]
pub struct Site {
    bare: PathBuf,
    tree: PathBuf,
}

impl Site {
    /// An empty repository below a folder.
    ///
    /// # Panics
    /// Git does not work.
    pub fn new(folder: &Path) -> Self {
        let site = Self { bare: folder.join("site.git"), tree: folder.join("site") };
        git(folder, &["init", "--quiet", "--bare", "--initial-branch", BRANCH, "site.git"]);
        git(folder, &["init", "--quiet", "--initial-branch", BRANCH, "site"]);
        site
    }

    /// The bare repository.
    pub fn repository(&self) -> &Path {
        &self.bare
    }

    /// Writes a file into the work tree.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Commits everything and pushes it; returns the commit.
    ///
    /// # Panics
    /// Git does not work.
    pub fn push(&self, message: &str) -> String {
        self.push_to(BRANCH, message)
    }

    /// Commits everything and pushes it to a branch; returns the commit.
    ///
    /// # Panics
    /// Git does not work.
    pub fn push_to(&self, branch: &str, message: &str) -> String {
        git(&self.tree, &["add", "--all"]);
        git(&self.tree, &["commit", "--quiet", "--allow-empty", "-m", message]);
        let target = format!("HEAD:refs/heads/{branch}");
        git(&self.tree, &["push", "--quiet", "--force", self.bare.to_str().unwrap(), &target]);
        git(&self.tree, &["rev-parse", "HEAD"]).trim().to_owned()
    }
}

/// Git as on a machine that nobody has set up.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    command.current_dir(folder).args(who).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").env_remove("GIT_DIR");
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
