//! Reads `inventory/groups/NAME.toml`.

use std::ops::Range;
use std::sync::Arc;

use super::hosts::check_variable_names;
use super::{ALL, HostSet};
use crate::codes;
use crate::config::SiteConfig;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::files::{SiteFiles, list_with_extension, read_text};
use crate::pattern::Pattern;
use crate::toml_reader::{Fields, Place, SourceFile, Table, read_table};

/// A group of hosts.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name, that of its file.
    pub name: Arc<str>,
    /// The position of its tier in the site's list, from the weakest.
    pub tier: usize,
    /// The name of its tier.
    pub tier_name: String,
    /// Decides within a tier; the highest wins.
    pub priority: i64,
    /// Which hosts are in it by name.
    pub members: Vec<(Pattern, Range<usize>)>,
    /// The groups whose hosts are in it too.
    pub children: Vec<(String, Range<usize>)>,
    /// Which hosts are in it by what they are.
    pub matching: Option<MatchExpression>,
    /// The variables that it sets.
    pub vars: Table,
    /// Its file.
    pub source: Arc<SourceFile>,
    /// The hosts that are in it.
    pub hosts: HostSet,
}

/// The `match` of a dynamic group.
#[derive(Debug, Clone)]
pub struct MatchExpression {
    /// The expression.
    pub text: String,
    /// Where it stands; the text begins after the quote.
    pub place: Place,
}

/// Reads all groups of a site, and makes `all` if it has no file.
pub(super) fn load(files: &dyn SiteFiles, config: &SiteConfig, out: &mut Vec<Diagnostic>) -> Vec<Group> {
    let mut groups = Vec::new();
    for path in list_with_extension(files, "inventory/groups", ".toml", out) {
        let name = path.trim_start_matches("inventory/groups/").trim_end_matches(".toml");
        let Some(text) = read_text(files, &path, out) else { continue };
        let source = SourceFile::new(&path, &text);
        if let Err(why) = check_group_name(name) {
            out.push(Diagnostic::error(codes::BAD_VALUE, format!("`{name}` is not a group name: {why}")).at(
                &source.path,
                0..0,
                "this file",
            ));
            continue;
        }
        groups.push(read_group(name, &source, &text, config, out));
    }
    if !groups.iter().any(|group| &*group.name == ALL) {
        groups.push(empty_group(ALL, &SourceFile::new("inventory/groups/all.toml", ""), config));
    }
    groups
}

/// Group names are words: expressions write `groups.NAME`.
fn check_group_name(name: &str) -> Result<(), &'static str> {
    let mut bytes = name.bytes();
    if !bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return Err("it starts with neither a letter nor a digit");
    }
    if !bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
        return Err("it has other characters than letters, digits, `_`, `-` and `.`");
    }
    Ok(())
}

fn empty_group(name: &str, source: &Arc<SourceFile>, config: &SiteConfig) -> Group {
    // A group without a tier is one that somebody made for a purpose: the strongest tier.
    let tier = if name == ALL { 0 } else { config.tiers.len().saturating_sub(1) };
    Group {
        name: Arc::from(name),
        tier,
        tier_name: config.tiers.get(tier).cloned().unwrap_or_default(),
        priority: 0,
        members: Vec::new(),
        children: Vec::new(),
        matching: None,
        vars: Table::new(),
        source: Arc::clone(source),
        hosts: HostSet::default(),
    }
}

fn read_group(name: &str, source: &Arc<SourceFile>, text: &str, config: &SiteConfig, out: &mut Vec<Diagnostic>) -> Group {
    let table = read_table(source, text, out);
    let mut group = empty_group(name, source, config);
    let mut fields = Fields::new(source, &table);
    if let Some((tier, span)) = fields.text("tier", out) {
        set_tier(&mut group, tier, span, config, out);
    }
    if let Some((priority, _)) = fields.int("priority", out) {
        group.priority = priority;
    }
    for (member, span) in fields.texts("members", out) {
        match Pattern::parse(member) {
            Ok(pattern) => group.members.push((pattern, span)),
            Err(why) => out.push(Diagnostic::error(codes::BAD_VALUE, why).at(&source.path, span, "this pattern")),
        }
    }
    group.children = fields.texts("groups", out).into_iter().map(|(child, span)| (child.to_owned(), span)).collect();
    if let Some((text, span)) = fields.text("match", out) {
        group.matching = Some(MatchExpression { text: text.to_owned(), place: Place { source: Arc::clone(source), span } });
    }
    if let Some(vars) = fields.table("vars", out) {
        check_variable_names(source, vars, out);
        group.vars = vars.clone();
    }
    fields.finish(out);
    if name == ALL && (!group.members.is_empty() || !group.children.is_empty() || group.matching.is_some()) {
        let diagnostic = Diagnostic::error(codes::BAD_VALUE, "every host is in `all`; it takes no members");
        out.push(diagnostic.at(&source.path, 0..0, "this file").help("remove `members`, `groups` and `match`"));
        group.matching = None;
        group.children.clear();
    }
    group
}

fn set_tier(group: &mut Group, tier: &str, span: Range<usize>, config: &SiteConfig, out: &mut Vec<Diagnostic>) {
    let Some(position) = config.tier(tier) else {
        let message = format!("unknown tier `{tier}`; the tiers are `{}`", config.tiers.join("`, `"));
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_TIER, message).at(&group.source.path, span, "this tier");
        diagnostic.help.extend(did_you_mean(tier, config.tiers.iter().map(String::as_str)));
        out.push(diagnostic);
        return;
    };
    if &*group.name == ALL && position != 0 {
        let diagnostic = Diagnostic::error(codes::BAD_VALUE, format!("the group `all` is of the weakest tier, `{}`", group.tier_name));
        out.push(diagnostic.at(&group.source.path, span, "this tier"));
        return;
    }
    group.tier = position;
    group.tier_name = tier.to_owned();
}
