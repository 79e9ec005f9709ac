//! News for hosts: each is numbered, so that an agent that was away hears of it later.

use std::collections::BTreeSet;

use keel_engine::protocol::fleet::Wait;
use keel_engine::protocol::news::{News, NewsAnswer};
use sqlx::Row;

use super::{Result, Store, StoreError, Topic, Write};

/// How many of a host's newest are kept; all but one of them say "run", so the last few are enough.
const KEPT: i64 = 5;

impl Store {
    /// Puts up news for hosts, and wakes those that listen. Names that are no hosts are passed over. Several servers
    /// find the same commit: a host is told of it once.
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
            if write.has_heard(host, news).await? || write.put_up(host, &text).await? {
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

    /// A host's news after a number. A host that has heard of more than there is knows another database's
    /// numbers: it is told everything.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn news(&self, host: &str, after: u64) -> Result<NewsAnswer> {
        let sql = "SELECT number, news FROM news WHERE host = $1 ORDER BY number";
        let rows = sqlx::query(sql).bind(host).fetch_all(self.reader()).await?;
        let mut all = Vec::new();
        for row in rows {
            all.push((u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default(), super::json(row.try_get(1)?)?));
        }
        Ok(since(after, all))
    }
}

/// What of a host's news, the oldest first, comes after a number.
fn since(after: u64, all: Vec<(u64, News)>) -> NewsAnswer {
    let newest = all.last().map_or(0, |(number, _)| *number);
    let after = if after > newest { 0 } else { after };
    NewsAnswer {
        after: newest,
        news: all.into_iter().filter(|(number, _)| *number > after).map(|(_, news)| news).collect(),
        demands: Vec::new(),
    }
}

impl Write {
    /// Whether a host's newest word on catalogs is this one.
    async fn has_heard(&mut self, host: &str, news: &News) -> Result<bool> {
        if !matches!(news, News::Catalog { .. }) {
            return Ok(false);
        }
        match self.lock_node(host).await {
            Err(StoreError::Forbidden(_)) => return Ok(false),
            other => other?,
        }
        let sql = "SELECT news FROM news WHERE host = $1 ORDER BY number DESC";
        for row in sqlx::query(sql).bind(host).fetch_all(self.on()).await? {
            let earlier: News = super::json(row.try_get(0)?)?;
            if matches!(earlier, News::Catalog { .. }) {
                return Ok(earlier == *news);
            }
        }
        Ok(false)
    }

    /// Puts up news of which a host needs to hear only the last; not, if there is no such host.
    pub(super) async fn put_up_once(&mut self, host: &str, news: &str) -> Result<bool> {
        match self.lock_node(host).await {
            Err(StoreError::Forbidden(_)) => return Ok(false),
            other => other?,
        }
        sqlx::query("DELETE FROM news WHERE host = $1 AND news = $2").bind(host).bind(news).execute(self.on()).await?;
        self.put_up(host, news).await
    }

    /// Puts up one of a host's news; not, if there is no such host.
    pub(super) async fn put_up(&mut self, host: &str, news: &str) -> Result<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_hears_what_is_new_and_all_of_another_database() {
        let all = || [3, 5].map(|number| (number, News::Run { by: number.to_string() })).to_vec();
        let told = |after| since(after, all()).news.len();
        assert_eq!([0, 3, 4, 5, 6].map(told), [2, 1, 1, 0, 2]);
        assert_eq!(since(3, all()).after, 5);
        assert_eq!(since(9, Vec::new()), NewsAnswer::default());
    }
}
