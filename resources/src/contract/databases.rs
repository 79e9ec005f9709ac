//! Scenarios of what is in MariaDB.

use keel_engine::value::Value;

use super::scenarios::{Needs, Scenario, text};
use crate::trial::{Trial, list};

type Attributes = fn(&Trial) -> Vec<(&'static str, Value)>;

const FOLDER: &[(&str, &str)] = &[("/etc/mysql/mariadb.conf.d/", "")];
const KEPT: &[(&str, &str)] = &[("/etc/mysql/mariadb.conf.d/60-keel.cnf", "[mysqld]\nmax_connections = 151\n")];
const HASH: &str = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19";

fn base(type_name: &'static str, title: &'static str, attributes: Attributes, changes: &'static [&'static str]) -> Scenario {
    Scenario { type_name, title, files: FOLDER, attributes, changes, also_writes: &[], needs: Needs::MariaDb }
}

fn gone(type_name: &'static str, title: &'static str, changes: &'static [&'static str]) -> Scenario {
    base(type_name, title, |_| vec![("ensure", text("absent"))], changes)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    [databases(), accounts(), grants(), settings()].into_iter().flatten().collect()
}

fn databases() -> Vec<Scenario> {
    vec![
        base("mysql_database", "new", |_| vec![("charset", text("utf8mb4"))], &["+ ensure", "+ charset"]),
        base("mysql_database", "old", |_| vec![("collation", text("latin1_bin"))], &["~ collation"]),
        gone("mysql_database", "old", &["- ensure"]),
    ]
}

fn accounts() -> Vec<Scenario> {
    let limits = |_: &Trial| vec![("max_user_connections", Value::Int(5)), ("tls", text("ssl")), ("locked", Value::Bool(true))];
    vec![
        base("mysql_user", "new@%", |_| vec![("password", text("it's \\ new"))], &["+ ensure", "+ plugin", "+ password"]),
        base(
            "mysql_user",
            "new@localhost",
            |_| vec![("plugin", text("mysql_native_password")), ("auth_string", text(HASH))],
            &["+ ensure", "+ plugin", "+ auth_string"],
        ),
        base("mysql_user", "old@localhost", limits, &["~ tls", "~ max_user_connections", "~ locked"]),
        base("mysql_user", "old@localhost", |_| vec![("tls_subject", text("/CN=it's"))], &["~ tls", "+ tls_subject"]),
        gone("mysql_user", "old@localhost", &["- ensure"]),
        gone("mysql_user", "@localhost", &[]),
    ]
}

fn grants() -> Vec<Scenario> {
    vec![
        base("mysql_grant", "old@localhost on old.*", |_| vec![("privileges", list(&["SELECT", "INSERT"]))], &["+ INSERT", "- DROP"]),
        base(
            "mysql_grant",
            "columns",
            |_| {
                let account = vec![("user", text("old@localhost")), ("on", text("old.t")), ("grant_option", Value::Bool(true))];
                [account, vec![("privileges", list(&["SELECT (id, n)", "DELETE"]))]].concat()
            },
            &["+ DELETE", "+ SELECT (id)", "+ SELECT (n)", "- UPDATE (n)", "~ grant_option"],
        ),
        base(
            "mysql_grant",
            "asker@localhost on *.*",
            |_| vec![("privileges", text("ALL")), ("grant_option", Value::Bool(true))],
            &["+ ALL PRIVILEGES", "~ grant_option"],
        ),
        base(
            "mysql_grant",
            "asker@localhost on o%.*",
            |_| vec![("privileges", text("ALL")), ("pattern", Value::Bool(true))],
            &["+ ALL PRIVILEGES"],
        ),
        gone("mysql_grant", "old@localhost on old.*", &["- DROP", "- SELECT"]),
    ]
}

fn settings() -> Vec<Scenario> {
    vec![
        base("mysql_variable", "max-connections", |_| vec![("value", Value::Int(300))], &["~ live", "+ persist"]),
        base("mysql_variable", "init_connect", |_| vec![("value", text("SELECT 'it''s'"))], &["~ live", "+ persist"]),
        Scenario { files: KEPT, ..gone("mysql_variable", "max_connections", &["- persist"]) },
        base(
            "mysql_query_check",
            "it answers",
            |_| {
                let asker = vec![("user", text("asker")), ("password", text("pass-word"))];
                [asker, vec![("query", text("SELECT 6 * 7")), ("expect", Value::Int(42))]].concat()
            },
            &[],
        ),
    ]
}
