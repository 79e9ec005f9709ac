//! Checks sites while somebody types: a thread for each site, which begins anew whenever there is something newer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keel_manifests::diagnostic::{Diagnostic, Severity};
use keel_manifests::files::read_text;
use keel_manifests::library::LIBRARY_FOLDER;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::site_data::{SiteInput, WithoutFacts};
use keel_manifests::site_tests;
use keel_manifests::sources::Extent;
use keel_manifests::workers::for_each;
use lsp_server::{Message, Notification};
use lsp_types::notification::{Notification as _, PublishDiagnostics};
use lsp_types::{DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString, PublishDiagnosticsParams};

use super::open_files::OpenSite;
use super::positions::{address, range};
use crate::findings::{Findings, of_fleet};
use crate::site_folder::SITE_FILE;

/// How long nothing new comes in before a check begins.
const PAUSE: Duration = Duration::from_millis(150);
/// How many hosts are compiled before it is looked again whether something newer came.
const HOSTS_AT_ONCE: usize = 64;

/// A site that is checked.
pub(super) struct Checked {
    changes: Sender<OpenSite>,
    known: Arc<Mutex<Option<Arc<Site>>>>,
}

impl Checked {
    /// Begins to check a site, whose findings go to the editor.
    pub(super) fn begin(editor: impl Fn(Message) + Send + 'static) -> Self {
        let (changes, coming) = channel();
        let known = Arc::new(Mutex::new(None));
        let worker = Worker { coming, known: Arc::clone(&known), editor: Box::new(editor), published: BTreeSet::new() };
        std::thread::spawn(move || worker.run());
        Self { changes, known }
    }

    /// Says what the site is now.
    pub(super) fn change(&self, site: OpenSite) {
        // The thread only ends with the program.
        let _ = self.changes.send(site);
    }

    /// The site as it was when it was last whole, or as it is if it never was; none before the first look at it.
    pub(super) fn site(&self) -> Option<Arc<Site>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Worker {
    coming: Receiver<OpenSite>,
    known: Arc<Mutex<Option<Arc<Site>>>>,
    editor: Box<dyn Fn(Message) + Send>,
    /// The files for which the editor shows something.
    published: BTreeSet<PathBuf>,
}

impl Worker {
    fn run(mut self) {
        let mut next = self.coming.recv().ok();
        while let Some(site) = next {
            next = match self.coming.recv_timeout(PAUSE) {
                Ok(newer) => Some(newer),
                Err(_) => self.check(&site).or_else(|| self.coming.recv().ok()),
            };
        }
    }

    /// Checks a site; returns a newer one if that came in between.
    fn check(&mut self, open: &OpenSite) -> Option<OpenSite> {
        let input = SiteInput { without_facts: WithoutFacts::Profile, ..SiteInput::default() };
        let options = LoadOptions { input, extent: Extent::All, ..LoadOptions::default() };
        let (site, mut found) = Site::load(Arc::new(open.clone()), options, keel_resources::declared());
        found.extend(site_tests::load(open).1);
        let Some(site) = site.map(Arc::new) else {
            self.publish(open, &found);
            return None;
        };
        let is_whole = !found.iter().any(Diagnostic::is_error);
        self.remember(&site, is_whole);
        // What compiles find stays on the screen until the next ones are done; mistakes that stop them are shown at once.
        if !is_whole {
            self.publish(open, &site.levelled(found.clone()));
        }
        let hosts: Vec<String> = site.hosts().map(str::to_owned).collect();
        let (mut checks, mut findings) = (Vec::new(), Findings::default());
        for hosts in hosts.chunks(HOSTS_AT_ONCE) {
            match self.coming.try_recv() {
                Ok(newer) => return Some(newer),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    let mut checked = for_each(hosts, |host| site.check_host(host));
                    findings.take(&mut checked);
                    checks.append(&mut checked);
                }
            }
        }
        found.extend(of_fleet(&site, &hosts, &mut checks));
        found.extend(findings.into_diagnostics());
        self.publish(open, &site.levelled(found));
        None
    }

    fn remember(&self, site: &Arc<Site>, is_whole: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if is_whole || known.is_none() {
            *known = Some(Arc::clone(site));
        }
    }

    /// Tells the editor what was found, file by file; files about which nothing is said any more, too.
    fn publish(&mut self, open: &OpenSite, found: &[Diagnostic]) {
        let mut by_file: BTreeMap<PathBuf, Vec<lsp_types::Diagnostic>> = BTreeMap::new();
        for diagnostic in found {
            let place = diagnostic.labels.first().filter(|label| !label.file.starts_with(LIBRARY_FOLDER));
            let file = place.map_or(SITE_FILE, |label| &label.file);
            by_file.entry(open.folder().join(file)).or_default().push(shown(diagnostic, open, file));
        }
        for gone in self.published.iter().filter(|file| !by_file.contains_key(*file)) {
            self.send(gone, Vec::new());
        }
        self.published = by_file.keys().cloned().collect();
        for (file, diagnostics) in by_file {
            self.send(&file, diagnostics);
        }
    }

    fn send(&self, file: &Path, diagnostics: Vec<lsp_types::Diagnostic>) {
        let Some(uri) = address(file) else { return };
        let what = PublishDiagnosticsParams { uri, diagnostics, version: None };
        (self.editor)(Message::Notification(Notification::new(PublishDiagnostics::METHOD.to_owned(), what)));
    }
}

/// A diagnostic as editors show it, in the file to which it is given.
fn shown(diagnostic: &Diagnostic, open: &OpenSite, file: &str) -> lsp_types::Diagnostic {
    let text = |file: &str| read_text(open, file, &mut Vec::new()).unwrap_or_default();
    let here = diagnostic.labels.first().filter(|label| &*label.file == file);
    let elsewhere = diagnostic.labels.iter().skip(1).filter_map(|label| {
        let uri = address(&open.folder().join(&*label.file)).filter(|_| !label.file.starts_with(LIBRARY_FOLDER))?;
        let location = Location::new(uri, range(&text(&label.file), &label.span));
        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
    });
    let severity = match diagnostic.severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Note => DiagnosticSeverity::INFORMATION,
    };
    let host = diagnostic.host.as_ref().map(|host| format!(" (host {host})")).unwrap_or_default();
    let help: String = diagnostic.help.iter().map(|help| format!("\ntry: {help}")).collect();
    lsp_types::Diagnostic {
        range: here.map(|label| range(&text(file), &label.span)).unwrap_or_default(),
        severity: Some(severity),
        code: Some(NumberOrString::String(diagnostic.code.to_owned())),
        source: Some("keel".to_owned()),
        message: format!("{}{host}{help}", diagnostic.message),
        related_information: Some(elsewhere.collect()),
        ..lsp_types::Diagnostic::default()
    }
}
