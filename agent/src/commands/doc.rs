//! `keel doc`.

use clap::Args;
use keel_engine::schema::TypeSchema;
use keel_manifests::diagnostic::did_you_mean;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::render::reference;

/// Print the reference page of a resource type, or the list of all types.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel doc file\n  keel doc file.mode")]
pub struct Arguments {
    /// TYPE or TYPE.ATTRIBUTE; without it, all types with a line each.
    name: Option<String>,
    /// Print the schema as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such type or attribute.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let mut schemas: Vec<TypeSchema> = keel_resources::all().iter().map(|kind| kind.schema()).collect();
    schemas.sort_by_key(|schema| schema.name);
    let Some(name) = &arguments.name else {
        if arguments.json {
            print_json(&schemas)?;
        } else {
            print(&reference::list(&schemas, context.paint()))?;
        }
        return Ok(0);
    };
    let (type_name, attribute) = name.split_once('.').map_or((name.as_str(), None), |(kind, attribute)| (kind, Some(attribute)));
    let schema = schemas.iter().find(|schema| schema.name == type_name).ok_or_else(|| {
        let hint = did_you_mean(type_name, schemas.iter().map(|schema| schema.name));
        Error::usage(format!("there is no resource type {type_name}")).hint_if(hint.or_else(|| Some("keel doc lists all types".to_owned())))
    })?;
    match attribute {
        None if arguments.json => print_json(schema)?,
        None => print(&reference::page(schema, context.paint()))?,
        Some(name) => {
            let attribute = schema.attribute(name).ok_or_else(|| {
                let hint = did_you_mean(name, schema.attributes.iter().map(|attribute| attribute.name));
                Error::usage(format!("{type_name} has no attribute {name}")).hint_if(hint)
            })?;
            if arguments.json { print_json(attribute)? } else { print(&reference::attribute(attribute, context.paint()))? }
        }
    }
    Ok(0)
}
