//! `keel facts`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::print_json;
use crate::error::Result;
use crate::facts::{Collected, collect};

use super::target::say_warnings;

/// Print what this host says of itself, as JSON.
///
/// Beside what the program knows stands what /etc/keel/facts.d adds: tables in NAME.json and NAME.toml, lines
/// key=value in NAME.txt, and programs that print one of these within ten seconds.
///
/// Put the output into a site as facts/HOST.json, and the site compiles for the host anywhere.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel facts > facts/web-1.json")]
pub struct Arguments {
    /// The folder that is treated as the host's root.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The output is JSON with or without it.
    #[arg(long = "json")]
    _json: bool,
}

/// Runs it.
///
/// # Errors
/// The output cannot be written.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let Collected { facts, warnings } = collect(&arguments.root);
    say_warnings(&warnings);
    print_json(&facts)?;
    Ok(0)
}
