//! `keel graph`.

use clap::{Args, ValueEnum};
use keel_engine::graph::Graph;
use keel_engine::resource::Types;

use super::target::{self, FactSource, HostArguments, SiteArgument};
use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::render::graph;

/// Draw the dependency graph of a host's catalog.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel graph examples/web --host web-1 --output svg > web-1.svg")]
pub struct Arguments {
    #[command(flatten)]
    site: SiteArgument,
    #[command(flatten)]
    host: HostArguments,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Dot)]
    output: Output,
    /// The same as --output json.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

/// The forms of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
    /// A picture.
    Svg,
    /// As data.
    Json,
}

/// Runs it.
///
/// # Errors
/// The host has no catalog.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let compiled = target::compile(arguments.site.site.as_deref(), &arguments.host, FactSource::Recorded, context)?;
    let catalog = &compiled.catalog;
    let types = keel_resources::declared();
    // The compiler has checked the same: what fails here has no footprint.
    let footprints: Vec<_> = catalog.resources.iter().map(|resource| types.check(resource).unwrap_or_default()).collect();
    let built = Graph::build(catalog, &footprints).map_err(|_| Error::site("the relations form a cycle"))?;
    match if arguments.json { Output::Json } else { arguments.output } {
        Output::Dot => print(&graph::dot(catalog, &built))?,
        Output::Mermaid => print(&graph::mermaid(catalog, &built))?,
        Output::Svg => print(&graph::svg(catalog, &built))?,
        Output::Json => print_json(&graph::data(catalog, &built))?,
    }
    Ok(0)
}
