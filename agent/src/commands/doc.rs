//! `keel doc`.

use std::sync::Arc;

use clap::Args;
use keel_engine::schema::TypeSchema;
use keel_manifests::diagnostic::did_you_mean;
use keel_manifests::files::MemoryFiles;
use keel_manifests::library;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::syntax::Module;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::render::{module_page, reference};

/// Print the reference page of a resource type or a stock module, or the list of all types.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel doc file\n  keel doc file.mode\n  keel doc galera")]
pub struct Arguments {
    /// TYPE or TYPE.ATTRIBUTE, MODULE or MODULE.PARAMETER; without it, all types with a line each.
    name: Option<String>,
    /// Print the schema of types as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such type, attribute, module or parameter.
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
    if let Some(module) = stock_module(type_name) {
        if arguments.json {
            return Err(Error::usage(format!("{type_name} is a module, and only types have a schema")).hint(format!("keel doc {name}")));
        }
        print(&of_module(&module, attribute, context)?)?;
        return Ok(0);
    }
    let schema = schemas.iter().find(|schema| schema.name == type_name).ok_or_else(|| {
        let hint = did_you_mean(type_name, schemas.iter().map(|schema| schema.name).chain(library::modules()));
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

/// A stock module, read as a site that uses it reads it.
fn stock_module(name: &str) -> Option<Module> {
    library::modules().find(|known| *known == name)?;
    let manifest = format!("group all {{ use {name}; }}\n");
    let files = MemoryFiles::new([("inventory/hosts.toml", "[hosts.h]\n"), ("manifests/site.kdl", manifest.as_str())]);
    let (site, _) = Site::load(Arc::new(files), LoadOptions::default(), keel_resources::declared());
    site?.module(name).map(|(module, _)| module.clone())
}

fn of_module(module: &Module, parameter: Option<&str>, context: &Context) -> Result<String> {
    let Some(name) = parameter else { return Ok(module_page::page(module, context.paint())) };
    let found = module.parameters.iter().find(|parameter| *parameter.name.text == *name).ok_or_else(|| {
        let hint = did_you_mean(name, module.parameters.iter().map(|parameter| &*parameter.name.text));
        Error::usage(format!("module {} has no parameter {name}", module.name.text)).hint_if(hint)
    })?;
    Ok(module_page::parameter(found, context.paint()))
}
