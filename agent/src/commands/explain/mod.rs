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
    if let Some(meant) = as_code(&arguments.what) {
        code(&meant, arguments)?;
    } else if let Some(address) = Address::parse(&arguments.what) {
        resource::explain(&address, arguments, context)?;
    } else {
        let is_type = keel_resources::all().iter().any(|kind| kind.schema().name == arguments.what);
        let page = is_type.then(|| format!("`{0}` is a resource type: keel doc {0}", arguments.what));
        variable::explain(arguments, context).map_err(|error| error.hint_if(page))?;
    }
    Ok(0)
}

/// A code in the letters that codes have, `KE0802`; none for what is no code.
fn as_code(what: &str) -> Option<String> {
    let meant = what.to_ascii_uppercase();
    let is_code = meant.strip_prefix("KE").is_some_and(|rest| rest.len() == 4 && rest.bytes().all(|byte| byte.is_ascii_digit()));
    is_code.then_some(meant)
}

fn code(meant: &str, arguments: &Arguments) -> Result<()> {
    let known = codes::find(meant).ok_or_else(|| {
        let near = did_you_mean(meant, codes::all().map(|code| code.code));
        let hint = near.unwrap_or_else(|| "the messages of `keel check` begin with their codes".to_owned());
        Error::usage(format!("there is no code {meant}")).hint(hint)
    })?;
    if arguments.json {
        return print_json(&json!({ "code": known.code, "title": known.title, "explanation": known.explanation }));
    }
    print(&format!("{}: {}\n\n{}\n", known.code, known.title, known.explanation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_in_any_letters_and_nothing_else_is_one() {
        assert_eq!(as_code("ke0802").as_deref(), Some("KE0802"));
        for other in ["KE080", "KE08022", "KE08x2", "nginx.workers", "kea"] {
            assert_eq!(as_code(other), None, "{other}");
        }
    }
}
