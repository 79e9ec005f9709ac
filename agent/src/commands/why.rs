//! `keel why`.

use clap::Args;
use keel_engine::address::Address;
use keel_engine::host_name::HostName;
use keel_engine::protocol::fleet::ResourceHistory;
use keel_manifests::diagnostic::did_you_mean;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::operator::{Operator, ServerArguments};
use crate::render::fleet;
use crate::render::report::Style;

/// Show what happened to a resource lately: in which runs, at which commit, by which relation, started by what.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel why db-1 '(service)mariadb'\n  keel why web-1 'file \"/etc/motd\"' --json")]
pub struct Arguments {
    /// The host.
    #[arg(value_parser = |name: &str| HostName::new(name))]
    host: HostName,
    /// The resource, (type)title.
    #[arg(value_parser = |text: &str| Address::parse(text).ok_or("write (type)title, such as (file)/etc/motd"))]
    resource: Address,
    /// How many runs to show.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
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
    let Address { type_name, title } = &arguments.resource;
    check_type(type_name)?;
    let (resource, limit) = (format!("({type_name}){title}"), arguments.limit.to_string());
    let path = format!("/operator/v1/why/{}", arguments.host);
    let operator = Operator::connect(&arguments.server, context)?;
    let history: ResourceHistory = operator.get(&path, &[("resource", &resource), ("limit", &limit)])?;
    if arguments.json {
        print_json(&history)?;
    } else {
        print(&fleet::history(&history, Style { paint: context.paint(), all: true, full: false }))?;
    }
    Ok(0)
}

/// A type that there is not has no history, however long one looks.
fn check_type(type_name: &str) -> Result<()> {
    let names: Vec<&'static str> = keel_resources::all().iter().map(|kind| kind.schema().name).collect();
    if names.contains(&type_name) {
        return Ok(());
    }
    let hint = did_you_mean(type_name, names.iter().copied());
    Err(Error::usage(format!("there is no resource type {type_name}"))
        .hint_if(hint.or_else(|| Some("keel doc lists all types".to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_there_is_not_is_refused_with_the_near_ones() {
        assert!(check_type("file").is_ok());
        assert!(check_type("fil").unwrap_err().hints[0].contains("`file`"));
        assert!(check_type("nothing-like-it").unwrap_err().hints[0].contains("keel doc"));
    }
}
