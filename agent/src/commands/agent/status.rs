//! `keel agent status`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use keel_engine::catalog::Catalog;
use keel_engine::protocol::environment::short_commit;
use keel_engine::report::{Reason, Report};
use serde::{Serialize, Serializer};

use crate::cli::{Context, print, print_json};
use crate::error::Result;
use crate::pull::catalogs::Catalogs;
use crate::pull::home::Home;
use crate::pull::node::Node;
use crate::pull::pause::Pause;
use crate::pull::settings::AgentSettings;
use crate::pull::spool::{Backlog, Spool};
use crate::pull::standing::{LastRound, Standing};
use crate::render::moment::{moment, span};
use crate::render::paint::printable;
use crate::state::State;
use crate::state::lock::Lock;
use crate::state::reports::Reports;

/// Show how the agent of this host stands.
///
/// Exits 0 if the agent runs, and its last run happened and had no failures, else 1.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel agent status\n  keel agent status --json")]
pub(super) struct Arguments {
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// How the agent stands.
#[derive(Debug, Serialize)]
struct Status {
    host: String,
    server: String,
    server_away: Option<String>,
    active: bool,
    running: bool,
    /// What keeps `watch = true` from doing its work.
    watch_trouble: Option<String>,
    disabled: Option<Pause>,
    next_run: Option<Moment>,
    certificate_ends: Moment,
    catalog: Option<CachedCatalog>,
    last_round: Option<LastRound>,
    last_run: Option<LastRun>,
    /// Where the last run left something out: the last one that did not.
    last_whole_run: Option<LastRun>,
    waiting_reports: usize,
    waiting_bytes: u64,
}

#[derive(Debug, Serialize)]
struct CachedCatalog {
    id: String,
    commit: Option<String>,
    environment: Option<String>,
    confirmed_seconds_ago: Option<u64>,
}

#[derive(Debug, Serialize)]
struct LastRun {
    started: Moment,
    changed: usize,
    failed: usize,
    waiting: usize,
    skipped: usize,
    /// For which other hosts' things, each once.
    waits_for: Vec<String>,
    resources: usize,
    well: bool,
}

pub(super) fn run(arguments: &Arguments, home: &Home, context: &Context) -> Result<u8> {
    let status = look(home)?;
    if arguments.json {
        print_json(&status)?;
    } else {
        print(&text(&status, context))?;
    }
    let mut runs = status.last_run.iter().chain(&status.last_whole_run);
    let failure = status.last_round.as_ref().and_then(|round| round.failure.as_ref());
    let well = status.active && status.disabled.is_none() && failure.is_none() && runs.all(|run| run.well);
    Ok(if well { 0 } else { 1 })
}

fn look(home: &Home) -> Result<Status> {
    let settings = AgentSettings::load(home)?;
    let node = Node::load(home)?;
    // Whoever cannot take the lock meets the agent that holds it.
    let active = Lock::is_held(&home.agent_lock());
    let standing = Standing::load(home).filter(|_| active);
    let catalogs = Catalogs::of(home, node.host.as_str());
    let newest = catalogs.both().into_iter().next();
    let catalog = newest.as_ref().map(|one| CachedCatalog {
        id: one.id.to_string(),
        commit: one.commit.clone(),
        environment: one.environment.clone(),
        confirmed_seconds_ago: catalogs.age().map(|age| age.as_secs()),
    });
    let site = newest.and_then(|one| Catalog::from_bytes(&one.bytes).ok()).map(|catalog| catalog.site);
    let reports = site.map(|site| Reports::of(&State::of_site(&home.root, &site)));
    let last = reports.as_ref().and_then(Reports::last);
    let last_whole = reports.zip(last.as_ref()).and_then(|(reports, last)| reports.last_whole_before(last));
    let Backlog { reports, bytes } = Spool::backlog_of(home);
    Ok(Status {
        host: node.host.to_string(),
        server: settings.server.to_string(),
        server_away: standing.as_ref().and_then(|standing| standing.server_away.clone()),
        active,
        running: standing.as_ref().is_some_and(|standing| standing.running),
        watch_trouble: standing.as_ref().and_then(Standing::watch_trouble),
        disabled: Pause::load(home)?,
        last_round: standing.as_ref().and_then(|standing| standing.last_round.clone()),
        next_run: standing.and_then(|standing| standing.next_run_ms).map(|at| Moment(Duration::from_millis(at))),
        certificate_ends: Moment(node.not_after),
        catalog,
        last_run: last.as_ref().map(LastRun::of),
        last_whole_run: last_whole.as_ref().map(LastRun::of),
        waiting_reports: reports,
        waiting_bytes: bytes,
    })
}

impl LastRun {
    fn of(report: &Report) -> Self {
        Self {
            started: Moment(Duration::from_millis(report.started_ms)),
            changed: report.totals.changed + report.totals.would_change,
            failed: report.totals.failed,
            waiting: report.totals.waiting,
            skipped: report.totals.skipped,
            waits_for: waits_for(report),
            resources: report.totals.resources,
            well: !report.has_failures(),
        }
    }
}

fn waits_for(report: &Report) -> Vec<String> {
    let reasons = report.resources.iter().filter_map(|resource| resource.reason.as_ref());
    let gates: BTreeSet<String> = reasons.filter(|reason| matches!(reason, Reason::Gate { .. })).map(ToString::to_string).collect();
    gates.into_iter().collect()
}

fn text(status: &Status, context: &Context) -> String {
    let paint = context.paint();
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:12} {value}\n"));
    line("host", status.host.clone());
    line(
        "agent",
        match (&status.disabled, status.active, status.running) {
            (Some(pause), ..) => {
                let since = Moment(Duration::from_millis(pause.since_ms));
                paint.red(&format!("disabled by {} since {since}: {}", printable(&pause.by), printable(&pause.reason)))
            }
            (None, true, true) => "active, a run is under way".to_owned(),
            (None, true, false) => "active".to_owned(),
            (None, false, _) => paint.red("not running; systemctl enable --now keel-agent"),
        },
    );
    line(
        "server",
        match &status.server_away {
            Some(why) => format!("{}; {}", status.server, paint.red(&printable(why))),
            None => status.server.clone(),
        },
    );
    if let Some(why) = &status.watch_trouble {
        line("watch", paint.red(&printable(why)));
    }
    if let Some(catalog) = &status.catalog {
        let commit = catalog.commit.as_deref().map_or("unknown", short_commit);
        let environment = catalog.environment.as_deref().unwrap_or("unknown");
        let age = catalog.confirmed_seconds_ago.map_or_else(String::new, |age| format!(", confirmed {} ago", span(age)));
        line("catalog", format!("commit {}, environment {}{age}", printable(commit), printable(environment)));
    } else {
        line("catalog", "none yet".to_owned());
    }
    if let Some(LastRound { ended_ms, failure: Some(why) }) = &status.last_round {
        let since = Moment(Duration::from_millis(*ended_ms));
        line("no run", paint.red(&format!("{since}: {}", printable(why))));
    }
    for (name, run) in status.last_run.iter().map(|run| ("last run", run)).chain(status.last_whole_run.iter().map(|run| ("whole run", run)))
    {
        let counts =
            format!("{}: {} changed, {} failed, {} waiting of {}", run.started, run.changed, run.failed, run.waiting, run.resources);
        line(name, if run.well { counts } else { paint.red(&counts) });
        run.waits_for.iter().for_each(|gate| line("", printable(gate)));
    }
    line(
        "next run",
        match (&status.disabled, &status.next_run) {
            (Some(_), _) => "none until `keel agent enable`".to_owned(),
            (None, next) => next.map_or_else(|| "none".to_owned(), |next| next.to_string()),
        },
    );
    line(
        "reports",
        match status.waiting_reports {
            0 => "all delivered".to_owned(),
            count => format!("{count} wait for the server ({} KiB)", status.waiting_bytes.div_ceil(1024)),
        },
    );
    line("certificate", format!("until {}", status.certificate_ends));
    text
}

/// A moment since 1970: for people by the clock of this machine, as JSON in the form that all clocks agree on.
#[derive(Debug, Clone, Copy)]
struct Moment(Duration);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&moment(i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let seconds = i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX);
        let text = Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s since 1970"), |time| time.to_string());
        serializer.serialize_str(&text)
    }
}
