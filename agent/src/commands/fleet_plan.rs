//! `keel plan --environment`: asks live hosts, through the server, what a commit would change.

use std::time::{Duration, Instant};

use clap::Args;
use keel_engine::catalog::Catalog;
use keel_engine::preview::Preview;
use keel_engine::protocol::inquiries::{ASK_PATH, AskedHost, AskedHosts, DEADLINE_S_MAX, Inquiry, InquiryRequest, WAIT_S_MAX};
use reqwest::Method;

use crate::cli::{Context, print_error};
use crate::error::Result;
use crate::inquiry;
use crate::operator::{Operator, ServerArguments, escaped};
use crate::type_traits::TypeTraits;

/// How long after the time is over a server that was away may take to come back.
const GRACE: Duration = Duration::from_secs(60);
/// How long one look is held by the server.
const HOLD_S: u64 = 25;

/// Whom to ask, and about which commit.
#[derive(Debug, Clone, Args)]
pub(super) struct FleetArguments {
    /// Ask live hosts, through their server, what this commit of its repository would change: a branch, a tag or a commit.
    #[arg(
        long,
        value_name = "REF",
        conflicts_with_all = ["site", "host", "variables", "facts", "root", "cib", "only", "skip", "prune_max", "purge_max", "any_hour", "out", "all"]
    )]
    pub(super) environment: Option<String>,
    /// Only these hosts: a selector such as "group:web and not host:web-9".
    #[arg(short = 'l', long = "hosts", value_name = "SELECTOR", requires = "environment")]
    hosts: Option<String>,
    /// How long hosts may take to answer; who has not answered then is silent.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=DEADLINE_S_MAX))]
    deadline: u64,
    #[command(flatten)]
    server: ServerArguments,
}

/// What came of it.
pub(super) struct Asked {
    /// What hosts answered.
    pub(super) preview: Preview,
    operator: Operator,
    path: String,
}

impl Asked {
    /// The catalog that a host would have, as far as the server can tell.
    pub(super) fn catalog(&self, host: &str) -> Option<Catalog> {
        let bytes = self.operator.get_bytes(&format!("{}/hosts/{}/catalog", self.path, escaped(host))).ok()?;
        Catalog::from_bytes(&bytes).ok()
    }
}

/// Asks, waits, and gathers what was answered.
///
/// # Errors
/// The server is away for too long, or refuses.
pub(super) fn ask(reference: &str, arguments: &FleetArguments, context: &Context) -> Result<Asked> {
    let operator = Operator::connect(&arguments.server, context)?;
    let request = InquiryRequest { reference: reference.to_owned(), hosts: arguments.hosts.clone(), deadline_s: arguments.deadline };
    let asked: Inquiry = operator.send(Method::POST, ASK_PATH, &request)?;
    let until = Instant::now() + Duration::from_secs(arguments.deadline) + GRACE;
    let path = format!("{ASK_PATH}/{}", asked.id);
    let mut inquiry = asked.clone();
    let on_terminal = context.environment.stderr_is_terminal;
    while !inquiry.over {
        if on_terminal {
            print_error(&format!("\r\u{1b}[K{} of {} hosts have answered", inquiry.answered, inquiry.hosts));
        }
        let (answered, wait) = (inquiry.answered.to_string(), HOLD_S.min(WAIT_S_MAX).to_string());
        inquiry = operator.get_patiently(&path, &[("answered", &answered), ("wait_s", &wait)], until)?;
    }
    if on_terminal && !asked.over {
        print_error("\r\u{1b}[K");
    }
    let hosts = if asked.hosts > 0 { all_hosts(&operator, &path, until)? } else { Vec::new() };
    Ok(Asked { preview: inquiry::preview(&asked, hosts, &TypeTraits::of_all()), operator, path })
}

/// The hosts that were asked, page by page.
fn all_hosts(operator: &Operator, path: &str, until: Instant) -> Result<Vec<AskedHost>> {
    let mut hosts = Vec::new();
    let mut from: Option<String> = None;
    loop {
        let query: Vec<(&str, &str)> = from.iter().map(|from| ("after", from.as_str())).collect();
        let page: AskedHosts = operator.get_patiently(&format!("{path}/hosts"), &query, until)?;
        hosts.extend(page.hosts);
        match page.after {
            Some(after) => from = Some(after.to_string()),
            None => return Ok(hosts),
        }
    }
}
