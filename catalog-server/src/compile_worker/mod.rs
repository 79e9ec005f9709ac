//! The inside of a compile worker, `keel-server compile-worker`: a process that gets everything through
//! its standard input and says everything through its standard output. What a manifest can do to it, it
//! does to nothing else.

mod calls;
mod findings;
mod fingerprinter;
mod limits;
mod link;
mod packing;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{Read, Write};
use std::sync::Arc;

use keel_engine::catalog::Catalog;
use keel_engine::contents::{Contents, MemoryContents};
use keel_engine::digest::Digest;
use keel_engine::protocol::environment::Finding;
use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::site_data::SiteInput;

use crate::compiler::messages::{Answer, Bytes, Compiled, FactsRead, Opened, Order, Packed, Selected};
use crate::repository::TreeEntry;

use fingerprinter::Fingerprinter;
pub use limits::MEMORY_BYTES;
use limits::restrict;
use link::{CommitFiles, Link, SentFacts};

/// The whole of `keel-server compile-worker`: limits and confines the process, and serves standard input.
///
/// # Errors
/// The kernel refuses a limit, or the pipes broke.
pub fn main(memory: u64) -> Result<(), String> {
    restrict(memory)?;
    calls::forbid_others()?;
    serve(Box::new(std::io::stdin()), Box::new(std::io::stdout()))
}

/// Serves orders until the input ends.
///
/// # Errors
/// The pipes broke, or the server said something that cannot be understood: the process ends then.
pub fn serve(input: Box<dyn Read + Send>, output: Box<dyn Write + Send>) -> Result<(), String> {
    let link = Arc::new(Link::new(input, output));
    let mut worker =
        Worker { link: Arc::clone(&link), sites: BTreeMap::new(), sent: HashSet::new(), fingerprinter: Fingerprinter::default() };
    while let Some(order) = link.order()? {
        match order {
            Order::Open { commit, files } => {
                let opened = worker.open(&commit, &files);
                link.answer(&Answer::Opened(opened))?;
            }
            Order::Compile { commit, host, facts, again } => {
                let compiled = worker.compile(&commit, &host, facts.map(|facts| facts.0), again)?;
                link.answer(&Answer::Compiled(Box::new(compiled)))?;
            }
            Order::Judge { commit, catalogs, without } => {
                let findings = worker.judge(&commit, catalogs, &without)?;
                link.answer(&Answer::Judged(findings))?;
            }
            Order::Select { commit, selector } => {
                let selected = worker.select(&commit, selector.as_deref())?;
                link.answer(&Answer::Selected(selected))?;
            }
            Order::Close { commit } => {
                worker.sites.remove(&commit);
                worker.fingerprinter.forget();
            }
        }
    }
    Ok(())
}

/// A site that is open.
struct OpenSite {
    site: Option<Site>,
    files: Arc<CommitFiles>,
    facts: Arc<SentFacts>,
}

struct Worker {
    link: Arc<Link>,
    sites: BTreeMap<String, OpenSite>,
    /// Contents that the server has: each is sent once.
    sent: HashSet<Digest>,
    fingerprinter: Fingerprinter,
}

impl Worker {
    fn open(&mut self, commit: &str, entries: &[TreeEntry]) -> Opened {
        // The memory of the one before is needed for this one.
        self.sites.remove(commit);
        self.fingerprinter.forget();
        let files = Arc::new(CommitFiles::new(entries, Arc::clone(&self.link)));
        let facts = Arc::new(SentFacts::new(Arc::clone(&self.link)));
        let (open, diagnostics) = OpenSite::load(files, facts);
        let good = open.site.is_some() && !diagnostics.iter().any(Diagnostic::is_error);
        let hosts = open.site.iter().flat_map(Site::hosts).map(str::to_owned).collect();
        let pointed_at = open.site.iter().filter(|_| good).flat_map(Site::pointed_at).map(str::to_owned).collect();
        let findings = findings::of(&diagnostics, &*open.files);
        self.sites.insert(commit.to_owned(), open);
        Opened { good, findings, hosts, pointed_at }
    }

    fn compile(&mut self, commit: &str, host: &str, facts: Option<Vec<u8>>, again: bool) -> Result<Compiled, String> {
        let open = self.sites.get_mut(commit).ok_or_else(|| format!("the commit {commit} is not open"))?;
        open.facts.begin(host, facts);
        let reloaded = open.site.as_ref().is_some_and(|site| site.is_outdated(host));
        if reloaded {
            *open = OpenSite::load(Arc::clone(&open.files), Arc::clone(&open.facts)).0;
            self.fingerprinter.forget();
        }
        let Some(site) = &open.site else { return Err(format!("the commit {commit} has no site")) };
        let (compiled, reads) = site.compile_alone(host);
        let fleet_state = site.fleet_state();
        let reads = reads.into_iter().map(|(host, keys)| {
            let facts = site.data().facts.of(&host);
            FactsRead { state: keys.digest(facts.as_deref()), existed: facts.is_some(), host, keys }
        });
        let reads = reads.collect();
        let findings = findings::of(&compiled.diagnostics, &*open.files);
        let pack = |catalog| packing::pack(catalog, &site.data().secrets, &mut self.fingerprinter);
        let packed = compiled.catalog.as_ref().map(pack).transpose()?;
        if let Some(packed) = &packed {
            Self::send_contents(&self.link, &mut self.sent, packed, &compiled.contents, again)?;
        }
        Ok(Compiled { catalog: packed, findings, reads, fleet_state, reloaded })
    }

    fn send_contents(
        link: &Link,
        sent: &mut HashSet<Digest>,
        packed: &Packed,
        contents: &MemoryContents,
        again: bool,
    ) -> Result<(), String> {
        for blob in &packed.contents {
            if sent.insert(blob.digest) || again {
                let bytes = contents.read(blob)?;
                link.answer(&Answer::Content { bytes: Bytes(bytes.to_vec()) })?;
            }
        }
        // A set that only grows would be a leak: forgetting costs a second sending.
        if sent.len() > SENT_MAX {
            sent.clear();
        }
        Ok(())
    }

    /// Judges catalogs together, each reduced to what relations need.
    fn judge(&mut self, commit: &str, count: u32, without: &BTreeSet<String>) -> Result<Vec<Finding>, String> {
        let mut catalogs: Vec<Catalog> = Vec::new();
        for _ in 0..count {
            let compressed = self.link.bytes()?;
            let mut skeleton = packing::skeleton(packing::unpack(&compressed)?);
            skeleton.gates.retain(|gate| !without.contains(&gate.host));
            catalogs.push(skeleton);
        }
        let open = self.sites.get(commit).ok_or_else(|| format!("the commit {commit} is not open"))?;
        let Some(site) = &open.site else { return Err(format!("the commit {commit} has no site")) };
        Ok(findings::of(&site.check_fleet_without(&catalogs, without), &*open.files))
    }
}

impl Worker {
    /// The hosts that a selector means; the inner failure is the selector's.
    fn select(&mut self, commit: &str, selector: Option<&str>) -> Result<Result<Selected, String>, String> {
        let open = self.sites.get(commit).ok_or_else(|| format!("the commit {commit} is not open"))?;
        let Some(site) = &open.site else { return Err(format!("the commit {commit} has no site")) };
        let names = match selector.map(|text| site.select(text)) {
            None => site.hosts().map(str::to_owned).collect(),
            Some(Ok(names)) => names,
            Some(Err(error)) => return Ok(Err(error.to_string())),
        };
        let groups = |host: &str| site.data().inventory.groups_of(host).into_iter().map(|group| group.name.to_string()).collect();
        let hosts = names.into_iter().map(|host| (host.clone(), groups(&host))).collect();
        Ok(Ok(Selected { site: site.name().to_owned(), hosts }))
    }
}

/// How many contents are remembered as sent.
const SENT_MAX: usize = 100_000;

impl OpenSite {
    fn load(files: Arc<CommitFiles>, facts: Arc<SentFacts>) -> (Self, Vec<Diagnostic>) {
        let input = SiteInput { facts: Some(Arc::clone(&facts) as _), ..SiteInput::default() };
        let options = LoadOptions { input, cache: Some(&*files), ..LoadOptions::default() };
        let (site, diagnostics) = Site::load(Arc::clone(&files) as _, options, keel_resources::declared());
        (Self { site, files, facts }, diagnostics)
    }
}
