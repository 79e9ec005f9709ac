//! Leases of guards: asked for, granted, given back and taken, each in one transaction. All of them hold the row of
//! the newest demand, so that of two who ask at once one sees what the other got.

use std::collections::BTreeMap;

use keel_engine::guard::{Obstacle, Readiness, Rule, Scene, obstacle};
use keel_engine::protocol::leases::{Demand, Lease, LeaseProof, LeaseRequest, REASON_MAX, WAIT_S_MAX};
use keel_engine::protocol::news::News;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Result, Store, StoreError, Topic, Write, now_ms};

/// What is said of a holder from which nothing came yet.
const INTERRUPTED: &str = "it has not proved yet that it is ready again";

/// A row of leases.
struct Kept {
    lease: Lease,
    members: Vec<String>,
    /// Until when its agent waits for the answer.
    asking_until_ms: i64,
    demand: u64,
}

impl Kept {
    fn of(row: &AnyRow) -> Result<Self> {
        let lease = Lease {
            guard: row.try_get(0)?,
            host: row.try_get(1)?,
            held: row.try_get::<i64, _>(2)? != 0,
            run: row.try_get(4)?,
            since_ms: row.try_get(5)?,
            reason: row.try_get(8)?,
        };
        Ok(Self { lease, members: super::json(row.try_get(3)?)?, asking_until_ms: row.try_get(6)?, demand: unsigned(row.try_get(7)?) })
    }

    fn has_member(&self, host: &str) -> bool {
        self.members.iter().any(|member| member == host)
    }

    fn is_asking(&self, now_ms: i64) -> bool {
        !self.lease.held && now_ms < self.asking_until_ms
    }
}

/// Which look of a request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It begins.
    First,
    /// Something changed meanwhile.
    Again,
    /// Its time is over.
    Last,
}

impl Store {
    /// Gives a host the lease of a guard, if nothing stands in the way; otherwise it waits for it from now on.
    /// The other members are asked how they are where a request begins.
    ///
    /// # Errors
    /// The database does not answer; then nothing was given.
    pub async fn ask_lease(&self, host: &str, request: &LeaseRequest, rule: &Rule, look: Look) -> Result<Option<Obstacle>> {
        let mut write = self.begin().await?;
        write.lock_leases().await?;
        let rows = write.leases(&request.guard).await?;
        let own = rows.iter().find(|row| row.lease.host == host);
        if look != Look::First && own.is_none_or(|row| row.lease.run != request.run) {
            return Ok(Some(Obstacle::GivenUp));
        }
        // A host of another cluster with a guard of the same name has nothing to do with this one.
        let concerns = |row: &&Kept| row.lease.host != host && (row.has_member(host) || rule.members.contains(&row.lease.host));
        let holders: Vec<String> = rows.iter().filter(concerns).filter(|row| row.lease.held).map(|row| row.lease.host.clone()).collect();
        let mut demand = own.map_or(0, |row| row.demand);
        let found = |answers: &BTreeMap<String, Readiness>| obstacle(host, &Scene { rule, holders: &holders, answers });
        let mut answers = write.answers(&request.guard, demand).await?;
        // Members are not troubled while others hold the lease.
        if look == Look::First && !matches!(found(&BTreeMap::new()), None | Some(Obstacle::Held { .. } | Obstacle::Stranger)) {
            demand = write.demand().await?;
            answers = BTreeMap::new();
            rule.members.iter().filter(|member| *member != host).for_each(|member| write.tell(Topic::News(member.clone())));
        }
        let found = found(&answers);
        write.keep_lease(host, request, rule, (own, look, demand, found.as_ref())).await?;
        if found.is_none() {
            write.tell(Topic::Lease(request.guard.clone()));
        }
        write.commit().await?;
        Ok(found)
    }

    /// Takes in how a member is. Where it is over and ready, it no longer holds or wants the lease. Tells whether the
    /// host holds the lease then.
    ///
    /// # Errors
    /// The database does not answer; then nothing was taken in.
    pub async fn prove(&self, host: &str, proof: &LeaseProof) -> Result<bool> {
        let mut write = self.begin().await?;
        write.lock_leases().await?;
        // A number from before the database was restored answers nothing that is asked now.
        let demand = if proof.demand > write.newest_demand().await? { 0 } else { proof.demand };
        let proof = &LeaseProof { demand, ..proof.clone() };
        let rows = write.leases(&proof.guard).await?;
        let own = rows.iter().find(|row| row.lease.host == host);
        let held = own.is_some_and(|row| row.lease.held);
        // Nobody fills the table with guards that nobody asks for.
        if own.is_none() && !rows.iter().any(|row| row.has_member(host)) {
            return Ok(false);
        }
        if proof.demand > 0 {
            let earlier = write.keep_proof(host, proof).await?;
            write.tell(Topic::Lease(proof.guard.clone()));
            if proof.found == Readiness::Ready {
                write.call_back(&rows, host, (earlier, proof.demand)).await?;
            }
        }
        let Some(own) = own.filter(|_| proof.over) else {
            write.commit().await?;
            return Ok(held);
        };
        match &proof.found {
            Readiness::NotReady { why } if held => {
                let why: String = format!("it is not ready: {why}").chars().take(REASON_MAX).collect();
                write.set_reason(&own.lease, &why).await?;
            }
            // Who only waits gives up its place however it is.
            Readiness::NotReady { .. } | Readiness::Ready => write.drop_lease(&rows, &own.lease).await?,
        }
        write.commit().await?;
        Ok(held && proof.found != Readiness::Ready)
    }

    /// Takes a lease from a host, or ends its waiting, because an operator says so.
    ///
    /// # Errors
    /// There is none; the database does not answer.
    pub async fn take_lease(&self, guard: &str, host: &str, why: &str, operator: &str) -> Result<Lease> {
        let mut write = self.begin().await?;
        write.lock_leases().await?;
        let rows = write.leases(guard).await?;
        let row = rows.iter().find(|row| row.lease.host == host);
        let missing = || StoreError::NotFound(format!("{host} neither holds nor waits for the lease of guard {guard}"));
        let lease = row.ok_or_else(missing)?.lease.clone();
        write.drop_lease(&rows, &lease).await?;
        write.audit(&format!("operator {operator}"), "release", host, &format!("{guard}: {why}")).await?;
        write.commit().await?;
        Ok(lease)
    }

    /// All leases that are held or waited for.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn all_leases(&self) -> Result<Vec<Lease>> {
        let sql = "SELECT guard, host, held, members, run, since_ms, asking_until_ms, demand, reason FROM leases \
                   ORDER BY guard, held DESC, host";
        let rows = sqlx::query(sql).fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok(Kept::of(row)?.lease)).collect()
    }

    /// What others want to know of a host as a member, and it has not said yet, after the number of a demand. A host that
    /// has heard of more than there is knows another database's numbers: it is told everything.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn demands(&self, host: &str, after: u64) -> Result<Vec<Demand>> {
        let newest = sqlx::query("SELECT number FROM demands").fetch_one(self.reader()).await?;
        let after = if after > unsigned(newest.try_get(0)?) { 0 } else { after };
        let rows =
            sqlx::query("SELECT guard, host, held, members, run, since_ms, asking_until_ms, demand, reason FROM leases WHERE demand > $1")
                .bind(signed(after))
                .fetch_all(self.reader())
                .await?;
        let mut demands: BTreeMap<String, u64> = BTreeMap::new();
        for row in &rows {
            let row = Kept::of(row)?;
            if row.lease.host != host && row.has_member(host) {
                let number = demands.entry(row.lease.guard).or_default();
                *number = row.demand.max(*number);
            }
        }
        let rows = sqlx::query("SELECT guard, demand FROM proofs WHERE host = $1").bind(host).fetch_all(self.reader()).await?;
        for row in &rows {
            let (guard, answered) = (row.try_get::<String, _>(0)?, unsigned(row.try_get(1)?));
            if demands.get(&guard).is_some_and(|number| *number <= answered) {
                demands.remove(&guard);
            }
        }
        Ok(demands.into_iter().map(|(guard, number)| Demand { guard, number }).collect())
    }
}

impl Write {
    /// Until the end of the transaction nobody else changes leases.
    async fn lock_leases(&mut self) -> Result<()> {
        sqlx::query("UPDATE demands SET number = number").execute(self.on()).await?;
        Ok(())
    }

    /// A guard whose lease the host holds; until the end of the transaction nobody gets another one.
    pub(super) async fn held_lease(&mut self, host: &str) -> Result<Option<String>> {
        self.lock_leases().await?;
        let sql = "SELECT guard FROM leases WHERE host = $1 AND held = 1 ORDER BY guard";
        let row = sqlx::query(sql).bind(host).fetch_optional(self.on()).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// The number of a new demand.
    async fn demand(&mut self) -> Result<u64> {
        sqlx::query("UPDATE demands SET number = number + 1").execute(self.on()).await?;
        self.newest_demand().await
    }

    async fn newest_demand(&mut self) -> Result<u64> {
        let row = sqlx::query("SELECT number FROM demands").fetch_one(self.on()).await?;
        Ok(unsigned(row.try_get(0)?))
    }

    async fn leases(&mut self, guard: &str) -> Result<Vec<Kept>> {
        let sql =
            "SELECT guard, host, held, members, run, since_ms, asking_until_ms, demand, reason FROM leases WHERE guard = $1 ORDER BY host";
        let rows = sqlx::query(sql).bind(guard).fetch_all(self.on()).await?;
        rows.iter().map(Kept::of).collect()
    }

    /// How members found themselves since a demand.
    async fn answers(&mut self, guard: &str, demand: u64) -> Result<BTreeMap<String, Readiness>> {
        let sql = "SELECT host, found FROM proofs WHERE guard = $1 AND demand >= $2 AND demand > 0";
        let rows = sqlx::query(sql).bind(guard).bind(signed(demand)).fetch_all(self.on()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, super::json(row.try_get(1)?)?))).collect()
    }

    /// Writes down that a host holds the lease, or what it waits for.
    async fn keep_lease(
        &mut self,
        host: &str,
        request: &LeaseRequest,
        rule: &Rule,
        (own, look, demand, found): (Option<&Kept>, Look, u64, Option<&Obstacle>),
    ) -> Result<()> {
        let was_held = own.is_some_and(|row| row.lease.held);
        let held = was_held || found.is_none();
        let since_ms = own.filter(|_| was_held == held).map_or_else(now_ms, |row| row.lease.since_ms);
        let reason = match found {
            Some(obstacle) if was_held => format!("it asks again, and {obstacle}"),
            Some(obstacle) => obstacle.to_string(),
            None => INTERRUPTED.to_owned(),
        };
        let reason: String = reason.chars().take(REASON_MAX).collect();
        let until_ms = match (look, own) {
            (Look::Last, _) => 0,
            (Look::Again, Some(row)) => row.asking_until_ms,
            _ => now_ms().saturating_add(i64::try_from(request.wait_s.min(WAIT_S_MAX)).unwrap_or_default() * 1000),
        };
        let sql = "INSERT INTO leases (guard, host, held, members, run, since_ms, asking_until_ms, demand, reason) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (guard, host) DO UPDATE SET held = excluded.held, \
                   members = excluded.members, run = excluded.run, since_ms = excluded.since_ms, asking_until_ms = excluded.asking_until_ms, \
                   demand = excluded.demand, reason = excluded.reason";
        let query = sqlx::query(sql).bind(&request.guard).bind(host).bind(i64::from(held)).bind(super::text(&rule.members)?);
        let query = query.bind(&request.run).bind(since_ms).bind(until_ms).bind(signed(demand)).bind(reason);
        query.execute(self.on()).await?;
        Ok(())
    }

    /// Keeps a proof in place of the one before, which it returns.
    async fn keep_proof(&mut self, host: &str, proof: &LeaseProof) -> Result<Option<(Readiness, u64)>> {
        let sql = "SELECT found, demand FROM proofs WHERE guard = $1 AND host = $2";
        let earlier = sqlx::query(sql).bind(&proof.guard).bind(host).fetch_optional(self.on()).await?;
        let earlier = earlier.map(|row| Ok::<_, StoreError>((super::json(row.try_get(0)?)?, unsigned(row.try_get(1)?)))).transpose()?;
        let sql = "INSERT INTO proofs (guard, host, demand, found, at_ms) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (guard, host) \
                   DO UPDATE SET demand = excluded.demand, found = excluded.found, at_ms = excluded.at_ms \
                   WHERE excluded.demand >= proofs.demand";
        let query = sqlx::query(sql).bind(&proof.guard).bind(host).bind(signed(proof.demand));
        query.bind(super::text(&proof.found)?).bind(now_ms()).execute(self.on()).await?;
        Ok(earlier)
    }

    async fn set_reason(&mut self, lease: &Lease, reason: &str) -> Result<()> {
        let sql = "UPDATE leases SET reason = $1 WHERE guard = $2 AND host = $3";
        sqlx::query(sql).bind(reason).bind(&lease.guard).bind(&lease.host).execute(self.on()).await?;
        Ok(())
    }

    /// Strikes out a lease. Where it was held, whoever waits hears of it, and what members proved before no longer counts.
    async fn drop_lease(&mut self, rows: &[Kept], lease: &Lease) -> Result<()> {
        let sql = "DELETE FROM leases WHERE guard = $1 AND host = $2";
        sqlx::query(sql).bind(&lease.guard).bind(&lease.host).execute(self.on()).await?;
        let waiting: Vec<&Kept> = rows.iter().filter(|row| !row.lease.held && row.lease.host != lease.host).collect();
        if !lease.held || waiting.is_empty() {
            return Ok(());
        }
        let number = self.demand().await?;
        let reason = format!("{} gave the lease back, and this host has not asked since", lease.host);
        let sql = "UPDATE leases SET demand = $1, reason = $2 WHERE guard = $3 AND held = 0";
        sqlx::query(sql).bind(signed(number)).bind(reason).bind(&lease.guard).execute(self.on()).await?;
        for row in &waiting {
            row.members.iter().for_each(|member| self.tell(Topic::News(member.clone())));
        }
        self.tell(Topic::Lease(lease.guard.clone()));
        self.wake_waiting(&waiting).await
    }

    /// Calls those that gave up asking, where a member only now answers what they asked, or is ready again.
    async fn call_back(&mut self, rows: &[Kept], member: &str, (earlier, answered): (Option<(Readiness, u64)>, u64)) -> Result<()> {
        let recovered = matches!(earlier, Some((Readiness::NotReady { .. }, _)));
        let known = earlier.map_or(0, |(_, demand)| demand);
        let concerned = |row: &&Kept| !row.lease.held && row.lease.host != member && row.has_member(member);
        let is_news = |row: &&Kept| recovered || (known < row.demand && row.demand <= answered);
        let waiting: Vec<&Kept> = rows.iter().filter(concerned).filter(is_news).collect();
        self.wake_waiting(&waiting).await
    }

    /// Tells those to run that do not ask at this moment.
    async fn wake_waiting(&mut self, waiting: &[&Kept]) -> Result<()> {
        let now = now_ms();
        for row in waiting.iter().filter(|row| !row.is_asking(now)) {
            let news = super::text(&News::Lease { guard: row.lease.guard.clone() })?;
            self.put_up(&row.lease.host, &news).await?;
        }
        Ok(())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
