//! Environments: which commit hosts get, and what became of the newest.

use keel_engine::protocol::environment::EnvironmentState;
use sqlx::Row;

use super::{Result, Store, Topic};

impl Store {
    /// Keeps how an environment stands, and wakes who watches it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_environment(&self, state: &EnvironmentState) -> Result<()> {
        let mut write = self.begin().await?;
        let sql = "INSERT INTO environments (name, state) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET state = excluded.state";
        sqlx::query(sql).bind(&state.name).bind(super::text(state)?).execute(write.on()).await?;
        write.tell(Topic::Environment(state.name.clone()));
        write.tell(Topic::Environments);
        write.commit().await
    }

    /// How an environment stands.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn environment(&self, name: &str) -> Result<Option<EnvironmentState>> {
        let row = sqlx::query("SELECT state FROM environments WHERE name = $1").bind(name).fetch_optional(self.reader()).await?;
        row.map(|row| super::json(row.try_get(0)?)).transpose()
    }

    /// All environments by name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn environments(&self) -> Result<Vec<EnvironmentState>> {
        let rows = sqlx::query("SELECT state FROM environments ORDER BY name").fetch_all(self.reader()).await?;
        rows.iter().map(|row| super::json(row.try_get(0)?)).collect()
    }
}
