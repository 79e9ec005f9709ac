//! The table that the benchmark prints.

use std::io::Write;
use std::time::Duration;

use crate::Result;
use crate::measure::Cost;

/// One line of the table.
pub(crate) struct Row {
    work: String,
    base: String,
    keel: String,
    measured: String,
    goal: String,
    met: bool,
}

impl Row {
    /// Keel's time as a multiple of a loop's.
    pub(crate) fn ratio(work: &str, (base, keel): (Cost, Cost), goal: f64) -> Row {
        let ratio = keel.cpu.as_secs_f64() / base.cpu.as_secs_f64().max(1e-6);
        Row {
            work: work.to_owned(),
            base: milliseconds(base.cpu),
            keel: milliseconds(keel.cpu),
            measured: if ratio < 0.95 { format!("{ratio:.3}x") } else { format!("{ratio:.1}x") },
            goal: format!("<= {goal}x"),
            met: ratio <= goal,
        }
    }

    /// Keel's time against a fixed limit.
    pub(crate) fn time(work: &str, cpu: Duration, goal: Duration) -> Row {
        let (keel, goal_text) = (milliseconds(cpu), format!("<= {} ms", goal.as_millis()));
        Row { work: work.to_owned(), base: String::new(), measured: keel.clone(), keel, goal: goal_text, met: cpu <= goal }
    }

    /// Keel's peak memory against a fixed limit.
    pub(crate) fn memory(work: &str, peak_kib: i64, goal_mib: i64) -> Row {
        let measured = format!("{:.1} MiB", peak_kib as f64 / 1024.0);
        let goal = format!("<= {goal_mib} MiB");
        Row { work: work.to_owned(), base: String::new(), keel: measured.clone(), measured, goal, met: peak_kib <= goal_mib * 1024 }
    }

    /// A count against a fixed limit.
    pub(crate) fn count(work: &str, count: i64, goal: i64) -> Row {
        let measured = count.to_string();
        Row { work: work.to_owned(), base: String::new(), keel: measured.clone(), measured, goal: format!("<= {goal}"), met: count <= goal }
    }

    fn cells(&self) -> [&str; 6] {
        [&self.work, &self.base, &self.keel, &self.measured, &self.goal, if self.met { "met" } else { "MISSED" }]
    }
}

/// Says something beside the rows.
pub(crate) fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Prints the names of the columns.
pub(crate) fn print_head() -> Result<()> {
    print_cells(["work", "loop", "keel", "measured", "goal", ""])
}

/// Prints rows.
pub(crate) fn print(rows: &[Row]) -> Result<()> {
    rows.iter().try_for_each(|row| print_cells(row.cells()))
}

fn print_cells([work, base, keel, measured, goal, met]: [&str; 6]) -> Result<()> {
    let line = format!("{work:<66} {base:>10} {keel:>10} {measured:>10} {goal:>10} {met}");
    Ok(writeln!(std::io::stdout(), "{}", line.trim_end())?)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
