//! The server: its parts, put together. Handlers get it as their state.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore};

use crate::allowed::Allowed;
use crate::authority::Authority;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::quotas::Quotas;
use crate::settings::Settings;
use crate::store::Store;
use crate::tls::Stop;

/// The parts of a running server.
pub struct Server {
    /// What `server.toml` says.
    pub settings: Settings,
    /// What outlives a request.
    pub store: Store,
    /// The CA.
    pub authority: Authority,
    /// The certificates that are let in.
    pub allowed: Allowed,
    /// What every peer has used lately.
    pub quotas: Arc<Quotas>,
    /// Room for requests, all together.
    pub room: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Somebody pushed: the repository is to be looked at.
    pub nudged: Arc<Notify>,
    /// Tells when the server is to stop.
    pub stop: Stop,
}

impl Server {
    /// Opens everything that the settings name.
    ///
    /// # Errors
    /// The authority or the database cannot be opened.
    pub async fn open(settings: Settings, stop: Stop) -> Result<Arc<Self>> {
        let authority = Authority::open(settings.authority(), now_s())?;
        let store = Store::open(&settings.database()?).await?;
        if let Some(damage) = store.damage() {
            crate::log::warning("the database is damaged and only read", &[("why", &damage)]);
        }
        Ok(Arc::new(Self {
            store,
            authority,
            allowed: Allowed::default(),
            quotas: Arc::new(Quotas::default()),
            room: Arc::new(Semaphore::new(settings.limits.requests)),
            metrics: Arc::new(Metrics::default()),
            nudged: Arc::new(Notify::new()),
            stop,
            settings,
        }))
    }
}

/// Seconds since 1970 by the server's clock.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
