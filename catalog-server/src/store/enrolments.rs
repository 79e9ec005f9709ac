//! Enrolments: hosts that ask to be let in, and what they were answered.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::nodes::Admission;
use super::{Result, Store, StoreError, Write, now_ms};

/// How many hosts may wait for approval; anybody may ask, so there has to be an end.
const WAITING_MAX: i64 = 10_000;

/// An enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id, made from the request's public key.
    pub id: String,
    /// The name that was asked for.
    pub host: String,
    /// The signing request as it came.
    pub csr: String,
    /// The age recipient that came with it.
    pub recipient: String,
    /// What came of it so far.
    pub state: PendingState,
    /// When it was asked, in milliseconds since 1970.
    pub asked_ms: i64,
}

/// What came of an enrolment so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingState {
    /// An operator has to approve it.
    Waiting,
    /// It was approved; this is what the agent gets.
    Issued(String),
}

const COLUMNS: &str = "SELECT id, host, csr, recipient, certificate, asked_ms FROM enrolments";

fn pending(row: &AnyRow) -> Result<Pending> {
    let certificate: Option<String> = row.try_get(4)?;
    Ok(Pending {
        id: row.try_get(0)?,
        host: row.try_get(1)?,
        csr: row.try_get(2)?,
        recipient: row.try_get(3)?,
        state: certificate.map_or(PendingState::Waiting, PendingState::Issued),
        asked_ms: row.try_get(5)?,
    })
}

impl Store {
    /// Writes down that a host asks to be let in. Asked again, nothing changes.
    ///
    /// # Errors
    /// Too many wait already ([`StoreError::Unavailable`]); the key stands for another name ([`StoreError::Conflict`]).
    pub async fn ask(&self, id: &str, host: &str, csr: &str, recipient: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let row = sqlx::query("SELECT COUNT(*) FROM enrolments WHERE state = 'waiting'").fetch_one(write.on()).await?;
        if row.try_get::<i64, _>(0)? >= WAITING_MAX {
            return Err(StoreError::Unavailable(format!("{WAITING_MAX} hosts wait for approval already")));
        }
        let sql = "INSERT INTO enrolments (id, host, csr, recipient, state, asked_ms) VALUES ($1, $2, $3, $4, 'waiting', $5) \
                   ON CONFLICT (id) DO NOTHING";
        sqlx::query(sql).bind(id).bind(host).bind(csr).bind(recipient).bind(now_ms()).execute(write.on()).await?;
        let row = sqlx::query("SELECT host FROM enrolments WHERE id = $1").bind(id).fetch_one(write.on()).await?;
        let known: String = row.try_get(0)?;
        if known != host {
            return Err(StoreError::Conflict(format!("this key asked to be let in as {known}; to ask as {host}, make another one")));
        }
        write.commit().await
    }

    /// An enrolment by its id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn enrolment(&self, id: &str) -> Result<Option<Pending>> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(self.reader()).await?;
        row.as_ref().map(pending).transpose()
    }

    /// Who waits for approval, the longest first: all of them, or those who ask for one name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn waiting(&self, host: Option<&str>) -> Result<Vec<Pending>> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE state = 'waiting' AND (host = $1 OR $1 = '') ORDER BY asked_ms, id"));
        let rows = sqlx::query(sql).bind(host.unwrap_or("")).fetch_all(self.reader()).await?;
        rows.iter().map(pending).collect()
    }

    /// Turns away everybody who waits under a name.
    ///
    /// # Errors
    /// Nobody does ([`StoreError::NotFound`]).
    pub async fn turn_away(&self, host: &str, by: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let done = sqlx::query("DELETE FROM enrolments WHERE host = $1 AND state = 'waiting'").bind(host).execute(write.on()).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("nobody waits under the name {host}")));
        }
        write.audit(by, "turn-away", host, "").await?;
        write.commit().await
    }
}

impl Write {
    /// The answer to an enrolment; the others who waited under the name are turned away.
    pub(super) async fn answer_enrolment(&mut self, admission: &Admission) -> Result<()> {
        let host = admission.host.to_string();
        let sql = "DELETE FROM enrolments WHERE host = $1 OR id = $2";
        sqlx::query(sql).bind(&host).bind(&admission.enrolment).execute(self.on()).await?;
        sqlx::query(
            "INSERT INTO enrolments (id, host, csr, recipient, state, certificate, asked_ms) VALUES ($1, $2, $3, $4, 'issued', $5, $6)",
        )
        .bind(&admission.enrolment)
        .bind(&host)
        .bind(&admission.csr)
        .bind(&admission.recipient)
        .bind(&admission.answer)
        .bind(now_ms())
        .execute(self.on())
        .await?;
        Ok(())
    }
}
