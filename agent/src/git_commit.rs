//! A commit of the repository that a site stands in, read by its objects with the program `git`: nothing is
//! checked out, no filter runs and no link is followed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use keel_manifests::files::{SiteFile, SiteFiles};

use crate::error::{Error, Result};
use crate::render::paint::printable;
use crate::site_folder::{FILE_BYTES_MAX, SITE_FILE};

/// A git repository, and where in it the site is.
#[derive(Debug, Clone)]
pub struct Repository {
    folder: PathBuf,
    prefix: String,
}

impl Repository {
    /// The repository that holds a folder, or is that folder.
    ///
    /// # Errors
    /// There is none, or there is no program `git`.
    pub fn around(folder: &Path) -> Result<Self> {
        let repository = Self { folder: folder.to_owned(), prefix: String::new() };
        let prefix = repository.ask(&["rev-parse", "--show-prefix"]).map_err(|error| {
            Error::usage(format!("{} is in no git repository: {}", folder.display(), error.message)).hint("revisions are those of git")
        })?;
        Ok(Self { prefix: text(&prefix).trim_end_matches('\n').to_owned(), ..repository })
    }

    /// A folder below the top of its repository, with a `/` behind it; empty for the top itself, and outside of any.
    pub fn prefix(folder: &Path) -> String {
        Self::around(folder).map(|repository| repository.prefix).unwrap_or_default()
    }

    /// The site as it is in a commit.
    ///
    /// # Errors
    /// There is no such commit, or it holds no site here.
    pub fn commit(&self, revision: &str) -> Result<GitCommit> {
        let meant = format!("{revision}^{{commit}}");
        let id = self.ask(&["rev-parse", "--quiet", "--verify", "--end-of-options", &meant]).map_err(|_| {
            let message = format!("{} has no revision {}", self.folder.display(), printable(revision));
            Error::usage(message).hint("name a branch, a tag or a commit that `git log` shows, or a folder with a keel.toml")
        })?;
        let id = text(&id).trim().to_owned();
        let listed = self.ask(&["ls-tree", "-r", "-z", "-l", "--full-tree", &format!("{id}:{}", self.prefix.trim_end_matches('/'))]);
        let no_site = || {
            let message = format!("there is no {SITE_FILE} in {}{} of {}", "./", self.prefix, printable(revision));
            Error::usage(message).hint("name the site's folder with --site, or another revision")
        };
        let entries = entries(&listed.map_err(|_| no_site())?);
        if !entries.contains_key(SITE_FILE) {
            return Err(no_site());
        }
        let mut child = self.git(&["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(no_git)?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::host("git cat-file has no pipes"));
        };
        let objects = Mutex::new(Objects { child, questions: Some(questions), answers: BufReader::new(answers) });
        Ok(GitCommit { id, entries, objects })
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).args(["--no-replace-objects", "--literal-pathspecs"]).args(arguments);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.git(arguments).output().map_err(no_git)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = text(&output.stderr);
        let line = said.lines().find(|line| !line.is_empty()).unwrap_or("git failed");
        Err(Error::usage(printable(line.trim_start_matches("fatal: "))))
    }
}

fn no_git(error: std::io::Error) -> Error {
    Error::host(format!("cannot start git: {error}")).hint("install it: apt-get install git")
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The site in a commit.
pub struct GitCommit {
    id: String,
    entries: BTreeMap<String, Entry>,
    objects: Mutex<Objects>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    size: u64,
    object: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Executable,
    Link,
    Submodule,
}

/// Reads `git ls-tree -r -z -l`. As in a folder, what is hidden is no part of a site.
fn entries(listed: &[u8]) -> BTreeMap<String, Entry> {
    let mut found = BTreeMap::new();
    for line in listed.split(|byte| *byte == 0) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((head, path)) = line.split_once('\t') else { continue };
        let mut fields = head.split_ascii_whitespace();
        let (Some(mode), Some(_), Some(object), Some(size)) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let kind = match mode {
            "120000" => Kind::Link,
            "160000" => Kind::Submodule,
            "100755" => Kind::Executable,
            _ => Kind::File,
        };
        if path.split('/').any(|name| name.starts_with('.')) {
            continue;
        }
        found.insert(path.to_owned(), Entry { kind, size: size.parse().unwrap_or_default(), object: object.to_owned() });
    }
    found
}

impl GitCommit {
    /// The commit's name in hexadecimal.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl SiteFiles for GitCommit {
    fn read(&self, path: &str) -> std::result::Result<Option<Arc<[u8]>>, String> {
        let Some(entry) = self.entries.get(path) else { return Ok(None) };
        match entry.kind {
            Kind::Link => return Err("it is a symbolic link, and those of a commit are not followed: commit the file itself".to_owned()),
            Kind::Submodule => return Err("it is a submodule: commit the files themselves".to_owned()),
            Kind::File | Kind::Executable if entry.size > FILE_BYTES_MAX => {
                return Err(format!("{path} is larger than 1 GiB: let the host fetch it, with `archive` or `exec`"));
            }
            Kind::File | Kind::Executable => {}
        }
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.read(&entry.object).map(|bytes| Some(Arc::from(bytes))).map_err(|why| format!("{path}: {why}"))
    }

    fn list(&self, folder: &str) -> std::result::Result<Vec<SiteFile>, String> {
        let below = |path: &str| folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let found = self.entries.iter().filter(|(path, entry)| entry.kind != Kind::Submodule && below(path));
        let file = |(path, entry): (&String, &Entry)| SiteFile {
            path: path.clone(),
            executable: entry.kind == Kind::Executable,
            size: entry.size,
        };
        Ok(found.map(file).collect())
    }
}

/// A `git cat-file --batch` that answers for one object after the other.
struct Objects {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Objects {
    fn read(&mut self, object: &str) -> std::result::Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| format!("git cat-file: {error}");
        let questions = self.questions.as_mut().ok_or("git cat-file has ended")?;
        questions.write_all(format!("{object}\n").as_bytes()).and_then(|()| questions.flush()).map_err(failed)?;
        let mut head = String::new();
        self.answers.read_line(&mut head).map_err(failed)?;
        let mut fields = head.split_ascii_whitespace();
        let size = match (fields.next(), fields.next(), fields.next()) {
            (Some(_), Some("blob"), Some(size)) => size.parse::<usize>().ok(),
            _ => None,
        };
        let size = size.ok_or_else(|| format!("git has no file {object}: {}", printable(head.trim())))?;
        let mut bytes = vec![0; size + 1];
        self.answers.read_exact(&mut bytes).map_err(failed)?;
        bytes.pop();
        Ok(bytes)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // It ends when nobody can ask any more.
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_lists_is_read_and_hidden_files_are_not() {
        let listed = b"100644 blob aa      4\tkeel.toml\x00100755 blob bb     10\tbin/a b\x00120000 blob cc 3\tlink\x00160000 commit dd -\tsub\x00100644 blob ee 1\t.git/x\x00";
        let found = entries(listed);
        let kinds: Vec<_> = found.iter().map(|(path, entry)| (path.as_str(), entry.kind, entry.size)).collect();
        assert_eq!(
            kinds,
            [("bin/a b", Kind::Executable, 10), ("keel.toml", Kind::File, 4), ("link", Kind::Link, 3), ("sub", Kind::Submodule, 0)]
        );
    }

    fn run(folder: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
        let done = Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    #[test]
    fn a_site_below_the_top_is_read_as_it_was_committed() {
        let scratch = tempfile::tempdir().unwrap();
        let site = scratch.path().join("sites/a");
        std::fs::create_dir_all(site.join("manifests")).unwrap();
        std::fs::write(site.join("keel.toml"), "name = \"a\"\n").unwrap();
        std::fs::write(site.join("manifests/site.kdl"), "host h\n").unwrap();
        run(scratch.path(), &["init", "-q"]);
        run(scratch.path(), &["add", "."]);
        run(scratch.path(), &["commit", "-qm", "one"]);
        std::fs::write(site.join("keel.toml"), "name = \"b\"\n").unwrap();
        let repository = Repository::around(&site).unwrap();
        let commit = repository.commit("main").unwrap();
        assert_eq!(commit.read("keel.toml").unwrap().unwrap().as_ref(), b"name = \"a\"\n");
        assert_eq!(commit.list("manifests").unwrap()[0].path, "manifests/site.kdl");
        assert_eq!(commit.read("none").unwrap(), None);
        assert!(repository.commit("--output=/tmp/x").is_err() && repository.commit("nobody").is_err());
        assert!(Repository::around(Path::new("/")).is_err());
    }
}
