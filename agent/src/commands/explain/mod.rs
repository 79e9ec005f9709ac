//! `keel explain`.

mod history;
mod resource;
mod variable;

use std::path::PathBuf;

use clap::Args;
use keel_engine::address::Address;
use keel_manifests::codes;
use keel_manifests::diagnostic::did_you_mean;
use serde_json::json;

use super::target::HostArguments;
use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};

/// Say where the value of a variable or a module's parameter, a resource's place in the order and last outcome, or an error code come from.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel explain nginx.workers --host web-1\n  keel explain '(service)nginx' --host web-1\n  keel explain KE0301"
)]
pub struct Arguments {
    /// A variable, a parameter as module.name, a resource as (type)title, or a code.
    what: String,
    /// The site's folder; the nearest one upward that has a keel.toml, if not given.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    #[command(flatten)]
    host: HostArguments,
    /// The folder that is treated as the host's root: where the last report is looked for.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such thing, or the site does not compile.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let looks_like_code =
        arguments.what.strip_prefix("KE").is_some_and(|rest| rest.len() == 4 && rest.bytes().all(|byte| byte.is_ascii_digit()));
    if looks_like_code {
        code(arguments)?;
    } else if let Some(address) = Address::parse(&arguments.what) {
        resource::explain(&address, arguments, context)?;
    } else {
        variable::explain(arguments, context)?;
    }
    Ok(0)
}

fn code(arguments: &Arguments) -> Result<()> {
    let known = codes::find(&arguments.what).ok_or_else(|| {
        let hint = did_you_mean(&arguments.what, codes::all().map(|code| code.code));
        Error::usage(format!("there is no code {}", arguments.what)).hint_if(hint)
    })?;
    if arguments.json {
        return print_json(&json!({ "code": known.code, "title": known.title, "explanation": known.explanation }));
    }
    print(&format!("{}: {}\n\n{}\n", known.code, known.title, known.explanation))
}
