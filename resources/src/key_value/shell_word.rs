//! A word of shell, as it stands behind `NAME=`: what it says, and how to write one that says something.

keel_engine::choices! {
    /// How a value is quoted.
    pub enum Quote {
        /// As it was; a new one only where it needs quotes.
        Auto = "auto",
        /// Always `"double"`.
        Double = "double",
        /// Always `'single'`, but for values that have one in them.
        Single = "single",
    }
}

/// A word that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// What it says; where the shell would put something in, as it is written.
    pub(super) text: String,
    /// Whether the shell puts something in: `$NAME`, `$(command)`.
    pub(super) expands: bool,
    /// How many bytes it takes.
    pub(super) length: usize,
}

/// Reads the word at the start of a text; none where it is no plain word or a quote never ends.
pub(super) fn parse(text: &str) -> Option<Word> {
    let mut word = Word { text: String::new(), expands: false, length: 0 };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            ' ' | '\t' | '\n' | '\r' | ';' => break,
            '&' | '|' | '<' | '>' | '(' | ')' => return None,
            '\'' => {
                let (inside, after) = rest.get(1..)?.split_once('\'')?;
                word.text.push_str(inside);
                after
            }
            '"' => double_quoted(rest.get(1..)?, &mut word)?,
            '\\' => {
                let escaped = rest.get(1..)?.chars().next()?;
                if escaped != '\n' {
                    word.text.push(escaped);
                }
                rest.get(1 + escaped.len_utf8()..)?
            }
            '$' | '`' => expansion(rest, &mut word)?,
            plain => {
                word.text.push(plain);
                rest.get(plain.len_utf8()..)?
            }
        };
    }
    word.length = text.len() - rest.len();
    Some(word)
}

/// Reads to the closing quote and returns what is behind it.
fn double_quoted<'t>(mut rest: &'t str, word: &mut Word) -> Option<&'t str> {
    loop {
        let first = rest.chars().next()?;
        rest = match first {
            '"' => return rest.get(1..),
            '\\' => {
                let escaped = rest.get(1..)?.chars().next()?;
                match escaped {
                    '\n' => {}
                    '"' | '\\' | '$' | '`' => word.text.push(escaped),
                    other => word.text.extend(['\\', other]),
                }
                rest.get(1 + escaped.len_utf8()..)?
            }
            '$' | '`' => expansion(rest, word)?,
            plain => {
                word.text.push(plain);
                rest.get(plain.len_utf8()..)?
            }
        };
    }
}

/// Takes what the shell would put something else in for, as it is written.
fn expansion<'t>(rest: &'t str, word: &mut Word) -> Option<&'t str> {
    let next = rest.get(1..).and_then(|rest| rest.chars().next());
    let length = match (rest.starts_with('`'), next) {
        (true, _) => 2 + rest.get(1..)?.find('`')?,
        (false, Some('(')) => 1 + parenthesis(rest.get(1..)?)?,
        (false, Some('{')) => 1 + rest.find('}')?,
        (false, Some(c)) if c.is_ascii_alphanumeric() || "_@*#?-!$".contains(c) => 2,
        // A lone `$` says itself.
        (false, _) => {
            word.text.push('$');
            return rest.get(1..);
        }
    };
    word.expands = true;
    word.text.push_str(rest.get(..length)?);
    rest.get(length..)
}

/// How long a parenthesis is that a text begins with, quotes in it heeded.
fn parenthesis(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"') | None, '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Writes a word that says a text, in the way of the one that it takes the place of.
pub(super) fn write(text: &str, quote: Quote, old: &str) -> String {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c));
    let single = match quote {
        Quote::Auto if is_plain && !old.starts_with(['"', '\'']) => return text.to_owned(),
        Quote::Auto => old.starts_with('\''),
        Quote::Double => false,
        Quote::Single => true,
    };
    if single && !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut word = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            word.push('\\');
        }
        word.push(c);
    }
    word.push('"');
    word
}

/// Writes a word in which the shell puts in what it has for `$NAME` and `$(command)`; none where the text cannot
/// stand between double quotes.
pub(super) fn write_expanding(text: &str) -> Option<String> {
    let word = format!("\"{text}\"");
    let is_one = !text.contains('"') && parse(&word).is_some_and(|read| read.length == word.len());
    is_one.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    fn says(text: &str) -> Option<(String, bool, &str)> {
        let word = parse(text)?;
        Some((word.text, word.expands, &text[word.length..]))
    }

    #[test]
    fn words_say_what_a_shell_reads_in_them() {
        for (written, text) in [
            ("plain", "plain"),
            ("\"two words\"", "two words"),
            (r#"'it is $5'"#, "it is $5"),
            (r#"a"b c"'d e'\ f"#, "ab cd e f"),
            (r#""\"q\" \\ \$x \n""#, "\"q\" \\ $x \\n"),
            ("", ""),
            ("\"\"", ""),
            ("\"a\nb\"", "a\nb"),
            ("5$", "5$"),
        ] {
            assert_eq!(says(written), Some((text.to_owned(), false, "")), "{written}");
        }
        assert_eq!(says("a b"), Some(("a".to_owned(), false, " b")));
        assert_eq!(says("\"$HOME/x\""), Some(("$HOME/x".to_owned(), true, "")));
        assert_eq!(says("\"$(echo \"a b\" ')')\" # x"), Some(("$(echo \"a b\" ')')".to_owned(), true, " # x")));
        for odd in ["\"open", "'open", "(a b)", "a&b", "$(open", "`open", "\"\\"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_is_written_says_the_text_however_it_is_quoted() {
        let mut chance = Chance::from(7);
        for _ in 0..5000 {
            let text = chance.text(&["a", " ", "'", "\"", "\\", "$", "`", "$(", "{", "é", "#", "!", ";", "x"], 8);
            for quote in [Quote::Auto, Quote::Double, Quote::Single] {
                let written = write(&text, quote, chance.of(&["", "\"", "'"]));
                assert_eq!(says(&format!("{written} # b")), Some((text.clone(), false, " # b")), "{text} as {written}");
            }
        }
    }

    #[test]
    fn a_shell_reads_the_same() {
        let (mut chance, trial) = (Chance::from(11), crate::trial::Trial::new());
        for _ in 0..40 {
            let text = chance.text(&["a", " ", "'", "\"", "\\", "$", "`", "*", "é", "#"], 8);
            let script = format!("A={}; printf %s \"$A\"", write(&text, Quote::Auto, ""));
            let output = trial.host.command("/bin/sh").arguments(["-c", &script]).succeed().unwrap();
            assert_eq!(output.text().unwrap(), text, "{script}");
        }
    }
}
