//! Settings of a member: where what is declared differs from what the server runs with, and what it takes to change that.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::host::statement::Statement;
use crate::mysql::variable_value::Variable;

/// Options of Galera itself that change while it runs, by its own table of parameters.
const DYNAMIC: [&str; 15] = [
    "cert.log_conflicts",
    "cert.optimistic_pa",
    "debug",
    "evs.debug_log_mask",
    "evs.install_timeout",
    "evs.join_retrans_period",
    "evs.send_window",
    "evs.user_send_window",
    "gcs.fc_limit",
    "gmcast.isolate",
    "pc.ignore_quorum",
    "pc.ignore_sb",
    "pc.weight",
    "socket.recv_buf_size",
    "socket.send_buf_size",
];

/// What it takes to change a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It is set, and holds at once.
    Now,
    /// The server starts anew.
    Restart,
}

/// A setting that the server runs without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) name: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) class: Class,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Provider,
}

impl Difference {
    /// The statement that sets it.
    pub(super) fn statement(&self) -> Statement {
        match self.kind {
            Kind::Provider => Statement::new("SET GLOBAL wsrep_provider_options = ").string(&format!("{}={}", self.name, self.after)),
            Kind::Number if self.after.parse::<u64>().is_ok() => {
                Statement::new("SET GLOBAL ").name(&self.name).words(" = ").number(self.after.parse::<u64>().unwrap_or_default())
            }
            Kind::Number | Kind::Text => Statement::new("SET GLOBAL ").name(&self.name).words(" = ").string(&self.after),
        }
    }
}

/// Where the server's variables differ. What it does not know, or would not take, is left to the check of its file.
pub(super) fn of_server(settings: &IndexMap<String, String>, variables: &BTreeMap<String, Variable>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, wanted) in settings {
        let name = name.replace('-', "_").to_ascii_lowercase();
        let Some((variable, before)) = variables.get(&name).and_then(|variable| Some((variable, variable.value.clone()?))) else {
            continue;
        };
        let Ok(after) = variable.canonical(wanted) else { continue };
        if !variable.is(&after, None) {
            let class = if variable.is_dynamic { Class::Now } else { Class::Restart };
            let kind = if variable.is_number() { Kind::Number } else { Kind::Text };
            found.push(Difference { name, before, after, class, kind });
        }
    }
    found
}

/// Where the options of Galera differ; `running` is `name = value; ...`.
pub(super) fn of_provider(options: &IndexMap<String, String>, running: &str) -> Vec<Difference> {
    let running: BTreeMap<&str, &str> =
        running.split(';').filter_map(|part| part.split_once('=')).map(|(name, value)| (name.trim(), value.trim())).collect();
    let mut found = Vec::new();
    for (name, wanted) in options {
        let before = running.get(name.as_str()).copied().unwrap_or_default();
        if !is_same(before, wanted.trim()) {
            let class = if DYNAMIC.contains(&name.as_str()) { Class::Now } else { Class::Restart };
            let (before, after) = (before.to_owned(), wanted.trim().to_owned());
            found.push(Difference { name: name.clone(), before, after, class, kind: Kind::Provider });
        }
    }
    found
}

/// Whether two values mean the same: `yes` and `true`, `128M` and `134217728`.
fn is_same(one: &str, other: &str) -> bool {
    let canonical = |text: &str| match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => "1".to_owned(),
        "no" | "false" | "off" => "0".to_owned(),
        text => match (text.trim_end_matches(['k', 'm', 'g']).parse::<u64>(), text.chars().next_back()) {
            (Ok(number), Some('k')) => (number << 10).to_string(),
            (Ok(number), Some('m')) => (number << 20).to_string(),
            (Ok(number), Some('g')) => (number << 30).to_string(),
            _ => text.to_owned(),
        },
    };
    canonical(one) == canonical(other)
}

/// What a changed file takes: it is enough to set what differs where something differs, and all of it can be set. Where
/// nothing that is known differs, what changed is something that is not, and takes a restart.
pub(super) fn class(differences: &[Difference]) -> Class {
    let is_enough = !differences.is_empty() && differences.iter().all(|difference| difference.class == Class::Now);
    if is_enough { Class::Now } else { Class::Restart }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sql::Row;

    fn map(entries: &[(&str, &str)]) -> IndexMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn variables() -> BTreeMap<String, Variable> {
        let variable = |name: &str, value: &str, read_only: &str| {
            let row = [
                ("VARIABLE_NAME", name),
                ("GLOBAL_VALUE", value),
                ("VARIABLE_TYPE", "INT UNSIGNED"),
                ("NUMERIC_MIN_VALUE", "1"),
                ("NUMERIC_MAX_VALUE", "100000"),
                ("READ_ONLY", read_only),
            ];
            let variable = Variable::read(&Row::of(&row));
            (variable.name.clone(), variable)
        };
        BTreeMap::from([variable("MAX_CONNECTIONS", "151", "NO"), variable("BACK_LOG", "80", "YES")])
    }

    fn shown(differences: &[Difference]) -> Vec<String> {
        differences.iter().map(|one| format!("{}: {} -> {} {:?}", one.name, one.before, one.after, one.class)).collect()
    }

    #[test]
    fn the_server_says_what_takes_a_restart() {
        let found = of_server(&map(&[("max-connections", "300"), ("back_log", "90"), ("unknown", "1")]), &variables());
        assert_eq!(shown(&found), ["max_connections: 151 -> 300 Now", "back_log: 80 -> 90 Restart"]);
        assert_eq!(format!("{:?}", found[0].statement()), "SET GLOBAL `max_connections` = 300");
        assert_eq!(of_server(&map(&[("max_connections", "151"), ("back_log", "80")]), &variables()), []);
        assert_eq!((class(&found), class(&found[..1]), class(&[])), (Class::Restart, Class::Now, Class::Restart));
    }

    #[test]
    fn options_of_galera_are_told_apart() {
        let running = "base_dir = /var/lib/mysql/; gcache.size = 128M; gcs.fc_limit = 16; pc.ignore_sb = false; ";
        let same = map(&[("gcache.size", "134217728"), ("pc.ignore_sb", "no"), ("gcs.fc_limit", "16")]);
        assert_eq!(of_provider(&same, running), []);
        let found = of_provider(&map(&[("gcs.fc_limit", "64"), ("gcache.size", "1G")]), running);
        assert_eq!(shown(&found), ["gcs.fc_limit: 16 -> 64 Now", "gcache.size: 128M -> 1G Restart"]);
        assert_eq!(format!("{:?}", found[0].statement()), "SET GLOBAL wsrep_provider_options = 'gcs.fc_limit=64'");
    }
}
