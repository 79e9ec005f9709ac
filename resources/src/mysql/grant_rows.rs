//! What accounts may do, as the server lists it: one table of single privileges for all levels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use keel_engine::resource::Failure;

use super::account::Account;
use super::privilege::{self, Level, Privilege};
use crate::host::sql::{Row, Sql};
use crate::host::statement::Statement;

/// What privileges are given on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    /// The whole server.
    Server,
    /// A database, as the server keeps it: `_` and `%` are any letters unless a backslash stands before them.
    Database(String),
    /// A table.
    Table(String, String),
    /// A procedure or function.
    Routine(Routine, String, String),
}

/// The kinds of routines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Routine {
    Procedure,
    Function,
}

impl Object {
    /// Reads `*.*`, `db.*`, `db.table`, `PROCEDURE db.name` or `FUNCTION db.name`; names with a dot stand in backticks.
    pub(super) fn parse(text: &str, is_pattern: bool) -> Result<Self, String> {
        let words = text.trim();
        let kind =
            |word: &str| words.split_once(' ').filter(|(first, _)| first.eq_ignore_ascii_case(word)).map(|(_, rest)| rest.trim_start());
        let routine = kind("procedure").map(|rest| (Routine::Procedure, rest)).or(kind("function").map(|rest| (Routine::Function, rest)));
        let (database, name) = split(routine.map_or(words, |(_, rest)| rest)).ok_or_else(|| {
            format!(
                "{text:?} is no place for privileges: write \"*.*\", \"db.*\", \"db.table\", \"PROCEDURE db.name\" or \"FUNCTION db.name\""
            )
        })?;
        match (routine, database.as_str(), name.as_str()) {
            (None, "*", "*") => Ok(Object::Server),
            (_, "*", _) | (Some(_), _, "*") => Err(format!("{text:?} names no database or routine")),
            (None, _, "*") => Ok(Object::Database(if is_pattern { database } else { literal(&database) })),
            (None, ..) => Ok(Object::Table(database, name)),
            (Some((kind, _)), ..) => Ok(Object::Routine(kind, database, name)),
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Object::Server => Level::Global,
            Object::Database(_) => Level::Database,
            Object::Table(..) => Level::Table,
            Object::Routine(..) => Level::Routine,
        }
    }

    /// Adds it to a statement.
    pub(super) fn write(&self, statement: Statement) -> Statement {
        match self {
            Object::Server => statement.words("*.*"),
            Object::Database(database) => statement.name(database).words(".*"),
            Object::Table(database, table) => statement.name(database).words(".").name(table),
            Object::Routine(Routine::Procedure, database, name) => statement.words("PROCEDURE ").name(database).words(".").name(name),
            Object::Routine(Routine::Function, database, name) => statement.words("FUNCTION ").name(database).words(".").name(name),
        }
    }

    /// Whether it is meant for all databases that a pattern fits.
    pub(super) fn is_pattern(&self) -> bool {
        matches!(self, Object::Database(database) if literal(&plain(database)) != *database)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Server => f.write_str("*.*"),
            Object::Database(database) if self.is_pattern() => write!(f, "{}.*", written(database)),
            Object::Database(database) => write!(f, "{}.*", written(&plain(database))),
            Object::Table(database, table) => write!(f, "{}.{}", written(database), written(table)),
            Object::Routine(Routine::Procedure, database, name) => write!(f, "PROCEDURE {}.{}", written(database), written(name)),
            Object::Routine(Routine::Function, database, name) => write!(f, "FUNCTION {}.{}", written(database), written(name)),
        }
    }
}

/// The two names around the dot.
fn split(text: &str) -> Option<(String, String)> {
    let (first, rest) = one_name(text)?;
    let (second, rest) = one_name(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((first, second))
}

/// The name at the start of a text, and what is behind it.
fn one_name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('`') else {
        let end = text.find('.').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let fits = super::is_name(name) && !name.contains('`');
        return fits.then(|| (name.to_owned(), rest));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, behind) = rest.split_once('`')?;
        name.push_str(part);
        match behind.strip_prefix('`') {
            Some(more) => {
                name.push('`');
                rest = more;
            }
            None => return super::is_name(&name).then_some((name, behind)),
        }
    }
}

/// A name as a manifest has it.
fn written(name: &str) -> String {
    if name.contains(['.', '`']) || name == "*" { format!("`{}`", name.replace('`', "``")) } else { name.to_owned() }
}

/// A database's name as the tables of privileges keep it where it means this one alone.
pub(super) fn literal(name: &str) -> String {
    name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// The name that [`literal`] was made of.
pub(super) fn plain(kept: &str) -> String {
    let mut name = String::new();
    let mut chars = kept.chars();
    while let Some(char) = chars.next() {
        name.push(if char == '\\' { chars.next().unwrap_or('\\') } else { char });
    }
    name
}

/// What an account may do on one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) privileges: BTreeSet<Privilege>,
    /// Whether it may hand them on.
    pub(super) is_grantable: bool,
}

/// Everything that anybody may do.
#[derive(Debug, Default)]
pub(super) struct Grants {
    pub(super) held: BTreeMap<(Account, Object), Held>,
    /// The privileges that the server knows.
    pub(super) known: BTreeSet<&'static str>,
}

impl Grants {
    pub(super) fn read(sql: &Sql) -> Result<Self, Failure> {
        let mut grants = Self::default();
        for row in sql.rows(&Statement::new("SHOW PRIVILEGES"))? {
            grants.known.extend(privilege::by_name(row.text("Privilege")));
        }
        for view in [
            "SELECT GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES",
            "SELECT GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES",
            "SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.TABLE_PRIVILEGES",
            "SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.COLUMN_PRIVILEGES",
        ] {
            sql.rows(&Statement::new(view))?.iter().for_each(|row| grants.take_view(row));
        }
        let routines = "SELECT User, Host, Db, Routine_name, Routine_type, Proc_priv FROM mysql.procs_priv";
        sql.rows(&Statement::new(routines))?.iter().for_each(|row| grants.take_routine(row));
        Ok(grants)
    }

    /// Takes in a row of the information schema.
    fn take_view(&mut self, row: &Row) {
        let Some(account) = Account::of_grantee(row.text("GRANTEE")) else { return };
        let object = match (row.get("TABLE_SCHEMA"), row.get("TABLE_NAME")) {
            (None, _) => Object::Server,
            (Some(database), None) => Object::Database(database.to_owned()),
            (Some(database), Some(table)) => Object::Table(database.to_owned(), table.to_owned()),
        };
        let column = row.get("COLUMN_NAME").map(str::to_owned);
        let privilege = privilege::by_name(row.text("PRIVILEGE_TYPE")).map(|name| Privilege { name, column });
        self.add(account, object, privilege, row.text("IS_GRANTABLE") == "YES");
    }

    fn take_routine(&mut self, row: &Row) {
        let account = Account { user: row.text("User").to_owned(), host: row.text("Host").to_owned() };
        let kind = if row.text("Routine_type") == "FUNCTION" { Routine::Function } else { Routine::Procedure };
        let object = Object::Routine(kind, row.text("Db").to_owned(), row.text("Routine_name").to_owned());
        for word in row.text("Proc_priv").split(',') {
            let privilege = privilege::by_name(word).map(|name| Privilege { name, column: None });
            self.add(account.clone(), object.clone(), privilege, word == "Grant");
        }
    }

    fn add(&mut self, account: Account, object: Object, privilege: Option<Privilege>, is_grantable: bool) {
        if privilege.is_some() || is_grantable {
            let held = self.held.entry((account, object)).or_default();
            held.privileges.extend(privilege);
            held.is_grantable |= is_grantable;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_and_written() {
        for (text, shown) in [
            ("*.*", "*.*"),
            ("shop.*", "shop.*"),
            ("shop_prod.*", "shop_prod.*"),
            ("shop.orders", "shop.orders"),
            ("`a.b`.`c``d`", "`a.b`.`c``d`"),
            ("procedure shop.clean", "PROCEDURE shop.clean"),
            ("FUNCTION  shop.f", "FUNCTION shop.f"),
        ] {
            assert_eq!(Object::parse(text, false).map(|object| object.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in ["", "shop", "*.orders", "PROCEDURE shop.*", "a.b.c", "a..b", "`a.*", "a\n.*", "; drop.*x`"] {
            assert!(Object::parse(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn the_name_of_a_database_is_no_pattern_unless_it_is_said() {
        assert_eq!(Object::parse("a_b.*", false), Ok(Object::Database("a\\_b".to_owned())));
        assert_eq!(Object::parse("a_%.*", true), Ok(Object::Database("a_%".to_owned())));
        assert!(Object::Database("a_%".to_owned()).is_pattern() && !Object::Database("a\\_b".to_owned()).is_pattern());
        for name in ["a_b", "100%", "a\\b", "plain", "\\_"] {
            assert_eq!(plain(&literal(name)), name);
        }
    }

    #[test]
    fn rows_become_single_privileges() {
        let mut grants = Grants::default();
        let view = |rest: &[(&str, &str)]| Row::of(&[&[("GRANTEE", "'a'@'%'")], rest].concat());
        grants.take_view(&view(&[("PRIVILEGE_TYPE", "USAGE"), ("IS_GRANTABLE", "NO")]));
        grants.take_view(&view(&[("TABLE_SCHEMA", "s\\_x"), ("PRIVILEGE_TYPE", "SELECT"), ("IS_GRANTABLE", "YES")]));
        let column =
            [("TABLE_SCHEMA", "s"), ("TABLE_NAME", "t"), ("COLUMN_NAME", "id"), ("PRIVILEGE_TYPE", "UPDATE"), ("IS_GRANTABLE", "NO")];
        grants.take_view(&view(&column));
        grants.take_routine(&Row::of(&[
            ("User", "a"),
            ("Host", "%"),
            ("Db", "s"),
            ("Routine_name", "p"),
            ("Routine_type", "PROCEDURE"),
            ("Proc_priv", "Execute,Alter Routine,Grant"),
        ]));
        let shown = |((account, object), held): (&(Account, Object), &Held)| {
            let privileges: Vec<String> = held.privileges.iter().map(ToString::to_string).collect();
            format!("{account} {object}: {}{}", privileges.join(", "), if held.is_grantable { " and on" } else { "" })
        };
        let shown: Vec<String> = grants.held.iter().map(shown).collect();
        assert_eq!(shown, ["a@% s_x.*: SELECT and on", "a@% s.t: UPDATE (id)", "a@% PROCEDURE s.p: ALTER ROUTINE, EXECUTE and on"]);
    }
}
