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
            measured: format!("{ratio:.1}x"),
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

    fn cells(&self) -> [&str; 6] {
        [&self.work, &self.base, &self.keel, &self.measured, &self.goal, if self.met { "met" } else { "MISSED" }]
    }
}

/// Prints the rows in columns.
pub(crate) fn print(rows: &[Row]) -> Result<()> {
    let mut lines = vec![["work", "loop", "keel", "measured", "goal", ""]];
    lines.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..6).map(|column| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = std::io::stdout().lock();
    for cells in lines {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
