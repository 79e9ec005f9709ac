//! Patterns of names: `*` and `?`.

/// Whether a whole text fits a pattern: `*` is any text, `?` any one character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // The last star and the text position it was tried at: enough to go back to, so this is linear
    // but for the length of the pieces between stars.
    let (mut at, mut position, mut star) = (0, 0, None);
    while position < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || text.get(position) == Some(wanted) => {
                at += 1;
                position += 1;
            }
            _ => match star {
                Some((star_at, tried)) => {
                    at = star_at + 1;
                    position = tried + 1;
                    star = Some((star_at, position));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [("*.local", "a.local"), ("a?c", "abc"), ("*", ""), ("a*b*c", "aXbYbZc"), ("x", "x"), ("a/*/c", "a/b/c")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("*.local", "a.locals"), ("a?c", "ac"), ("", "a"), ("a*b", "aXc"), ("x", "X")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(!matches(&"*a".repeat(200), &"a".repeat(150)));
    }
}
