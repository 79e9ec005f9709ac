//! `keel-server token`.

use clap::{Args, Subcommand};
use keel_engine::host_name::HostName;
use keel_engine::protocol::nodes::TokenRequest;
use keel_engine::protocol::problem::Code;

use super::wait_for;
use crate::api::tokens;
use crate::audit::{Act, Outcome, record_here};
use crate::authority::Authority;
use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::owner::become_owner_of;
use crate::server::now_s;
use crate::store::{Store, now_ms};

/// Make one-time tokens that let hosts in.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel-server token create --host web-1")]
pub struct Arguments {
    #[command(subcommand)]
    operation: Operation,
}

#[derive(Debug, Subcommand)]
enum Operation {
    /// Make a token, and print the command to run on the host.
    #[command(after_help = "Example:\n  ssh web-1 sudo $(keel-server token create --host web-1)")]
    Create(Create),
}

#[derive(Debug, Args)]
struct Create {
    /// The only host that may use it; without, any one host.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The environment that the host is to follow.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// How long it is good, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = tokens::VALID_S, value_parser = clap::value_parser!(u64).range(1..=tokens::VALID_S_MAX))]
    valid: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// There is no authority, or the database does not answer.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Operation::Create(create) = &arguments.operation;
    let host = create.host.as_deref().map(HostName::new).transpose();
    let host = host.map_err(|why| Error::usage(format!("`--host` is not a host name: {why}")))?;
    let settings = context.settings()?;
    become_owner_of(&settings.state)?;
    let authority = Authority::open(settings.authority(), now_s())?;
    let request = TokenRequest { host, environment: create.environment.clone(), valid_s: Some(create.valid) };
    let answer = wait_for(async {
        let store = Store::open(&settings.database()?).await?;
        let made = tokens::make(&store, &authority, &settings, request, "local").await;
        made.map_err(|refusal| match refusal.0.code {
            Code::Malformed | Code::Unprocessable => Error::usage(refusal.0.detail).hint_if(refusal.0.hint),
            _ => Error::trouble(refusal.0.detail).hint_if(refusal.0.hint),
        })
    })?;
    let object = create.host.as_deref().unwrap_or("any host");
    record_here(now_ms(), &Act { act: "token", actor: "local".to_owned(), object, outcome: Outcome::Done, detail: "" });
    if settings.listen.port() == 0 {
        let why = "`listen` has port 0, so each start of the server has another one: put it in place of PORT (the log names it)";
        crate::log::warning(why, &[]);
    }
    if create.json { print_json(&answer) } else { print(&format!("{}\n", answer.command)) }
}
