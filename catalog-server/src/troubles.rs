//! Troubles: what is wrong with the server and its site now, for whoever watches them.

use keel_engine::protocol::environment::{EnvironmentState, Finding};
use keel_engine::protocol::fleet;

use crate::log::printable;
use crate::server::Server;

/// With fewer bytes on the disk of the database the next report may be one too many.
const ROOM_MIN: u64 = 1 << 20;

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
        /// Why, in one sentence.
        reason: String,
        /// What the compiler found.
        findings: Vec<Finding>,
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
            Trouble::Refused { .. } => "the newest commit of an environment is refused",
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
            Trouble::Refused { environment, commit, kept, reason, findings } => {
                let kept = kept.map_or("have none".to_owned(), |kept| format!("keep {}", short(&kept)));
                (format!("environment {environment}: commit {} is refused, hosts {kept}: {reason}", short(&commit)), findings)
            }
            Trouble::Host { reason, findings } => (reason, findings),
        };
        fleet::Trouble { what: printable(&what), findings }
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
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
    troubles.extend(of_site(environments.trouble(), environments.missing(), environments.list()));
    let failed = server.compiler.failed_hosts().into_iter();
    troubles.extend(failed.map(|host| Trouble::Host { reason: host.reason, findings: host.findings }));
    troubles
}

/// What is wrong with the repository and its branches.
fn of_site(repository: Option<String>, missing: Vec<String>, environments: Vec<EnvironmentState>) -> Vec<Trouble> {
    // Of a repository that cannot be read nobody knows which branches it has.
    let missing = if repository.is_some() { Vec::new() } else { missing };
    let refused = environments.into_iter().filter_map(|state| {
        let EnvironmentState { name: environment, commit: kept, refused, .. } = state;
        refused.map(|one| Trouble::Refused { environment, commit: one.commit, kept, reason: one.reason, findings: one.findings })
    });
    repository.map(Trouble::Repository).into_iter().chain(missing.into_iter().map(Trouble::NoBranch)).chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use keel_engine::protocol::environment::RefusedCommit;

    use super::*;

    fn environment(commit: Option<&str>, refused: Option<&str>) -> EnvironmentState {
        let refused = refused.map(|commit| RefusedCommit {
            commit: commit.to_owned(),
            at: 0,
            reason: "it\nis wrong".to_owned(),
            findings: Vec::new(),
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
    fn a_repository_that_cannot_be_read_is_one_trouble_and_not_two() {
        let found = of_site(Some("/srv/x is gone".to_owned()), vec!["main".to_owned()], vec![environment(Some("aaaa"), Some("bbbb"))]);
        assert!(found[0].is_the_servers() && !found[0].in_short().contains("/srv/x"));
        assert!(found.len() == 2 && found[1].clone().whole().what.contains("hosts keep aaaa"));
    }
}
