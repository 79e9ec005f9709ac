//! The list of certificates that are let in. It is asked for each request, so that what is taken off bites.

use sqlx::Row;

use super::nodes::NodeState;
use super::{Result, Store, StoreError, Topic, Write, now_ms};

/// A certificate that was just issued.
#[derive(Debug, Clone)]
pub struct NewCertificate {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// When it ceases to be valid, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// What the list says of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Whose it is.
    pub host: String,
    /// Whether that host is let in.
    pub state: NodeState,
    /// The environment that the host follows.
    pub environment: String,
    /// The age recipient that the host's secrets are sealed to.
    pub recipient: String,
    /// When it ceases to be valid, in milliseconds since 1970.
    pub expires_ms: i64,
    /// When it was taken off, in milliseconds since 1970.
    pub revoked_ms: Option<i64>,
}

impl Listed {
    /// Whether who presents it may come in, as far as the list goes.
    pub fn is_good(&self) -> bool {
        self.state == NodeState::Active && self.revoked_ms.is_none()
    }
}

impl Store {
    /// What the list says of a serial number; nothing if it never was on it, or its host was purged.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn listed(&self, serial: &str) -> Result<Option<Listed>> {
        let sql = "SELECT c.host, n.state, n.environment, n.recipient, c.expires_ms, c.revoked_ms \
                   FROM certificates c JOIN nodes n ON n.name = c.host WHERE c.serial = $1";
        let Some(row) = sqlx::query(sql).bind(serial).fetch_optional(self.reader()).await? else { return Ok(None) };
        Ok(Some(Listed {
            host: row.try_get(0)?,
            state: NodeState::from_word(row.try_get(1)?),
            environment: row.try_get(2)?,
            recipient: row.try_get(3)?,
            expires_ms: row.try_get(4)?,
            revoked_ms: row.try_get(5)?,
        }))
    }

    /// Lists a host's next certificate; the earlier ones stay good until they run out. The host's record is the same.
    ///
    /// # Errors
    /// There is no such host, or it was shut out ([`StoreError::NotFound`]).
    pub async fn renew(&self, host: &str, certificate: &NewCertificate, recipient: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let sql = "UPDATE nodes SET recipient = $1 WHERE name = $2 AND state = 'active'";
        let done = sqlx::query(sql).bind(recipient).bind(host).execute(write.on()).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("there is no host {host} that may renew its certificate")));
        }
        write.list_certificate(host, certificate).await?;
        write.audit(host, "renew", host, &certificate.serial).await?;
        write.tell(Topic::Node(host.to_owned()));
        write.commit().await
    }

    /// A host's certificates that have not run out, by serial number, the newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn serials(&self, host: &str) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT serial, expires_ms FROM certificates \
                   WHERE host = $1 AND revoked_ms IS NULL AND expires_ms > $2 ORDER BY issued_ms DESC, serial";
        let rows = sqlx::query(sql).bind(host).bind(now_ms()).fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

impl Write {
    pub(super) async fn list_certificate(&mut self, host: &str, certificate: &NewCertificate) -> Result<()> {
        sqlx::query("INSERT INTO certificates (serial, host, issued_ms, expires_ms) VALUES ($1, $2, $3, $4)")
            .bind(&certificate.serial)
            .bind(host)
            .bind(now_ms())
            .bind(certificate.expires_ms)
            .execute(self.on())
            .await?;
        Ok(())
    }
}
