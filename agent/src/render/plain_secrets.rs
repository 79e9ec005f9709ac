//! Lines of manifests without the values that should have been secrets: excerpts go where logs go.

use std::ops::Range;
use std::sync::OnceLock;

/// The names of attributes that hold a secret, of any type.
fn names() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let types = keel_resources::all();
        let attributes = types.iter().flat_map(|kind| kind.schema().attributes);
        let mut names: Vec<&str> = attributes.filter(|attribute| attribute.secret).map(|attribute| attribute.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    })
}

/// The text with stars in the places of such values, and every byte in its place. A manifest that is shown may be
/// broken, so it is read as it stands and not as it parses.
pub(super) fn concealed(text: &str) -> String {
    let mut values: Vec<Range<usize>> = names().iter().flat_map(|name| values_of(text, name)).collect();
    values.sort_by_key(|value| value.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for value in values {
        let Some(plain) = text.get(value.clone()).filter(|_| value.start >= done) else { continue };
        out.push_str(text.get(done..value.start).unwrap_or_default());
        out.extend(plain.chars().map(|letter| if letter == '\n' { "\n".to_owned() } else { "*".repeat(letter.len_utf8()) }));
        done = value.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// Where the values of an attribute stand: behind `name=`, or behind a `name` that begins a line or a block.
fn values_of(text: &str, name: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(name) {
        let (before, after) = (text.get(..at).unwrap_or_default(), at + name.len());
        if before.ends_with(|letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.')) {
            continue;
        }
        let rest = text.get(after..).unwrap_or_default();
        let begins = before.trim_end_matches([' ', '\t']).ends_with(['\n', '{', ';']) || before.trim().is_empty();
        if let Some(value) = rest.strip_prefix('=') {
            found.extend(value_at(text, text.len() - value.len()).map(|(value, _)| value));
        } else if begins && rest.starts_with([' ', '\t']) {
            let mut next = after;
            while let Some((value, end)) = value_at(text, next + blanks(text, next)) {
                next = end;
                found.push(value);
            }
        }
    }
    found
}

/// How many blanks stand at a place.
fn blanks(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// The text of the value at a place, without its quotes, and where the value ends with them; nothing where it is a
/// secret, an expression or none at all.
fn value_at(text: &str, at: usize) -> Option<(Range<usize>, usize)> {
    let rest = text.get(at..)?;
    if rest.starts_with('(') {
        let end = rest.find(')')?;
        return if rest.starts_with("(secret)") { None } else { value_at(text, at + end + 1) };
    }
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let quoted = rest.get(hashes..)?;
    let (quote, escapes) = match quoted {
        long if long.starts_with("\"\"\"") => ("\"\"\"", hashes == 0),
        short if short.starts_with('"') => ("\"", hashes == 0),
        _ => {
            let end = rest.find(|letter: char| letter.is_whitespace() || matches!(letter, ';' | '{' | '}')).unwrap_or(rest.len());
            return (end > 0).then(|| (at..at + end, at + end));
        }
    };
    let start = at + hashes + quote.len();
    let inside = text.get(start..)?;
    let closing = format!("{quote}{}", "#".repeat(hashes));
    let end = start + length_of(inside, &closing, escapes);
    let plain = text.get(start..end)?.trim();
    let is_expression = plain.starts_with("{{") && plain.find("}}") == Some(plain.len().saturating_sub(2));
    (!is_expression).then_some((start..end, end + closing.len()))
}

/// How long a text is that ends before this quote; to the end of all where there is none.
fn length_of(inside: &str, quote: &str, escapes: bool) -> usize {
    let mut escaped = false;
    for (at, letter) in inside.char_indices() {
        if !escaped && inside.get(at..).is_some_and(|rest| rest.starts_with(quote)) {
            return at;
        }
        escaped = escapes && letter == '\\' && !escaped;
    }
    inside.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_attributes_become_stars_and_nothing_else_does() {
        let cases = [
            ("user x password=\"ab\\\"c\" uid=1", "user x password=\"*****\" uid=1"),
            ("user x password=pla\u{e9}n uid=1", "user x password=****** uid=1"),
            ("user x {\n  password \"ab\" \"cd\"\n  uid 1\n}", "user x {\n  password \"**\" \"**\"\n  uid 1\n}"),
            ("user x { password ab; uid 1; }", "user x { password **; uid 1; }"),
            ("user x password=#\"a\"b\"# uid=1", "user x password=#\"***\"# uid=1"),
            ("password \"\"\"\n a\n \"\"\"\nuid 1", "password \"\"\"\n**\n*\"\"\"\nuid 1"),
            ("user x password=(lit)\"a\"", "user x password=(lit)\"*\""),
            ("user x password=(secret)\"db/pw\"", "user x password=(secret)\"db/pw\""),
            ("user x password=\"{{ db.pw }}\"", "user x password=\"{{ db.pw }}\""),
            ("user x password=\"{{ a }}b{{ c }}\"", "user x password=\"***************\""),
            ("user \"password\" uid=1 // the password is kept", "user \"password\" uid=1 // the password is kept"),
            ("user x password=\"ab", "user x password=\"**"),
        ];
        for (text, shown) in cases {
            assert_eq!(concealed(text), shown);
            assert_eq!(concealed(text).len(), text.len());
        }
    }
}
