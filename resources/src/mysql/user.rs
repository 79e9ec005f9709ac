//! `mysql_user`: accounts.

use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, wrong_type};
use keel_engine::change::{Change, Shown};
use keel_engine::choices;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listing, ObserveError, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::text::Text;
use keel_engine::value::{Map, Value};
use sha1::{Digest, Sha1};

use super::account::Account;
use super::standing::Standing;
use super::user_entry::{Entry, LIMITS, QUERY};
use super::{in_data, key, look, server};
use crate::ensure::Ensure;
use crate::host::Host;
use crate::host::sql::Sql;
use crate::host::statement::Statement;

/// The plugin that compares passwords.
const PASSWORD_PLUGIN: &str = "mysql_native_password";
/// The plugin that believes the system who somebody is.
const SOCKET_PLUGIN: &str = "unix_socket";

choices! {
    /// What TLS has to be like where an account logs in.
    pub enum Tls {
        /// It may be missing.
        None = "none",
        /// There has to be some.
        Ssl = "ssl",
        /// With a certificate of the client's that the server's CA signed.
        X509 = "x509",
    }
}

/// A number that is not negative; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit(f64);

impl AttributeValue for Limit {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Int, Kind::Float])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(number) if (0..=i64::from(u32::MAX)).contains(number) => Ok(Self(*number as f64)),
            Value::Float(number) if *number >= 0.0 && *number < 1e9 => Ok(Self(*number)),
            Value::Int(_) | Value::Float(_) => Err("is a number from 0, which means no limit".to_owned()),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

keel_engine::attributes! {
    /// An account of MariaDB. What is not given stays as it is.
    ///
    /// A password never leaves the host: its hash is compared and sent. In a Galera cluster one member makes the
    /// changes, and of a primary and its replicas the primary.
    ///
    ///     mysql_user "shop@10.0.0.%" password=(secret)"shop/mysql" tls=ssl max_user_connections=50
    ///     mysql_user "backup@localhost" plugin=unix_socket
    ///     mysql_user "@localhost" ensure=absent
    ///
    /// With `purge mysql_user max=5` accounts that no resource declares go, except those of the server itself.
    pub struct User: "mysql_user" {
        /// The account, `user@host`; `%` as host is any.
        [title] pub name: Account,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// The password.
        [secret] pub password: Option<Text>,
        /// How the account logs in: `unix_socket`, `ed25519`, `mysql_native_password`, ... Not given: with its
        /// password where there is one.
        pub plugin: Option<String>,
        /// What the plugin keeps in place of a password: a hash such as `*94BD...`, or for `pam` the name of a service.
        /// Not for `unix_socket`: its account has the name of the system's user, and no other user gets in.
        pub auth_string: Option<Text>,
        /// What TLS has to be like: `none`, `ssl` for any, or `x509` for a certificate of the client's.
        pub tls: Option<Tls>,
        /// Who has to have signed the client's certificate.
        pub tls_issuer: Option<String>,
        /// Whose certificate it has to be.
        pub tls_subject: Option<String>,
        /// The cipher that has to be used.
        pub tls_cipher: Option<String>,
        /// The most questions an hour; 0 is no limit, here and below.
        pub max_queries_per_hour: Option<Limit>,
        /// The most changes an hour.
        pub max_updates_per_hour: Option<Limit>,
        /// The most logins an hour.
        pub max_connections_per_hour: Option<Limit>,
        /// The most sessions at a time.
        pub max_user_connections: Option<Limit>,
        /// The longest that a statement may take, in seconds.
        pub max_statement_time: Option<Limit>,
        /// Whether nobody may log in.
        pub locked: Option<bool>,
        /// The server's socket. Not given: `/run/mysqld/mysqld.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if desired.name.user.is_empty() && desired.ensure == Ensure::Present {
            errors.push(AttributeError::of_value("name", "names nobody: anybody could log in").help("ensure=absent removes such an account"));
        }
        let is_empty = |text: &Option<Text>| matches!(text, Some(Text::Plain(text)) if text.is_empty());
        if is_empty(&desired.password) {
            errors.push(AttributeError::new("password", "is empty: anybody could log in"));
        }
        let is_file = |text: &Option<Text>| matches!(text, Some(Text::Blob(_)));
        for (attribute, text) in [("password", &desired.password), ("auth_string", &desired.auth_string)] {
            if is_file(text) {
                errors.push(AttributeError::of_value(attribute, "expected a text, found a file's content"));
            }
        }
        if desired.password.is_some() && desired.auth_string.is_some() {
            errors.push(AttributeError::new("auth_string", "and `password` are both given"));
        }
        match desired.plugin.as_deref() {
            Some(plugin) if desired.password.is_some() && plugin != PASSWORD_PLUGIN => {
                let error = AttributeError::new("password", format!("is not what the plugin {plugin} keeps"));
                errors.push(error.help("give auth_string as the plugin keeps it"));
            }
            Some(SOCKET_PLUGIN) if desired.auth_string.is_some() => {
                let error = AttributeError::new("auth_string", "is not for unix_socket: MariaDB keeps it, and lets nobody in by it");
                errors.push(error.help("the account has the name of the system's user"));
            }
            None if desired.auth_string.is_some() => errors.push(AttributeError::new("auth_string", "is for a plugin, and `plugin` is not given")),
            Some(plugin) if !plugin.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') || plugin.is_empty() => {
                errors.push(AttributeError::of_value("plugin", format!("{plugin:?} cannot be the name of a plugin")));
            }
            _ => {}
        }
        let is_specified = desired.tls_issuer.is_some() || desired.tls_subject.is_some() || desired.tls_cipher.is_some();
        if is_specified && desired.tls.is_some() {
            errors.push(AttributeError::new("tls", "is more than that already with `tls_issuer`, `tls_subject` or `tls_cipher`"));
        }
        errors
    }
}

/// The hash that the server keeps of a password: twice SHA-1.
fn native_hash(password: &str) -> String {
    let twice = Sha1::digest(Sha1::digest(password.as_bytes()));
    twice.iter().fold(String::from("*"), |hash, byte| hash + &format!("{byte:02X}"))
}

/// How an account shall log in.
#[derive(PartialEq, Eq)]
struct Login {
    plugin: String,
    /// None: whatever the plugin keeps.
    kept: Option<String>,
}

impl User {
    fn login(&self) -> Option<Login> {
        let text = |text: &Text| match text {
            Text::Plain(text) => text.to_string(),
            Text::Secret(secret) => secret.reveal_secret_text().to_owned(),
            Text::Blob(_) => String::new(),
        };
        match (&self.password, &self.plugin) {
            (Some(password), _) => Some(Login { plugin: PASSWORD_PLUGIN.to_owned(), kept: Some(native_hash(&text(password))) }),
            (None, Some(plugin)) => Some(Login { plugin: plugin.clone(), kept: self.auth_string.as_ref().map(text) }),
            (None, None) => None,
        }
    }

    /// In the order of [`LIMITS`].
    fn limits(&self) -> [Option<f64>; 5] {
        let Self { max_queries_per_hour, max_updates_per_hour, max_connections_per_hour, max_user_connections, max_statement_time, .. } =
            self;
        [max_queries_per_hour, max_updates_per_hour, max_connections_per_hour, max_user_connections, max_statement_time]
            .map(|limit| limit.map(|Limit(limit)| limit))
    }

    /// What is asked of certificates, each with its name here and in statements.
    fn certificate(&self) -> [(&'static str, &'static str, &Option<String>); 3] {
        [
            ("tls_issuer", " ISSUER ", &self.tls_issuer),
            ("tls_subject", " SUBJECT ", &self.tls_subject),
            ("tls_cipher", " CIPHER ", &self.tls_cipher),
        ]
    }

    fn is_specified(&self) -> bool {
        self.certificate().iter().any(|(_, _, wanted)| wanted.is_some())
    }

    fn wanted_tls(&self) -> Option<&'static str> {
        if self.is_specified() { Some("specified") } else { self.tls.map(Tls::as_str) }
    }
}

/// What was found of an account.
#[derive(Debug)]
pub struct Observed {
    entry: Option<Entry>,
    /// Why another server makes the changes.
    elsewhere: Option<String>,
}

/// The accounts of a server.
struct Accounts {
    entries: Vec<Entry>,
    standing: Standing,
    /// Whose session this is, if it is by being root.
    own: Option<Account>,
}

impl Accounts {
    fn read(host: &Host, sql: &Sql) -> Result<Self, Failure> {
        let rows = sql.rows(&Statement::new(QUERY))?;
        let own = sql.value(&Statement::new("SELECT CURRENT_USER()"))?.and_then(|own| Account::parse(&own).ok());
        Ok(Self {
            entries: rows.iter().map(Entry::read).collect::<Result<_, _>>()?,
            standing: Standing::read(sql)?,
            own: own.filter(|_| !host.has_client_file()),
        })
    }

    fn observe(&self, desired: &User) -> Result<Observed, ObserveError> {
        let entry = self.entries.iter().find(|entry| entry.account == desired.name).cloned();
        let login = desired.login();
        if matches!(&login, Some(Login { kept: Some(kept), .. }) if *kept == native_hash("")) {
            return Err(Failure::new(format!("the password of {} is empty: anybody could log in", desired.name)).into());
        }
        if entry.is_none() && login.is_none() && desired.ensure == Ensure::Present {
            let failure = Failure::new(format!("there is no account {}, and nothing says how it would log in", desired.name));
            return Err(failure.help("give it a password, or a plugin such as unix_socket").into());
        }
        let locks_out =
            desired.ensure == Ensure::Absent || login.is_some_and(|login| login.plugin != SOCKET_PLUGIN) || desired.locked == Some(true);
        if locks_out && self.own.as_ref() == Some(&desired.name) {
            let failure = Failure::new(format!("keel itself logs in as {}, and could not any more", desired.name));
            return Err(failure.help("put the user and the password to log in with into /root/.my.cnf first, or keep unix_socket").into());
        }
        Ok(Observed { entry, elsewhere: self.standing.why_not_here() })
    }
}

/// The type `mysql_user`.
pub struct UserType;

impl ResourceType for UserType {
    type Host = Host;
    type Desired = User;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&User]) -> Vec<Result<Observed, ObserveError>> {
        look(
            host,
            desired,
            |desired| desired.socket.as_ref(),
            |sql| Accounts::read(host, sql),
            |desired, accounts| accounts.observe(desired),
        )
    }

    fn diff(&self, desired: &User, observed: &Observed) -> Vec<Change> {
        let mut changes = Vec::new();
        match (&observed.entry, desired.ensure) {
            (None, Ensure::Absent) => return changes,
            (Some(_), Ensure::Absent) => return vec![Change::delete("ensure", "present")],
            (None, Ensure::Present) => changes.push(Change::create("ensure", "present")),
            (Some(_), Ensure::Present) => {}
        }
        let found = observed.entry.as_ref();
        changes.extend(login_changes(desired, found));
        changes.extend(tls_changes(desired, found));
        for ((name, _, _), (at, wanted)) in LIMITS.into_iter().zip(desired.limits().into_iter().enumerate()) {
            let before = found.and_then(|found| found.limits.get(at)).copied().unwrap_or_default();
            changes.extend(wanted.filter(|wanted| *wanted != before).map(|wanted| Change::update(name, number(before), number(wanted))));
        }
        let is_locked = found.is_some_and(|found| found.is_locked);
        changes.extend(desired.locked.filter(|locked| *locked != is_locked).map(|locked| Change::update("locked", is_locked, locked)));
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let sql = server(host, desired.socket.as_ref())?;
        sql.run(&statement(desired, work.observed.entry.as_ref(), work.changes))
    }

    fn held(&self, _desired: &User, observed: &Observed) -> Option<String> {
        observed.elsewhere.clone()
    }

    fn footprint(&self, desired: &User) -> Footprint {
        in_data().own(key("mysql_user", desired.socket.as_ref(), &desired.name.to_string()))
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let accounts = Accounts::read(host, &*server(host, None)?)?;
        let named = |entry: &&Entry| title.is_none_or(|title| title == entry.account.to_string());
        let shown = accounts.entries.iter().filter(|entry| !entry.is_role && !entry.account.user.is_empty());
        Ok(Some(shown.filter(named).map(|entry| Described { title: entry.account.to_string(), attributes: described(entry) }).collect()))
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| {
            let accounts = Accounts::read(host, &*server(host, None)?)?;
            let may_go =
                |entry: &&Entry| !entry.is_role && !entry.account.is_of_the_system() && accounts.own.as_ref() != Some(&entry.account);
            let found = accounts.entries.iter().filter(may_go);
            Ok(found.map(|entry| Described { title: entry.account.to_string(), attributes: Map::new() }).collect::<Vec<_>>().into())
        })
    }
}

/// Numbers without a fraction are shown without one.
fn number(number: f64) -> Value {
    if number.fract() == 0.0 { Value::Int(number as i64) } else { Value::Float(number) }
}

fn login_changes(desired: &User, found: Option<&Entry>) -> Vec<Change> {
    let mut changes = Vec::new();
    let Some(login) = desired.login() else { return changes };
    let only = found.and_then(|found| match found.ways.as_slice() {
        [way] if way.plugin == login.plugin => Some(way),
        _ => None,
    });
    if only.is_none() {
        let before = found.map_or(Shown::Absent, |found| Shown::from(found.plugins()));
        changes.push(Change::between("plugin", before, Shown::from(login.plugin.as_str())));
    }
    let attribute = if desired.password.is_some() { "password" } else { "auth_string" };
    if let Some(kept) = &login.kept
        && only.is_none_or(|way| way.kept != *kept)
    {
        let before = if only.is_none() { Shown::Absent } else { Shown::Hidden };
        changes.push(Change::between(attribute, before, Shown::Hidden));
    }
    changes
}

fn tls_changes(desired: &User, found: Option<&Entry>) -> Vec<Change> {
    let mut changes = Vec::new();
    let Some(wanted) = desired.wanted_tls() else { return changes };
    let before = found.map_or("none", |found| found.tls);
    if before != wanted {
        changes.push(Change::update("tls", before, wanted));
    }
    if desired.is_specified() {
        let kept = found.map_or(["", "", ""], |found| [found.issuer.as_str(), found.subject.as_str(), found.cipher.as_str()]);
        for ((name, _, wanted), kept) in desired.certificate().into_iter().zip(kept) {
            let wanted = wanted.as_deref().unwrap_or_default();
            let shown = |text: &str| if text.is_empty() { Shown::Absent } else { Shown::from(text) };
            if wanted != kept {
                changes.push(Change::between(name, shown(kept), shown(wanted)));
            }
        }
    }
    changes
}

/// The one statement that makes the changes. Those that are not among them are not touched.
fn statement(desired: &User, found: Option<&Entry>, changes: &[Change]) -> Statement {
    let account = &desired.name;
    if desired.ensure == Ensure::Absent {
        return Statement::new("DROP USER IF EXISTS ").account(&account.user, &account.host);
    }
    let words = if found.is_some() { "ALTER USER " } else { "CREATE USER " };
    let changed = |names: &[&str]| changes.iter().any(|change| names.contains(&change.attribute.as_str()));
    let mut statement = Statement::new(words).account(&account.user, &account.host);
    if let Some(login) = desired.login().filter(|_| changed(&["plugin", "password", "auth_string"])) {
        statement = statement.words(" IDENTIFIED VIA ").name(&login.plugin);
        if let Some(kept) = &login.kept {
            statement = statement.words(" USING ").secret(kept);
        }
    }
    if changed(&["tls", "tls_issuer", "tls_subject", "tls_cipher"]) {
        statement = match desired.wanted_tls() {
            Some("ssl") => statement.words(" REQUIRE SSL"),
            Some("x509") => statement.words(" REQUIRE X509"),
            Some("specified") => {
                let wanted = desired.certificate().into_iter().filter_map(|(_, words, wanted)| Some((words, wanted.as_deref()?)));
                statement.words(" REQUIRE").each(wanted, " AND", |statement, (words, wanted)| statement.words(words).string(wanted))
            }
            _ => statement.words(" REQUIRE NONE"),
        };
    }
    let limits = LIMITS.into_iter().zip(desired.limits());
    let limits: Vec<(&str, f64)> =
        limits.filter_map(|((name, _, words), wanted)| Some((words, wanted.filter(|_| changed(&[name]))?))).collect();
    if !limits.is_empty() {
        statement = statement.words(" WITH").each(limits, "", |statement, (words, limit)| statement.words(words).number(limit));
    }
    match desired.locked.filter(|_| changed(&["locked"])) {
        Some(true) => statement.words(" ACCOUNT LOCK"),
        Some(false) => statement.words(" ACCOUNT UNLOCK"),
        None => statement,
    }
}

/// What of an account a manifest can say without its secrets.
fn described(entry: &Entry) -> Map {
    let mut attributes = Map::new();
    let mut add = |name: &str, value: Value| drop(attributes.insert(name.to_owned(), value));
    if let [way] = entry.ways.as_slice() {
        add("plugin", Value::from(way.plugin.as_str()));
    }
    match entry.tls {
        "none" => {}
        "specified" => {
            for (name, kept) in [("tls_issuer", &entry.issuer), ("tls_subject", &entry.subject), ("tls_cipher", &entry.cipher)] {
                if !kept.is_empty() {
                    add(name, Value::from(kept.as_str()));
                }
            }
        }
        other => add("tls", Value::from(other)),
    }
    for ((name, _, _), limit) in LIMITS.into_iter().zip(entry.limits) {
        if limit != 0.0 {
            add(name, number(limit));
        }
    }
    if entry.is_locked {
        add("locked", Value::Bool(true));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;
    use keel_engine::secret::Secret;

    use super::*;
    use crate::host::sql::Row;
    use crate::trial::Trial;

    fn user(attributes: &[(&str, Value)]) -> User {
        User::from_attributes("shop@%", &attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()).unwrap()
    }

    fn entry(json: &str) -> Entry {
        Entry::read(&Row::of(&[("User", "shop"), ("Host", "%"), ("Priv", json)])).unwrap()
    }

    fn changes(user: &User, entry: Option<Entry>) -> (Vec<String>, String) {
        let observed = Observed { entry, elsewhere: None };
        let changes = UserType.diff(user, &observed);
        let statement = statement(user, observed.entry.as_ref(), &changes);
        (
            changes
                .iter()
                .map(|change| {
                    format!("{} {}: {} -> {}", change.action.glyph(), change.attribute, change.before.summary(), change.after.summary())
                })
                .collect(),
            format!("{statement:?}"),
        )
    }

    #[test]
    fn the_hash_is_the_servers() {
        assert_eq!(native_hash("password"), "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
    }

    #[test]
    fn a_new_account_is_made_in_one_statement() {
        let limits = [("plugin", Value::from("unix_socket")), ("max_user_connections", Value::Int(5)), ("tls", Value::from("x509"))];
        let (changes, statement) = changes(&user(&limits), None);
        assert_eq!(
            changes,
            ["+ ensure: absent -> present", "+ plugin: absent -> unix_socket", "~ tls: none -> x509", "~ max_user_connections: 0 -> 5"]
        );
        assert_eq!(statement, "CREATE USER 'shop'@'%' IDENTIFIED VIA `unix_socket` REQUIRE X509 WITH MAX_USER_CONNECTIONS 5");
    }

    #[test]
    fn a_password_is_compared_by_its_hash_and_never_shown() {
        let password = |text: &str| user(&[("password", Value::Secret(Secret::new(text.to_owned())))]);
        let kept = r#"{"plugin":"mysql_native_password","authentication_string":"*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"}"#;
        assert_eq!(changes(&password("password"), Some(entry(kept))).0, [""; 0]);
        let (changed, statement) = changes(&password("other"), Some(entry(kept)));
        assert_eq!((changed, statement.as_str()), (vec!["~ password: (secret) -> (secret)".to_owned()], "(secret)"));
        let by_socket = changes(&password("password"), Some(entry(r#"{"plugin":"unix_socket"}"#))).0;
        assert_eq!(by_socket, ["~ plugin: unix_socket -> mysql_native_password", "+ password: absent -> (secret)"]);
    }

    #[test]
    fn only_what_differs_is_altered() {
        let kept = r#"{"plugin":"unix_socket","ssl_type":3,"x509_issuer":"old","max_questions":7,"account_locked":true}"#;
        let wanted =
            user(&[("tls_issuer", Value::from("new")), ("tls_subject", Value::from("s")), ("max_queries_per_hour", Value::Int(7))]);
        let (changed, statement) = changes(&wanted, Some(entry(kept)));
        assert_eq!(changed, ["~ tls_issuer: old -> new", "+ tls_subject: absent -> s"]);
        assert_eq!(statement, "ALTER USER 'shop'@'%' REQUIRE ISSUER 'new' AND SUBJECT 's'");
        assert_eq!(changes(&user(&[("locked", Value::Bool(false))]), Some(entry(kept))).1, "ALTER USER 'shop'@'%' ACCOUNT UNLOCK");
        assert_eq!(changes(&user(&[("tls", Value::from("none"))]), Some(entry(kept))).1, "ALTER USER 'shop'@'%' REQUIRE NONE");
        assert_eq!(
            changes(&user(&[("max_statement_time", Value::Float(1.5))]), Some(entry(kept))).1,
            "ALTER USER 'shop'@'%' WITH MAX_STATEMENT_TIME 1.5"
        );
    }

    #[test]
    fn what_would_let_anybody_in_is_refused() {
        for (title, attributes, wrong) in [
            ("shop", vec![], "names no host"),
            ("@%", vec![], "names nobody"),
            ("a@%", vec![("password", Value::from(""))], "password is empty"),
            ("a@%", vec![("password", Value::from("x")), ("plugin", Value::from("ed25519"))], "is not what the plugin ed25519 keeps"),
            ("a@%", vec![("auth_string", Value::from("x"))], "`plugin` is not given"),
            ("a@%", vec![("plugin", Value::from("x y"))], "cannot be the name of a plugin"),
            ("a@%", vec![("tls", Value::from("ssl")), ("tls_issuer", Value::from("x"))], "is more than that"),
            ("a@%", vec![("max_user_connections", Value::Int(-1))], "from 0"),
        ] {
            assert!(
                Trial::refuses::<UserType>(title, &attributes).contains(wrong),
                "{title} {wrong}: {}",
                Trial::refuses::<UserType>(title, &attributes)
            );
        }
    }

    #[test]
    fn keel_does_not_lock_itself_out() {
        let root = Account { user: "root".to_owned(), host: "localhost".to_owned() };
        let accounts = Accounts { entries: Vec::new(), standing: Standing::default(), own: Some(root) };
        let of = |attributes: &[(&str, Value)]| {
            let map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            accounts.observe(&User::from_attributes("root@localhost", &map).unwrap()).map(drop)
        };
        assert!(of(&[("plugin", Value::from("unix_socket"))]).is_ok());
        for attributes in [[("password", Value::from("x"))], [("ensure", Value::from("absent"))]] {
            assert!(of(&attributes).is_err_and(|error| error.failure().message.contains("could not any more")));
        }
    }

    #[test]
    fn no_other_user_of_the_system_is_let_in() {
        let attributes = [("plugin", Value::from("unix_socket")), ("auth_string", Value::from("root"))];
        assert!(Trial::refuses::<UserType>("own@localhost", &attributes).contains("auth_string is not for unix_socket"));
        // The reason, which a server may one day be without.
        let Some(trial) = Trial::with_mariadb() else { return };
        trial.host.sql(None).unwrap().run(&Statement::new("CREATE USER own@localhost IDENTIFIED VIA unix_socket USING 'root'")).unwrap();
        let login = crate::host::sql::Login { user: "own".to_owned(), password: None };
        let said = trial.host.sql_as(None, &login).map(|_| ()).unwrap_err();
        assert!(said.failure().message.contains("does not let own in"), "{said:?}");
    }
}
