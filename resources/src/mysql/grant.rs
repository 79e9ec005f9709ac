//! `mysql_grant`: what an account may do on one thing.

use std::collections::{BTreeMap, BTreeSet};

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listing, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};

use super::account::Account;
use super::grant_rows::{Grants, Held, Object, Routine, plain};
use super::privilege::{self, Privilege, Wanted};
use super::standing::Standing;
use super::{in_data, key, look, server};
use crate::ensure::Ensure;
use crate::host::Host;
use crate::host::sql::Sql;
use crate::host::statement::Statement;

keel_engine::attributes! {
    /// What an account may do on one thing: the whole server, a database, a table, columns, a procedure or function.
    ///
    /// The account has exactly these privileges there: what else it has is taken away. What it may do on other things
    /// is left alone. The plan shows each privilege that comes or goes. In a Galera cluster one member makes the
    /// changes, and of a primary and its replicas the primary.
    ///
    ///     mysql_grant "shop@10.0.0.% on shop.*" {
    ///         privileges SELECT INSERT UPDATE DELETE
    ///     }
    ///     mysql_grant "report@% on shop.orders" {
    ///         privileges "SELECT (id, total)"
    ///     }
    ///     mysql_grant "admin@localhost on *.*" privileges=ALL grant_option=#true
    ///     mysql_grant "nightly job" user="job@localhost" on="PROCEDURE shop.clean" privileges=EXECUTE
    ///
    /// With `purge mysql_grant max=20` what no resource declares is taken away, except from the server's own accounts.
    pub struct Grant: "mysql_grant" {
        /// The account and the thing, `user@host on db.*`, or any words where `user` and `on` are given.
        [title] pub name: String,
        /// Whether there is anything that the account may do there.
        pub ensure: Ensure = Ensure::Present,
        /// The account. Not given: as the title says.
        pub user: Option<Account>,
        /// On what: `*.*`, `db.*`, `db.table`, `PROCEDURE db.name` or `FUNCTION db.name`; names with a dot in
        /// backticks. Not given: as the title says.
        pub on: Option<String>,
        /// The privileges, such as `SELECT` or `UPDATE (name, email)`; or `ALL`.
        pub privileges: Vec<String>,
        /// Whether the account may hand them on.
        pub grant_option: bool = false,
        /// Whether `_` and `%` in the name of a database stand for any letters, as they do in SQL.
        pub pattern: bool = false,
        /// The server's socket. Not given: `/run/mysqld/mysqld.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let target = match desired.target() {
            Ok(target) => target,
            Err(error) => return vec![error],
        };
        let mut errors = Vec::new();
        if let Err(wrong) = Wanted::read(&desired.privileges, target.object.level()) {
            errors.push(AttributeError::of_value("privileges", wrong));
        }
        if desired.privileges.is_empty() && desired.ensure == Ensure::Present {
            errors.push(AttributeError::new("privileges", "is required and not given").help("ensure=absent takes everything away"));
        }
        if desired.pattern && !matches!(target.object, Object::Database(_)) {
            errors.push(AttributeError::new("pattern", "is for databases: `on` names none"));
        }
        errors
    }
}

/// Who may do something on what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    account: Account,
    object: Object,
}

impl Grant {
    fn target(&self) -> Result<Target, AttributeError> {
        let titled = self.name.split_once(" on ");
        let account = match (&self.user, titled) {
            (Some(account), _) => account.clone(),
            (None, Some((account, _))) => Account::parse(account).map_err(|error| AttributeError::of_value("name", error))?,
            (None, None) => return Err(AttributeError::new("user", "is required where the title is not `user@host on db.*`")),
        };
        let (attribute, object) = match (&self.on, titled) {
            (Some(object), _) => ("on", object.as_str()),
            (None, Some((_, object))) => ("name", object),
            (None, None) => return Err(AttributeError::new("on", "is required where the title is not `user@host on db.*`")),
        };
        let object = Object::parse(object, self.pattern).map_err(|error| AttributeError::of_value(attribute, error))?;
        Ok(Target { account, object })
    }
}

/// What is given and taken to get from one to the other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Steps {
    give: BTreeSet<Privilege>,
    take: BTreeSet<Privilege>,
    /// All at once, where there is nothing yet.
    all: bool,
    /// The new value of the grant option, where it differs.
    option: Option<bool>,
}

/// Decides what has to be given and taken.
fn steps(wanted: &Wanted, grant_option: bool, all: &BTreeSet<Privilege>, held: &Held) -> Steps {
    let wanted_set = match wanted {
        Wanted::All => all,
        Wanted::These(privileges) => privileges,
    };
    Steps {
        give: wanted_set.difference(&held.privileges).cloned().collect(),
        take: held.privileges.difference(wanted_set).cloned().collect(),
        all: *wanted == Wanted::All && held.privileges.is_empty() && !all.is_empty(),
        option: (grant_option != held.is_grantable).then_some(grant_option),
    }
}

/// What was found of a grant.
#[derive(Debug)]
pub struct Observed {
    steps: Steps,
    /// Why another server makes the changes.
    elsewhere: Option<String>,
}

/// What a server says of who may do what.
struct Rights {
    grants: Grants,
    accounts: BTreeSet<Account>,
    databases: BTreeSet<String>,
    /// Tables and routines, by what privileges are given on.
    objects: BTreeSet<Object>,
    standing: Standing,
}

impl Rights {
    fn read(sql: &Sql) -> Result<Self, Failure> {
        let accounts = sql.rows(&Statement::new("SELECT User, Host FROM mysql.global_priv"))?;
        let databases = sql.rows(&Statement::new("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"))?;
        let routines = sql.rows(&Statement::new("SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES"))?;
        let routine = |row: &crate::host::sql::Row| {
            let kind = if row.text("ROUTINE_TYPE") == "FUNCTION" { Routine::Function } else { Routine::Procedure };
            Object::Routine(kind, row.text("ROUTINE_SCHEMA").to_owned(), row.text("ROUTINE_NAME").to_owned())
        };
        let tables = sql.rows(&Statement::new("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"))?;
        let table = |row: &crate::host::sql::Row| Object::Table(row.text("TABLE_SCHEMA").to_owned(), row.text("TABLE_NAME").to_owned());
        Ok(Self {
            grants: Grants::read(sql)?,
            accounts: accounts.iter().map(|row| Account { user: row.text("User").to_owned(), host: row.text("Host").to_owned() }).collect(),
            databases: databases.iter().map(|row| row.text("SCHEMA_NAME").to_owned()).collect(),
            objects: routines.iter().map(routine).chain(tables.iter().map(table)).collect(),
            standing: Standing::read(sql)?,
        })
    }

    fn observe(&self, desired: &Grant) -> Result<Observed, ObserveError> {
        let wrong = |error: AttributeError| ObserveError::Failed(Failure::new(format!("{} {}", error.attribute, error.message)));
        let target = desired.target().map_err(wrong)?;
        let level = target.object.level();
        let wanted = Wanted::read(&desired.privileges, level).map_err(|error| ObserveError::Failed(Failure::new(error)))?;
        let all = privilege::all(level, &self.grants.known);
        if desired.ensure == Ensure::Present {
            if let Some(missing) = self.missing(&target) {
                return Err(ObserveError::NotYet(missing));
            }
            self.refuse_unknown(&wanted)?;
        }
        let held = self.grants.held.get(&(target.account, target.object)).cloned().unwrap_or_default();
        let steps = match desired.ensure {
            Ensure::Present => steps(&wanted, desired.grant_option, &all, &held),
            Ensure::Absent => steps(&Wanted::These(BTreeSet::new()), false, &all, &held),
        };
        Ok(Observed { steps, elsewhere: self.standing.why_not_here() })
    }

    /// What has to be there first.
    fn missing(&self, target: &Target) -> Option<Failure> {
        if !self.accounts.contains(&target.account) {
            let failure = Failure::new(format!("there is no account {}", target.account));
            return Some(failure.help("a mysql_user of that name makes it; the host belongs to the name"));
        }
        let database = match &target.object {
            Object::Server => return None,
            Object::Database(_) if target.object.is_pattern() => return None,
            Object::Database(database) => plain(database),
            Object::Table(database, _) | Object::Routine(_, database, _) => database.clone(),
        };
        if !self.databases.contains(&database) {
            return Some(Failure::new(format!("there is no database {database}")).help("a mysql_database of that name makes it"));
        }
        let is_there = matches!(target.object, Object::Database(_)) || self.objects.contains(&target.object);
        (!is_there).then(|| Failure::new(format!("there is no {}", target.object)).help("what brings it should come before"))
    }

    fn refuse_unknown(&self, wanted: &Wanted) -> Result<(), ObserveError> {
        let Wanted::These(privileges) = wanted else { return Ok(()) };
        match privileges.iter().find(|privilege| !self.grants.known.contains(privilege.name)) {
            Some(unknown) => Err(Failure::new(format!("this version of MariaDB has no privilege {}", unknown.name))
                .help("SHOW PRIVILEGES lists those that it has")
                .into()),
            None => Ok(()),
        }
    }
}

/// The type `mysql_grant`.
pub struct GrantType;

impl ResourceType for GrantType {
    type Host = Host;
    type Desired = Grant;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Grant]) -> Vec<Result<Observed, ObserveError>> {
        look(host, desired, |desired| desired.socket.as_ref(), Rights::read, |desired, rights| rights.observe(desired))
    }

    fn diff(&self, _desired: &Grant, observed: &Observed) -> Vec<Change> {
        let steps = &observed.steps;
        let mut changes = Vec::new();
        if steps.all {
            changes.push(Change::create("ALL PRIVILEGES", "granted"));
        } else {
            changes.extend(steps.give.iter().map(|privilege| Change::create(&privilege.to_string(), "granted")));
        }
        changes.extend(steps.take.iter().map(|privilege| Change::delete(&privilege.to_string(), "granted")));
        changes.extend(steps.option.map(|option| Change::update("grant_option", !option, option)));
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let target = work.desired.target().map_err(|error| Failure::new(error.message))?;
        let sql = server(host, work.desired.socket.as_ref())?;
        // Giving comes first: nobody goes without what he keeps.
        statements(&target, &work.observed.steps).iter().try_for_each(|statement| sql.run(statement))
    }

    fn held(&self, _desired: &Grant, observed: &Observed) -> Option<String> {
        observed.elsewhere.clone()
    }

    fn footprint(&self, desired: &Grant) -> Footprint {
        let Ok(target) = desired.target() else { return in_data() };
        let socket = desired.socket.as_ref();
        let account = target.account.to_string();
        let footprint = in_data().own(key("mysql_grant", socket, &format!("{account} on {}", target.object)));
        let footprint = footprint.need(key("mysql_user", socket, &account));
        match &target.object {
            Object::Server => footprint,
            Object::Database(database) => footprint.need(key("mysql_database", socket, &plain(database))),
            Object::Table(database, _) | Object::Routine(_, database, _) => footprint.need(key("mysql_database", socket, database)),
        }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let rights = Rights::read(&*server(host, None)?)?;
        let mut found = listed(&rights, |_| true);
        found.retain(|described| title.is_none_or(|title| title == described.title));
        Ok(Some(found))
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| {
            let rights = Rights::read(&*server(host, None)?)?;
            let mut found = listed(&rights, |account| !account.is_of_the_system());
            found.iter_mut().for_each(|described| described.attributes.retain(|attribute, _| attribute == "pattern"));
            Ok(found.into())
        })
    }
}

/// What these accounts may do, in the words of manifests. Empty names are nobody's who is declared.
fn listed(rights: &Rights, which: impl Fn(&Account) -> bool) -> Vec<Described> {
    let wanted = rights.grants.held.iter().filter(|((account, object), _)| {
        which(account) && !account.user.is_empty() && rights.missing(&Target { account: account.clone(), object: object.clone() }).is_none()
    });
    let described = wanted.map(|((account, object), held)| {
        let mut attributes = Map::new();
        let all = privilege::all(object.level(), &rights.grants.known);
        let privileges: Vec<String> = if held.privileges == all { vec!["ALL".to_owned()] } else { compact(&held.privileges) };
        attributes.insert("privileges".to_owned(), Value::from(privileges));
        if held.is_grantable {
            attributes.insert("grant_option".to_owned(), Value::Bool(true));
        }
        if object.is_pattern() {
            attributes.insert("pattern".to_owned(), Value::Bool(true));
        }
        Described { title: format!("{account} on {object}"), attributes }
    });
    described.filter(|described| described.attributes.get("privileges") != Some(&Value::List(Vec::new()))).collect()
}

/// Privileges with the columns of each together.
fn compact(privileges: &BTreeSet<Privilege>) -> Vec<String> {
    let mut columns: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut words = Vec::new();
    for privilege in privileges {
        match &privilege.column {
            Some(column) => columns.entry(privilege.name).or_default().push(column),
            None => words.push(privilege.name.to_owned()),
        }
    }
    words.extend(columns.into_iter().map(|(name, columns)| format!("{name} ({})", columns.join(", "))));
    words
}

fn statements(target: &Target, steps: &Steps) -> Vec<Statement> {
    let Target { account, object } = target;
    let to =
        |statement: Statement, word: &'static str| object.write(statement.words(" ON ")).words(word).account(&account.user, &account.host);
    let list = |statement: Statement, privileges: &BTreeSet<Privilege>| {
        statement.each(privileges, ", ", |statement, privilege| {
            let statement = statement.words(privilege.name);
            match &privilege.column {
                Some(column) => statement.words(" (").name(column).words(")"),
                None => statement,
            }
        })
    };
    let mut statements = Vec::new();
    let grants = steps.all || !steps.give.is_empty();
    if grants || steps.option == Some(true) {
        let statement = Statement::new("GRANT ");
        let statement = match (steps.all, grants) {
            (true, _) => statement.words("ALL PRIVILEGES"),
            (false, true) => list(statement, &steps.give),
            (false, false) => statement.words("USAGE"),
        };
        let statement = to(statement, " TO ");
        statements.push(if steps.option == Some(true) { statement.words(" WITH GRANT OPTION") } else { statement });
    }
    if !steps.take.is_empty() {
        statements.push(to(list(Statement::new("REVOKE "), &steps.take), " FROM "));
    }
    if steps.option == Some(false) {
        statements.push(to(Statement::new("REVOKE GRANT OPTION"), " FROM "));
    }
    statements
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;

    use super::*;
    use crate::trial::{Trial, list};

    fn privileges(names: &[(&'static str, Option<&str>)]) -> BTreeSet<Privilege> {
        names.iter().map(|(name, column)| Privilege { name, column: column.map(str::to_owned) }).collect()
    }

    fn rights() -> Rights {
        let account = Account { user: "app".to_owned(), host: "%".to_owned() };
        let held = Held { privileges: privileges(&[("SELECT", None), ("DROP", None)]), is_grantable: true };
        let grants = Grants {
            held: BTreeMap::from([((account.clone(), Object::Database("shop".to_owned())), held)]),
            known: BTreeSet::from(["SELECT", "INSERT", "DROP", "EXECUTE"]),
        };
        Rights {
            grants,
            accounts: BTreeSet::from([account]),
            databases: BTreeSet::from(["shop".to_owned()]),
            objects: BTreeSet::from([Object::Table("shop".to_owned(), "orders".to_owned())]),
            standing: Standing::default(),
        }
    }

    /// The changes and statements that a declaration takes.
    fn judged(title: &str, attributes: &[(&str, Value)]) -> Result<(Vec<String>, Vec<String>), String> {
        let map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let grant = Grant::from_attributes(title, &map).map_err(|errors| format!("{errors:?}"))?;
        let observed = rights().observe(&grant).map_err(|error| error.failure().message.clone())?;
        let changes = GrantType.diff(&grant, &observed);
        let changes = changes.iter().map(|change| format!("{} {}", change.action.glyph(), change.attribute)).collect();
        let statements = statements(&grant.target().unwrap(), &observed.steps);
        Ok((changes, statements.iter().map(|statement| format!("{statement:?}")).collect()))
    }

    #[test]
    fn single_privileges_come_and_go() {
        let (changes, statements) = judged("app@% on shop.*", &[("privileges", list(&["SELECT", "INSERT"]))]).unwrap();
        assert_eq!(changes, ["+ INSERT", "- DROP", "~ grant_option"]);
        assert_eq!(
            statements,
            [
                "GRANT INSERT ON `shop`.* TO 'app'@'%'",
                "REVOKE DROP ON `shop`.* FROM 'app'@'%'",
                "REVOKE GRANT OPTION ON `shop`.* FROM 'app'@'%'"
            ]
        );
        let same = [("privileges", list(&["drop", "select"])), ("grant_option", Value::Bool(true))];
        assert_eq!(judged("app@% on shop.*", &same).unwrap(), (vec![], vec![]));
        let (changes, statements) = judged("app@% on shop.*", &[("ensure", Value::from("absent"))]).unwrap();
        assert_eq!((changes.len(), statements.len()), (3, 2));
    }

    #[test]
    fn every_level_has_its_statement() {
        let (changes, statements) =
            judged("app@% on *.*", &[("privileges", Value::from("ALL")), ("grant_option", Value::Bool(true))]).unwrap();
        assert_eq!(changes, ["+ ALL PRIVILEGES", "~ grant_option"]);
        assert_eq!(statements, ["GRANT ALL PRIVILEGES ON *.* TO 'app'@'%' WITH GRANT OPTION"]);
        let columns = [("user", Value::from("app@%")), ("on", Value::from("shop.orders")), ("privileges", list(&["SELECT (id, `no`)"]))];
        assert_eq!(judged("columns", &columns).unwrap().1, ["GRANT SELECT (`id`), SELECT (`no`) ON `shop`.`orders` TO 'app'@'%'"]);
        assert_eq!(
            judged("app@% on shop.*", &[("privileges", Value::from("ALL")), ("grant_option", Value::Bool(true))]).unwrap().0,
            ["+ EXECUTE", "+ INSERT"]
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let select = [("privileges", Value::from("SELECT"))];
        for (title, wrong) in [
            ("other@% on shop.*", "there is no account other@%"),
            ("app@% on shoe.*", "there is no database shoe"),
            ("app@% on shop.none", "there is no shop.none"),
        ] {
            assert_eq!(judged(title, &select), Err(wrong.to_owned()));
        }
        assert!(
            judged("app@% on *.*", &[("privileges", Value::from("SUPER"))]).is_err_and(|error| error.contains("has no privilege SUPER"))
        );
        assert_eq!(judged("other@% on shoe.*", &[("ensure", Value::from("absent"))]), Ok((vec![], vec![])));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (title, attributes, wrong) in [
            ("x", vec![("privileges", Value::from("ALL"))], "user is required"),
            ("x", vec![("user", Value::from("a@b"))], "on is required"),
            ("a@b on c", vec![("privileges", Value::from("ALL"))], "no place for privileges"),
            ("a on c.*", vec![("privileges", Value::from("ALL"))], "names no host"),
            ("a@b on c.*", vec![], "privileges is required"),
            ("a@b on c.*", vec![("privileges", Value::from("SELEKT"))], "is it SELECT?"),
            ("a@b on c.d", vec![("privileges", Value::from("ALL")), ("pattern", Value::Bool(true))], "pattern is for databases"),
        ] {
            let said = Trial::refuses::<GrantType>(title, &attributes);
            assert!(said.contains(wrong), "{title}: {said}");
        }
    }
}
