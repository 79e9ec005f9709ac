//! `keel diff`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keel_engine::preview::Revision;
use keel_manifests::files::SiteFiles;
use keel_manifests::site_data::{SiteInput, WithoutFacts};

use super::preview::{self, PreviewArguments};
use super::target::{self, Kept};
use crate::cli::Context;
use crate::comparison::{SiteState, compare, hosts_of_both};
use crate::error::{Error, Result};
use crate::git_commit::Repository;
use crate::lowered_files::LoweredFiles;
use crate::render::preview::Pictures;
use crate::site_folder::{SITE_FILE, SiteFolder};

/// Show what one state of the site would change against another, on every host.
///
/// Both states are compiled for all hosts, with the recorded facts of each, and nothing is asked of any host.
/// A state is a git revision or a site's folder; without HEAD it is the site's folder as it is now. Hosts on
/// which the same would change are shown once.
///
/// Exits 0, or 4 if a host does not compile; with --detailed-exitcode also 2 if anything would change, and 6 for both.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel diff main\n  keel diff main..feature --format markdown\n  keel diff v1 v2 --site examples/web --format html -o diff.html"
)]
pub struct Arguments {
    /// What hosts are converged to; BASE..HEAD names both.
    #[arg(value_name = "BASE")]
    base: String,
    /// What they would be converged to.
    #[arg(value_name = "HEAD")]
    head: Option<String>,
    /// The site's folder, or a bare repository; the nearest folder upward that has a keel.toml, if not given.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// Only these hosts: a selector such as "group:web and not host:web-9".
    #[arg(short = 'l', long = "hosts", value_name = "SELECTOR")]
    hosts: Option<String>,
    /// Set a variable for both states.
    #[arg(long = "var", value_name = "KEY=VALUE")]
    variables: Vec<String>,
    /// Tell changes by the exit code, too: 2 changes, 4 failures, 6 both.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    shown: PreviewArguments,
}

/// Runs it.
///
/// # Errors
/// There is no such site or revision.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let (base, head) = revisions(&arguments.base, arguments.head.as_deref())?;
    let run_variables = arguments.variables.clone();
    let input = SiteInput { run_variables, without_facts: WithoutFacts::Profile, ..SiteInput::default() };
    target::well_formed(&input.wrong_variables())?;
    let folder = folder(arguments.site.as_deref(), base, head, context)?;
    let lowered = Kept::ByUser.open(&folder, context);
    let load = |name: Option<&str>| state(name, &folder, input.clone(), &lowered);
    let (before, after) = (load(Some(base))?, load(head)?);
    Kept::ByUser.close(&lowered);
    let hosts = select(&before, &after, arguments.hosts.as_deref())?;
    let preview = compare(&before, &after, &hosts).below(&Repository::prefix(folder.folder()));
    let pictures = || Pictures::of(&preview, |host| after.catalog(host));
    preview::show(&preview, &arguments.shown, pictures, context)?;
    Ok(preview::exit_code(&preview, arguments.detailed_exitcode))
}

/// The names of both states.
fn revisions<'a>(base: &'a str, head: Option<&'a str>) -> Result<(&'a str, Option<&'a str>)> {
    if base.is_empty() || head == Some("") {
        return Err(Error::usage("a state of the site has an empty name").hint("name a revision or a folder: keel diff main"));
    }
    match (base.split_once(".."), head) {
        _ if Path::new(base).exists() => Ok((base, head)),
        (Some((_, rest)), _) if rest.starts_with('.') => {
            let message = format!("{base} compares with the common ancestor, which `keel diff` does not");
            Err(Error::usage(message).hint("name it: keel diff \"$(git merge-base A B)\" B"))
        }
        (Some(("", rest)), _) => {
            let message = format!("{base} does not say what hosts are converged to");
            Err(Error::usage(message).hint(format!("name it, too: keel diff HEAD..{rest}")))
        }
        (Some((base, head)), None) => Ok((base, Some(head).filter(|head| !head.is_empty()))),
        _ => Ok((base, head)),
    }
}

/// The site's folder; where only revisions are named, any folder of a repository will do.
fn folder(given: Option<&Path>, base: &str, head: Option<&str>, context: &Context) -> Result<SiteFolder> {
    let found = SiteFolder::find(given, &context.environment.folder);
    let all_revisions = head.is_some_and(|head| !is_folder(head)) && !is_folder(base);
    match (found, given) {
        (Err(_), Some(given)) if all_revisions && Repository::around(given).is_ok() => SiteFolder::any(given),
        (Err(_), None) if head.is_some() => SiteFolder::any(&context.environment.folder),
        (found, _) => found,
    }
}

/// Whether a name means a folder and not a revision.
fn is_folder(name: &str) -> bool {
    Path::new(name).join(SITE_FILE).is_file()
}

fn state(name: Option<&str>, folder: &SiteFolder, input: SiteInput, lowered: &LoweredFiles) -> Result<SiteState> {
    let (revision, files): (Revision, Arc<dyn SiteFiles + Send + Sync>) = match name {
        None => (Revision::folder(), Arc::new(folder.clone())),
        Some(name) if is_folder(name) => {
            let other = SiteFolder::find(Some(Path::new(name)), folder.folder())?;
            (Revision { name: name.to_owned(), commit: None }, Arc::new(other))
        }
        Some(name) => {
            let commit = Repository::around(folder.folder())?.commit(name)?;
            (Revision { name: name.to_owned(), commit: Some(commit.id().to_owned()) }, Arc::new(commit))
        }
    };
    Ok(SiteState::load(revision, files, input, lowered))
}

/// The hosts that are compared: a selector may mean somebody in either state.
fn select(base: &SiteState, head: &SiteState, selector: Option<&str>) -> Result<Vec<String>> {
    let hosts = hosts_of_both(base, head);
    let Some(text) = selector else { return Ok(hosts) };
    let mut selected = BTreeSet::new();
    let mut wrong = None;
    for site in [head, base].into_iter().filter_map(SiteState::site) {
        match site.select(text) {
            Ok(found) => selected.extend(found),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    let meant: Vec<String> = hosts.into_iter().filter(|host| selected.contains(host)).collect();
    match (meant.is_empty(), wrong) {
        (true, Some(error)) => Err(target::bad_selector(text, error)),
        (true, None) => Err(target::selects_nobody(text)),
        (false, _) => Ok(meant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_states_are_named_as_git_names_them_or_refused() {
        let named = |base, head| revisions(base, head).map_err(|error| error.hints.concat());
        assert_eq!(named("v1", None), Ok(("v1", None)));
        assert_eq!(named("v1..v2", None), Ok(("v1", Some("v2"))));
        assert_eq!(named("v1..", None), Ok(("v1", None)));
        assert_eq!(named("..", None), Ok(("..", None)), "the folder above");
        assert!(named("..v1", None).unwrap_err().ends_with("keel diff HEAD..v1"));
        assert!(named("v1...v2", None).unwrap_err().contains("merge-base"));
        assert!(named("", None).is_err() && named("v1", Some("")).is_err());
    }
}
