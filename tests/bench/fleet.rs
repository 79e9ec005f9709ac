//! What a fleet costs before anybody is asked: `keel check` and `keel diff` of a whole site, from folders.

use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::fleet_site::{RACK, files, write};
use crate::measure::cost;
use crate::puppet;
use crate::table::Row;

/// How many hosts the fleets have; `KEEL_FLEET=100` divides them, to try whether all of it works.
const SMALL: usize = 1_000;
const LARGE: usize = 10_000;

/// Measures each once, on all processors; the goals are those of two.
pub(crate) fn rows(keel: &Path) -> Result<Vec<Row>> {
    let divisor: usize = std::env::var("KEEL_FLEET").map_or(Ok(1), |text| text.parse())?;
    let [small, large] = [SMALL, LARGE].map(|hosts| hosts / divisor.max(1));
    let program = keel.to_string_lossy();
    let scratch = tempfile::tempdir()?;
    let [base, head, fleet, caches] = ["base", "head", "fleet", "caches"].map(|name| scratch.path().join(name));
    write(&base, files(small))?;
    write(&head, files(small))?;
    write(&fleet, files(large))?;
    edit(&head)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let check = |site: &Path| cost(&[&program, "check", &text(site), "--cache", &text(&caches)]);
    let few = check(&base)?;
    let cold = check(&fleet)?;
    let warm = check(&fleet)?;
    edit(&fleet)?;
    let edited = check(&fleet)?;
    let diff = cost(&[&program, "diff", &text(&base), &text(&head), "--site", &text(&head)])?;
    let seconds = Duration::from_secs;
    let mut rows = vec![
        Row::time(&format!("check of {small} hosts x 200 resources: processor time"), few.cpu, seconds(6)),
        Row::time(&format!("check of {large} hosts x 200 resources: time that passes"), cold.wall, seconds(30)),
        Row::time("the same: processor time", cold.cpu, seconds(60)),
        Row::memory("the same: memory", cold.peak_kib, 1024),
        Row::ratio("the same against a tenth of the hosts: linear is 10", (few, cold), 12.0),
        Row::time(&format!("check of {large} hosts again: time that passes"), warm.wall, seconds(3)),
        Row::time("the same after one line of 200 hosts' variables: time that passes", edited.wall, seconds(3)),
        Row::time("the same: processor time", edited.cpu, seconds(6)),
        Row::memory("the same: memory", edited.peak_kib, 1024),
        Row::time(&format!("diff of {small} hosts, one line of variables: time that passes"), diff.wall, seconds(5)),
        Row::time("the same: processor time", diff.cpu, seconds(10)),
        Row::memory("the same: memory", diff.peak_kib, 1024),
    ];
    rows.extend(puppet::rows(keel)?);
    Ok(rows)
}

/// One line of one rack's variables.
fn edit(site: &Path) -> Result<()> {
    let rack = site.join(RACK);
    Ok(std::fs::write(&rack, std::fs::read_to_string(&rack)?.replace(".53", ".54"))?)
}
