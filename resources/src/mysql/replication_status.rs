//! What a replica says of its replication, and what that comes to.

use crate::host::sql::Row;

/// The replication of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) host: String,
    pub(super) port: String,
    pub(super) user: String,
    /// `No`, `Slave_Pos` or `Current_Pos`.
    pub(super) gtid: String,
    pub(super) tls: bool,
    /// The number of the source; none before it was reached.
    pub(super) server: Option<u64>,
    io: String,
    sql: String,
    error: Option<String>,
    received: String,
}

impl Status {
    pub(super) fn read(row: &Row) -> Self {
        let error = |number: &str, text: &str| {
            let code = row.text(number);
            (!matches!(code, "" | "0")).then(|| format!("{} (error {code})", row.text(text)))
        };
        Self {
            host: row.text("Master_Host").to_owned(),
            port: row.text("Master_Port").to_owned(),
            user: row.text("Master_User").to_owned(),
            gtid: row.text("Using_Gtid").to_owned(),
            tls: row.text("Master_SSL_Allowed") == "Yes",
            server: row.text("Master_Server_Id").parse().ok().filter(|server| *server != 0),
            io: row.text("Slave_IO_Running").to_owned(),
            sql: row.text("Slave_SQL_Running").to_owned(),
            error: error("Last_IO_Errno", "Last_IO_Error").or(error("Last_SQL_Errno", "Last_SQL_Error")),
            received: row.text("Gtid_IO_Pos").to_owned(),
        }
    }

    /// Why it does not replicate; none where it does.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = match (self.io.as_str(), self.sql.as_str()) {
            ("Yes", "Yes") => return None,
            ("No", "No") => "stopped",
            (_, "No") => "not applying what it receives",
            ("No", _) => "not receiving",
            _ => "connecting",
        };
        Some(match &self.error {
            Some(error) => format!("{state}: {error}"),
            None => state.to_owned(),
        })
    }

    /// Whether it has stopped and has to be started; one that tries to connect goes on by itself.
    pub(super) fn is_stopped(&self) -> bool {
        self.io == "No" || self.sql == "No"
    }

    /// Whether its source ended the connection, and has to be asked again.
    pub(super) fn is_sent_away(&self) -> bool {
        self.io == "No" && self.error.is_some()
    }

    /// Why it cannot take over, if it cannot: it would lose what it received.
    pub(super) fn lacks(&self, reached: &Reached<'_>) -> Option<String> {
        if self.sql != "Yes" && self.error.is_some() {
            return self.trouble();
        }
        // Only where it says what it received is there something to compare.
        (!self.received.is_empty() && !reached.holds(&self.received))
            .then(|| format!("it has received {} and applied {}", self.received, reached.replicated))
    }
}

/// How far the data of a server go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached<'a> {
    /// Its number.
    pub(super) server: u64,
    /// Up to where it wrote its log.
    pub(super) written: &'a str,
    /// Up to where it took over what others wrote.
    pub(super) replicated: &'a str,
}

impl Reached<'_> {
    /// Whether it holds everything up to a position (`domain-server-number,...`): taken over, or written by itself.
    pub(super) fn holds(&self, position: &str) -> bool {
        let (Some(wanted), Some(written), Some(replicated)) = (gtids(position), gtids(self.written), gtids(self.replicated)) else {
            return false;
        };
        wanted.iter().all(|gtid| {
            let covers = |own: &Gtid| own.domain == gtid.domain && own.number >= gtid.number;
            // A higher number of its own says nothing of what another server wrote meanwhile.
            replicated.iter().any(covers) || (gtid.server == self.server && written.iter().any(covers))
        })
    }
}

/// One part of a position.
struct Gtid {
    domain: u64,
    server: u64,
    number: u64,
}

fn gtids(position: &str) -> Option<Vec<Gtid>> {
    let gtid = |text: &str| {
        let mut numbers = text.trim().split('-').map(|number| number.parse().ok());
        Some(Gtid { domain: numbers.next()??, server: numbers.next()??, number: numbers.next()?? })
    };
    position.split(',').filter(|text| !text.trim().is_empty()).map(gtid).collect()
}

/// The password in the file in which a replica keeps how it reaches its source.
pub(super) fn kept_password(text: &str) -> Option<&str> {
    let mut lines = text.lines();
    lines.next().filter(|count| count.trim().parse::<u32>().is_ok_and(|count| count > 6))?;
    lines.nth(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(io: &str, sql: &str, error: &str) -> Status {
        let code = if error.is_empty() { "0" } else { "1045" };
        Status::read(&Row::of(&[
            ("Slave_IO_Running", io),
            ("Slave_SQL_Running", sql),
            ("Last_IO_Errno", code),
            ("Last_IO_Error", error),
            ("Gtid_IO_Pos", "0-1-9"),
        ]))
    }

    #[test]
    fn what_keeps_a_replica_from_replicating_is_told() {
        assert_eq!(status("Yes", "Yes", "").trouble(), None);
        assert_eq!(status("No", "No", "").trouble().as_deref(), Some("stopped"));
        assert_eq!(status("Connecting", "Yes", "denied").trouble().as_deref(), Some("connecting: denied (error 1045)"));
        assert_eq!(status("Yes", "No", "duplicate").trouble().as_deref(), Some("not applying what it receives: duplicate (error 1045)"));
        assert!(status("No", "Yes", "").is_stopped() && !status("Connecting", "Yes", "").is_stopped());
        assert!(status("No", "Yes", "position").is_sent_away() && !status("Connecting", "Yes", "denied").is_sent_away());
    }

    #[test]
    fn positions_are_compared_by_domain() {
        for (replicated, position, holds) in [
            ("0-1-9", "0-3-9", true),
            ("0-1-9", "0-1-10", false),
            ("0-1-9,1-3-4", "1-3-4,0-1-2", true),
            ("0-1-9", "1-3-4", false),
            ("", "", true),
            ("0-1-9", "", true),
            ("", "0-1-1", false),
            ("x", "0-1-1", false),
            ("0-1-1", "x", false),
            ("0-1-9", "0-2-20", true),
            ("0-1-9", "0-2-21", false),
            ("0-1-9", "0-1-20", false),
        ] {
            let reached = Reached { server: 2, written: "0-2-20", replicated };
            assert_eq!(reached.holds(position), holds, "{reached:?} holds {position}");
        }
    }

    #[test]
    fn who_has_not_applied_what_it_received_does_not_take_over() {
        let reached = Reached { server: 2, written: "", replicated: "0-1-9" };
        assert_eq!(status("Yes", "Yes", "").lacks(&reached), None);
        assert_eq!(status("Connecting", "Yes", "gone").lacks(&reached), None, "a source that is gone is why it takes over");
        let behind = Reached { replicated: "0-1-7", ..reached };
        assert_eq!(status("Yes", "Yes", "").lacks(&behind).as_deref(), Some("it has received 0-1-9 and applied 0-1-7"));
        assert!(status("Yes", "No", "duplicate").lacks(&reached).is_some());
    }

    #[test]
    fn the_kept_password_is_the_sixth_line() {
        assert_eq!(kept_password("33\nlog.000001\n4\n10.0.0.1\nrepl\nsecret\n3306\n60\n"), Some("secret"));
        assert_eq!(kept_password("log.000001\n4\n10.0.0.1\nrepl\nsecret\n3306\n"), None);
        assert_eq!(kept_password(""), None);
    }
}
