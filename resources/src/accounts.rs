//! The files that hold users and groups, and the tools that change them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use jiff::Span;
use jiff::civil::{Date, date};
use keel_engine::resource::Failure;
use keel_engine::{choices, secret::Secret};

use crate::host::Host;
use crate::host::command::Command;

/// The first and the last id that Debian gives to people.
const HUMAN_MIN: u32 = 1000;
const HUMAN_MAX: u32 = 59_999;

choices! {
    /// How a list of members is meant.
    pub enum Membership {
        /// These, and whoever else is there.
        Minimum = "minimum",
        /// These and nobody else.
        Inclusive = "inclusive",
    }
}

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PasswdLine {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) comment: String,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// A line of `/etc/shadow`. A field that is empty says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShadowLine {
    pub(crate) password: Secret,
    pub(crate) age_min: Option<i64>,
    pub(crate) age_max: Option<i64>,
    pub(crate) warn: Option<i64>,
    /// The last day but one of the account, in days since 1970.
    pub(crate) expiry: Option<i64>,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupLine {
    pub(crate) gid: u32,
    pub(crate) members: BTreeSet<String>,
}

/// The fields of each line by the name in front. The first line of a name counts, as for the system.
fn lines<T>(text: &str, parse: impl Fn(&[&str]) -> Option<T>) -> BTreeMap<String, T> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let Some((name, fields)) = fields.split_first() else { continue };
        if let Some(value) = parse(fields) {
            found.entry((*name).to_owned()).or_insert(value);
        }
    }
    found
}

pub(crate) fn parse_passwd(text: &str) -> BTreeMap<String, PasswdLine> {
    lines(text, |fields| {
        let [_, uid, gid, comment, home, shell] = fields else { return None };
        let text = |field: &str| field.to_owned();
        Some(PasswdLine { uid: uid.parse().ok()?, gid: gid.parse().ok()?, comment: text(comment), home: text(home), shell: text(shell) })
    })
}

pub(crate) fn parse_shadow(text: &str) -> BTreeMap<String, ShadowLine> {
    lines(text, |fields| {
        let number = |position: usize| fields.get(position)?.parse().ok();
        let password = Secret::new((*fields.first()?).to_owned());
        Some(ShadowLine { password, age_min: number(2), age_max: number(3), warn: number(4), expiry: number(6) })
    })
}

pub(crate) fn parse_group(text: &str) -> BTreeMap<String, GroupLine> {
    lines(text, |fields| {
        let [_, gid, members] = fields else { return None };
        let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
        Some(GroupLine { gid: gid.parse().ok()?, members })
    })
}

/// A file of accounts as text; none where there is no such file.
pub(crate) fn read(host: &Host, path: &str) -> Result<String, Failure> {
    let bytes = host.read(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The ids that people's own users and groups have, by `login.defs` or as Debian has them.
pub(crate) fn human_ids(host: &Host, min: &str, max: &str) -> Result<RangeInclusive<u32>, Failure> {
    let text = read(host, "/etc/login.defs")?;
    let number = |name: &str| {
        let mut lines = text.lines().map(str::split_whitespace);
        lines.find_map(|mut words| words.next().filter(|word| *word == name).and(words.next())?.parse().ok())
    };
    // What says less than Debian's own minimum would let system accounts go.
    Ok(number(min).unwrap_or(HUMAN_MIN).max(HUMAN_MIN)..=number(max).unwrap_or(HUMAN_MAX).min(HUMAN_MAX))
}

/// The day that a manifest writes as `2030-01-31`, in days since 1970.
pub(crate) fn parse_day(text: &str) -> Option<i64> {
    let day: Date = text.parse().ok()?;
    let epoch = date(1970, 1, 1);
    epoch.until(day).ok().map(|span| i64::from(span.get_days())).filter(|days| *days >= 0)
}

/// A number of days since 1970 as a date.
pub(crate) fn show_day(days: i64) -> String {
    let day = Span::new().try_days(days).ok().and_then(|span| date(1970, 1, 1).checked_add(span).ok());
    day.map_or_else(|| format!("day {days}"), |day| day.to_string())
}

/// Whether it can be the name of a user or group: what is safe in every file, command and path.
pub(crate) fn is_account_name(name: &str) -> bool {
    let body = name.strip_suffix('$').unwrap_or(name);
    let starts = body.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.len() <= 32 && body.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// Advice for a name that was refused.
pub(crate) const NAME_HELP: &str = "letters, digits, `_`, `-` and `.`, a letter or `_` first, 32 at most";

/// A tool of the shadow suite that acts on the host's own files, wherever its root is.
pub(crate) fn tool(host: &Host, program: &str) -> Command {
    let command = host.command(program);
    if host.is_machine() { command } else { command.argument("--root").argument(host.root().to_string_lossy()) }
}

/// Runs a change of accounts while no other is made: the tools fail at once where they meet a lock.
pub(crate) fn alone<R>(change: impl FnOnce() -> R) -> R {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    change()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_nonsense_is_passed_over() {
        let users = parse_passwd("root:x:0:0:root:/root:/bin/bash\n+::::::\n\nada:x:1000:100:Ada,,,:/home/ada:\nada:x:1:1::/:/x\n");
        assert_eq!(users.len(), 2);
        assert_eq!((users["ada"].uid, users["ada"].comment.as_str(), users["ada"].shell.as_str()), (1000, "Ada,,,", ""));
        let groups = parse_group("a:x:5:\nb:x:6:ada,eve\nbroken:x\n");
        assert_eq!(groups["b"].members, BTreeSet::from(["ada".to_owned(), "eve".to_owned()]));
        assert!(groups["a"].members.is_empty() && groups.len() == 2);
        let shadow = parse_shadow("ada:$6$x:19000:0:99999:7::21915:\neve:!::::::::\n");
        assert_eq!((shadow["ada"].age_max, shadow["ada"].expiry, shadow["eve"].age_min), (Some(99999), Some(21915), None));
    }

    #[test]
    fn days_go_both_ways() {
        assert_eq!(parse_day("2030-01-01"), Some(21915));
        assert_eq!(show_day(21915), "2030-01-01");
        assert_eq!(parse_day("1970-01-01"), Some(0));
        assert_eq!((parse_day("2030-02-30"), parse_day("never"), parse_day("1969-12-31")), (None, None, None));
    }

    #[test]
    fn names_that_could_do_harm_are_refused() {
        for name in ["root\n", "-rf", "../x", "a:b", "", "1user", "a b", &"x".repeat(33)] {
            assert!(!is_account_name(name), "{name:?}");
        }
        assert!(is_account_name("www-data") && is_account_name("_apt") && is_account_name("HOST$"));
    }
}
