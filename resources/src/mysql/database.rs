//! `mysql_database`: databases.

use std::collections::{BTreeMap, BTreeSet};

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};

use super::standing::Standing;
use super::{in_data, is_name, key, look, server};
use crate::ensure::Ensure;
use crate::host::Host;
use crate::host::sql::Sql;
use crate::host::statement::Statement;

keel_engine::attributes! {
    /// A database of MariaDB.
    ///
    /// In a Galera cluster one member makes the changes, and of a primary and its replicas the primary: the
    /// others wait for what comes from there. A database is never purged; `ensure=absent` removes it with all
    /// that is in it.
    ///
    ///     mysql_database shop charset=utf8mb4 collation=utf8mb4_unicode_ci
    pub struct Database: "mysql_database" {
        /// The name.
        [title] pub name: String,
        /// `present`, or `absent`: it goes with all that is in it.
        pub ensure: Ensure = Ensure::Present,
        /// The character set that new tables get. Not given: it stays, and a new one has the server's.
        pub charset: Option<String>,
        /// The order of letters that new tables get. Not given: it stays, and a new one has the character set's.
        pub collation: Option<String>,
        /// The server's socket. Not given: `/run/mysqld/mysqld.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if !is_name(&desired.name) {
            errors.push(AttributeError::of_value("name", format!("{:?} cannot be the name of a database", desired.name)));
        }
        if desired.ensure == Ensure::Absent && is_of_the_system(&desired.name) {
            errors.push(AttributeError::of_value("name", format!("the server cannot do without {}", desired.name)));
        }
        errors
    }
}

fn is_of_the_system(name: &str) -> bool {
    ["mysql", "information_schema", "performance_schema", "sys"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What new tables of a database get.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Letters {
    charset: String,
    collation: String,
}

/// The databases of a server.
struct Databases {
    found: BTreeMap<String, Letters>,
    charsets: BTreeSet<String>,
    collations: BTreeSet<String>,
    standing: Standing,
}

impl Databases {
    fn read(sql: &Sql) -> Result<Self, Failure> {
        let letters = sql.rows(&Statement::new("SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"))?;
        let collation = |column| move |row: &crate::host::sql::Row| row.get(column).map(str::to_owned);
        let found = sql.rows(&Statement::new(
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA",
        ))?;
        let database = |row: &crate::host::sql::Row| {
            let [charset, collation] = ["DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME"].map(|column| row.text(column).to_owned());
            (row.text("SCHEMA_NAME").to_owned(), Letters { charset, collation })
        };
        Ok(Self {
            found: found.iter().map(database).collect(),
            charsets: letters.iter().filter_map(collation("CHARACTER_SET_NAME")).collect(),
            collations: ["COLLATION_NAME", "FULL_COLLATION_NAME"]
                .into_iter()
                .flat_map(|column| letters.iter().filter_map(collation(column)))
                .collect(),
            standing: Standing::read(sql)?,
        })
    }

    /// What there is of one.
    fn observe(&self, desired: &Database) -> Result<Observed, ObserveError> {
        let unknown = |what: &str, name: &str, lists: &str| {
            Failure::new(format!("MariaDB knows no {what} {name}")).help(format!("{lists} lists them"))
        };
        if let Some(charset) = desired.charset.as_deref().map(today).filter(|charset| !self.charsets.contains(charset)) {
            return Err(unknown("character set", &charset, "SHOW CHARACTER SET").into());
        }
        if let Some(collation) = desired.collation.as_deref().map(today).filter(|collation| !self.collations.contains(collation)) {
            return Err(unknown("collation", &collation, "SHOW COLLATION").into());
        }
        Ok(Observed { found: self.found.get(&desired.name).cloned(), elsewhere: self.standing.why_not_here() })
    }
}

/// The name that the server itself uses today: `utf8` is what it calls `utf8mb3`.
fn today(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("utf8") {
        Some(rest) if rest.is_empty() || rest.starts_with('_') => format!("utf8mb3{rest}"),
        _ => name,
    }
}

/// What was found of a database.
#[derive(Debug)]
pub struct Observed {
    found: Option<Letters>,
    /// Why another server makes the changes.
    elsewhere: Option<String>,
}

/// The type `mysql_database`.
pub struct DatabaseType;

impl ResourceType for DatabaseType {
    type Host = Host;
    type Desired = Database;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Database]) -> Vec<Result<Observed, ObserveError>> {
        look(host, desired, |desired| desired.socket.as_ref(), Databases::read, |desired, databases| databases.observe(desired))
    }

    fn diff(&self, desired: &Database, observed: &Observed) -> Vec<Change> {
        let mut changes = Vec::new();
        match (&observed.found, desired.ensure) {
            (None, Ensure::Absent) => return changes,
            (Some(_), Ensure::Absent) => return vec![Change::delete("ensure", "present")],
            (None, Ensure::Present) => changes.push(Change::create("ensure", "present")),
            (Some(_), Ensure::Present) => {}
        }
        let letters = [("charset", &desired.charset), ("collation", &desired.collation)];
        for (attribute, wanted) in letters {
            let Some(wanted) = wanted.as_deref().map(today) else { continue };
            let found = observed.found.as_ref().map(|found| if attribute == "charset" { &found.charset } else { &found.collation });
            match found {
                None => changes.push(Change::create(attribute, wanted)),
                Some(found) if *found != wanted => changes.push(Change::update(attribute, found.as_str(), wanted)),
                Some(_) => {}
            }
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let statement = match (desired.ensure, &work.observed.found) {
            (Ensure::Absent, _) => Statement::new("DROP DATABASE IF EXISTS ").name(&desired.name),
            (Ensure::Present, None) => with_letters(Statement::new("CREATE DATABASE IF NOT EXISTS ").name(&desired.name), desired),
            (Ensure::Present, Some(_)) => with_letters(Statement::new("ALTER DATABASE ").name(&desired.name), desired),
        };
        server(host, desired.socket.as_ref())?.run(&statement)
    }

    fn held(&self, _desired: &Database, observed: &Observed) -> Option<String> {
        observed.elsewhere.clone()
    }

    fn footprint(&self, desired: &Database) -> Footprint {
        in_data().own(key("mysql_database", desired.socket.as_ref(), &desired.name))
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let databases = Databases::read(&*server(host, None)?)?;
        let wanted = databases.found.into_iter().filter(|(name, _)| !is_of_the_system(name) && title.is_none_or(|title| title == name));
        let described = wanted.map(|(title, letters)| {
            let attributes = [("charset", letters.charset), ("collation", letters.collation)];
            Described {
                title,
                attributes: attributes.map(|(name, value)| (name.to_owned(), Value::from(value))).into_iter().collect::<Map>(),
            }
        });
        Ok(Some(described.collect()))
    }
}

fn with_letters(statement: Statement, desired: &Database) -> Statement {
    let statement = match &desired.charset {
        Some(charset) => statement.words(" CHARACTER SET ").string(&today(charset)),
        None => statement,
    };
    match &desired.collation {
        Some(collation) => statement.words(" COLLATE ").string(&today(collation)),
        None => statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn old_names_mean_what_they_mean_today() {
        for (name, now) in [("utf8", "utf8mb3"), ("UTF8MB4", "utf8mb4"), ("utf8_bin", "utf8mb3_bin"), ("latin1", "latin1")] {
            assert_eq!(today(name), now);
        }
    }

    #[test]
    fn what_the_server_needs_is_never_dropped() {
        let absent = [("ensure", Value::from("absent"))];
        for name in ["mysql", "SYS", "information_schema"] {
            assert!(Trial::refuses::<DatabaseType>(name, &absent).contains("cannot do without"), "{name}");
        }
        for name in ["", "a\nb", "a "] {
            assert!(Trial::refuses::<DatabaseType>(name, &[]).contains("cannot be the name"), "{name:?}");
        }
    }

    #[test]
    fn without_a_server_it_is_not_told() {
        let error = Trial::new().plan(&DatabaseType, "shop", &[]).unwrap_err();
        assert!(error.contains("MariaDB does not answer on"), "{error}");
    }
}
