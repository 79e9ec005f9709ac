//! Reports: each is kept once, with what it means for its host, in one transaction.

use keel_engine::digest::Digest;
use keel_engine::protocol::fleet::{ReportList, ReportSummary, StoredReport};
use keel_engine::protocol::reports::{Delivery, Receipt};
use keel_engine::report::Report;
use serde::Deserialize;
use sqlx::Row;

use super::arrivals::Arrival;
use super::statuses::Status;
use super::{Flavour, Result, Store, StoreError, Topic, Write, now_ms};
use crate::reports::{Reading, is_quiet, quiet};

/// How hard report bodies are compressed; more costs time at every report and saves little.
const COMPRESSION: i32 = 3;
/// The most bytes of a report when it is taken out again.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How many rows one statement adds to the history.
const ROWS: usize = 200;

/// How long reports are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Those in which something happened, in days.
    pub days: u32,
    /// Those in which nothing happened, in days.
    pub quiet_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, quiet_days: 3 }
    }
}

impl Store {
    /// Keeps a report. On return it is on disk; one that is there already is acknowledged again.
    ///
    /// # Errors
    /// Its parts contradict each other ([`StoreError::Unprocessable`]); the id stands for another report already
    /// ([`StoreError::Conflict`]); the host is not let in ([`StoreError::Forbidden`]).
    pub async fn keep_report(&self, host: &str, delivery: &Delivery) -> Result<Receipt> {
        delivery.check(host).map_err(StoreError::Unprocessable)?;
        let digest = Digest::of(&serde_json::to_vec(delivery).map_err(|error| StoreError::Unprocessable(error.to_string()))?);
        let arrival = Arrival { host: host.to_owned(), delivery: delivery.clone(), digest };
        match self.inner.pools.flavour {
            Flavour::Sqlite => self.keep_with_others(arrival).await,
            // It has many writers, and lets them share a commit by itself.
            Flavour::Postgres => self.keep_all(&[arrival]).await?.pop().unwrap_or_else(|| Err(StoreError::Defect("no receipt".to_owned()))),
        }
    }

    /// Reports, the newest first: of one host or all, at most `limit`, only those before a number if one is given.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn reports(&self, host: Option<&str>, before: Option<u64>, limit: u32) -> Result<ReportList> {
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let rows = match host {
            Some(host) => {
                let sql = "SELECT number, summary FROM reports WHERE host = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
                sqlx::query(sql).bind(host).bind(before).bind(i64::from(limit)).fetch_all(self.reader()).await?
            }
            None => {
                let sql = "SELECT number, summary FROM reports WHERE number < $1 ORDER BY number DESC LIMIT $2";
                sqlx::query(sql).bind(before).bind(i64::from(limit)).fetch_all(self.reader()).await?
            }
        };
        let full = rows.len() == limit as usize;
        let last = rows.last().map(|row| row.try_get::<i64, _>(0)).transpose()?;
        let reports = rows.iter().map(|row| super::json(row.try_get(1)?)).collect::<Result<Vec<ReportSummary>>>()?;
        Ok(ReportList { reports, before: last.filter(|_| full).and_then(|last| u64::try_from(last).ok()) })
    }

    /// One report by its id; of a host, if several hosts used it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn report(&self, id: &str, host: Option<&str>) -> Result<Option<StoredReport>> {
        let sql = "SELECT summary, body FROM reports WHERE id = $1 AND (host = $2 OR $2 = '') ORDER BY number DESC LIMIT 1";
        let row = sqlx::query(sql).bind(id).bind(host.unwrap_or("")).fetch_optional(self.reader()).await?;
        row.map(|row| stored(row.try_get(0)?, row.try_get(1)?)).transpose()
    }

    /// Forgets reports that are older than they have to be. Says how many.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_reports(&self, retention: Retention) -> Result<u64> {
        let age = |days: u32| now_ms() - i64::from(days) * 24 * 3600 * 1000;
        let mut write = self.begin().await?;
        let mut forgotten = 0;
        for (quiet, before) in [(1_i64, age(retention.quiet_days.min(retention.days))), (0, age(retention.days))] {
            let old = "SELECT number FROM reports WHERE quiet = $1 AND received_ms < $2";
            let sql = format!("DELETE FROM history WHERE report IN ({old})");
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(quiet).bind(before).execute(write.on()).await?;
            let sql = "DELETE FROM reports WHERE quiet = $1 AND received_ms < $2";
            forgotten += sqlx::query(sql).bind(quiet).bind(before).execute(write.on()).await?.rows_affected();
        }
        write.commit().await?;
        Ok(forgotten)
    }
}

/// A report as it was kept; without a body nothing happened in it.
pub(super) fn stored(summary: &str, body: Option<Vec<u8>>) -> Result<StoredReport> {
    let summary: ReportSummary = super::json(summary)?;
    let report = match body {
        Some(body) => {
            let text = zstd::bulk::decompress(&body, BODY_BYTES_MAX).map_err(|error| StoreError::Damaged(error.to_string()))?;
            serde_json::from_slice(&text).map_err(|error| StoreError::Damaged(error.to_string()))?
        }
        None => quiet(&summary),
    };
    Ok(StoredReport { summary, report })
}

impl Write {
    /// Keeps a report as part of the transaction. A refused one has written nothing.
    pub(super) async fn keep_report(&mut self, arrival: &Arrival) -> Result<Receipt> {
        let Arrival { host, delivery, digest } = arrival;
        let receipt = |repeated| Ok(Receipt { id: delivery.id.clone(), repeated });
        self.lock_node(host).await?;
        let sql = "SELECT digest FROM reports WHERE host = $1 AND id = $2";
        if let Some(row) = sqlx::query(sql).bind(host).bind(&delivery.id).fetch_optional(self.on()).await? {
            return if row.try_get::<String, _>(0)? == digest.to_string() {
                receipt(true)
            } else {
                Err(StoreError::Conflict(format!("another report came under the id {}", delivery.id)))
            };
        }
        let status = self.status(host).await?;
        if status.as_ref().is_some_and(|status| status.is_of(delivery)) {
            // Its row is too old to be there still.
            return receipt(true);
        }
        let declared = self.declared_in(host, delivery.report.catalog).await?;
        let reading = Reading::of(delivery, now_ms(), declared.as_ref());
        let number = self.insert_report(host, delivery, digest, &reading.summary).await?;
        self.insert_history(host, number, &delivery.report).await?;
        if status.as_ref().is_none_or(|status| status.is_before(delivery)) {
            let mut word = self.word(host).await?;
            if delivery.failure.is_none() {
                word.hear_report(&delivery.report);
                if let Some(declared) = &declared {
                    word.forget_all_but(|address| declared.has(address));
                }
                self.keep_word(host, &word).await?;
            }
            self.keep_status(host, &Status::after(status, delivery, &reading)).await?;
        } else if let Some(status) = status {
            self.keep_status(host, &status.with_straggler(delivery)).await?;
        }
        self.tell(Topic::Word(host.clone()));
        receipt(false)
    }

    async fn insert_report(&mut self, host: &str, delivery: &Delivery, digest: &Digest, summary: &ReportSummary) -> Result<i64> {
        let quiet = is_quiet(delivery);
        let body = if quiet {
            None
        } else {
            let text = serde_json::to_vec(&delivery.report).map_err(|error| StoreError::Unprocessable(error.to_string()))?;
            Some(zstd::bulk::compress(&text, COMPRESSION).map_err(|error| StoreError::Defect(error.to_string()))?)
        };
        let sql = "INSERT INTO reports (host, id, digest, received_ms, quiet, condition, summary, body) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number";
        let row = sqlx::query(sql)
            .bind(host)
            .bind(&delivery.id)
            .bind(digest.to_string())
            .bind(summary.received_ms)
            .bind(i64::from(quiet))
            .bind(summary.condition.word())
            .bind(super::text(summary)?)
            .bind(body)
            .fetch_one(self.on())
            .await?;
        Ok(row.try_get(0)?)
    }

    /// One row for each resource that the report lists, many rows a statement.
    async fn insert_history(&mut self, host: &str, number: i64, report: &Report) -> Result<()> {
        for listed in report.resources.chunks(ROWS) {
            let rows: Vec<String> = (0..listed.len()).map(|position| format!("($1, ${}, $2)", position + 3)).collect();
            let sql = format!("INSERT INTO history (host, address, report) VALUES {} ON CONFLICT DO NOTHING", rows.join(", "));
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(host).bind(number);
            for resource in listed {
                query = query.bind(super::history::key(&resource.address));
            }
            query.persistent(listed.len() == ROWS).execute(self.on()).await?;
        }
        Ok(())
    }
}
