//! `keel status`.

use clap::Args;
use keel_engine::host_name::HostName;
use keel_engine::protocol::fleet::{Condition, FleetStatus};

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::operator::{Operator, ServerArguments};
use crate::render::fleet;

/// Show the fleet at a glance: every host with its condition, since when, at which commit.
///
/// Silent hosts sent no report for three of their intervals; failing ones have failed resources or could
/// not run; waiting ones wait for another host, for their hours or for a lease; drifting ones were moved away
/// from their catalogs; the others are converged. The gravest come first. What the agent mends between two
/// runs (`watch = true`) leaves a host drifting until its next run, so that somebody sees it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel status\n  keel status --condition failing\n  keel status db-1 --json")]
pub struct Arguments {
    /// Only this host.
    #[arg(value_parser = |name: &str| HostName::new(name))]
    host: Option<HostName>,
    /// Only hosts in this condition.
    #[arg(long, value_name = "CONDITION", value_parser = ["silent", "failing", "waiting", "drifting", "new", "converged"])]
    condition: Option<String>,
    /// Only hosts that come after this one in the order of the list, as the last list named it.
    #[arg(long, value_name = "CONDITION/HOST")]
    after: Option<String>,
    /// How many hosts to list.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Runs it.
///
/// # Errors
/// The server is away or refuses, or there is no such host.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let limit = arguments.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(arguments.condition.as_deref().and_then(Condition::from_word).map(|condition| ("condition", condition.word())));
    query.extend(arguments.host.as_ref().map(|host| ("host", host.as_str())));
    query.extend(arguments.after.as_deref().map(|after| ("after", after)));
    let status: FleetStatus = Operator::connect(&arguments.server, context)?.get("/operator/v1/status", &query)?;
    if let (Some(host), [], None) = (&arguments.host, status.hosts.as_slice(), &arguments.condition) {
        return Err(Error::host(format!("there is no host {host} that is let in")).hint("keel node list"));
    }
    if arguments.json {
        print_json(&status)?
    } else {
        print(&fleet::status(&status, context.paint()))?
    }
    Ok(0)
}
