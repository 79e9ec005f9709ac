//! `keel check`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keel_engine::difference::Difference;
use keel_engine::preview::{HostPreview, HostState, Preview, Revision, Subject};
use keel_engine::value::Map;
use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::facts::LiveFacts;
use keel_manifests::files::SiteFiles;
use keel_manifests::host_checks::{HostCheck, HostChecks};
use keel_manifests::site::Site;
use keel_manifests::site_data::{SiteInput, WithoutFacts};
use keel_manifests::workers::for_each;

use super::preview::{self, Format, OutputArguments};
use super::target::{self, Kept, SiteArgument, count_errors};
use crate::cli::Context;
use crate::comparison::problems;
use crate::error::Result;
use crate::findings::{Findings, of_fleet};
use crate::git_commit::Repository;
use crate::kept_checks::{KeptChecks, this_program};
use crate::render::counted;
use crate::render::diagnostics::{self, Sources};
use crate::render::preview::Pictures;
use crate::render::report::Style;
use crate::site_folder::SiteFolder;

/// Compile every host of a site and say everything that is wrong with it, or probably not meant.
///
/// Exits 1 if there is an error. Facts are the recorded ones in facts/HOST.json. What a host's check came to is kept,
/// and the host is compiled again when something changed that its catalog depends on.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel check\n  keel check examples/web --format github\n  keel check --profile facts-of-debian-12.json")]
pub struct Arguments {
    #[command(flatten)]
    site: SiteArgument,
    /// Only these hosts: a selector such as "group:web and not host:web-9".
    #[arg(short = 'l', long = "hosts", value_name = "SELECTOR")]
    hosts: Option<String>,
    /// Set a variable for this run.
    #[arg(long = "var", value_name = "KEY=VALUE")]
    variables: Vec<String>,
    /// Assume the facts in this file, as `keel facts` prints them, for hosts that have none recorded, instead of those in
    /// the file that `profile` in keel.toml names.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Where the checks of this site are kept from one command to the next, also those of a copy of it that stands
    /// elsewhere; the user's own cache, if not given.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// Runs it.
///
/// # Errors
/// There is no site, or the selector is wrong.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let folder = SiteFolder::find(arguments.site.site.as_deref(), &context.environment.folder)?;
    let facts = arguments.profile.as_deref().map(|file| profile(file, &folder)).transpose()?;
    let input = SiteInput { run_variables: arguments.variables.clone(), facts, without_facts: WithoutFacts::Profile };
    let kept = arguments.cache.as_deref().map_or(Kept::ByUser, Kept::In);
    let loaded = target::load(&folder, input, kept, context)?;
    let mut found = loaded.diagnostics.clone();
    let hosts = target::select(&loaded.site, arguments.hosts.as_deref())?;
    let cache = kept.folder(&folder, context).map(|cache| KeptChecks::of(&cache));
    let mut checks = check_all(&loaded.site, &hosts, cache.as_ref());
    let mut findings = Findings::default();
    findings.take(&mut checks);
    found.extend(findings.into_diagnostics());
    // Some hosts alone do not show what the others use.
    if arguments.hosts.is_none() {
        found.extend(of_fleet(&loaded.site, &hosts, &mut checks));
    }
    let resources = checks.iter().map(|check| check.resources).collect();
    let checked = Checked { folder: &folder, site: &loaded.site, hosts, resources, found: loaded.site.levelled(found) };
    arguments.output.put(&checked.render(&arguments.output, context)?)?;
    Ok(u8::from(checked.found.iter().any(Diagnostic::is_error)))
}

/// What came of it.
struct Checked<'s> {
    folder: &'s SiteFolder,
    site: &'s Site,
    hosts: Vec<String>,
    /// How many resources each host has; none where it does not compile.
    resources: Vec<Option<usize>>,
    found: Vec<Diagnostic>,
}

impl Checked<'_> {
    fn render(&self, output: &OutputArguments, context: &Context) -> Result<String> {
        let sources = Sources::of(&self.found, self.site.files());
        let (form, paint) = (output.form(), output.paint(context));
        match form.format {
            Format::Json => preview::json(&diagnostics::json(&self.found, &sources)),
            Format::Sarif => preview::json(&diagnostics::sarif(&self.found, &sources)),
            Format::Github => Ok(diagnostics::github(&self.found, &sources)),
            Format::Text => Ok(format!("{}{}", diagnostics::text(&self.found, &sources, paint), self.summary())),
            _ => preview::render(&self.preview(), form, Style { paint, all: false, full: true }, Pictures::default),
        }
    }

    fn summary(&self) -> String {
        let failed = self.found.iter().any(Diagnostic::is_error);
        let verdict = if failed { count_errors(&self.found) } else { "all compile".to_owned() };
        let resources: usize = self.resources.iter().flatten().sum();
        let (hosts, resources) = (counted(self.hosts.len(), "host"), counted(resources, "resource"));
        format!("{}: {hosts}, {resources}, {verdict}\n", self.site.name())
    }

    /// The same in the form that other commands have, for the forms that they share.
    fn preview(&self) -> Preview {
        let hosts = self.hosts.iter().zip(&self.resources).map(|(host, resources)| HostPreview {
            host: host.clone(),
            groups: self.site.data().inventory.groups_of(host).iter().map(|group| group.name.to_string()).collect(),
            state: if resources.is_some() { HostState::Unchanged } else { HostState::Broken },
            difference: Difference::default(),
            problems: Vec::new(),
        });
        let found = problems(&self.found, self.site.files());
        let preview = Preview::fold(self.site.name(), Subject::Check { of: Revision::folder() }, hosts.collect(), found);
        preview.below(&Repository::prefix(self.folder.folder()))
    }
}

/// Facts that are assumed where none are recorded.
struct Profile {
    facts: Arc<Map>,
    site: SiteFolder,
}

impl LiveFacts for Profile {
    fn of(&self, host: &str) -> Option<Arc<Map>> {
        let recorded = self.site.read(&format!("facts/{host}.json"));
        matches!(recorded, Ok(None)).then(|| Arc::clone(&self.facts))
    }
}

fn profile(file: &Path, site: &SiteFolder) -> Result<Arc<dyn LiveFacts>> {
    Ok(Arc::new(Profile { facts: Arc::new(target::facts_from(file)?), site: site.clone() }))
}

/// Checks hosts, those for which nothing changed by what is kept.
fn check_all(site: &Site, hosts: &[String], cache: Option<&KeptChecks>) -> Vec<HostCheck> {
    let state = cache.zip(this_program()).and_then(|(cache, program)| Some((cache, HostChecks::of(site, &program).ok()?)));
    let Some((cache, state)) = state else { return for_each(hosts, |host| site.check_host(host)) };
    let checked = state.check(hosts, cache.load().as_deref());
    checked.kept.iter().for_each(|kept| cache.store(kept));
    checked.checks
}
