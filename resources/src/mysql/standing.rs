//! Where a server stands among those that hold the same data: one of them makes the changes that reach all.

use keel_engine::resource::Failure;

use crate::host::sql::{Row, Sql};
use crate::host::statement::Statement;

/// What a server says of itself and the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its place in a Galera cluster.
    galera: Option<Galera>,
    /// The server whose changes it takes over.
    source: Option<String>,
    /// Whether it takes changes from that one only.
    is_read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Galera {
    status: String,
    state: String,
    local_index: Option<u64>,
}

impl Standing {
    /// Asks the server.
    pub(super) fn read(sql: &Sql) -> Result<Self, Failure> {
        let status = Statement::new(
            "SHOW GLOBAL STATUS WHERE Variable_name IN \
             ('wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_local_index', 'wsrep_provider_name')",
        );
        let sources = sql.rows(&Statement::new("SHOW ALL SLAVES STATUS"))?;
        let read_only = sql.value(&Statement::new("SELECT @@GLOBAL.read_only"))?;
        Ok(Self::of(&sql.rows(&status)?, &sources, read_only.as_deref() == Some("1")))
    }

    fn of(status: &[Row], sources: &[Row], is_read_only: bool) -> Self {
        let value = |name: &str| {
            let row = status.iter().find(|row| row.text("Variable_name").eq_ignore_ascii_case(name));
            row.map(|row| row.text("Value").to_owned()).filter(|value| !value.is_empty())
        };
        let galera = value("wsrep_provider_name").map(|_| Galera {
            status: value("wsrep_cluster_status").unwrap_or_default(),
            state: value("wsrep_local_state_comment").unwrap_or_default(),
            local_index: value("wsrep_local_index").and_then(|index| index.parse().ok()),
        });
        Self { galera, source: sources.first().map(|row| row.text("Master_Host").to_owned()), is_read_only }
    }

    /// Why the changes are another server's to make, if they are.
    pub(super) fn why_not_here(&self) -> Option<String> {
        if let Some(galera) = &self.galera {
            let index = match (galera.status.as_str(), galera.local_index) {
                ("Primary", Some(index)) => index,
                (status, _) => {
                    return Some(format!("this member of the Galera cluster is {status} ({}): it may change nothing", galera.state));
                }
            };
            if index != 0 {
                return Some("another member of the Galera cluster, the one with local index 0, makes its changes".to_owned());
            }
        }
        match &self.source {
            Some(source) if self.is_read_only => Some(format!("this server is a replica of {source}, which makes the changes")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn galera(status: &str, index: &str) -> Standing {
        let rows = [
            ("wsrep_provider_name", "Galera"),
            ("wsrep_cluster_status", status),
            ("wsrep_local_index", index),
            ("wsrep_local_state_comment", "Synced"),
        ];
        Standing::of(&rows.map(|(name, value)| Row::of(&[("Variable_name", name), ("Value", value)])), &[], false)
    }

    #[test]
    fn one_member_of_a_cluster_makes_the_changes() {
        assert_eq!(galera("Primary", "0").why_not_here(), None);
        assert!(galera("Primary", "2").why_not_here().is_some_and(|why| why.contains("local index 0")));
        for (status, index) in [("non-Primary", "0"), ("Disconnected", "18446744073709551615"), ("", "")] {
            assert!(galera(status, index).why_not_here().is_some_and(|why| why.contains("may change nothing")), "{status}");
        }
    }

    #[test]
    fn a_replica_leaves_changes_to_its_source() {
        let source = [Row::of(&[("Master_Host", "db-1")])];
        assert!(Standing::of(&[], &source, true).why_not_here().is_some_and(|why| why.contains("replica of db-1")));
        assert_eq!(Standing::of(&[], &source, false).why_not_here(), None);
        assert_eq!(Standing::of(&[], &[], true).why_not_here(), None);
        assert_eq!(Standing::of(&[Row::of(&[("Variable_name", "wsrep_provider_name"), ("Value", "")])], &[], false).why_not_here(), None);
    }
}
