//! Sessions with MariaDB over its socket: one a run for each socket, opened when it is first needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error, OptsBuilder, Value};
use keel_engine::resource::{Failure, ObserveError};

use super::Host;
use super::statement::Statement;

/// Where Debian's MariaDB listens.
pub const SOCKET: &str = "/run/mysqld/mysqld.sock";
/// Where the clients of MariaDB find root's own name and password.
const CLIENT_FILE: &str = "/root/.my.cnf";
/// How long an answer may take: removing a large database takes minutes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// What every session begins with. The quoting of statements relies on the mode; nothing waits for ever for a lock.
const INIT: [&str; 2] = ["SET SESSION sql_mode = ''", "SET SESSION lock_wait_timeout = 60"];
/// The server's numbers for those who are not let in.
const DENIED: [u16; 2] = [1045, 1698];

/// The sessions of a run; none before anybody asked.
pub(super) type SqlSlots = Mutex<BTreeMap<PathBuf, Arc<Sql>>>;

/// A session. Statements block, and may come from several threads at once.
pub struct Sql {
    connection: Mutex<Conn>,
}

/// A row of an answer, by the names of its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(Vec<(String, Option<String>)>);

impl Row {
    /// A value; none where it is NULL or there is no such column.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).and_then(|(_, value)| value.as_deref())
    }

    /// A value; the empty text where it is NULL or there is no such column.
    pub fn text(&self, column: &str) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// The values in order.
    pub fn values(&self) -> impl Iterator<Item = Option<&str>> {
        self.0.iter().map(|(_, value)| value.as_deref())
    }

    /// A row of these columns.
    #[cfg(test)]
    pub(crate) fn of(columns: &[(&str, &str)]) -> Self {
        Self(columns.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect())
    }
}

/// Who logs in.
pub struct Login {
    /// The user.
    pub user: String,
    /// The password, where one is needed.
    pub password: Option<String>,
}

impl Host {
    /// The session with the server that listens on a socket, as root.
    ///
    /// # Errors
    /// There is no server yet; or it lets nobody in.
    pub fn sql(&self, socket: Option<&str>) -> Result<Arc<Sql>, ObserveError> {
        let path = self.locate(socket.unwrap_or(SOCKET));
        let mut slots = self.sql.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sql) = slots.get(&path).filter(|sql| sql.is_alive()) {
            return Ok(Arc::clone(sql));
        }
        let login = self.client_login()?;
        let sql = Arc::new(Sql::open(&path, &login)?);
        slots.insert(path, Arc::clone(&sql));
        Ok(sql)
    }

    /// A session of its own for somebody.
    ///
    /// # Errors
    /// As [`Host::sql`].
    pub fn sql_as(&self, socket: Option<&str>, login: &Login) -> Result<Sql, ObserveError> {
        Sql::open(&self.locate(socket.unwrap_or(SOCKET)), login)
    }

    /// Who the clients on this host are by their file: root without a password where it says nothing.
    fn client_login(&self) -> Result<Login, Failure> {
        let text = self.read_text(CLIENT_FILE)?.unwrap_or_default();
        let said = |name| crate::mysql::option_file::value(&text, &["client", "mysql", "mariadb-client"], name);
        Ok(Login { user: said("user").unwrap_or_else(|| "root".to_owned()), password: said("password") })
    }

    /// Whether root logs in by a file and not by being root.
    pub(crate) fn has_client_file(&self) -> bool {
        matches!(self.stat(CLIENT_FILE), Ok(Some(_)))
    }
}

impl Sql {
    fn open(socket: &Path, login: &Login) -> Result<Self, ObserveError> {
        let options = OptsBuilder::new()
            .socket(Some(socket.to_string_lossy()))
            .user(Some(&login.user))
            .pass(login.password.as_ref())
            .prefer_socket(false)
            .stmt_cache_size(0)
            .read_timeout(Some(ANSWER_TIMEOUT))
            .write_timeout(Some(ANSWER_TIMEOUT))
            .init(INIT.to_vec());
        let connection = Conn::new(options).map_err(|error| not_open(socket, &login.user, &error))?;
        let sql = Self { connection: Mutex::new(connection) };
        let version = sql.value(&Statement::new("SELECT VERSION()"))?.unwrap_or_default();
        if version.contains("MariaDB") {
            return Ok(sql);
        }
        let failure = Failure::new(format!("the server on {} is no MariaDB, but says that it is {version}", socket.display()));
        Err(failure.help("the types mysql_* speak to MariaDB 10.5 and later").into())
    }

    fn is_alive(&self) -> bool {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).ping().is_ok()
    }

    /// Asks for rows.
    ///
    /// # Errors
    /// What the server says, unless a secret is in the statement.
    pub fn rows(&self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error| refused(statement, &error);
        let rows: Vec<::mysql::Row> = connection.query(statement.text()).map_err(failed)?;
        Ok(rows.into_iter().map(row_of).collect())
    }

    /// Asks for one value: the first of the first row.
    ///
    /// # Errors
    /// As [`Sql::rows`].
    pub fn value(&self, statement: &Statement) -> Result<Option<String>, Failure> {
        let rows = self.rows(statement)?;
        Ok(rows.first().and_then(|row| row.values().next().flatten().map(str::to_owned)))
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// As [`Sql::rows`].
    pub fn run(&self, statement: &Statement) -> Result<(), Failure> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.query_drop(statement.text()).map_err(|error| refused(statement, &error))
    }
}

fn row_of(row: ::mysql::Row) -> Row {
    let names: Vec<String> = row.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
    let text = |value| match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    };
    Row(names.into_iter().zip(row.unwrap().into_iter().map(text)).collect())
}

fn refused(statement: &Statement, error: &Error) -> Failure {
    match error {
        // The server repeats the part of a statement that it does not understand.
        Error::MySqlError(said) if statement.holds_secret() => {
            Failure::new(format!("MariaDB refuses a statement with a secret in it (error {})", said.code))
        }
        Error::MySqlError(said) => Failure::new(format!("MariaDB says: {} (error {})", said.message, said.code)),
        _ => Failure::new("the connection to MariaDB broke").help("its log says why: journalctl -u mariadb"),
    }
}

fn not_open(socket: &Path, user: &str, error: &Error) -> ObserveError {
    match error {
        Error::MySqlError(said) if DENIED.contains(&said.code) => {
            let failure = Failure::new(format!("MariaDB does not let {user} in: {}", said.message));
            let help = format!("keel logs in as root over the socket, or as {CLIENT_FILE} says: is the name and password there right?");
            ObserveError::Failed(failure.help(help))
        }
        Error::MySqlError(said) => Failure::new(format!("MariaDB says: {} (error {})", said.message, said.code)).into(),
        _ => {
            let failure = Failure::new(format!("MariaDB does not answer on {}", socket.display()));
            ObserveError::NotYet(
                failure.help("start it: the service mariadb should come before; `journalctl -u mariadb` says what keeps it"),
            )
        }
    }
}
