//! Words: how each host's resources are, as far as it has said.

use keel_engine::protocol::gates::GatesRequest;
use sqlx::Row;

use super::{Result, Store, StoreError, Topic, Write};
use crate::gates::Word;

impl Store {
    /// What a host has said so far.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn word(&self, host: &str) -> Result<Word> {
        let row = sqlx::query("SELECT word FROM words WHERE host = $1").bind(host).fetch_optional(self.reader()).await?;
        row.map_or(Ok(Word::default()), |row| super::json(row.try_get(0)?))
    }

    /// Keeps what settled so far in a run that goes on, and wakes who waits for it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_settled(&self, host: &str, request: &GatesRequest) -> Result<()> {
        let hear = |word: &mut Word| word.hear_settled(&request.run, request.catalog, &request.settled);
        // Agents repeat themselves; only what is new is worth a write.
        if request.settled.is_empty() || !hear(&mut self.word(host).await?) {
            return Ok(());
        }
        let mut write = self.begin().await?;
        write.lock_node(host).await?;
        let mut word = write.word(host).await?;
        hear(&mut word);
        write.keep_word(host, &word).await?;
        write.tell(Topic::Word(host.to_owned()));
        write.commit().await
    }
}

impl Write {
    pub(super) async fn word(&mut self, host: &str) -> Result<Word> {
        let row = sqlx::query("SELECT word FROM words WHERE host = $1").bind(host).fetch_optional(self.on()).await?;
        row.map_or(Ok(Word::default()), |row| super::json(row.try_get(0)?))
    }

    pub(super) async fn keep_word(&mut self, host: &str, word: &Word) -> Result<()> {
        let sql = "INSERT INTO words (host, word) VALUES ($1, $2) ON CONFLICT (host) DO UPDATE SET word = excluded.word";
        sqlx::query(sql).bind(host).bind(super::text(word)?).execute(self.on()).await?;
        Ok(())
    }

    /// Lets one writer at a time speak for a host, and only for one that is let in.
    pub(super) async fn lock_node(&mut self, host: &str) -> Result<()> {
        let sql = match self.flavour {
            super::Flavour::Sqlite => "SELECT state FROM nodes WHERE name = $1",
            super::Flavour::Postgres => "SELECT state FROM nodes WHERE name = $1 FOR UPDATE",
        };
        let row = sqlx::query(sql).bind(host).fetch_optional(self.on()).await?;
        match row.map(|row| row.try_get::<String, _>(0)).transpose()? {
            Some(state) if state == "active" => Ok(()),
            _ => Err(StoreError::Forbidden(format!("the host {host} is not let in (any more)"))),
        }
    }
}
