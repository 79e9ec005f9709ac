//! Every word that a site's manifests, templates and expressions hold: what is not among them nobody can mean.

use std::collections::HashSet;

use crate::site::Site;

/// The words.
pub(super) struct Mentions {
    words: HashSet<String>,
}

impl Mentions {
    /// Reads a site's files.
    pub(super) fn of(site: &Site) -> Self {
        let mut mentions = Self { words: HashSet::new() };
        let files = site.files();
        let text = |path: &str| files.read(path).ok().flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        for file in ["manifests", "modules", "templates"].iter().flat_map(|folder| files.list(folder).unwrap_or_default()) {
            // Files are copied as they are: nothing in them is put in.
            if file.path.starts_with("modules/") && file.path.contains("/files/") {
                continue;
            }
            text(&file.path).iter().for_each(|text| mentions.add(text));
        }
        for file in files.list("inventory").unwrap_or_default() {
            text(&file.path).iter().for_each(|text| mentions.add_expressions(text));
        }
        // Stock modules look their parameters up by their own names.
        site.sources.modules.keys().for_each(|name| mentions.add(name));
        mentions
    }

    fn add(&mut self, text: &str) {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
        for word in words {
            if !self.words.contains(word) {
                self.words.insert(word.to_owned());
            }
        }
    }

    /// Of the inventory only what is evaluated: texts in braces, and what decides who is in a group.
    fn add_expressions(&mut self, text: &str) {
        for part in text.split("{{").skip(1) {
            self.add(part.split("}}").next().unwrap_or(part));
        }
        text.lines().filter(|line| line.trim_start().starts_with("match")).for_each(|line| self.add(line));
    }

    /// Whether a name stands anywhere.
    pub(super) fn have(&self, name: &str) -> bool {
        name.split('-').all(|part| self.words.contains(part))
    }
}
