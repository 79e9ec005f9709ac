//! A run that was refused before it began, for settings or folders are not as they have to be. The server
//! hears of it all the same, as long as the folders that this takes can be trusted.

use keel_engine::digest::Digest;
use keel_engine::host_name::HostName;
use keel_engine::protocol::reports::Trigger;
use keel_engine::report::{FORMAT_VERSION, Mode, Report, Totals};

use super::catalogs::Catalogs;
use super::delivery::deliver;
use super::home::Home;
use super::node::Node;
use super::renewal::Connection;
use super::round::now;
use super::self_check;
use super::settings::{AgentSettings, half_an_hour};
use super::spool::{Spool, Told};
use crate::error::Error;
use crate::run;
use crate::state::lock::Lock;

/// Tells the server why a run was refused, or leaves it in the spool. A host that has not joined tells nobody.
///
/// # Errors
/// Says why it could not be written down, or still waits.
pub fn tell(home: &Home, trigger: &Trigger, error: &Error) -> Result<(), String> {
    let said = |error: Error| error.message;
    if !home.node().exists() {
        return Ok(());
    }
    self_check::check_own(home).map_err(said)?;
    let _lock = Lock::take_file(&home.round_lock(), "keel agent").map_err(said)?;
    let node = Node::load(home).map_err(said)?;
    let spool = Spool::open(home)?;
    // Whoever could write into the settings can name another server, but not one that the authority certified.
    let settings = AgentSettings::load(home);
    let interval = settings.as_ref().map_or_else(|_| half_an_hour(), |settings| settings.interval);
    let mode = if settings.as_ref().is_ok_and(|settings| settings.noop) { Mode::Plan } else { Mode::Apply };
    let cached = Catalogs::of(home, node.host.as_str()).both().into_iter().next();
    let report = nothing(&node.host, cached.as_ref().map_or_else(|| Digest::of(b""), |cached| cached.id), mode);
    let (environment, commit) = cached.map(|cached| (cached.environment, cached.commit)).unwrap_or_default();
    let (trigger, failure, interval_s) = (trigger.clone(), Some(error.message.clone()), interval.as_secs());
    spool.add(Told { environment, commit, trigger, interval_s, failure, report })?;
    let Ok(settings) = settings else { return Ok(()) };
    // A host that makes no runs for a long time is to have a certificate at the end of it.
    let mut connection = Connection::new(home, &settings, node);
    let renewed = connection.renew();
    let Connection { node, server, .. } = connection;
    renewed.and(server.and_then(|server| deliver(&spool, &node.host, &server)))
}

/// The report of a run that did not happen.
pub fn nothing(host: &HostName, catalog: Digest, mode: Mode) -> Report {
    Report {
        format_version: FORMAT_VERSION.to_owned(),
        run: run::new_name(),
        host: host.to_string(),
        site: String::new(),
        catalog,
        mode,
        started_ms: u64::try_from(now().as_millis()).unwrap_or(u64::MAX),
        duration_ms: 0,
        resources: Vec::new(),
        totals: Totals::default(),
        owed: Vec::new(),
        released: Vec::new(),
        warnings: Vec::new(),
    }
}
