//! `keel.toml`: the site's name, its tiers, merge rules, secrets' recipients, prune rules, defaults and lints.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use keel_engine::catalog::PruneRule;
use keel_engine::value::Map;

use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::toml_reader::{Fields, SourceFile, Table, Tree, read_table, wrong_type};

/// The settings of a site.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteConfig {
    /// The site's name; catalogs carry it.
    pub name: String,
    /// The tiers that groups can have, the weakest first.
    pub tiers: Vec<String>,
    /// Which variables are merged over the tiers, by dotted name.
    pub merge: BTreeMap<String, MergeRule>,
    /// Who can open the site's secrets: age recipients.
    pub recipients: Vec<String>,
    /// What happens to orphans.
    pub prune: Vec<PruneRule>,
    /// Attributes that hold for every resource of a type, by type name.
    pub defaults: IndexMap<String, Map>,
    /// How seriously the findings of `keel check` are taken, by code.
    pub lints: BTreeMap<String, LintLevel>,
    /// The file of the site with the facts that are assumed for hosts that have none recorded, as `keel facts` prints it.
    pub profile: Option<String>,
}

/// How the values that several tiers give to one variable become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRule {
    /// Tables are merged key by key, and so are the tables in them.
    Deep,
    /// Tables are merged key by key; of each key the strongest value is taken whole.
    Shallow,
    /// Lists are put together, the strongest first, each item once.
    ListUnique,
}

/// How seriously a finding is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LintLevel {
    /// It is not reported.
    Ignore,
    /// It is reported as a note.
    Note,
    /// It is reported as a warning.
    Warning,
    /// It stops the compile.
    Error,
}

const MERGE_WORDS: [(&str, MergeRule); 3] =
    [("deep", MergeRule::Deep), ("shallow", MergeRule::Shallow), ("list-unique", MergeRule::ListUnique)];
const LINT_WORDS: [(&str, LintLevel); 4] =
    [("ignore", LintLevel::Ignore), ("note", LintLevel::Note), ("warning", LintLevel::Warning), ("error", LintLevel::Error)];
/// Tiers above all groups; no group can have them.
const RESERVED_TIERS: [&str; 2] = ["host", "run"];

impl Default for SiteConfig {
    fn default() -> Self {
        Self {
            name: "site".to_owned(),
            tiers: ["global", "idc", "set", "custom"].map(str::to_owned).to_vec(),
            merge: BTreeMap::new(),
            recipients: Vec::new(),
            prune: Vec::new(),
            defaults: IndexMap::new(),
            lints: BTreeMap::new(),
            profile: None,
        }
    }
}

impl SiteConfig {
    /// Reads the text of a keel.toml; whatever is wrong is reported and keeps its default.
    pub fn parse(path: &str, text: &str, out: &mut Vec<Diagnostic>) -> Self {
        let source = SourceFile::new(path, text);
        let table = read_table(&source, text, out);
        let mut config = Self::default();
        let mut fields = Fields::new(&source, &table);
        if let Some((name, _)) = fields.text("name", out) {
            config.name = name.to_owned();
        }
        if fields.node("tiers").is_some() {
            config.read_tiers(&source, &fields.texts("tiers", out), out);
        }
        if let Some(merge) = fields.table("merge", out) {
            config.merge = read_words(&source, merge, &MERGE_WORDS, out);
            config.check_merge(&source, merge, out);
        }
        if let Some(secrets) = fields.table("secrets", out) {
            let mut secret_fields = Fields::new(&source, secrets);
            let recipients = secret_fields.texts("recipients", out);
            config.recipients = recipients.into_iter().map(|(recipient, _)| recipient.to_owned()).collect();
            secret_fields.finish(out);
        }
        config.read_prune(&source, &mut fields, out);
        if let Some(defaults) = fields.table("defaults", out) {
            config.read_defaults(&source, defaults, out);
        }
        if let Some(lints) = fields.table("lints", out) {
            config.lints = read_words(&source, lints, &LINT_WORDS, out);
        }
        config.profile = fields.text("profile", out).map(|(profile, _)| profile.to_owned());
        fields.finish(out);
        config
    }

    /// The position of a tier, from the weakest; none if there is no such tier.
    pub fn tier(&self, name: &str) -> Option<usize> {
        self.tiers.iter().position(|tier| tier == name)
    }

    /// Whether a variable's value is put together from several tiers.
    pub fn merges(&self, top_level_name: &str) -> bool {
        self.merge.contains_key(top_level_name)
    }

    fn read_tiers(&mut self, source: &Arc<SourceFile>, tiers: &[(&str, std::ops::Range<usize>)], out: &mut Vec<Diagnostic>) {
        let mut names: Vec<String> = Vec::new();
        for (tier, span) in tiers {
            let mut refuse = |why: &str| {
                out.push(Diagnostic::error(codes::BAD_VALUE, format!("`{tier}` {why}")).at(&source.path, span.clone(), "this tier"));
            };
            if RESERVED_TIERS.contains(tier) {
                refuse("is always there, above all groups, and is not listed");
            } else if names.iter().any(|name| name == tier) {
                refuse("is listed twice");
            } else {
                names.push((*tier).to_owned());
            }
        }
        if names.is_empty() {
            out.push(Diagnostic::error(codes::BAD_VALUE, "`tiers` needs at least one tier, that of the group `all`"));
        } else {
            self.tiers = names;
        }
    }

    /// A rule for a part of a table holds only where the table itself is merged.
    fn check_merge(&self, source: &Arc<SourceFile>, table: &Table, out: &mut Vec<Diagnostic>) {
        for (key, entry) in table {
            let Some((parent, _)) = key.rsplit_once('.') else { continue };
            if self.merge.contains_key(parent) {
                continue;
            }
            let message = format!("the rule for `{key}` never applies, because `{parent}` is not merged");
            let diagnostic = Diagnostic::warning(codes::BAD_VALUE, message).at(&source.path, entry.key_span.clone(), "this rule");
            out.push(diagnostic.help(format!("add `{parent} = \"shallow\"` or `\"deep\"`")));
        }
    }

    fn read_prune(&mut self, source: &Arc<SourceFile>, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) {
        let Some(node) = fields.node("prune") else { return };
        let rules = match &node.tree {
            Tree::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for rule in rules {
            let Tree::Table(table) = &rule.tree else {
                out.push(wrong_type(source, "prune", "tables, `[[prune]]`", rule));
                continue;
            };
            let mut fields = Fields::new(source, table);
            let type_name = fields.text("type", out).map(|(name, _)| name.to_owned());
            let module = fields.text("module", out).map(|(name, _)| name.to_owned());
            match fields.int("max", out) {
                Some((max, _)) if max > 0 => self.prune.push(PruneRule { type_name, module, max: max as usize }),
                Some((_, span)) => {
                    out.push(Diagnostic::error(codes::BAD_VALUE, "`max` is at least 1").at(&source.path, span, "too small"));
                }
                None if table.contains_key("max") => {}
                None => {
                    let diagnostic = Diagnostic::error(codes::MISSING_KEY, "a prune rule needs `max`, the most that one run may remove");
                    out.push(diagnostic.at(&source.path, rule.span.clone(), "this rule").help("for instance `max = 10`"));
                }
            }
            fields.finish(out);
        }
    }

    fn read_defaults(&mut self, source: &Arc<SourceFile>, table: &Table, out: &mut Vec<Diagnostic>) {
        for (type_name, entry) in table {
            match &entry.node.tree {
                Tree::Table(attributes) => {
                    let attributes = attributes.iter().map(|(name, entry)| (name.clone(), entry.node.to_value())).collect();
                    self.defaults.insert(type_name.clone(), attributes);
                }
                _ => out.push(wrong_type(source, type_name, "a table of attributes", &entry.node)),
            }
        }
    }
}

/// A table whose values are words of a choice. Nested tables name dotted keys, as TOML has it.
fn read_words<T: Copy>(source: &Arc<SourceFile>, table: &Table, words: &[(&str, T)], out: &mut Vec<Diagnostic>) -> BTreeMap<String, T> {
    let mut read = BTreeMap::new();
    for (key, entry) in table {
        if let Tree::Table(inner) = &entry.node.tree {
            let inner = read_words(source, inner, words, out);
            read.extend(inner.into_iter().map(|(name, word)| (format!("{key}.{name}"), word)));
            continue;
        }
        let Some(word) = entry.node.as_str() else {
            out.push(wrong_type(source, key, "a word", &entry.node));
            continue;
        };
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => {
                read.insert(key.clone(), *meaning);
            }
            None => {
                let known = words.iter().map(|(known, _)| *known);
                let choice: Vec<_> = known.clone().collect();
                let message = format!("`{word}` is not one of `{}`", choice.join("`, `"));
                let mut diagnostic = Diagnostic::error(codes::BAD_VALUE, message).at(&source.path, entry.node.span.clone(), "this word");
                let instance = choice.first().map(|first| format!("for instance `{key} = \"{first}\"`"));
                diagnostic.help.extend(did_you_mean(word, known).or(instance));
                out.push(diagnostic);
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_settings() {
        let mut out = Vec::new();
        let text = r#"
name = "prod"
tiers = ["global", "region", "rack"]
profile = "profiles/debian-12.json"
[merge]
nginx = "shallow"
"nginx.sites" = "list-unique"
[secrets]
recipients = ["age1x"]
[[prune]]
type = "file"
max = 10
[defaults.file]
owner = "root"
[lints]
KE0319 = "ignore"
"#;
        let config = SiteConfig::parse("keel.toml", text, &mut out);
        assert_eq!(out, []);
        assert_eq!(config.name, "prod");
        assert_eq!(config.tier("rack"), Some(2));
        assert_eq!(config.merge.get("nginx.sites"), Some(&MergeRule::ListUnique));
        assert_eq!(config.prune, [PruneRule { type_name: Some("file".into()), module: None, max: 10 }]);
        assert_eq!(config.lints.get("KE0319"), Some(&LintLevel::Ignore));
        assert!(config.defaults.contains_key("file"));
        assert_eq!(config.profile.as_deref(), Some("profiles/debian-12.json"));
    }

    #[test]
    fn says_all_mistakes_at_once() {
        let mut out = Vec::new();
        let text = "nmae = 'x'\ntiers = ['global', 'run', 'global']\nmerge = { a = 'depe', 'b.c' = 'deep' }\nprune = [{ type = 'file' }, { max = 0 }, 3]\n";
        SiteConfig::parse("keel.toml", text, &mut out);
        let messages: Vec<_> = out.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "`run` is always there, above all groups, and is not listed",
                "`global` is listed twice",
                "`depe` is not one of `deep`, `shallow`, `list-unique`",
                "the rule for `b.c` never applies, because `b` is not merged",
                "a prune rule needs `max`, the most that one run may remove",
                "`max` is at least 1",
                "`prune` takes tables, `[[prune]]`, not a int",
                "unknown key `nmae`",
            ]
        );
        assert!(out.iter().all(|diagnostic| !diagnostic.labels.is_empty()));
    }
}
