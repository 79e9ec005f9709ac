//! Two states of a site, compiled for every host and compared: what one would change against the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keel_engine::catalog::Catalog;
use keel_engine::difference::{Difference, ExpectedRefresh, Reach, Side, follow};
use keel_engine::preview::{HostPreview, HostState, Level, Place, Preview, Problem, Revision, Subject};
use keel_manifests::compile::Compiled;
use keel_manifests::diagnostic::{Diagnostic, Severity};
use keel_manifests::files::SiteFiles;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::site_data::SiteInput;
use keel_manifests::sources::{Extent, LoweredCache};
use keel_manifests::workers::for_each;

use crate::render::diagnostics::Sources;
use crate::type_traits::TypeTraits;

/// A state of a site, loaded.
pub struct SiteState {
    revision: Revision,
    site: Option<Site>,
    problems: Vec<Problem>,
}

impl SiteState {
    /// Loads it. Whatever is wrong is kept, and said in the preview.
    pub fn load(revision: Revision, files: Arc<dyn SiteFiles + Send + Sync>, input: SiteInput, cache: &dyn LoweredCache) -> Self {
        let options = LoadOptions { input, extent: Extent::Used, cache: Some(cache) };
        let (site, found) = Site::load(Arc::clone(&files), options, keel_resources::declared());
        let errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
        let problems = problems(&errors, site.as_ref().map_or(&*files, Site::files));
        Self { revision, site, problems }
    }

    /// The site, if it could be loaded.
    pub fn site(&self) -> Option<&Site> {
        self.site.as_ref()
    }

    /// A host's catalog, if it has one.
    pub fn catalog(&self, host: &str) -> Option<Catalog> {
        self.has(host)?.compile(host).catalog
    }

    fn has(&self, host: &str) -> Option<&Site> {
        self.site.as_ref().filter(|site| site.data().inventory.host_id(host).is_some())
    }

    fn compile(&self, host: &str) -> Option<(Compiled, Vec<Problem>)> {
        let site = self.has(host)?;
        let mut compiled = site.compile(host);
        let mut errors: Vec<Diagnostic> = std::mem::take(&mut compiled.diagnostics).into_iter().filter(Diagnostic::is_error).collect();
        // Hosts with the same errors are said together.
        errors.iter_mut().for_each(|error| error.host = None);
        let problems = problems(&errors, site.files());
        Some((compiled, problems))
    }

    fn groups(&self, host: &str) -> Option<Vec<String>> {
        let inventory = &self.has(host)?.data().inventory;
        Some(inventory.groups_of(host).iter().map(|group| group.name.to_string()).collect())
    }
}

/// Diagnostics in the form of a preview.
pub fn problems(found: &[Diagnostic], files: &dyn SiteFiles) -> Vec<Problem> {
    let sources = Sources::of(found, files);
    let problem = |diagnostic: &Diagnostic| Problem {
        level: match diagnostic.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Note => Level::Note,
        },
        code: Some(diagnostic.code.to_owned()),
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
        place: diagnostic.labels.first().map(|label| {
            let place = sources.place(&label.file, label.span.start);
            Place { file: label.file.to_string(), line: place.line, column: place.column }
        }),
        in_base: false,
    };
    found.iter().map(problem).collect()
}

/// What the second state would change against the first one, on these hosts.
pub fn compare(base: &SiteState, head: &SiteState, hosts: &[String]) -> Preview {
    let types = TypeTraits::of_all();
    let comparison = Comparison { base, head, types: &types };
    let compared = comparison.reach_others(for_each(hosts, |host| comparison.host(host)));
    let of_base = base.problems.iter().cloned().map(in_base);
    let problems = head.problems.iter().cloned().chain(of_base).collect();
    let name = head.site().or(base.site()).map_or("site", Site::name);
    let subject = Subject::Difference { base: base.revision.clone(), head: head.revision.clone() };
    Preview::fold(name, subject, compared, problems)
}

fn in_base(problem: Problem) -> Problem {
    Problem { in_base: true, ..problem }
}

/// A host's preview, and how its difference reaches others.
type Compared = (HostPreview, Reach);

/// Two states of a site while hosts are compared.
struct Comparison<'a> {
    base: &'a SiteState,
    head: &'a SiteState,
    types: &'a TypeTraits,
}

impl Comparison<'_> {
    fn host(&self, host: &str) -> Compared {
        let groups = self.head.groups(host).or_else(|| self.base.groups(host)).unwrap_or_default();
        let (before, after) = (self.base.compile(host), self.head.compile(host));
        let nothing = |state, problems| (state, Difference::default(), problems);
        let (state, difference, problems) = match (&before, &after) {
            (None, None) => nothing(HostState::Unchanged, Vec::new()),
            (Some(_), None) if self.head.site().is_none() => nothing(HostState::Broken, Vec::new()),
            (Some(_), None) => nothing(HostState::Removed, Vec::new()),
            (_, Some((compiled, problems))) => match side(compiled) {
                None => nothing(HostState::Broken, problems.clone()),
                Some(new) => against(before.as_ref(), new, self.types),
            },
        };
        let new = after.as_ref().and_then(|(compiled, _)| compiled.catalog.as_ref());
        let reach = new.filter(|_| self.head.site().is_some_and(Site::relates_hosts)).map(|new| {
            let old = before.and_then(|(compiled, _)| compiled.catalog);
            Reach::of(&old.unwrap_or_else(|| Catalog::empty(host, &new.site)), new, &difference, self.types)
        });
        let preview = HostPreview { host: host.to_owned(), groups, state, difference, problems };
        (preview, reach.unwrap_or_default())
    }

    /// Adds what the changes of all hosts refresh on others.
    fn reach_others(&self, compared: Vec<Compared>) -> Vec<HostPreview> {
        let (mut previews, mut reaches) = (Vec::new(), BTreeMap::new());
        for (preview, reach) in compared {
            reaches.insert(preview.host.clone(), reach);
            previews.push(preview);
        }
        loop {
            // Also those that nobody asked for lead to refreshes of those that were.
            let pointed_at = reaches.values().flat_map(Reach::hosts);
            let others: BTreeSet<String> = pointed_at.filter(|host| !reaches.contains_key(*host)).map(str::to_owned).collect();
            if others.is_empty() {
                break;
            }
            let others: Vec<String> = others.into_iter().collect();
            let found = for_each(&others, |host| self.host(host).1);
            reaches.extend(others.into_iter().zip(found));
        }
        let mut refreshed = follow(&reaches);
        let reached = previews.into_iter().map(|preview| match refreshed.remove(&*preview.host) {
            Some(refreshes) => self.refreshed(preview, refreshes),
            None => preview,
        });
        reached.collect()
    }

    fn refreshed(&self, preview: HostPreview, refreshes: Vec<ExpectedRefresh>) -> HostPreview {
        let mut difference = preview.difference.with_refreshes(refreshes, self.types);
        let state = match preview.state {
            HostState::Unchanged if !difference.is_empty() => HostState::Changed,
            state => state,
        };
        if state == HostState::Added {
            difference.disruptions.clear();
        }
        HostPreview { state, difference, ..preview }
    }
}

fn against(before: Option<&(Compiled, Vec<Problem>)>, new: Side<'_>, types: &TypeTraits) -> (HostState, Difference, Vec<Problem>) {
    let Some((compiled, problems)) = before else {
        // There is nothing to interrupt yet.
        return (HostState::Added, Difference { disruptions: Vec::new(), ..Difference::everything(new, types) }, Vec::new());
    };
    let Some(old) = side(compiled) else {
        return (HostState::Mended, Difference::everything(new, types), problems.iter().cloned().map(in_base).collect());
    };
    let difference = Difference::between(old, new, types);
    let state = if difference.is_empty() { HostState::Unchanged } else { HostState::Changed };
    (state, difference, Vec::new())
}

fn side(compiled: &Compiled) -> Option<Side<'_>> {
    compiled.catalog.as_ref().map(|catalog| Side { catalog, contents: &compiled.contents })
}

/// The hosts of both states, those of the second one first.
pub fn hosts_of_both(base: &SiteState, head: &SiteState) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let both = [head, base].into_iter().filter_map(SiteState::site).flat_map(Site::hosts);
    both.filter(|host| seen.insert((*host).to_owned())).map(str::to_owned).collect()
}
