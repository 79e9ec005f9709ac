//! The files of closed secrets in a site: `secrets/FILE.toml` holds `KEY = "..."`, so that a diff of
//! the repository shows which key changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keel_manifests::files::SiteFiles;
use toml_edit::{DocumentMut, Item, value};

use crate::error::{Error, Result};
use crate::site_folder::SiteFolder;

/// All closed secrets of a site by their path, `file/key`.
///
/// # Errors
/// A file that cannot be read or is no TOML.
pub fn all(site: &dyn SiteFiles) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for file in site.list("secrets").map_err(Error::site)? {
        let Some(name) = file.path.strip_prefix("secrets/").and_then(|path| path.strip_suffix(".toml")) else { continue };
        let bytes = site.read(&file.path).map_err(Error::site)?.unwrap_or_default();
        let document = parse(&file.path, &String::from_utf8_lossy(&bytes))?;
        collect(name, document.as_table(), &mut found);
    }
    Ok(found)
}

fn collect(prefix: &str, table: &toml_edit::Table, found: &mut BTreeMap<String, String>) {
    for (key, item) in table {
        let path = format!("{prefix}/{key}");
        match item {
            Item::Table(inner) => collect(&path, inner, found),
            item => {
                if let Some(text) = item.as_str() {
                    found.insert(path, text.to_owned());
                }
            }
        }
    }
}

fn parse(path: &str, text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|error: toml_edit::TomlError| Error::site(format!("{path}: {}", error.message())))
}

/// Where a secret is kept.
struct Place {
    file: PathBuf,
    key: String,
}

fn place(site: &SiteFolder, path: &str) -> Result<Place> {
    let word = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) && !part.starts_with('.')
    };
    match path.split_once('/') {
        Some((file, key)) if word(file) && word(key) => {
            Ok(Place { file: site.folder().join("secrets").join(format!("{file}.toml")), key: key.to_owned() })
        }
        _ => Err(Error::usage(format!("{path:?} is no path of a secret")).hint("write FILE/KEY, such as galera/sst")),
    }
}

/// Writes closed texts into their files, each file replaced whole.
///
/// # Errors
/// A path that is none, or a file that cannot be read or written.
pub fn write(site: &SiteFolder, closed: &BTreeMap<String, String>) -> Result<()> {
    let mut files: BTreeMap<PathBuf, Vec<(String, &String)>> = BTreeMap::new();
    for (path, text) in closed {
        let Place { file, key } = place(site, path)?;
        files.entry(file).or_default().push((key, text));
    }
    for (file, entries) in files {
        write_file(&file, &entries)?;
    }
    Ok(())
}

fn write_file(file: &Path, entries: &[(String, &String)]) -> Result<()> {
    let failed = |error: std::io::Error| Error::host(format!("cannot write {}: {error}", file.display()));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = crate::state::read_if_there(file).map_err(Error::host)?.unwrap_or_default();
    let mut document = parse(&file.display().to_string(), &String::from_utf8_lossy(&text))?;
    for (key, closed) in entries {
        document[key.as_str()] = value(closed.as_str());
    }
    crate::state::replace(file, document.to_string().as_bytes()).map_err(Error::host)
}

/// The recipients that `keel.toml` lists.
///
/// # Errors
/// `keel.toml` cannot be read or understood.
pub fn recipients(site: &SiteFolder) -> Result<Vec<String>> {
    let path = site.folder().join(crate::site_folder::SITE_FILE);
    let text = crate::state::read_if_there(&path).map_err(Error::host)?.unwrap_or_default();
    let document = parse("keel.toml", &String::from_utf8_lossy(&text))?;
    let list = document.get("secrets").and_then(|secrets| secrets.get("recipients")).and_then(Item::as_array);
    Ok(list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}

/// Adds a recipient to `keel.toml`, comments and order kept. Says whether it was new.
///
/// # Errors
/// `keel.toml` cannot be read, understood or written.
pub fn add_recipient(site: &SiteFolder, recipient: &str) -> Result<bool> {
    let path = site.folder().join(crate::site_folder::SITE_FILE);
    let text = crate::state::read_if_there(&path).map_err(Error::host)?.unwrap_or_default();
    let mut document = parse("keel.toml", &String::from_utf8_lossy(&text))?;
    let secrets = document.entry("secrets").or_insert(toml_edit::table());
    let Some(table) = secrets.as_table_like_mut() else { return Err(Error::site("`secrets` in keel.toml is no table")) };
    let list = table.entry("recipients").or_insert(value(toml_edit::Array::new()));
    let Some(list) = list.as_array_mut() else { return Err(Error::site("`secrets.recipients` in keel.toml is no list")) };
    if list.iter().any(|known| known.as_str() == Some(recipient)) {
        return Ok(false);
    }
    list.push(recipient);
    crate::state::replace(&path, document.to_string().as_bytes()).map_err(Error::host)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(folder: &Path) -> SiteFolder {
        std::fs::write(folder.join("keel.toml"), "# ours\nname = \"s\"\n").unwrap();
        SiteFolder::find(Some(folder), folder).unwrap()
    }

    #[test]
    fn keys_are_set_one_by_one_and_the_rest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        std::fs::create_dir(folder.path().join("secrets")).unwrap();
        std::fs::write(folder.path().join("secrets/galera.toml"), "# shared\nother = \"x\"\n").unwrap();
        write(&site, &BTreeMap::from([("galera/sst".to_owned(), "closed".to_owned())])).unwrap();
        let text = std::fs::read_to_string(folder.path().join("secrets/galera.toml")).unwrap();
        assert_eq!(text, "# shared\nother = \"x\"\nsst = \"closed\"\n");
        assert_eq!(all(&site).unwrap().keys().collect::<Vec<_>>(), ["galera/other", "galera/sst"]);
    }

    #[test]
    fn a_path_stays_in_the_folder_of_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        for path in ["sst", "../x", "a/../b", "/a", "a/", ".a/b", "a b/c"] {
            assert!(place(&site, path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_recipient_is_added_once() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        assert!(add_recipient(&site, "age1x").unwrap());
        assert!(!add_recipient(&site, "age1x").unwrap());
        let text = std::fs::read_to_string(folder.path().join("keel.toml")).unwrap();
        assert_eq!(text, "# ours\nname = \"s\"\n\n[secrets]\nrecipients = [\"age1x\"]\n");
    }
}
