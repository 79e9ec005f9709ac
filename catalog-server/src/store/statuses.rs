//! Statuses: how each host is, by its newest report.

use std::collections::{BTreeMap, BTreeSet};

use keel_engine::protocol::fleet::{Condition, FleetStatus, HostStatus, ReportSummary, Wait};
use keel_engine::protocol::reports::Delivery;
use keel_engine::report::Owed;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Result, Store, Write, now_ms};
use crate::reports::{Reading, silent_after_ms};

/// How a host is, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    condition: Condition,
    since_ms: i64,
    /// When it counts as silent, if nothing comes until then.
    silent_ms: i64,
    series: String,
    sequence: i64,
    missing: i64,
    summary: ReportSummary,
    waiting_for: Vec<Wait>,
    /// What of it has not become news yet.
    awaited: Vec<Wait>,
    owed: Vec<Owed>,
}

impl Status {
    /// Whether a delivery is the very one that this status comes from.
    pub(super) fn is_of(&self, delivery: &Delivery) -> bool {
        self.summary.id == delivery.id
    }

    /// Whether a delivery is newer. Another series is: the agent's state was made anew.
    pub(super) fn is_before(&self, delivery: &Delivery) -> bool {
        self.series != delivery.series || self.sequence < sequence(delivery)
    }

    /// The status after a newer report.
    pub(super) fn after(before: Option<Self>, delivery: &Delivery, reading: &Reading) -> Self {
        let said = reading.summary.condition;
        // What a run left out is as it was.
        let left_out = before.as_ref().filter(|_| reading.is_partial);
        let condition = left_out.map_or(said, |status| said.min(status.condition));
        let received_ms = reading.summary.received_ms;
        let (last, missed, since_ms) = match &before {
            Some(status) => {
                let same_series = status.series == delivery.series;
                // A host that was silent is so no more from now on.
                let goes_on = status.condition == condition && received_ms <= status.silent_ms;
                let (last, missed) = if same_series { (status.sequence, status.missing) } else { (0, 0) };
                (last, missed, if goes_on { status.since_ms } else { received_ms })
            }
            // A host that is let in anew goes on with its own count; what came before was told to a record that is gone.
            None => (sequence(delivery).saturating_sub(1), 0, received_ms),
        };
        Self {
            condition,
            since_ms,
            silent_ms: silent_after_ms(received_ms, delivery.interval_s),
            series: delivery.series.clone(),
            sequence: sequence(delivery),
            missing: missed.saturating_add(sequence(delivery).saturating_sub(last).saturating_sub(1)),
            summary: reading.summary.clone(),
            waiting_for: with_left_out(left_out.map(|status| &status.waiting_for), &reading.waiting_for),
            awaited: with_left_out(left_out.map(|status| &status.awaited), &reading.waiting_for),
            owed: delivery.report.owed.clone(),
        }
    }

    /// The status after a report that came later than newer ones.
    pub(super) fn with_straggler(mut self, delivery: &Delivery) -> Self {
        if self.series == delivery.series && self.sequence > sequence(delivery) {
            self.missing = self.missing.saturating_sub(1).max(0);
        }
        self
    }

    fn oldest_owed_ms(&self) -> Option<i64> {
        self.owed.iter().map(|owed| i64::try_from(owed.since_ms).unwrap_or(i64::MAX)).min()
    }
}

/// What a run waited for, and what those resources wait for that it left out: nobody else would wake them.
fn with_left_out(left_out: Option<&Vec<Wait>>, waited_for: &[Wait]) -> Vec<Wait> {
    let all: BTreeSet<&Wait> = left_out.into_iter().flatten().chain(waited_for).collect();
    all.into_iter().cloned().collect()
}

fn sequence(delivery: &Delivery) -> i64 {
    i64::try_from(delivery.sequence).unwrap_or(i64::MAX)
}

/// Which hosts to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusFilter {
    /// Only those in this condition.
    pub condition: Option<Condition>,
    /// Only this host.
    pub host: Option<String>,
    /// Only those that come after this one.
    pub after: Option<(Condition, String)>,
    /// Not more than so many.
    pub limit: u32,
}

/// A host's effective condition and since when, with what is kept of it; `$1` is the time. What interval a host has
/// that never reported nobody knows: it is given three of the usual one, an hour and a half.
const EFFECTIVE: &str = "SELECT n.name AS name, n.environment AS environment, n.created_ms AS created_ms, \
    CASE WHEN s.host IS NULL AND n.created_ms + 5400000 >= $1 THEN 'new' WHEN s.host IS NULL OR s.silent_ms < $1 THEN 'silent' \
    ELSE s.condition END AS effective, \
    CASE WHEN s.host IS NULL THEN n.created_ms WHEN s.silent_ms < $1 THEN s.silent_ms ELSE s.since_ms END AS effective_ms, \
    s.summary AS summary, s.waiting_for AS waiting_for, s.owed AS owed, s.missing AS missing \
    FROM nodes n LEFT JOIN statuses s ON s.host = n.name WHERE n.state = 'active'";

/// The catalog that a host was given last.
const NEWEST: &str = "SELECT d.catalog FROM deliveries d WHERE d.host = fleet.name ORDER BY d.number DESC LIMIT 1";

/// The gravest first.
const GRAVITY: &str =
    "CASE effective WHEN 'silent' THEN 0 WHEN 'failing' THEN 1 WHEN 'waiting' THEN 2 WHEN 'drifting' THEN 3 WHEN 'new' THEN 4 ELSE 5 END";

/// The same as a number.
fn gravity(condition: Condition) -> i64 {
    match condition {
        Condition::Silent => 0,
        Condition::Failing => 1,
        Condition::Waiting => 2,
        Condition::Drifting => 3,
        Condition::New => 4,
        Condition::Converged => 5,
    }
}

fn host_status(row: &AnyRow) -> Result<HostStatus> {
    let list = |column: &str| row.try_get::<Option<String>, _>(column);
    let condition: String = row.try_get("effective")?;
    let last: Option<ReportSummary> = list("summary")?.map(|text| super::json(&text)).transpose()?;
    let newest = list("newest")?;
    Ok(HostStatus {
        behind: newest.zip(last.as_ref()).is_some_and(|(newest, last)| last.failure.is_none() && newest != last.catalog.to_string()),
        host: row.try_get("name")?,
        condition: Condition::from_word(&condition).unwrap_or(Condition::Silent),
        since_ms: row.try_get("effective_ms")?,
        environment: row.try_get("environment")?,
        last,
        waiting_for: list("waiting_for")?.map_or(Ok(Vec::new()), |text| super::json(&text))?,
        owed: list("owed")?.map_or(Ok(Vec::new()), |text| super::json(&text))?,
        missing_reports: u64::try_from(row.try_get::<Option<i64>, _>("missing")?.unwrap_or(0)).unwrap_or(0),
    })
}

impl Store {
    /// The fleet at a glance: every condition counted, and the hosts that the filter lets through. What is wrong
    /// with the server the database does not know.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn fleet(&self, filter: &StatusFilter) -> Result<FleetStatus> {
        let now_ms = now_ms();
        let sql = format!(
            "SELECT fleet.*, ({NEWEST}) AS newest FROM ({EFFECTIVE}) fleet WHERE ($2 = '' OR effective = $2) AND ($3 = '' OR name = $3) \
             AND ({GRAVITY} > $5 OR {GRAVITY} = $5 AND name > $6) ORDER BY {GRAVITY}, name LIMIT $4"
        );
        let (after, after_name) = filter.after.as_ref().map_or((-1, ""), |(condition, name)| (gravity(*condition), name.as_str()));
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now_ms)
            .bind(filter.condition.map_or("", Condition::word))
            .bind(filter.host.as_deref().unwrap_or(""))
            .bind(i64::from(filter.limit) + 1)
            .bind(after)
            .bind(after_name)
            .fetch_all(self.reader())
            .await?;
        let mut hosts = rows.iter().map(host_status).collect::<Result<Vec<_>>>()?;
        let more = hosts.len() > filter.limit as usize;
        hosts.truncate(filter.limit as usize);
        let after = hosts.last().filter(|_| more).map(|last| format!("{}/{}", last.condition.word(), last.host));
        let counts = self.conditions(now_ms).await?;
        Ok(FleetStatus { now_ms, counts, hosts, after, troubles: Vec::new(), leases: Vec::new() })
    }

    async fn conditions(&self, now_ms: i64) -> Result<BTreeMap<Condition, u64>> {
        let sql = format!("SELECT effective, COUNT(*) FROM ({EFFECTIVE}) fleet GROUP BY effective");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(now_ms).fetch_all(self.reader()).await?;
        let mut counts: BTreeMap<Condition, u64> = Condition::ALL.into_iter().map(|condition| (condition, 0)).collect();
        for row in rows {
            let (word, count): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            *counts.entry(Condition::from_word(&word).unwrap_or(Condition::Silent)).or_default() += u64::try_from(count).unwrap_or(0);
        }
        Ok(counts)
    }

    /// What a host's last run waited for, as far as it has not become news yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn awaited(&self, host: &str) -> Result<Vec<Wait>> {
        let row = sqlx::query("SELECT awaited FROM statuses WHERE host = $1").bind(host).fetch_optional(self.reader()).await?;
        row.map_or(Ok(Vec::new()), |row| super::json(row.try_get(0)?))
    }

    /// Since when the oldest refresh of the fleet is owed, and how many hosts owe any.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn oldest_owed(&self) -> Result<(Option<i64>, u64)> {
        let sql = "SELECT MIN(oldest_owed_ms), COUNT(oldest_owed_ms) FROM statuses";
        let row = sqlx::query(sql).fetch_one(self.reader()).await?;
        Ok((row.try_get(0)?, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0)))
    }

    /// How many reports hosts wrote that have not come.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn missing_reports(&self) -> Result<i64> {
        // PostgreSQL's sum of whole numbers is of another type.
        let sql = "SELECT CAST(COALESCE(SUM(missing), 0) AS BIGINT) FROM statuses";
        Ok(sqlx::query(sql).fetch_one(self.reader()).await?.try_get(0)?)
    }
}

impl Write {
    pub(super) async fn status(&mut self, host: &str) -> Result<Option<Status>> {
        let sql = "SELECT condition, since_ms, silent_ms, series, sequence, missing, summary, waiting_for, awaited, owed FROM statuses WHERE host = $1";
        let Some(row) = sqlx::query(sql).bind(host).fetch_optional(self.on()).await? else { return Ok(None) };
        let condition: String = row.try_get(0)?;
        Ok(Some(Status {
            condition: Condition::from_word(&condition).unwrap_or(Condition::Failing),
            since_ms: row.try_get(1)?,
            silent_ms: row.try_get(2)?,
            series: row.try_get(3)?,
            sequence: row.try_get(4)?,
            missing: row.try_get(5)?,
            summary: super::json(row.try_get(6)?)?,
            waiting_for: super::json(row.try_get(7)?)?,
            awaited: super::json(row.try_get(8)?)?,
            owed: super::json(row.try_get(9)?)?,
        }))
    }

    pub(super) async fn keep_status(&mut self, host: &str, status: &Status) -> Result<()> {
        let sql = "INSERT INTO statuses \
            (host, condition, since_ms, silent_ms, oldest_owed_ms, series, sequence, missing, summary, waiting_for, awaited, owed) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
            ON CONFLICT (host) DO UPDATE SET condition = excluded.condition, since_ms = excluded.since_ms, \
            silent_ms = excluded.silent_ms, oldest_owed_ms = excluded.oldest_owed_ms, series = excluded.series, \
            sequence = excluded.sequence, missing = excluded.missing, summary = excluded.summary, \
            waiting_for = excluded.waiting_for, awaited = excluded.awaited, owed = excluded.owed";
        sqlx::query(sql)
            .bind(host)
            .bind(status.condition.word())
            .bind(status.since_ms)
            .bind(status.silent_ms)
            .bind(status.oldest_owed_ms())
            .bind(&status.series)
            .bind(status.sequence)
            .bind(status.missing)
            .bind(super::text(&status.summary)?)
            .bind(super::text(&status.waiting_for)?)
            .bind(super::text(&status.awaited)?)
            .bind(super::text(&status.owed)?)
            .execute(self.on())
            .await?;
        Ok(())
    }
}
