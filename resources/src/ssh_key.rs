//! Public keys of ssh as they stand in its files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use keel_engine::attributes::AttributeError;

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

/// The kind that a key says it is of: the name that its base64 begins with.
pub(crate) fn kind_of(key: &str) -> Option<String> {
    // No kind's name is longer than what these hold.
    let head = key.trim_end_matches('=').get(..80).unwrap_or(key.trim_end_matches('='));
    let whole = head.get(..head.len() / 4 * 4)?;
    let bytes = STANDARD_NO_PAD.decode(whole).ok()?;
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    String::from_utf8(name.to_vec()).ok()
}

/// Reads `KIND KEY REST`, with any blanks between; none where that is no key, of whatever kind.
pub(crate) fn split_key(text: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = first_of(text)?;
    let (key, rest) = first_of(rest)?;
    let is_kind = KINDS.contains(&kind) || kind_of(key).as_deref() == Some(kind);
    (is_kind && is_key(key)).then_some((kind, key, rest.trim()))
}

/// The first word of a text and what stands behind it.
pub(crate) fn first_of(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What is wrong with the attributes `key` and `type` of a resource.
pub(crate) fn check(key: Option<&str>, kind: &str, help: &str) -> Option<AttributeError> {
    match key.map(|key| (is_key(key), kind_of(key))) {
        None if KINDS.contains(&kind) => None,
        None => Some(AttributeError::new("type", format!("must be one of {}", KINDS.join(", ")))),
        Some((true, Some(own))) if own == kind => None,
        // sshd passes over a line whose two kinds differ, without a word to whoever wrote it.
        Some((true, Some(own))) => {
            Some(AttributeError::new("type", format!("is {kind}, and the key is of the kind {own}")).help(format!("write type=\"{own}\"")))
        }
        Some(_) => Some(AttributeError::new("key", "is no key").help(help)),
    }
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
    fn the_kind_stands_in_the_key_and_any_blanks_between_words() {
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0b3ZbNDQFGzvzZ6mQpIkvHPd2gkFKUo2L9lI4oQ7jX";
        assert_eq!(kind_of(key).as_deref(), Some("ssh-ed25519"));
        assert_eq!(kind_of("AAAAB3NzaC1yc2EAAAADAQABAAABAQ==").as_deref(), Some("ssh-rsa"));
        assert_eq!(kind_of("AAAA!"), None);
        assert_eq!(kind_of("////////////////////"), None);
        let line = format!("ssh-ed25519 \t {key}   ada  at home ");
        assert_eq!(split_key(&line), Some(("ssh-ed25519", key, "ada  at home")));
        let blob = STANDARD_NO_PAD.encode(b"\0\0\0\x28ecdsa-sha2-nistp256-cert-v01@openssh.comrest");
        let line = format!("ecdsa-sha2-nistp256-cert-v01@openssh.com {blob}");
        assert_eq!(split_key(&line).map(|(_, _, rest)| rest), Some(""), "a kind that no list has");
        assert_eq!(split_key(&format!("nonsense {key}")), None);
        assert!(check(Some(key), "ssh-rsa", "").unwrap().sentence().contains("ssh-ed25519"));
        assert!(check(Some(key), "ssh-ed25519", "").is_none() && check(None, "ssh-rsa", "").is_none() && check(None, "x", "").is_some());
    }

    #[test]
    fn keys_are_base64() {
        assert!(is_key("AAAAC3NzaC1lZDI1NTE5AAAAIJ0b") && is_key("AAAAB3NzaC1yc2EAAAADAQABAAABAQ=="));
        assert!(!is_key("AAAA") && !is_key("AAAAB3NzaC1yc2EAAAADAQABAAABAQ=== ") && !is_key("ssh-rsa AAAAB3NzaC1yc2EAAAADAQ"));
    }
}
