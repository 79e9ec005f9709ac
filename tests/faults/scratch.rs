//! A scratch folder with a site of one host and a root that stands for the host; and what stands in the root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keel_tests::program::keel;
use tempfile::TempDir;

/// Where the agent keeps its own things; every run writes there.
const STATE: [&str; 3] = ["var/lib/keel", "var/cache/keel", "run/keel"];

/// A site and a root.
pub(crate) struct Scratch {
    folder: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    /// What it wrote to either stream.
    pub(crate) said: String,
}

impl Scratch {
    /// A site whose host `h` has this manifest.
    pub(crate) fn new(manifest: &str) -> Self {
        // In memory, where a sweep of some thousand runs wears no disk out.
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let scratch = Self { folder };
        fs::create_dir(scratch.root()).unwrap();
        scratch.write("site/keel.toml", "name = \"faults\"\n");
        scratch.write("site/inventory/hosts.toml", "[hosts.h]\n");
        scratch.manifest(manifest);
        scratch
    }

    /// Replaces the host's manifest.
    pub(crate) fn manifest(&self, manifest: &str) {
        self.write("site/manifests/site.kdl", &format!("host h {{\n{manifest}\n}}\n"));
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A path of the host on this machine.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Writes a file below the scratch folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Lays these out in an empty root: a path with its text, a folder (`/` at its end), or a link (`-> target`).
    pub(crate) fn lay(&self, files: &[(&str, &str)]) {
        fs::remove_dir_all(self.root()).unwrap();
        fs::create_dir(self.root()).unwrap();
        for (path, text) in files {
            let place = self.path(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => symlink(target, &place).unwrap(),
                None if path.ends_with('/') => fs::create_dir_all(&place).unwrap(),
                None => fs::write(&place, text).unwrap(),
            }
        }
    }

    /// The command line of a run.
    pub(crate) fn line(&self, verb: &str) -> Vec<String> {
        let site = self.folder.path().join("site");
        let paths = [keel(), site, self.root()].map(|path| path.to_str().unwrap().to_owned());
        let [program, site, root] = paths;
        vec![program, verb.to_owned(), site, "--host".to_owned(), "h".to_owned(), "--root".to_owned(), root]
    }

    /// Runs `plan` or `apply`.
    pub(crate) fn run(&self, verb: &str) -> Done {
        self.run_with(verb, &[])
    }

    /// The same with more arguments.
    pub(crate) fn run_with(&self, verb: &str, more: &[&str]) -> Done {
        let line = self.line(verb);
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).args(more).env_clear().current_dir("/").stdin(Stdio::null());
        Done::of(&mut command)
    }

    /// What stands below the root, without the agent's own things.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::of(&self.root());
        tree.0.retain(|path, _| !is_state(path) && !STATE.iter().any(|state| Path::new(state).starts_with(path)));
        tree
    }

    /// Whatever nobody needs after a run: candidates that did not get their place.
    pub(crate) fn strays(&self) -> Vec<PathBuf> {
        strays_below(&self.root())
    }
}

/// The candidates below a folder that did not get their place.
pub(crate) fn strays_below(folder: &Path) -> Vec<PathBuf> {
    let is_stray = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        let candidate = name.strip_prefix(".keel-").is_some_and(|rest| rest.len() == 25);
        candidate || name.contains(".new-") || name.ends_with(".part")
    };
    Tree::of(folder).0.into_keys().filter(is_stray).collect()
}

impl Done {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        Self { code: output.status.code().unwrap_or(-1), said: String::from_utf8_lossy(&said).into_owned() }
    }

    /// Stops the test if the exit code is another one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, when: &str) -> Self {
        assert_eq!(self.code, code, "{when}:\n{}", self.said);
        self
    }
}

/// Whether a path below the root is the agent's own.
pub(crate) fn is_state(path: &Path) -> bool {
    STATE.iter().any(|state| path.starts_with(state))
}

/// Everything below a folder, by its path below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree(pub(crate) BTreeMap<PathBuf, Standing>);

/// What stands somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Kind and permission bits.
    mode: u32,
    owner: (u32, u32),
    /// A file's bytes or a link's target.
    content: Vec<u8>,
}

impl Tree {
    pub(crate) fn of(folder: &Path) -> Self {
        let mut tree = BTreeMap::new();
        walk(folder, folder, &mut tree);
        Self(tree)
    }

    /// What is neither as in one tree nor as in the other. Owner and mode of what keeps its content may be on
    /// the way from the one to the other.
    pub(crate) fn torn(&self, before: &Tree, after: &Tree) -> Vec<PathBuf> {
        let is_whole = |(path, now): &(&PathBuf, &Standing)| {
            let (old, new) = (before.0.get(*path), after.0.get(*path));
            [old, new].contains(&Some(now)) || old.zip(new).is_some_and(|(old, new)| now.is_between(old, new))
        };
        let gone = before.0.keys().filter(|path| !self.0.contains_key(*path) && after.0.contains_key(*path));
        self.0.iter().filter(|entry| !is_whole(entry)).map(|(path, _)| path).chain(gone).cloned().collect()
    }

    /// The paths in which two trees differ.
    pub(crate) fn differing(&self, other: &Tree) -> Vec<PathBuf> {
        let paths = self.0.keys().chain(other.0.keys()).filter(|path| self.0.get(*path) != other.0.get(*path));
        paths.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Standing {
    fn is_between(&self, old: &Standing, new: &Standing) -> bool {
        let same = |one: &Standing| one.content == self.content && one.mode & 0o170_000 == self.mode & 0o170_000;
        same(old) && same(new) && [old.owner, new.owner].contains(&self.owner) && [old.mode, new.mode].contains(&self.mode)
    }
}

fn walk(top: &Path, folder: &Path, tree: &mut BTreeMap<PathBuf, Standing>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let content = match found.file_type() {
            kind if kind.is_file() => fs::read(&path).unwrap(),
            kind if kind.is_symlink() => fs::read_link(&path).unwrap().into_os_string().into_vec(),
            _ => Vec::new(),
        };
        if found.is_dir() {
            walk(top, &path, tree);
        }
        let standing = Standing { mode: found.permissions().mode(), owner: (found.uid(), found.gid()), content };
        tree.insert(path.strip_prefix(top).unwrap().to_owned(), standing);
    }
}

#[test]
fn what_is_torn_is_seen() {
    let standing = |mode, content: &str| Standing { mode, owner: (0, 0), content: content.into() };
    let tree = |standing: Standing| Tree([(PathBuf::from("a"), standing)].into());
    let (before, after) = (tree(standing(0o100_644, "old")), tree(standing(0o100_600, "new")));
    for whole in [&before, &after] {
        assert!(whole.torn(&before, &after).is_empty());
    }
    for torn in [standing(0o100_644, "ne"), standing(0o100_644, "new"), standing(0o100_600, "old")] {
        assert_eq!(tree(torn).torn(&before, &after), [PathBuf::from("a")]);
    }
    assert_eq!(Tree(BTreeMap::new()).torn(&before, &after), [PathBuf::from("a")]);
    assert!(tree(standing(0o100_600, "old")).torn(&before, &tree(standing(0o100_600, "old"))).is_empty());
}
