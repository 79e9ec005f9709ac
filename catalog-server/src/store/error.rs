//! What can go wrong with the store, by what one can do about it.

use keel_engine::protocol::problem::{Code, Problem};

/// Why the store did not do what it was asked for. Nothing of the request was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database is away, or has no time: the same request may succeed later.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// There is no room for another row.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// The file is not what was written; what can be read is served, nothing is written.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A newer server wrote it.
    #[error("the database has {found} migrations and this keel-server knows {known}: a newer one has written it")]
    Newer {
        /// Its steps.
        found: usize,
        /// This program's.
        known: usize,
    },
    /// The setting names no database that this program can open.
    #[error("{0}")]
    Setting(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The host is not let in any more.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What was sent contradicts itself.
    #[error("{0}")]
    Unprocessable(String),
    /// A defect of this program.
    #[error("the database refused a statement: {0}")]
    Defect(String),
}

impl StoreError {
    /// What the client is told. What only the server's operator may know stays out of it.
    pub fn problem(&self) -> Problem {
        match self {
            StoreError::Unavailable(_) => {
                Problem::new(Code::Unavailable, "the server's database does not answer").hint("wait, and send it again")
            }
            StoreError::Full(_) => {
                Problem::new(Code::Unavailable, "the disk of the server's database is full").hint("make room on the server")
            }
            StoreError::Damaged(_) => {
                Problem::new(Code::Unavailable, "the server's database is damaged and only read").hint("restore it on the server")
            }
            StoreError::Conflict(detail) => Problem::new(Code::Conflict, detail.clone()),
            StoreError::Forbidden(detail) => Problem::new(Code::Forbidden, detail.clone()),
            StoreError::NotFound(detail) => Problem::new(Code::NotFound, detail.clone()),
            StoreError::Unprocessable(detail) => Problem::new(Code::Unprocessable, detail.clone()),
            StoreError::Newer { .. } | StoreError::Setting(_) | StoreError::Defect(_) => {
                Problem::new(Code::Internal, "the server's database refused the request; the server's log has more")
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => of_code(inner.code().as_deref().unwrap_or(""), inner.message()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::BeginFailed => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Defect(error.to_string()),
        }
    }
}

/// SQLite's result codes are numbers, extended ones with the plain one in the low byte; PostgreSQL's are five characters.
fn of_code(code: &str, message: &str) -> StoreError {
    let message = format!("{message} ({code})");
    if code.len() == 5 {
        return match code.get(..2) {
            Some("53") if code == "53100" => StoreError::Full(message),
            // Connections, resources, an operator or a crash; 40 is "try the transaction again", 25006 a standby.
            Some("08" | "53" | "57" | "58" | "40") => StoreError::Unavailable(message),
            _ if code == "25006" || code == "55P03" => StoreError::Unavailable(message),
            Some("XX") => StoreError::Damaged(message),
            _ => StoreError::Defect(message),
        };
    }
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(13) => StoreError::Full(message),
        Ok(5 | 6 | 10 | 14) => StoreError::Unavailable(message),
        Ok(8 | 11 | 26) => StoreError::Damaged(message),
        _ => StoreError::Defect(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_say_the_same_in_other_numbers() {
        for full in ["13", "53100"] {
            assert!(matches!(of_code(full, "x"), StoreError::Full(_)), "{full}");
        }
        for away in ["5", "261", "57P01", "57P03", "08006", "40001"] {
            assert!(matches!(of_code(away, "x"), StoreError::Unavailable(_)), "{away}");
        }
        for damaged in ["11", "26", "XX001"] {
            assert!(matches!(of_code(damaged, "x"), StoreError::Damaged(_)), "{damaged}");
        }
        for defect in ["1", "42601", ""] {
            assert!(matches!(of_code(defect, "x"), StoreError::Defect(_)), "{defect}");
        }
    }
}
