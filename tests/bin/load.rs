//! The load test by hand: `cargo run --release -p keel-tests --bin load -- --agents 10000`, with
//! `KEEL_SERVER_BIN` naming a release build of `keel-server`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use keel_tests::load::{Plan, Result, run};

const USAGE: &str = "usage: load [--agents N] [--resources N] [--busy N] [--seconds N] [--storm SECONDS] [--json]";

fn main() -> ExitCode {
    match measured() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody to tell is no reason to fail otherwise.
            let _ = writeln!(std::io::stderr(), "load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what the command line asks for, and says whether there was no error.
fn measured() -> Result<bool> {
    let mut plan = Plan { agents: 1000, resources: 500, busy: 64, seconds: 20, storm: Duration::from_secs(60) };
    let mut json = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--json" {
            json = true;
            continue;
        }
        let number: u64 = words.next().and_then(|number| number.parse().ok()).ok_or(USAGE)?;
        match word.as_str() {
            "--agents" => plan.agents = usize::try_from(number)?,
            "--resources" => plan.resources = usize::try_from(number)?,
            "--busy" => plan.busy = usize::try_from(number)?,
            "--seconds" => plan.seconds = number,
            "--storm" => plan.storm = Duration::from_secs(number),
            _ => return Err(USAGE.into()),
        }
    }
    let figures = run(&plan)?;
    let text = if json { format!("{}\n", serde_json::to_string_pretty(&figures)?) } else { figures.to_string() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(figures.phases.iter().all(|phase| phase.errors.is_empty()))
}
