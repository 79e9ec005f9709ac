//! The server: its parts, put together. Handlers get it as their state.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keel_engine::protocol::news::News;
use tokio::sync::Semaphore;

use crate::allowed::Allowed;
use crate::authority::Authority;
use crate::compiler::declared::Declared;
use crate::compiler::{Announce, Compiler, CompilerSettings, WorkerSettings};
use crate::environments::{EnvironmentSettings, Environments};
use crate::error::{Error, Result};
use crate::gates::{CurrentCatalogs, GateKeeper};
use crate::leases::LeaseKeeper;
use crate::machines::Machines;
use crate::metrics::Metrics;
use crate::quotas::Quotas;
use crate::repository::{AllowedSigners, Repository};
use crate::secrets::Sealer;
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
    /// The machines that hosts are.
    pub machines: Machines,
    /// What every peer has used lately.
    pub quotas: Arc<Quotas>,
    /// Room for requests, all together.
    pub room: Arc<Semaphore>,
    /// What makes catalogs.
    pub compiler: Compiler,
    /// The branches that hosts follow.
    pub environments: Arc<Environments>,
    /// Who answers agents that wait for something.
    pub gatekeeper: GateKeeper,
    /// Who gives leases.
    pub leases: LeaseKeeper,
    /// What opens the site's secrets and closes them for hosts.
    pub sealer: Arc<Sealer>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
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
        let (compiler, environments) = compiling(&settings, &store).await?;
        let sealer = Sealer::load(settings.identity.as_deref()).map_err(|error| Error::trouble(error.to_string()).hint_if(error.hint))?;
        let declared: Arc<dyn CurrentCatalogs> = Arc::new(Declared::new(compiler.clone(), store.clone()));
        Ok(Arc::new(Self {
            gatekeeper: GateKeeper::new(store.clone(), Arc::clone(&declared)),
            leases: LeaseKeeper::new(store.clone(), declared),
            store,
            compiler,
            environments,
            sealer: Arc::new(sealer),
            authority,
            allowed: Allowed::default(),
            machines: Machines::default(),
            quotas: Arc::new(Quotas::default()),
            room: Arc::new(Semaphore::new(settings.limits.requests)),
            metrics: Arc::new(Metrics::default()),
            stop,
            settings,
        }))
    }
}

/// The compiler over the repository, and the environments that it compiles for.
async fn compiling(settings: &Settings, store: &Store) -> Result<(Compiler, Arc<Environments>)> {
    let repository = Repository::at(&settings.repository)
        .map_err(|error| Error::trouble(error.to_string()).hint("set `repository` in server.toml to the site's bare repository"))?;
    let folder = settings.state.join("compiled");
    let worker =
        WorkerSettings::of_this_program().map_err(|error| Error::trouble(format!("cannot find the server's own program: {error}")))?;
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let compiler_settings = CompilerSettings { folder: folder.clone(), workers, worker };
    let compiler = Compiler::start(&compiler_settings, repository, Arc::new(store.clone()), announcing(store))
        .map_err(|error| Error::trouble(format!("cannot use {}: {error}", folder.display())))?;
    // A list that is wrong from the start is better said now than at the first push.
    settings.allowed_signers.as_deref().map(AllowedSigners::load).transpose().map_err(Error::trouble)?;
    let branches = settings.environments.clone();
    let following =
        EnvironmentSettings { branches, poll: Duration::from_secs(settings.poll_s.max(1)), signers: settings.allowed_signers.clone() };
    let environments = Environments::start(following, compiler.clone(), Arc::new(store.clone())).await;
    Ok((compiler, environments.map_err(|error| Error::trouble(error.to_string()))?))
}

/// Tells hosts, through the store, that there is another catalog for them.
fn announcing(store: &Store) -> Announce {
    let store = store.clone();
    Arc::new(move |hosts: Vec<String>, commit: &str| {
        let (store, commit) = (store.clone(), commit.to_owned());
        tokio::spawn(async move {
            if let Err(error) = store.tell(&hosts, &News::Catalog { commit }).await {
                crate::log::warning("hosts could not be told of their new catalogs", &[("why", &error)]);
            }
        });
    })
}

/// Seconds since 1970 by the server's clock.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
