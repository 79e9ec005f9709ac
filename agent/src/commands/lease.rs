//! `keel lease`.

use clap::{Args, Subcommand};
use keel_engine::host_name::HostName;
use keel_engine::protocol::leases::{Lease, LeaseList, LeaseRelease, OPERATOR_LEASES_PATH, RELEASE_PATH};
use reqwest::Method;

use crate::cli::{Context, print, print_json};
use crate::error::Result;
use crate::operator::{Operator, ServerArguments};
use crate::render::fleet;
use crate::render::paint::printable;

/// Show who may interrupt members of clusters, and take a lease that does not come back.
///
/// What interrupts a host under a guard is done with the guard's lease, and the host keeps it until it proves that it is
/// ready again. A lease has no end of its own: where a host is gone for good, an operator takes it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel lease list\n  keel lease release galera db-2 --why \"its disk is gone\"")]
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
    /// List who holds a lease and who waits for one, since when and why.
    #[command(after_help = "Example:\n  keel lease list --json")]
    List,
    /// Take a lease from a host, or end its waiting. Make sure first that the host is not in the middle of it.
    #[command(after_help = "Example:\n  keel lease release galera db-2 --why \"its disk is gone\"")]
    Release {
        /// The guard.
        guard: String,
        /// The host.
        #[arg(value_parser = |name: &str| HostName::new(name))]
        host: HostName,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// Runs it.
///
/// # Errors
/// The server is away or refuses.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let operator = Operator::connect(&arguments.server, context)?;
    match &arguments.action {
        Action::List => {
            let list: LeaseList = operator.get(OPERATOR_LEASES_PATH, &[])?;
            if arguments.json { print_json(&list)? } else { print(&list_text(&list, context))? }
        }
        Action::Release { guard, host, why } => {
            let release = LeaseRelease { guard: guard.clone(), host: host.to_string(), why: why.clone() };
            let taken: Lease = operator.send(Method::POST, RELEASE_PATH, &release)?;
            let what = if taken.held { "no longer holds" } else { "no longer waits for" };
            let text = format!("{} {what} the lease of guard {}\n", printable(&taken.host), printable(&taken.guard));
            if arguments.json { print_json(&taken)? } else { print(&text)? }
        }
    }
    Ok(0)
}

fn list_text(list: &LeaseList, context: &Context) -> String {
    match list.leases.as_slice() {
        [] => "nobody holds a lease or waits for one\n".to_owned(),
        leases => fleet::leases(leases, list.now_ms, context.paint()),
    }
}
