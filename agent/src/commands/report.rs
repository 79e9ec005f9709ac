//! `keel report`.

use clap::{Args, Subcommand};
use keel_engine::host_name::HostName;
use keel_engine::protocol::fleet::{ReportList, StoredReport};
use keel_engine::protocol::nodes::NodeDetail;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::operator::{Operator, ServerArguments, escaped};
use crate::render::report::Style;
use crate::render::{fleet, report};

/// Look at the reports that hosts sent to the server.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel report list --host db-1\n  keel report last db-1\n  keel report show b3cbe16718077308b7c80ac98f102328"
)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Print as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List reports, the newest first.
    #[command(after_help = "Example:\n  keel report list --host db-1")]
    List {
        /// Only those of this host.
        #[arg(long, value_parser = |name: &str| HostName::new(name))]
        host: Option<HostName>,
        /// Only those before this number, as the last list gave it.
        #[arg(long)]
        before: Option<u64>,
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show one report, whole.
    #[command(after_help = "Example:\n  keel report show b3cbe16718077308b7c80ac98f102328")]
    Show {
        /// Its id, as the list shows it.
        id: String,
        /// Its host, where several hosts used the id.
        #[arg(long, value_parser = |name: &str| HostName::new(name))]
        host: Option<HostName>,
    },
    /// Show the newest report of a host.
    #[command(after_help = "Example:\n  keel report last db-1")]
    Last {
        /// The host.
        #[arg(value_parser = |name: &str| HostName::new(name))]
        host: HostName,
    },
}

/// Runs it.
///
/// # Errors
/// The server is away or refuses, or there is no such report.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let operator = Operator::connect(&arguments.server, context)?;
    match &arguments.action {
        Action::List { host, before, limit } => {
            let list = list(&operator, host.as_ref(), *before, *limit)?;
            if let (Some(host), [], None) = (host, list.reports.as_slice(), before) {
                // A host that has sent nothing yet is one all the same; of others this says so.
                operator.get::<NodeDetail>(&format!("/operator/v1/nodes/{host}"), &[])?;
            }
            if arguments.json { print_json(&list)? } else { print(&fleet::reports(&list, context.paint()))? }
        }
        Action::Show { id, host } => show(arguments, &one(&operator, id, host.as_ref())?, context)?,
        Action::Last { host } => {
            let newest = list(&operator, Some(host), None, 1)?.reports.into_iter().next();
            let newest =
                newest.ok_or_else(|| Error::host(format!("there is no report of {host}")).hint(format!("keel node show {host}")))?;
            show(arguments, &one(&operator, &newest.id, Some(host))?, context)?;
        }
    }
    Ok(0)
}

fn list(operator: &Operator, host: Option<&HostName>, before: Option<u64>, limit: u16) -> Result<ReportList> {
    let (before, limit) = (before.map(|before| before.to_string()), limit.to_string());
    let mut query = vec![("limit", limit.as_str())];
    query.extend(host.map(|host| ("host", host.as_str())));
    query.extend(before.as_deref().map(|before| ("before", before)));
    operator.get("/operator/v1/reports", &query)
}

fn one(operator: &Operator, id: &str, host: Option<&HostName>) -> Result<StoredReport> {
    let query: Vec<(&str, &str)> = host.map(|host| ("host", host.as_str())).into_iter().collect();
    operator.get(&format!("/operator/v1/reports/{}", escaped(id)), &query)
}

fn show(arguments: &Arguments, stored: &StoredReport, context: &Context) -> Result<()> {
    if arguments.json {
        return print_json(stored);
    }
    let paint = context.paint();
    let heading = fleet::heading(&stored.summary, paint);
    print(&format!("{heading}\n{}", report::text(&stored.report, Style { paint, all: true, full: true })))
}
