//! A site and a root in a scratch folder, and the program run on them.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A scratch folder with `site/` and `root/`.
pub(crate) struct Stage {
    folder: TempDir,
}

/// What a command came to.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    /// A site with one host, `h`, and this for its manifest.
    pub(crate) fn new(manifest: &str) -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(stage.root()).unwrap();
        stage.write("site/keel.toml", "name = \"stage\"\n");
        stage.write("site/inventory/hosts.toml", "[hosts.h]\n");
        stage.manifest(manifest);
        stage
    }

    /// Says something to who reads the test's output.
    pub(crate) fn say(text: &str) {
        std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes()).unwrap();
    }

    /// Replaces the manifest of the host.
    pub(crate) fn manifest(&self, manifest: &str) {
        self.write("site/manifests/site.kdl", &format!("host h {{\n{manifest}\n}}\n"));
    }

    /// Writes a file below the scratch folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Reads a file below the root.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root().join(path)).ok()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program with nothing of the surroundings' environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keel"));
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.site()).stdin(Stdio::null());
        command.env("KEEL_IDENTITY", self.folder.path().join("identity")).args(arguments);
        command
    }

    /// Runs the program.
    pub(crate) fn keel(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    /// Runs `plan` or `apply` for the host below the root.
    pub(crate) fn run(&self, verb: &str, more: &[&str]) -> Done {
        let root = self.root();
        let mut arguments = vec![verb, "--host", "h", "--root", root.to_str().unwrap()];
        arguments.extend(more);
        self.keel(&arguments)
    }

    /// Everything below the root: path, mode, size, times, bytes.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
        let mut tree = BTreeMap::new();
        walk(&self.root(), &mut tree);
        tree
    }
}

fn walk(folder: &Path, tree: &mut BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = std::fs::symlink_metadata(&path).unwrap();
        let bytes = if found.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        if found.is_dir() {
            walk(&path, tree);
        }
        tree.insert(path, (found.permissions().mode(), found.mtime(), found.mtime_nsec(), bytes));
    }
}

impl Done {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Stops the test if the exit code is another one.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}
