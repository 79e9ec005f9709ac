//! Join tokens: one use, a short life, kept as a digest.

use keel_engine::host_name::HostName;
use sqlx::Row;

use super::{Result, Store, StoreError, Write, now_ms};

/// A token that was just made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The blake3 of its text in hexadecimal.
    pub digest: String,
    /// The only host that may use it; any, if none.
    pub host: Option<String>,
    /// The environment that the host is to follow; the default, if none.
    pub environment: Option<String>,
    /// Who made it.
    pub by: String,
    /// When it ceases to be good, in milliseconds since 1970.
    pub expires_ms: i64,
}

impl Store {
    /// Writes a token down, and forgets those that were good until a day ago.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn add_token(&self, token: &NewToken) -> Result<()> {
        let mut write = self.begin().await?;
        let day = 24 * 3600 * 1000;
        sqlx::query("DELETE FROM tokens WHERE expires_ms < $1").bind(now_ms() - day).execute(write.on()).await?;
        sqlx::query("INSERT INTO tokens (digest, host, environment, created_ms, created_by, expires_ms) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(&token.digest)
            .bind(token.host.as_deref())
            .bind(token.environment.as_deref())
            .bind(now_ms())
            .bind(&token.by)
            .bind(token.expires_ms)
            .execute(write.on())
            .await?;
        write.audit(&token.by, "token", token.host.as_deref().unwrap_or("any host"), &token.digest).await?;
        write.commit().await
    }
}

impl Write {
    /// Uses a token up: of many at once, exactly one succeeds. Says the environment it gives, and who made it.
    pub(super) async fn use_token(&mut self, digest: &str, host: &HostName) -> Result<(Option<String>, String)> {
        let sql = "UPDATE tokens SET used_ms = $1, used_by = $2 \
                   WHERE digest = $3 AND used_ms IS NULL AND expires_ms > $1 AND (host IS NULL OR host = $2) \
                   RETURNING environment, created_by";
        let row = sqlx::query(sql).bind(now_ms()).bind(host.to_string()).bind(digest).fetch_optional(self.on()).await?;
        let row = row.ok_or_else(|| StoreError::NotFound("the token is not good".to_owned()))?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}
