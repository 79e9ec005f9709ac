//! Machines: which one each host is. Two that speak for one host by turns are a machine and its copy.

use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{Result, Store, Write, now_ms};

/// How many earlier starts of a machine, and how many copies, are remembered.
const REMEMBERED_MAX: usize = 16;
/// A copy that asks again is noted this often, in milliseconds.
const NOTED_MS: i64 = 60_000;

/// What is known of the machines that had a host's certificate.
///
/// A machine that starts again is another one here, and what it was before never comes back. So if an earlier one does
/// come back, it never went away, and what came after it is a copy of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Machines {
    /// The one that the host is.
    current: String,
    /// What it was before, the oldest first.
    earlier: Vec<String>,
    /// Copies, the oldest first.
    copies: Vec<String>,
}

/// What a machine is to its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// The host itself.
    Host,
    /// A copy of it.
    Copy,
}

impl Machines {
    /// Takes note of a machine that speaks for the host.
    fn meet(&mut self, machine: &str) -> Meeting {
        if self.copies.iter().any(|copy| copy == machine) {
            return Meeting::Copy;
        }
        if self.current == machine {
            return Meeting::Host;
        }
        let later = std::mem::replace(&mut self.current, machine.to_owned());
        match self.earlier.iter().position(|earlier| earlier == machine) {
            Some(at) => self.copies.extend(self.earlier.split_off(at).into_iter().skip(1).chain([later])),
            None if later.is_empty() => {}
            None => self.earlier.push(later),
        }
        for list in [&mut self.earlier, &mut self.copies] {
            list.drain(..list.len().saturating_sub(REMEMBERED_MAX));
        }
        Meeting::Host
    }
}

impl Store {
    /// Takes note of a machine that speaks for a host.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn meet(&self, host: &str, machine: &str) -> Result<Meeting> {
        let row = sqlx::query("SELECT machines, copy_ms FROM machines WHERE host = $1").bind(host).fetch_optional(self.reader()).await?;
        let (mut known, noted_ms) = match row {
            Some(row) => (super::json(row.try_get(0)?)?, row.try_get::<Option<i64>, _>(1)?),
            None => (Machines::default(), None),
        };
        let before = known.clone();
        let meeting = known.meet(machine);
        let is_noted = meeting == Meeting::Host || noted_ms.is_some_and(|noted_ms| now_ms() - noted_ms < NOTED_MS);
        if known == before && is_noted {
            return Ok(meeting);
        }
        let mut write = self.begin().await?;
        write.lock_node(host).await?;
        // Another server may have met it meanwhile.
        let mut known = write.machines(host).await?;
        let copies = known.copies.len();
        let meeting = known.meet(machine);
        if known.copies.len() > copies {
            write.audit("server", "copy", host, "two machines have the host's certificate").await?;
        }
        let copy_ms = (meeting == Meeting::Copy || known.copies.len() > copies).then(now_ms);
        write.keep_machines(host, &known, copy_ms).await?;
        write.commit().await?;
        Ok(meeting)
    }

    /// The hosts of which a copy was refused since then, with when that was last, both in milliseconds since 1970.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn copied_hosts(&self, since_ms: i64) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT host, copy_ms FROM machines WHERE copy_ms >= $1 ORDER BY host";
        let rows = sqlx::query(sql).bind(since_ms).fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

impl Write {
    async fn machines(&mut self, host: &str) -> Result<Machines> {
        let row = sqlx::query("SELECT machines FROM machines WHERE host = $1").bind(host).fetch_optional(self.on()).await?;
        row.map_or(Ok(Machines::default()), |row| super::json(row.try_get(0)?))
    }

    /// Without a time of a copy the one that is there stays.
    async fn keep_machines(&mut self, host: &str, machines: &Machines, copy_ms: Option<i64>) -> Result<()> {
        let sql = "INSERT INTO machines (host, machines, copy_ms) VALUES ($1, $2, $3) ON CONFLICT (host) \
            DO UPDATE SET machines = excluded.machines, copy_ms = COALESCE(excluded.copy_ms, machines.copy_ms)";
        sqlx::query(sql).bind(host).bind(super::text(machines)?).bind(copy_ms).execute(self.on()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is refused of these machines, one after the other.
    fn refused(machines: &str) -> String {
        let mut known = Machines::default();
        machines.chars().map(|machine| if known.meet(&machine.to_string()) == Meeting::Copy { machine } else { '.' }).collect()
    }

    #[test]
    fn a_machine_that_starts_again_is_no_copy() {
        assert_eq!(refused("aaabbbcdd"), ".........");
    }

    #[test]
    fn who_came_later_is_the_copy_and_so_is_its_next_start() {
        assert_eq!(refused("abababa"), "...b.b.");
        assert_eq!(refused("abacac"), ".....c");
        assert_eq!(refused("abcaabc"), ".....bc");
        assert_eq!(refused("abbcbcc"), ".....cc", "the machine itself started again before it was copied");
    }

    #[test]
    fn little_is_remembered() {
        let mut known = Machines::default();
        for start in 0..100 {
            known.meet(&format!("start {start}"));
        }
        assert_eq!(known.earlier.len(), REMEMBERED_MAX);
    }
}
