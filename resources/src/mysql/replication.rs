//! `mysql_replication`: whether a server writes itself or takes over what another one writes.

use std::time::{Duration, Instant};

use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, Span};
use keel_engine::change::{Change, Shown};
use keel_engine::choices;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, ObserveError, ResourceType, Work};
use keel_engine::text::Text;
use keel_engine::value::Value;

use super::replication_status::{Reached, Status, kept_password};
use super::{in_server, key, look, option_file, server, source};
use crate::host::Host;
use crate::host::attend::pause;
use crate::host::sql::Sql;
use crate::host::statement::Statement;
use crate::text_file::{Content, edit_text, part_footprint};

/// The file that keeps `read_only` for the next start.
const FILE: &str = "/etc/mysql/mariadb.conf.d/60-keel.cnf";
/// The section that every server reads.
const SECTION: &str = "mysqld";

choices! {
    /// What a server is to the others.
    pub enum Role {
        /// It is written to.
        Primary = "primary",
        /// It takes over what its source writes.
        Replica = "replica",
    }
}

choices! {
    /// From which of its positions a replica goes on.
    pub enum Position {
        /// Where replication left off.
        Replicated = "slave_pos",
        /// Where replication left off, or its own last write if that came later: a primary that comes back.
        Current = "current_pos",
    }
}

keel_engine::attributes! {
    /// A primary or a replica of MariaDB, by GTID.
    ///
    /// A replica is read-only, also after its next start, and is not done before it receives and applies what its
    /// source writes. A server that has written something itself does not become a replica of another one unless its
    /// manifest says from where it goes on: it would lose that, or end in conflicts.
    ///
    ///     mysql_replication db role=primary
    ///
    /// and on the other one:
    ///
    ///     mysql_replication db role=replica source_host="10.0.0.1" source_user=replica source_password=(secret)"db/replica"
    ///
    /// Two that take writes at once are never made: a replica becomes a primary once it has applied all that it received,
    /// and once its source, which it asks as the account of the replication, takes no writes any more and has none that
    /// it lacks. So a switch has two steps. The old primary is made a replica with `gtid=current_pos`: it takes no
    /// more writes. Then the new one takes over; where its run came first, it is refused, and the next one goes on. The
    /// new one should have logged what it took over (`log_slave_updates`), so that others can go on from it. A
    /// source that does not answer, or lets nobody in, may still take writes from others: it is replaced only where
    /// `lost_source` names it, once somebody made sure that it is off. What it did not send is lost.
    pub struct Replication: "mysql_replication" {
        /// What people call it.
        [title] pub name: String,
        /// `primary` or `replica`.
        pub role: Role,
        /// The source's name or address.
        pub source_host: Option<String>,
        /// The source's port.
        pub source_port: u32 = 3306,
        /// The account on the source, which needs the privilege REPLICATION SLAVE there.
        pub source_user: Option<String>,
        /// Its password.
        [secret] pub source_password: Option<Text>,
        /// Whether TLS is used. Not given: as it is.
        pub tls: Option<bool>,
        /// From which position it goes on: `slave_pos`, or `current_pos` for a primary that comes back.
        pub gtid: Position = Position::Replicated,
        /// Where a new replica begins, such as `0-1-270`: the position of the copy that it was made of.
        pub gtid_position: Option<String>,
        /// For a replica that becomes a primary: the source that is off for good, as the replica names it, and that need
        /// not be asked. It says nothing of any other source, nor of one that answers.
        [how] pub lost_source: Option<String>,
        /// Whether only the replication writes. Not given: a replica is read-only, a primary is not.
        pub read_only: Option<bool>,
        /// The name of the channel, where a replica has several sources.
        pub channel: Option<String>,
        /// How long it may take until a replica replicates.
        [how] pub timeout: Span = Span(Duration::from_secs(30)),
        /// The server's socket. Not given: `/run/mysqld/mysqld.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        let of_replica = [
            ("source_host", desired.source_host.is_some()),
            ("source_user", desired.source_user.is_some()),
            ("source_password", desired.source_password.is_some()),
            ("gtid_position", desired.gtid_position.is_some()),
            ("tls", desired.tls.is_some()),
        ];
        match desired.role {
            Role::Primary => errors.extend(of_replica.into_iter().filter(|(_, given)| *given).map(|(name, _)| AttributeError::new(name, "is for a replica"))),
            Role::Replica => {
                if desired.lost_source.is_some() {
                    errors.push(AttributeError::new("lost_source", "is for a primary"));
                }
                let missing = of_replica.into_iter().take(3).filter(|(_, given)| !given);
                errors.extend(missing.map(|(name, _)| AttributeError::new(name, "is required for a replica and not given")));
            }
        }
        if !(1..=65535).contains(&desired.source_port) {
            errors.push(AttributeError::of_value("source_port", format!("{} is no port", desired.source_port)));
        }
        if desired.channel.as_deref().is_some_and(|name| name.is_empty() || !name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')) {
            errors.push(AttributeError::of_value("channel", "takes small letters, digits and `_`"));
        }
        if let Some(position) = &desired.gtid_position
            && !position.split(',').all(|gtid| gtid.split('-').count() == 3 && gtid.split('-').all(|number| number.parse::<u64>().is_ok()))
        {
            errors.push(AttributeError::of_value("gtid_position", format!("{position:?} is no position such as 0-1-270")));
        }
        if matches!(&desired.source_password, Some(Text::Blob(_))) {
            errors.push(AttributeError::of_value("source_password", "expected a text, found a file's content"));
        }
        errors
    }
}

impl Replication {
    fn read_only(&self) -> bool {
        self.read_only.unwrap_or(self.role == Role::Replica)
    }

    fn channel(&self) -> &str {
        self.channel.as_deref().unwrap_or_default()
    }

    fn password(&self) -> &str {
        match &self.source_password {
            Some(Text::Plain(text)) => text,
            Some(Text::Secret(secret)) => secret.reveal_secret_text(),
            _ => "",
        }
    }

    /// A statement on this channel.
    fn on_channel(&self, words: &'static str, rest: &'static str) -> Statement {
        let statement = Statement::new(words);
        let statement = if self.channel().is_empty() { statement } else { statement.words(" ").string(self.channel()) };
        statement.words(rest)
    }
}

/// What was found of a replication.
#[derive(Default)]
pub struct Observed {
    status: Option<Status>,
    /// Whether the password that the server uses is the wanted one; none where nobody can tell.
    password_fits: Option<bool>,
    read_only: bool,
    kept_read_only: Option<String>,
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observed").field("status", &self.status).field("read_only", &self.read_only).finish_non_exhaustive()
    }
}

/// What a server says.
struct Server {
    channels: Vec<(String, Status)>,
    read_only: bool,
    has_log: bool,
    folder: String,
    number: u64,
    /// The last of its own writes, and of those that it took over.
    written: String,
    replicated: String,
}

impl Server {
    fn read(sql: &Sql) -> Result<Self, Failure> {
        let rows = sql.rows(&Statement::new(
            "SELECT @@GLOBAL.read_only AS read_only, @@GLOBAL.log_bin AS log_bin, @@GLOBAL.datadir AS datadir, @@GLOBAL.server_id AS number, \
             @@GLOBAL.gtid_binlog_pos AS written, @@GLOBAL.gtid_slave_pos AS replicated",
        ))?;
        let row = rows.into_iter().next().unwrap_or_default();
        let channels = sql.rows(&Statement::new("SHOW ALL SLAVES STATUS"))?;
        Ok(Self {
            channels: channels.iter().map(|row| (row.text("Connection_name").to_owned(), Status::read(row))).collect(),
            read_only: row.text("read_only") == "1",
            has_log: row.text("log_bin") == "1",
            folder: row.text("datadir").to_owned(),
            number: row.text("number").parse().unwrap_or_default(),
            written: row.text("written").to_owned(),
            replicated: row.text("replicated").to_owned(),
        })
    }

    fn observe(&self, host: &Host, desired: &Replication) -> Result<Observed, ObserveError> {
        let status = self.channel(desired).cloned();
        if let Some(failure) = self.refuse(desired, status.as_ref()) {
            return Err(failure);
        }
        self.refuse_for_source(host, desired)?;
        let text = host.read_text(FILE)?;
        if text.is_none() {
            host.folders().expect_folder_of(FILE)?;
        }
        Ok(Observed {
            status,
            password_fits: self.password(host, desired)?.map(|kept| kept == desired.password()),
            read_only: self.read_only,
            kept_read_only: text.and_then(|text| option_file::value(&text, &[SECTION], "read_only")),
        })
    }

    fn channel(&self, desired: &Replication) -> Option<&Status> {
        self.channels.iter().find(|(name, _)| name == desired.channel()).map(|(_, status)| status)
    }

    fn reached(&self) -> Reached<'_> {
        Reached { server: self.number, written: &self.written, replicated: &self.replicated }
    }

    /// With which password it logs in at its source, as far as that is known: a server that was told a moment ago has not
    /// written it yet where it keeps it in memory.
    fn password(&self, host: &Host, desired: &Replication) -> Result<Option<String>, Failure> {
        let name = match desired.channel() {
            "" => "master.info".to_owned(),
            channel => format!("master-{channel}.info"),
        };
        let kept = host.read_text(format!("{}/{name}", self.folder.trim_end_matches('/')))?;
        Ok(kept.as_deref().and_then(kept_password).map(str::to_owned))
    }

    /// Asks the source of one that shall be a primary whether it may be one.
    fn refuse_for_source(&self, host: &Host, desired: &Replication) -> Result<(), Failure> {
        let Some(status) = self.channel(desired).filter(|_| desired.role == Role::Primary) else { return Ok(()) };
        let answer = source::ask(host, status, self.password(host, desired)?.as_deref());
        source::refuse(&answer, status, &self.reached(), desired.lost_source.as_deref()).map_or(Ok(()), Err)
    }

    /// Why it cannot be what it shall be.
    fn refuse(&self, desired: &Replication, status: Option<&Status>) -> Option<ObserveError> {
        match desired.role {
            Role::Primary if !self.has_log => {
                let failure = Failure::new("a primary needs the binary log, and this server has none");
                Some(ObserveError::NotYet(
                    failure.help("`mysql_variable log_bin value=\"mariadb-bin\"` and a restart; server_id must differ between servers"),
                ))
            }
            Role::Primary => {
                let lacks = status?.lacks(&self.reached())?;
                let failure = Failure::new(format!("this replica cannot become a primary now: {lacks}"));
                Some(ObserveError::Failed(failure.help("what it received would be lost; wait until it has applied it")))
            }
            Role::Replica => {
                let has_own = self.replicated.is_empty() && !self.written.is_empty();
                let is_new = status.is_none() && desired.gtid == Position::Replicated && desired.gtid_position.is_none();
                let failure = Failure::new(format!(
                    "this server has written something itself (up to {}): it cannot just become a replica",
                    self.written
                ));
                let help = "make it of a copy of the source and give the copy's gtid_position; gtid=current_pos goes on from its own last write, \
                            for a primary that comes back";
                (is_new && has_own).then(|| ObserveError::Failed(failure.help(help)))
            }
        }
    }
}

/// The type `mysql_replication`.
pub struct ReplicationType;

impl ResourceType for ReplicationType {
    type Host = Host;
    type Desired = Replication;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Replication]) -> Vec<Result<Observed, ObserveError>> {
        look(host, desired, |desired| desired.socket.as_ref(), Server::read, |desired, server| server.observe(host, desired))
    }

    fn diff(&self, desired: &Replication, observed: &Observed) -> Vec<Change> {
        let mut changes = match (desired.role, &observed.status) {
            (Role::Primary, None) => Vec::new(),
            (Role::Primary, Some(status)) => vec![Change::delete("source", address(&status.host, &status.port))],
            (Role::Replica, status) => replica_changes(desired, status.as_ref(), observed.password_fits),
        };
        let wanted = desired.read_only();
        if observed.read_only != wanted {
            changes.push(Change::update("read_only", observed.read_only, wanted));
        }
        let word = if wanted { "ON" } else { "OFF" };
        let kept = observed.kept_read_only.as_deref();
        if !kept.is_some_and(|kept| kept.eq_ignore_ascii_case(word)) {
            changes.push(Change::between("read_only_kept", kept.map_or(Shown::Absent, Shown::from), Shown::from(word)));
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let sql = server(host, desired.socket.as_ref())?;
        let changed = |names: &[&str]| work.changes.iter().any(|change| names.contains(&change.attribute.as_str()));
        let word = if desired.read_only() { "ON" } else { "OFF" };
        if changed(&["read_only_kept"]) {
            edit_text(host, std::path::Path::new(FILE), Content::Open, |text| {
                Ok(Some(option_file::set(text, SECTION, "read_only", word)))
            })?;
        }
        let set = Statement::new("SET GLOBAL read_only = ").string(word);
        // A replica writes nothing of its own before it replicates; a primary writes once it does not any more.
        if changed(&["read_only"]) && desired.read_only() {
            sql.run(&set)?;
        }
        match desired.role {
            Role::Primary if changed(&["source"]) => leave(host, &sql, desired)?,
            Role::Replica if changed(&SOURCE) => follow(&sql, desired, work.observed.status.as_ref(), &changed)?,
            Role::Replica if changed(&["replication"]) => restart(&sql, desired, work.observed.status.as_ref())?,
            _ => {}
        }
        if changed(&["read_only"]) && !desired.read_only() {
            sql.run(&set)?;
        }
        if desired.role == Role::Replica { until_it_replicates(&sql, desired) } else { Ok(()) }
    }

    fn footprint(&self, desired: &Replication) -> Footprint {
        let server = in_server().own(key("mysql_replication", desired.socket.as_ref(), desired.channel())).need("mysql_variable:server_id");
        let Ok(file) = AbsolutePath::read(&Value::from(FILE)) else { return server };
        let part = part_footprint(&file, true).write(format!("path:{file}#{SECTION}/read_only"));
        Footprint {
            provides: [server.provides, part.provides].concat(),
            needs: [server.needs, part.needs].concat(),
            writes: [server.writes, part.writes].concat(),
        }
    }
}

/// What makes up the way to the source.
const SOURCE: [&str; 5] = ["source", "source_user", "source_password", "gtid", "tls"];

fn address(host: &str, port: &str) -> String {
    format!("{host}:{port}")
}

fn replica_changes(desired: &Replication, status: Option<&Status>, password_fits: Option<bool>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |name: &str, before: Option<String>, wanted: &str| {
        if before.as_ref().is_none_or(|before| !before.eq_ignore_ascii_case(wanted)) {
            changes.push(Change::between(name, before.map_or(Shown::Absent, Shown::from), Shown::from(wanted)));
        }
    };
    let source = address(desired.source_host.as_deref().unwrap_or_default(), &desired.source_port.to_string());
    compare("source", status.map(|status| address(&status.host, &status.port)), &source);
    compare("source_user", status.map(|status| status.user.clone()), desired.source_user.as_deref().unwrap_or_default());
    compare("gtid", status.map(|status| status.gtid.to_lowercase()), desired.gtid.as_str());
    match (status, password_fits) {
        (None, _) => changes.push(Change::create("source_password", Shown::Hidden)),
        (Some(_), Some(false)) => changes.push(Change::update("source_password", Shown::Hidden, Shown::Hidden)),
        (Some(_), _) => {}
    }
    let tls = status.is_some_and(|status| status.tls);
    changes.extend(desired.tls.filter(|wanted| *wanted != tls).map(|wanted| Change::update("tls", tls, wanted)));
    let trouble = status.map_or(Some("stopped".to_owned()), Status::trouble);
    changes.extend(trouble.map(|trouble| Change::update("replication", trouble, "running")));
    changes
}

/// Makes a server follow its source.
fn follow(sql: &Sql, desired: &Replication, status: Option<&Status>, changed: &impl Fn(&[&str]) -> bool) -> Result<(), Failure> {
    if status.is_some() {
        sql.run(&desired.on_channel("STOP SLAVE", ""))?;
    } else if let Some(position) = &desired.gtid_position {
        sql.run(&Statement::new("SET GLOBAL gtid_slave_pos = ").string(position))?;
    }
    let statement = desired.on_channel("CHANGE MASTER", " TO MASTER_HOST = ").string(desired.source_host.as_deref().unwrap_or_default());
    let statement = statement.words(", MASTER_PORT = ").number(desired.source_port);
    let statement = statement.words(", MASTER_USER = ").string(desired.source_user.as_deref().unwrap_or_default());
    let statement = statement.words(", MASTER_PASSWORD = ").secret(desired.password());
    let statement = match desired.tls.filter(|_| changed(&["tls"])) {
        Some(tls) => statement.words(", MASTER_SSL = ").number(u32::from(tls)),
        None => statement,
    };
    sql.run(&statement.words(", MASTER_USE_GTID = ").words(desired.gtid.as_str()))?;
    sql.run(&desired.on_channel("START SLAVE", ""))
}

/// Starts what has stopped; what connects goes on by itself.
fn restart(sql: &Sql, desired: &Replication, status: Option<&Status>) -> Result<(), Failure> {
    match status {
        Some(status) if status.is_stopped() => sql.run(&desired.on_channel("START SLAVE", "")),
        _ => Ok(()),
    }
}

/// Makes a server write for itself, once it has applied all that it received and its source has no more.
fn leave(host: &Host, sql: &Sql, desired: &Replication) -> Result<(), Failure> {
    // First nothing more comes, then it is looked at what came.
    sql.run(&desired.on_channel("STOP SLAVE", " IO_THREAD"))?;
    if let Err(failure) = may_leave(host, sql, desired) {
        sql.run(&desired.on_channel("START SLAVE", ""))?;
        return Err(failure);
    }
    sql.run(&desired.on_channel("STOP SLAVE", ""))?;
    sql.run(&desired.on_channel("RESET SLAVE", " ALL"))
}

fn may_leave(host: &Host, sql: &Sql, desired: &Replication) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let server = Server::read(sql)?;
        let Some(lacks) = server.channel(desired).and_then(|status| status.lacks(&server.reached())) else {
            return server.refuse_for_source(host, desired);
        };
        if began.elapsed() >= desired.timeout.0 || !pause(Duration::from_millis(200)) {
            let failure = Failure::new(format!("this replica cannot become a primary now: {lacks}"));
            return Err(failure.help("it was made to go on as it did"));
        }
    }
}

fn channel(sql: &Sql, desired: &Replication) -> Result<Option<Status>, Failure> {
    Ok(Server::read(sql)?.channel(desired).cloned())
}

fn until_it_replicates(sql: &Sql, desired: &Replication) -> Result<(), Failure> {
    let began = Instant::now();
    let mut sent_away = None;
    loop {
        let status = channel(sql, desired)?;
        let Some(trouble) = status.as_ref().map_or(Some("stopped".to_owned()), Status::trouble) else { return Ok(()) };
        if began.elapsed() >= desired.timeout.0 || !pause(Duration::from_millis(500)) {
            let trouble = sent_away.unwrap_or(trouble);
            let failure = Failure::new(format!("it does not replicate after {}: {trouble}", desired.timeout));
            return Err(failure.help("SHOW ALL SLAVES STATUS says more; the next run looks again"));
        }
        // A source that has yet to take over the last of what was written here sends it away at first.
        if status.is_some_and(|status| status.is_sent_away()) {
            sent_away = Some(trouble);
            sql.run(&desired.on_channel("START SLAVE", " IO_THREAD"))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;
    use keel_engine::secret::Secret;

    use super::*;
    use crate::host::sql::Row;
    use crate::trial::Trial;

    fn replication(attributes: &[(&str, Value)]) -> Replication {
        Replication::from_attributes("db", &attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()).unwrap()
    }

    fn replica(more: &[(&str, Value)]) -> Replication {
        let password = Value::Secret(Secret::new("pass-word".to_owned()));
        let base = [
            ("role", Value::from("replica")),
            ("source_host", Value::from("db-1")),
            ("source_user", Value::from("repl")),
            ("source_password", password),
        ];
        replication(&[&base, more].concat())
    }

    fn status(io: &str) -> Status {
        Status::read(&Row::of(&[
            ("Master_Host", "db-1"),
            ("Master_Port", "3306"),
            ("Master_User", "repl"),
            ("Using_Gtid", "Slave_Pos"),
            ("Slave_IO_Running", io),
            ("Slave_SQL_Running", io),
            ("Gtid_IO_Pos", "0-1-9"),
        ]))
    }

    fn changes(desired: &Replication, observed: &Observed) -> Vec<String> {
        let changes = ReplicationType.diff(desired, observed);
        changes
            .iter()
            .map(|change| {
                format!("{} {}: {} -> {}", change.action.glyph(), change.attribute, change.before.summary(), change.after.summary())
            })
            .collect()
    }

    #[test]
    fn a_new_replica_is_told_everything() {
        let wanted = [
            "+ source: absent -> db-1:3306",
            "+ source_user: absent -> repl",
            "+ gtid: absent -> slave_pos",
            "+ source_password: absent -> (secret)",
            "~ replication: stopped -> running",
            "~ read_only: #false -> #true",
            "+ read_only_kept: absent -> ON",
        ];
        assert_eq!(changes(&replica(&[]), &Observed::default()), wanted);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let good =
            || Observed { status: Some(status("Yes")), password_fits: Some(true), read_only: true, kept_read_only: Some("ON".to_owned()) };
        assert_eq!(changes(&replica(&[]), &good()), [""; 0]);
        assert_eq!(changes(&replica(&[]), &Observed { password_fits: None, ..good() }), [""; 0]);
        assert_eq!(changes(&replica(&[]), &Observed { password_fits: Some(false), ..good() }), ["~ source_password: (secret) -> (secret)"]);
        assert_eq!(changes(&replica(&[]), &Observed { status: Some(status("No")), ..good() }), ["~ replication: stopped -> running"]);
        assert_eq!(changes(&replica(&[("source_port", Value::Int(3307))]), &good()), ["~ source: db-1:3306 -> db-1:3307"]);
        let primary = replication(&[("role", Value::from("primary"))]);
        assert_eq!(
            changes(&primary, &good()),
            ["- source: db-1:3306 -> absent", "~ read_only: #true -> #false", "~ read_only_kept: ON -> OFF"]
        );
    }

    fn server(written: &str, replicated: &str, has_log: bool) -> Server {
        Server {
            channels: Vec::new(),
            read_only: false,
            has_log,
            folder: String::new(),
            number: 2,
            written: written.to_owned(),
            replicated: replicated.to_owned(),
        }
    }

    #[test]
    fn what_would_lose_writes_is_refused() {
        let refused = |server: &Server, desired: &Replication, status: Option<&Status>| {
            server.refuse(desired, status).map(|error| error.failure().message.clone())
        };
        assert!(
            refused(&server("0-2-5", "", true), &replica(&[]), None)
                .is_some_and(|why| why.contains("written something itself (up to 0-2-5)"))
        );
        for more in [[("gtid", Value::from("current_pos"))], [("gtid_position", Value::from("0-1-5"))]] {
            assert_eq!(refused(&server("0-2-5", "", true), &replica(&more), None), None);
        }
        assert_eq!(refused(&server("0-2-5", "0-1-4", true), &replica(&[]), None), None);
        assert_eq!(refused(&server("", "", true), &replica(&[]), None), None);
        let primary = replication(&[("role", Value::from("primary"))]);
        assert!(refused(&server("", "", false), &primary, None).is_some_and(|why| why.contains("binary log")));
        assert!(
            refused(&server("", "0-1-7", true), &primary, Some(&status("Yes")))
                .is_some_and(|why| why.contains("received 0-1-9 and applied 0-1-7"))
        );
    }

    #[test]
    fn what_belongs_to_the_other_role_is_refused() {
        let primary = [("role", Value::from("primary")), ("source_host", Value::from("x"))];
        assert!(Trial::refuses::<ReplicationType>("db", &primary).contains("source_host is for a replica"));
        let said = Trial::refuses::<ReplicationType>("db", &[("role", Value::from("replica"))]);
        assert!(
            ["source_host is required", "source_user is required", "source_password is required"].iter().all(|wrong| said.contains(wrong)),
            "{said}"
        );
        let said = Trial::refuses::<ReplicationType>("db", &[("role", Value::from("replica")), ("lost_source", Value::from("x"))]);
        assert!(said.contains("lost_source is for a primary"), "{said}");
        let position = [("role", Value::from("replica")), ("gtid_position", Value::from("5"))];
        assert!(Trial::refuses::<ReplicationType>("db", &position).contains("is no position"));
    }
}
