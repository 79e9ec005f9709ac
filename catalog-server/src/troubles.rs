//! Troubles: what is wrong with the server and its site now, for whoever watches them.

use keel_engine::protocol::environment::{EnvironmentState, Finding, RefusedCommit, Verdict, short_commit};
use keel_engine::protocol::fleet;

use crate::log::printable;
use crate::server::Server;
use crate::store::now_ms;

/// With fewer bytes on the disk of the database the next report may be one too many.
const ROOM_MIN: u64 = 1 << 20;
/// For how long after its last attempt a copy of a host is a trouble, in milliseconds: a day.
const COPY_MS: i64 = 24 * 60 * 60 * 1000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing can be kept, and little can be answered.
    Store(String),
    /// No push arrives; hosts keep what they have.
    Repository(String),
    /// No branch has a name that the settings speak of.
    NoBranch(String),
    /// Hosts of an environment keep an older commit, or have none.
    Refused {
        /// The environment.
        environment: String,
        /// The commit.
        commit: String,
        /// What hosts have instead.
        kept: Option<String>,
        /// Whether the commit is to blame.
        verdict: Verdict,
        /// Why, in one sentence.
        reason: String,
        /// What the compiler found.
        findings: Vec<Finding>,
    },
    /// Hosts follow a branch that is not there any more, or is not followed.
    Deserted {
        /// The environment.
        environment: String,
        /// How many follow it.
        hosts: u64,
    },
    /// A copy of a host's machine, with its key, asked lately.
    Copied {
        /// The host.
        host: String,
        /// How long ago a copy was refused last, in milliseconds.
        ago_ms: i64,
    },
    /// One host keeps an older catalog, or has none.
    Host {
        /// Why, in one sentence that names it.
        reason: String,
        /// What the compiler found.
        findings: Vec<Finding>,
    },
}

impl Trouble {
    /// Whether the server cannot do what it is for. What is wrong with the site is not the server's fault, and
    /// a balancer that took it away for that would leave hosts alone.
    pub fn is_the_servers(&self) -> bool {
        matches!(self, Trouble::Store(_) | Trouble::Repository(_))
    }

    /// In words for anybody: no paths, no names.
    pub fn in_short(&self) -> &'static str {
        match self {
            Trouble::Store(_) => "the database does not answer, or cannot be written",
            Trouble::Repository(_) => "the repository cannot be read",
            Trouble::NoBranch(_) => "the repository does not have every branch that hosts are to follow",
            Trouble::Refused { verdict: Verdict::Bad, .. } => "the newest commit of an environment is refused",
            Trouble::Refused { .. } => "the newest commit of an environment cannot be judged now",
            Trouble::Deserted { .. } => "hosts follow a branch that is not there",
            Trouble::Copied { .. } => "two machines have the certificate of one host",
            Trouble::Host { .. } => "a host does not compile",
        }
    }

    /// In words for operators.
    pub fn whole(self) -> fleet::Trouble {
        let (what, findings) = match self {
            Trouble::Store(why) => (format!("the database: {why}"), Vec::new()),
            Trouble::Repository(why) => (format!("the repository: {why}"), Vec::new()),
            Trouble::NoBranch(branch) => {
                (format!("the repository has no branch {branch}; `environments` in server.toml says what hosts follow"), Vec::new())
            }
            Trouble::Refused { environment, commit, kept, verdict, reason, findings } => {
                let kept = kept.map_or("have none".to_owned(), |kept| format!("keep {}", short_commit(&kept)));
                let what = match verdict {
                    Verdict::Bad => "is refused",
                    Verdict::CannotTell => "cannot be judged now and is tried again",
                };
                (format!("environment {environment}: commit {} {what}, hosts {kept}: {reason}", short_commit(&commit)), findings)
            }
            Trouble::Deserted { environment, hosts } => {
                let who = if hosts == 1 { "1 host follows".to_owned() } else { format!("{hosts} hosts follow") };
                let what = "which is no branch any more, or none that `environments` in server.toml names: it keeps what it has";
                (format!("{who} the environment {environment}, {what}; `keel node follow HOST ENVIRONMENT` moves it"), Vec::new())
            }
            Trouble::Copied { host, ago_ms } => {
                let ago = match ago_ms / 60_000 {
                    0 => "just now".to_owned(),
                    1 => "a minute ago".to_owned(),
                    minutes if minutes < 120 => format!("{minutes} minutes ago"),
                    minutes => format!("{} hours ago", minutes / 60),
                };
                let help = format!(
                    "remove /var/lib/keel there, give it a name of its own and enrol it; if the key may be stolen, `keel node revoke {host}`"
                );
                (format!("a second machine with the certificate of {host} was refused, last {ago}: {help}"), Vec::new())
            }
            Trouble::Host { reason, findings } => (reason, findings),
        };
        fleet::Trouble { what: printable(&what), findings }
    }
}

/// Looks at everything.
pub async fn all(server: &Server) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    if let Some(damage) = server.store.damage() {
        troubles.push(Trouble::Store(format!("it is damaged and only read: {damage}")));
    } else if server.store.room().is_some_and(|room| room < ROOM_MIN) {
        troubles.push(Trouble::Store("its disk is full: reports stay with their hosts until there is room".to_owned()));
    } else if let Err(error) = server.store.operators().await {
        troubles.push(Trouble::Store(error.problem().detail));
    }
    let environments = &server.environments;
    let missing = environments.missing();
    let is_missing = |environment: &String| missing.contains(environment);
    troubles.extend(of_site(environments.trouble(), missing.clone(), environments.list()));
    if environments.trouble().is_none() {
        // A database that does not answer is a trouble of its own, said above.
        let followers = server.store.followers().await.unwrap_or_default().into_iter();
        let deserted = followers.filter(|(environment, _)| environments.is_deserted(environment) && !is_missing(environment));
        troubles.extend(deserted.map(|(environment, hosts)| Trouble::Deserted { environment, hosts }));
    }
    let now_ms = now_ms();
    let copied = server.store.copied_hosts(now_ms - COPY_MS).await.unwrap_or_default().into_iter();
    troubles.extend(copied.map(|(host, at_ms)| Trouble::Copied { host, ago_ms: now_ms - at_ms }));
    let failed = server.compiler.failed_hosts().into_iter();
    troubles.extend(failed.map(|host| Trouble::Host { reason: host.reason, findings: host.findings }));
    troubles
}

/// What is wrong with the repository and its branches.
pub(crate) fn of_site(repository: Option<String>, missing: Vec<String>, environments: Vec<EnvironmentState>) -> Vec<Trouble> {
    // Of a repository that cannot be read nobody knows which branches it has.
    let missing = if repository.is_some() { Vec::new() } else { missing };
    let refused = environments.into_iter().filter_map(|state| {
        let EnvironmentState { name: environment, commit: kept, refused, .. } = state;
        refused.map(|RefusedCommit { commit, reason, findings, verdict, .. }| Trouble::Refused {
            environment,
            commit,
            kept,
            verdict,
            reason,
            findings,
        })
    });
    repository.map(Trouble::Repository).into_iter().chain(missing.into_iter().map(Trouble::NoBranch)).chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(commit: Option<&str>, refused: Option<&str>) -> EnvironmentState {
        let refused = refused.map(|commit| RefusedCommit {
            commit: commit.to_owned(),
            at: 0,
            reason: "it\nis wrong".to_owned(),
            findings: Vec::new(),
            verdict: Verdict::Bad,
        });
        EnvironmentState { name: "main".to_owned(), commit: commit.map(str::to_owned), since: None, refused }
    }

    #[test]
    fn what_is_wrong_with_the_site_does_not_make_the_server_ill() {
        let found = of_site(None, vec!["release/*".to_owned()], vec![environment(Some("aaaa"), None), environment(None, Some("bbbb"))]);
        let text: Vec<String> = found.iter().map(|one| one.clone().whole().what).collect();
        assert!(text[0].contains("no branch release/*"), "{text:?}");
        assert_eq!(text[1], "environment main: commit bbbb is refused, hosts have none: it\\nis wrong");
        assert!(text.len() == 2 && found.iter().all(|one| !one.is_the_servers()));
    }

    #[test]
    fn a_commit_that_nobody_can_judge_now_is_no_bad_one() {
        let mut state = environment(Some("aaaa"), Some("bbbb"));
        state.refused = state.refused.map(|refused| RefusedCommit { verdict: Verdict::CannotTell, ..refused });
        let [trouble] = of_site(None, Vec::new(), vec![state]).try_into().unwrap();
        assert!(trouble.in_short().contains("cannot be judged now"));
        assert_eq!(
            trouble.whole().what,
            "environment main: commit bbbb cannot be judged now and is tried again, hosts keep aaaa: it\\nis wrong"
        );
    }

    #[test]
    fn a_copy_is_said_with_its_age_and_what_to_do() {
        let what = |ago_ms| Trouble::Copied { host: "db-1".to_owned(), ago_ms }.whole().what;
        assert!(
            what(59_000).starts_with("a second machine with the certificate of db-1 was refused, last just now: remove"),
            "{}",
            what(0)
        );
        assert!(what(119 * 60_000).contains("last 119 minutes ago") && what(121 * 60_000).contains("last 2 hours ago"));
        assert!(what(0).ends_with("`keel node revoke db-1`"));
    }

    #[test]
    fn hosts_whose_branch_is_gone_are_a_trouble() {
        let trouble = Trouble::Deserted { environment: "staging".to_owned(), hosts: 2 };
        assert!(!trouble.is_the_servers());
        let what = trouble.whole().what;
        assert!(what.starts_with("2 hosts follow the environment staging, which is no branch any more"), "{what}");
    }

    #[test]
    fn a_repository_that_cannot_be_read_is_one_trouble_and_not_two() {
        let found = of_site(Some("/srv/x is gone".to_owned()), vec!["main".to_owned()], vec![environment(Some("aaaa"), Some("bbbb"))]);
        assert!(found[0].is_the_servers() && !found[0].in_short().contains("/srv/x"));
        assert!(found.len() == 2 && found[1].clone().whole().what.contains("hosts keep aaaa"));
    }
}
