//! How previews are asked for and shown; the same for every command that makes one.

use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use keel_engine::preview::Preview;

use crate::cli::{Context, print};
use crate::error::{Error, Result};
use crate::render::paint::Paint;
use crate::render::preview::{self, Pictures};
use crate::render::report::Style;

/// Markdown cannot be cut to less than this: its head and the sentence on what was left out take room.
const MAX_BYTES_MIN: u64 = 1_000;

/// The forms of a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// As data; the schema is in engine/schemas/preview.json.
    Json,
    /// A comment on a change, with folded details.
    Markdown,
    /// A JUnit report: a suite a set of hosts, a case a resource.
    Junit,
    /// A SARIF 2.1.0 log.
    Sarif,
    /// Annotations in a GitHub workflow.
    Github,
    /// A code quality report of GitLab.
    Gitlab,
    /// One page that needs no network.
    Html,
}

/// In which form.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct FormatArguments {
    /// The form of the output.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(super) format: Format,
    /// Cut Markdown to this many bytes, 1000 at least, and say what was left out.
    #[arg(long, value_name = "COUNT", default_value_t = 60_000, value_parser = RangedU64ValueParser::<usize>::new().range(MAX_BYTES_MIN..))]
    pub(super) max_bytes: usize,
}

/// In which form, and where to.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputArguments {
    #[command(flatten)]
    form: FormatArguments,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl OutputArguments {
    pub(super) fn form(&self) -> FormatArguments {
        if self.json { FormatArguments { format: Format::Json, ..self.form } } else { self.form }
    }

    /// Colours are for the terminal alone.
    pub(super) fn paint(&self, context: &Context) -> Paint {
        if self.out.is_none() { context.paint() } else { Paint { colour: false } }
    }

    /// Prints a text, or writes it to the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn put(&self, text: &str) -> Result<()> {
        put(text, self.out.as_deref())
    }
}

/// Prints a text, or writes it to a file.
///
/// # Errors
/// It cannot be written.
pub(super) fn put(text: &str, file: Option<&Path>) -> Result<()> {
    let Some(file) = file else { return print(text) };
    let failed = |error| Error::usage(format!("cannot write {}: {error}", file.display())).hint("its folder has to exist");
    std::fs::write(file, text).map_err(failed)
}

/// What to show of a preview, and where.
#[derive(Debug, Clone, Args)]
pub(super) struct PreviewArguments {
    #[command(flatten)]
    output: OutputArguments,
    /// Show diffs and lists of hosts of any length.
    #[arg(long)]
    full: bool,
}

/// Prints a preview, or writes it to its file.
///
/// # Errors
/// It cannot be written.
pub(super) fn show(preview: &Preview, arguments: &PreviewArguments, pictures: impl FnOnce() -> Pictures, context: &Context) -> Result<()> {
    let style = Style { paint: arguments.output.paint(context), all: false, full: arguments.full };
    arguments.output.put(&render(preview, arguments.output.form(), style, pictures)?)
}

/// Prints a preview in a form.
///
/// # Errors
/// It cannot be encoded.
pub(super) fn render(preview: &Preview, form: FormatArguments, style: Style, pictures: impl FnOnce() -> Pictures) -> Result<String> {
    Ok(match form.format {
        Format::Text => preview::text::render(preview, style),
        Format::Json => json(preview)?,
        Format::Markdown => preview::markdown::render(preview, form.max_bytes, style.full),
        Format::Junit => preview::junit::render(preview),
        Format::Sarif => json(&preview::sarif::render(preview))?,
        Format::Github => preview::github::render(preview),
        Format::Gitlab => json(&preview::gitlab::render(preview))?,
        Format::Html => preview::html::render(preview, &pictures()),
    })
}

/// Data as JSON, a line at the end.
///
/// # Errors
/// It cannot be encoded.
pub(super) fn json(data: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(data).map_err(|error| Error::host(format!("cannot write JSON: {error}")))?;
    Ok(text + "\n")
}

/// The exit code of a preview, as a plan has it.
pub(super) fn exit_code(preview: &Preview, detailed: bool) -> u8 {
    let failed = if preview.has_failures() { 4 } else { 0 };
    let changed = if detailed && preview.has_changes() { 2 } else { 0 };
    failed + changed
}
