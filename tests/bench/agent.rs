//! What the agent costs: while it waits, and for a run with nothing to do, beyond what `keel apply` costs.

use std::path::Path;
use std::time::Duration;

use keel_tests::agent::{AgentHost, Line, until};
use keel_tests::server::CatalogServer;
use nix::sys::signal::Signal;

use crate::Result;
use crate::measure::{cost, in_turns};
use crate::table::Row;

/// Resources of the host.
const RESOURCES: usize = 500;
/// How long a run and what follows it may take.
const SETTLES: Duration = Duration::from_secs(15);
/// How long the agent is watched while it waits.
const WATCHED: Duration = Duration::from_secs(60);

/// The rows of the agent.
pub(crate) fn rows(keel: &Path) -> Result<Vec<Row>> {
    let server = CatalogServer::start_with("environments = ['production']\n[limits]\nhost_requests_per_minute = 1000000");
    let manifest = format!(
        "group all {{\n    file \"/files\" ensure=directory\n    for i in=\"range({})\" {{\n        file \"/files/f{{{{ i }}}}\" content=\"number {{{{ i }}}}\\n\"\n    }}\n}}\n",
        RESOURCES - 1
    );
    let files =
        [("keel.toml", "name = \"bench\"\n"), ("inventory/hosts.toml", "[hosts.db-1]\n"), ("manifests/site.kdl", manifest.as_str())];
    let folder = tempfile::tempdir()?;
    for (path, text) in files {
        server.site.write(path, text);
        let path = folder.path().join("site").join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        std::fs::write(path, text)?;
    }
    server.site.push("bench");
    server.command(&["notify"]);
    let line = Line::to(server.agents_address());
    let host = AgentHost::join_over(&line, &server, "db-1");
    let root = folder.path().join("root");
    std::fs::create_dir(&root)?;

    let (keel, root, site) = (keel.to_string_lossy(), root.to_string_lossy(), folder.path().join("site"));
    let apply = || cost(&[&*keel, "apply", &site.to_string_lossy(), "--host", "db-1", "--root", &*root]);
    let home = host.path("");
    let round = || cost(&[&*keel, "agent", "--once", "--root", &home.to_string_lossy()]);
    until("there is a catalog", || host.once().status.success());
    // Neither a site nor a file that was written in the last two seconds is trusted.
    apply()?;
    round()?;
    std::thread::sleep(Duration::from_secs(3));
    let (base, agent) = in_turns(apply, round)?;
    let extra = agent.cpu.saturating_sub(base.cpu);
    let mut rows = vec![Row::time("agent --once, 500 resources, beyond apply", extra, Duration::from_millis(20))];
    rows.extend(waiting(&server, &host)?);
    Ok(rows)
}

/// Memory of an agent that has heard the server and made runs, and how often it wakes.
fn waiting(server: &CatalogServer, host: &AgentHost) -> Result<Vec<Row>> {
    let operator = server.add_operator("olga", "operator");
    let mut rows = Vec::new();
    for (settings, name) in [("interval = \"1d\"", "agent that waits"), ("watch = true", "agent that waits and watches")] {
        let agent = host.set(settings).start();
        let is_quiet = || host.status()["running"] == false && !host.status()["last_round"].is_null();
        agent.signal(Signal::SIGHUP);
        until("a run was made", is_quiet);
        let asked = operator.post("/operator/v1/run", &serde_json::json!({ "hosts": [host.name()] }))?;
        assert_eq!(asked.status, 200, "{}", asked.text());
        until("there was news", || agent.log().contains("the server says"));
        // What systemd and the kernel tell of the run itself comes a moment after its end.
        std::thread::sleep(SETTLES);
        until("that run was made", is_quiet);
        let before = figure(agent.process(), "voluntary_ctxt_switches")?;
        std::thread::sleep(WATCHED);
        let woken = figure(agent.process(), "voluntary_ctxt_switches")? - before;
        rows.push(Row::memory(&format!("{name}, resident"), figure(agent.process(), "VmRSS")?, 12));
        rows.push(Row::count(&format!("{name}, wake-ups in a minute"), woken, 1));
        agent.stop();
    }
    Ok(rows)
}

fn figure(process: u32, name: &str) -> Result<i64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).ok_or("no such figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
