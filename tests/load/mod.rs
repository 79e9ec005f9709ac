//! The load test: many simulated agents that speak the real protocol over TLS to the real server, each with
//! a certificate of its own that the server issued.
//!
//! Server, workers and agents share one machine: what is reported is what the machine did with all of
//! them on it, and beside it the processor time that the server and its workers took for it.

mod agent;
mod figures;
pub mod site;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::server::{CatalogServer, Usage};
use agent::Agent;
use figures::Latencies;
pub use figures::{Figures, Phase};
use wire::Wire;

/// What can go wrong: anything, and all of it ends the load test.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How much load there is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Hosts of the site, each with an agent.
    pub agents: usize,
    /// Resources of each catalog, about.
    pub resources: usize,
    /// Agents that ask without a pause, each over one connection.
    pub busy: usize,
    /// For how long they do.
    pub seconds: u64,
    /// The time within which all agents come back after the server was killed.
    pub storm: Duration,
}

/// How many agents are enrolled or asked for the first time at once.
const AT_ONCE: usize = 64;

/// What agents ask between their runs; the answer comes when there is something to say.
const NEWS: &str = "/v1/news?after=1000000000000&wait_s=300";

/// How often it is asked whether a commit is there.
const LOOK: Duration = Duration::from_millis(500);

/// Limits that are not what is measured.
const SETTINGS: &str = "[limits]\nconnections = 60000\nrequests = 20000\nhost_requests = 100000\nhost_requests_per_minute = 100000000\nenrolments_per_minute = 100000000\n";

/// Runs the whole test.
///
/// # Errors
/// Something failed that is no measure of the server: it does not start, or lets nobody in.
pub fn run(plan: &Plan) -> Result<Figures> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let hosts: Vec<String> = (0..plan.agents).map(|number| format!("node{number}")).collect();
    let mut server = CatalogServer::prepare(SETTINGS);
    server.resume();
    let operator = server.command(&["operator", "add", "load", "--role", "admin"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut figures = Figures::default();

    let agents = runtime.block_on(agent::enrol_all(&server, operator.trim(), &hosts, AT_ONCE))?;
    let agents: Vec<Arc<Agent>> = agents.into_iter().map(Arc::new).collect();
    figures.phases.push(measure(&server, "facts", || runtime.block_on(send_facts(&server, &agents)))?);
    figures.phases.push(measure(&server, "compiles after a push", || compile_ahead(&server, operator.trim(), &hosts, plan))?);
    figures.phases.push(measure(&server, "new catalogs", || runtime.block_on(ask_each(&server, &agents)))?);
    figures.phases.push(measure(&server, "unchanged catalogs", || runtime.block_on(unchanged(&server, &agents, plan)))?);
    figures.phases.push(measure(&server, "reports", || runtime.block_on(report_each(&server, &agents)))?);
    figures.memory_mib = server.usage().peak_mib;
    server.kill();
    server.resume();
    let mut usage = Usage::default();
    let come_back = || {
        let (done, then) = runtime.block_on(storm(&server, &agents, plan.storm))?;
        usage = then;
        Ok(done)
    };
    figures.phases.push(measure(&server, "all come back and wait for news", come_back)?);
    figures.memory_open_mib = usage.now_mib;
    figures.memory_mib = figures.memory_mib.max(usage.peak_mib);
    Ok(figures)
}

/// What happened in a phase, before it is known what it cost.
struct Done {
    latencies: Latencies,
    errors: Vec<String>,
    took: Duration,
}

fn measure(server: &CatalogServer, name: &str, phase: impl FnOnce() -> Result<Done>) -> Result<Phase> {
    let before = server.usage();
    let mut done = phase()?;
    let after = server.usage();
    done.errors.truncate(20);
    Ok(Phase {
        name: name.to_owned(),
        count: done.latencies.count(),
        seconds: done.took.as_secs_f64(),
        server_cpu_seconds: (after.cpu_seconds - before.cpu_seconds).max(0.0),
        p50_ms: done.latencies.percentile(50),
        p99_ms: done.latencies.percentile(99),
        errors: done.errors,
    })
}

/// Every agent sends its facts, on a connection of its own.
async fn send_facts(server: &CatalogServer, agents: &[Arc<Agent>]) -> Result<Done> {
    let address = server.agents_address();
    let work = move |agent: Arc<Agent>| async move {
        let mut wire = Wire::open(address, Arc::clone(&agent.config)).await?;
        let begun = Instant::now();
        agent.send_facts(&mut wire).await?;
        Ok(begun.elapsed())
    };
    each(agents, AT_ONCE, work).await
}

/// Every agent asks for a catalog that it does not have, on a connection of its own.
async fn ask_each(server: &CatalogServer, agents: &[Arc<Agent>]) -> Result<Done> {
    let address = server.agents_address();
    let work = move |agent: Arc<Agent>| async move {
        let mut wire = Wire::open(address, Arc::clone(&agent.config)).await?;
        let begun = Instant::now();
        agent.ask(&mut wire, 200).await?;
        Ok(begun.elapsed())
    };
    each(agents, AT_ONCE, work).await
}

/// Every agent delivers a report, on a connection of its own.
async fn report_each(server: &CatalogServer, agents: &[Arc<Agent>]) -> Result<Done> {
    let address = server.agents_address();
    let work = move |agent: Arc<Agent>| async move {
        let mut wire = Wire::open(address, Arc::clone(&agent.config)).await?;
        let begun = Instant::now();
        agent.report(&mut wire).await?;
        Ok(begun.elapsed())
    };
    each(agents, AT_ONCE, work).await
}

/// Does something for each agent, some at a time.
async fn each<F, W>(agents: &[Arc<Agent>], at_once: usize, work: W) -> Result<Done>
where
    F: Future<Output = Result<Duration>> + Send + 'static,
    W: Fn(Arc<Agent>) -> F + Clone + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let all: Arc<[Arc<Agent>]> = Arc::from(agents);
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once.min(agents.len()) {
        let (next, all, work) = (Arc::clone(&next), Arc::clone(&all), work.clone());
        tasks.spawn(async move {
            let (mut latencies, mut errors) = (Latencies::default(), Vec::new());
            while let Some(agent) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                match work(Arc::clone(agent)).await {
                    Ok(took) => latencies.add(took),
                    Err(error) => errors.push(format!("{}: {error}", agent.host)),
                }
            }
            (latencies, errors)
        });
    }
    gather(tasks, begun).await
}

/// Some agents ask again and again for what they have already, each over one connection that stays open.
async fn unchanged(server: &CatalogServer, agents: &[Arc<Agent>], plan: &Plan) -> Result<Done> {
    let until = Instant::now() + Duration::from_secs(plan.seconds);
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for agent in agents.iter().take(plan.busy).cloned() {
        let address = server.agents_address();
        tasks.spawn(async move {
            let (mut latencies, mut errors) = (Latencies::default(), Vec::new());
            let mut ask_on = async || -> Result<()> {
                let mut wire = Wire::open(address, Arc::clone(&agent.config)).await?;
                while Instant::now() < until {
                    let begun = Instant::now();
                    agent.ask(&mut wire, 304).await?;
                    latencies.add(begun.elapsed());
                }
                Ok(())
            };
            if let Err(error) = ask_on().await {
                errors.push(format!("{}: {error}", agent.host));
            }
            (latencies, errors)
        });
    }
    gather(tasks, begun).await
}

/// All agents come back to a server that has just started, evenly over a time, and wait for news. Also says what
/// the server uses when the last one is there.
async fn storm(server: &CatalogServer, agents: &[Arc<Agent>], window: Duration) -> Result<(Done, Usage)> {
    let begun = Instant::now();
    let stay = Arc::new(tokio::sync::Barrier::new(agents.len() + 1));
    let mut tasks = JoinSet::new();
    let count = u32::try_from(agents.len())?;
    for (number, agent) in (0..count).zip(agents.iter().cloned()) {
        let (address, stay) = (server.agents_address(), Arc::clone(&stay));
        tasks.spawn(async move {
            tokio::time::sleep(window * number / count).await;
            let (mut latencies, mut errors) = (Latencies::default(), Vec::new());
            let begun = Instant::now();
            let asked = async {
                let mut wire = Wire::open(address, Arc::clone(&agent.config)).await?;
                agent.ask(&mut wire, 304).await?;
                let took = begun.elapsed();
                wire.send("GET", NEWS, "", b"").await?;
                Result::Ok((wire, took))
            };
            let wire = asked.await;
            match &wire {
                Ok((_, took)) => latencies.add(*took),
                Err(error) => errors.push(format!("{}: {error}", agent.host)),
            }
            // Once all are there, and once more when they were counted.
            stay.wait().await;
            stay.wait().await;
            (latencies, errors)
        });
    }
    stay.wait().await;
    let (took, usage) = (begun.elapsed(), server.usage());
    stay.wait().await;
    let done = gather(tasks, begun).await?;
    Ok((Done { took, ..done }, usage))
}

async fn gather(mut tasks: JoinSet<(Latencies, Vec<String>)>, begun: Instant) -> Result<Done> {
    let mut done = Done { latencies: Latencies::default(), errors: Vec::new(), took: Duration::ZERO };
    while let Some(finished) = tasks.join_next().await {
        let (latencies, errors) = finished?;
        done.latencies.append(latencies);
        done.errors.extend(errors);
    }
    done.took = begun.elapsed();
    Ok(done)
}

/// Pushes a commit with a catalog for everybody, and waits until hosts get it.
fn compile_ahead(server: &CatalogServer, token: &str, hosts: &[String], plan: &Plan) -> Result<Done> {
    let operator = server.operator(Some(token));
    for (path, text) in site::files(hosts, plan.resources) {
        server.site.write(&path, &text);
    }
    let commit = server.site.push("load");
    let begun = Instant::now();
    server.command(&["notify"]);
    loop {
        let list = operator.get("/operator/v1/environments")?.json();
        let stands = |environment: &Value| environment["commit"] == json!(commit);
        let environments = list["environments"].as_array().cloned().unwrap_or_default();
        if environments.iter().any(stands) {
            let took = begun.elapsed();
            return Ok(Done { latencies: Latencies::alike(hosts.len(), took), errors: Vec::new(), took });
        }
        let refused = environments.iter().find(|environment| environment["refused"]["commit"] == json!(commit));
        if let Some(refused) = refused {
            return Err(format!("the server refuses the commit: {}", refused["refused"]).into());
        }
        // Each look is a handshake, which counts as the server's time.
        std::thread::sleep(LOOK);
    }
}
