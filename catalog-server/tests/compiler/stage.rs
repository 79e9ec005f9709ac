//! A repository, a compiler over it, and hosts with facts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use git2::{IndexEntry, IndexTime, Oid};
use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::protocol::environment::EnvironmentState;
use keel_server::compiler::facts::{FactStore, Later, StoredFacts};
use keel_server::compiler::{Compiler, CompilerSettings, Delivered, NoCatalog, WorkerSettings};
use keel_server::environments::{EnvironmentSettings, EnvironmentStore, Environments};
use keel_server::repository::Repository;

/// What is known of environments.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<BTreeMap<String, EnvironmentState>>);

impl EnvironmentStore for Remembered {
    fn load(&self) -> Later<'_, Vec<EnvironmentState>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().values().cloned().collect()) })
    }

    fn keep<'a>(&'a self, state: &'a EnvironmentState) -> Later<'a, ()> {
        Box::pin(async move {
            self.0.lock().unwrap().insert(state.name.clone(), state.clone());
            Ok(())
        })
    }
}

/// A site of two groups, each with a file of its own.
pub(crate) const SITE: [(&str, &str); 5] = [
    ("keel.toml", "name = \"shop\"\n"),
    ("inventory/hosts.toml", "[hosts.web-1]\ngroups = [\"web\"]\n[hosts.web-2]\ngroups = [\"web\"]\n[hosts.db-1]\ngroups = [\"db\"]\n"),
    ("inventory/groups/web.toml", ""),
    ("inventory/groups/db.toml", ""),
    (
        "manifests/site.kdl",
        "group web {\n    file \"/etc/web\" content=\"on {{ facts.os }}\"\n}\ngroup db {\n    file \"/etc/db\" content=x\n}\n",
    ),
];

/// What hosts sent.
#[derive(Default)]
pub(crate) struct Sent(Mutex<BTreeMap<String, StoredFacts>>);

impl FactStore for Sent {
    fn facts<'a>(&'a self, host: &'a str) -> Later<'a, Option<StoredFacts>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(host).cloned()) })
    }
}

pub(crate) struct Stage {
    folder: tempfile::TempDir,
    git: git2::Repository,
    files: BTreeMap<String, (u32, Vec<u8>)>,
    pub(crate) sent: Arc<Sent>,
    remembered: Arc<Remembered>,
    pub(crate) announced: Arc<Mutex<Vec<String>>>,
    pub(crate) compiler: Compiler,
    pub(crate) environments: Arc<Environments>,
}

impl Stage {
    /// A server over a repository with a good first commit, in which all hosts have sent facts.
    pub(crate) async fn new() -> Self {
        let mut stage = Self::empty(Duration::from_secs(30)).await;
        SITE.iter().for_each(|(path, text)| stage.write(path, text));
        for host in ["web-1", "web-2", "db-1"] {
            stage.send(host, r#"{"os": "debian"}"#);
        }
        stage.push().await;
        stage
    }

    /// A server over an empty repository that follows commits only that are signed by these keys.
    pub(crate) async fn signed(signers: &str) -> Self {
        Self::over_nothing(Duration::from_secs(30), Some(signers)).await
    }

    /// Other keys may sign from now on.
    pub(crate) fn let_sign(&self, signers: &str) {
        std::fs::write(self.path("allowed_signers"), signers).unwrap();
    }

    /// A path below the server's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server over an empty repository.
    pub(crate) async fn empty(compile_limit: Duration) -> Self {
        Self::over_nothing(compile_limit, None).await
    }

    async fn over_nothing(compile_limit: Duration, signers: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(signers) = signers {
            std::fs::write(folder.path().join("allowed_signers"), signers).unwrap();
        }
        let git = git2::Repository::init_bare(folder.path().join("site.git")).unwrap();
        let (sent, remembered, announced) = (Arc::default(), Arc::default(), Arc::default());
        let (compiler, environments) = serve(&folder, &sent, &remembered, &announced, compile_limit).await;
        Self { folder, git, files: BTreeMap::new(), sent, remembered, announced, compiler, environments }
    }

    /// The server anew, over what the one before left.
    pub(crate) async fn restart(&mut self) {
        let (compiler, environments) = serve(&self.folder, &self.sent, &self.remembered, &self.announced, Duration::from_secs(30)).await;
        (self.compiler, self.environments) = (compiler, environments);
    }

    pub(crate) fn write(&mut self, path: &str, text: &str) {
        self.write_entry(path, 0o100_644, text.as_bytes());
    }

    pub(crate) fn write_entry(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        self.files.insert(path.to_owned(), (mode, bytes.to_vec()));
    }

    /// The repository.
    pub(crate) fn git(&self) -> &git2::Repository {
        &self.git
    }

    /// Points a branch at a commit and waits until the server has seen it.
    pub(crate) async fn point(&self, branch: &str, commit: Oid) {
        self.git.reference(&format!("refs/heads/{branch}"), commit, true, "test").unwrap();
        self.look().await;
    }

    /// Has the server look at the repository.
    pub(crate) async fn look(&self) {
        tokio::time::timeout(Duration::from_secs(120), self.environments.settled()).await.expect("the repository is looked at");
    }

    /// Has the server look again and again until it follows a commit.
    pub(crate) async fn look_until_it_follows(&self, commit: &str) {
        let follows = async {
            while self.state().commit.as_deref() != Some(commit) || self.state().refused.is_some() {
                self.look().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), follows).await.unwrap_or_else(|_| panic!("{:?}", self.state().refused));
    }

    /// Commits all files to `main` and waits until the server has seen it.
    pub(crate) async fn push(&mut self) -> String {
        let tree = self.tree();
        self.push_tree(tree).await
    }

    /// The tree of all files.
    pub(crate) fn tree(&self) -> Oid {
        let mut index = git2::Index::new().unwrap();
        for (path, (mode, bytes)) in &self.files {
            let id = if *mode == 0o160_000 {
                Oid::from_str("1111111111111111111111111111111111111111").unwrap()
            } else {
                self.git.blob(bytes).unwrap()
            };
            let time = IndexTime::new(0, 0);
            let path = path.as_bytes().to_vec();
            let entry = IndexEntry {
                ctime: time,
                mtime: time,
                dev: 0,
                ino: 0,
                mode: *mode,
                uid: 0,
                gid: 0,
                file_size: 0,
                id,
                flags: 0,
                flags_extended: 0,
                path,
            };
            index.add(&entry).unwrap();
        }
        index.write_tree_to(&self.git).unwrap()
    }

    pub(crate) async fn push_tree(&self, tree: Oid) -> String {
        let who = git2::Signature::new("t", "t@example.com", &git2::Time::new(1_700_000_000, 0)).unwrap();
        let id = {
            let parent = self.git.refname_to_id("refs/heads/main").ok().map(|id| self.git.find_commit(id).unwrap());
            let tree = self.git.find_tree(tree).unwrap();
            self.git.commit(Some("refs/heads/main"), &who, &who, "c", &tree, &parent.iter().collect::<Vec<_>>()).unwrap()
        };
        self.look().await;
        id.to_string()
    }

    /// A tree object of entries as they are, whatever git thinks of their names.
    pub(crate) fn raw_tree(&self, entries: &[(&str, &str, Oid)]) -> Oid {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(id.as_bytes());
        }
        self.git.odb().unwrap().write(git2::ObjectType::Tree, &bytes).unwrap()
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> Oid {
        self.git.blob(bytes).unwrap()
    }

    /// A host says something of itself.
    pub(crate) fn send(&self, host: &str, json: &str) {
        let digest = Digest::of(json.as_bytes());
        self.sent.0.lock().unwrap().insert(host.to_owned(), StoredFacts { digest, json: json.as_bytes().to_vec() });
        self.compiler.facts_are(host, digest);
    }

    fn digest(&self, host: &str) -> Digest {
        self.sent.0.lock().unwrap().get(host).unwrap().digest
    }

    pub(crate) async fn deliver(&self, host: &str) -> Result<Delivered, NoCatalog> {
        self.compiler.catalog("main", host, self.digest(host)).await
    }

    pub(crate) async fn id(&self, host: &str) -> Digest {
        self.compiler.current("main", host, self.digest(host)).await.unwrap().id
    }

    pub(crate) async fn catalog(&self, host: &str) -> Catalog {
        Catalog::from_bytes(&self.deliver(host).await.unwrap().bytes().unwrap()).unwrap()
    }

    /// The value of the attribute `content` of a host's first resource.
    pub(crate) async fn content(&self, host: &str) -> String {
        self.catalog(host).await.resources[0].attributes["content"].to_string()
    }

    pub(crate) fn state(&self) -> EnvironmentState {
        self.environments.list().into_iter().find(|state| state.name == "main").unwrap()
    }

    /// Every file below the server's folder.
    pub(crate) fn left_on_disk(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("compiled")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => found.push((path.clone(), std::fs::read(path).unwrap())),
                }
            }
        }
        found
    }
}

async fn serve(
    folder: &tempfile::TempDir,
    sent: &Arc<Sent>,
    remembered: &Arc<Remembered>,
    announced: &Arc<Mutex<Vec<String>>>,
    compile_limit: Duration,
) -> (Compiler, Arc<Environments>) {
    let worker = WorkerSettings {
        command: (PathBuf::from(env!("CARGO_BIN_EXE_keel-server")), vec!["compile-worker".to_owned()]),
        memory: 1 << 30,
        open_limit: Duration::from_secs(60),
        compile_limit,
    };
    let settings = CompilerSettings { folder: folder.path().join("compiled"), workers: 2, worker };
    let told = Arc::clone(announced);
    let announce = Arc::new(move |hosts: Vec<String>, _: &str| told.lock().unwrap().extend(hosts));
    let repository = Repository::at(&folder.path().join("site.git")).unwrap();
    let compiler = Compiler::start(&settings, repository, Arc::clone(sent) as _, announce).unwrap();
    let signers = Some(folder.path().join("allowed_signers")).filter(|path| path.exists());
    let settings =
        EnvironmentSettings { branches: vec!["main".to_owned(), "release/*".to_owned()], poll: Duration::from_secs(3600), signers };
    let environments = Environments::start(settings, compiler.clone(), Arc::clone(remembered) as _).await.unwrap();
    let watching = Arc::clone(&environments);
    tokio::spawn(async move { watching.watch().await });
    (compiler, environments)
}
