//! The type `debconf`: answers to the questions that packages ask when they are installed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use keel_engine::attributes::AttributeError;
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::text::Text;
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::Host;
use crate::host::command::Command;

/// Where debconf keeps answers; those to questions for passwords apart.
const ANSWERS: &str = "/var/cache/debconf/config.dat";
const PASSWORDS: &str = "/var/cache/debconf/passwords.dat";
/// Where it keeps the questions.
const TEMPLATES: &str = "/var/cache/debconf/templates.dat";

/// Debconf gives up at once where another one has its files, as while somebody installs a package.
const LOCKED: &str = "is locked by another process";
const LOCK_HELP: &str = "an installation waits for somebody's answers; see `fuser -v /var/cache/debconf/config.dat`";
/// How long it is asked again, as long as apt waits for its own locks, and how often.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(300);
const LOCK_PAUSE: Duration = Duration::from_millis(200);

choices! {
    /// The kinds of questions.
    pub enum Kind {
        /// One line of text.
        String = "string",
        /// `true` or `false`.
        Boolean = "boolean",
        /// One of several words.
        Select = "select",
        /// Some of several words, with commas.
        Multiselect = "multiselect",
        /// A text that is not shown.
        Password = "password",
        /// Something to read.
        Note = "note",
        /// Something to read.
        Text = "text",
        /// A heading.
        Title = "title",
    }
}

attributes! {
    /// The answer to a question that a package asks when it is installed or configured.
    ///
    /// The package comes after its answers by itself. One that is installed already takes a new answer only
    /// when it is configured again: notify an `exec` with `dpkg-reconfigure` for that.
    ///
    ///     debconf "postfix/main_mailer_type" package=postfix type=select value="Internet Site"
    ///     debconf "mysql-server/root_password" package=mysql-server type=password {
    ///         value (secret)"mysql/root"
    ///     }
    pub struct Debconf: "debconf" {
        /// The question, as `debconf-show PACKAGE` prints it.
        [title] pub question: String,
        /// The package that asks it.
        pub package: String,
        /// The kind of the question.
        pub r#type: Kind,
        /// The answer; may be a secret. Several words of a `multiselect` have commas and spaces between them.
        pub value: Text,
        /// Whether the question counts as asked, so that nobody is asked again.
        pub seen: bool = true,
    }
    check |desired| {
        let mut errors = Vec::new();
        let is_word = |text: &str| !text.is_empty() && !text.starts_with('#') && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_word(&desired.question) || !desired.question.contains('/') {
            errors.push(AttributeError::new("question", "must be a name such as \"postfix/main_mailer_type\""));
        }
        if !is_word(&desired.package) {
            errors.push(AttributeError::new("package", "is the name of a package"));
        }
        match &desired.value {
            Text::Plain(text) if text.contains(['\n', '\r']) => errors.push(AttributeError::new("value", "is one line of text")),
            Text::Plain(text) if desired.r#type == Kind::Boolean && !matches!(&**text, "true" | "false") => {
                errors.push(AttributeError::new("value", "is \"true\" or \"false\" for a boolean"));
            }
            Text::Blob(_) => errors.push(AttributeError::new("value", "is one short line of text")),
            _ => {}
        }
        errors
    }
}

/// An answer that debconf has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    value: Option<String>,
    seen: bool,
    /// The question as its package wrote it, which several answers may share.
    template: String,
    /// The package that asks, the first of several.
    package: String,
}

/// The paragraphs of one of debconf's files, by their names.
fn paragraphs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\n\n").filter_map(|paragraph| Some((field(paragraph, "Name")?.trim(), paragraph)))
}

fn field<'t>(paragraph: &'t str, name: &str) -> Option<&'t str> {
    paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_start)
}

/// Reads debconf's paragraphs: the answers by question.
fn parse_answers(text: &str) -> BTreeMap<&str, Answer> {
    let answer = |(name, paragraph)| {
        let text = |name: &str| field(paragraph, name).unwrap_or_default().trim();
        let seen = text("Flags").split([' ', ',']).any(|flag| flag == "seen");
        let package = text("Owners").split(',').next().unwrap_or_default().trim();
        let value = field(paragraph, "Value").map(unescape);
        (name, Answer { value, seen, template: text("Template").to_owned(), package: package.to_owned() })
    };
    paragraphs(text).map(answer).collect()
}

/// The answers that somebody gave, as manifests give them; of one question also what nobody was asked yet.
fn described(answers: &BTreeMap<&str, Answer>, templates: &str, title: Option<&str>) -> Vec<Described> {
    let kinds: BTreeMap<&str, &str> =
        paragraphs(templates).map(|(name, paragraph)| (name, field(paragraph, "Type").unwrap_or_default().trim())).collect();
    let mut found = Vec::new();
    for (question, answer) in answers.iter().filter(|(question, answer)| title.map_or(answer.seen, |title| title == **question)) {
        let kind = kinds.get(answer.template.as_str()).copied().unwrap_or_default();
        let (Some(value), true) = (&answer.value, matches!(kind, "string" | "boolean" | "select" | "multiselect")) else { continue };
        let texts = [("package", answer.package.as_str()), ("type", kind), ("value", value.as_str())];
        let mut attributes: Map = texts.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
        if !answer.seen {
            attributes.insert("seen".to_owned(), Value::Bool(false));
        }
        found.push(Described { title: (*question).to_owned(), attributes });
    }
    found
}

fn read(host: &Host, path: &str) -> Result<String, Failure> {
    Ok(host.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
}

/// Debconf writes line breaks and backslashes of values as `\n` and `\\`.
fn unescape(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

/// What was found of an answer, and what it shall be, as people may see it.
#[derive(Debug)]
pub struct ObservedAnswer {
    before: Shown,
    after: Shown,
    is_right: bool,
    seen: bool,
    exists: bool,
}

/// The type `debconf`.
pub struct DebconfType;

impl ResourceType for DebconfType {
    type Host = Host;
    type Desired = Debconf;
    type Observed = ObservedAnswer;

    fn observe(&self, host: &Host, desired: &[&Debconf]) -> Vec<Result<ObservedAnswer, ObserveError>> {
        let read = || Ok::<_, Failure>([read(host, ANSWERS)?, read(host, PASSWORDS)?]);
        let texts = match read() {
            Ok(texts) => texts,
            Err(failure) => return desired.iter().map(|_| Err(failure.clone().into())).collect(),
        };
        let mut answers = parse_answers(&texts[0]);
        answers.extend(parse_answers(&texts[1]));
        let look = |debconf: &&Debconf| {
            let observed = observe(host, debconf, answers.get(debconf.question.as_str()))?;
            let is_settled = host.is_machine() || self.diff(debconf, &observed).is_empty();
            if is_settled { Ok(observed) } else { Err(below_root(host).into()) }
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Debconf, observed: &ObservedAnswer) -> Vec<Change> {
        let value = match (observed.is_right, observed.exists) {
            (true, _) => None,
            (false, false) => Some(Change::create("value", observed.after.clone())),
            (false, true) => Some(Change::update("value", observed.before.clone(), observed.after.clone())),
        };
        // A new answer comes with its mark.
        let seen = (observed.seen != desired.seen && observed.exists).then(|| Change::update("seen", observed.seen, desired.seen));
        value.into_iter().chain(seen).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        if !host.is_machine() {
            return Err(below_root(host));
        }
        let desired = work.desired;
        let (package, question) = (&desired.package, &desired.question);
        let value = wanted(host, desired)?;
        let lines = format!("{package} {question} {} {value}\n{package} {question} seen {}\n", desired.r#type, desired.seen);
        let command = host.command("debconf-set-selections").input(lines);
        let command = if let Text::Secret(secret) = &desired.value { command.conceal(secret) } else { command };
        answer(host, &command)
    }

    fn footprint(&self, desired: &Debconf) -> Footprint {
        Footprint::default().own(format!("debconf:{}", desired.question)).provide(format!("debconf-of:{}", desired.package))
    }

    fn nature(&self) -> Nature {
        // Debconf locks its files, and a second one would only wait.
        Nature { serial: true, ..Nature::default() }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        Ok(Some(described(&parse_answers(&read(host, ANSWERS)?), &read(host, TEMPLATES)?, title)))
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let (answers, passwords, templates) = (read(host, ANSWERS)?, read(host, PASSWORDS)?, read(host, TEMPLATES)?);
        let answers = parse_answers(&answers);
        let known: BTreeSet<&str> = paragraphs(&templates).map(|(name, _)| name).collect();
        let lost = answers.iter().filter(|(question, answer)| {
            let is_given = answer.seen && answer.value.is_some();
            is_given && described.iter().all(|thing| thing.title != **question) && !known.contains(answer.template.as_str())
        });
        let lost =
            lost.map(|(question, _)| Unsaid { what: (*question).to_owned(), why: "what kind of question it is nobody knows any more" });
        let passwords = parse_answers(&passwords);
        let hidden = passwords.iter().filter(|(_, answer)| answer.value.as_ref().is_some_and(|value| !value.is_empty()));
        let hidden = hidden.map(|(question, _)| Unsaid { what: (*question).to_owned(), why: "it is a password" });
        Ok(lost.chain(hidden).collect())
    }
}

/// Runs a command that needs debconf's files for itself, once whoever has them lets go.
fn answer(host: &Host, command: &Command) -> Result<(), Failure> {
    let _turn = host.packaging();
    let deadline = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match command.clone().succeed() {
            Err(failure) if failure.message.contains(LOCKED) && Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
            Err(failure) if failure.message.contains(LOCKED) => return Err(failure.help(LOCK_HELP)),
            other => return other.map(drop),
        }
    }
}

fn below_root(host: &Host) -> Failure {
    Failure::new(format!("answers cannot be given below {}", host.root().display())).help("run keel on the machine itself, or in a chroot")
}

fn wanted(host: &Host, desired: &Debconf) -> Result<String, Failure> {
    let bytes = desired.value.bytes(host.contents()).map_err(Failure::new)?;
    let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
    if text.contains('\n') { Err(Failure::new("the answer has several lines")) } else { Ok(text) }
}

fn observe(host: &Host, desired: &Debconf, answer: Option<&Answer>) -> Result<ObservedAnswer, ObserveError> {
    let wanted = wanted(host, desired)?;
    let is_hidden = desired.value.is_secret() || desired.r#type == Kind::Password;
    let show = |text: &str| if is_hidden { Shown::Hidden } else { Shown::from(text) };
    let found = answer.and_then(|answer| answer.value.as_deref());
    Ok(ObservedAnswer {
        before: found.map_or(Shown::Absent, show),
        after: show(&wanted),
        is_right: found == Some(wanted.as_str()),
        seen: answer.is_some_and(|answer| answer.seen),
        exists: found.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::Trial;

    const FILE: &str = "Name: a/b\nTemplate: a/b\nValue: x \\n y\nOwners: a\nFlags: seen\n\nName: a/c\nTemplate: a/c\nOwners: a\n";

    #[test]
    fn paragraphs_are_answers() {
        let answers = parse_answers(FILE);
        let answer = |value: Option<&str>, seen: bool, template: &str| Answer {
            value: value.map(str::to_owned),
            seen,
            template: template.to_owned(),
            package: "a".to_owned(),
        };
        assert_eq!(answers["a/b"], answer(Some("x \n y"), true, "a/b"));
        assert_eq!(answers["a/c"], answer(None, false, "a/c"));
        assert_eq!(parse_answers("").len(), 0);
    }

    #[test]
    fn answers_that_were_given_are_described_and_passwords_never() {
        let trial = Trial::new();
        trial.write(
            ANSWERS,
            "Name: a/kind\nTemplate: a/kind\nValue: Internet Site\nOwners: a, b\nFlags: seen\n\n\
             Name: a/yes\nTemplate: x/yes\nValue: true\nOwners: a\n\n\
             Name: a/note\nTemplate: a/note\nValue: x\nOwners: a\nFlags: seen\n\n\
             Name: a/lost\nTemplate: a/lost\nValue: x\nOwners: a\nFlags: seen\n",
        );
        trial.write(PASSWORDS, "Name: a/password\nTemplate: a/password\nValue: canary\nOwners: a\nFlags: seen\n");
        trial.write(
            TEMPLATES,
            "Name: a/kind\nType: select\nDescription: Kind\n\nName: x/yes\nType: boolean\n\nName: a/note\nType: note\n\n\
             Name: a/password\nType: password\n",
        );
        let all = DebconfType.describe(&trial.host, None).unwrap().unwrap();
        let yes = DebconfType.describe(&trial.host, Some("a/yes")).unwrap().unwrap();
        for thing in all.iter().chain(&yes) {
            let attributes: Vec<(&str, Value)> = thing.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(trial.plan(&DebconfType, &thing.title, &attributes).unwrap(), [""; 0], "{}", thing.title);
        }
        assert_eq!((all.len(), all[0].title.as_str(), yes[0].attributes.get("seen")), (1, "a/kind", Some(&Value::Bool(false))));
        let left = DebconfType.unsaid(&trial.host, &all).unwrap();
        let left: Vec<&str> = left.iter().map(|left| left.what.as_str()).collect();
        assert_eq!(left, ["a/lost", "a/password"]);
        assert_eq!(DebconfType.describe(&trial.host, Some("a/password")).unwrap().unwrap(), []);
    }

    #[test]
    fn an_answer_is_compared_with_what_is_known() {
        let trial = Trial::new();
        trial.write(ANSWERS, "Name: a/b\nValue: x\nFlags: seen\n");
        let answer = |value: &str, seen: bool| {
            [("package", Value::from("a")), ("type", Value::from("string")), ("value", Value::from(value)), ("seen", Value::Bool(seen))]
        };
        assert_eq!(trial.plan(&DebconfType, "a/b", &answer("x", true)).unwrap(), [""; 0]);
        assert!(trial.plan(&DebconfType, "a/b", &answer("y", true)).unwrap_err().contains("below"));
        assert!(trial.plan(&DebconfType, "a/b", &answer("x", false)).is_err());
    }

    #[test]
    fn lines_and_kinds_are_checked() {
        let refused = |kind: &str, value: &str| {
            Trial::refuses::<DebconfType>(
                "a/b",
                &[("package", Value::from("a")), ("type", Value::from(kind)), ("value", Value::from(value))],
            )
        };
        assert!(refused("boolean", "yes").contains("true"));
        assert!(refused("string", "a\nb c string d").contains("one line"));
        assert!(refused("strange", "x").contains("expected one of"));
    }
}
