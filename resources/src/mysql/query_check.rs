//! `mysql_query_check`: a question to the server and what it has to answer.

use std::time::{Duration, Instant};

use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, Span, wrong_type};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, ObserveError, Reliance, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::text::Text;
use keel_engine::value::Value;

use super::{in_data, key};
use crate::host::Host;
use crate::host::attend::pause;
use crate::host::sql::{Login, Sql};
use crate::host::statement::Statement;

/// What a question may begin with.
const QUESTIONS: [&str; 4] = ["SELECT", "SHOW", "WITH", "EXPLAIN"];
/// How long to wait between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// An answer: a text, a number or a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(String);

impl AttributeValue for Answer {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::String, Kind::Int, Kind::Float, Kind::Bool])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text.clone())),
            Value::Int(number) => Ok(Self(number.to_string())),
            Value::Float(number) => Ok(Self(number.to_string())),
            Value::Bool(flag) => Ok(Self(u32::from(*flag).to_string())),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

keel_engine::attributes! {
    /// A question to MariaDB and what it has to answer, before what requires it goes on.
    ///
    /// It changes nothing: the question is asked in a transaction that cannot write. When the time is up and the
    /// answer is still another one, it fails.
    ///
    ///     mysql_query_check "the shop is open" query="SELECT state FROM shop.status" expect=open
    ///     mysql_query_check "the replica may log in" query="SELECT 1" user=replica password=(secret)"db/replica"
    pub struct QueryCheck: "mysql_query_check" {
        /// What people call it.
        [title] pub name: String,
        /// The question: one SELECT or SHOW.
        pub query: String,
        /// The first value of the first row. Not given: there has to be a row.
        pub expect: Option<Answer>,
        /// The database that it is asked in.
        pub database: Option<String>,
        /// Who asks. Not given: root.
        pub user: Option<String>,
        /// The password of who asks.
        [secret] pub password: Option<Text>,
        /// How long to wait for the answer.
        [how] pub timeout: Span = Span(Duration::from_secs(10)),
        /// The server's socket. Not given: `/run/mysqld/mysqld.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if let Some(wrong) = refuse(&desired.query) {
            errors.push(AttributeError::of_value("query", wrong));
        }
        if desired.password.is_some() && desired.user.is_none() {
            errors.push(AttributeError::new("password", "is a user's, and `user` is not given"));
        }
        if matches!(&desired.password, Some(Text::Blob(_))) {
            errors.push(AttributeError::of_value("password", "expected a text, found a file's content"));
        }
        errors
    }
}

/// Why a text is no question.
fn refuse(query: &str) -> Option<String> {
    let words: Vec<String> = query.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').map(str::to_ascii_uppercase).collect();
    let first = words.iter().find(|word| !word.is_empty());
    if !first.is_some_and(|first| QUESTIONS.contains(&first.as_str())) {
        return Some("is no question: it has to begin with SELECT, SHOW, WITH or EXPLAIN".to_owned());
    }
    let writes = words.windows(2).any(|pair| pair[0] == "INTO" && matches!(pair[1].as_str(), "OUTFILE" | "DUMPFILE"));
    writes.then(|| "writes a file".to_owned())
}

impl QueryCheck {
    fn statement(&self) -> Statement {
        Statement::as_written(self.query.trim().trim_end_matches(';'))
    }

    /// What the answer is where it is not as it shall be.
    fn lacks(&self, host: &Host) -> Result<Option<String>, ObserveError> {
        let socket = self.socket.as_ref().map(AbsolutePath::as_str);
        let found = match self.login() {
            Some(login) => self.ask(&host.sql_as(socket, &login).map_err(|error| self.denied(error))?)?,
            None => self.ask(&*host.sql(socket)?)?,
        };
        Ok(judge(self.expect.as_ref(), found))
    }

    fn login(&self) -> Option<Login> {
        let password = self.password.as_ref().map(|password| match password {
            Text::Plain(text) => text.to_string(),
            Text::Secret(secret) => secret.reveal_secret_text().to_owned(),
            Text::Blob(_) => String::new(),
        });
        self.user.clone().map(|user| Login { user, password })
    }

    fn denied(&self, error: ObserveError) -> ObserveError {
        match error {
            ObserveError::Failed(failure) => {
                ObserveError::Failed(failure.help("is the password right, and may the account log in over the socket (host localhost)?"))
            }
            not_yet => not_yet,
        }
    }

    /// The first value of the first row: none without a row, and none in it for NULL.
    fn ask(&self, sql: &Sql) -> Result<Option<Option<String>>, Failure> {
        if let Some(database) = &self.database {
            sql.run(&Statement::new("USE ").name(database))?;
        }
        sql.run(&Statement::new("START TRANSACTION READ ONLY"))?;
        let rows = sql.rows(&self.statement());
        sql.run(&Statement::new("ROLLBACK"))?;
        let rows = rows?;
        Ok(rows.first().map(|row| row.values().next().flatten().map(str::to_owned)))
    }
}

/// What is found where it is not what is expected.
fn judge(expected: Option<&Answer>, found: Option<Option<String>>) -> Option<String> {
    match (expected, found) {
        (None, Some(_)) => None,
        (Some(Answer(wanted)), Some(Some(value))) if value == *wanted => None,
        (_, None) => Some("no row".to_owned()),
        (Some(_), Some(None)) => Some("NULL".to_owned()),
        (Some(_), Some(Some(value))) => Some(value),
    }
}

/// The type `mysql_query_check`.
pub struct QueryCheckType;

impl ResourceType for QueryCheckType {
    type Host = Host;
    type Desired = QueryCheck;
    /// What the answer is where it is another one.
    type Observed = Option<String>;

    fn observe(&self, host: &Host, desired: &[&QueryCheck]) -> Vec<Result<Option<String>, ObserveError>> {
        desired.iter().map(|check| check.lacks(host)).collect()
    }

    fn diff(&self, desired: &QueryCheck, observed: &Option<String>) -> Vec<Change> {
        let wanted = desired.expect.as_ref().map_or("a row", |Answer(answer)| answer);
        observed.iter().map(|found| Change::run("answer", found.as_str(), format!("{wanted}, up to {}", desired.timeout))).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let check = work.desired;
        let began = Instant::now();
        loop {
            let Some(found) = check.lacks(host).map_err(|error| error.failure().clone())? else { return Ok(()) };
            let left = check.timeout.0.saturating_sub(began.elapsed());
            if left.is_zero() || !pause(INTERVAL.min(left)) {
                let wanted = check.expect.as_ref().map_or("a row", |Answer(answer)| answer);
                return Err(Failure::new(format!("after {} the answer is {found} and not {wanted}", check.timeout)));
            }
        }
    }

    /// It is asked again whenever something before it changed.
    fn reliance(&self, _desired: &QueryCheck, _observed: &Option<String>) -> Reliance {
        Reliance::UntilAny
    }

    fn footprint(&self, desired: &QueryCheck) -> Footprint {
        let database = desired.database.as_ref().map(|database| key("mysql_database", desired.socket.as_ref(), database));
        let user = desired.user.as_ref().map(|user| key("mysql_user", desired.socket.as_ref(), &format!("{user}@localhost")));
        database.into_iter().chain(user).fold(in_data(), Footprint::need)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn questions_only() {
        for query in ["SELECT 1", " show status", "(SELECT 1)", "with x as (select 1) select * from x"] {
            assert_eq!(refuse(query), None, "{query}");
        }
        for query in ["", "DELETE FROM x", "SET GLOBAL x = 1", "SELECT 1 INTO OUTFILE '/x'", "select 1 into\ndumpfile '/x'", "CALL p()"] {
            assert!(refuse(query).is_some(), "{query}");
        }
        let password = [("query", Value::from("SELECT 1")), ("password", Value::from("x"))];
        assert!(Trial::refuses::<QueryCheckType>("x", &password).contains("`user` is not given"));
    }

    #[test]
    fn an_answer_is_judged() {
        let answer = |text: &str| Some(Answer(text.to_owned()));
        let value = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(judge(answer("1").as_ref(), value("1")), None);
        assert_eq!(judge(answer("1").as_ref(), value("2")).as_deref(), Some("2"));
        assert_eq!(judge(answer("1").as_ref(), Some(None)).as_deref(), Some("NULL"));
        assert_eq!(judge(answer("1").as_ref(), None).as_deref(), Some("no row"));
        assert_eq!(judge(None, Some(None)), None);
        assert_eq!(judge(None, None).as_deref(), Some("no row"));
    }
}
