//! The benchmark: what keel costs against bare loops that do the least a correct tool could.
//!
//! Every figure is CPU time, user and system, of a whole process with its children, the median of
//! several runs in which the loop and keel take turns; the table shows ratios, which machines agree
//! on better than they do on milliseconds.
//!
//! `cargo run --release -p keel-tests --bin bench`, with `KEEL_BIN` naming the program (and `KEEL_SERVER_BIN`
//! the server, for the agent); `-- graph` and the
//! like measure one part. `-- fleet` also has Puppet compile, where there is one (or `KEEL_PUPPET` names it), and with
//! `KEEL_FLEET=100` makes its fleets a hundred times smaller.

mod agent;
mod cluster;
mod files;
mod fleet;
mod fleet_site;
mod graph;
mod loops;
mod measure;
mod mixed;
mod puppet;
mod table;

use std::io::Write;
use std::process::ExitCode;

use keel_tests::program::keel;

/// What can be measured by itself.
const PARTS: [&str; 7] = ["fixed", "files", "graph", "mixed", "cluster", "agent", "fleet"];

/// What can go wrong in a benchmark: anything, and all of it ends it.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["measure", command @ ..] => measure::measure_here(command),
        ["loop", kind, folder, count] => loops::run(kind, folder.as_ref(), count),
        ["mixed-here", keel] => mixed::rows_here(keel.as_ref()).and_then(|rows| table::print(&rows)),
        [] => measure_parts(&PARTS),
        parts if parts.iter().all(|part| PARTS.contains(part)) => measure_parts(parts),
        _ => Err(format!("usage: bench [{}]", PARTS.join("|")).into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody to tell is no reason to fail otherwise.
            let _ = writeln!(std::io::stderr(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the parts of those names, in that order, and prints each when it is done.
fn measure_parts(parts: &[&str]) -> Result<()> {
    table::print_head()?;
    for part in parts {
        table::print(&match *part {
            "graph" => graph::rows()?,
            "fixed" => files::fixed_costs(&keel())?,
            "files" => files::rows(&keel())?,
            "cluster" => cluster::rows(&keel())?,
            "agent" => agent::rows(&keel())?,
            "fleet" => fleet::rows(&keel())?,
            _ => mixed::rows(&keel())?,
        })?;
    }
    Ok(())
}
