//! `mysql_variable`: settings of the server, in its memory and in its file.

use std::collections::BTreeMap;

use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, wrong_type};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, ObserveError, Reliance, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::value::{Map, Value};

use super::variable_value::{QUERY, Variable};
use super::{SERVER, UNITS, key, option_file, server};
use crate::ensure::Ensure;
use crate::host::Host;
use crate::host::statement::Statement;
use crate::text_file::{Content, edit_text, part_footprint};

/// The file where none is given; the files of the package come before it.
const FILE: &str = "/etc/mysql/mariadb.conf.d/60-keel.cnf";
/// The section that every server reads.
const SECTION: &str = "mysqld";
/// What the buffer pool grows by.
const CHUNK: &str = "innodb_buffer_pool_chunk_size";

/// The value of a variable.
#[derive(Clone, PartialEq, Eq)]
pub struct VariableValue {
    text: String,
    is_secret: bool,
}

impl std::fmt::Debug for VariableValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_secret { keel_engine::secret::PLACEHOLDER } else { &self.text })
    }
}

impl AttributeValue for VariableValue {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Text, Kind::Int, Kind::Bool, Kind::Float])
    }
    fn read(value: &Value) -> Result<Self, String> {
        let (text, is_secret) = match value {
            Value::String(text) => (text.clone(), false),
            Value::Int(number) => (number.to_string(), false),
            Value::Float(number) => (number.to_string(), false),
            Value::Bool(flag) => (if *flag { "ON" } else { "OFF" }.to_owned(), false),
            Value::Secret(secret) => (secret.reveal_secret_text().to_owned(), true),
            Value::Sealed(_) => (String::new(), true),
            other => return Err(wrong_type(&Self::kind(), other)),
        };
        if text.contains(['\n', '\r', '\0']) {
            return Err("is one line of text".to_owned());
        }
        Ok(Self { text, is_secret })
    }
}

keel_engine::attributes! {
    /// A variable of MariaDB: its value now, and its line in a file of options for the next start.
    ///
    /// Both are kept equal. One that cannot be changed while the server runs is written to the file; until the server
    /// is restarted the report warns, and a restart is the service's: `notify (service)mariadb`.
    ///
    ///     service mariadb ensure=running
    ///     mysql_variable max_connections value=300
    ///     mysql_variable innodb_buffer_pool_size value="2G"
    ///     mysql_variable bind_address value="0.0.0.0" {
    ///         notify (service)mariadb
    ///     }
    pub struct MysqlVariable: "mysql_variable" {
        /// The name; dashes and underscores are the same.
        [title] pub name: String,
        /// Whether its line is in the file. With `absent` it goes, and what the server has now stays until it is
        /// restarted.
        pub ensure: Ensure = Ensure::Present,
        /// The value, as the file has it: `512M`, `ON`, a number, a text, or `#true`.
        pub value: Option<VariableValue>,
        /// Whether it is written to the file.
        pub persist: bool = true,
        /// Whether the running server gets it now.
        pub live: bool = true,
        /// The file. Not given: `/etc/mysql/mariadb.conf.d/60-keel.cnf`.
        pub file: Option<AbsolutePath>,
        /// The server's socket. Not given: `/run/mysqld/mysqld.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
        if desired.name.is_empty() || !desired.name.chars().all(fits) {
            errors.push(AttributeError::of_value("name", format!("{:?} cannot be the name of a variable", desired.name)));
        }
        if desired.ensure == Ensure::Present && desired.value.is_none() {
            errors.push(AttributeError::new("value", "is required and not given"));
        }
        if !desired.live && !desired.persist {
            errors.push(AttributeError::new("live", "and `persist` are both #false, so there is nothing to do"));
        }
        errors.extend(desired.file.as_ref().and_then(|file| crate::file::check_path("file", file)));
        errors
    }
}

impl MysqlVariable {
    fn canonical_name(&self) -> String {
        self.name.replace('-', "_").to_ascii_lowercase()
    }

    fn file(&self) -> &str {
        self.file.as_ref().map_or(FILE, AbsolutePath::as_str)
    }

    fn wanted(&self) -> Option<&VariableValue> {
        self.value.as_ref().filter(|_| self.ensure == Ensure::Present)
    }

    fn shown(&self, text: &str) -> Shown {
        let is_secret = self.value.as_ref().is_some_and(|value| value.is_secret) || crate::ini::looks_secret(&self.name, text);
        if is_secret { Shown::Hidden } else { Shown::from(text) }
    }
}

/// What was found of a variable.
#[derive(Debug)]
pub struct Observed {
    /// None where the server is not asked, or does not run.
    live: Option<Live>,
    is_running: bool,
    /// The line in the file.
    kept: Option<String>,
    /// Whether it says what is wanted.
    is_kept: bool,
}

/// The variable in a server that runs.
struct Live {
    value: String,
    /// What the server would show for what is wanted.
    canonical: String,
    is_same: bool,
    is_dynamic: bool,
    is_number: bool,
    file: Option<String>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("is_same", &self.is_same).field("is_dynamic", &self.is_dynamic).finish_non_exhaustive()
    }
}

type Variables = BTreeMap<String, Variable>;

/// The variables of a server; none where it does not run.
fn variables(host: &Host, socket: Option<&str>) -> Result<Option<Variables>, ObserveError> {
    let sql = match host.sql(socket) {
        Ok(sql) => sql,
        Err(ObserveError::NotYet(_)) => return Ok(None),
        Err(failed) => return Err(failed),
    };
    let rows = sql.rows(&Statement::new(QUERY))?;
    Ok(Some(rows.iter().map(Variable::read).map(|variable| (variable.name.clone(), variable)).collect()))
}

fn live(desired: &MysqlVariable, wanted: &VariableValue, variables: &Variables) -> Result<Live, ObserveError> {
    let name = desired.canonical_name();
    let Some(variable) = variables.get(&name) else {
        let failure = Failure::new(format!("MariaDB has no variable {name}"));
        return Err(ObserveError::NotYet(
            failure.help("the plugin that brings it may not be loaded; an option that is no variable is an `ini` setting"),
        ));
    };
    let Some(value) = variable.value.clone() else {
        return Err(Failure::new(format!("the variable {name} belongs to sessions: the server has none of its own")).into());
    };
    if !variable.is_dynamic && !desired.persist {
        let failure = Failure::new(format!("the variable {name} cannot be changed while the server runs"));
        return Err(failure.help("without persist=#false it is written for the next start").into());
    }
    let canonical =
        variable.canonical(&wanted.text).map_err(|wrong| ObserveError::Failed(Failure::new(format!("the value of {name} {wrong}"))))?;
    let chunk = variables.get(CHUNK).and_then(|chunk| chunk.value.as_deref()?.parse().ok());
    Ok(Live {
        is_same: variable.is(&canonical, chunk),
        is_dynamic: variable.is_dynamic,
        is_number: variable.is_number(),
        file: variable.file.clone(),
        value,
        canonical,
    })
}

fn observe(host: &Host, desired: &MysqlVariable, variables: Option<&Variables>) -> Result<Observed, ObserveError> {
    let text = host.read_text(desired.file())?;
    let name = desired.canonical_name();
    let kept = text.as_ref().and_then(|text| option_file::value(text, &[SECTION], &name)).filter(|_| desired.persist);
    let Some(wanted) = desired.wanted() else {
        return Ok(Observed { live: None, is_running: variables.is_some(), kept, is_kept: false });
    };
    if desired.persist && text.is_none() {
        host.folders().expect_folder_of(desired.file())?;
    }
    let known = variables.and_then(|variables| variables.get(&name));
    let is_kept = kept.as_ref().is_some_and(|kept| match known {
        Some(variable) => variable.canonical(kept).is_ok_and(|kept| variable.canonical(&wanted.text) == Ok(kept)),
        None => *kept == wanted.text,
    });
    let live = variables.filter(|_| desired.live).map(|variables| live(desired, wanted, variables)).transpose()?;
    Ok(Observed { live, is_running: variables.is_some(), kept, is_kept })
}

/// The type `mysql_variable`.
pub struct VariableType;

impl ResourceType for VariableType {
    type Host = Host;
    type Desired = MysqlVariable;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&MysqlVariable]) -> Vec<Result<Observed, ObserveError>> {
        let mut servers: BTreeMap<Option<&str>, Result<Option<Variables>, ObserveError>> = BTreeMap::new();
        let mut looks = Vec::with_capacity(desired.len());
        for desired in desired {
            let socket = desired.socket.as_ref().map(AbsolutePath::as_str);
            let variables = servers.entry(socket).or_insert_with(|| variables(host, socket));
            looks.push(match variables {
                Ok(variables) => observe(host, desired, variables.as_ref()),
                Err(error) => Err(error.clone()),
            });
        }
        looks
    }

    fn diff(&self, desired: &MysqlVariable, observed: &Observed) -> Vec<Change> {
        let mut changes = Vec::new();
        let kept = observed.kept.as_ref().map_or(Shown::Absent, |kept| desired.shown(kept));
        let Some(wanted) = desired.wanted() else {
            changes.extend(observed.kept.as_ref().map(|_| Change::between("persist", kept, Shown::Absent)));
            return changes;
        };
        let differing = observed.live.as_ref().filter(|live| !live.is_same);
        if let Some(live) = differing.filter(|live| live.is_dynamic) {
            changes.push(Change::update("live", desired.shown(&live.value), desired.shown(&live.canonical)));
        }
        if desired.persist && !observed.is_kept {
            let wanted = match differing.filter(|live| !live.is_dynamic) {
                Some(_) if !wanted.is_secret => Shown::from(format!("{}, once the server is restarted", wanted.text)),
                _ => desired.shown(&wanted.text),
            };
            changes.push(Change::between("persist", kept, wanted));
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let (desired, name) = (work.desired, work.desired.canonical_name());
        let changed = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if let (true, Some(wanted), Some(live)) = (changed("live"), desired.wanted(), &work.observed.live) {
            let statement = Statement::new("SET GLOBAL ").name(&name).words(" = ");
            let statement = match (wanted.is_secret, live.is_number, live.canonical.parse::<u64>(), live.canonical.parse::<f64>()) {
                (true, ..) => statement.secret(&live.canonical),
                (false, true, Ok(number), _) => statement.number(number),
                (false, true, Err(_), Ok(number)) => statement.number(number),
                _ => statement.string(&live.canonical),
            };
            server(host, desired.socket.as_ref())?.run(&statement)?;
        }
        if !changed("persist") {
            return Ok(());
        }
        let content = if desired.value.as_ref().is_some_and(|value| value.is_secret) { Content::Secret } else { Content::Open };
        edit_text(host, std::path::Path::new(desired.file()), content, |text| {
            Ok(Some(match desired.wanted() {
                Some(wanted) => option_file::set(text, SECTION, &name, &wanted.text),
                None => option_file::remove(text, SECTION, &name),
            }))
        })
    }

    /// A server that does not run yet may come to run with another value than the file's.
    fn reliance(&self, desired: &MysqlVariable, observed: &Observed) -> Reliance {
        if desired.live && !observed.is_running { Reliance::UntilOpaque } else { Reliance::Firm }
    }

    fn warning(&self, desired: &MysqlVariable, observed: &Observed) -> Option<String> {
        let live = observed.live.as_ref().filter(|live| !live.is_same && !live.is_dynamic && observed.is_kept)?;
        let (now, wanted) = (desired.shown(&live.value).summary(), desired.shown(&live.canonical).summary());
        let from = live.file.as_ref().filter(|file| *file != desired.file()).map_or(String::new(), |file| format!(" (from {file})"));
        Some(format!(
            "MariaDB runs with {} = {now}{from}, and {} has {wanted}: that takes a restart",
            desired.canonical_name(),
            desired.file()
        ))
    }

    fn footprint(&self, desired: &MysqlVariable) -> Footprint {
        let name = desired.canonical_name();
        let server = UNITS.into_iter().fold(Footprint::default(), Footprint::need).need(SERVER);
        let footprint = server.own(key("mysql_variable", desired.socket.as_ref(), &name));
        let Ok(file) = AbsolutePath::read(&Value::from(desired.file())) else { return footprint };
        if !desired.persist {
            return footprint;
        }
        let part = part_footprint(&file, desired.ensure == Ensure::Present).write(format!("path:{file}#{SECTION}/{name}"));
        Footprint {
            provides: [footprint.provides, part.provides].concat(),
            needs: [footprint.needs, part.needs].concat(),
            writes: [footprint.writes, part.writes].concat(),
        }
    }

    /// A server has hundreds: those in the file are listed, and any by its name.
    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let variables = variables(host, None).map_err(|error| error.failure().clone())?.unwrap_or_default();
        let text = host.read_text(FILE)?.unwrap_or_default();
        let kept = |name: &str| option_file::value(&text, &[SECTION], name);
        let wanted = variables.values().filter(|variable| match title {
            Some(title) => variable.name == title.replace('-', "_").to_ascii_lowercase(),
            None => kept(&variable.name).is_some(),
        });
        let described = wanted.filter_map(|variable| {
            let value = kept(&variable.name).or(variable.value.clone().filter(|_| variable.is_dynamic))?;
            if crate::ini::looks_secret(&variable.name, &value) {
                return None;
            }
            let mut attributes = Map::from_iter([("value".to_owned(), Value::from(value))]);
            if kept(&variable.name).is_none() {
                attributes.insert("persist".to_owned(), Value::Bool(false));
            }
            Some(Described { title: title.unwrap_or(&variable.name).to_owned(), attributes })
        });
        Ok(Some(described.collect()))
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;

    use super::*;
    use crate::host::sql::Row;
    use crate::trial::Trial;

    fn running(read_only: &str) -> Variables {
        let row = [
            ("VARIABLE_NAME", "MAX_CONNECTIONS"),
            ("GLOBAL_VALUE", "151"),
            ("VARIABLE_TYPE", "INT UNSIGNED"),
            ("NUMERIC_MIN_VALUE", "10"),
            ("NUMERIC_MAX_VALUE", "100000"),
            ("NUMERIC_BLOCK_SIZE", "1"),
            ("READ_ONLY", read_only),
        ];
        let variable = Variable::read(&Row::of(&row));
        BTreeMap::from([(variable.name.clone(), variable)])
    }

    fn wanted(attributes: &[(&str, Value)]) -> MysqlVariable {
        MysqlVariable::from_attributes(
            "max-connections",
            &attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        )
        .unwrap()
    }

    fn look(trial: &Trial, desired: &MysqlVariable, variables: &Variables) -> Result<(Vec<String>, Option<String>), String> {
        let observed = observe(&trial.host, desired, Some(variables)).map_err(|error| error.failure().message.clone())?;
        let changes = VariableType.diff(desired, &observed);
        let shown = changes.iter().map(|change| format!("{}: {} -> {}", change.attribute, change.before.summary(), change.after.summary()));
        Ok((shown.collect(), VariableType.warning(desired, &observed)))
    }

    #[test]
    fn memory_and_file_are_kept_equal() {
        let trial = Trial::new();
        trial.write(FILE, "[mysqld]\nmax_connections = 200\n");
        let both = wanted(&[("value", Value::Int(300))]);
        assert_eq!(look(&trial, &both, &running("NO")).unwrap().0, ["live: 151 -> 300", "persist: 200 -> 300"]);
        assert_eq!(look(&trial, &wanted(&[("value", Value::Int(200)), ("live", Value::Bool(false))]), &running("NO")).unwrap().0, [""; 0]);
        assert_eq!(look(&trial, &wanted(&[("ensure", Value::from("absent"))]), &running("NO")).unwrap().0, ["persist: 200 -> absent"]);
    }

    #[test]
    fn what_takes_a_restart_is_written_and_warned_of() {
        let trial = Trial::new();
        trial.write(FILE, "[mysqld]\nmax_connections = 200\n");
        let (changes, warning) = look(&trial, &wanted(&[("value", Value::Int(300))]), &running("YES")).unwrap();
        assert_eq!((changes, warning), (vec!["persist: 200 -> 300, once the server is restarted".to_owned()], None));
        let (changes, warning) = look(&trial, &wanted(&[("value", Value::Int(200))]), &running("YES")).unwrap();
        assert_eq!(changes, [""; 0]);
        assert!(warning.is_some_and(|warning| warning.contains("runs with max_connections = 151") && warning.contains("takes a restart")));
        let error = look(&trial, &wanted(&[("value", Value::Int(1)), ("persist", Value::Bool(false))]), &running("YES")).unwrap_err();
        assert!(error.contains("cannot be changed while the server runs"), "{error}");
    }

    #[test]
    fn values_that_the_server_would_not_take_are_refused() {
        let trial = Trial::new();
        trial.write(FILE, "");
        assert_eq!(
            look(&trial, &wanted(&[("value", Value::Int(1))]), &running("NO")),
            Err("the value of max_connections is from 10 to 100000".to_owned())
        );
        assert!(
            look(&trial, &wanted(&[("value", Value::Int(10))]), &BTreeMap::new())
                .is_err_and(|error| error.contains("no variable max_connections"))
        );
        assert!(Trial::refuses::<VariableType>("a b", &[("value", Value::Int(1))]).contains("cannot be the name"));
        assert!(Trial::refuses::<VariableType>("a", &[]).contains("value is required"));
        assert!(Trial::refuses::<VariableType>("a", &[("value", Value::from("x\ny"))]).contains("one line"));
    }

    #[test]
    fn without_a_server_the_file_is_kept() {
        let trial = Trial::new();
        trial.write("/etc/mysql/mariadb.conf.d/50-server.cnf", "[mysqld]\n");
        assert_eq!(trial.converge(&VariableType, "max-connections", &[("value", Value::Int(300))]).unwrap(), ["+ persist: absent -> 300"]);
        assert_eq!(trial.read(FILE), "[mysqld]\nmax_connections = 300\n");
    }
}
