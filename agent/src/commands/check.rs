//! `keel check`.

use clap::{Args, ValueEnum};
use keel_engine::catalog::Catalog;
use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::site::Site;
use keel_manifests::site_data::SiteInput;

use super::target::{self, SiteArgument, count_errors};
use crate::cli::{Context, print, print_json};
use crate::error::Result;
use crate::render::counted;
use crate::render::diagnostics::{self, Sources};

/// Compile every host of a site and say everything that is wrong with it.
///
/// Exits 1 if there is an error. Facts are the recorded ones in facts/HOST.json.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel check\n  keel check examples/web --output github")]
pub struct Arguments {
    #[command(flatten)]
    site: SiteArgument,
    /// Only these hosts: a selector such as "group:web and not host:web-9".
    #[arg(short = 'l', long = "hosts", value_name = "SELECTOR")]
    hosts: Option<String>,
    /// Set a variable for this run.
    #[arg(long = "var", value_name = "KEY=VALUE")]
    variables: Vec<String>,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// The same as --output json.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

/// The forms of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// As data.
    Json,
    /// A SARIF 2.1.0 log.
    Sarif,
    /// Annotations in a GitHub workflow.
    Github,
}

/// Runs it.
///
/// # Errors
/// There is no site, or the selector is wrong.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let input = SiteInput { run_variables: arguments.variables.clone(), ..SiteInput::default() };
    let loaded = target::load(arguments.site.site.as_deref(), input, context)?;
    let mut found = loaded.diagnostics.clone();
    let hosts = target::select(&loaded.site, arguments.hosts.as_deref())?;
    let (catalogs, compiled) = compile_all(&loaded.site, &hosts);
    found.extend(compiled);
    // Relations across hosts can only be judged when every host is there.
    if arguments.hosts.is_none() && catalogs.len() == hosts.len() {
        found.extend(loaded.site.check_fleet(&catalogs));
    }
    let sources = Sources::of(&found, loaded.site.files());
    let failed = found.iter().any(Diagnostic::is_error);
    match if arguments.json { Output::Json } else { arguments.output } {
        Output::Json => print_json(&diagnostics::json(&found, &sources))?,
        Output::Sarif => print_json(&diagnostics::sarif(&found, &sources))?,
        Output::Github => print(&diagnostics::github(&found, &sources))?,
        Output::Text => {
            let verdict = if failed { count_errors(&found) } else { "all compile".to_owned() };
            let resources: usize = catalogs.iter().map(|catalog| catalog.resources.len()).sum();
            let (hosts, resources) = (counted(hosts.len(), "host"), counted(resources, "resource"));
            let summary = format!("{}: {hosts}, {resources}, {verdict}\n", loaded.site.name());
            print(&format!("{}{summary}", diagnostics::text(&found, &sources, context.paint())))?;
        }
    }
    Ok(u8::from(failed))
}

/// Compiles hosts. What several hosts say in the same words is said once.
fn compile_all(site: &Site, hosts: &[String]) -> (Vec<Catalog>, Vec<Diagnostic>) {
    let mut catalogs = Vec::new();
    let mut found: Vec<Diagnostic> = Vec::new();
    for compiled in site.compile_all(hosts) {
        catalogs.extend(compiled.catalog);
        for diagnostic in compiled.diagnostics {
            let again = found
                .iter()
                .any(|known| known.code == diagnostic.code && known.message == diagnostic.message && known.labels == diagnostic.labels);
            if !again {
                found.push(diagnostic);
            }
        }
    }
    (catalogs, found)
}
