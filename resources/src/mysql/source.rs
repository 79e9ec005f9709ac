//! The server that a replica takes changes from, asked itself before the replica takes its place.

use std::time::Duration;

use keel_engine::resource::Failure;
use keel_engine::secret::Secret;

use super::replication_status::{Reached, Status};
use crate::host::Host;

/// How long the source may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// What any account may ask.
const QUESTION: &str = "SELECT @@GLOBAL.server_id, @@GLOBAL.read_only, @@GLOBAL.gtid_current_pos";

/// What a source says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    server: u64,
    is_read_only: bool,
    position: String,
}

/// What came of asking a source; a text says why it could not be asked.
pub(super) type Answer = Result<Source, String>;

/// Asks the source of a replica, logged in as the replica is.
pub(super) fn ask(host: &Host, status: &Status, password: Option<&str>) -> Answer {
    let Some(password) = password else { return Err("nothing says with which password this replica logs in there".to_owned()) };
    // The client of the server itself, since it speaks TLS as the replication does.
    let arguments =
        ["--no-defaults", "--batch", "--skip-column-names", "--protocol=tcp", "--connect-timeout=5", "--skip-ssl-verify-server-cert"];
    let command = host.command("mariadb").arguments(arguments).argument(if status.tls { "--ssl" } else { "--skip-ssl" });
    let command =
        command.arguments([format!("--host={}", status.host), format!("--port={}", status.port), format!("--user={}", status.user)]);
    let command = command.arguments(["--execute", QUESTION]).environment("MYSQL_PWD", password);
    let output = command
        .conceal(&Secret::new(password.to_owned()))
        .timeout(Some(ANSWER_TIMEOUT))
        .run()
        .map_err(|error| Failure::from(error).message)?;
    if !output.is_success() {
        let said = output.shown();
        return Err(said.lines().rev().find(|line| !line.trim().is_empty()).map_or_else(|| output.end.to_string(), str::to_owned));
    }
    read(&output.text().map_err(|failure| failure.message)?)
}

fn read(text: &str) -> Answer {
    let mut values = text.trim_end_matches('\n').split('\t');
    match (values.next().and_then(|server| server.parse().ok()), values.next(), values.next()) {
        (Some(server), Some(read_only), Some(position)) => {
            let is_read_only = !matches!(read_only, "0" | "OFF");
            Ok(Source { server, is_read_only, position: position.to_owned() })
        }
        _ => Err(format!("its answer is {text:?}")),
    }
}

/// Why a replica cannot take its source's place, if it cannot. `lost` is the source that somebody says is off.
pub(super) fn refuse(answer: &Answer, status: &Status, reached: &Reached<'_>, lost: Option<&str>) -> Option<Failure> {
    let refused =
        |why: String, help: &str| Some(Failure::new(format!("this replica cannot become a primary now: {why}")).help(help.to_owned()));
    let source = format!("{}:{}", status.host, status.port);
    let other = |answered: &Source| answered.server == reached.server || status.server.is_some_and(|known| known != answered.server);
    let unasked = match answer {
        Ok(answered) if !other(answered) => None,
        Ok(answered) => Some(format!("at {source} another server answers, of server_id {}", answered.server)),
        Err(why) => Some(format!("its source {source} cannot be asked whether it still takes writes: {why}")),
    };
    match (unasked, answer) {
        (Some(_), _) if lost == Some(status.host.as_str()) => None,
        (Some(why), _) => refused(
            why,
            &format!(
                "bring it back, and make it a replica first; where it is off for good, or nobody reaches it, lost_source={:?} says so: \
                 what it did not send is lost",
                status.host
            ),
        ),
        (None, Ok(answered)) if !answered.is_read_only => refused(
            format!("its source {source} still takes writes"),
            "make that one a replica first, with gtid=current_pos: it takes no more writes then, and the next run here goes on",
        ),
        (None, Ok(answered)) if !reached.holds(&answered.position) => refused(
            format!("its source {source} has written up to {} and this replica has applied {}", answered.position, reached.replicated),
            "what it lacks would be lost: let it replicate; the next run looks again",
        ),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sql::Row;

    fn status(server: &str) -> Status {
        Status::read(&Row::of(&[("Master_Host", "db-1"), ("Master_Port", "3306"), ("Master_Server_Id", server)]))
    }

    fn refused(said: &str, status: &Status, lost: Option<&str>) -> Option<String> {
        let reached = Reached { server: 2, written: "0-2-5", replicated: "0-1-9" };
        refuse(&read(said), status, &reached, lost).map(|failure| failure.message)
    }

    #[test]
    fn a_source_that_writes_or_is_ahead_is_not_replaced() {
        let known = status("1");
        assert_eq!(refused("1\t1\t0-1-9\n", &known, None), None);
        assert_eq!(refused("1\t1\t\n", &known, None), None);
        // Not even by the word that is for one that is gone.
        for lost in [None, Some("db-1")] {
            assert!(refused("1\t0\t0-1-9\n", &known, lost).is_some_and(|why| why.contains("db-1:3306 still takes writes")));
            let ahead = refused("1\t1\t0-1-12\n", &known, lost);
            assert!(ahead.is_some_and(|why| why.contains("has written up to 0-1-12 and this replica has applied 0-1-9")));
        }
    }

    #[test]
    fn a_source_that_cannot_be_asked_takes_a_word_that_names_it() {
        for (said, known, why) in [
            ("", status("1"), "cannot be asked whether it still takes writes"),
            ("2\t1\t0-1-9\n", status("0"), "another server answers, of server_id 2"),
            ("3\t1\t0-1-9\n", status("1"), "another server answers, of server_id 3"),
        ] {
            for lost in [None, Some("db-7")] {
                assert!(refused(said, &known, lost).is_some_and(|said| said.contains(why)), "{why}");
            }
            assert_eq!(refused(said, &known, Some("db-1")), None, "{why}");
        }
    }
}
