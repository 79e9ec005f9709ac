//! Reports on the wire: an agent writes each to its disk first and sends it until it is acknowledged.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::report::{Report, Totals};

/// Where an agent posts its reports, one at a time, the oldest first.
pub const REPORTS_PATH: &str = "/v1/reports";
/// The most bytes of a delivery.
pub const REPORT_BYTES_MAX: usize = 8 << 20;

/// One report on its way to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// What the agent calls it: unique for its host, 8 to 64 of `a-z`, `0-9`, `-`. A second delivery under
    /// the id is acknowledged and not stored again; with other contents it is refused (409).
    pub id: String,
    /// Names the spool that counts: another one means that the agent's state was made anew. As `id`.
    pub series: String,
    /// Counts the series' reports from 1 without a gap, so that the server sees what is missing.
    pub sequence: u64,
    /// The environment that the catalog came from, as the server said when it delivered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The commit that the catalog came from, as the server said when it delivered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What started the run.
    pub trigger: Trigger,
    /// The agent's interval in seconds: without a report for three of them a host counts as silent.
    pub interval_s: u64,
    /// Why the run did not happen, if it did not; the report then has no resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The report, [`Report::without_unchanged`]: what it does not list was unchanged.
    pub report: Report,
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    /// The interval was over.
    Interval,
    /// The agent began.
    Start,
    /// Somebody typed a command on the host, or sent a signal.
    Local,
    /// The server had another catalog.
    Catalog,
    /// Another host's thing became ready.
    Gate {
        /// The other host.
        host: String,
        /// Its thing.
        target: Address,
    },
    /// An operator asked for it.
    Operator {
        /// Who.
        name: String,
    },
    /// Something that the catalog manages was touched on the host.
    Watch {
        /// What.
        touched: Vec<Address>,
    },
    /// The hours of a schedule began for which something waited.
    Opening,
    /// A lease for which something waited became free, or the server is back that was asked for it.
    Lease {
        /// The guard.
        guard: String,
    },
    /// A newer agent knows more.
    #[serde(other)]
    Other,
}

impl std::fmt::Display for Trigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trigger::Interval => f.write_str("interval"),
            Trigger::Start => f.write_str("agent start"),
            Trigger::Local => f.write_str("somebody on the host"),
            Trigger::Catalog => f.write_str("new catalog"),
            Trigger::Opening => f.write_str("hours of a schedule"),
            Trigger::Lease { guard } => write!(f, "the lease of guard {guard} became free"),
            Trigger::Gate { host, target } => write!(f, "{host}: {target} became ready"),
            Trigger::Operator { name } => write!(f, "operator {name}"),
            Trigger::Watch { touched } => match touched.as_slice() {
                [] => f.write_str("local event"),
                [one] => write!(f, "{one} was touched"),
                [first, rest @ ..] => write!(f, "{first} and {} more were touched", rest.len()),
            },
            Trigger::Other => f.write_str("other"),
        }
    }
}

/// The acknowledgement: the report is on the server's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// The delivery's id.
    pub id: String,
    /// Whether the server had it already.
    pub repeated: bool,
}

impl Delivery {
    /// Whether its parts fit together.
    ///
    /// # Errors
    /// Says what does not.
    pub fn check(&self, host: &str) -> Result<(), String> {
        check_id("id", &self.id)?;
        check_id("series", &self.series)?;
        if self.sequence == 0 {
            return Err("sequence counts from 1".to_owned());
        }
        if self.report.host != host {
            return Err("the report is another host's".to_owned());
        }
        let counted = Totals { unchanged: 0, resources: 0, ..Totals::of(&self.report.resources) };
        let said = Totals { unchanged: 0, resources: 0, ..self.report.totals };
        if counted != said {
            return Err("the totals are not those of the listed resources".to_owned());
        }
        let listed = self.report.resources.len();
        if self.report.totals.unchanged.checked_add(listed) != Some(self.report.totals.resources) {
            return Err("the totals do not add up".to_owned());
        }
        if self.failure.is_some() && listed > 0 {
            return Err("a run that did not happen has no resources".to_owned());
        }
        Ok(())
    }
}

fn check_id(what: &str, id: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (8..=64).contains(&id.len()) && id.bytes().all(plain) { Ok(()) } else { Err(format!("{what} is not 8 to 64 of a-z, 0-9 and -")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::report::{FORMAT_VERSION, Mode};

    fn delivery() -> Delivery {
        let report = Report {
            format_version: FORMAT_VERSION.to_owned(),
            run: "1".to_owned(),
            host: "db-1".to_owned(),
            site: "s".to_owned(),
            catalog: Digest::of(b"c"),
            mode: Mode::Apply,
            started_ms: 0,
            duration_ms: 1,
            resources: Vec::new(),
            totals: Totals { resources: 7, unchanged: 7, ..Totals::default() },
            owed: Vec::new(),
            released: Vec::new(),
            warnings: Vec::new(),
        };
        let (id, series) = ("0123-abcd".to_owned(), "spool-01".to_owned());
        Delivery {
            id,
            series,
            sequence: 1,
            environment: None,
            commit: None,
            trigger: Trigger::Interval,
            interval_s: 1800,
            failure: None,
            report,
        }
    }

    #[test]
    fn a_sound_delivery_passes_and_comes_back_from_json() {
        let sound = delivery();
        assert_eq!(sound.check("db-1"), Ok(()));
        let text = serde_json::to_string(&sound).unwrap();
        assert_eq!(serde_json::from_str::<Delivery>(&text).unwrap(), sound);
    }

    #[test]
    fn what_contradicts_itself_is_found() {
        let wrong = |change: fn(&mut Delivery)| {
            let mut delivery = delivery();
            change(&mut delivery);
            delivery.check("db-1").unwrap_err()
        };
        assert!(wrong(|one| one.id = "../../etc".to_owned()).contains("id"));
        assert!(wrong(|one| one.series = "X".repeat(9)).contains("series"));
        assert!(wrong(|one| one.sequence = 0).contains("sequence"));
        assert!(wrong(|one| one.report.host = "db-2".to_owned()).contains("another host"));
        assert!(wrong(|one| one.report.totals.failed = 1).contains("listed"));
        assert!(wrong(|one| one.report.totals.unchanged = 6).contains("add up"));
        assert!(wrong(|one| one.report.totals.unchanged = usize::MAX).contains("add up"));
    }

    #[test]
    fn a_trigger_of_a_newer_agent_is_understood() {
        assert_eq!(serde_json::from_str::<Trigger>(r#"{"kind":"moon_phase"}"#).unwrap(), Trigger::Other);
    }
}
