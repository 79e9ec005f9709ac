//! How git reaches a repository: what an address may be, and how it logs in without showing how.

use keel_engine::resource::Failure;
use keel_engine::secret::{PLACEHOLDER, Secret};

use super::Git;
use crate::host::Host;
use crate::host::command::Command;

/// Answers git's question for a password from the environment, which nobody but the user and root can read.
const HELPER: &str = r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$KEEL_GIT_USERNAME" "$KEEL_GIT_PASSWORD"; }; f"#;
/// The name that hosts of repositories take for any token.
const USERNAME: &str = "git";

/// Git takes further forms that run programs (`ext::`) or are read as options.
pub(super) fn is_repository(repo: &str) -> bool {
    let plain = !repo.contains(|c: char| c.is_control() || c.is_whitespace());
    let scheme = ["https://", "http://", "ssh://", "git://", "file://"].iter().any(|scheme| repo.starts_with(scheme));
    let scp = repo.split_once(':').is_some_and(|(host, path)| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
        !host.is_empty() && !host.starts_with('-') && host.chars().all(fits) && !path.starts_with(':') && !path.is_empty()
    });
    let is_option = repo.strip_prefix("ssh://").is_some_and(|rest| rest.starts_with('-'));
    plain && !is_option && (scheme || scp || repo.starts_with('/'))
}

/// The part of an address before its host, `name:password`, and what stands around it.
fn split_login(address: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (login, _) = rest.get(..end)?.rsplit_once('@')?;
    Some((scheme, login, rest.get(login.len()..)?))
}

/// Whether an address holds a password.
pub(super) fn has_password(address: &str) -> bool {
    split_login(address).is_some_and(|(_, login, _)| login.contains(':'))
}

/// An address without the password in it.
pub(super) fn blotted(address: &str) -> String {
    match split_login(address).and_then(|(scheme, login, rest)| Some((scheme, login.split_once(':')?, rest))) {
        Some((scheme, (name, _), rest)) => format!("{scheme}://{name}:{PLACEHOLDER}{rest}"),
        None => address.to_owned(),
    }
}

/// `https://host:port` of an address: the only place that gets the password.
fn site(address: &str) -> Option<String> {
    let rest = address.strip_prefix("https://")?;
    let host = rest.split('/').next()?.rsplit('@').next()?;
    Some(format!("https://{host}"))
}

/// A word for the shell that git hands its ssh command to.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Gives git what it needs to reach the repository.
pub(super) fn equip(host: &Host, git: &Git, mut command: Command) -> Result<Command, Failure> {
    let identity = git.identity.as_ref().map(|path| host.locate(path.as_path()).to_string_lossy().into_owned());
    let with_identity = identity.map(|path| format!(" -o IdentitiesOnly=yes -i {}", quoted(&path))).unwrap_or_default();
    command = command.environment("GIT_SSH_COMMAND", format!("ssh -o BatchMode=yes{with_identity}"));
    if let Some(proxy) = &git.proxy {
        command = command.argument("-c").argument(format!("http.proxy={proxy}"));
    }
    if let (Some(password), Some(site)) = (&git.password, git.repo.as_deref().and_then(site)) {
        let bytes = password.bytes(host.contents()).map_err(Failure::new)?;
        let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
        let username = git.username.clone().unwrap_or_else(|| USERNAME.to_owned());
        command = command
            .arguments(["-c", "credential.helper=", "-c"])
            .argument(format!("credential.{site}.helper={HELPER}"))
            .environment("KEEL_GIT_USERNAME", username)
            .environment("KEEL_GIT_PASSWORD", text.clone())
            .conceal(&Secret::new(text));
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;
    use keel_engine::value::{Map, Value};

    use super::*;
    use crate::trial::Trial;

    #[test]
    fn places_that_run_programs_are_refused() {
        for repo in ["ext::sh -c id", "-u", "--upload-pack=x", "ssh://-oProxyCommand=x", "relative", "a b", "host:", "a::b"] {
            assert!(!is_repository(repo), "{repo}");
        }
        for repo in ["https://x/y.git", "git@github.com:a/b.git", "/srv/git/x", "ssh://u@h/x", "host:path"] {
            assert!(is_repository(repo), "{repo}");
        }
    }

    #[test]
    fn passwords_in_addresses_are_found() {
        assert!(has_password("https://me:canary@host/x") && has_password("https://me:c@n@host") && has_password("http://:t@host/x"));
        assert!(!has_password("https://me@host/x") && !has_password("https://host:8443/a@b:c") && !has_password("git@host:path"));
        assert_eq!(blotted("https://me:canary@host/x"), "https://me:(secret)@host/x");
        assert_eq!(blotted("https://host:8443/x"), "https://host:8443/x");
    }

    #[test]
    fn git_gets_the_password_for_its_host_alone_and_not_as_an_argument() {
        let trial = Trial::new();
        let map: Map = [
            ("repo".to_owned(), Value::from("https://deploy@example.org:8443/app.git")),
            ("username".to_owned(), Value::from("deploy")),
            ("password".to_owned(), Value::Secret(Secret::new("canary".to_owned()))),
        ]
        .into_iter()
        .collect();
        let git = Git::from_attributes("/x", &map).unwrap();
        let ask = |address: &str| {
            let command = equip(&trial.host, &git, trial.host.command("git").environment("GIT_TERMINAL_PROMPT", "0")).unwrap();
            let command = command.arguments(["credential", "fill"]).input(format!("url={address}\n\n"));
            assert!(!format!("{command}").contains("canary"));
            command.run().unwrap().text().unwrap()
        };
        assert!(ask("https://example.org:8443/app.git").contains("password=canary\n"));
        assert!(!ask("https://elsewhere.example/app.git").contains("canary"));
    }
}
