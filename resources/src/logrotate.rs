//! The type `logrotate`: how logs are rotated.

use std::path::Path;

use keel_engine::attributes;
use keel_engine::attributes::AttributeError;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listed, Listing, Nature, ObserveError, ResourceType, Work};
use keel_engine::text::Text;
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::host::Host;
use crate::host::output::CommandError;
use crate::judged_file::{JudgedFile, content_bytes, is_file_name, refused};
use crate::whole_file::files_in;

const FOLDER: &str = "/etc/logrotate.d";

/// Ends of names that logrotate passes over without a word.
#[rustfmt::skip]
const PASSED_OVER: [&str; 20] = [
    ",v", ".bak", ".cfsaved", ".disabled", ".dpkg-bak", ".dpkg-del", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-tmp",
    ".old", ".orig", ".rhn-cfg-tmp", ".rpmnew", ".rpmorig", ".rpmsave", ".save", ".swp", ".ucf-dist", ".ucf-new",
];

/// The first words of lines about logs, from logrotate.conf(5) of logrotate 3.21. logrotate passes over a line that it
/// does not know and rotates all the same.
#[rustfmt::skip]
const WORDS: [&str; 56] = [
    "addextension", "allowhardlink", "compress", "compresscmd", "compressext", "compressoptions", "copy",
    "copytruncate", "create", "createolddir", "daily", "dateext", "dateformat", "datehourago", "dateyesterday",
    "delaycompress", "extension", "hourly", "ifempty", "ignoreduplicates", "mail", "mailfirst", "maillast", "maxage",
    "maxsize", "minage", "minsize", "missingok", "monthly", "noallowhardlink", "nocompress", "nocopy",
    "nocopytruncate", "nocreate", "nocreateolddir", "nodateext", "nodelaycompress", "nomail", "nomissingok",
    "noolddir", "norenamecopy", "nosharedscripts", "noshred", "notifempty", "olddir", "renamecopy", "rotate",
    "sharedscripts", "shred", "shredcycles", "size", "start", "su", "uncompresscmd", "weekly", "yearly",
];

attributes! {
    /// How logs are rotated: a file in `/etc/logrotate.d`. logrotate reads the new file before it replaces the old
    /// one, where it is installed already.
    ///
    ///     logrotate "nginx" files="/var/log/nginx/*.log" {
    ///         options daily "rotate 14" compress delaycompress missingok notifempty "create 0640 www-data adm" sharedscripts
    ///         postrotate "systemctl kill --signal=USR1 nginx.service"
    ///     }
    ///     logrotate "app" { template "logrotate.j2"; }
    pub struct Logrotate: "logrotate" {
        /// The file's name.
        [title] pub name: String,
        /// Whether the file is there.
        pub ensure: Ensure = Ensure::Present,
        /// The logs, absolute paths that may have `*` in them.
        pub files: Vec<String>,
        /// What is done with them, in the words of logrotate.conf(5): `daily`, `"rotate 14"`, `compress`. A word that is
        /// newer than logrotate 3.21 goes into `content`.
        pub options: Vec<String>,
        /// Shell commands before the logs are rotated.
        pub prerotate: Option<String>,
        /// Shell commands after they are, such as telling the program to open its log anew.
        pub postrotate: Option<String>,
        /// The whole text; instead of `files` and the rest.
        pub content: Option<Text>,
    }
    check |desired| { check(desired) }
}

fn check(desired: &Logrotate) -> Vec<AttributeError> {
    let mut errors = Vec::new();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    refuse(!is_file_name(&desired.name), "name", "must be a file's name of letters, digits, `-`, `_` and `.`");
    let passed_over = desired.name.ends_with('~') || PASSED_OVER.iter().any(|end| desired.name.ends_with(end));
    refuse(passed_over, "name", "ends as those of files that logrotate passes over");
    let written = !desired.files.is_empty() || !desired.options.is_empty() || desired.prerotate.is_some() || desired.postrotate.is_some();
    refuse(desired.content.is_some() && written, "content", "is the whole text, so `files` and the others have no place beside it");
    let present = desired.ensure == Ensure::Present;
    refuse(present && desired.content.is_none() && desired.files.is_empty(), "files", "or `content` is required, and neither is given");
    let is_path = |path: &String| path.starts_with('/') && !path.contains(['\n', '\r', '"', '{', '}']);
    refuse(!desired.files.iter().all(is_path), "files", "are absolute paths");
    let is_option = |option: &String| option.starts_with(|c: char| c.is_ascii_lowercase()) && !option.contains(['\n', '\r', '{', '}']);
    refuse(!desired.options.iter().all(is_option), "options", "are lines of logrotate's words, such as \"rotate 14\"");
    let is_script =
        |option: &String| matches!(option.as_str(), "prerotate" | "postrotate" | "firstaction" | "lastaction" | "preremove" | "endscript");
    refuse(desired.options.iter().any(is_script), "options", "have no scripts; use `prerotate`, `postrotate` or `content`");
    let unknown = |option: &&String| is_option(option) && !is_script(option) && !is_known(option);
    if let Some(option) = desired.options.iter().find(unknown) {
        let message =
            format!("holds {option:?}, whose first word logrotate does not know; see logrotate.conf(5), or write the text in `content`");
        refuse(true, "options", &message);
    }
    for (attribute, script) in [("prerotate", &desired.prerotate), ("postrotate", &desired.postrotate)] {
        let ends = script.as_ref().is_some_and(|script| script.lines().any(|line| line.trim() == "endscript"));
        refuse(ends, attribute, "holds `endscript`, which would end it");
    }
    errors
}

/// Whether logrotate knows the first word of a line, which a blank or `=` ends.
fn is_known(option: &str) -> bool {
    let word = option.split([' ', '\t', '=']).next().unwrap_or_default();
    WORDS.binary_search(&word).is_ok()
}

impl Logrotate {
    fn path(&self) -> String {
        format!("{FOLDER}/{}", self.name)
    }

    fn text(&self) -> String {
        let quote = |path: &String| if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path.clone() };
        let mut text = format!("{} {{\n", self.files.iter().map(quote).collect::<Vec<_>>().join("\n"));
        for option in &self.options {
            text.push_str(&format!("\t{option}\n"));
        }
        for (word, script) in [("prerotate", &self.prerotate), ("postrotate", &self.postrotate)] {
            if let Some(script) = script {
                let lines: String = script.lines().map(|line| format!("\t\t{line}\n")).collect();
                text.push_str(&format!("\t{word}\n{lines}\tendscript\n"));
            }
        }
        text + "}\n"
    }

    fn file(&self, host: &Host) -> Result<JudgedFile, Failure> {
        let wanted = match (self.ensure, &self.content) {
            (Ensure::Absent, _) => None,
            (Ensure::Present, Some(content)) => Some(content_bytes(host, content)?),
            (Ensure::Present, None) => Some(self.text().into_bytes()),
        };
        let is_secret = self.content.as_ref().is_some_and(Text::is_secret);
        Ok(JudgedFile { path: self.path(), wanted, is_secret, mode: None })
    }
}

/// What has to change.
#[derive(Debug)]
pub struct ObservedRotation(Vec<Change>);

/// The type `logrotate`.
pub struct LogrotateType;

impl ResourceType for LogrotateType {
    type Host = Host;
    type Desired = Logrotate;
    type Observed = ObservedRotation;

    fn observe(&self, host: &Host, desired: &[&Logrotate]) -> Vec<Result<ObservedRotation, ObserveError>> {
        desired.iter().map(|logs| Ok(ObservedRotation(logs.file(host)?.look(host)?))).collect()
    }

    fn diff(&self, _desired: &Logrotate, observed: &ObservedRotation) -> Vec<Change> {
        observed.0.clone()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let file = work.desired.file(host)?;
        file.settle(host, work.changes, &|candidate| judge(host, &file, candidate))
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Logrotate) -> Footprint {
        Footprint::default().own(format!("path:{}", desired.path())).need(format!("path:{FOLDER}")).need("package:logrotate")
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| files_in(host, FOLDER, "").map(Listed::from))
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let name = entry.name.to_string_lossy().into_owned();
            let is_meant =
                title.is_none_or(|title| title == name) && is_file_name(&name) && !PASSED_OVER.iter().any(|end| name.ends_with(end));
            if is_meant && let Some(text) = host.read_text(format!("{FOLDER}/{name}"))? {
                found.push(Described { title: name, attributes: Map::from_iter([("content".to_owned(), Value::from(text))]) });
            }
        }
        Ok(Some(found))
    }
}

/// Asks logrotate what it thinks of a file. Where it is not installed yet nobody can tell, and it reads the file
/// when it is.
fn judge(host: &Host, file: &JudgedFile, candidate: &Path) -> Result<(), Failure> {
    let output = match host.command("logrotate").argument("--debug").argument(candidate.to_string_lossy()).run() {
        Ok(output) => output,
        Err(CommandError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let said = String::from_utf8_lossy(&output.stderr.whole().unwrap_or_default()).into_owned();
    match errors_in(&said, &candidate.to_string_lossy()) {
        None => Ok(()),
        Some(_) if file.is_secret => Err(refused(&file.path, "what logrotate says is not shown, because the content is secret", candidate)),
        Some(said) => Err(refused(&file.path, &said, candidate)),
    }
}

/// What logrotate has against a file. It also says what it has against the logs of the moment, such as that
/// there are none yet, which is no fault of the file.
fn errors_in(said: &str, candidate: &str) -> Option<String> {
    let start = format!("error: {candidate}:");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with(&start)).collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.write("/etc/logrotate.d/apt", "/var/log/apt/term.log {\n  monthly\n}\n");
        trial
    }

    #[test]
    fn logs_options_and_scripts_become_a_file() {
        let trial = trial();
        let attributes = [
            ("files", list(&["/var/log/a b.log", "/var/log/c/*.log"])),
            ("options", list(&["daily", "rotate 14", "missingok"])),
            ("postrotate", Value::from("echo a\necho b")),
        ];
        assert_eq!(trial.converge(&LogrotateType, "app", &attributes).unwrap(), ["+ content: absent -> 10 lines"]);
        assert_eq!(
            trial.read("/etc/logrotate.d/app"),
            "\"/var/log/a b.log\"\n/var/log/c/*.log {\n\tdaily\n\trotate 14\n\tmissingok\n\tpostrotate\n\t\techo a\n\t\techo b\n\tendscript\n}\n"
        );
        let titles: Vec<String> =
            LogrotateType.describe(&trial.host, None).unwrap().unwrap().into_iter().map(|found| found.title).collect();
        assert_eq!(titles, ["app", "apt"]);
        trial.converge(&LogrotateType, "apt", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists("/etc/logrotate.d/apt"));
    }

    #[test]
    fn only_what_logrotate_has_against_the_file_counts() {
        let said = "warning: debug\nreading config file /d/.keel-1\nerror: /d/.keel-1:3 unknown option 'foo' -- ignoring line\n\
                    error: found error in /x , skipping\nerror: stat of /var/log/x failed: No such file or directory\n";
        assert_eq!(errors_in(said, "/d/.keel-1").unwrap(), "error: /d/.keel-1:3 unknown option 'foo' -- ignoring line");
        assert_eq!(errors_in("error: stat of /var/log/x failed: No such file or directory\n", "/d/.keel-1"), None);
    }

    #[test]
    fn what_logrotate_would_pass_over_is_refused() {
        let files = ("files", Value::from("/var/log/x"));
        for name in ["a.bak", "a~", ".a", "a/b", "a.dpkg-old"] {
            assert!(Trial::refuses::<LogrotateType>(name, std::slice::from_ref(&files)).contains("name"), "{name}");
        }
        let refused = |attributes: &[(&str, Value)]| Trial::refuses::<LogrotateType>("a", attributes);
        assert!(refused(&[]).contains("neither is given"));
        assert!(refused(&[("files", Value::from("x.log"))]).contains("absolute"));
        assert!(refused(&[files.clone(), ("options", Value::from("daily }"))]).contains("options"));
        let message = refused(&[files.clone(), ("options", list(&["size=1M", "rotate 14", "dayly"]))]);
        assert!(message.contains("\"dayly\""), "{message}");
        assert!(WORDS.is_sorted());
        assert!(refused(&[files.clone(), ("postrotate", Value::from("x\n endscript"))]).contains("endscript"));
        assert!(refused(&[files, ("content", Value::from("x"))]).contains("whole text"));
    }
}
