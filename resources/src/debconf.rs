//! The type `debconf`: answers to the questions that packages ask when they are installed.

use std::collections::BTreeMap;

use keel_engine::attributes::AttributeError;
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::text::Text;
use keel_engine::{attributes, choices};

use crate::host::Host;

/// Where debconf keeps answers; those to questions for passwords apart.
const ANSWERS: &str = "/var/cache/debconf/config.dat";
const PASSWORDS: &str = "/var/cache/debconf/passwords.dat";

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
            errors.push(AttributeError::new("question", "is a name such as \"postfix/main_mailer_type\""));
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
}

/// Reads debconf's paragraphs: the answers by question.
fn parse_answers(text: &str) -> BTreeMap<&str, Answer> {
    let mut answers = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_start);
        let Some(name) = field("Name") else { continue };
        let seen = field("Flags").is_some_and(|flags| flags.split([' ', ',']).any(|flag| flag == "seen"));
        answers.insert(name.trim(), Answer { value: field("Value").map(unescape), seen });
    }
    answers
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
        let read = || -> Result<[String; 2], Failure> {
            let text =
                |path| Ok::<_, Failure>(host.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default());
            Ok([text(ANSWERS)?, text(PASSWORDS)?])
        };
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
        command.succeed().map(drop)
    }

    fn footprint(&self, desired: &Debconf) -> Footprint {
        Footprint::default().own(format!("debconf:{}", desired.question)).provide(format!("debconf-of:{}", desired.package))
    }

    fn nature(&self) -> Nature {
        // Debconf locks its files, and a second one gives up at once.
        Nature { serial: true, ..Nature::default() }
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
        assert_eq!(answers["a/b"], Answer { value: Some("x \n y".to_owned()), seen: true });
        assert_eq!(answers["a/c"], Answer::default());
        assert_eq!(parse_answers("").len(), 0);
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
