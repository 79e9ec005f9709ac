//! Operators: people and programs that use the operator's API, each with a role.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Result, Store, StoreError, now_ms};

/// Who uses the operator's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When they were added, in milliseconds since 1970.
    pub created_ms: i64,
}

/// What an operator may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Ask hosts to run, approve them, let them follow another environment.
    Operator,
    /// Shut hosts out, purge them, make tokens.
    Admin,
}

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// The role of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

fn operator(row: &AnyRow) -> Result<Operator> {
    let word: String = row.try_get(1)?;
    // A role of a newer server is worth the least here.
    Ok(Operator { name: row.try_get(0)?, role: Role::from_word(&word).unwrap_or(Role::Viewer), created_ms: row.try_get(2)? })
}

impl Store {
    /// Adds an operator. `digest` is the blake3 of the bearer token in hexadecimal.
    ///
    /// # Errors
    /// There is one of that name ([`StoreError::Conflict`]).
    pub async fn add_operator(&self, name: &str, role: Role, digest: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let sql = "INSERT INTO operators (name, role, digest, created_ms) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING";
        let done = sqlx::query(sql).bind(name).bind(role.word()).bind(digest).bind(now_ms()).execute(write.on()).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!("there is an operator {name} already")));
        }
        write.audit("local", "operator-add", name, role.word()).await?;
        write.commit().await
    }

    /// Removes an operator; the token is worth nothing from then on.
    ///
    /// # Errors
    /// There is no such operator ([`StoreError::NotFound`]).
    pub async fn remove_operator(&self, name: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let done = sqlx::query("DELETE FROM operators WHERE name = $1").bind(name).execute(write.on()).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("there is no operator {name}")));
        }
        write.audit("local", "operator-remove", name, "").await?;
        write.commit().await
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn operators(&self) -> Result<Vec<Operator>> {
        let rows = sqlx::query("SELECT name, role, created_ms FROM operators ORDER BY name").fetch_all(self.reader()).await?;
        rows.iter().map(operator).collect()
    }

    /// The operator with a token, by the blake3 of it in hexadecimal.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn operator(&self, digest: &str) -> Result<Option<Operator>> {
        let row = sqlx::query("SELECT name, role, created_ms FROM operators WHERE digest = $1")
            .bind(digest)
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(operator).transpose()
    }
}
