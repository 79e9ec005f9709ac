//! `line`: a line of a text file.

use std::borrow::Cow;

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::text::Text;

use crate::ensure::Ensure;
use crate::host::Host;
use crate::pattern::Pattern;
use crate::text_file::{Content, Texts, edit_text, join_lines, line_ending, part_footprint};
use crate::text_part::text_part;

text_part! {
    /// A line of a text file: that it is there, in the place of another one, or not there.
    ///
    /// Everything else in the file stays as it is, line endings too.
    ///
    ///     line "/etc/ssh/sshd_config" line="PermitRootLogin no" match="^#?PermitRootLogin "
    ///     line "no-ipv6" path="/etc/gai.conf" line="precedence ::ffff:0:0/96  100"
    ///     line "/etc/fstab" ensure=absent match="\\sswap\\s"
    pub struct Line: "line" {
        /// The file. The title is taken where it is not given, so only the second line of a file
        /// needs a title of its own.
        [title] pub path: AbsolutePath,
        /// The line, without its end. May hold a secret.
        pub line: Option<Text>,
        /// A regular expression for the line that this one takes the place of; with
        /// `ensure=absent` for the lines that go. A line that is already right is left alone.
        pub r#match: Option<Pattern>,
        /// Whether every line that matches is replaced. Otherwise several matches are an error.
        pub multiple: bool = false,
        /// Whether the line is added where nothing matches `match`.
        pub append: bool = true,
        /// Whether lines that match are replaced. Otherwise any match will do, and the line is only added.
        pub replace: bool = true,
    }
    check |desired| { check(desired) }
}

fn check(desired: &Line) -> Vec<AttributeError> {
    let mut errors = desired.part().check();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    let present = desired.ensure == Ensure::Present;
    refuse(present && desired.line.is_none(), "line", "is required and not given");
    refuse(!present && desired.line.is_none() && desired.r#match.is_none(), "line", "or `match` is required to say what goes");
    refuse(desired.multiple && desired.r#match.is_none(), "multiple", "needs `match`");
    refuse(!desired.append && desired.r#match.is_none(), "append", "needs `match`");
    refuse(!desired.replace && desired.r#match.is_none(), "replace", "needs `match`");
    refuse(!desired.replace && (!desired.append || desired.multiple || !present), "replace", "is about lines that are only added");
    let breaks = matches!(&desired.line, Some(Text::Plain(text)) if text.contains('\n'));
    refuse(breaks, "line", "is one line; for several use `block`");
    errors
}

/// The type `line`.
pub struct LineType;

/// What a file's text says about a line.
#[derive(Debug, PartialEq)]
pub struct Observed {
    found: Found,
}

/// Secret lines are hidden before they get here.
#[derive(Debug, PartialEq)]
enum Found {
    /// All is well.
    Right,
    /// The line is to be added.
    Missing,
    /// These lines are to be replaced or removed.
    Wrong(Vec<Shown>),
}

impl ResourceType for LineType {
    type Host = Host;
    type Desired = Line;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Line]) -> Vec<Result<Observed, ObserveError>> {
        let texts = Texts::read(host, desired.iter().map(|desired| &desired.path));
        desired.iter().map(|desired| observe(host, desired, texts.get(&desired.path)?)).collect()
    }

    fn diff(&self, desired: &Line, observed: &Observed) -> Vec<Change> {
        let line = || desired.line.as_ref().map_or(Shown::Absent, show_text);
        match (&observed.found, desired.ensure) {
            (Found::Right, _) => vec![],
            (Found::Missing, _) => vec![Change::create("line", line())],
            (Found::Wrong(lines), Ensure::Present) => lines.iter().map(|before| Change::update("line", before.clone(), line())).collect(),
            (Found::Wrong(lines), Ensure::Absent) => lines.iter().map(|before| Change::delete("line", before.clone())).collect(),
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let wanted = wanted_line(host, desired)?;
        let content = if is_secret(desired) { Content::Secret } else { Content::Open };
        edit_text(host, desired.path.as_path(), content, |text| settle(text, desired, wanted.as_deref()).map(|settled| settled.text))
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Line) -> Footprint {
        let part = match (&desired.r#match, &desired.line) {
            (Some(pattern), _) => pattern.as_str().to_owned(),
            (None, Some(Text::Plain(line))) => line.to_string(),
            (None, line) => line.as_ref().map(|line| line.digest().short()).unwrap_or_default(),
        };
        let path = &desired.path;
        part_footprint(path, desired.part().makes_file()).write(format!("path:{path}#line:{part}"))
    }
}

fn is_secret(desired: &Line) -> bool {
    desired.line.as_ref().is_some_and(Text::is_secret)
}

fn show_text(text: &Text) -> Shown {
    match text {
        Text::Plain(text) => Shown::from(&**text),
        text => Shown::from(text),
    }
}

fn wanted_line(host: &Host, desired: &Line) -> Result<Option<String>, Failure> {
    let Some(line) = &desired.line else { return Ok(None) };
    let bytes = line.bytes(host.contents()).map_err(Failure::new)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new("the line is not UTF-8"))?;
    if text.contains('\n') { Err(Failure::new("the line has several lines; use `block`")) } else { Ok(Some(text.to_owned())) }
}

fn observe(host: &Host, desired: &Line, text: Option<&str>) -> Result<Observed, ObserveError> {
    let text = desired.part().text(host, text)?;
    let settled = settle(text, desired, wanted_line(host, desired)?.as_deref())?;
    let hide = |line: &String| if is_secret(desired) { Shown::Hidden } else { Shown::from(line.as_str()) };
    let found = match (settled.text, settled.wrong.is_empty()) {
        (None, _) => Found::Right,
        (Some(_), true) => Found::Missing,
        (Some(_), false) => Found::Wrong(settled.wrong.iter().map(hide).collect()),
    };
    Ok(Observed { found })
}

/// What becomes of a text.
#[derive(Debug, PartialEq)]
struct Settled {
    /// The lines that were replaced or removed.
    wrong: Vec<String>,
    /// The new text; none where all was well.
    text: Option<String>,
}

fn settle(text: &str, desired: &Line, wanted: Option<&str>) -> Result<Settled, Failure> {
    let ending = line_ending(text);
    let mut lines: Vec<Cow<'_, str>> = text.lines().map(Cow::from).collect();
    let matching = |line: &str| match &desired.r#match {
        Some(pattern) => pattern.is_in(line),
        None => Some(line) == wanted,
    };
    let hits: Vec<usize> = (0..lines.len()).filter(|&at| lines.get(at).is_some_and(|line| matching(line))).collect();
    let wanted = match (desired.ensure, wanted) {
        (Ensure::Present, Some(wanted)) => wanted,
        _ => {
            let wrong: Vec<String> = hits.iter().filter_map(|&at| lines.get(at).map(|line| line.to_string())).collect();
            lines.retain(|line| !matching(line));
            let text = (!wrong.is_empty()).then(|| join_lines(&lines, ending));
            return Ok(Settled { wrong, text });
        }
    };
    let is_right = |at: &usize| lines.get(*at).is_some_and(|line| line == wanted);
    let settled = if desired.multiple { !hits.is_empty() && hits.iter().all(is_right) } else { hits.iter().any(is_right) };
    let suffices = !desired.replace && !hits.is_empty();
    if settled || suffices || hits.is_empty() && (lines.iter().any(|line| line == wanted) || !desired.append) {
        return Ok(Settled { wrong: vec![], text: None });
    }
    if hits.len() > 1 && !desired.multiple {
        return Err(several_matches(desired, &hits));
    }
    let mut wrong = Vec::new();
    for at in &hits {
        if let Some(line) = lines.get_mut(*at).filter(|line| *line != wanted) {
            wrong.push(std::mem::replace(line, Cow::from(wanted)).into_owned());
        }
    }
    if hits.is_empty() {
        let at = desired.part().insertion_point(&lines);
        lines.insert(at, Cow::from(wanted));
    }
    Ok(Settled { wrong, text: Some(join_lines(&lines, ending)) })
}

fn several_matches(desired: &Line, hits: &[usize]) -> Failure {
    let numbers: Vec<String> = hits.iter().take(5).map(|at| (at + 1).to_string()).collect();
    let pattern = desired.r#match.as_ref().map_or("", Pattern::as_str);
    Failure::new(format!("{} lines of {} match {pattern:?}: {}", hits.len(), desired.path, numbers.join(", ")))
        .help("make `match` narrower, or replace them all with multiple=#true")
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;
    use keel_engine::secret::Secret;
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::Trial;

    fn check(before: &str, attributes: &[(&str, &str)], after: &str) -> Vec<String> {
        let trial = Trial::new();
        trial.write("/f", before);
        let value = |text: &str| match text {
            "#true" => Value::Bool(true),
            "#false" => Value::Bool(false),
            text => Value::from(text),
        };
        let attributes: Vec<_> = attributes.iter().map(|(name, text)| (*name, value(text))).collect();
        let changes = trial.converge(&LineType, "/f", &attributes).unwrap();
        assert_eq!(trial.read("/f"), after);
        changes
    }

    #[test]
    fn a_line_is_added_once() {
        assert_eq!(check("a\n", &[("line", "b")], "a\nb\n"), ["+ line: absent -> b"]);
        assert_eq!(check("a\nb\n", &[("line", "b")], "a\nb\n"), Vec::<String>::new());
        check("a", &[("line", "b")], "a\nb\n");
        check("", &[("line", "b")], "b\n");
        check("a\r\n", &[("line", "b")], "a\r\nb\r\n");
    }

    #[test]
    fn a_line_takes_the_place_of_what_matches() {
        let port = |before, after| check(before, &[("line", "Port 22"), ("match", "^#?Port ")], after);
        assert_eq!(port("x\n#Port 1\ny\n", "x\nPort 22\ny\n"), ["~ line: #Port 1 -> Port 22"]);
        assert_eq!(port("#Port 1\nPort 22\n", "#Port 1\nPort 22\n"), Vec::<String>::new());
        assert_eq!(port("x\n", "x\nPort 22\n"), ["+ line: absent -> Port 22"]);
        check("x\n", &[("line", "Port 22"), ("match", "^Port"), ("append", "#false")], "x\n");
        check("Port 1\nPort 2\n", &[("line", "Port 22"), ("match", "^Port"), ("replace", "#false")], "Port 1\nPort 2\n");
        check("x\n", &[("line", "Port 22"), ("match", "^Port"), ("replace", "#false")], "x\nPort 22\n");
        check("a1\na2\na\n", &[("line", "a"), ("match", "^a"), ("multiple", "#true")], "a\na\na\n");
    }

    #[test]
    fn who_makes_the_file_comes_before_who_waits_for_it() {
        let footprint = |attributes: &[(&str, Value)]| {
            let map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            LineType.footprint(&Line::from_attributes("/ln", &map).unwrap())
        };
        let maker = footprint(&[("line", Value::from("a")), ("create", Value::Bool(true))]);
        let waiting = footprint(&[("line", Value::from("b"))]);
        assert!(waiting.needs.iter().any(|key| maker.provides.contains(key)));
        assert!(!maker.needs.iter().any(|key| maker.provides.contains(key)), "two makers do not wait for each other");
        assert!(waiting.provides.is_empty() && maker.needs == ["path:/ln"]);
    }

    #[test]
    fn several_matches_are_an_error_that_names_the_lines() {
        let trial = Trial::new();
        trial.write("/f", "a1\nb\na2\n");
        let error = trial.plan(&LineType, "/f", &[("line", Value::from("a")), ("match", Value::from("^a"))]).unwrap_err();
        assert_eq!(error, "2 lines of /f match \"^a\": 1, 3");
    }

    #[test]
    fn a_new_line_stands_where_it_is_put() {
        check("a\nb\na\nc\n", &[("line", "x"), ("after", "^a")], "a\nb\na\nx\nc\n");
        check("a\nb\nb\n", &[("line", "x"), ("before", "^b")], "a\nx\nb\nb\n");
        check("a\n", &[("line", "x"), ("before", "^z")], "a\nx\n");
    }

    #[test]
    fn absent_removes_every_such_line() {
        assert_eq!(check("a\nb\na\n", &[("ensure", "absent"), ("line", "a")], "b\n"), ["- line: a -> absent", "- line: a -> absent"]);
        check("a1\nb\na2\n", &[("ensure", "absent"), ("match", "^a")], "b\n");
        check("b", &[("ensure", "absent"), ("line", "a")], "b");
    }

    #[test]
    fn a_missing_file_is_waited_for_unless_it_is_to_be_made() {
        let trial = Trial::new();
        let line = ("line", Value::from("a"));
        assert_eq!(trial.plan(&LineType, "/f", std::slice::from_ref(&line)).unwrap_err(), "the file /f does not exist");
        trial.converge(&LineType, "/f", &[line.clone(), ("create", Value::Bool(true))]).unwrap();
        assert_eq!(trial.read("/f"), "a\n");
        assert_eq!(trial.converge(&LineType, "/g", &[line, ("ensure", Value::from("absent"))]).unwrap(), Vec::<String>::new());
        assert!(!trial.exists("/g"));
        let made = [("line", Value::from("a")), ("create", Value::Bool(true))];
        assert!(trial.plan(&LineType, "/no/f", &made).unwrap_err().contains("the directory /no does not exist"));
    }

    #[test]
    fn a_secret_line_is_hidden_with_what_it_replaces() {
        let trial = Trial::new();
        trial.write("/f", "password=old-canary\n");
        let secret = Value::Secret(Secret::new("password=canary".to_owned()));
        let changes = trial.converge(&LineType, "/f", &[("line", secret), ("match", Value::from("^password="))]).unwrap();
        assert_eq!(changes, ["~ line: (secret) -> (secret)"]);
        assert_eq!(trial.read("/f"), "password=canary\n");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refuse = |attributes: &[(&str, Value)]| Trial::refuses::<LineType>("/f", attributes);
        assert_eq!(refuse(&[]), "line is required and not given");
        assert_eq!(refuse(&[("line", Value::from("a\nb"))]), "line is one line; for several use `block`");
        assert_eq!(refuse(&[("line", Value::from("a")), ("multiple", Value::Bool(true))]), "multiple needs `match`");
        assert!(refuse(&[("line", Value::from("a")), ("match", Value::from("("))]).starts_with("match is no regular expression"));
    }
}
