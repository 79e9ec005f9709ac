//! SQL statements put together from the program's own words and quoted values: what a manifest holds never becomes
//! SQL.

use std::fmt;

/// A statement. Words of the language are the program's own (`&'static str`); everything else is quoted.
///
/// Sessions run without `NO_BACKSLASH_ESCAPES` and in UTF-8, see [`super::sql`], which the quoting relies on.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    text: String,
    holds_secret: bool,
}

impl Statement {
    /// A statement that begins with these words.
    pub fn new(words: &'static str) -> Self {
        Self { text: words.to_owned(), holds_secret: false }
    }

    /// A query that a manifest gives as a whole.
    pub fn as_written(query: &str) -> Self {
        Self { text: query.to_owned(), holds_secret: false }
    }

    /// Adds words of the language.
    pub fn words(mut self, words: &'static str) -> Self {
        self.text.push_str(words);
        self
    }

    /// Adds the name of a thing.
    pub fn name(mut self, name: &str) -> Self {
        self.text.push_str(&quoted_name(name));
        self
    }

    /// Adds a text.
    pub fn string(mut self, text: &str) -> Self {
        self.text.push_str(&quoted_text(text));
        self
    }

    /// Adds a text that nobody may see: what the server says of the statement is not repeated.
    pub fn secret(mut self, text: &str) -> Self {
        self.holds_secret = true;
        self.string(text)
    }

    /// Adds a number.
    pub fn number(mut self, number: impl Into<Number>) -> Self {
        self.text.push_str(&number.into().0);
        self
    }

    /// Adds an account.
    pub fn account(self, user: &str, host: &str) -> Self {
        self.string(user).words("@").string(host)
    }

    /// Adds each of them by `add`, with these words between two.
    pub fn each<T>(self, items: impl IntoIterator<Item = T>, between: &'static str, add: impl Fn(Self, T) -> Self) -> Self {
        let mut statement = self;
        for (at, item) in items.into_iter().enumerate() {
            statement = add(if at == 0 { statement } else { statement.words(between) }, item);
        }
        statement
    }

    /// The text for the server.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a secret is in it.
    pub(super) fn holds_secret(&self) -> bool {
        self.holds_secret
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.holds_secret { keel_engine::secret::PLACEHOLDER } else { &self.text })
    }
}

/// A number as SQL writes it.
pub struct Number(String);

macro_rules! number {
    ($($type:ty),+) => {$(
        impl From<$type> for Number {
            fn from(number: $type) -> Self {
                Number(number.to_string())
            }
        }
    )+};
}
number!(u32, u64, i64, f64);

/// A name between backticks.
fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text between apostrophes.
fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_quotes() {
        for (text, quoted) in [
            ("plain", "'plain'"),
            ("it's", "'it''s'"),
            ("'; drop database x; -- ", "'''; drop database x; -- '"),
            ("\\", "'\\\\'"),
            ("\\'", "'\\\\'''"),
            ("\\'; select 1", "'\\\\''; select 1'"),
            ("ünï", "'ünï'"),
            ("", "''"),
        ] {
            assert_eq!(quoted_text(text), quoted, "{text}");
        }
        for (name, quoted) in
            [("db", "`db`"), ("a`b", "`a``b`"), ("`; drop table x", "```; drop table x`"), ("a\\", "`a\\`"), ("x'y", "`x'y`")]
        {
            assert_eq!(quoted_name(name), quoted, "{name}");
        }
    }

    /// Reads a quoted text as the server does, and tells what is left behind its end.
    fn read_back(quoted: &str, mark: char, escapes: bool) -> Option<(String, String)> {
        let mut rest = quoted.strip_prefix(mark)?.chars().peekable();
        let mut text = String::new();
        while let Some(char) = rest.next() {
            match char {
                '\\' if escapes => text.push(rest.next()?),
                char if char == mark && rest.peek() == Some(&mark) => text.extend(rest.next()),
                char if char == mark => return Some((text, rest.collect())),
                char => text.push(char),
            }
        }
        None
    }

    #[test]
    fn what_is_quoted_is_read_back_as_it_was() {
        let pieces = ["'", "\\", "`", "\"", "a", ";", "--", "\n", "é", "''", "\\'", "%"];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let text = format!("{first}{second}{third}");
                    assert_eq!(read_back(&quoted_text(&text), '\'', true), Some((text.clone(), String::new())));
                    assert_eq!(read_back(&quoted_name(&text), '`', false), Some((text, String::new())));
                }
            }
        }
    }

    #[test]
    fn statements_are_put_together_and_hide_their_secrets() {
        let statement = Statement::new("CREATE USER ").account("o'neil", "10.%").words(" IDENTIFIED BY ").secret("pass'word");
        assert_eq!(statement.text(), "CREATE USER 'o''neil'@'10.%' IDENTIFIED BY 'pass''word'");
        assert_eq!(format!("{statement:?}"), "(secret)");
        let several = Statement::new("GRANT ").each(["a", "b"], ", ", Statement::name).words(" LIMIT ").number(5_u32);
        assert_eq!(format!("{several:?}"), "GRANT `a`, `b` LIMIT 5");
    }
}
