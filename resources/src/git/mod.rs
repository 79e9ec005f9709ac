//! The type `git`: a checkout of a repository.

mod leftovers;
mod listing;
mod remote;
mod trust;

use std::time::Duration;

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, Reliance, ResourceType, Work};
use keel_engine::text::Text;

use crate::ensure::Ensure;
use crate::host::command::Command;
use crate::host::{FileKind, Host, Ownership};
use remote::{blotted, has_password, is_repository};

/// The remote's own branch.
const REMOTE_HEAD: &str = "HEAD";

attributes! {
    /// A checkout of a git repository.
    ///
    /// A branch is followed: the remote is asked on each run. A tag or a commit that is there already
    /// needs no network. Work that somebody did in the checkout is never thrown away: where files that
    /// git knows were changed, moving to another revision fails unless `force=#true`. Hooks never run.
    ///
    /// Git obeys what stands in a checkout's own settings. Without `user` it runs as root, and so only where nobody
    /// else can change the checkout; one in somebody's home is theirs, with `user`.
    ///
    ///     git "/srv/app" repo="https://git.example.org/app.git" revision=v1.4.2
    ///     git "/srv/site" repo="https://example.org/site.git" revision="v2.1" user=app {
    ///         username deploy
    ///         password (secret)"git/deploy"
    ///     }
    pub struct Git: "git" {
        /// Where the checkout is.
        [title] pub path: AbsolutePath,
        /// `present` or `absent`; `absent` needs `force=#true`.
        pub ensure: Ensure = Ensure::Present,
        /// Where it comes from: `https://`, `ssh://`, `git://`, `file://`, `user@host:path` or an absolute
        /// path. A password has no place in it.
        pub repo: Option<String>,
        /// The name to log in with where `password` is given.
        pub username: Option<String>,
        /// The password or token for the host of an `https://` address; may be a secret. Git gets it
        /// through its environment, for this host alone, and keeps it nowhere.
        [secret] pub password: Option<Text>,
        /// The private key for `ssh`, a file that only its owner may read. Not given: the user's own.
        pub identity: Option<AbsolutePath>,
        /// The proxy for `http://` and `https://` addresses. Not given: none.
        [how] pub proxy: Option<String>,
        /// A branch, tag or full commit. Not given: whatever is there, the remote's own branch at first.
        pub revision: Option<String>,
        /// How many commits of history come along. Not given: all.
        [how] pub depth: Option<u32>,
        /// Whether submodules come along.
        pub submodules: bool = false,
        /// The user whose checkout it is and as whom git runs.
        pub user: Option<String>,
        /// Whether changes that somebody made in the checkout give way.
        [how] pub force: bool = false,
        /// How long each git command may take.
        [how] pub timeout: Span = Span(Duration::from_secs(600)),
    }
    check |desired| {
        let mut errors = Vec::new();
        match &desired.repo {
            None if desired.ensure == Ensure::Present => errors.push(AttributeError::new("repo", "is required and not given")),
            Some(repo) if !is_repository(repo) => {
                let error = AttributeError::of_value("repo", format!("{:?} is no place of a repository", blotted(repo)));
                errors.push(error.help("https://, ssh://, git://, file://, user@host:path or an absolute path"));
            }
            Some(repo) if has_password(repo) => {
                let error = AttributeError::new("repo", "holds a password, which would show in the checkout and in lists of processes");
                errors.push(error.help("write the address without it, and give it as `password (secret)\"...\"`, with `username`"));
            }
            _ => {}
        }
        if desired.password.is_some() && !desired.repo.as_deref().is_some_and(|repo| repo.starts_with("https://")) {
            errors.push(AttributeError::new("password", "is for an https:// address, which nobody can read on the way"));
        }
        if desired.username.is_some() && desired.password.is_none() {
            errors.push(AttributeError::new("username", "needs `password`").help("for ssh it belongs into the address: ssh://name@host/path"));
        }
        if desired.proxy.as_deref().is_some_and(|proxy| has_password(proxy) || proxy.contains(char::is_whitespace)) {
            errors.push(AttributeError::new("proxy", "is an address such as \"http://proxy:3128\", without a password"));
        }
        if desired.revision.as_deref().is_some_and(|revision| !is_revision(revision)) {
            errors.push(AttributeError::new("revision", "is no name of a branch, tag or commit"));
        }
        if desired.ensure == Ensure::Absent && !desired.force {
            errors.push(AttributeError::new("ensure", "would throw away what is in the checkout").help("say `force=#true` if that is meant"));
        }
        if desired.timeout.0.is_zero() {
            errors.push(AttributeError::new("timeout", "is 0").help("a second or more"));
        }
        if desired.depth == Some(0) {
            errors.push(AttributeError::new("depth", "is 0").help("1 or more"));
        }
        errors
    }
}

fn is_revision(revision: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._/-+@".contains(c);
    let shape = !revision.is_empty() && !revision.starts_with(['-', '/', '.']) && !revision.ends_with(['/', '.']);
    shape && !revision.contains("..") && !revision.contains("@{") && revision.chars().all(fits)
}

fn is_commit(revision: &str) -> bool {
    matches!(revision.len(), 40 | 64) && revision.chars().all(|c| c.is_ascii_hexdigit())
}

/// What was found of a checkout.
#[derive(Debug, PartialEq, Eq)]
pub struct ObservedGit {
    /// The commit that is checked out; none if there is no checkout.
    head: Option<String>,
    /// Where it comes from.
    repo: Option<String>,
    /// The commit that the revision stands for; none if nothing has to be known of it.
    target: Option<String>,
    /// What stands in the place where there is no checkout.
    standing: Standing,
}

/// What stands where a checkout belongs and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nothing,
    /// A directory without anything in it, in which a checkout can be made.
    EmptyFolder,
    /// A file, or a directory with something in it.
    Else,
}

/// The type `git`.
pub struct GitType;

impl ResourceType for GitType {
    type Host = Host;
    type Desired = Git;
    type Observed = ObservedGit;

    fn observe(&self, host: &Host, desired: &[&Git]) -> Vec<Result<ObservedGit, ObserveError>> {
        desired.iter().map(|git| observe(host, git)).collect()
    }

    fn diff(&self, desired: &Git, observed: &ObservedGit) -> Vec<Change> {
        let wanted = desired.revision.clone().unwrap_or_else(|| "the remote's branch".to_owned());
        let head = match (desired.ensure, &observed.head) {
            (Ensure::Absent, None) if observed.standing == Standing::Nothing => return Vec::new(),
            (Ensure::Absent, _) => return vec![Change::delete("ensure", "present")],
            (Ensure::Present, None) => return vec![Change::create("ensure", wanted)],
            (Ensure::Present, Some(head)) => head,
        };
        let mut changes = Vec::new();
        if desired.repo.is_some() && desired.repo != observed.repo {
            let before = blotted(observed.repo.as_deref().unwrap_or_default());
            changes.push(Change::update("repo", before, desired.repo.clone().unwrap_or_default()));
        }
        if let Some(target) = observed.target.as_ref().filter(|target| *target != head) {
            changes.push(Change::update("revision", short(head), format!("{} ({wanted})", short(target))));
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let git = work.desired;
        match git.ensure {
            Ensure::Absent => host.remove_tree(git.path.as_path()).map(drop),
            Ensure::Present if work.observed.head.is_none() => clone(host, git, work.observed.standing),
            Ensure::Present => update(host, git, work.observed),
        }
    }

    fn footprint(&self, desired: &Git) -> Footprint {
        let parent = desired.path.parent().map(|parent| format!("path:{parent}"));
        let parent = parent.into_iter().chain(local_repository(desired).map(|repo| format!("path:{repo}")));
        let footprint = Footprint::default().own(format!("path:{}", desired.path)).need("package:git");
        let footprint = parent.chain(desired.identity.iter().map(|key| format!("path:{key}"))).fold(footprint, Footprint::need);
        desired.user.iter().fold(footprint, |footprint, user| footprint.need(format!("user:{user}")))
    }

    fn nature(&self) -> Nature {
        Nature { opaque: true, ..Nature::default() }
    }

    /// A checkout may hold somebody's work, so an orphan is never removed without being told to.
    fn removal(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        // A checkout can be anywhere: there is no list, only what is asked for.
        let found = title.map(|path| listing::listing(host, path)).transpose()?;
        Ok(Some(found.flatten().into_iter().collect()))
    }

    fn reliance(&self, _desired: &Git, _observed: &ObservedGit) -> Reliance {
        Reliance::UntilOpaque
    }
}

/// The first characters of a commit, as people know it.
fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// Git without hooks, questions or anybody's settings but the user's own.
fn program(host: &Host, git: &Git) -> Result<Command, Failure> {
    let options = ["core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never", "advice.detachedHead=false"];
    let command = host
        .command("git")
        .arguments(options.iter().flat_map(|option| ["-c", option]))
        .environment("GIT_TERMINAL_PROMPT", "0")
        .timeout(Some(git.timeout.0));
    let command = remote::equip(host, git, command.capture(4 << 20))?;
    Ok(match &git.user {
        Some(user) => command.user(user),
        // Git distrusts whatever belongs to another user, root included; nobody else can have changed this one.
        None => command
            .argument("-c")
            .argument(format!("safe.directory={}", host.locate(git.path.as_path()).display()))
            .environment("HOME", "/root"),
    })
}

/// Git in the checkout, and in no repository around it where this one is half made.
fn inside(host: &Host, git: &Git) -> Result<Command, Failure> {
    let above = host.locate(git.path.as_path()).parent().map(|above| above.to_string_lossy().into_owned());
    let command = program(host, git)?.environment("GIT_CEILING_DIRECTORIES", above.unwrap_or_default());
    Ok(command.argument("-C").argument(host.locate(git.path.as_path()).to_string_lossy()))
}

fn observe(host: &Host, git: &Git) -> Result<ObservedGit, ObserveError> {
    if !host.is_machine() && git.user.is_some() {
        let failure = Failure::new(format!("git cannot be run as another user below {}", host.root().display()));
        return Err(failure.help("leave out `user`, or run keel on the machine itself").into());
    }
    expect_repository(host, git)?;
    let nothing = ObservedGit { head: None, repo: None, target: None, standing: Standing::Nothing };
    if git.ensure == Ensure::Present {
        trust::expect_ours(host, git)?;
    }
    let Some(stat) = host.stat(git.path.as_path())? else { return Ok(nothing) };
    let names = if stat.kind == FileKind::Folder { host.list(git.path.as_path())?.unwrap_or_default() } else { Vec::new() };
    if !names.iter().any(|entry| entry.name == ".git") {
        let is_empty = stat.kind == FileKind::Folder && names.is_empty();
        return Ok(ObservedGit { standing: if is_empty { Standing::EmptyFolder } else { Standing::Else }, ..nothing });
    }
    // What shall go needs no more of a look, nor anybody's trust.
    if git.ensure == Ensure::Absent {
        return Ok(ObservedGit { standing: Standing::Else, ..nothing });
    }
    let ask = |arguments: &[&str]| -> Result<Option<String>, ObserveError> {
        let output = inside(host, git)?.arguments(arguments.iter().copied()).run()?;
        Ok(if output.is_success() { Some(output.text()?.trim().to_owned()) } else { None })
    };
    // A clone that was killed half way has no index yet, and no file is checked out.
    let complete = host.stat(git.path.as_path().join(".git/index"))?.is_some();
    let head = if complete { ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])? } else { None };
    let repo = ask(&["config", "--get", "remote.origin.url"])?;
    let target = match &git.revision {
        None if complete => None,
        revision => Some(resolve(host, git, revision.as_deref().unwrap_or(REMOTE_HEAD), &ask)?),
    };
    Ok(ObservedGit { head: Some(head.unwrap_or_default()), repo, target, standing: Standing::Else })
}

/// The path of a repository on this machine; none for one that is reached in another way.
fn local_repository(git: &Git) -> Option<&str> {
    let repo = git.repo.as_deref()?;
    let path = repo.strip_prefix("file://").unwrap_or(repo);
    path.starts_with('/').then_some(path)
}

/// Fails where a repository on this machine is missing and nothing that the catalog declares brings it.
fn expect_repository(host: &Host, git: &Git) -> Result<(), ObserveError> {
    let Some(path) = local_repository(git).filter(|_| git.ensure == Ensure::Present) else { return Ok(()) };
    // Git takes paths as they are, also when the checkout is below another root.
    let machine = Host::new("/");
    let is_missing = [path, &format!("{path}.git")].iter().all(|path| matches!(machine.stat_followed(path), Ok(None)));
    if !is_missing || host.claims().brings(&format!("path:{path}")) {
        return Ok(());
    }
    Err(ObserveError::NotYet(Failure::new(format!("there is no repository {path}")).help("require what brings it, or correct `repo`")))
}

type Ask<'a> = dyn Fn(&[&str]) -> Result<Option<String>, ObserveError> + 'a;

/// The commit that a revision stands for: known here if it is a commit or tag, else the remote's.
fn resolve(host: &Host, git: &Git, revision: &str, ask: &Ask<'_>) -> Result<String, ObserveError> {
    if is_commit(revision) {
        return Ok(revision.to_lowercase());
    }
    if let Some(commit) = ask(&["rev-parse", "--verify", "--quiet", &format!("refs/tags/{revision}^{{commit}}")])? {
        return Ok(commit);
    }
    let repo = git.repo.as_deref().unwrap_or("origin");
    let branch = if revision == REMOTE_HEAD { REMOTE_HEAD.to_owned() } else { format!("refs/heads/{revision}") };
    let names = [branch, format!("refs/tags/{revision}"), format!("refs/tags/{revision}^{{}}")];
    let output = program(host, git)?.arguments(["ls-remote", "--", repo]).arguments(names.iter().cloned()).succeed()?;
    let text = output.text()?;
    remote_commit(&text, &names).ok_or_else(|| {
        let failure = Failure::new(format!("{repo} has neither a branch nor a tag {revision}"));
        ObserveError::Failed(failure.help("look with `git ls-remote`; a commit has to be given in full"))
    })
}

/// The commit of the first of these names that a remote lists; what a tag points at before the tag.
fn remote_commit(listed: &str, names: &[String; 3]) -> Option<String> {
    let [branch, tag, peeled] = names;
    [branch, peeled, tag].into_iter().find_map(|name| {
        let line = listed.lines().filter_map(|line| line.split_once('\t')).find(|(_, listed)| listed == name);
        line.map(|(commit, _)| commit.to_owned())
    })
}

fn clone(host: &Host, git: &Git, standing: Standing) -> Result<(), Failure> {
    if standing == Standing::Else {
        let failure = Failure::new(format!("{} holds something that is no checkout", git.path));
        return Err(failure.help("move it away; a checkout needs a place of its own"));
    }
    if let Some(user) = &git.user {
        let uid = host.accounts()?.user_id(user);
        host.create_folder(git.path.as_path(), Ownership { uid, ..Ownership::default() })?;
    }
    trust::expect_ours(host, git)?;
    let repo = git.repo.as_deref().unwrap_or_default();
    let mut command = program(host, git)?.arguments(["clone", "--quiet", "--no-checkout"]);
    if let Some(depth) = git.depth {
        command = command.argument(format!("--depth={depth}"));
        if let Some(revision) = git.revision.as_ref().filter(|revision| !is_commit(revision)) {
            command = command.argument(format!("--branch={revision}"));
        }
    }
    command.argument("--").argument(repo).argument(host.locate(git.path.as_path()).to_string_lossy()).succeed()?;
    let target = fetch(host, git, git.revision.as_deref().unwrap_or(REMOTE_HEAD))?;
    check_out(host, git, &target)
}

fn update(host: &Host, git: &Git, observed: &ObservedGit) -> Result<(), Failure> {
    trust::expect_ours(host, git)?;
    leftovers::clear(host, git)?;
    if observed.head.as_deref() == Some("") {
        // A clone that was killed early is no repository yet, and making one again harms none that is whole.
        inside(host, git)?.arguments(["init", "--quiet"]).succeed()?;
        configure(host, git, "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")?;
    }
    if let Some(repo) = git.repo.as_ref().filter(|repo| observed.repo.as_ref() != Some(repo)) {
        configure(host, git, "remote.origin.url", repo)?;
    }
    if observed.target.is_none() {
        return Ok(());
    }
    let target = fetch(host, git, git.revision.as_deref().unwrap_or(REMOTE_HEAD))?;
    let head = observed.head.as_deref().filter(|head| !head.is_empty());
    let commits: Vec<&str> = head.into_iter().chain([target.as_str()]).collect();
    trust::expect_ours_throughout(host, git, &commits)?;
    check_out(host, git, &target)
}

fn configure(host: &Host, git: &Git, key: &str, value: &str) -> Result<(), Failure> {
    inside(host, git)?.arguments(["config", key, value]).succeed().map(drop)
}

/// Brings a revision here and returns its commit.
fn fetch(host: &Host, git: &Git, revision: &str) -> Result<String, Failure> {
    let known = inside(host, git)?.arguments(["rev-parse", "--verify", "--quiet"]).argument(format!("{revision}^{{commit}}")).run()?;
    if is_commit(revision) && known.is_success() {
        return Ok(revision.to_lowercase());
    }
    let mut command = inside(host, git)?.arguments(["fetch", "--quiet", "--force", "--tags"]);
    if let Some(depth) = git.depth {
        command = command.argument(format!("--depth={depth}"));
    }
    command.arguments(["origin", revision]).succeed()?;
    let fetched = inside(host, git)?.arguments(["rev-parse", "--verify", "FETCH_HEAD^{commit}"]).succeed()?;
    Ok(fetched.text()?.trim().to_owned())
}

fn check_out(host: &Host, git: &Git, commit: &str) -> Result<(), Failure> {
    let force: &[&str] = if git.force { &["--force"] } else { &[] };
    let command = inside(host, git)?.arguments(["checkout", "--quiet", "--detach"]).arguments(force.iter().copied()).argument(commit);
    leftovers::begin_move(host, git, commit)?;
    let moved = command.succeed();
    let is_refused = moved.as_ref().is_err_and(|failure| failure.message.contains("would be overwritten"));
    if moved.is_ok() || is_refused {
        leftovers::end_move(host, git)?;
    }
    moved.map_err(|failure| {
        let help = "somebody worked in the checkout; save that work, or say `force=#true` to throw it away";
        if is_refused { failure.help(help) } else { failure }
    })?;
    if git.submodules {
        inside(host, git)?.arguments(["submodule", "update", "--quiet", "--init", "--recursive"]).succeed()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::Trial;

    /// A repository with two commits on `main`, the first one tagged `v1`.
    fn repository(trial: &Trial) -> String {
        let path = trial.path("/origin");
        let script = "git init -q -b main . && git config user.email a@b && git config user.name a && echo 1 >file && git add file \
                      && git commit -qm 1 && git tag -am v1 v1 && echo 2 >file && git commit -qam 2";
        std::fs::create_dir_all(&path).unwrap();
        trial.host.command("/bin/sh").arguments(["-c", script]).directory(&path).environment("HOME", "/").succeed().unwrap();
        path.display().to_string()
    }

    fn commit(trial: &Trial) {
        let script = "echo 3 >file && git commit -qam 3";
        trial
            .host
            .command("/bin/sh")
            .arguments(["-c", script])
            .directory(trial.path("/origin"))
            .environment("HOME", "/")
            .succeed()
            .unwrap();
    }

    #[test]
    fn a_checkout_comes_and_follows_its_branch() {
        let trial = Trial::new();
        let attributes = [("repo", Value::from(repository(&trial))), ("revision", Value::from("main"))];
        assert_eq!(trial.converge(&GitType, "/work", &attributes).unwrap(), ["+ ensure: absent -> main"]);
        assert_eq!(trial.read("/work/file"), "2\n");
        commit(&trial);
        let made = trial.converge(&GitType, "/work", &attributes).unwrap();
        assert!(made.len() == 1 && made[0].starts_with("~ revision: ") && made[0].ends_with(" (main)"), "{made:?}");
        assert_eq!(trial.read("/work/file"), "3\n");
    }

    #[test]
    fn tags_and_commits_are_checked_out() {
        let trial = Trial::new();
        let repo = Value::from(repository(&trial));
        trial.converge(&GitType, "/work", &[("repo", repo.clone()), ("revision", Value::from("v1"))]).unwrap();
        assert_eq!(trial.read("/work/file"), "1\n");
        let head = trial.host.command("git").arguments(["rev-parse", "main"]).directory(trial.path("/origin")).succeed().unwrap();
        let commit = head.text().unwrap().trim().to_owned();
        trial.converge(&GitType, "/work", &[("repo", repo.clone()), ("revision", Value::from(commit))]).unwrap();
        assert_eq!(trial.read("/work/file"), "2\n");
        let error = trial.plan(&GitType, "/work", &[("repo", repo), ("revision", Value::from("v9"))]).unwrap_err();
        assert!(error.ends_with("has neither a branch nor a tag v9"), "{error}");
    }

    #[test]
    fn a_clone_that_was_killed_is_finished() {
        let trial = Trial::new();
        let attributes = [("repo", Value::from(repository(&trial)))];
        trial.converge(&GitType, "/work", &attributes).unwrap();
        std::fs::remove_file(trial.path("/work/.git/index")).unwrap();
        std::fs::remove_file(trial.path("/work/file")).unwrap();
        assert_eq!(trial.converge(&GitType, "/work", &attributes).unwrap().len(), 1);
        assert_eq!(trial.read("/work/file"), "2\n");
    }

    #[test]
    fn a_clone_that_was_killed_at_its_very_start_is_finished() {
        let trial = Trial::new();
        let attributes = [("repo", Value::from(repository(&trial)))];
        trial.write("/work/.git/config.lock", "");
        assert_eq!(trial.converge(&GitType, "/work", &attributes).unwrap().len(), 2);
        assert_eq!(trial.read("/work/file"), "2\n");
        assert!(!trial.exists("/work/.git/config.lock"));
    }

    #[test]
    fn work_in_the_checkout_is_kept_unless_forced() {
        let trial = Trial::new();
        let repo = ("repo", Value::from(repository(&trial)));
        let revision = |name: &str| ("revision", Value::from(name));
        trial.converge(&GitType, "/work", &[repo.clone(), revision("v1")]).unwrap();
        trial.write("/work/file", "mine\n");
        let error = trial.converge(&GitType, "/work", &[repo.clone(), revision("main")]).unwrap_err();
        assert!(error.contains("would be overwritten"), "{error}");
        assert_eq!(trial.read("/work/file"), "mine\n");
        let force = ("force", Value::Bool(true));
        trial.converge(&GitType, "/work", &[repo, revision("main"), force.clone()]).unwrap();
        assert_eq!(trial.read("/work/file"), "2\n");
        trial.converge(&GitType, "/work", &[("ensure", Value::from("absent")), force]).unwrap();
        assert!(!trial.exists("/work"));
    }

    #[test]
    fn a_repository_of_this_machine_is_looked_for_in_a_plan() {
        let trial = Trial::new();
        for repo in ["/nonexistent/repo", "file:///nonexistent/repo"] {
            let error = trial.plan(&GitType, "/work", &[("repo", Value::from(repo))]).unwrap_err();
            assert_eq!(error, "there is no repository /nonexistent/repo");
        }
        assert_eq!(trial.plan(&GitType, "/work", &[("repo", Value::from("https://no.example/x"))]).unwrap().len(), 1);
    }

    #[test]
    fn what_is_in_the_way_stays() {
        let trial = Trial::new();
        let repo = ("repo", Value::from(repository(&trial)));
        trial.write("/work/precious", "x");
        assert!(trial.converge(&GitType, "/work", &[repo]).unwrap_err().contains("no checkout"));
        assert_eq!(trial.read("/work/precious"), "x");
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_one_on_the_host_is_not_shown() {
        let trial = Trial::new();
        let canary = Value::from("https://deploy:canary@example.org/app.git");
        let refused = Trial::refuses::<GitType>("/x", &[("repo", canary)]);
        assert!(refused.contains("holds a password") && !refused.contains("canary"), "{refused}");
        assert!(Trial::refuses::<GitType>("/x", &[("repo", Value::from("http://x/y")), ("password", Value::from("p"))]).contains("https"));
        let repo = ("repo", Value::from(repository(&trial)));
        trial.converge(&GitType, "/work", std::slice::from_ref(&repo)).unwrap();
        let old = ["config", "remote.origin.url", "https://deploy:canary@example.org/app.git"];
        trial.host.command("git").arguments(old).directory(trial.path("/work")).succeed().unwrap();
        let made = trial.converge(&GitType, "/work", &[repo]).unwrap();
        assert!(made[0].starts_with("~ repo: https://deploy:(secret)@example.org/app.git -> "), "{made:?}");
    }

    #[test]
    fn revisions_are_names() {
        for revision in ["", "-x", "a..b", "a b", "HEAD@{1}", "../x"] {
            assert!(!is_revision(revision), "{revision}");
        }
        assert!(Trial::refuses::<GitType>("/x", &[("ensure", Value::from("absent"))]).contains("throw away"));
    }
}
