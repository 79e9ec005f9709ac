//! `keel fmt`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::files::{MemoryFiles, SiteFiles};

use crate::cli::{Context, print, print_error};
use crate::error::{Error, Result};
use crate::render::counted;
use crate::render::diagnostics::{self, Sources};
use crate::render::diff;
use crate::site_folder::SiteFolder;
use crate::state::replace;

/// Format manifests: indentation and spacing, and nothing else.
///
/// Comments and texts stay as they are. Prints the files it changed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel fmt\n  keel fmt --check manifests/site.kdl")]
pub struct Arguments {
    /// Manifests or folders; the whole site, if none is given. `-` formats standard input.
    paths: Vec<PathBuf>,
    /// Change nothing, show what would change, and exit 1 if anything would.
    #[arg(long)]
    check: bool,
}

/// Runs it.
///
/// # Errors
/// A file cannot be read, is no KDL, or cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    if arguments.paths == [Path::new("-")] {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| Error::host(format!("cannot read standard input: {error}")))?;
        print(&format(Path::new("standard input"), &text, context)?)?;
        return Ok(0);
    }
    let mut changed = 0;
    let mut broken = 0;
    for path in files(&arguments.paths, context)? {
        let bytes = std::fs::read(&path).map_err(|error| Error::host(format!("cannot read {}: {error}", path.display())))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::site(format!("{} is no UTF-8", path.display())))?;
        match format(&path, &text, context) {
            Ok(formatted) if formatted == text => {}
            Ok(formatted) => {
                changed += 1;
                say(&path, &text, &formatted, arguments, context)?;
            }
            Err(_) => broken += 1,
        }
    }
    if broken > 0 {
        let stay = if broken == 1 { "so it stays as it is" } else { "so they stay as they are" };
        return Err(Error::site(format!("{} cannot be read, {stay}", counted(broken, "manifest"))));
    }
    Ok(u8::from(arguments.check && changed > 0))
}

fn say(path: &Path, before: &str, after: &str, arguments: &Arguments, context: &Context) -> Result<()> {
    print(&format!("{}\n", path.display()))?;
    if arguments.check {
        let lines = diff::lines(before, after, context.paint(), true);
        return print(&lines.iter().map(|line| format!("  {line}\n")).collect::<String>());
    }
    replace_in_place(path, after)
}

/// Replaces a manifest whole and keeps its mode.
fn replace_in_place(path: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| Error::host(format!("cannot write {}: {error}", path.display()));
    let real = std::fs::canonicalize(path).map_err(failed)?;
    let permissions = std::fs::metadata(&real).map_err(failed)?.permissions();
    replace(&real, text.as_bytes()).map_err(Error::host)?;
    std::fs::set_permissions(&real, permissions).map_err(failed)
}

/// Formats a text; what is wrong with it goes to standard error.
fn format(path: &Path, text: &str, context: &Context) -> Result<String> {
    let name = path.display().to_string();
    keel_manifests::fmt::format(&Arc::from(name.as_str()), text).map_err(|found: Vec<Diagnostic>| {
        let mut files = MemoryFiles::default();
        files.insert(&name, text.as_bytes());
        let sources = Sources::of(&found, &files);
        print_error(&diagnostics::text(&found, &sources, context.paint_errors()));
        Error::site(format!("{name} cannot be read"))
    })
}

/// The manifests meant: named files, all manifests of named folders, or of the site.
fn files(paths: &[PathBuf], context: &Context) -> Result<Vec<PathBuf>> {
    if paths.is_empty() {
        let site = SiteFolder::find(None, &context.environment.folder)?;
        return manifests_of(&site);
    }
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(manifests_of(&SiteFolder::any(path)?)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn manifests_of(site: &SiteFolder) -> Result<Vec<PathBuf>> {
    let files = site.list("").map_err(Error::host)?.into_iter().map(|file| site.folder().join(file.path));
    Ok(files.filter(|path| path.extension().is_some_and(|extension| extension == "kdl")).collect())
}
