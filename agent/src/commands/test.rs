//! `keel test`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use keel_engine::catalog::Catalog;
use keel_engine::contents::Contents;
use keel_manifests::codes;
use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::files::SiteFiles;
use keel_manifests::site::Site;
use keel_manifests::site_data::{SiteInput, WithoutFacts};
use keel_manifests::site_tests::{self, SiteTest, Stage};
use keel_manifests::workers::for_each;

use super::preview;
use super::target::{self, Kept, SiteArgument, count_errors};
use crate::cli::{Context, print_error};
use crate::convergence::{self, Convergence, Fault};
use crate::error::{Error, Result};
use crate::render::diagnostics::{self, Sources};
use crate::render::paint::Paint;
use crate::render::site_tests as render;
use crate::render::site_tests::{Converged, Tested};
use crate::site_folder::SiteFolder;

/// Try the tests of a site: what the catalogs of its hosts hold, given these facts and these variables.
///
/// Tests stand in tests/*.kdl. No host is asked and nothing is changed. With --converge the files of every host
/// are converged in scratch folders from many states, which must all come to the same end.
///
/// Exits 0, 4 if anything is not as expected, and 1 if the tests cannot be read or the site cannot be loaded.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel test\n  keel test examples/web --only port --format junit -o tests.xml\n  keel test --converge --seed 7"
)]
pub struct Arguments {
    #[command(flatten)]
    site: SiteArgument,
    /// Only the tests with this text in their names.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Converge the files of each host in scratch folders: from an empty one, from each step of the way, and from
    /// states by chance. Whatever is more than files is left out and named.
    #[arg(long)]
    converge: bool,
    /// Converge these hosts only: a selector such as "group:web and not host:web-9".
    #[arg(short = 'l', long = "hosts", value_name = "SELECTOR", requires = "converge")]
    hosts: Option<String>,
    /// Repeat the chance of an earlier run.
    #[arg(long, value_name = "NUMBER", requires = "converge")]
    seed: Option<u64>,
    /// How many states by chance are tried.
    #[arg(long, value_name = "COUNT", default_value_t = 10, requires = "converge")]
    drifts: usize,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The forms of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// As data; the schema is in engine/schemas/test.json.
    Json,
    /// A JUnit report: a suite a file, a case a test and host.
    Junit,
    /// Annotations in a GitHub workflow.
    Github,
}

/// Runs it.
///
/// # Errors
/// There is no site, or its tests cannot be read.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let folder = SiteFolder::find(arguments.site.site.as_deref(), &context.environment.folder)?;
    let input = SiteInput { without_facts: WithoutFacts::Profile, ..SiteInput::default() };
    let loaded = target::load(&folder, input, Kept::ByUser, context)?;
    let (tests, found) = site_tests::load(&folder);
    let errors: Vec<Diagnostic> = loaded.diagnostics.iter().chain(&found).filter(|one| one.is_error()).cloned().collect();
    if !errors.is_empty() {
        print_error(&diagnostics::text(&errors, &Sources::of(&errors, loaded.site.files()), context.paint_errors()));
        return Err(Error::site(format!("no test can be tried: {}", count_errors(&errors))));
    }
    let tests = chosen(tests, arguments)?;
    let lowered = Kept::ByUser.open(&folder, context);
    let files: Arc<dyn SiteFiles + Send + Sync> = Arc::new(folder.clone());
    let stage = Stage { site: &loaded.site, files, cache: Some(&lowered), types: keel_resources::declared() };
    let (results, coverage) = site_tests::run(&tests, &stage);
    let seed = arguments.seed.unwrap_or_else(by_chance);
    let converged = if arguments.converge { converge(&loaded.site, arguments, seed, context)? } else { Vec::new() };
    let tested = Tested { site: loaded.site.name().to_owned(), results, coverage, converged, seed };
    preview::put(&show(&tested, &loaded.site, arguments, context)?, arguments.out.as_deref())?;
    Ok(if tested.failed() { 4 } else { 0 })
}

/// The tests that were asked for. That there are none is no success: somebody relies on them.
fn chosen(tests: Vec<SiteTest>, arguments: &Arguments) -> Result<Vec<SiteTest>> {
    let all = tests.len();
    let tests: Vec<SiteTest> = match &arguments.only {
        Some(text) => tests.into_iter().filter(|test| test.name.text.contains(text.as_str())).collect(),
        None => tests,
    };
    match (&arguments.only, tests.is_empty()) {
        (Some(text), true) => Err(Error::usage(format!("none of the {all} tests has {text:?} in its name"))),
        (None, true) if !arguments.converge => {
            let form = "write tests/NAME.kdl: test \"what holds\" { host NAME; contains (file)\"/etc/motd\" }";
            Err(Error::site("the site has no tests").hint(form).hint("`keel test --converge` needs none"))
        }
        _ => Ok(tests),
    }
}

fn by_chance() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_nanos()))
}

fn show(tested: &Tested, site: &Site, arguments: &Arguments, context: &Context) -> Result<String> {
    let failures: Vec<Diagnostic> = tested.failures().cloned().collect();
    let sources = Sources::of(&failures, site.files());
    let paint = if arguments.out.is_none() { context.paint() } else { Paint { colour: false } };
    Ok(match if arguments.json { Format::Json } else { arguments.format } {
        Format::Text => render::text::render(tested, &sources, paint),
        Format::Json => preview::json(&render::json::render(tested, &sources))?,
        Format::Junit => render::junit::render(tested, &sources),
        Format::Github => diagnostics::github(&failures, &sources),
    })
}

/// Hosts whose files are the same are tried once.
struct Form {
    hosts: Vec<String>,
    catalog: Catalog,
    contents: Arc<dyn Contents>,
}

fn converge(site: &Site, arguments: &Arguments, seed: u64, context: &Context) -> Result<Vec<Converged>> {
    let hosts = target::select(site, arguments.hosts.as_deref())?;
    let mut forms: BTreeMap<Vec<u8>, Form> = BTreeMap::new();
    let mut converged = Vec::new();
    for (host, compiled) in hosts.iter().zip(site.compile_all(&hosts)) {
        let Some(catalog) = compiled.catalog else {
            let failures = compiled.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
            converged.push(Converged { hosts: vec![host.clone()], convergence: Convergence::default(), failures });
            continue;
        };
        let nobodys = Catalog { host: String::new(), ..catalog.clone() };
        let key = nobodys.to_bytes().map_err(|error| Error::host(format!("cannot encode the catalog: {error}")))?;
        let contents = compiled.contents;
        let form = forms.entry(key).or_insert_with(|| Form { hosts: Vec::new(), catalog, contents: Arc::new(contents) });
        form.hosts.push(host.clone());
    }
    let plan = convergence::Plan { folder: context.environment.scratch.clone(), seed, drifts: arguments.drifts };
    let forms: Vec<Form> = forms.into_values().collect();
    for (form, tried) in forms.iter().zip(for_each(&forms, |form| convergence::attempt(&form.catalog, &form.contents, &plan))) {
        let convergence = tried?;
        let failures = convergence.findings.iter().map(|finding| diagnostic(finding, form, site)).collect();
        converged.push(Converged { hosts: form.hosts.clone(), convergence, failures });
    }
    converged.sort_by_key(|one| one.hosts.first().and_then(|first| hosts.iter().position(|host| host == first)));
    Ok(converged)
}

/// How many resources of a finding are shown.
const SHOWN_MAX: usize = 3;

fn diagnostic(finding: &convergence::Finding, form: &Form, site: &Site) -> Diagnostic {
    let from = &finding.from;
    let (code, message, advice) = match finding.fault {
        Fault::Elsewhere => (
            codes::CONVERGES_ELSEWHERE,
            format!("the files come to another end from {from}"),
            "give those who write into one file an order with `require`, or write the file as a whole",
        ),
        Fault::SecondRun => (
            codes::SECOND_RUN,
            format!("after a run from {from} a second one changes something"),
            "two resources want different things of one place: keep one of them",
        ),
        Fault::Fails => (codes::FAILS_FROM, format!("a run from {from} fails"), "bring first what is missing: `require` says so"),
    };
    let mut diagnostic = Diagnostic::error(code, message);
    for position in finding.resources.iter().take(SHOWN_MAX) {
        let place = form.catalog.resources.get(*position).and_then(|resource| site.locate(&form.catalog, resource.origin));
        if let Some((file, span)) = place {
            diagnostic = diagnostic.at(&file, span, "this one");
        }
    }
    let diagnostic = finding.details.iter().fold(diagnostic, |diagnostic, detail| diagnostic.help(detail.clone()));
    Diagnostic { host: form.hosts.first().cloned(), ..diagnostic.help(advice) }
}
