//! What the server uses of the machine, with its compile workers.

use std::fs;

/// What a process and its children use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time, also of children that ended.
    pub cpu_seconds: f64,
    /// Memory now, in MiB; pages that they share count for each.
    pub now_mib: f64,
    /// The most memory so far.
    pub peak_mib: f64,
}

/// Ticks of processor time in a second; Linux has this value on every machine that Debian supports.
const TICKS: f64 = 100.0;

impl Usage {
    /// Of a process and its children.
    pub fn of(process: u32) -> Self {
        let mut all = Self::default();
        for one in std::iter::once(process).chain(children(process)) {
            let read = |name: &str| fs::read_to_string(format!("/proc/{one}/{name}")).unwrap_or_default();
            all.cpu_seconds += cpu_ticks(&read("stat")) / TICKS;
            let status = read("status");
            all.now_mib += kib(&status, "VmRSS:") / 1024.0;
            all.peak_mib += kib(&status, "VmHWM:") / 1024.0;
        }
        all
    }
}

/// User and system time of a process, and of children that ended.
fn cpu_ticks(stat: &str) -> f64 {
    // The second field is the program's name, in parentheses, and may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(11..15).unwrap_or_default().iter().filter_map(|field| field.parse::<f64>().ok()).sum()
}

fn kib(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn children(process: u32) -> Vec<u32> {
    let ids = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok()) == Some(process)
    };
    ids.filter(is_child).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(cpu_ticks("7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), 11.0 + 12.0 + 13.0 + 14.0);
        assert_eq!(kib("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS:"), 2048.0);
        assert!(Usage::of(std::process::id()).now_mib > 0.0);
    }
}
