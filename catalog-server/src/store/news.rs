//! News for hosts: each is numbered, so that an agent that was away hears of it later.

use std::collections::BTreeSet;

use keel_engine::protocol::fleet::Wait;
use keel_engine::protocol::news::{News, NewsAnswer};
use sqlx::Row;

use super::{Result, Store, StoreError, Topic, Write};

/// How many of a host's newest are kept; all of them say "run", so the last few are enough.
const KEPT: i64 = 4;

impl Store {
    /// Puts up news for hosts, and wakes those that listen. Names that are no hosts are passed over.
    ///
    /// # Errors
    /// The database does not answer; then nobody heard.
    pub async fn tell(&self, hosts: &[String], news: &News) -> Result<Vec<String>> {
        let text = super::text(news)?;
        let mut told = Vec::new();
        let mut write = self.begin().await?;
        // Two that tell the same hosts would otherwise wait for each other for ever.
        let hosts: BTreeSet<&String> = hosts.iter().collect();
        for host in hosts {
            if write.put_up(host, &text).await? {
                told.push(host.clone());
            }
        }
        write.commit().await?;
        Ok(told)
    }

    /// Turns gates that a host's last run waited for, and that are open now, into news: each once, whoever else
    /// sees that they are open.
    ///
    /// # Errors
    /// The database does not answer; then they are still awaited.
    pub async fn announce_gates(&self, host: &str, open: &[Wait]) -> Result<()> {
        let mut write = self.begin().await?;
        write.lock_node(host).await?;
        let row = sqlx::query("SELECT awaited FROM statuses WHERE host = $1").bind(host).fetch_optional(write.on()).await?;
        let awaited: Vec<Wait> = row.map_or(Ok(Vec::new()), |row| super::json(row.try_get(0)?))?;
        let (opened, left): (Vec<Wait>, Vec<Wait>) = awaited.into_iter().partition(|wait| open.contains(wait));
        if opened.is_empty() {
            return Ok(());
        }
        sqlx::query("UPDATE statuses SET awaited = $1 WHERE host = $2").bind(super::text(&left)?).bind(host).execute(write.on()).await?;
        for Wait { host: other, target } in opened {
            write.put_up(host, &super::text(&News::Gate { host: other, target })?).await?;
        }
        write.commit().await
    }

    /// A host's news after a number.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn news(&self, host: &str, after: u64) -> Result<NewsAnswer> {
        let sql = "SELECT number, news FROM news WHERE host = $1 AND number > $2 ORDER BY number";
        let from = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(host).bind(from).fetch_all(self.reader()).await?;
        let mut answer = NewsAnswer { after, news: Vec::new() };
        for row in rows {
            answer.after = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(after);
            answer.news.push(super::json(row.try_get(1)?)?);
        }
        Ok(answer)
    }
}

impl Write {
    /// Puts up one of a host's news; not, if there is no such host.
    async fn put_up(&mut self, host: &str, news: &str) -> Result<bool> {
        // Numbers are given in the order of commits, or a host that heard of a later one would never hear of this.
        match self.lock_node(host).await {
            Err(StoreError::Forbidden(_)) => return Ok(false),
            other => other?,
        }
        let sql = "INSERT INTO news (host, news) VALUES ($1, $2)";
        sqlx::query(sql).bind(host).bind(news).execute(self.on()).await?;
        let sql = "DELETE FROM news WHERE host = $1 AND number NOT IN \
                   (SELECT number FROM news WHERE host = $1 ORDER BY number DESC LIMIT $2)";
        sqlx::query(sql).bind(host).bind(KEPT).execute(self.on()).await?;
        self.tell(Topic::News(host.to_owned()));
        Ok(true)
    }
}
