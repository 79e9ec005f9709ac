//! The type `sudo`: who may run what as somebody else.

use std::path::Path;

use keel_engine::attributes;
use keel_engine::attributes::AttributeError;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listing, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::text::Text;
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::host::Host;
use crate::host::command::SEARCH_PATH;
use crate::host::output::CommandError;
use crate::judged_file::{JudgedFile, content_bytes, is_file_name, refused};
use crate::whole_file::{files_in, undescribed};

const FOLDER: &str = "/etc/sudoers.d";
const MODE: u32 = 0o440;
const PROGRAM: &str = "visudo";

attributes! {
    /// Who may run what as somebody else: a file in `/etc/sudoers.d`, root's own with mode 0440. visudo has to
    /// find it right before it replaces the old one, because one wrong line locks everybody out of sudo.
    ///
    /// Below another root than `/` the file is checked where this machine has a visudo.
    ///
    ///     sudo "deploy" user="deploy" nopasswd=#true {
    ///         commands "/usr/bin/systemctl restart app" "/usr/bin/systemctl status app"
    ///     }
    ///     sudo "10-ops" user="%ops"
    ///     sudo "50-site" { template "sudoers.j2"; }
    pub struct Sudo: "sudo" {
        /// The file's name, without dots: sudo passes over all others. Of two rules for the same command the one
        /// that comes later in the alphabet counts.
        [title] pub name: String,
        /// Whether the rules hold.
        pub ensure: Ensure = Ensure::Present,
        /// Who may: users, `%GROUP`, `#ID`.
        pub user: Vec<String>,
        /// What they may run: absolute paths with arguments as sudoers has them, or `ALL`. Without arguments
        /// any will do; `""` behind the path stands for none. Not given: `ALL`.
        pub commands: Vec<String>,
        /// As whom: a user, or `user:group`. Not given: `ALL`.
        pub runas: Option<String>,
        /// On which hosts, for files that several hosts share. Not given: `ALL`.
        pub host: Option<String>,
        /// Whether nobody is asked for a password.
        pub nopasswd: bool = false,
        /// Whether the commands may start no others, such as a shell from an editor.
        pub noexec: bool = false,
        /// Whether the caller's environment may be kept.
        pub setenv: bool = false,
        /// The whole text, as sudoers(5) has it; instead of `user` and the rest.
        pub content: Option<Text>,
    }
    check |desired| { check(desired) }
}

fn check(desired: &Sudo) -> Vec<AttributeError> {
    let mut errors = Vec::new();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    let is_name = is_file_name(&desired.name) && !desired.name.contains('.');
    refuse(
        !is_name,
        "name",
        "must be a file's name of letters, digits, `-` and `_`; sudo passes over files with a dot in their names or `~` at the end",
    );
    let is_written = !desired.user.is_empty();
    refuse(desired.content.is_some() && is_written, "content", "and `user` exclude each other");
    let present = desired.ensure == Ensure::Present;
    refuse(present && desired.content.is_none() && !is_written, "user", "or `content` is required, and neither is given");
    let is_word = |text: &String| {
        !text.is_empty() && !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, ',' | '=' | '(' | ')' | '!'))
    };
    refuse(!desired.user.iter().all(is_word), "user", "is a user, \"%GROUP\" or \"#ID\"; several are a list");
    refuse(desired.host.as_ref().is_some_and(|host| !is_word(host)), "host", "is a host or ALL");
    refuse(desired.runas.as_ref().is_some_and(|runas| !is_word(runas)), "runas", "is a user, \"user:group\" or ALL");
    let is_command = |command: &String| (command.starts_with('/') || command == "ALL") && !command.contains(['\n', '\r', '#']);
    refuse(!desired.commands.iter().all(is_command), "commands", "are absolute paths with arguments, or ALL");
    refuse(
        desired.commands.iter().any(|command| has_bare_comma(command)),
        "commands",
        "are a list; a comma in an argument is written `\\,`",
    );
    errors
}

/// Whether a comma would begin another command.
fn has_bare_comma(command: &str) -> bool {
    let mut escaped = false;
    command.chars().any(|c| {
        let bare = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        bare
    })
}

impl Sudo {
    fn path(&self) -> String {
        format!("{FOLDER}/{}", self.name)
    }

    fn rule(&self) -> String {
        let tags = [(self.nopasswd, "NOPASSWD: "), (self.noexec, "NOEXEC: "), (self.setenv, "SETENV: ")];
        let tags: String = tags.into_iter().filter(|(given, _)| *given).map(|(_, tag)| tag).collect();
        let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "ALL".to_owned());
        let commands = if self.commands.is_empty() { "ALL".to_owned() } else { self.commands.join(", ") };
        format!("{} {}=({}) {tags}{commands}\n", self.user.join(", "), word(&self.host), word(&self.runas))
    }

    fn file(&self, host: &Host) -> Result<JudgedFile, Failure> {
        let wanted = match (self.ensure, &self.content) {
            (Ensure::Absent, _) => None,
            (Ensure::Present, Some(content)) => Some(content_bytes(host, content)?),
            (Ensure::Present, None) => Some(self.rule().into_bytes()),
        };
        let is_secret = self.content.as_ref().is_some_and(Text::is_secret);
        Ok(JudgedFile { path: self.path(), wanted, is_secret, mode: Some(MODE) })
    }
}

/// What has to change.
#[derive(Debug)]
pub struct ObservedRules(Vec<Change>);

/// The type `sudo`.
pub struct SudoType;

impl ResourceType for SudoType {
    type Host = Host;
    type Desired = Sudo;
    type Observed = ObservedRules;

    fn observe(&self, host: &Host, desired: &[&Sudo]) -> Vec<Result<ObservedRules, ObserveError>> {
        let look = |rules: &&Sudo| {
            let changes = rules.file(host)?.look(host)?;
            if rules.ensure == Ensure::Present && changes.iter().any(|change| change.attribute == "content") {
                expect_visudo(host, PROGRAM)?;
            }
            Ok(ObservedRules(changes))
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, _desired: &Sudo, observed: &ObservedRules) -> Vec<Change> {
        observed.0.clone()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let file = work.desired.file(host)?;
        file.settle(host, work.changes, &|candidate| judge(host, &file, candidate))
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Sudo) -> Footprint {
        let footprint = Footprint::default().own(format!("path:{}", desired.path())).need(format!("path:{FOLDER}"));
        // Whoever is named, and the program that judges.
        let accounts = desired.user.iter().filter(|name| !name.starts_with(['#', '+'])).map(|name| match name.strip_prefix('%') {
            Some(group) => format!("group:{group}"),
            None => format!("user:{name}"),
        });
        accounts.fold(footprint.need("package:sudo"), Footprint::need)
    }

    fn removable(&self) -> Option<Listing<Host>> {
        // sudo itself passes over other names.
        Some(|host| {
            Ok(files_in(host, FOLDER, "")?
                .into_iter()
                .filter(|file| !file.title.contains('.') && file.title != "README")
                .collect::<Vec<_>>()
                .into())
        })
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let readme = Described { title: "README".to_owned(), attributes: Map::new() };
        let described: Vec<Described> = described.iter().cloned().chain([readme]).collect();
        undescribed(host, (FOLDER, ""), &described, "its mode is not 0440, or its name one that sudo passes over")
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let name = entry.name.to_string_lossy().into_owned();
            let path = format!("{FOLDER}/{name}");
            let is_meant = title.is_none_or(|title| title == name) && is_file_name(&name) && !name.contains('.') && name != "README";
            if !is_meant || host.stat_followed(&path)?.is_none_or(|stat| stat.mode & 0o7777 != MODE) {
                continue;
            }
            let text = host.read_text(&path)?.unwrap_or_default();
            found.push(Described { title: name, attributes: Map::from_iter([("content".to_owned(), Value::from(text))]) });
        }
        Ok(Some(found))
    }
}

/// Whether the program is there without which nothing is written. Below another root nobody can count on it.
fn expect_visudo(host: &Host, program: &str) -> Result<(), ObserveError> {
    let found = SEARCH_PATH.iter().any(|folder| host.stat_followed(format!("{folder}/{program}")).is_ok_and(|found| found.is_some()));
    if found || !host.is_machine() {
        return Ok(());
    }
    let failure = Failure::new(format!("there is no {program}, without which no rule of sudo is written"));
    Err(ObserveError::NotYet(failure.help("declare it: package sudo")))
}

/// Asks visudo whether a file is right.
fn judge(host: &Host, file: &JudgedFile, candidate: &Path) -> Result<(), Failure> {
    let command = host.command(PROGRAM).arguments(["-c", "-q", "-f"]).argument(candidate.to_string_lossy());
    let output = match command.run() {
        Ok(output) => output,
        Err(CommandError::NotFound { .. }) if !host.is_machine() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match (output.is_success(), file.is_secret) {
        (true, _) => Ok(()),
        (false, true) => Err(refused(&file.path, "what visudo says is not shown, because the content is secret", candidate)),
        (false, false) => Err(refused(&file.path, &output.shown(), candidate)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::trial::{Trial, list};

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.write("/etc/sudoers.d/README", "# nothing\n");
        trial
    }

    #[test]
    fn rules_are_a_line_in_a_file_that_only_root_reads() {
        let trial = trial();
        let attributes = [
            ("user", list(&["ada", "%ops"])),
            ("commands", list(&["/usr/bin/id", "/bin/ls -l"])),
            ("nopasswd", Value::Bool(true)),
            ("runas", Value::from("www-data")),
        ];
        assert_eq!(trial.converge(&SudoType, "web", &attributes).unwrap(), ["+ content: absent -> 1 line"]);
        let path = "/etc/sudoers.d/web";
        assert_eq!(trial.read(path), "ada, %ops ALL=(www-data) NOPASSWD: /usr/bin/id, /bin/ls -l\n");
        let mode = |trial: &Trial| trial.path(path).metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&trial), 0o440);
        std::fs::set_permissions(trial.path(path), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(trial.converge(&SudoType, "web", &attributes).unwrap(), ["~ mode: 0644 -> 0440"]);
        assert_eq!(mode(&trial), 0o440);
        let described = SudoType.describe(&trial.host, None).unwrap().unwrap();
        assert_eq!(described.iter().map(|found| found.title.as_str()).collect::<Vec<_>>(), ["web"]);
        trial.converge(&SudoType, "web", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists(path));
    }

    #[test]
    fn without_visudo_a_machine_is_not_written_to() {
        let error = expect_visudo(&Host::new("/"), "no-such-visudo").unwrap_err();
        assert!(matches!(error, ObserveError::NotYet(_)), "a package may still bring it");
        assert!(error.failure().message.contains("there is no no-such-visudo"));
        assert_eq!(expect_visudo(&trial().host, "no-such-visudo"), Ok(()));
    }

    #[test]
    fn what_sudo_would_pass_over_or_read_otherwise_is_refused() {
        for name in ["a.b", "a~", ".a", "a/b", ""] {
            assert!(Trial::refuses::<SudoType>(name, &[("user", Value::from("ada"))]).contains("name"), "{name}");
        }
        let refused = |attributes: &[(&str, Value)]| Trial::refuses::<SudoType>("a", attributes);
        assert!(refused(&[]).contains("neither is given"));
        assert!(refused(&[("user", Value::from("ada, eve"))]).contains("several are a list"));
        let commands = |text: &str| refused(&[("user", Value::from("ada")), ("commands", Value::from(text))]);
        assert!(commands("ls").contains("absolute paths"));
        assert!(commands("/bin/ls, /bin/sh").contains("a list"));
        assert!(commands("/bin/ls\nada ALL=ALL").contains("absolute paths"));
        assert!(!has_bare_comma("/bin/ls a\\,b") && has_bare_comma("/bin/ls a\\\\,b"));
    }
}
