//! `keel compile`.

use clap::Args;

use super::target::{self, FactSource, HostArguments, SiteArgument};
use crate::cli::{Context, print_json};
use crate::error::{Error, Result};
use crate::type_traits::TypeTraits;

/// Compile one host's catalog and print it as JSON. Secrets stay closed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel compile examples/web --host web-1")]
pub struct Arguments {
    #[command(flatten)]
    site: SiteArgument,
    #[command(flatten)]
    host: HostArguments,
    /// The output is JSON with or without it.
    #[arg(long = "json")]
    _json: bool,
}

/// Runs it.
///
/// # Errors
/// The host has no catalog.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let mut compiled = target::compile(arguments.site.site.as_deref(), &arguments.host, FactSource::Recorded, context)?;
    let id = compiled.catalog.id().map_err(|error| Error::host(format!("cannot encode the catalog: {error}")))?;
    TypeTraits::of_all().conceal(&mut compiled.catalog);
    let data = serde_json::json!({ "format_version": "1.0", "id": id.to_string(), "catalog": compiled.catalog });
    print_json(&data)?;
    Ok(0)
}
