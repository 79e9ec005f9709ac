//! The tables' history: each step is applied once, in order, inside one transaction.

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::database::Flavour;
use super::error::StoreError;

/// The steps, oldest first. A step that was released is never changed; a new one goes to the end.
const STEPS: &[&str] = &[include_str!("migrations/0001-nodes.sql")];

/// Any number that no other program takes for its advisory locks.
const LOCK: i64 = 0x6b65_656c;

/// Brings the tables to this program's state. Servers that start together on one database do it one after the other.
pub(super) async fn migrate(connection: &mut AnyConnection, flavour: Flavour) -> Result<(), StoreError> {
    if flavour == Flavour::Postgres {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    }
    run(connection, "CREATE TABLE IF NOT EXISTS migrations (step BIGINT PRIMARY KEY)", flavour).await?;
    let row = sqlx::query("SELECT COUNT(*) FROM migrations").fetch_one(&mut *connection).await?;
    let done = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
    if done > STEPS.len() {
        return Err(StoreError::Newer { found: done, known: STEPS.len() });
    }
    for (position, step) in STEPS.iter().enumerate().skip(done) {
        for statement in statements(step) {
            run(connection, &statement, flavour).await?;
        }
        let number = i64::try_from(position + 1).unwrap_or(i64::MAX);
        sqlx::query("INSERT INTO migrations (step) VALUES ($1)").bind(number).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn run(connection: &mut AnyConnection, statement: &str, flavour: Flavour) -> Result<(), StoreError> {
    // The two differ in the name of one type only.
    let statement = if flavour == Flavour::Postgres { statement.replace(" BLOB", " BYTEA") } else { statement.to_owned() };
    sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(connection).await?;
    Ok(())
}

/// The statements of a step, without its comments.
fn statements(step: &str) -> Vec<String> {
    let code: Vec<&str> = step.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    code.join("\n").split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_falls_into_statements() {
        assert_eq!(statements("-- one; two\nCREATE TABLE a (b TEXT);\n\nDROP TABLE c;\n"), ["CREATE TABLE a (b TEXT)", "DROP TABLE c"]);
    }
}
