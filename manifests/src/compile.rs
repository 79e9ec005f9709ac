//! Compiling one host: manifests are walked with the host's variables, and what they declare becomes
//! a catalog. Everything that is wrong is collected; a catalog exists only if nothing is.

mod assemble;
pub(crate) mod attributes;
mod declaration;
mod drafts;
mod frame;
mod guards;
mod mention;
mod outgoing;
mod relations;
mod removals;
mod schedules;
mod sharing;
mod sound;
mod sources;
mod statements;
mod turns;
mod uses;
mod values;

use std::collections::HashSet;

use keel_engine::catalog::{Catalog, PruneRule};
use keel_engine::contents::MemoryContents;

use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean, sort};
use crate::host_reads::reading_for;
use crate::scope::Scope;
use crate::site::Site;
use crate::syntax::Span;
pub(crate) use declaration::Declared;
use drafts::{DraftContainer, Drafts, PendingOverride};
use guards::Guards;
pub(crate) use outgoing::{Outgoing, OutgoingRelations, points_elsewhere, relates_hosts};
use relations::PendingRelation;
use removals::PlacedPurge;
use schedules::Schedules;
pub(crate) use sharing::{Found, Sharing};
pub(crate) use sound::SoundOutlines;
pub(crate) use uses::Usage;

/// The most resources of a catalog.
pub const RESOURCES_MAX: usize = 20_000;
/// The most relations of a catalog.
pub const RELATIONS_MAX: usize = 1_000_000;
/// The most bytes of rendered text in a catalog.
pub const RENDERED_BYTES_MAX: usize = 16 << 20;

/// What came of compiling a host.
#[derive(Debug)]
pub struct Compiled {
    /// The catalog, if nothing is wrong.
    pub catalog: Option<Catalog>,
    /// The bytes that the catalog names.
    pub contents: MemoryContents,
    /// What there is to say.
    pub diagnostics: Vec<Diagnostic>,
}

/// A place in one of the site's manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Position in the site's sources.
    pub(crate) source: usize,
    /// The bytes.
    pub(crate) span: Span,
}

/// What a host's manifests are walked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Its catalog.
    Catalog,
    /// The relations that make other hosts wait: what attributes hold does not matter.
    Outgoing,
}

/// The state of one compile.
pub(crate) struct Compiler<'s> {
    site: &'s Site,
    host: &'s str,
    purpose: Purpose,
    /// Which compile of the site this is.
    number: u32,
    drafts: Drafts<'s>,
    containers: Vec<DraftContainer<'s>>,
    relations: Vec<PendingRelation<'s>>,
    /// How many relations these become: one for each host that is meant.
    relation_count: usize,
    overrides: Vec<PendingOverride<'s>>,
    prune: Vec<PruneRule>,
    purge: Vec<PlacedPurge>,
    schedules: Schedules,
    guards: Guards,
    contents: MemoryContents,
    rendered_bytes: usize,
    /// A limit is passed: the rest is not looked at.
    stopped: bool,
    diagnostics: Vec<Diagnostic>,
    /// What was said, as code, message and place.
    said: HashSet<String>,
    /// How often anything was said, also what was said before.
    remarks: usize,
}

impl<'s> Compiler<'s> {
    /// Compiles a host of a site.
    pub(crate) fn run(site: &'s Site, host: &str) -> Compiled {
        let _reader = site.data.inventory.host_id(host).map(reading_for);
        let (mut compiler, scope) = match Self::new(site, host, Purpose::Catalog) {
            Ok(begun) => begun,
            Err(unknown) => return Compiled { catalog: None, contents: MemoryContents::default(), diagnostics: vec![unknown] },
        };
        compiler.roots(&scope);
        compiler.apply_overrides();
        let catalog = compiler.assemble();
        sort(&mut compiler.diagnostics);
        let good = !site.broken && !compiler.diagnostics.iter().any(Diagnostic::is_error);
        Compiled { catalog: catalog.filter(|_| good), contents: compiler.contents, diagnostics: compiler.diagnostics }
    }

    /// Nothing is walked yet. Fails if there is no such host.
    fn new(site: &'s Site, host: &str, purpose: Purpose) -> Result<(Self, Scope), Diagnostic> {
        let known = site.data.inventory.host(host);
        let (Some(host), Some(scope)) = (known, site.data.scope(host)) else {
            let diagnostic = Diagnostic::error(codes::UNKNOWN_ASSIGNEE, format!("the inventory has no host `{host}`"));
            let help = did_you_mean(host, site.hosts());
            return Err(diagnostic.help(help.unwrap_or_else(|| "declare it in inventory/hosts.toml".to_owned())));
        };
        let mut compiler = Self {
            site,
            host: &host.name,
            purpose,
            number: site.sharing.begin(),
            drafts: Drafts::default(),
            containers: Vec::new(),
            relations: Vec::new(),
            relation_count: 0,
            overrides: Vec::new(),
            prune: site.data.config.prune.clone(),
            purge: Vec::new(),
            schedules: Schedules::default(),
            guards: Guards::default(),
            contents: MemoryContents::default(),
            rendered_bytes: 0,
            stopped: false,
            diagnostics: Vec::new(),
            said: HashSet::new(),
            remarks: 0,
        };
        let id = site.data.inventory.host_id(&host.name);
        let faults = id.map(|id| site.data.dynamic.faults_of(id)).unwrap_or_default();
        faults.iter().for_each(|fault| compiler.say(fault.clone()));
        Ok((compiler, scope))
    }

    /// Says something, unless it was said before: loops come by one place many times.
    fn say(&mut self, mut diagnostic: Diagnostic) {
        self.remarks += 1;
        let place = diagnostic.labels.first().map(|label| format!("{}:{}", label.file, label.span.start));
        if self.said.insert(format!("{} {} {}", diagnostic.code, place.unwrap_or_default(), diagnostic.message)) {
            diagnostic.host = Some(self.host.to_owned());
            self.diagnostics.push(diagnostic);
        }
    }

    /// Adds a label for a place in a manifest.
    fn label(&self, diagnostic: Diagnostic, place: Place, text: &str) -> Diagnostic {
        match self.site.sources.all.get(place.source) {
            Some(source) => diagnostic.at(&source.path, place.span.into(), text),
            None => diagnostic,
        }
    }

    /// Says an error at one place.
    fn error(&mut self, code: &'static str, message: impl Into<String>, place: Place, help: impl Into<String>) {
        let diagnostic = self.label(Diagnostic::error(code, message), place, "here").help(help);
        self.say(diagnostic);
    }
}
