//! The manifests that a site uses, parsed: what lies below `manifests/`, and the modules that are used.

mod loops;
mod parsed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::codes;
use crate::compile::{points_elsewhere, relates_hosts};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::files::SiteFiles;
use crate::library::{self, LIBRARY_FOLDER};
use crate::syntax::{Manifest, Module, Name, Statement};
use loops::uses_of;
pub use parsed::LoweredCache;
pub(crate) use parsed::Source;
use parsed::parse_all;

/// Where a module was declared.
#[derive(Debug, Clone)]
pub(crate) struct ModulePlace {
    /// Position in [`Sources::all`].
    pub(crate) source: usize,
    /// Position among the source's statements.
    statement: usize,
    /// The folder with its `templates/` and `files/`; empty for the site's own.
    pub(crate) folder: Arc<str>,
}

/// Which modules are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// Those that are used: what a compile needs.
    #[default]
    Used,
    /// Also the site's own that nobody uses, so that what is wrong with them is said before somebody does.
    All,
}

/// All manifests that a site uses.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The manifests.
    pub(crate) all: Vec<Source>,
    /// The modules by name.
    pub(crate) modules: BTreeMap<Arc<str>, ModulePlace>,
    /// How many of the manifests say who gets what; the others hold a module each.
    pub(crate) roots: usize,
    /// Modules that nobody uses, where all were loaded: they are only checked.
    pub(crate) unused: BTreeSet<Arc<str>>,
    /// Whether a `before` or `notify` in them leads to other hosts.
    point_elsewhere: bool,
    /// Whether any relation in them leads to other hosts.
    relate_hosts: bool,
}

impl Sources {
    /// Loads the manifests of a site, and then, wave by wave, the modules they use.
    pub(crate) fn load(files: &dyn SiteFiles, extent: Extent, cache: Option<&dyn LoweredCache>, out: &mut Vec<Diagnostic>) -> Self {
        let mut sources = Self::default();
        sources.load_roots(files, cache, out);
        let mut asked: BTreeSet<Arc<str>> = BTreeSet::new();
        sources.load_used(files, cache, &mut asked, out);
        if extent == Extent::All {
            let others = sources.not_loaded(files).into_iter().filter(|name| asked.insert(Arc::clone(&name.text)));
            let wave: Vec<_> = others.map(|name| (Arc::clone(&name.text), Arc::from(""), name)).collect();
            sources.load_modules(files, cache, &wave, out);
            sources.load_used(files, cache, &mut asked, out);
            sources.unused = sources.find_unused();
        }
        sources.refuse_loops(out);
        let none = BTreeSet::new();
        sources.relate_hosts = sources.all.iter().any(|source| relates_hosts(&source.manifest.statements));
        sources.point_elsewhere = sources.all.iter().any(|source| points_elsewhere(&source.manifest.statements, &none));
        sources
    }

    /// Loads what the manifests use that is not loaded yet.
    fn load_used(
        &mut self,
        files: &dyn SiteFiles,
        cache: Option<&dyn LoweredCache>,
        asked: &mut BTreeSet<Arc<str>>,
        out: &mut Vec<Diagnostic>,
    ) {
        loop {
            let mut wave: Vec<(Arc<str>, Arc<str>, Name)> = Vec::new();
            for source in &self.all {
                for name in uses_of(&source.manifest.statements) {
                    if !self.modules.contains_key(&name.text) && asked.insert(Arc::clone(&name.text)) {
                        wave.push((Arc::clone(&name.text), Arc::clone(&source.path), name));
                    }
                }
            }
            if wave.is_empty() {
                return;
            }
            self.load_modules(files, cache, &wave, out);
        }
    }

    /// The site's own modules that are not loaded.
    fn not_loaded(&self, files: &dyn SiteFiles) -> Vec<Name> {
        let listed = files.list("modules").unwrap_or_default();
        let names = listed.iter().filter_map(|file| file.path.strip_prefix("modules/")?.strip_suffix("/module.kdl"));
        let others = names.filter(|name| is_plain(name) && !self.modules.contains_key(*name));
        others.map(|name| Name { text: Arc::from(name), span: Default::default() }).collect()
    }

    /// The modules to which no `use` leads from a block that says who gets something.
    fn find_unused(&self) -> BTreeSet<Arc<str>> {
        let mut unused: BTreeSet<Arc<str>> = self.modules.keys().cloned().collect();
        let roots = self.all.iter().take(self.roots).flat_map(|source| &source.manifest.statements);
        let mut open: Vec<Name> =
            roots.filter(|root| !matches!(root, Statement::Module(_))).flat_map(|root| uses_of(std::slice::from_ref(root))).collect();
        while let Some(used) = open.pop() {
            if unused.remove(&used.text) {
                open.extend(self.module(&used.text).into_iter().flat_map(|(_, module)| uses_of(&module.body)));
            }
        }
        unused
    }

    /// The declaration behind a module's name.
    pub(crate) fn module(&self, name: &str) -> Option<(&ModulePlace, &Module)> {
        let place = self.modules.get(name)?;
        match self.all.get(place.source)?.manifest.statements.get(place.statement)? {
            Statement::Module(module) => Some((place, module)),
            _ => None,
        }
    }

    /// Whether any manifest makes other hosts wait: only then a compile has to know what the others declare.
    pub(crate) fn point_elsewhere(&self) -> bool {
        self.point_elsewhere
    }

    /// Whether any relation leads to other hosts: only then the catalogs of all hosts have to be looked at together.
    pub(crate) fn relate_hosts(&self) -> bool {
        self.relate_hosts
    }

    fn load_roots(&mut self, files: &dyn SiteFiles, cache: Option<&dyn LoweredCache>, out: &mut Vec<Diagnostic>) {
        let listed = files.list("manifests").unwrap_or_else(|why| {
            out.push(Diagnostic::error(codes::UNREADABLE, format!("cannot read the folder manifests: {why}")));
            Vec::new()
        });
        let paths: Vec<String> = listed.into_iter().map(|file| file.path).filter(|path| path.ends_with(".kdl")).collect();
        if paths.is_empty() {
            let diagnostic = Diagnostic::warning(codes::NO_SITE, "the site has no manifest");
            out.push(diagnostic.help("write manifests/site.kdl: `group all { ... }` says what every host has"));
        }
        for (source, diagnostics) in parse_all(files, cache, &paths) {
            out.extend(diagnostics);
            if let Some(source) = source {
                self.add_root(source, out);
            }
        }
        self.roots = self.all.len();
    }

    fn add_root(&mut self, source: Source, out: &mut Vec<Diagnostic>) {
        let position = self.all.len();
        for (statement, module) in modules_in(&source.manifest) {
            let place = ModulePlace { source: position, statement, folder: Arc::from("") };
            if let Some(first) = self.modules.insert(Arc::clone(&module.name.text), place) {
                let other = self.all.get(first.source).unwrap_or(&source);
                let label = modules_in(&other.manifest).find(|(at, _)| *at == first.statement).map(|(_, module)| module.name.span);
                let diagnostic = Diagnostic::error(codes::DUPLICATE_MODULE, format!("module `{}` is declared twice", module.name.text));
                let diagnostic = diagnostic.at(&source.path, module.name.span.into(), "again here");
                out.push(diagnostic.at(&other.path, label.unwrap_or_default().into(), "first here").help("rename one of them"));
            }
        }
        self.all.push(source);
    }

    fn load_modules(
        &mut self,
        files: &dyn SiteFiles,
        cache: Option<&dyn LoweredCache>,
        wave: &[(Arc<str>, Arc<str>, Name)],
        out: &mut Vec<Diagnostic>,
    ) {
        let mut found: Vec<(&Name, String, String)> = Vec::new();
        for (name, user, at) in wave {
            match module_folder(files, name) {
                Some(folder) => found.push((at, format!("{folder}/module.kdl"), folder)),
                None => out.push(self.unknown_module(files, user, at)),
            }
        }
        let paths: Vec<String> = found.iter().map(|(_, path, _)| path.clone()).collect();
        for ((name, path, folder), (source, diagnostics)) in found.iter().zip(parse_all(files, cache, &paths)) {
            out.extend(diagnostics);
            let Some(source) = source else { continue };
            if !path.starts_with(LIBRARY_FOLDER) && library::modules().any(|stock| stock == &*name.text) {
                let message = format!("the site's own module `{}` replaces the one of the stock library", name.text);
                out.push(Diagnostic::note(codes::LIBRARY_REPLACED, message).at(&source.path, 0..0, ""));
            }
            self.add_module(source, name, folder, out);
        }
    }

    fn add_module(&mut self, source: Source, name: &Name, folder: &str, out: &mut Vec<Diagnostic>) {
        let mut found = None;
        for (position, statement) in source.manifest.statements.iter().enumerate() {
            match statement {
                Statement::Module(module) if module.name.text == name.text => found = Some(position),
                Statement::Module(module) => {
                    let message = format!("this file holds the module `{}`, not `{}`", name.text, module.name.text);
                    let diagnostic = Diagnostic::error(codes::MISPLACED, message).at(&source.path, module.name.span.into(), "here");
                    out.push(diagnostic.help(format!("put it into modules/{}/module.kdl", module.name.text)));
                }
                _ => {
                    let message = format!("{} holds a module and nothing else", source.path);
                    let diagnostic = Diagnostic::error(codes::MISPLACED, message).at(&source.path, 0..0, "");
                    out.push(diagnostic.help("what hosts and groups get is said below manifests/"));
                }
            }
        }
        let Some(statement) = found else {
            let message = format!("{} declares no module `{}`", source.path, name.text);
            let diagnostic = Diagnostic::error(codes::UNKNOWN_MODULE, message).at(&source.path, 0..0, "");
            return out.push(diagnostic.help(format!("write `module {} {{ ... }}` in it", name.text)));
        };
        let place = ModulePlace { source: self.all.len(), statement, folder: Arc::from(folder) };
        self.modules.insert(Arc::clone(&name.text), place);
        self.all.push(source);
    }

    fn unknown_module(&self, files: &dyn SiteFiles, user: &Arc<str>, name: &Name) -> Diagnostic {
        let listed = files.list("modules").unwrap_or_default();
        let folders = listed.iter().filter_map(|file| file.path.strip_prefix("modules/")?.strip_suffix("/module.kdl"));
        let mut known: BTreeSet<String> = folders.map(str::to_owned).collect();
        known.extend(self.modules.keys().map(|name| name.to_string()));
        known.extend(library::modules().map(str::to_owned));
        let help = did_you_mean(&name.text, known.iter().map(String::as_str)).unwrap_or_else(|| match is_plain(&name.text) {
            true => format!("declare it in modules/{}/module.kdl", name.text),
            false => "names of modules are letters, digits, `_` and `-`".to_owned(),
        });
        let diagnostic = Diagnostic::error(codes::UNKNOWN_MODULE, format!("there is no module `{}`", name.text));
        diagnostic.at(user, name.span.into(), "not found").help(help)
    }
}

fn modules_in(manifest: &Manifest) -> impl Iterator<Item = (usize, &Module)> {
    manifest.statements.iter().enumerate().filter_map(|(position, statement)| match statement {
        Statement::Module(module) => Some((position, module)),
        _ => None,
    })
}

/// Whether a module can have this name: it is also the name of a folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Where a module has its files: in the site, or else in the stock library.
fn module_folder(files: &dyn SiteFiles, name: &str) -> Option<String> {
    let candidates = [format!("modules/{name}"), format!("{LIBRARY_FOLDER}/{name}")];
    let exists = |folder: &String| !matches!(files.read(&format!("{folder}/module.kdl")), Ok(None));
    candidates.into_iter().filter(|_| is_plain(name)).find(exists)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use keel_engine::digest::Digest;

    use super::*;
    use crate::files::MemoryFiles;
    use crate::syntax::Span;

    fn load(files: &[(&str, &str)]) -> (Sources, Vec<&'static str>) {
        let files = MemoryFiles::new(files.iter().copied());
        let mut out = Vec::new();
        let sources = Sources::load(&files, Extent::Used, None, &mut out);
        (sources, out.into_iter().map(|diagnostic| diagnostic.code).collect())
    }

    #[test]
    fn only_used_modules_are_loaded() {
        let (sources, codes) = load(&[
            ("manifests/site.kdl", "group all {\n use a\n}\nmodule local {\n}"),
            ("modules/a/module.kdl", "module a {\n if \"false\" {\n  use b\n }\n}"),
            ("modules/b/module.kdl", "module b {\n}"),
            ("modules/broken/module.kdl", "module broken {"),
        ]);
        assert_eq!(codes, [] as [&str; 0]);
        assert_eq!(sources.modules.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "b", "local"]);
        assert_eq!(sources.roots, 1);
    }

    #[test]
    fn all_modules_are_loaded_where_that_is_asked_for() {
        let files = MemoryFiles::new([
            ("manifests/site.kdl", "group all {\n use a\n}"),
            ("modules/a/module.kdl", "module a {\n}"),
            ("modules/b/module.kdl", "module b {\n use chrony\n}"),
            ("modules/broken/module.kdl", "module broken {"),
        ]);
        let mut out = Vec::new();
        let sources = Sources::load(&files, Extent::All, None, &mut out);
        assert_eq!(out.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(), ["KE0110", "KE0211"]);
        assert_eq!(sources.modules.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(sources.unused.iter().map(|name| &**name).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn modules_that_are_missing_doubled_or_circular() {
        assert_eq!(load(&[("manifests/a.kdl", "group all {\n use nothing\n}")]).1, ["KE0211"]);
        assert_eq!(load(&[("manifests/a.kdl", "module x {\n}"), ("manifests/b.kdl", "module x {\n}")]).1, ["KE0210"]);
        assert_eq!(load(&[("manifests/a.kdl", "module x {\n use y\n}\nmodule y {\n use x\n}")]).1, ["KE0212"]);
        assert_eq!(load(&[("manifests/a.kdl", "module x {\n use x\n}")]).1, ["KE0212"]);
        let deep: String = (0..70).map(|n| format!("module m{n} {{\n use m{}\n}}\n", n + 1)).collect();
        assert_eq!(load(&[("manifests/a.kdl", &(deep + "module m70 {\n}"))]).1, ["KE0212"]);
    }

    #[test]
    fn lowered_files_come_from_the_cache() {
        #[derive(Default)]
        struct Kept(Mutex<HashMap<Digest, Vec<u8>>>);
        impl LoweredCache for Kept {
            fn get(&self, key: Digest) -> Option<Vec<u8>> {
                self.0.lock().unwrap().get(&key).cloned()
            }
            fn put(&self, key: Digest, bytes: &[u8]) {
                self.0.lock().unwrap().insert(key, bytes.to_vec());
            }
        }
        let kept = Kept::default();
        let files = MemoryFiles::new([("manifests/site.kdl", "group all {\n file \"/a\" mode=\"0644\" {\n  require (file)\"/b\"\n }\n}")]);
        let first = Sources::load(&files, Extent::Used, Some(&kept), &mut Vec::new());
        assert_eq!(kept.0.lock().unwrap().len(), 1);
        let second = Sources::load(&files, Extent::Used, Some(&kept), &mut Vec::new());
        assert_eq!(first.all[0].manifest, second.all[0].manifest);
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let (sources, _) = load(&[("manifests/site.kdl", "group all {\n  user \"é\" uid=1\n}")]);
        let source = &sources.all[0];
        let offset = source.slice(0..source.text.len()).find("uid").unwrap();
        assert_eq!(sources.all[0].position(offset), (2, 12));
        assert_eq!(sources.all[0].position(0), (1, 1));
        assert_eq!(sources.all[0].offset(2, 12), offset);
    }

    #[test]
    fn parts_of_texts_are_found_in_the_file() {
        let (sources, _) = load(&[("manifests/site.kdl", "group all {\n  user \"a {{ b }}\" home=\"\\t{{ b }}\"\n}")]);
        let source = &sources.all[0];
        let span = |text: &str| -> Span { source.slice(0..source.text.len()).find(text).map(|at| at..at + text.len()).unwrap().into() };
        assert_eq!(source.slice(source.narrowed(span("\"a {{ b }}\""), "a {{ b }}", Some(5..6))), "b");
        assert_eq!(source.slice(source.narrowed(span("\"\\t{{ b }}\""), "\t{{ b }}", Some(4..5))), "\"\\t{{ b }}\"");
        assert_eq!(source.slice(source.narrowed(span("user"), "user", None)), "user");
    }
}
