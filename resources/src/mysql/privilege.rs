//! Privileges: their names, and on what each can be given.

use std::collections::BTreeSet;
use std::fmt;

/// What privileges are given on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The whole server.
    Global,
    /// A database.
    Database,
    /// A table, or columns of it.
    Table,
    /// A procedure or function.
    Routine,
}

/// Every privilege with where it can be given: g everywhere, d on a database, t on a table, c on a column, r on a
/// routine. The names are those of the information schema.
const PRIVILEGES: [(&str, &str); 41] = [
    ("SELECT", "gdtc"),
    ("INSERT", "gdtc"),
    ("UPDATE", "gdtc"),
    ("DELETE", "gdt"),
    ("CREATE", "gdt"),
    ("DROP", "gdt"),
    ("REFERENCES", "gdtc"),
    ("INDEX", "gdt"),
    ("ALTER", "gdt"),
    ("CREATE TEMPORARY TABLES", "gd"),
    ("LOCK TABLES", "gd"),
    ("EXECUTE", "gdr"),
    ("CREATE VIEW", "gdt"),
    ("SHOW VIEW", "gdt"),
    ("CREATE ROUTINE", "gd"),
    ("ALTER ROUTINE", "gdr"),
    ("SHOW CREATE ROUTINE", "gdr"),
    ("EVENT", "gd"),
    ("TRIGGER", "gdt"),
    ("DELETE HISTORY", "gdt"),
    ("RELOAD", "g"),
    ("SHUTDOWN", "g"),
    ("PROCESS", "g"),
    ("FILE", "g"),
    ("SHOW DATABASES", "g"),
    ("SUPER", "g"),
    ("REPLICATION SLAVE", "g"),
    ("BINLOG MONITOR", "g"),
    ("CREATE USER", "g"),
    ("CREATE TABLESPACE", "g"),
    ("SET USER", "g"),
    ("FEDERATED ADMIN", "g"),
    ("CONNECTION ADMIN", "g"),
    ("READ_ONLY ADMIN", "g"),
    ("REPLICATION SLAVE ADMIN", "g"),
    ("REPLICATION MASTER ADMIN", "g"),
    ("BINLOG ADMIN", "g"),
    ("BINLOG REPLAY", "g"),
    ("SLAVE MONITOR", "g"),
    ("GRANT OPTION", ""),
    ("USAGE", ""),
];

/// Other names that the server takes for some of them.
const ALIASES: [(&str, &str); 8] = [
    ("REPLICATION CLIENT", "BINLOG MONITOR"),
    ("REPLICATION REPLICA", "REPLICATION SLAVE"),
    ("REPLICATION REPLICA ADMIN", "REPLICATION SLAVE ADMIN"),
    ("REPLICA MONITOR", "SLAVE MONITOR"),
    ("READ ONLY ADMIN", "READ_ONLY ADMIN"),
    ("DELETE VERSIONING ROWS", "DELETE HISTORY"),
    ("CREATE TEMPORARY TABLE", "CREATE TEMPORARY TABLES"),
    ("SHOW DATABASE", "SHOW DATABASES"),
];

/// A privilege; on a column, which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Privilege {
    /// Its name.
    pub name: &'static str,
    /// The column; none for the whole.
    pub column: Option<String>,
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            None => f.write_str(self.name),
            Some(column) => write!(f, "{} ({column})", self.name),
        }
    }
}

/// What a manifest lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Everything that can be given there.
    All,
    /// These.
    These(BTreeSet<Privilege>),
}

impl Wanted {
    /// Reads a list such as `SELECT`, `INSERT (id, name)`, or `ALL`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(words: &[String], level: Level) -> Result<Self, String> {
        let canonical: Vec<String> = words.iter().map(|word| squeezed(word)).collect();
        if let [only] = canonical.as_slice()
            && matches!(only.to_ascii_uppercase().as_str(), "ALL" | "ALL PRIVILEGES")
        {
            return Ok(Wanted::All);
        }
        let mut privileges = BTreeSet::new();
        for word in &canonical {
            privileges.extend(read(word, level)?);
        }
        Ok(Wanted::These(privileges))
    }
}

/// The name with one space between its words.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(text: &str, level: Level) -> Result<Vec<Privilege>, String> {
    let (name, columns) = match text.split_once('(') {
        Some((name, columns)) => (name.trim_end(), Some(columns.strip_suffix(')').ok_or(format!("{text:?} has no `)` at its end"))?)),
        None => (text, None),
    };
    let upper = name.to_ascii_uppercase();
    if matches!(upper.as_str(), "ALL" | "ALL PRIVILEGES") {
        return Err(format!("{upper} stands alone, not among others"));
    }
    let (name, levels) = known(&upper).ok_or_else(|| unknown(name))?;
    let place = match (level, columns) {
        (Level::Table, Some(_)) => ('c', "a column"),
        (_, Some(_)) => return Err("columns belong to a table: `on` names none".to_owned()),
        (Level::Global, None) => ('g', "the whole server"),
        (Level::Database, None) => ('d', "a database"),
        (Level::Table, None) => ('t', "a table"),
        (Level::Routine, None) => ('r', "a procedure or function"),
    };
    match name {
        "GRANT OPTION" => return Err("GRANT OPTION is the attribute grant_option".to_owned()),
        "USAGE" => return Err("USAGE is no privilege: every account may log in".to_owned()),
        _ if !levels.contains(place.0) => return Err(format!("{name} cannot be given on {}", place.1)),
        _ => {}
    }
    let Some(columns) = columns else { return Ok(vec![Privilege { name, column: None }]) };
    let columns: Vec<&str> = columns.split(',').map(|column| column.trim().trim_matches('`')).collect();
    if columns.iter().any(|column| column.is_empty()) {
        return Err(format!("{text:?} names a column without a name"));
    }
    Ok(columns.into_iter().map(|column| Privilege { name, column: Some(column.to_owned()) }).collect())
}

fn known(upper: &str) -> Option<(&'static str, &'static str)> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == upper).map_or(upper, |(_, name)| name);
    PRIVILEGES.into_iter().find(|(known, _)| *known == name)
}

fn unknown(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let near = PRIVILEGES.iter().map(|(known, _)| *known).filter(|known| known.contains(upper.as_str()) || is_near(known, &upper));
    let near: Vec<&str> = near.take(3).collect();
    let hint = if near.is_empty() { String::new() } else { format!("; is it {}?", near.join(" or ")) };
    format!("there is no privilege {name:?}{hint}")
}

/// Whether two names differ in two letters at most.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, char) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, wanted) in other.iter().enumerate() {
            let cost = (diagonal + usize::from(char != wanted)).min(row[column] + 1).min(row[column + 1] + 1);
            diagonal = std::mem::replace(&mut row[column + 1], cost);
        }
    }
    row.last().is_some_and(|distance| *distance <= 2)
}

/// The privilege by the name that the information schema has for it.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    known(&name.to_ascii_uppercase()).map(|(name, _)| name).filter(|name| !matches!(*name, "USAGE" | "GRANT OPTION"))
}

/// All that can be given on a level, of those that the server knows.
pub(super) fn all(level: Level, known_there: &BTreeSet<&'static str>) -> BTreeSet<Privilege> {
    let mark = match level {
        Level::Global => 'g',
        Level::Database => 'd',
        Level::Table => 't',
        Level::Routine => 'r',
    };
    let there = PRIVILEGES.into_iter().filter(|(name, levels)| levels.contains(mark) && known_there.contains(name));
    there.map(|(name, _)| Privilege { name, column: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(words: &[&str], level: Level) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Wanted::read(&words, level).map(|wanted| match wanted {
            Wanted::All => "all".to_owned(),
            Wanted::These(privileges) => privileges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
    }

    #[test]
    fn lists_are_read_in_any_spelling() {
        assert_eq!(wanted(&["select", "insert (id,  name)"], Level::Table).as_deref(), Ok("INSERT (id), INSERT (name), SELECT"));
        assert_eq!(wanted(&["all  privileges"], Level::Global).as_deref(), Ok("all"));
        assert_eq!(wanted(&["replication client"], Level::Global).as_deref(), Ok("BINLOG MONITOR"));
        assert_eq!(wanted(&[], Level::Database).as_deref(), Ok(""));
    }

    #[test]
    fn what_cannot_be_given_is_refused() {
        for (words, level, wrong) in [
            (vec!["SELEKT"], Level::Global, "no privilege \"SELEKT\"; is it SELECT?"),
            (vec!["FROBNICATE"], Level::Global, "there is no privilege \"FROBNICATE\""),
            (vec!["SUPER"], Level::Database, "SUPER cannot be given on a database"),
            (vec!["LOCK TABLES"], Level::Table, "LOCK TABLES cannot be given on a table"),
            (vec!["SELECT"], Level::Routine, "cannot be given on a procedure or function"),
            (vec!["SELECT (id)"], Level::Database, "columns belong to a table"),
            (vec!["DELETE (id)"], Level::Table, "DELETE cannot be given on a column"),
            (vec!["SELECT (id"], Level::Table, "no `)` at its end"),
            (vec!["SELECT ()"], Level::Table, "a column without a name"),
            (vec!["ALL", "SELECT"], Level::Global, "ALL stands alone"),
            (vec!["GRANT OPTION"], Level::Global, "the attribute grant_option"),
            (vec!["USAGE"], Level::Global, "USAGE is no privilege"),
        ] {
            let error = wanted(&words, level).unwrap_err();
            assert!(error.contains(wrong), "{words:?}: {error}");
        }
    }

    #[test]
    fn all_is_what_the_server_knows_there() {
        let known = BTreeSet::from(["SELECT", "EXECUTE", "SUPER", "ALTER ROUTINE"]);
        let names = |level| all(level, &known).into_iter().map(|privilege| privilege.name).collect::<Vec<_>>();
        assert_eq!(names(Level::Global), ["ALTER ROUTINE", "EXECUTE", "SELECT", "SUPER"]);
        assert_eq!(names(Level::Database), ["ALTER ROUTINE", "EXECUTE", "SELECT"]);
        assert_eq!(names(Level::Table), ["SELECT"]);
        assert_eq!(names(Level::Routine), ["ALTER ROUTINE", "EXECUTE"]);
    }
}
