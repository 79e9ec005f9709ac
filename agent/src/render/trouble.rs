//! Troubles: what is wrong with the server or the site, with what the compiler found.

use keel_engine::protocol::environment::Finding;
use keel_engine::protocol::fleet::Trouble;

use super::counted;
use super::paint::{Paint, printable};

/// How many findings are shown; the first ones are what one begins with.
const SHOWN: usize = 5;

/// A trouble, with its gravest findings below it.
pub fn text(trouble: &Trouble, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.red("trouble:"), printable(&trouble.what));
    text.extend(trouble.findings.iter().take(SHOWN).map(finding_text));
    let more = trouble.findings.len().saturating_sub(SHOWN);
    if more > 0 {
        text.push_str(&format!("  ... and {} more: --json has all\n", counted(more, "finding")));
    }
    text
}

fn finding_text(finding: &Finding) -> String {
    let place = finding.places.first().map_or(String::new(), |at| format!("{}:{}:{}: ", printable(&at.file), at.line, at.column));
    let host = finding.host.as_ref().map_or(String::new(), |host| format!("{}: ", printable(host)));
    let kind = if finding.error { "error" } else { "warning" };
    let mut text = format!("  {place}{kind}[{}]: {host}{}\n", printable(&finding.code), printable(&finding.message));
    text.extend(finding.help.iter().map(|help| format!("      try: {}\n", printable(help))));
    text
}

#[cfg(test)]
mod tests {
    use keel_engine::protocol::environment::FoundAt;

    use super::*;

    fn finding(message: &str) -> Finding {
        Finding {
            error: true,
            code: "unknown-type".to_owned(),
            message: message.to_owned(),
            host: Some("db-1".to_owned()),
            places: vec![FoundAt { file: "manifests/site.kdl".to_owned(), line: 3, column: 5, text: String::new() }],
            help: vec!["file".to_owned()],
        }
    }

    #[test]
    fn a_refused_commit_is_shown_with_the_place_to_blame() {
        let trouble = Trouble { what: "commit 0123 is refused".to_owned(), findings: vec![finding("there is no type fil\u{1b}[2J")] };
        assert_eq!(
            text(&trouble, Paint { colour: false }),
            "trouble: commit 0123 is refused\n  manifests/site.kdl:3:5: error[unknown-type]: db-1: there is no type fil\\u{1b}[2J\n      try: file\n"
        );
    }

    #[test]
    fn of_many_findings_the_first_are_shown_and_the_rest_counted() {
        let trouble = Trouble { what: "x".to_owned(), findings: vec![finding("y"); SHOWN + 2] };
        let text = text(&trouble, Paint { colour: false });
        assert_eq!(text.matches("error[unknown-type]").count(), SHOWN);
        assert!(text.ends_with("... and 2 findings more: --json has all\n"), "{text}");
    }
}
