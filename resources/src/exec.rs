//! The type `exec`: a command that runs when its guards say so.

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::catalog::Effect;
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Disruption, Failure, Nature, ObserveError, PlannedRefresh, Refreshed, Reliance, ResourceType, Work};
use keel_engine::text::Text;

use crate::host::Host;
use crate::host::attend::pause;
use crate::host::command::Command;
use crate::host::output::{End, Output};

attributes! {
    /// A command that runs when its guards say so.
    ///
    /// The guards (`creates`, `onlyif`, `unless`) also run in a plan, so they must only look. A
    /// command without a guard needs `refresh_only=#true` (it runs when it is notified) or
    /// `always=#true` (it runs each time). The environment is clean: PATH, LANG and LC_ALL, and with
    /// `user` the HOME, USER, LOGNAME and SHELL of that user. There is nothing to read on its standard
    /// input, it runs in a session of its own, and when its time is up everything it began is ended.
    /// What it writes is shown when it fails. Guards are asked before a refresh, too. Below another root
    /// nothing is run: what is due fails there, and a refresh stays owed to a run on the machine itself.
    ///
    ///     exec "make-dh-parameters" creates="/etc/ssl/dh.pem" {
    ///         command openssl dhparam -out "/etc/ssl/dh.pem" "2048"
    ///     }
    ///     exec "make the database" creates="/var/lib/app/db" user=app {
    ///         command "/opt/app/bin/init" "--yes"
    ///     }
    ///     exec "rebuild the index" refresh_only=#true shell="cd /srv/index && make >/dev/null"
    pub struct Exec: "exec" {
        /// What people call it.
        [title] pub name: String,
        /// The command as a list of arguments, the program first; no shell reads it.
        pub command: Vec<String>,
        /// The command as a text for `/bin/sh`; instead of `command`.
        pub shell: Option<String>,
        /// Paths that the command creates: if any of them exists, it does not run.
        pub creates: Vec<AbsolutePath>,
        /// Commands for `/bin/sh`: it runs only if all of them succeed.
        pub onlyif: Vec<String>,
        /// Commands for `/bin/sh`: it does not run if any of them succeeds.
        pub unless: Vec<String>,
        /// Whether it runs only when it is notified.
        pub refresh_only: bool = false,
        /// Whether it runs each time, for a command that has no guard on purpose.
        pub always: bool = false,
        /// The command for when it is notified, as a list of arguments. Not given: the same command.
        pub refresh: Vec<String>,
        /// The folder it runs in.
        pub cwd: Option<AbsolutePath>,
        /// Further variables of its environment; their values may be secrets.
        pub environment: IndexMap<String, Text>,
        /// What it reads on its standard input; may be a secret.
        pub input: Option<Text>,
        /// The user it runs as, guards included.
        pub user: Option<String>,
        /// The group it runs with, guards included. Not given: the user's own.
        pub group: Option<String>,
        /// The mask for the modes of files that it creates, in octal.
        pub umask: Option<String>,
        /// Where programs are looked for. Not given: /usr/sbin, /usr/bin, /sbin and /bin.
        pub path: Vec<AbsolutePath>,
        /// How long it and each guard may take; 0 for as long as they like.
        [how] pub timeout: Span = Span(Duration::from_secs(300)),
        /// How often it is tried before it counts as failed.
        [how] pub tries: u32 = 1,
        /// How long to wait between two tries.
        [how] pub try_sleep: Span = Span(Duration::ZERO),
        /// The exit statuses that count as success. Not given: 0.
        pub returns: Vec<i64>,
    }
    check |desired| {
        let mut errors = Vec::new();
        let mut error = |attribute: &str, message: &str, help: &str| errors.push(AttributeError::new(attribute, message).help(help));
        match (&desired.shell, desired.command.is_empty()) {
            (Some(_), false) => error("shell", "stands beside `command`", "give one of the two"),
            (None, true) => error("command", "is required and not given", "a list of arguments, or `shell` with a text for /bin/sh"),
            _ => {}
        }
        for (attribute, words) in [("command", &desired.command), ("refresh", &desired.refresh)] {
            match words.as_slice() {
                [program] if program.contains(' ') => {
                    error(attribute, "is one program with spaces in its name", "write the arguments one by one, or use `shell`");
                }
                [program, ..] if program.is_empty() || !program.starts_with('/') && program.contains('/') => {
                    error(attribute, "names its program neither by an absolute path nor by a name alone", "write the absolute path");
                }
                _ => {}
            }
        }
        for (attribute, guards) in [("onlyif", &desired.onlyif), ("unless", &desired.unless)] {
            if guards.iter().any(|guard| guard.starts_with('-')) {
                error(attribute, "is several commands, and one of them begins with `-`", "each is a text for /bin/sh: write the arguments behind the program, in one text");
            }
        }
        if desired.is_unguarded() && !desired.refresh_only && !desired.always {
            error("name", "has no guard and would run each time", "give it `creates`, `onlyif` or `unless`; or `refresh_only=#true`; or `always=#true` if that is meant");
        }
        if desired.always && (desired.refresh_only || !desired.is_unguarded()) {
            error("always", "contradicts the guards or `refresh_only`", "leave one of them out");
        }
        if desired.umask.as_deref().is_some_and(|umask| parse_umask(umask).is_none()) {
            error("umask", "is no mask", "three octal digits such as \"027\"");
        }
        if desired.tries == 0 {
            error("tries", "would never try", "1 or more");
        }
        if desired.returns.iter().any(|status| !(0..=255).contains(status)) {
            error("returns", "holds what is no exit status", "0 to 255");
        }
        if let Some(name) = desired.environment.keys().find(|name| !is_variable_name(name)) {
            error("environment", &format!("cannot hold the name {name:?}"), "letters, digits and `_`, no digit first");
        }
        errors
    }
}

fn parse_umask(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|umask| *umask <= 0o777)
}

fn is_variable_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| fits(c) && !c.is_ascii_digit()) && name.chars().all(fits)
}

impl Exec {
    fn is_unguarded(&self) -> bool {
        self.creates.is_empty() && self.onlyif.is_empty() && self.unless.is_empty()
    }

    /// The command as people may see it.
    fn shown(&self) -> String {
        self.shell.clone().unwrap_or_else(|| self.command.join(" "))
    }

    /// The command itself or what stands for it in a refresh.
    fn main_command(&self, host: &Host, refreshing: bool) -> Result<Command, Failure> {
        let words = if refreshing && !self.refresh.is_empty() { &self.refresh } else { &self.command };
        match (words.split_first(), &self.shell) {
            (Some((program, arguments)), _) => Ok(host.command(program).arguments(arguments.iter().cloned())),
            (None, Some(text)) => Ok(host.command("/bin/sh").argument("-c").argument(text)),
            (None, None) => Err(Failure::new("there is no command to run")),
        }
    }

    /// The circumstances that command and guards share.
    fn surround(&self, host: &Host, mut command: Command) -> Result<Command, Failure> {
        command = command.timeout(Some(self.timeout.0).filter(|time| !time.is_zero()));
        if !self.path.is_empty() {
            let folders: Vec<PathBuf> = self.path.iter().map(|folder| folder.as_path().to_owned()).collect();
            command = command.search(&folders);
        }
        for (name, text) in &self.environment {
            command = with_text(host, command, text, |command, value| command.environment(name, value))?;
        }
        if let Some(folder) = &self.cwd {
            command = command.directory(folder.as_path());
        }
        if let Some(user) = &self.user {
            command = command.user(user);
        }
        if let Some(group) = &self.group {
            command = command.group(group);
        }
        if let Some(umask) = self.umask.as_deref().and_then(parse_umask) {
            command = command.umask(umask);
        }
        Ok(command)
    }

    /// Whether its guards let it run.
    fn is_due(&self, host: &Host) -> Result<bool, ObserveError> {
        for path in &self.creates {
            if host.stat_followed(path.as_path())?.is_some() {
                return Ok(false);
            }
        }
        for (guards, wanted) in [(&self.onlyif, true), (&self.unless, false)] {
            for guard in guards {
                let command = host.command("/bin/sh").argument("-c").argument(guard);
                let output = self.surround(host, command)?.run()?;
                if let End::TimedOut(_) = output.end {
                    return Err(output.failure().help("a guard must only look; give it more time with `timeout`").into());
                }
                if output.is_success() != wanted {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn succeeded(&self, output: &Output) -> bool {
        match output.end {
            End::Exited(status) if self.returns.is_empty() => status == 0,
            End::Exited(status) => self.returns.contains(&i64::from(status)),
            End::Signalled(_) | End::TimedOut(_) | End::Abandoned => false,
        }
    }

    /// Runs it, several times if need be.
    fn run(&self, host: &Host, refreshing: bool) -> Result<(), Failure> {
        let mut command = self.surround(host, self.main_command(host, refreshing)?)?;
        if let Some(input) = &self.input {
            command = with_text(host, command, input, Command::input)?;
        }
        let mut left = self.tries.max(1);
        loop {
            let output = command.run()?;
            left -= 1;
            if self.succeeded(&output) {
                return Ok(());
            }
            if left == 0 || !pause(self.try_sleep.0) {
                let failure = output.failure();
                let tries = if self.tries > 1 && left == 0 { format!(" ({} times)", self.tries) } else { String::new() };
                return Err(Failure { message: failure.message + &tries, help: failure.help });
            }
        }
    }
}

/// Gives a text to a command. A secret one is blotted out of all that the command shows.
fn with_text(host: &Host, command: Command, text: &Text, give: impl FnOnce(Command, String) -> Command) -> Result<Command, Failure> {
    let bytes = text.bytes(host.contents()).map_err(Failure::new)?;
    let value = String::from_utf8_lossy(&bytes).into_owned();
    let command = if let Text::Secret(secret) = text { command.conceal(secret) } else { command };
    Ok(give(command, value))
}

/// What can be said of a command before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedExec {
    is_due: bool,
    /// Commands run on the machine only, and not below another root.
    can_run: bool,
}

/// The type `exec`.
pub struct ExecType;

impl ResourceType for ExecType {
    type Host = Host;
    type Desired = Exec;
    type Observed = ObservedExec;

    fn observe(&self, host: &Host, desired: &[&Exec]) -> Vec<Result<ObservedExec, ObserveError>> {
        let look = |exec: &&Exec| {
            let can_run = host.is_machine();
            if exec.refresh_only {
                return Ok(ObservedExec { is_due: false, can_run });
            }
            let only_paths = exec.onlyif.is_empty() && exec.unless.is_empty();
            let is_due = if only_paths || can_run { exec.is_due(host)? } else { true };
            if is_due && !can_run { Err(below_root(host).into()) } else { Ok(ObservedExec { is_due, can_run }) }
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Exec, observed: &ObservedExec) -> Vec<Change> {
        let run = || Change::run("command", Shown::Absent, desired.shown());
        observed.is_due.then(run).into_iter().collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        if !host.is_machine() {
            return Err(below_root(host));
        }
        work.desired.run(host, false)
    }

    fn footprint(&self, desired: &Exec) -> Footprint {
        let creates = desired.creates.iter().fold(Footprint::default(), |footprint, path| footprint.provide(format!("path:{path}")));
        let footprint = desired.cwd.iter().fold(creates, |footprint, folder| footprint.need(format!("path:{folder}")));
        let program = desired.command.first().filter(|program| program.starts_with('/'));
        let footprint = program.into_iter().fold(footprint, |footprint, program| footprint.need(format!("path:{program}")));
        let footprint = desired.user.iter().fold(footprint, |footprint, user| footprint.need(format!("user:{user}")));
        desired.group.iter().fold(footprint, |footprint, group| footprint.need(format!("group:{group}")))
    }

    fn nature(&self) -> Nature {
        Nature { opaque: true, refreshable: true, ..Nature::default() }
    }

    fn reliance(&self, desired: &Exec, _observed: &ObservedExec) -> Reliance {
        if desired.refresh_only || desired.always { Reliance::Firm } else { Reliance::UntilAny }
    }

    fn plan_refresh(&self, desired: &Exec, observed: &ObservedExec, _effect: Effect, made: &[Change]) -> PlannedRefresh {
        match (observed.can_run, made.is_empty()) {
            (_, false) => PlannedRefresh::NotNeeded("it runs in this run anyway"),
            (false, true) => PlannedRefresh::Later("commands are not run below another root"),
            (true, true) if desired.is_unguarded() => PlannedRefresh::Due("run"),
            (true, true) => PlannedRefresh::Guarded("run"),
        }
    }

    fn acts(&self, desired: &Exec) -> bool {
        !desired.refresh_only
    }

    fn heeds_refresh(&self, desired: &Exec, _made: &[Change], is_new: bool) -> bool {
        desired.refresh_only || !is_new
    }

    /// What a command does nobody can tell but who put it under a guard.
    fn disrupts(
        &self,
        _host: &Host,
        _desired: &Exec,
        _changes: &[Change],
        _refresh: Option<Effect>,
    ) -> Result<Option<Disruption>, Failure> {
        Ok(Some(Disruption::Restart))
    }

    fn guards_let(&self, host: &Host, desired: &Exec) -> Result<bool, Failure> {
        desired.is_due(host).map_err(|error| error.failure().clone())
    }

    fn refresh(&self, host: &Host, desired: &Exec, _effect: Effect, _made: &[Change]) -> Result<Refreshed, Failure> {
        if !self.guards_let(host, desired)? {
            return Ok(Refreshed::NotNeeded("its guards hold it back"));
        }
        desired.run(host, true)?;
        Ok(Refreshed::Done("ran"))
    }
}

fn below_root(host: &Host) -> Failure {
    Failure::new(format!("commands cannot be run below {}", host.root().display())).help("run keel on the machine itself, or in a chroot")
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;
    use keel_engine::secret::Secret;
    use keel_engine::value::{Map, Value};

    use super::*;
    use crate::trial::{Trial, list};

    fn exec(attributes: &[(&str, Value)]) -> Exec {
        let map: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Exec::from_attributes("it", &map).unwrap()
    }

    fn machine() -> Host {
        Host::new("/")
    }

    fn is_due(attributes: &[(&str, Value)]) -> bool {
        let command = ("shell", Value::from("exit 1"));
        exec(&[&[command], attributes].concat()).is_due(&machine()).unwrap()
    }

    fn run(attributes: &[(&str, Value)]) -> Result<(), String> {
        let always = ("always", Value::Bool(true));
        exec(&[&[always], attributes].concat()).run(&machine(), false).map_err(|failure| failure.message)
    }

    #[test]
    fn any_created_path_any_unless_and_all_onlyif_decide() {
        assert!(is_due(&[("creates", list(&["/no/such"]))]));
        assert!(!is_due(&[("creates", list(&["/no/such", "/etc/passwd"]))]));
        assert!(is_due(&[("unless", list(&["false", "exit 3"]))]) && !is_due(&[("unless", list(&["false", "true"]))]));
        assert!(is_due(&[("onlyif", list(&["true", "test -e /etc/passwd"]))]) && !is_due(&[("onlyif", list(&["true", "false"]))]));
    }

    #[test]
    fn a_guard_that_takes_too_long_fails() {
        let exec = exec(&[("shell", Value::from("true")), ("unless", list(&["sleep 20"])), ("timeout", Value::Int(1))]);
        let error = exec.is_due(&machine()).unwrap_err();
        assert!(error.failure().message.contains("took longer than 1 seconds"));
    }

    #[test]
    fn statuses_tries_and_missing_programs() {
        assert!(run(&[("shell", Value::from("exit 3")), ("returns", Value::List(vec![Value::Int(0), Value::Int(3)]))]).is_ok());
        assert_eq!(
            run(&[("shell", Value::from("echo no >&2; exit 3"))]).unwrap_err(),
            "`/bin/sh -c 'echo no >&2; exit 3'` exited with status 3: no"
        );
        let trial = Trial::new();
        let count = format!("echo x >>{}; exit 1", trial.path("/count").display());
        assert!(run(&[("shell", Value::from(count)), ("tries", Value::Int(3))]).unwrap_err().ends_with("(3 times)"));
        assert_eq!(trial.read("/count"), "x\nx\nx\n");
        assert!(run(&[("command", list(&["/no/such"]))]).unwrap_err().contains("there is no program /no/such"));
        assert!(run(&[("command", list(&["true"])), ("cwd", Value::from("/no/such"))]).unwrap_err().contains("/no/such to run it in"));
    }

    #[test]
    fn secrets_reach_the_command_and_no_message() {
        let secret = Value::Secret(Secret::new("hunter2".to_owned()));
        let environment = Value::Map([("PASS".to_owned(), secret.clone())].into_iter().collect());
        let shell = Value::from("cat; echo \" and $PASS\"; exit 1");
        let error = run(&[("shell", shell), ("environment", environment), ("input", secret)]).unwrap_err();
        assert!(error.ends_with(": (secret) and (secret)"), "{error}");
    }

    #[test]
    fn a_refresh_heeds_guards_and_what_ran() {
        let refresh =
            |attributes: &[(&str, Value)], made: &[Change]| ExecType.refresh(&machine(), &exec(attributes), Effect::Restart, made);
        let only = [("shell", Value::from("true")), ("refresh_only", Value::Bool(true))];
        assert_eq!(refresh(&only, &[]), Ok(Refreshed::Done("ran")));
        let observed = |is_due| ObservedExec { is_due, can_run: true };
        assert_eq!(ExecType.observe(&machine(), &[&exec(&only)]), [Ok(observed(false))]);
        let held = [("shell", Value::from("true")), ("onlyif", list(&["false"]))];
        assert_eq!(refresh(&held, &[]), Ok(Refreshed::NotNeeded("its guards hold it back")));
        let made = ExecType.diff(&exec(&held), &observed(true));
        let planned = |made: &[Change]| ExecType.plan_refresh(&exec(&held), &observed(true), Effect::Restart, made);
        assert_eq!(planned(&made), PlannedRefresh::NotNeeded("it runs in this run anyway"));
        assert_eq!(planned(&[]), PlannedRefresh::Guarded("run"));
        assert_eq!(ExecType.guards_let(&machine(), &exec(&held)), Ok(false));
        assert_eq!(ExecType.plan_refresh(&exec(&only), &observed(false), Effect::Restart, &[]), PlannedRefresh::Due("run"));
        let failing = [("shell", Value::from("true")), ("refresh_only", Value::Bool(true)), ("refresh", list(&["false"]))];
        assert!(refresh(&failing, &[]).is_err());
    }

    #[test]
    fn what_is_not_meant_is_refused() {
        let refused = |attributes: &[(&str, Value)]| Trial::refuses::<ExecType>("it", attributes);
        assert!(refused(&[("shell", Value::from("true"))]).contains("has no guard"));
        assert!(refused(&[("always", Value::Bool(true))]).contains("command is required"));
        assert!(refused(&[("command", Value::from("apt update")), ("always", Value::Bool(true))]).contains("spaces in its name"));
        assert!(refused(&[("command", list(&["bin/x"])), ("always", Value::Bool(true))]).contains("absolute path"));
        assert!(refused(&[("shell", Value::from("x")), ("always", Value::Bool(true)), ("unless", list(&["x"]))]).contains("contradicts"));
        assert!(refused(&[("shell", Value::from("x")), ("unless", list(&["/bin/sh", "-c", "exit 1"]))]).contains("several commands"));
        assert!(refused(&[("shell", Value::from("x")), ("always", Value::Bool(true)), ("umask", Value::from("9"))]).contains("no mask"));
        let environment = Value::Map([("A=B".to_owned(), Value::from("x"))].into_iter().collect());
        assert!(refused(&[("shell", Value::from("x")), ("always", Value::Bool(true)), ("environment", environment)]).contains("A=B"));
    }

    #[test]
    fn below_another_root_what_is_due_fails_in_the_plan() {
        let trial = Trial::new();
        let creates = [("command", Value::from("true")), ("creates", Value::from("/made"))];
        assert!(trial.plan(&ExecType, "x", &creates).unwrap_err().contains("cannot be run below"));
        trial.write("/made", "");
        assert!(trial.plan(&ExecType, "x", &creates).unwrap().is_empty());
        let only = exec(&[("command", Value::from("true")), ("refresh_only", Value::Bool(true))]);
        let observed = ExecType.observe(&trial.host, &[&only]).remove(0).unwrap();
        let planned = ExecType.plan_refresh(&only, &observed, Effect::Restart, &[]);
        assert_eq!(planned, PlannedRefresh::Later("commands are not run below another root"));
    }

    #[test]
    fn a_group_of_its_own_is_taken_on() {
        if !nix::unistd::Uid::effective().is_root() {
            return;
        }
        run(&[("shell", Value::from("test $(id -g) = 1 && test $(id -u) = 0")), ("group", Value::from("daemon"))]).unwrap();
        run(&[
            ("shell", Value::from("test $(id -g) = 1 && test $(id -un) = nobody")),
            ("user", Value::from("nobody")),
            ("group", Value::from("daemon")),
        ])
        .unwrap();
        assert!(run(&[("shell", Value::from("true")), ("group", Value::from("ghosts"))]).unwrap_err().contains("no group ghosts"));
    }
}
