//! `keel inspect`.

use std::path::PathBuf;

use clap::Args;
use keel_engine::resource::{AnyType, Described};
use keel_engine::value::Map;
use keel_manifests::diagnostic::did_you_mean;
use keel_resources::host::Host;
use serde::Serialize;

use crate::cli::{Context, print, print_error, print_json};
use crate::error::{Error, Result};
use crate::render::manifest::manifest;

/// Print what is on this host as a manifest that would keep it.
///
/// What is printed plans to nothing here: the way in for hosts that exist already. Passwords and other
/// secrets are never printed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel inspect user ada\n  keel inspect --all > manifests/web-1.kdl")]
pub struct Arguments {
    /// The resource type.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "TYPE")]
    type_name: Option<String>,
    /// The title of one thing; without it, everything of the type.
    #[arg(value_name = "TITLE")]
    title: Option<String>,
    /// Everything of every type that can be listed.
    #[arg(long)]
    all: bool,
    /// The folder that is treated as the host's root.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Print JSON: a list of types, titles and attributes.
    #[arg(long)]
    json: bool,
}

/// What was found of one type.
struct Found {
    type_name: &'static str,
    title_attribute: &'static str,
    things: Vec<Described>,
}

/// A thing as data.
#[derive(Serialize)]
struct Printed<'a> {
    r#type: &'a str,
    title: &'a str,
    attributes: &'a Map,
}

impl<'a> Printed<'a> {
    fn of(type_name: &'a str, thing: &'a Described) -> Self {
        Self { r#type: type_name, title: &thing.title, attributes: &thing.attributes }
    }
}

/// Runs it.
///
/// # Errors
/// There is no such type or thing, the type cannot be listed, or the host cannot be read.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let host = Host::new(&arguments.root);
    let found = match &arguments.type_name {
        Some(name) => vec![one_type(&host, name, arguments.title.as_deref())?],
        None => all_types(&host, context),
    };
    if arguments.json {
        let things = found.iter().flat_map(|found| found.things.iter().map(|thing| Printed::of(found.type_name, thing)));
        print_json(&things.collect::<Vec<_>>())?;
        return Ok(0);
    }
    let texts: Vec<String> = found.iter().map(|found| manifest(found.type_name, found.title_attribute, &found.things)).collect();
    print(&texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n"))?;
    Ok(0)
}

fn one_type(host: &Host, name: &str, title: Option<&str>) -> Result<Found> {
    let types = keel_resources::all();
    let kind = types.iter().find(|kind| kind.schema().name == name).ok_or_else(|| {
        let hint = did_you_mean(name, types.iter().map(|kind| kind.schema().name));
        Error::usage(format!("there is no resource type {name}")).hint_if(hint.or_else(|| Some("keel doc lists all types".to_owned())))
    })?;
    let found = look(host, *kind, title)?.ok_or_else(|| Error::usage(format!("what {name} manages cannot be listed")))?;
    match title {
        Some(title) if found.things.is_empty() => {
            Err(Error::host(format!("there is no {name} {title:?} here, or none that a manifest could keep"))
                .hint(format!("keel inspect {name}")))
        }
        _ => Ok(found),
    }
}

/// What cannot be read is said, and left out.
fn all_types(host: &Host, context: &Context) -> Vec<Found> {
    let look = |kind: &'static dyn AnyType<Host>| match look(host, kind, None) {
        Ok(found) => found,
        Err(error) => {
            let label = context.paint_errors().yellow("warning:");
            print_error(&format!("{label} {} is left out: {error}\n", kind.schema().name));
            None
        }
    };
    keel_resources::all().into_iter().filter_map(look).collect()
}

fn look(host: &Host, kind: &'static dyn AnyType<Host>, title: Option<&str>) -> Result<Option<Found>> {
    let schema = kind.schema();
    let described = kind.describe(host, title).map_err(|failure| Error::host(failure.message.clone()).hint_if(failure.help.clone()))?;
    Ok(described.map(|things| Found { type_name: schema.name, title_attribute: schema.title_attribute, things }))
}
