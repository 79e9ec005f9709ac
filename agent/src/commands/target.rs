//! Arguments that several commands share, and how they become a loaded site and a compiled host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keel_engine::catalog::Catalog;
use keel_engine::contents::MemoryContents;
use keel_engine::report::Mode;
use keel_engine::value::Map;
use keel_manifests::codes;
use keel_manifests::diagnostic::{Diagnostic, did_you_mean};
use keel_manifests::evaluation_error::EvalError;
use keel_manifests::facts::LiveFacts;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::site_data::{SiteInput, WithoutFacts};
use keel_manifests::sources::Extent;

use crate::cache_folder::CacheFolder;
use crate::cli::{Context, print_error};
use crate::error::{Error, Result};
use crate::facts::{Collected, collect};
use crate::lowered_files::LoweredFiles;
use crate::render::counted;
use crate::render::diagnostics::{self, Sources};
use crate::render::paint::printable;
use crate::site_folder::SiteFolder;

/// Which site.
#[derive(Debug, Clone, Args)]
pub(super) struct SiteArgument {
    /// The site's folder; the nearest one upward that has a keel.toml, if not given.
    #[arg(value_name = "SITE")]
    pub(super) site: Option<PathBuf>,
}

/// Which host, and what is known of it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HostArguments {
    /// The host of the site; the one with this machine's name, if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// Set a variable for this run; it wins over everything in the inventory.
    #[arg(long = "var", value_name = "KEY=VALUE")]
    pub(crate) variables: Vec<String>,
    /// Take the host's facts from a file, as `keel facts` prints them.
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
}

/// Where facts come from that no file was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FactSource<'a> {
    /// The site's own recorded facts.
    Recorded,
    /// The host below this root folder, now.
    Live(&'a Path),
}

/// Where manifests are kept as they were read before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kept<'a> {
    /// In the user's own cache.
    ByUser,
    /// In a folder for this site alone.
    In(&'a Path),
    /// Below the root of a run; a plan reads there and writes nothing.
    Below(&'a Path, Mode),
}

impl Kept<'_> {
    pub(super) fn open(self, site: &SiteFolder, context: &Context) -> LoweredFiles {
        LoweredFiles::of(self.folder(site, context).as_ref())
    }

    /// The folder; none where the user has no cache.
    pub(super) fn folder(self, site: &SiteFolder, context: &Context) -> Option<CacheFolder> {
        match self {
            Kept::ByUser => context.environment.user_cache.as_ref().map(|folder| CacheFolder::of_many(&folder.join("keel"), site)),
            Kept::In(folder) => Some(CacheFolder::of_one(folder)),
            Kept::Below(root, _) => Some(CacheFolder::of_many(&root.join("var/cache/keel/lowered"), site)),
        }
    }

    pub(super) fn close(self, lowered: &LoweredFiles) {
        if !matches!(self, Kept::Below(_, Mode::Plan)) {
            lowered.keep();
        }
    }
}

/// A site in its folder.
pub(super) struct LoadedSite {
    /// The site.
    pub(super) site: Site,
    /// What loading it found.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// One host's compile.
pub(super) struct CompiledHost {
    /// The host's name.
    pub(super) host: String,
    /// The catalog.
    pub(super) catalog: Catalog,
    /// Its contents.
    pub(super) contents: MemoryContents,
    /// Whether there was nothing to say about it.
    pub(super) silent: bool,
}

/// Loads all of a site to check it. Findings are in the result; they are errors only where nothing can be loaded.
///
/// # Errors
/// It cannot be read at all.
pub(super) fn load(folder: &SiteFolder, input: SiteInput, kept: Kept<'_>, context: &Context) -> Result<LoadedSite> {
    let lowered = kept.open(folder, context);
    let loaded = load_lowered(folder, input, Extent::All, &lowered, context);
    kept.close(&lowered);
    loaded
}

fn load_lowered(folder: &SiteFolder, input: SiteInput, extent: Extent, lowered: &LoweredFiles, context: &Context) -> Result<LoadedSite> {
    let options = LoadOptions { input, extent, cache: Some(lowered) };
    let (site, found) = Site::load(Arc::new(folder.clone()), options, keel_resources::declared());
    well_formed(&found)?;
    match site {
        Some(site) => Ok(LoadedSite { site, diagnostics: found }),
        None => {
            let sources = Sources::of(&found, folder);
            print_error(&diagnostics::text(&found, &sources, context.paint_errors()));
            Err(Error::site("the site cannot be loaded"))
        }
    }
}

/// Looks whether `--var` was given what it takes, among what loading a site found.
///
/// # Errors
/// It was not.
pub(super) fn well_formed(found: &[Diagnostic]) -> Result<()> {
    match found.iter().find(|diagnostic| diagnostic.code == codes::RUN_VARIABLE && diagnostic.is_error()) {
        Some(wrong) => Err(Error::usage(format!("--var: {}", wrong.message)).hint_if(wrong.help.first().cloned())),
        None => Ok(()),
    }
}

/// Loads a site and compiles one host of it; whatever there is to say goes to standard error.
///
/// # Errors
/// The host has no catalog.
pub(super) fn compile(site: Option<&Path>, arguments: &HostArguments, facts: FactSource<'_>, context: &Context) -> Result<CompiledHost> {
    let folder = SiteFolder::find(site, &context.environment.folder)?;
    compile_with(folder, arguments, self::facts(arguments, facts)?, Kept::ByUser, context)
}

/// The facts that a compile gets instead of the recorded ones.
///
/// # Errors
/// The file with the facts cannot be read.
pub(super) fn facts(arguments: &HostArguments, source: FactSource<'_>) -> Result<Option<Map>> {
    match (&arguments.facts, source) {
        (Some(file), _) => facts_from(file).map(Some),
        (None, FactSource::Live(root)) => {
            let Collected { facts, warnings } = collect(root);
            say_warnings(&warnings);
            Ok(Some(facts))
        }
        (None, FactSource::Recorded) => Ok(None),
    }
}

/// Says what custom facts are left out.
pub(super) fn say_warnings(warnings: &[String]) {
    warnings.iter().for_each(|warning| print_error(&format!("warning: {}\n", printable(warning))));
}

/// Compiles one host with these facts, or with the recorded ones.
///
/// # Errors
/// As [`compile`].
pub(super) fn compile_with(
    folder: SiteFolder,
    arguments: &HostArguments,
    live: Option<Map>,
    kept: Kept<'_>,
    context: &Context,
) -> Result<CompiledHost> {
    let lowered = kept.open(&folder, context);
    let (loaded, host) = load_with(&folder, arguments, live, &lowered, context)?;
    let compiled = loaded.site.compile(&host);
    let mut found = loaded.diagnostics.clone();
    found.extend(compiled.diagnostics);
    say(&loaded, &found, context);
    match compiled.catalog {
        Some(catalog) => {
            kept.close(&lowered);
            Ok(CompiledHost { host, catalog, contents: compiled.contents, silent: found.is_empty() })
        }
        None => Err(Error::site(format!("{host} has no catalog: {}", count_errors(&found)))),
    }
}

/// Loads a site for one host of it, without compiling.
///
/// # Errors
/// There is no such site or host.
pub(super) fn load_host(
    site: Option<&Path>,
    arguments: &HostArguments,
    source: FactSource<'_>,
    context: &Context,
) -> Result<(LoadedSite, String)> {
    let folder = SiteFolder::find(site, &context.environment.folder)?;
    let lowered = Kept::ByUser.open(&folder, context);
    let loaded = load_with(&folder, arguments, facts(arguments, source)?, &lowered, context);
    Kept::ByUser.close(&lowered);
    loaded
}

fn load_with(
    folder: &SiteFolder,
    arguments: &HostArguments,
    live: Option<Map>,
    lowered: &LoweredFiles,
    context: &Context,
) -> Result<(LoadedSite, String)> {
    let names = own_names(live.as_ref());
    let host = match &arguments.host {
        Some(host) => host.clone(),
        None => find_own(folder, &names, lowered, context)?,
    };
    let facts = live.map(|facts| Arc::new(BTreeMap::from([(host.clone(), Arc::new(facts))])) as Arc<dyn LiveFacts>);
    // What is made for a real host is not made by what is assumed of others.
    let without_facts = if facts.is_some() { WithoutFacts::None } else { WithoutFacts::Profile };
    let input = SiteInput { run_variables: arguments.variables.clone(), facts, without_facts };
    let loaded = load_lowered(folder, input, Extent::Used, lowered, context)?;
    // What cannot be read may be why the host is not there.
    check_host(&loaded.site, &host).inspect_err(|_| say(&loaded, &loaded.diagnostics, context))?;
    Ok((loaded, host))
}

/// Prints findings to standard error.
pub(super) fn say(loaded: &LoadedSite, found: &[Diagnostic], context: &Context) {
    if !found.is_empty() {
        let sources = Sources::of(found, loaded.site.files());
        print_error(&diagnostics::text(found, &sources, context.paint_errors()));
    }
}

/// `3 errors`.
pub(super) fn count_errors(found: &[Diagnostic]) -> String {
    counted(found.iter().filter(|diagnostic| diagnostic.is_error()).count(), "error")
}

pub(super) fn facts_from(file: &Path) -> Result<Map> {
    let failed = |why: String| Error::usage(format!("cannot read the facts in {}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
}

/// The names that this machine may have in an inventory.
fn own_names(facts: Option<&Map>) -> Vec<String> {
    let collected = crate::facts::names();
    let facts = facts.unwrap_or(&collected);
    let name = |key: &str| facts.get(key).and_then(keel_engine::value::Value::as_str).map(str::to_owned);
    let mut names: Vec<String> = [name("fqdn"), name("hostname")].into_iter().flatten().collect();
    names.dedup();
    names
}

fn find_own(folder: &SiteFolder, names: &[String], lowered: &LoweredFiles, context: &Context) -> Result<String> {
    let loaded = load_lowered(folder, SiteInput::default(), Extent::Used, lowered, context)?;
    let hosts: Vec<&str> = loaded.site.hosts().collect();
    let own = names.iter().find(|name| hosts.contains(&name.as_str()));
    own.cloned().ok_or_else(|| {
        let message = format!("the site has no host with this machine's name, {}", names.join(" or "));
        Error::usage(message).hint(which_host(&hosts, "name one with --host"))
    })
}

fn check_host(site: &Site, host: &str) -> Result<()> {
    if site.hosts().any(|known| known == host) {
        return Ok(());
    }
    let hosts: Vec<&str> = site.hosts().collect();
    let hint = did_you_mean(host, hosts.iter().copied()).unwrap_or_else(|| which_host(&hosts, "its hosts are"));
    Err(Error::usage(format!("the site has no host {host}")).hint(hint))
}

fn which_host(hosts: &[&str], advice: &str) -> String {
    let shown = hosts.iter().take(8).copied().collect::<Vec<_>>().join(", ");
    match hosts.len() {
        0 => "it has no hosts: declare them in inventory/hosts.toml, as [hosts.NAME]".to_owned(),
        1..=8 => format!("{advice}: {shown}"),
        count => format!("{advice}: {shown} and {} more", count - 8),
    }
}

/// The hosts that a selector selects; all hosts without one.
///
/// # Errors
/// The selector is wrong, or selects nobody.
pub(super) fn select(site: &Site, selector: Option<&str>) -> Result<Vec<String>> {
    let Some(text) = selector else { return Ok(site.hosts().map(str::to_owned).collect()) };
    let hosts = site.select(text).map_err(|error| bad_selector(text, error))?;
    if hosts.is_empty() {
        return Err(selects_nobody(text));
    }
    Ok(hosts)
}

/// What is wrong with the selector on the command line.
pub(super) fn bad_selector(text: &str, error: EvalError) -> Error {
    let wrong = Error::usage(format!("--hosts {text:?}: {error}"));
    error.help.into_iter().fold(wrong, Error::hint)
}

/// The selector on the command line means no host.
pub(super) fn selects_nobody(text: &str) -> Error {
    Error::usage(format!("--hosts {text:?} selects no host")).hint("the hosts and their groups stand in the site's folder inventory")
}
