//! What the fuzz targets share: inputs that people can read and write, and one resource converged on a scratch file.

use std::sync::OnceLock;

use keel_engine::address::Address;
use keel_engine::catalog::Resource;
use keel_engine::value::{Map, Value};
use keel_resources::host::Host;
use tempfile::TempDir;

/// The file that resources are about, on the scratch host.
pub const FILE: &str = "/file";

/// An input is a line of words, a few lines of values up to one that is empty, and the text that they are about.
pub struct Input<'t> {
    /// The words of the first line.
    pub words: Vec<&'t str>,
    /// `key=value` of the lines after it.
    pub values: Vec<(&'t str, &'t str)>,
    /// All the rest.
    pub text: &'t str,
}

impl<'t> Input<'t> {
    /// Reads an input; none where it is not one.
    pub fn read(bytes: &'t [u8]) -> Option<Self> {
        let (head, text) = std::str::from_utf8(bytes).ok()?.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let words = lines.next()?.split(' ').collect();
        let values = lines.map(|line| line.split_once('=')).collect::<Option<_>>()?;
        Some(Self { words, values, text })
    }

    /// The values as a table.
    pub fn table(&self) -> Value {
        Value::Map(self.values.iter().map(|(key, value)| ((*key).to_owned(), scalar(value))).collect())
    }
}

/// A value as the first line of a manifest would have it.
pub fn scalar(text: &str) -> Value {
    match text {
        "#null" => Value::Null,
        "#true" => Value::Bool(true),
        "#false" => Value::Bool(false),
        _ => text.parse().map(Value::Int).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

/// A host in memory.
fn host() -> &'static (Host, TempDir) {
    static HOST: OnceLock<(Host, TempDir)> = OnceLock::new();
    HOST.get_or_init(|| {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a scratch folder");
        (Host::new(folder.path()), folder)
    })
}

/// Converges one resource on a file that holds `before`, and returns what it holds then. None where the resource
/// refuses its attributes or the text.
///
/// # Panics
/// When a refusal changed the file, or a second run would find something to do.
pub fn converge(type_name: &str, attributes: &[(&str, Value)], before: &str) -> Option<String> {
    let kind = keel_resources::all().into_iter().find(|kind| kind.schema().name == type_name).expect("there is such a type");
    let attributes: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let address = Address::new(type_name, if attributes.contains_key("path") { "title" } else { FILE });
    let resource = Resource::new(address, attributes);
    let group = kind.group(&[&resource]).ok()?;
    let (host, folder) = host();
    let file = folder.path().join(FILE.trim_start_matches('/'));
    std::fs::write(&file, before).expect("the scratch file can be written");
    let after = || std::fs::read_to_string(&file).expect("what was text stays text");
    let Ok(changes) = group.observe(host, &[0]).remove(0) else {
        assert_eq!(after(), before, "looking changed it");
        return None;
    };
    if changes.is_empty() {
        assert_eq!(after(), before, "looking changed it");
        return Some(before.to_owned());
    }
    if group.apply(host, &[(0, changes.as_slice())]).remove(0).is_err() {
        assert_eq!(after(), before, "a refusal changed it");
        return None;
    }
    let left = group.observe(host, &[0]).remove(0);
    assert!(left.as_ref().is_ok_and(Vec::is_empty), "a second run finds {left:?} in {:?} after {before:?}", after());
    Some(after())
}

/// Fails unless these lines are all in the text, in this order.
///
/// # Panics
/// When one is missing.
pub fn assert_kept<'l>(lines: impl Iterator<Item = &'l str>, text: &str) {
    let mut rest = text.lines();
    for line in lines {
        // A last line without its end may end in half of one.
        let line = line.trim_end_matches('\r');
        assert!(rest.any(|found| found.trim_end_matches('\r') == line), "{line:?} is lost in {text:?}");
    }
}
