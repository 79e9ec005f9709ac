//! MariaDB: databases, accounts, what they may do, settings, plugins, replication and questions.
//!
//! All types talk to the server over its socket, in one session a run (`host/sql.rs`); each reads what there is of its
//! kind once. Where several servers hold the same data, one of them makes the changes that reach the others
//! (`standing.rs`).

pub mod account;
pub mod database;
pub mod grant;
mod grant_rows;
pub(crate) mod option_file;
pub mod plugin;
pub mod privilege;
pub mod query_check;
pub mod replication;
mod replication_status;
#[cfg(test)]
pub(crate) mod scratch_server;
mod source;
mod standing;
pub mod user;
mod user_entry;
pub mod variable;
pub(crate) mod variable_value;

use std::collections::BTreeMap;

use keel_engine::attributes::AbsolutePath;
use keel_engine::footprint::{Footprint, Key};
use keel_engine::resource::{Failure, ObserveError};

use crate::host::Host;
use crate::host::sql::Sql;

/// Who comes after the server itself needs this key; whoever starts one provides it.
pub(crate) const SERVER: &str = "mysql-server";
/// The key of the replication of the server behind the usual socket.
const REPLICATION: &str = "mysql_replication:";
/// The units that the server has on the systems that there are.
const UNITS: [&str; 3] = ["unit:mariadb.service", "unit:mysql.service", "unit:mysqld.service"];

/// A footprint of something that lives in a server.
fn in_server() -> Footprint {
    UNITS.into_iter().fold(Footprint::default().need(SERVER), Footprint::need)
}

/// A footprint of something that is in all servers that hold the same data: first it is settled who writes.
fn in_data() -> Footprint {
    in_server().need(REPLICATION)
}

/// The key of a thing in the server behind a socket.
fn key(kind: &str, socket: Option<&AbsolutePath>, name: &str) -> Key {
    match socket {
        None => format!("{kind}:{name}"),
        Some(socket) => format!("{kind}:{socket}:{name}"),
    }
}

/// Looks at all resources of a type: what their servers hold is read once each, then judged for every resource.
fn look<D, S, O>(
    host: &Host,
    desired: &[&D],
    socket: impl Fn(&D) -> Option<&AbsolutePath>,
    read: impl Fn(&Sql) -> Result<S, Failure>,
    judge: impl Fn(&D, &S) -> Result<O, ObserveError>,
) -> Vec<Result<O, ObserveError>> {
    let mut servers: BTreeMap<Option<&str>, Result<S, ObserveError>> = BTreeMap::new();
    let mut looks = Vec::with_capacity(desired.len());
    for desired in desired {
        let socket = socket(desired).map(AbsolutePath::as_str);
        let state = servers.entry(socket).or_insert_with(|| {
            let sql = host.sql(socket)?;
            Ok(read(&sql)?)
        });
        looks.push(match state {
            Ok(state) => judge(desired, state),
            Err(error) => Err(error.clone()),
        });
    }
    looks
}

/// The server that a change goes to.
fn server(host: &Host, socket: Option<&AbsolutePath>) -> Result<std::sync::Arc<Sql>, Failure> {
    host.sql(socket.map(AbsolutePath::as_str)).map_err(|error| error.failure().clone())
}

/// A name that can be told from what is around it, in SQL and in reports.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= 64 && !name.chars().any(char::is_control) && name.trim_end() == name
}
