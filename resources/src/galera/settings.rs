//! Settings of a member: where its file differs from what the server runs with, and what it takes to change that.
//!
//! What the server can be asked about is compared with what it says. Of everything else only the file tells that the
//! server read when it started: the unit keeps a copy of that one.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::host::statement::Statement;
use crate::mysql::option_file::{canonical, options};
use crate::mysql::variable_value::Variable;

/// The option that holds those of Galera itself.
const PROVIDER_OPTIONS: &str = "wsrep_provider_options";

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

/// What the server runs with, as it says.
pub(super) struct Running {
    pub(super) variables: BTreeMap<String, Variable>,
}

/// Where the server runs without what its file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owing {
    /// What can be set while it runs.
    pub(super) set: Vec<Difference>,
    /// The options that it has to start anew for.
    pub(super) restart: BTreeSet<String>,
    /// Whether it is not known with which file it started: there may be more.
    pub(super) may_be_more: bool,
}

/// What a changed file takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The server runs with all that its file says.
    Nothing,
    /// It is enough to set what differs.
    Set,
    /// The server starts anew.
    Restart,
}

impl Owing {
    /// Compares what is declared, and so in its file, with what the server runs with and the file that it `started` with.
    pub(super) fn find(
        settings: &IndexMap<String, String>,
        provider_options: &IndexMap<String, String>,
        content: &str,
        started: Option<&str>,
        running: &Running,
    ) -> Self {
        let provider = running.variables.get(PROVIDER_OPTIONS).and_then(|options| options.value.as_deref()).unwrap_or_default();
        let mut differing = of_server(settings, &running.variables);
        differing.extend(of_provider(provider_options, provider));
        let known = |name: &str| provider_options.contains_key(name) || is_known(settings, &running.variables, name);
        let takes_restart = |name: &str| differing.iter().any(|one| one.name == name && one.class == Class::Restart);
        let restart = match started {
            // What the server made something else of when it started it would again.
            Some(started) => changed(started, content).into_iter().filter(|name| !known(name) || takes_restart(name)).collect(),
            None => differing.iter().filter(|one| one.class == Class::Restart).map(|one| one.name.clone()).collect(),
        };
        differing.retain(|one| one.class == Class::Now);
        Self { set: differing, restart, may_be_more: started.is_none() }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match (self.may_be_more || !self.restart.is_empty(), self.set.is_empty()) {
            (true, _) => Remedy::Restart,
            (false, false) => Remedy::Set,
            (false, true) => Remedy::Nothing,
        }
    }

    /// The options that the server runs without.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.set.iter().map(|one| one.name.as_str()).chain(self.restart.iter().map(String::as_str)).collect()
    }
}

/// The options in which two files differ, those of Galera itself each for itself.
fn changed(before: &str, after: &str) -> BTreeSet<String> {
    let read = |text: &str| {
        let mut options = options(text);
        let provider = options.remove(PROVIDER_OPTIONS).unwrap_or_default();
        let parts = provider.split(';').filter_map(|part| part.split_once('='));
        options.extend(parts.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
        options
    };
    let (before, after) = (read(before), read(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// Whether the server itself tells of a setting that is declared.
fn is_known(settings: &IndexMap<String, String>, variables: &BTreeMap<String, Variable>, name: &str) -> bool {
    let wanted = settings.iter().find(|(setting, _)| canonical(setting) == name).map(|(_, wanted)| wanted);
    let variable = variables.get(name).filter(|variable| variable.value.is_some());
    wanted.zip(variable).is_some_and(|(wanted, variable)| variable.canonical(wanted).is_ok())
}

/// Where the server's variables differ. What it does not know, or would not take, is left to the check of its file.
fn of_server(settings: &IndexMap<String, String>, variables: &BTreeMap<String, Variable>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, wanted) in settings {
        let name = canonical(name);
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
fn of_provider(options: &IndexMap<String, String>, running: &str) -> Vec<Difference> {
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

    const STARTED: &str =
        "[mysqld]\nbind_address = 0.0.0.0\nwsrep_provider_options = \"gcs.fc_limit=16;\"\nmax_connections = 151\nback_log = 80\n";

    /// What a file takes that differs from the one the server started with by these lines.
    fn owing(lines: &[(&str, &str)], settings: &[(&str, &str)], started: Option<&str>) -> (Remedy, Vec<String>) {
        let content = lines.iter().fold(STARTED.to_owned(), |text, (before, after)| text.replace(before, after));
        let found = Owing::find(&map(settings), &map(&[]), &content, started, &Running { variables: variables() });
        (found.remedy(), found.names().into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn what_is_set_while_it_runs_hides_nothing_that_takes_a_restart() {
        let both = [("max_connections", "300"), ("back_log", "80")];
        let set = ("max_connections = 151", "max_connections = 300");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(owing(&[set], &both, Some(STARTED)), (Remedy::Set, names(&["max_connections"])));
        // A line that no setting stands for, one that is gone, and one that the server tells nothing of.
        let bind = ("0.0.0.0", "10.0.0.1");
        assert_eq!(owing(&[set, bind], &both, Some(STARTED)), (Remedy::Restart, names(&["bind_address", "max_connections"])));
        let gone = ("back_log = 80\n", "");
        assert_eq!(owing(&[set, gone], &both[..1], Some(STARTED)), (Remedy::Restart, names(&["back_log", "max_connections"])));
        let more = ("back_log = 80\n", "back_log = 80\nplugin-load-add = x\n");
        let three = [both[0], both[1], ("plugin-load-add", "x")];
        assert_eq!(owing(&[set, more], &three, Some(STARTED)), (Remedy::Restart, names(&["max_connections", "plugin_load_add"])));
        let provider = ("gcs.fc_limit=16;", "gcs.fc_limit=16;gcache.size=1G;");
        assert_eq!(owing(&[provider], &[], Some(STARTED)), (Remedy::Restart, names(&["gcache.size"])));
    }

    #[test]
    fn a_restart_stays_owed_until_the_server_started_with_its_file() {
        let settings = [("max_connections", "151"), ("back_log", "90")];
        let change = [("back_log = 80", "back_log = 90")];
        assert_eq!(owing(&change, &settings, Some(STARTED)), (Remedy::Restart, vec!["back_log".to_owned()]));
        // Started with it, the server made something else of it, and would again.
        let after = STARTED.replace("back_log = 80", "back_log = 90");
        assert_eq!(owing(&change, &settings, Some(&after)), (Remedy::Nothing, Vec::new()));
        // What was set before counts, whatever file it started with.
        let set = [("max_connections = 151", "max_connections = 0151")];
        assert_eq!(owing(&set, &[("max_connections", "0151")], Some(STARTED)), (Remedy::Nothing, Vec::new()));
        assert_eq!(owing(&[], &[("max_connections", "300")], None), (Remedy::Restart, vec!["max_connections".to_owned()]));
    }
}
