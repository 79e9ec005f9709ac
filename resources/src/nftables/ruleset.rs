//! Rules as text, made so that loading them replaces what was there instead of adding to it.

use std::collections::BTreeSet;

/// What makes the file a program of its own, as Debian's is.
const FIRST_LINE: &str = "#!/usr/sbin/nft -f";

/// A text of rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ruleset {
    /// The rules without their first line.
    body: String,
    /// The tables that they name, as `family name`.
    pub(super) tables: BTreeSet<String>,
    /// Whether they replace everything.
    pub(super) flushes: bool,
}

impl Ruleset {
    /// Reads rules.
    ///
    /// # Errors
    /// They name no table and do not begin with `flush ruleset`, so that loading them twice would add them twice.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let body = text.strip_prefix("#!").map_or(text, |rest| rest.split_once('\n').map_or("", |(_, body)| body));
        let mut tables = BTreeSet::new();
        let mut flushes = false;
        let mut depth = 0usize;
        for line in body.lines() {
            let line = uncommented(line);
            let words: Vec<&str> = line.split([' ', '\t', '{', ';']).filter(|word| !word.is_empty()).collect();
            if depth == 0 {
                flushes |= words.starts_with(&["flush", "ruleset"]);
                tables.extend(table(&words));
            }
            depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
        }
        if tables.is_empty() && !flushes {
            return Err("the rules name no table: write `table inet NAME { ... }`, or begin with `flush ruleset`".to_owned());
        }
        let body = if body.ends_with('\n') { body.to_owned() } else { format!("{body}\n") };
        Ok(Self { body, tables, flushes })
    }

    /// The rules that a file is kept for, where the file is what would be written for them: one that would add to
    /// tables each time it is loaded is none.
    pub(super) fn kept_in(file: &str) -> Option<String> {
        let rules = Self::parse(file).ok()?;
        let start = rules.anew();
        let content = rules.body.strip_prefix(&start)?;
        let is_same = Self::parse(content).is_ok_and(|content| content.text() == file);
        is_same.then(|| content.to_owned())
    }

    fn anew(&self) -> String {
        let anew = |table: &String| format!("table {table}\ndelete table {table}\n");
        if self.flushes { String::new() } else { self.tables.iter().map(anew).collect() }
    }

    /// The text to be loaded in one transaction: each table is made, so that it can be deleted, and made anew.
    pub(super) fn text(&self) -> String {
        format!("{FIRST_LINE}\n{}{}", self.anew(), self.body)
    }
}

/// A line without its comment; `#` in quotes is none.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    });
    line.get(..end.unwrap_or(line.len())).unwrap_or(line)
}

/// `table inet filter`, `add table filter`: the family is `ip` where none is named.
fn table(words: &[&str]) -> Option<String> {
    let words = match words {
        ["add" | "create", rest @ ..] => rest,
        words => words,
    };
    match words {
        ["table", family @ ("ip" | "ip6" | "inet" | "arp" | "bridge" | "netdev"), name, ..] => Some(format!("{family} {name}")),
        ["table", name, ..] => Some(format!("ip {name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_and_made_anew() {
        let rules =
            Ruleset::parse("#!/bin/nft\n# table no\ntable inet a { # x\n\tchain table { }\n}\nadd table b\ntable ip6 c {}").unwrap();
        assert_eq!(rules.tables, ["inet a", "ip b", "ip6 c"].map(str::to_owned).into());
        let text = rules.text();
        assert!(
            text.starts_with("#!/usr/sbin/nft -f\ntable inet a\ndelete table inet a\ntable ip b\n") && text.ends_with("table ip6 c {}\n")
        );
    }

    #[test]
    fn rules_that_flush_stay_as_they_are() {
        let rules = Ruleset::parse("flush ruleset\ntable inet a {\n}\n").unwrap();
        assert_eq!(rules.text(), "#!/usr/sbin/nft -f\nflush ruleset\ntable inet a {\n}\n");
        assert!(Ruleset::parse("add rule inet a b accept\n").is_err());
        assert!(Ruleset::parse("table inet a { set s { elements = { \"#x\" } } }\n").is_ok());
    }
}
