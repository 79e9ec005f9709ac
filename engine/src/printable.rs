//! Texts that anybody may have written, made fit to be shown.

/// Escapes what would move the reader's cursor or turn the direction of what follows. A tab stays.
pub fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => printed.push('\t'),
            hidden if hidden.is_control() || is_direction(hidden) => printed.extend(hidden.escape_default()),
            plain => printed.push(plain),
        }
    }
    printed
}

/// Characters that turn the direction of writing around: they make a line read as another one.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_line_around() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\u{200f}d\te"), "a\\u{1b}[2Jb\\u{202e}c\\u{200f}d\te");
    }
}
