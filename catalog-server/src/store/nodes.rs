//! Hosts: who is let in, which environment they follow, to which key their secrets are sealed.

use std::collections::BTreeMap;

use keel_engine::host_name::HostName;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::certificates::NewCertificate;
use super::{Result, Store, StoreError, Topic, Write, now_ms};

/// A host that the server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it is let in.
    pub state: NodeState,
    /// The environment that it follows.
    pub environment: String,
    /// The age recipient that its secrets are sealed to.
    pub recipient: String,
    /// When it was let in, in milliseconds since 1970.
    pub created_ms: i64,
    /// Who let it in: an operator, or the one who made the token.
    pub approved_by: Option<String>,
    /// When it was shut out, in milliseconds since 1970.
    pub revoked_ms: Option<i64>,
    /// Why it was shut out.
    pub revoked_why: Option<String>,
}

/// Whether a host is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It is.
    Active,
    /// It was, and is no more.
    Revoked,
}

impl NodeState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            NodeState::Active => "active",
            NodeState::Revoked => "revoked",
        }
    }

    pub(super) fn from_word(word: &str) -> Self {
        // A word of a newer server lets nobody in.
        if word == "active" { NodeState::Active } else { NodeState::Revoked }
    }
}

/// Lets a host in, with its first certificate.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The host.
    pub host: HostName,
    /// The environment that it is to follow, if its token does not say another.
    pub environment: String,
    /// The age recipient that its secrets are sealed to.
    pub recipient: String,
    /// The enrolment that is answered.
    pub enrolment: String,
    /// The request's public key as it came.
    pub csr: String,
    /// The certificate.
    pub certificate: NewCertificate,
    /// The certificate as the agent gets it, to be answered again when the answer was lost.
    pub answer: String,
    /// By whose leave.
    pub by: Leave,
}

/// By whose leave a host is let in.
#[derive(Debug, Clone)]
pub enum Leave {
    /// A one-time token, by its digest; it is used up.
    Token(String),
    /// An operator, by name.
    Operator(String),
}

const COLUMNS: &str = "SELECT name, state, environment, recipient, created_ms, approved_by, revoked_ms, revoked_why FROM nodes";

fn node(row: &AnyRow) -> Result<Node> {
    Ok(Node {
        name: row.try_get(0)?,
        state: NodeState::from_word(row.try_get(1)?),
        environment: row.try_get(2)?,
        recipient: row.try_get(3)?,
        created_ms: row.try_get(4)?,
        approved_by: row.try_get(5)?,
        revoked_ms: row.try_get(6)?,
        revoked_why: row.try_get(7)?,
    })
}

impl Store {
    /// A host's record.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn node(&self, name: &str) -> Result<Option<Node>> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = $1"));
        let row = sqlx::query(sql).bind(name).fetch_optional(self.reader()).await?;
        row.as_ref().map(node).transpose()
    }

    /// The hosts whose names come after `after`, in the order of their names, at most `limit`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn nodes(&self, after: &str, limit: u32) -> Result<Vec<Node>> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name > $1 ORDER BY name LIMIT $2"));
        let rows = sqlx::query(sql).bind(after).bind(i64::from(limit)).fetch_all(self.reader()).await?;
        rows.iter().map(node).collect()
    }

    /// Lets a host in: its record, its certificate, the answer to its enrolment and the end of its token are one.
    ///
    /// # Errors
    /// The token is unknown, used, too old or another host's ([`StoreError::NotFound`]); a host of the name is in
    /// already or was shut out ([`StoreError::Conflict`]).
    pub async fn admit(&self, admission: &Admission) -> Result<Node> {
        let mut write = self.begin().await?;
        let (environment, by) = match &admission.by {
            Leave::Operator(name) => (None, name.clone()),
            Leave::Token(digest) => write.use_token(digest, &admission.host).await?,
        };
        let host = admission.host.to_string();
        let environment = environment.unwrap_or_else(|| admission.environment.clone());
        let inserted = sqlx::query(
            "INSERT INTO nodes (name, state, environment, recipient, created_ms, approved_by) VALUES ($1, 'active', $2, $3, $4, $5) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&host)
        .bind(environment)
        .bind(&admission.recipient)
        .bind(now_ms())
        .bind(&by)
        .execute(write.on())
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!("a host {host} is enrolled already, or was and is revoked")));
        }
        write.list_certificate(&host, &admission.certificate).await?;
        write.answer_enrolment(admission).await?;
        write.audit(&by, "admit", &host, &admission.certificate.serial).await?;
        write.tell(Topic::Node(host.clone()));
        write.commit().await?;
        self.node(&host).await?.ok_or_else(|| StoreError::Conflict(format!("the host {host} was purged at the same moment")))
    }

    /// Shuts a host out, with all its certificates. Its reports stay.
    ///
    /// # Errors
    /// There is no such host ([`StoreError::NotFound`]).
    pub async fn revoke(&self, name: &str, why: &str, by: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let sql = "UPDATE nodes SET state = 'revoked', revoked_ms = $1, revoked_why = $2 WHERE name = $3";
        let done = sqlx::query(sql).bind(now_ms()).bind(why).bind(name).execute(write.on()).await?;
        known(done.rows_affected(), name)?;
        let sql = "UPDATE certificates SET revoked_ms = $1 WHERE host = $2 AND revoked_ms IS NULL";
        sqlx::query(sql).bind(now_ms()).bind(name).execute(write.on()).await?;
        write.audit(by, "revoke", name, why).await?;
        write.tell(Topic::Node(name.to_owned()));
        write.commit().await
    }

    /// How many hosts follow each environment that any follows.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn followers(&self) -> Result<BTreeMap<String, u64>> {
        let sql = "SELECT environment, COUNT(*) FROM nodes WHERE state = 'active' GROUP BY environment";
        let rows = sqlx::query(sql).fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0)))).collect()
    }

    /// Forgets a host with everything it ever said. The name is free for another one, which begins with nothing.
    ///
    /// # Errors
    /// There is no such host ([`StoreError::NotFound`]); it holds a lease, which goes only back by proof or by an operator's
    /// word ([`StoreError::Conflict`]).
    pub async fn purge(&self, name: &str, by: &str) -> Result<()> {
        let mut write = self.begin().await?;
        if let Some(guard) = write.held_lease(name).await? {
            return Err(StoreError::Conflict(format!(
                "{name} holds the lease of the guard {guard}: when it is not in the middle of it, \
                 `keel lease release {guard} {name} --why TEXT` first"
            )));
        }
        let done = sqlx::query("DELETE FROM nodes WHERE name = $1").bind(name).execute(write.on()).await?;
        known(done.rows_affected(), name)?;
        for sql in PURGED {
            sqlx::query(*sql).bind(name).execute(write.on()).await?;
        }
        write.audit(by, "purge", name, "").await?;
        write.tell(Topic::Node(name.to_owned()));
        write.tell(Topic::Word(name.to_owned()));
        write.commit().await
    }

    /// Lets a host follow another environment.
    ///
    /// # Errors
    /// There is no such host ([`StoreError::NotFound`]).
    pub async fn follow(&self, name: &str, environment: &str, by: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let sql = "UPDATE nodes SET environment = $1 WHERE name = $2";
        let done = sqlx::query(sql).bind(environment).bind(name).execute(write.on()).await?;
        known(done.rows_affected(), name)?;
        write.audit(by, "follow", name, environment).await?;
        write.tell(Topic::Node(name.to_owned()));
        write.commit().await
    }
}

/// For how long it is kept who did what, in milliseconds.
const ACTS_KEPT_MS: i64 = 365 * 24 * 3600 * 1000;

impl Store {
    /// Forgets who did what longer than a year ago, by the time that is given. Says how many acts that were.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_acts(&self, now_ms: i64) -> Result<u64> {
        let mut write = self.begin().await?;
        let sql = "DELETE FROM audit WHERE at_ms < $1";
        let done = sqlx::query(sql).bind(now_ms - ACTS_KEPT_MS).execute(write.on()).await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }
}

/// What goes with a host. Certificates are gone with it: what is not listed is not let in.
const PURGED: &[&str] = &[
    "DELETE FROM certificates WHERE host = $1",
    "DELETE FROM enrolments WHERE host = $1",
    "DELETE FROM facts WHERE host = $1",
    "DELETE FROM deliveries WHERE host = $1",
    "DELETE FROM words WHERE host = $1",
    "DELETE FROM reports WHERE host = $1",
    "DELETE FROM history WHERE host = $1",
    "DELETE FROM statuses WHERE host = $1",
    "DELETE FROM news WHERE host = $1",
    "DELETE FROM machines WHERE host = $1",
    "UPDATE inquiry_hosts SET reply = NULL, told = 0 WHERE host = $1",
    "DELETE FROM leases WHERE host = $1",
    "DELETE FROM proofs WHERE host = $1",
];

fn known(rows: u64, name: &str) -> Result<()> {
    if rows == 0 { Err(StoreError::NotFound(format!("there is no host {name}"))) } else { Ok(()) }
}

impl Write {
    /// Writes down who did what.
    pub(super) async fn audit(&mut self, actor: &str, act: &str, object: &str, detail: &str) -> Result<()> {
        let sql = "INSERT INTO audit (at_ms, actor, act, object, detail) VALUES ($1, $2, $3, $4, $5)";
        sqlx::query(sql).bind(now_ms()).bind(actor).bind(act).bind(object).bind(detail).execute(self.on()).await?;
        Ok(())
    }
}
