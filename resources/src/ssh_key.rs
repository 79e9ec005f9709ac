//! Public keys of ssh as they stand in its files.

/// The kinds of keys.
pub(crate) const KINDS: [&str; 9] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss",
    "ssh-ed25519-cert-v01@openssh.com",
];

/// Whether a text is a key: base64 that begins as every key does, with the length of its kind's name.
pub(crate) fn is_key(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    body.len() >= 16
        && text.len() - body.len() <= 2
        && body.starts_with("AAAA")
        && body.chars().all(|c| c.is_ascii_alphanumeric() || "+/".contains(c))
}

/// The text up to the first space that is not in quotes.
pub(crate) fn first_word(line: &str) -> &str {
    let end = unquoted(line).find(|(_, c)| c.is_whitespace()).map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or(line)
}

/// The options of a line, which commas separate.
pub(crate) fn split_options(text: &str) -> Vec<String> {
    let mut options = Vec::new();
    let mut start = 0;
    for (at, _) in unquoted(text).filter(|(_, c)| *c == ',').chain([(text.len(), ',')]) {
        options.extend(text.get(start..at).filter(|option| !option.is_empty()).map(str::to_owned));
        start = at + 1;
    }
    options
}

/// Whether a text is one option: its quotes are closed, and nothing outside of them separates.
pub(crate) fn is_one_option(text: &str) -> bool {
    let quotes = text.replace("\\\"", "").matches('"').count();
    quotes.is_multiple_of(2) && !unquoted(text).any(|(_, c)| c.is_whitespace() || c == ',')
}

/// The characters of a text outside of quotes, with their places.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let (mut inside, mut escaped) = (false, false);
    text.char_indices().filter(move |(_, c)| {
        let is_quote = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        inside ^= is_quote;
        !inside && !is_quote
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_options_together() {
        let options = r#"command="a \"b, c\" d",no-pty,from="x,y""#;
        assert_eq!(first_word(&format!("{options} ssh-rsa AAAA")), options);
        assert_eq!(split_options(options), [r#"command="a \"b, c\" d""#, "no-pty", r#"from="x,y""#]);
        assert!(is_one_option(r#"from="x,y""#) && !is_one_option("a,b") && !is_one_option("a b") && !is_one_option(r#"from="x"#));
    }

    #[test]
    fn keys_are_base64() {
        assert!(is_key("AAAAC3NzaC1lZDI1NTE5AAAAIJ0b") && is_key("AAAAB3NzaC1yc2EAAAADAQABAAABAQ=="));
        assert!(!is_key("AAAA") && !is_key("AAAAB3NzaC1yc2EAAAADAQABAAABAQ=== ") && !is_key("ssh-rsa AAAAB3NzaC1yc2EAAAADAQ"));
    }
}
