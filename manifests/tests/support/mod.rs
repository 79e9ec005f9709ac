//! What the tests of whole sites share: a few resource types that look like the real ones, and how
//! diagnostics and catalogs are printed.

pub(crate) mod chance;

use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indexmap::IndexMap;
use keel_engine::attributes::{AbsolutePath, AttributeError, Attributes, Span};
use keel_engine::catalog::{Catalog, Node, Resource};
use keel_engine::footprint::Footprint;
use keel_engine::resource::Types;
use keel_engine::schema::TypeSchema;
use keel_engine::text::Text;
use keel_engine::value::Value;
use keel_manifests::diagnostic::{Diagnostic, Severity};
use keel_manifests::files::SiteFiles;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::sources::Extent;

keel_engine::choices! {
    /// Whether a thing is there.
    pub(crate) enum Ensure {
        /// It is.
        Present = "present",
        /// It is, as a directory.
        Directory = "directory",
        /// It is not.
        Absent = "absent",
    }
}

/// A mode as the real type reads it, roughly.
#[derive(Debug, Clone)]
pub(crate) struct Mode;

impl keel_engine::attributes::AttributeValue for Mode {
    fn kind() -> keel_engine::schema::Kind {
        keel_engine::schema::Kind::Mode
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text.len() >= 3 && text.chars().all(|c| c.is_digit(8)) => Ok(Self),
            other => Err(keel_engine::attributes::wrong_type(&Self::kind(), other)),
        }
    }
}

keel_engine::attributes! {
    /// A file.
    pub(crate) struct File: "file" {
        /// Where it is.
        [title] pub path: AbsolutePath,
        /// What shall be there.
        pub ensure: Option<Ensure>,
        /// Its bytes.
        pub content: Option<Text>,
        /// Where its bytes come from.
        pub source: Option<Value>,
        /// Its owner.
        pub owner: Option<String>,
        /// Its group.
        pub group: Option<String>,
        /// Its mode.
        pub mode: Option<Mode>,
        /// A command that must succeed on the new file.
        pub validate: Vec<String>,
    }
}

keel_engine::attributes! {
    /// A package.
    pub(crate) struct Package: "package" {
        /// Its name.
        [title] pub name: String,
        /// Whether it is there.
        pub ensure: Ensure = Ensure::Present,
    }
}

keel_engine::attributes! {
    /// A service.
    pub(crate) struct Service: "service" {
        /// Its unit.
        [title] pub name: String,
        /// Whether it runs.
        pub ensure: Option<String>,
        /// Whether it starts with the host.
        pub enable: Option<bool>,
        /// How long it may take to start.
        pub timeout: Option<Span>,
    }
}

keel_engine::attributes! {
    /// Settings of an INI file.
    pub(crate) struct Ini: "ini" {
        /// The file.
        [title] pub path: AbsolutePath,
        /// The sections with their settings.
        [block] pub section: IndexMap<String, IndexMap<String, Value>>,
    }
}

keel_engine::attributes! {
    /// A user.
    pub(crate) struct User: "user" {
        /// The login name.
        [title] pub name: String,
        /// The user's number.
        pub uid: i64,
        /// The primary group.
        pub gid: Option<String>,
        /// The password's hash.
        [secret] pub password: Option<Text>,
    }
}

keel_engine::attributes! {
    /// A group.
    pub(crate) struct Group: "group" {
        /// Its name.
        [title] pub name: String,
    }
}

keel_engine::attributes! {
    /// Something that is waited for.
    pub(crate) struct Wait: "wait" {
        /// Its name.
        [title] pub name: String,
        /// A port.
        pub tcp: Option<String>,
        /// A command.
        pub command: Vec<String>,
    }
}

keel_engine::attributes! {
    /// A line of a file.
    pub(crate) struct Line: "line" {
        /// The file.
        [title] pub path: AbsolutePath,
        /// The line.
        pub line: String,
    }
}

keel_engine::attributes! {
    /// A setting of a whole cluster.
    pub(crate) struct ClusterSetting: "cluster_setting" {
        /// Its name.
        [title] pub name: String,
        /// Its value.
        pub value: String,
    }
}

/// The types as the compiler sees them.
pub(crate) struct FakeTypes {
    schemas: Vec<TypeSchema>,
}

/// The types, made once.
pub(crate) fn types() -> &'static FakeTypes {
    static TYPES: OnceLock<FakeTypes> = OnceLock::new();
    TYPES.get_or_init(|| FakeTypes {
        schemas: vec![
            File::schema(),
            Package::schema(),
            Service::schema(),
            Ini::schema(),
            User::schema(),
            Group::schema(),
            Line::schema(),
            ClusterSetting::schema(),
            Wait::schema(),
        ],
    })
}

impl Types for FakeTypes {
    fn can_purge(&self, type_name: &str) -> bool {
        matches!(type_name, "user" | "group")
    }

    fn is_of_cluster(&self, type_name: &str) -> bool {
        type_name == "cluster_setting"
    }

    fn schemas(&self) -> &[TypeSchema] {
        &self.schemas
    }

    fn check(&self, resource: &Resource) -> Result<Footprint, Vec<AttributeError>> {
        let (title, attributes) = (&*resource.address.title, &resource.attributes);
        let key = |space: &str| Footprint::default().own(format!("{space}:{title}"));
        Ok(match &*resource.address.type_name {
            "file" => {
                let file = File::from_attributes(title, attributes)?;
                let own = format!("path:{}", file.path);
                let has_content = file.content.is_some() || file.source.is_some();
                let file_key = Footprint::default().own(format!("file:{}", file.path));
                let there = if has_content { file_key.clone().own(own.clone()) } else { file_key.clone().provide(own.clone()) };
                match (file.ensure, file.path.parent()) {
                    (Some(Ensure::Absent), _) => file_key.write(own),
                    (_, Some(parent)) => there.need(format!("path:{parent}")),
                    (_, None) => there,
                }
            }
            "package" => Package::from_attributes(title, attributes).map(|_| key("package"))?,
            "service" => Service::from_attributes(title, attributes).map(|_| key("unit"))?,
            "user" => User::from_attributes(title, attributes).map(|_| key("user"))?,
            "cluster_setting" => ClusterSetting::from_attributes(title, attributes).map(|_| key("cluster"))?,
            "group" => Group::from_attributes(title, attributes).map(|_| key("group"))?,
            "wait" => Wait::from_attributes(title, attributes).map(|_| Footprint::default())?,
            "ini" => {
                let ini = Ini::from_attributes(title, attributes)?;
                let keys = ini.section.iter().flat_map(|(section, keys)| keys.keys().map(move |key| format!("{section}/{key}")));
                let need = Footprint::default().need(format!("path:{}", ini.path));
                keys.fold(need, |footprint, key| footprint.write(format!("path:{}#{key}", ini.path)))
            }
            _ => {
                let line = Line::from_attributes(title, attributes)?;
                Footprint::default().need(format!("path:{}", line.path)).write(format!("path:{}#{}", line.path, line.line))
            }
        })
    }
}

/// A whole check of a site: what `keel check` would say, and all catalogs if nothing is wrong.
pub(crate) fn check(files: Arc<dyn SiteFiles + Send + Sync>) -> (Vec<Diagnostic>, Vec<Catalog>) {
    let (site, mut diagnostics) = Site::load(files, LoadOptions { extent: Extent::All, ..LoadOptions::default() }, types());
    let Some(site) = site else { return (diagnostics, Vec::new()) };
    let mut catalogs = Vec::new();
    let hosts: Vec<String> = site.hosts().map(str::to_owned).collect();
    for host in &hosts {
        let compiled = site.compile(host);
        for mut diagnostic in compiled.diagnostics {
            diagnostic.host = None;
            if !diagnostics.contains(&diagnostic) {
                diagnostics.push(diagnostic);
            }
        }
        catalogs.extend(compiled.catalog);
    }
    if catalogs.len() == hosts.len() {
        diagnostics.extend(site.check_fleet(&catalogs));
    }
    (diagnostics, catalogs)
}

/// What is probably not meant in a site that compiles, with the levels that it asks for.
pub(crate) fn lint(files: Arc<dyn SiteFiles + Send + Sync>) -> Vec<Diagnostic> {
    let (site, mut found) = Site::load(files, LoadOptions { extent: Extent::All, ..LoadOptions::default() }, types());
    let Some(site) = site else { return found };
    found.extend(site.lint());
    let mut parts = Vec::new();
    for compiled in site.hosts().map(|host| site.compile(host)) {
        let Some(catalog) = compiled.catalog else { continue };
        parts.push((catalog.host.clone(), site.cluster_part(&catalog, &compiled.contents)));
        for mut diagnostic in site.lint_catalog(&catalog) {
            diagnostic.host = None;
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
    }
    let parts: Vec<_> = parts.iter().map(|(host, part)| (host.as_str(), part)).collect();
    found.extend(site.lint_clusters(&parts));
    site.levelled(found)
}

/// Prints diagnostics as an editor would want them, without colours.
pub(crate) fn print_diagnostics(files: &dyn SiteFiles, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        writeln!(out, "{severity} {}: {}", diagnostic.code, diagnostic.message).unwrap();
        for label in &diagnostic.labels {
            let bytes = files.read(&label.file).unwrap().unwrap_or_else(|| Arc::from(&b""[..]));
            let before = &bytes[..label.span.start.min(bytes.len())];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
            let end = label.span.end.min(bytes.len());
            let marked = String::from_utf8_lossy(bytes.get(label.span.start..end).unwrap_or_default()).into_owned();
            let marked = marked.lines().next().unwrap_or_default();
            writeln!(out, "  {}:{line}:{column}: {marked:?} {}", label.file, label.text).unwrap();
        }
        for help in &diagnostic.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}

/// Prints what a catalog holds.
pub(crate) fn print_catalog(catalog: &Catalog) -> String {
    let mut out = format!("catalog of {}\n", catalog.host);
    for resource in &catalog.resources {
        let modules: Vec<&str> = catalog.modules_of(resource).collect();
        write!(out, "  {} ({})", resource.address, catalog.place(resource.origin)).unwrap();
        if !modules.is_empty() {
            write!(out, " in {}", modules.join(" in ")).unwrap();
        }
        if let Some(schedule) = &resource.schedule {
            write!(out, " at {schedule}").unwrap();
        }
        if let Some(guard) = &resource.guard {
            write!(out, " under {guard}").unwrap();
        }
        if !resource.tags.is_empty() {
            write!(out, " tagged {}", resource.tags.join(", ")).unwrap();
        }
        writeln!(out, "{}", if resource.noop { " noop" } else { "" }).unwrap();
        for (name, value) in resource.attributes.iter() {
            writeln!(out, "    {name} = {:?}", value.to_string()).unwrap();
        }
    }
    let address = |node: Node| catalog.address(node).to_string();
    for relation in &catalog.relations {
        let effect = relation.notify.map(|effect| format!(", {effect}")).unwrap_or_default();
        writeln!(out, "  {} -> {} ({}{effect})", address(relation.first), address(relation.then), relation.word).unwrap();
    }
    for gate in &catalog.gates {
        writeln!(out, "  {} {} {} on {}", address(gate.node), gate.word, gate.target, gate.host).unwrap();
    }
    for guard in &catalog.guards {
        writeln!(out, "  guard {}: {guard}", guard.name).unwrap();
    }
    for rule in &catalog.prune {
        let type_name = rule.type_name.as_deref().unwrap_or("everything");
        writeln!(out, "  prune {type_name} of {} up to {}", rule.module.as_deref().unwrap_or("all modules"), rule.max).unwrap();
    }
    for rule in &catalog.purge {
        let schedule = rule.schedule.as_ref().map(|name| format!(", schedule {name}")).unwrap_or_default();
        writeln!(out, "  purge {} up to {}, keep {:?}, tags {:?}{schedule}", rule.type_name, rule.max, rule.keep, rule.tags).unwrap();
    }
    out
}

/// What this process has computed so far, all its threads together, by the kernel's own books: a busy machine does
/// not count.
#[allow(clippy::disallowed_methods, reason = "a test measures itself; the compiler stays pure")]
pub(crate) fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in parentheses may hold blanks; the 14th and 15th fields count hundredths of a second.
    let fields: Vec<u64> = text.rsplit(") ").next().unwrap().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    Duration::from_millis(10 * (fields[11] + fields[12]))
}
