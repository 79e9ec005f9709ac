//! `keel-server operator`.

use clap::{Args, Subcommand};
use keel_engine::digest::Digest;
use serde::Serialize;

use super::wait_for;
use crate::audit::{Act, Outcome, record_here};
use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::owner::become_owner_of;
use crate::random::{bytes, hex};
use crate::store::{Role, Store, StoreError, now_ms};

/// Add, list and remove who may use the operator's API. To be run on the server.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel-server operator add alice --role admin\n  keel-server operator list\n  keel-server operator remove alice"
)]
pub struct Arguments {
    #[command(subcommand)]
    operation: Operation,
}

#[derive(Debug, Subcommand)]
enum Operation {
    /// Add an operator, and print the bearer token, which is shown this once.
    #[command(after_help = "Example:\n  keel-server operator add alice --role viewer")]
    Add {
        /// The name.
        name: String,
        /// viewer looks; operator also lets hosts in, moves them to another environment and asks for runs; admin also shuts hosts out and makes tokens.
        #[arg(long, value_enum)]
        role: Role,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the operators and their roles.
    #[command(after_help = "Example:\n  keel-server operator list --json")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove an operator; the token is worth nothing from then on.
    #[command(after_help = "Example:\n  keel-server operator remove alice")]
    Remove {
        /// The name.
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
///
/// # Errors
/// The database does not answer, or the name is taken or unknown.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let settings = context.settings()?;
    become_owner_of(&settings.state)?;
    wait_for(async {
        let store = Store::open(&settings.database()?).await?;
        match &arguments.operation {
            Operation::Add { name, role, json } => add(&store, name, *role, *json).await,
            Operation::List { json } => list(&store, *json).await,
            Operation::Remove { name, json } => remove(&store, name, *json).await,
        }
    })
}

async fn add(store: &Store, name: &str, role: Role, json: bool) -> Result<()> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "._@-".contains(character);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(Error::usage("the name of an operator has 1 to 64 letters, digits, and `.`, `_`, `@`, `-`"));
    }
    let token = hex(&bytes::<20>()?);
    store.add_operator(name, role, &Digest::of(token.as_bytes()).to_string()).await.map_err(|error| match error {
        StoreError::Conflict(why) => {
            Error::trouble(why).hint(format!("`keel-server operator remove {name}` first, for a new token or role"))
        }
        other => other.into(),
    })?;
    done("operator-add", name, role.word());
    if json { print_json(&serde_json::json!({ "name": name, "role": role, "token": token })) } else { print(&format!("{token}\n")) }
}

async fn list(store: &Store, json: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Row {
        name: String,
        role: Role,
        created_ms: i64,
    }
    let operators = store.operators().await?;
    if json {
        let rows = operators.into_iter().map(|one| Row { name: one.name, role: one.role, created_ms: one.created_ms });
        return print_json(&rows.collect::<Vec<_>>());
    }
    let lines = operators.iter().map(|one| format!("{:<9} {}\n", one.role.word(), one.name));
    print(&lines.collect::<String>())
}

async fn remove(store: &Store, name: &str, json: bool) -> Result<()> {
    store.remove_operator(name).await?;
    done("operator-remove", name, "");
    if json { print_json(&serde_json::json!({ "removed": name })) } else { Ok(()) }
}

fn done(act: &str, name: &str, detail: &str) {
    record_here(now_ms(), &Act { act, actor: "local".to_owned(), object: name, outcome: Outcome::Done, detail });
}
