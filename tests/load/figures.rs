//! Figures: how many, how fast, at what cost.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What the load test found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// What was done, in order.
    pub phases: Vec<Phase>,
    /// The most memory that the server and its workers had together, in MiB; pages that they share count for each.
    pub memory_mib: f64,
    /// What they had while all agents were connected.
    pub memory_open_mib: f64,
}

/// One thing that was done many times.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Phase {
    /// What.
    pub name: String,
    /// How many times it succeeded.
    pub count: usize,
    /// How long it took in all.
    pub seconds: f64,
    /// The processor time of the server and its workers meanwhile.
    pub server_cpu_seconds: f64,
    /// The time that half of them took at most.
    pub p50_ms: f64,
    /// The time that 99 of 100 took at most.
    pub p99_ms: f64,
    /// The first errors.
    pub errors: Vec<String>,
}

impl Phase {
    /// How many in a second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds.max(f64::EPSILON)
    }

    /// The processor time of one, in milliseconds.
    pub fn cpu_ms_each(&self) -> f64 {
        1000.0 * self.server_cpu_seconds / self.count.max(1) as f64
    }

    /// How many in a second two processors would do, had the server both of them for itself.
    pub fn rate_of_two_cores(&self) -> f64 {
        2.0 * self.count as f64 / self.server_cpu_seconds.max(f64::EPSILON)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<34} {:>8} {:>7} {:>7} {:>12} {:>15} {:>7} {:>8} {:>7}",
            "", "count", "s", "per s", "CPU ms each", "per s, 2 cores", "p50 ms", "p99 ms", "errors"
        )?;
        for phase in &self.phases {
            writeln!(
                f,
                "{:<34} {:>8} {:>7.1} {:>7.0} {:>12.2} {:>15.0} {:>7.1} {:>8.1} {:>7}",
                phase.name,
                phase.count,
                phase.seconds,
                phase.rate(),
                phase.cpu_ms_each(),
                phase.rate_of_two_cores(),
                phase.p50_ms,
                phase.p99_ms,
                phase.errors.len()
            )?;
        }
        writeln!(f, "server and workers: at most {:.0} MiB, {:.0} MiB with every agent connected", self.memory_mib, self.memory_open_mib)?;
        for error in self.phases.iter().flat_map(|phase| &phase.errors) {
            writeln!(f, "error: {error}")?;
        }
        Ok(())
    }
}

/// How long things took.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// So many that took equally long together.
    pub(super) fn alike(count: usize, together: Duration) -> Self {
        let one = together / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let mut latencies = Self::default();
        (0..count).for_each(|_| latencies.add(one));
        latencies
    }

    pub(super) fn add(&mut self, took: Duration) {
        self.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.micros.append(&mut other.micros);
    }

    pub(super) fn count(&self) -> usize {
        self.micros.len()
    }

    /// The time, in milliseconds, that so many of 100 took at most.
    pub(super) fn percentile(&mut self, percent: usize) -> f64 {
        self.micros.sort_unstable();
        let at = (self.micros.len() * percent).div_ceil(100).saturating_sub(1);
        self.micros.get(at).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_added() {
        let mut latencies = Latencies::default();
        (1..=100).rev().for_each(|ms| latencies.add(Duration::from_millis(ms)));
        assert_eq!((latencies.percentile(50), latencies.percentile(99), latencies.count()), (50.0, 99.0, 100));
        assert_eq!(Latencies::default().percentile(99), 0.0);
    }
}
