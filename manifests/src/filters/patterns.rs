//! Regular expressions by Ansible's names. The engine is linear in the text, so no pattern can hang.

use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, Value};
use regex::{Captures, Regex, RegexBuilder};

use super::{add, refuse, split_kwargs};
use crate::codes;
use crate::environment::MAX_TEXT;
use crate::evaluation_error::EvalError;

/// How large a compiled pattern may be.
const MAX_COMPILED: usize = 1 << 20;

pub(super) fn register(environment: &mut Environment<'static>) {
    add(environment, "regex_replace", regex_replace);
    add(environment, "regex_search", regex_search);
    add(environment, "regex_findall", regex_findall);
    add(environment, "regex_escape", |text: String| regex::escape(&text));
}

/// Compiles a pattern in Python's notation.
pub(super) fn compile(pattern: &str, ignore_case: bool, multi_line: bool) -> Result<Regex, Error> {
    let pattern = pattern.replace("\\Z", "\\z");
    let built = RegexBuilder::new(&pattern).case_insensitive(ignore_case).multi_line(multi_line).size_limit(MAX_COMPILED).build();
    built.map_err(|error| {
        let told = EvalError::new(codes::EVALUATION, format!("`{pattern}` is not a pattern that can be used"));
        let around = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| pattern.contains(look));
        let told = if around { told.help("looking ahead or behind is not supported: match more and keep a group, `\\1`") } else { told };
        told.help(error.to_string().lines().last().unwrap_or_default().trim().to_owned()).into()
    })
}

struct Flags {
    ignore_case: bool,
    multi_line: bool,
}

fn flags(kwargs: &Kwargs) -> Result<Flags, Error> {
    let flag = |name| Ok::<_, Error>(kwargs.get::<Option<bool>>(name)?.unwrap_or(false));
    Ok(Flags { ignore_case: flag("ignorecase")?, multi_line: flag("multiline")? })
}

fn regex_replace(text: String, pattern: &str, replacement: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let Flags { ignore_case, multi_line } = flags(&kwargs)?;
    let count = kwargs.get::<Option<usize>>("count")?.filter(|count| *count > 0).unwrap_or(usize::MAX);
    kwargs.assert_all_used()?;
    let pattern = compile(pattern, ignore_case, multi_line)?;
    let pieces = parse_replacement(replacement.unwrap_or_default())?;
    let mut out = String::new();
    let mut last = 0;
    for captures in pattern.captures_iter(&text).take(count) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or_default());
        pieces.iter().try_for_each(|piece| piece.append(&captures, &mut out))?;
        last = whole.end();
        if out.len() > MAX_TEXT {
            return Err(EvalError::too_large().into());
        }
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok(out)
}

/// A piece of a replacement in Python's notation.
#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Number(usize),
    Name(String),
}

impl Piece {
    fn append(&self, captures: &Captures<'_>, out: &mut String) -> Result<(), Error> {
        let group = match self {
            Piece::Text(text) => {
                out.push_str(text);
                return Ok(());
            }
            Piece::Number(number) if *number < captures.len() => captures.get(*number),
            Piece::Number(number) => return Err(refuse(format!("the pattern has no group {number}"))),
            Piece::Name(name) => captures.name(name),
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        Ok(())
    }
}

fn parse_replacement(text: &str) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let escape = from.get(1..).unwrap_or_default();
        let (piece, length) = parse_escape(escape)?;
        match piece {
            Piece::Text(character) => plain.push_str(&character),
            group => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(group);
            }
        }
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// What stands after a backslash, and how many bytes of it belong to the escape.
fn parse_escape(text: &str) -> Result<(Piece, usize), Error> {
    if let Some(name) = text.strip_prefix("g<") {
        let (name, _) = name.split_once('>').ok_or_else(|| refuse("`\\g<` in a replacement is not closed"))?;
        let piece = name.parse().map_or_else(|_| Piece::Name(name.to_owned()), Piece::Number);
        return Ok((piece, name.len() + 3));
    }
    let digits: String = text.chars().take(2).take_while(char::is_ascii_digit).collect();
    if let Ok(number) = digits.parse() {
        return Ok((Piece::Number(number), digits.len()));
    }
    Ok(match text.chars().next() {
        Some('n') => (Piece::Text("\n".to_owned()), 1),
        Some('t') => (Piece::Text("\t".to_owned()), 1),
        Some('\\') => (Piece::Text("\\".to_owned()), 1),
        Some(other) => (Piece::Text(format!("\\{other}")), other.len_utf8()),
        None => (Piece::Text("\\".to_owned()), 0),
    })
}

/// The first match; with `'\\1'` or `'\\g<name>'` those groups as a list. Null if there is none.
fn regex_search(text: String, pattern: &str, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let (groups, kwargs) = split_kwargs(args.into_values())?;
    let Flags { ignore_case, multi_line } = flags(&kwargs)?;
    kwargs.assert_all_used()?;
    let pattern = compile(pattern, ignore_case, multi_line)?;
    let Some(captures) = pattern.captures(&text) else { return Ok(Value::from(())) };
    if groups.is_empty() {
        return Ok(Value::from(captures.get(0).map_or("", |whole| whole.as_str())));
    }
    let mut found = Vec::new();
    for group in groups {
        let wanted = group.to_string();
        let (piece, _) =
            parse_escape(wanted.strip_prefix('\\').ok_or_else(|| refuse(format!("`{wanted}` is not a group, as `\\1` or `\\g<name>`")))?)?;
        let mut text = String::new();
        piece.append(&captures, &mut text)?;
        found.push(Value::from(text));
    }
    Ok(Value::from(found))
}

/// All matches: texts, or lists of groups where the pattern has several.
fn regex_findall(text: String, pattern: &str, kwargs: Kwargs) -> Result<Value, Error> {
    let Flags { ignore_case, multi_line } = flags(&kwargs)?;
    kwargs.assert_all_used()?;
    let pattern = compile(pattern, ignore_case, multi_line)?;
    let group = |captures: &Captures<'_>, number| Value::from(captures.get(number).map_or("", |group| group.as_str()));
    let found = pattern.captures_iter(&text).map(|captures| match captures.len() {
        1 => group(&captures, 0),
        2 => group(&captures, 1),
        groups => Value::from((1..groups).map(|number| group(&captures, number)).collect::<Vec<_>>()),
    });
    Ok(Value::from(found.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str, pattern: &str, replacement: &str) -> Result<String, Error> {
        regex_replace(text.to_owned(), pattern, Some(replacement), super::super::no_kwargs())
    }

    #[test]
    fn replacements_are_pythons() {
        assert_eq!(replaced("ansible", "^a.*i(.*)$", r"a\1").unwrap(), "able");
        assert_eq!(replaced("localhost:80", r"^(?P<host>.+):(?P<port>\d+)$", r"\g<host>, \g<port>").unwrap(), "localhost, 80");
        assert_eq!(replaced("a$1", "a", r"$0\\").unwrap(), r"$0\$1");
        assert_eq!(replaced("aé", "é", r"\n").unwrap(), "a\n");
        assert!(replaced("a", "a", r"\7").is_err());
        assert!(replaced("a", "(?=a)", "").is_err());
        assert!(replaced(&"a".repeat(1 << 19), "a", "bbb").is_err(), "too large");
    }

    #[test]
    fn patterns_are_linear_and_bounded() {
        assert!(!compile("^(a+)+$", false, false).unwrap().is_match(&("a".repeat(5000) + "b")));
        assert!(compile("(a{1000}){1000}", false, false).is_err());
    }
}
