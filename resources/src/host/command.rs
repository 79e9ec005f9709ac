//! Commands: argument lists in a clean environment, with captured output and an end to the whole
//! tree of processes when the time is up.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use keel_engine::resource::Failure;
use keel_engine::secret::Secret;

use super::Host;
use super::attend::{Patience, attend};
use super::capture::{CAPTURE_BYTES_MAX, Captured};
use super::output::{CommandError, Output, blot};
use super::process_tree::ProcessTree;
use super::run_as::RunAs;

/// Where programs are looked for.
pub const SEARCH_PATH: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// How long a command may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(300);
/// How long processes have between being asked to end and being ended.
const GRACE: Duration = Duration::from_secs(5);
/// The mask for the modes of new files in a command.
const UMASK: u32 = 0o022;
/// Sets what only the process itself can set (mask, control group), then becomes the command.
const PRELUDE: &str = r#"umask "$1"; [ -z "$2" ] || echo $$ 2>/dev/null >"$2"; shift 2; exec "$@""#;

/// A command that is yet to run.
#[derive(Clone)]
pub struct Command {
    program: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    directory: PathBuf,
    search: Vec<PathBuf>,
    input: Option<Secret>,
    run_as: RunAs,
    umask: u32,
    timeout: Option<Duration>,
    grace: Duration,
    capture_bytes_max: usize,
    secrets: Vec<Secret>,
}

impl Host {
    /// A command of this machine. One that shall act below another root has to be told so in its arguments.
    pub fn command(&self, program: &str) -> Command {
        Command::new(program)
    }
}

impl Command {
    fn new(program: &str) -> Self {
        let environment = [("PATH", SEARCH_PATH.join(":")), ("LANG", "C.UTF-8".to_owned()), ("LC_ALL", "C.UTF-8".to_owned())];
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            directory: PathBuf::from("/"),
            search: SEARCH_PATH.iter().map(PathBuf::from).collect(),
            input: None,
            run_as: RunAs::default(),
            umask: UMASK,
            timeout: Some(TIMEOUT),
            grace: GRACE,
            capture_bytes_max: CAPTURE_BYTES_MAX,
            secrets: Vec::new(),
        }
    }

    /// Adds an argument. Never a secret: every user of the host can read a process's arguments.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment, which is otherwise only PATH, LANG and LC_ALL.
    pub fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Runs in this folder instead of `/`.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Looks for programs in these folders, here and in the command itself.
    pub fn search(mut self, folders: &[PathBuf]) -> Self {
        self.search = folders.to_vec();
        let path: Vec<_> = folders.iter().map(|folder| folder.to_string_lossy()).collect();
        self.environment("PATH", path.join(":"))
    }

    /// Gives the command something to read; it is not shown anywhere.
    pub fn input(mut self, input: impl Into<String>) -> Self {
        self.input = Some(Secret::new(input.into()));
        self
    }

    /// Runs as this user with all of the user's groups.
    pub fn user(mut self, user: &str) -> Self {
        self.run_as.user = Some(user.to_owned());
        self
    }

    /// Runs with this group instead of the user's own.
    pub fn group(mut self, group: &str) -> Self {
        self.run_as.group = Some(group.to_owned());
        self
    }

    /// Sets the mask for the modes of new files.
    pub fn umask(mut self, umask: u32) -> Self {
        self.umask = umask & 0o777;
        self
    }

    /// Ends the command after this time; none lets it run for ever.
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Leaves this much time between asking processes to end and ending them.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Keeps this many bytes of each stream.
    pub fn capture(mut self, bytes_max: usize) -> Self {
        self.capture_bytes_max = bytes_max;
        self
    }

    /// Blots this text out wherever the command or its output is shown.
    pub fn conceal(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// When it could not be started.
    pub fn run(&self) -> Result<Output, CommandError> {
        let mut tree = ProcessTree::new();
        let mut child = self.start(&tree)?;
        let input = self.input.as_ref().map(|input| input.reveal_secret_text().as_bytes().to_vec());
        let captures = [Captured::new(self.capture_bytes_max), Captured::new(self.capture_bytes_max)];
        let patience = Patience { timeout: self.timeout, grace: self.grace };
        let ended = attend(&mut child, input, captures, &mut tree, patience);
        let (end, [stdout, stderr]) = ended.map_err(|error| self.failed(error.to_string()))?;
        Ok(Output { command: self.to_string(), end, stdout, stderr, secrets: self.secrets.clone() })
    }

    /// Runs it and takes anything but exit status 0 as a failure.
    ///
    /// # Errors
    /// When it could not be started or did not succeed; with the end of its output.
    pub fn succeed(&self) -> Result<Output, Failure> {
        let output = self.run()?;
        if output.is_success() { Ok(output) } else { Err(output.failure()) }
    }

    fn failed(&self, reason: String) -> CommandError {
        CommandError::Failed { command: self.to_string(), reason }
    }

    fn start(&self, tree: &ProcessTree) -> Result<std::process::Child, CommandError> {
        let program = self.resolve()?;
        match fs::metadata(&self.directory) {
            Ok(found) if found.is_dir() => {}
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(self.failed(format!("cannot look at the folder {} to run it in: {error}", self.directory.display())));
            }
            _ => return Err(self.failed(format!("the folder {} to run it in is not there", self.directory.display()))),
        }
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", PRELUDE, "keel", &format!("{:04o}", self.umask)]).arg(tree.join_file());
        command.arg("/usr/bin/setsid").env_clear().envs(tree.mark());
        self.run_as.put_on(&mut command, &self.to_string())?;
        command.arg(&program).args(&self.arguments).envs(&self.environment).current_dir(&self.directory);
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| self.failed(error.to_string()))
    }

    /// The program as an absolute path.
    fn resolve(&self) -> Result<PathBuf, CommandError> {
        let name = Path::new(&self.program);
        if name.is_absolute() {
            return if is_program(name) { Ok(name.to_owned()) } else { Err(self.not_found()) };
        }
        if self.program.is_empty() || self.program.contains('/') {
            return Err(self.failed("a program is named by its absolute path or by its name alone".to_owned()));
        }
        self.search.iter().map(|folder| folder.join(name)).find(|path| is_program(path)).ok_or_else(|| self.not_found())
    }

    fn not_found(&self) -> CommandError {
        CommandError::NotFound { program: self.program.clone(), search: self.search.clone() }
    }
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Prints the command as a shell would take it, secrets blotted out.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = std::iter::once(&self.program).chain(&self.arguments).map(|word| quote(word)).collect();
        f.write_str(&blot(&words.join(" "), &self.secrets))
    }
}

/// A word as a shell would need it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+/.,:@%~^".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use nix::unistd::Uid;

    use super::super::output::End;
    use super::*;

    fn shell(script: &str) -> Command {
        Command::new("sh").arguments(["-c", script])
    }

    fn stdout(command: &Command) -> String {
        command.succeed().unwrap().text().unwrap()
    }

    #[test]
    fn the_environment_holds_three_names() {
        let text = stdout(&Command::new("env"));
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        // The shell of the prelude adds its own working directory; without control groups there is a mark.
        names.retain(|name| ![super::super::process_tree::MARK, "PWD"].contains(name));
        assert_eq!(names, ["LANG", "LC_ALL", "PATH"]);
        assert!(stdout(&Command::new("env").environment("A", "b c")).contains("A=b c\n"));
    }

    #[test]
    fn folder_mask_and_session_are_set() {
        let text = stdout(&shell("pwd; umask; cut -d' ' -f6 /proc/$$/stat; echo $$; readlink /proc/self/fd/0"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["/", "0022"]);
        assert_eq!(lines[2], lines[3], "the command leads its session");
        assert_eq!(lines[4], "/dev/null");
        assert_eq!(stdout(&shell("umask").umask(0o077)), "0077\n");
    }

    #[test]
    fn arguments_are_not_given_to_a_shell() {
        assert_eq!(stdout(&Command::new("echo").arguments(["a; id", "$HOME", ""])), "a; id $HOME \n");
    }

    #[test]
    fn megabytes_go_in_and_out_without_a_deadlock() {
        let output = Command::new("cat").input("x".repeat(3_000_000)).succeed().unwrap();
        assert_eq!(output.stdout.whole(), None);
        let whole = Command::new("cat").input("x".repeat(3_000_000)).capture(8 << 20).succeed().unwrap();
        assert_eq!(whole.text().unwrap().len(), 3_000_000);
        let both = shell("head -c 2000000 /dev/zero; head -c 2000000 /dev/zero >&2").succeed().unwrap();
        assert!(both.stderr.whole().is_none());
    }

    #[test]
    fn a_command_may_ignore_its_input() {
        Command::new("true").input("x".repeat(1_000_000)).succeed().unwrap();
    }

    #[test]
    fn a_child_in_the_background_does_not_hold_up_the_run() {
        let start = Instant::now();
        assert_eq!(stdout(&shell("sleep 8 & echo done")), "done\n");
        assert!(start.elapsed() < Duration::from_secs(6));
    }

    #[test]
    fn a_timeout_ends_children_in_sessions_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let script = format!(
            "trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ >>{0}; sleep 60; sleep 60' &) ; echo $$ >>{0}; sleep 60; sleep 60",
            file.display()
        );
        let start = Instant::now();
        let time = Duration::from_millis(1500);
        let output = shell(&script).timeout(Some(time)).grace(Duration::from_millis(100)).run().unwrap();
        assert_eq!(output.end, End::TimedOut(time));
        assert!(start.elapsed() < Duration::from_secs(20));
        let pids = fs::read_to_string(&file).unwrap();
        assert_eq!(pids.lines().count(), 2);
        for pid in pids.lines() {
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(state.is_empty() || state.contains(") Z "), "{pid} is still there");
        }
    }

    #[test]
    fn a_timeout_leaves_time_to_tidy_up() {
        let output = shell("trap 'echo tidied; exit' TERM; while :; do sleep 0.02; done").timeout(Some(Duration::from_millis(1500))).run();
        let output = output.unwrap();
        assert_eq!(output.stdout.text(), "tidied\n");
        assert!(output.failure().message.contains("took longer than 1.5 seconds"), "{}", output.failure());
    }

    #[test]
    fn what_is_missing_is_named() {
        let failure: Failure = Command::new("no-such-program").run().unwrap_err().into();
        assert!(failure.message.starts_with("there is no program no-such-program in /usr/sbin, /usr/bin"));
        assert!(matches!(Command::new("/etc/passwd").run(), Err(CommandError::NotFound { .. })));
        assert!(matches!(Command::new("../bin/sh").run(), Err(CommandError::Failed { .. })));
        let failure: Failure = Command::new("true").directory("/no/such").run().unwrap_err().into();
        assert_eq!(failure.message, "cannot run `true`: the folder /no/such to run it in is not there");
        assert!(matches!(Command::new("true").user("no-such-user").run(), Err(CommandError::NoAccount { .. })));
    }

    #[test]
    fn a_failure_quotes_output_without_secrets() {
        let secret = Secret::new("hunter2".to_owned());
        let command = shell("echo pass hunter2 >&2; exit 3").conceal(&secret);
        let failure = command.succeed().unwrap_err();
        assert_eq!(failure.message, "`sh -c 'echo pass (secret) >&2; exit 3'` exited with status 3: pass (secret)");
        assert_eq!(shell("kill -9 $$").run().unwrap().end, End::Signalled(9));
    }

    #[test]
    fn another_user_has_only_its_own_groups() {
        if !Uid::effective().is_root() {
            return;
        }
        let text = stdout(&shell("id -un; id -Gn; echo $HOME; cat /proc/$$/status | grep ^CapEff").user("nobody"));
        assert_eq!(text, "nobody\nnogroup\n/nonexistent\nCapEff:\t0000000000000000\n");
        assert_eq!(stdout(&shell("id -un; id -gn").user("nobody").group("games")), "nobody\ngames\n");
        assert_eq!(stdout(&shell("id -un; id -gn").group("games")), "root\ngames\n");
        assert!(matches!(shell("true").group("no-such-group").run(), Err(CommandError::NoAccount { .. })));
    }
}
