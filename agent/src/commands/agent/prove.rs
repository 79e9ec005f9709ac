//! The process in which the agent looks how its host is as a member of a cluster.

use clap::Args;
use keel_engine::protocol::leases::Demand;

use super::ready;
use crate::error::{Error, Result};
use crate::pull::home::Home;
use crate::pull::leases::prover;
use crate::pull::process;

/// Say how this host is as a member, for the agent that started this.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel agent prove")]
pub(super) struct Arguments {
    /// What others want to know, as JSON; without it a lease that is held since an earlier run is given back.
    #[arg(long)]
    demands: Option<String>,
}

/// Looks, and tells the server.
///
/// # Errors
/// The server cannot be told.
pub(super) fn run(arguments: &Arguments, home: &Home) -> Result<u8> {
    process::normalise();
    let settings = ready(home)?;
    match &arguments.demands {
        None => prover::settle(home, &settings)?,
        Some(demands) => {
            let demands: Vec<Demand> = serde_json::from_str(demands).map_err(|error| Error::usage(format!("--demands: {error}")))?;
            prover::answer(home, &settings, &demands)?;
        }
    }
    Ok(0)
}
