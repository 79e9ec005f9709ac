//! What one process with its children costs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::Result;

/// How often everything is measured; the median counts.
const RUNS: usize = 5;

/// What a process cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cost {
    /// Time on the processor, user and system.
    pub(crate) cpu: Duration,
    /// Time that passed.
    pub(crate) wall: Duration,
    /// The most memory it had.
    pub(crate) peak_kib: i64,
}

/// Runs one command and prints what it cost. A process of its own does this for every measurement,
/// since the system adds up children and remembers only the largest.
pub(crate) fn measure_here(command: &[&str]) -> Result<()> {
    let (program, arguments) = command.split_first().ok_or("nothing to measure")?;
    let begun = Instant::now();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    let wall = begun.elapsed();
    if !output.status.success() {
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        return Err(format!("{}: {}\n{}", command.join(" "), output.status, last.join("\n")).into());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    let text = format!("{cpu} {} {}\n", wall.as_micros(), usage.max_rss());
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(())
}

/// The cost of one run of a command.
pub(crate) fn cost(command: &[&str]) -> Result<Cost> {
    let output = Command::new(std::env::current_exe()?).arg("measure").args(command).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{} did not succeed", command.join(" ")).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let [cpu, wall, peak] = text.split_whitespace().collect::<Vec<_>>().try_into().map_err(|_| "a measurement without figures")?;
    Ok(Cost { cpu: Duration::from_micros(cpu.parse()?), wall: Duration::from_micros(wall.parse()?), peak_kib: peak.parse()? })
}

/// The cost of one run of a bare loop.
pub(crate) fn loop_cost(kind: &str, folder: &Path, count: &str) -> Result<Cost> {
    let bench = std::env::current_exe()?;
    cost(&[&bench.to_string_lossy(), "loop", kind, &folder.to_string_lossy(), count])
}

/// The medians of two costs that are measured in turns, after one turn that only warms the caches.
pub(crate) fn in_turns(mut base: impl FnMut() -> Result<Cost>, mut other: impl FnMut() -> Result<Cost>) -> Result<(Cost, Cost)> {
    base()?;
    other()?;
    let (mut bases, mut others) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bases.push(base()?);
        others.push(other()?);
    }
    Ok((median(bases), median(others)))
}

/// The median of one cost.
pub(crate) fn alone(mut one: impl FnMut() -> Result<Cost>) -> Result<Cost> {
    one()?;
    Ok(median((0..RUNS).map(|_| one()).collect::<Result<_>>()?))
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort();
    costs[costs.len() / 2]
}
