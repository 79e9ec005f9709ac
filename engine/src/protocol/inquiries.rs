//! Inquiries: an operator asks hosts what a commit would change on them, and gathers the plans that they make.

use serde::{Deserialize, Serialize};

use super::environment::Finding;
use crate::report::{Mode, Report, Totals};

/// Where an agent asks what it is asked. Below `/ID` of one of them: `/catalog`, `/secrets` and `/content/BLAKE3` of the
/// commit that it is about, and `/answer` for the answer.
pub const INQUIRIES_PATH: &str = "/v1/inquiries";
/// Where operators ask, and below `/ID` find what came of it.
pub const ASK_PATH: &str = "/operator/v1/inquiries";
/// The longest that hosts may be given to answer, in seconds.
pub const DEADLINE_S_MAX: u64 = 1800;
/// The longest that the answer to a look at an inquiry is held, in seconds.
pub const WAIT_S_MAX: u64 = 60;
/// The most bytes of a host's answer.
pub const ANSWER_BYTES_MAX: usize = 2 << 20;

/// What an operator asks: the body of a POST to [`ASK_PATH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InquiryRequest {
    /// The commit: a branch, a tag, or the first digits of it.
    pub reference: String,
    /// A selector of hosts; all of the commit's, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<String>,
    /// How long hosts may take to answer, in seconds; at most [`DEADLINE_S_MAX`].
    pub deadline_s: u64,
}

/// How an inquiry stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inquiry {
    /// What the server calls it.
    pub id: String,
    /// The commit as it was named.
    pub reference: String,
    /// The commit in hexadecimal.
    pub commit: String,
    /// The site's name.
    pub site: String,
    /// Who asks.
    pub by: String,
    /// How long hosts may take from its beginning, in seconds.
    pub deadline_s: u64,
    /// What the compiler says of the site as a whole. Where an error is among it nobody was asked.
    pub findings: Vec<Finding>,
    /// How many hosts it is about.
    pub hosts: u64,
    /// How many of them have answered.
    pub answered: u64,
    /// Whether nothing more will come: all have answered, or the time is over.
    pub over: bool,
}

/// A page of what came of an inquiry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedHosts {
    /// Hosts in the order of the inventory.
    pub hosts: Vec<AskedHost>,
    /// What to give as `after` to get the next ones; none if there are none.
    pub after: Option<u64>,
}

/// A host of an inquiry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedHost {
    /// Its name.
    pub host: String,
    /// Its groups in the commit.
    pub groups: Vec<String>,
    /// Whether such a host was let in when it was asked; nobody else can hear.
    pub told: bool,
    /// Whether its agent heard.
    pub heard: bool,
    /// What it answered; none if it is silent.
    pub reply: Option<Reply>,
}

/// What a host answers: the body of a POST to `/answer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// Its plan.
    Plan {
        /// The plan, [`Report::without_unchanged`].
        report: Box<Report>,
    },
    /// It has none.
    None {
        /// Why, in one sentence.
        why: String,
    },
    /// Its manifests do not compile. The server says that, never a host.
    DoesNotCompile {
        /// What the compiler found.
        findings: Vec<Finding>,
    },
}

impl Reply {
    /// Whether it may be the answer of this host.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self, host: &str) -> Result<(), String> {
        match self {
            Reply::DoesNotCompile { .. } => Err("whether something compiles is not for hosts to say".to_owned()),
            Reply::None { .. } => Ok(()),
            Reply::Plan { report } if report.host != host => Err("the plan is another host's".to_owned()),
            Reply::Plan { report } if report.mode != Mode::Plan => Err("this is the report of a run and no plan".to_owned()),
            Reply::Plan { report } => {
                let counted = Totals { unchanged: 0, resources: 0, ..Totals::of(&report.resources) };
                let said = Totals { unchanged: 0, resources: 0, ..report.totals };
                if counted == said { Ok(()) } else { Err("the totals are not those of the listed resources".to_owned()) }
            }
        }
    }
}

/// What a host is asked now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenInquiries {
    /// What it has not answered yet, the oldest first.
    pub inquiries: Vec<OpenInquiry>,
}

/// One inquiry, as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenInquiry {
    /// What the server calls it.
    pub id: String,
    /// The commit in hexadecimal.
    pub commit: String,
    /// Who asks.
    pub by: String,
    /// How long an answer is still waited for, in milliseconds.
    pub left_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::report::FORMAT_VERSION;

    fn report(host: &str, mode: Mode) -> Report {
        Report {
            format_version: FORMAT_VERSION.to_owned(),
            run: "1".to_owned(),
            host: host.to_owned(),
            site: "s".to_owned(),
            catalog: Digest::of(b"c"),
            mode,
            started_ms: 0,
            duration_ms: 0,
            totals: Totals { resources: 3, unchanged: 3, ..Totals::default() },
            resources: Vec::new(),
            owed: Vec::new(),
            released: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_host_answers_with_a_plan_of_its_own_or_says_why_not() {
        assert_eq!(Reply::Plan { report: Box::new(report("a", Mode::Plan)) }.check("a"), Ok(()));
        assert_eq!(Reply::None { why: "disabled".to_owned() }.check("a"), Ok(()));
        let miscounted = Report { totals: Totals { failed: 1, ..Totals::default() }, ..report("a", Mode::Plan) };
        for (reply, why) in [
            (Reply::Plan { report: Box::new(report("b", Mode::Plan)) }, "another host's"),
            (Reply::Plan { report: Box::new(report("a", Mode::Apply)) }, "no plan"),
            (Reply::Plan { report: Box::new(miscounted) }, "totals"),
            (Reply::DoesNotCompile { findings: Vec::new() }, "not for hosts"),
        ] {
            assert!(reply.check("a").unwrap_err().contains(why), "{why}");
        }
    }
}
