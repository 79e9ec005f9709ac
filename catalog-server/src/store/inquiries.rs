//! Inquiries: what operators ask hosts about a commit, who heard, and what they answer while they are waited for.

use keel_engine::protocol::inquiries::{AskedHost, AskedHosts, Inquiry, OpenInquiries, OpenInquiry, Reply};
use keel_engine::protocol::news::News;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Result, Store, StoreError, Topic, now_ms};

/// How many may be open at once: each has agents plan, and a worker keep a site.
const OPEN_MAX: i64 = 16;
/// How long one is kept after its end.
const KEPT_MS: i64 = 24 * 3600 * 1000;
/// How many bytes of answers fill a page.
const PAGE_BYTES: usize = 8 << 20;
/// How many hosts fill one.
const PAGE_HOSTS: i64 = 500;

/// In how many inquiries hosts are waited for; `$1` is the time.
const OPEN: &str = "SELECT COUNT(DISTINCT i.id) FROM inquiries i JOIN inquiry_hosts h ON h.inquiry = i.id \
                    WHERE i.until_ms > $1 AND h.reply IS NULL";

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct NewInquiry {
    /// What the server calls it.
    pub id: String,
    /// What it is about.
    pub about: About,
    /// The hosts with their groups, in the order of the inventory.
    pub hosts: Vec<(String, Vec<String>)>,
}

/// What an inquiry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The commit as it was named.
    pub reference: String,
    /// The commit in hexadecimal.
    pub commit: String,
    /// The site's name.
    pub site: String,
    /// Who asks.
    pub by: String,
    /// How long hosts may take, in seconds.
    pub deadline_s: u64,
}

impl Store {
    /// Asks hosts, and wakes those that listen.
    ///
    /// # Errors
    /// Too much is asked already, or the database does not answer; then nobody was asked.
    pub async fn inquire(&self, inquiry: &NewInquiry) -> Result<()> {
        let asked_ms = now_ms();
        let span_ms = i64::try_from(inquiry.about.deadline_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let until_ms = asked_ms.saturating_add(span_ms);
        let mut write = self.begin().await?;
        let old_ms = asked_ms.saturating_sub(KEPT_MS);
        let sql = "DELETE FROM inquiry_hosts WHERE inquiry IN (SELECT id FROM inquiries WHERE until_ms < $1)";
        sqlx::query(sql).bind(old_ms).execute(write.on()).await?;
        sqlx::query("DELETE FROM inquiries WHERE until_ms < $1").bind(old_ms).execute(write.on()).await?;
        let open: i64 = sqlx::query(OPEN).bind(asked_ms).fetch_one(write.on()).await?.try_get(0)?;
        if open >= OPEN_MAX {
            return Err(StoreError::Conflict(format!("hosts are asked about {OPEN_MAX} commits already; wait until one of these is over")));
        }
        let sql = "INSERT INTO inquiries (id, about, asked_ms, until_ms) VALUES ($1, $2, $3, $4)";
        let about = super::text(&inquiry.about)?;
        sqlx::query(sql).bind(&inquiry.id).bind(about).bind(asked_ms).bind(until_ms).execute(write.on()).await?;
        let news = super::text(&News::Inquiry)?;
        // In the order of names: two that tell the same hosts would otherwise wait for each other for ever.
        let mut hosts: Vec<(usize, &(String, Vec<String>))> = inquiry.hosts.iter().enumerate().collect();
        hosts.sort_by(|(_, (one, _)), (_, (other, _))| one.cmp(other));
        for (place, (host, groups)) in hosts {
            let told = write.put_up_once(host, &news).await?;
            let sql = "INSERT INTO inquiry_hosts (inquiry, place, host, groups, told, heard) VALUES ($1, $2, $3, $4, $5, 0)";
            let insert = sqlx::query(sql).bind(&inquiry.id).bind(i64::try_from(place).unwrap_or(i64::MAX)).bind(host);
            insert.bind(super::text(groups)?).bind(i64::from(told)).execute(write.on()).await?;
        }
        let detail = format!("{} hosts", inquiry.hosts.len());
        write.audit(&inquiry.about.by, "ask", &inquiry.about.commit, &detail).await?;
        write.commit().await
    }

    /// How an inquiry stands, and when it is over at the latest, in milliseconds since 1970.
    ///
    /// # Errors
    /// There is none of this name (any more), or the database does not answer.
    pub async fn inquiry(&self, id: &str) -> Result<(Inquiry, i64)> {
        let row = sqlx::query("SELECT about, until_ms FROM inquiries WHERE id = $1").bind(id).fetch_optional(self.reader()).await?;
        let row = row.ok_or_else(unknown)?;
        let (about, until_ms): (About, i64) = (super::json(row.try_get(0)?)?, row.try_get(1)?);
        let sql = "SELECT COUNT(*), COUNT(reply) FROM inquiry_hosts WHERE inquiry = $1";
        let row = sqlx::query(sql).bind(id).fetch_one(self.reader()).await?;
        let [hosts, answered] = [row.try_get::<i64, _>(0)?, row.try_get(1)?].map(|count| u64::try_from(count).unwrap_or_default());
        let About { reference, commit, site, by, deadline_s } = about;
        let over = answered == hosts || now_ms() >= until_ms;
        let inquiry = Inquiry { id: id.to_owned(), reference, commit, site, by, deadline_s, findings: Vec::new(), hosts, answered, over };
        Ok((inquiry, until_ms))
    }

    /// The hosts of an inquiry from a place on, as many as fill a page.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn asked_hosts(&self, id: &str, after: Option<u64>) -> Result<AskedHosts> {
        let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
        let sql =
            "SELECT place, host, groups, told, heard, reply FROM inquiry_hosts WHERE inquiry = $1 AND place > $2 ORDER BY place LIMIT $3";
        let rows = sqlx::query(sql).bind(id).bind(after).bind(PAGE_HOSTS).fetch_all(self.reader()).await?;
        let full = rows.len() == usize::try_from(PAGE_HOSTS).unwrap_or(usize::MAX);
        let (mut page, mut bytes) = (AskedHosts { hosts: Vec::new(), after: None }, 0);
        let count = rows.len();
        for (position, row) in rows.iter().enumerate() {
            page.hosts.push(asked_host(row)?);
            bytes += row.try_get::<Option<String>, _>(5)?.map_or(0, |reply| reply.len());
            let more = position + 1 < count || full;
            if more && (bytes >= PAGE_BYTES || position + 1 == count) {
                page.after = u64::try_from(row.try_get::<i64, _>(0)?).ok();
                break;
            }
        }
        Ok(page)
    }

    /// Whether a host is one of those that an inquiry is about.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn is_asked(&self, id: &str, host: &str) -> Result<bool> {
        let sql = "SELECT place FROM inquiry_hosts WHERE inquiry = $1 AND host = $2";
        Ok(sqlx::query(sql).bind(id).bind(host).fetch_optional(self.reader()).await?.is_some())
    }

    /// What a host is asked and has not answered; from now on it counts as one that heard.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open_inquiries(&self, host: &str) -> Result<OpenInquiries> {
        let now_ms = now_ms();
        let sql = "SELECT i.id, i.about, i.until_ms FROM inquiries i JOIN inquiry_hosts h ON h.inquiry = i.id \
                   WHERE h.host = $1 AND h.told = 1 AND h.reply IS NULL AND i.until_ms > $2 ORDER BY i.asked_ms, i.id";
        let rows = sqlx::query(sql).bind(host).bind(now_ms).fetch_all(self.reader()).await?;
        let mut inquiries = Vec::new();
        for row in rows {
            let About { commit, by, .. } = super::json(row.try_get(1)?)?;
            let left_ms = u64::try_from(row.try_get::<i64, _>(2)?.saturating_sub(now_ms)).unwrap_or_default();
            inquiries.push(OpenInquiry { id: row.try_get(0)?, commit, by, left_ms });
        }
        if !inquiries.is_empty() {
            let mut write = self.begin().await?;
            for inquiry in &inquiries {
                let sql = "UPDATE inquiry_hosts SET heard = 1 WHERE inquiry = $1 AND host = $2";
                sqlx::query(sql).bind(&inquiry.id).bind(host).execute(write.on()).await?;
            }
            write.commit().await?;
        }
        Ok(OpenInquiries { inquiries })
    }

    /// The commit that a host is asked about, as long as it is waited for.
    ///
    /// # Errors
    /// The host is asked no such thing, or has answered, or the time is over; the database does not answer.
    pub async fn commit_asked(&self, id: &str, host: &str) -> Result<String> {
        let sql = "SELECT i.about FROM inquiries i JOIN inquiry_hosts h ON h.inquiry = i.id \
                   WHERE i.id = $1 AND h.host = $2 AND h.told = 1 AND h.reply IS NULL AND i.until_ms > $3";
        let row = sqlx::query(sql).bind(id).bind(host).bind(now_ms()).fetch_optional(self.reader()).await?;
        let about: About = super::json(row.ok_or_else(unknown)?.try_get(0)?)?;
        Ok(about.commit)
    }

    /// Takes a host's answer, and wakes who waits for it. The first one counts.
    ///
    /// # Errors
    /// As [`Store::commit_asked`].
    pub async fn reply(&self, id: &str, host: &str, reply: &Reply) -> Result<()> {
        let text = super::text(reply)?;
        let mut write = self.begin().await?;
        let sql = "UPDATE inquiry_hosts SET reply = $1 WHERE inquiry = $2 AND host = $3 AND told = 1 AND reply IS NULL \
                   AND inquiry IN (SELECT id FROM inquiries WHERE until_ms > $4)";
        let done = sqlx::query(sql).bind(text).bind(id).bind(host).bind(now_ms()).execute(write.on()).await?;
        if done.rows_affected() == 0 {
            return Err(unknown());
        }
        write.tell(Topic::Inquiry(id.to_owned()));
        write.commit().await
    }

    /// How many inquiries hosts are waited for in.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open_inquiry_count(&self) -> Result<u64> {
        let count: i64 = sqlx::query(OPEN).bind(now_ms()).fetch_one(self.reader()).await?.try_get(0)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

fn asked_host(row: &AnyRow) -> Result<AskedHost> {
    let reply: Option<String> = row.try_get(5)?;
    Ok(AskedHost {
        host: row.try_get(1)?,
        groups: super::json(row.try_get(2)?)?,
        told: row.try_get::<i64, _>(3)? != 0,
        heard: row.try_get::<i64, _>(4)? != 0,
        reply: reply.map(|text| super::json(&text)).transpose()?,
    })
}

/// Whether it never was, is over, or is none of the asker's business makes no difference to it.
fn unknown() -> StoreError {
    StoreError::NotFound("nothing of this name is asked (any more)".to_owned())
}
