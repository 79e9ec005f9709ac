//! Verdicts: what became of a push, in words for who pushed.

use keel_engine::protocol::environment::{EnvironmentState, Finding, short_commit};
use keel_engine::protocol::fleet::Trouble;

use crate::environments::Environments;
use crate::log::printable;
use crate::troubles;

/// How many findings are shown; the first ones are what one begins with.
const SHOWN: usize = 5;

/// Looks at the repository, and says which commits hosts get now and which they do not.
pub async fn of_a_look(environments: &Environments) -> String {
    let before = environments.list();
    environments.settled().await;
    in_words(&before, environments.trouble(), environments.list())
}

fn in_words(before: &[EnvironmentState], repository: Option<String>, now: Vec<EnvironmentState>) -> String {
    let is_new = |state: &&EnvironmentState| state.refused.is_none() && !before.contains(state);
    let accepted = now.iter().filter(is_new).filter_map(|state| {
        let commit = state.commit.as_deref()?;
        Some(format!("environment {}: commit {} is accepted\n", printable(&state.name), short_commit(commit)))
    });
    let accepted: String = accepted.collect();
    let refused = troubles::of_site(repository, Vec::new(), now).into_iter().map(|trouble| refused(&trouble.whole()));
    accepted + &refused.collect::<String>()
}

fn refused(trouble: &Trouble) -> String {
    let mut text = format!("{}\n", trouble.what);
    text.extend(trouble.findings.iter().take(SHOWN).map(finding));
    let more = trouble.findings.len().saturating_sub(SHOWN);
    if more > 0 {
        text.push_str(&format!("  ... and {more} more: `keel status --json` has all\n"));
    }
    text
}

fn finding(finding: &Finding) -> String {
    let place = finding.places.first().map_or(String::new(), |at| format!("{}:{}:{}: ", printable(&at.file), at.line, at.column));
    let kind = if finding.error { "error" } else { "warning" };
    let mut text = format!("  {place}{kind}[{}]: {}\n", printable(&finding.code), printable(&finding.message));
    text.extend(finding.help.iter().map(|help| format!("      try: {}\n", printable(help))));
    text
}

#[cfg(test)]
mod tests {
    use keel_engine::protocol::environment::{FoundAt, RefusedCommit, Verdict};

    use super::*;

    fn state(name: &str, commit: &str) -> EnvironmentState {
        EnvironmentState { name: name.to_owned(), commit: Some(commit.to_owned()), since: Some(1), refused: None }
    }

    #[test]
    fn who_pushed_hears_what_hosts_get_and_what_is_wrong_with_the_rest() {
        let before = [state("main", "aaaa"), state("test", "bbbb"), state("next", "cccc")];
        let place = FoundAt { file: "manifests/site.kdl".to_owned(), line: 3, column: 5, text: String::new() };
        let found = Finding {
            error: true,
            code: "KE0213".to_owned(),
            message: "no type\u{1b} fil".to_owned(),
            host: None,
            places: vec![place],
            help: vec!["file".to_owned()],
        };
        let (commit, reason) = ("ffff".to_owned(), "it does not load".to_owned());
        let refused = RefusedCommit { commit, at: 0, reason, findings: vec![found], verdict: Verdict::Bad };
        let now = vec![state("main", "dddd"), EnvironmentState { refused: Some(refused), ..state("test", "bbbb") }, state("next", "cccc")];
        assert_eq!(
            in_words(&before, None, now.clone()),
            "environment main: commit dddd is accepted\n\
             environment test: commit ffff is refused, hosts keep bbbb: it does not load\n  \
             manifests/site.kdl:3:5: error[KE0213]: no type\\u{1b} fil\n      try: file\n"
        );
        assert_eq!(in_words(&now[..1], None, now[..1].to_vec()), "", "nothing new is nothing to say");
        assert!(in_words(&[], Some("it is gone".to_owned()), Vec::new()).contains("it is gone"));
    }
}
