//! What a member of a Galera cluster says of itself: lines of `name=value` that a script on it prints.

use std::collections::BTreeMap;

/// The identity of nothing.
const NULL_UUID: &str = "00000000-0000-0000-0000-000000000000";

/// Where a server has its data that is not told otherwise.
const DATADIR: &str = "/var/lib/mysql";

/// What a server is called that serves outside of the cluster.
pub(super) const ALONE_WITH_DATABASES: &str = "alone, with databases of its own";

/// What the server's process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Stopped,
    /// On its way up or down.
    Changing,
    Running,
}

/// A place in a cluster's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) uuid: String,
    pub(super) seqno: i64,
}

/// What the server itself says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Whether it replicates at all.
    pub(super) is_member: bool,
    /// `Primary`, `non-Primary` or `Disconnected`.
    pub(super) cluster_status: String,
    /// 4 is synced, 2 is one that another one is copied from.
    pub(super) local_state: u32,
    pub(super) is_ready: bool,
    pub(super) is_connected: bool,
    /// How many members it sees, itself among them. Arbitrators, which only vote, are not counted: they have no address.
    pub(super) size: usize,
    pub(super) uuid: Option<String>,
}

/// Whose turn it is to stop or start, as a member sees itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It wishes to have it.
    Wish,
    /// It has it, unless another one has too.
    Mine,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) process: Process,
    /// Whether its next start would begin a new cluster.
    pub(super) has_flag: bool,
    /// The cluster that it was in, as recorded outside of its data.
    pub(super) identity: Option<String>,
    /// Where its data is.
    pub(super) datadir: String,
    /// The cluster that its data is of; none where it is of none.
    pub(super) uuid: Option<String>,
    /// How far its data goes; -1 where only the data itself can tell.
    pub(super) seqno: i64,
    pub(super) is_safe: bool,
    /// What its data told when it was asked.
    pub(super) measured: Option<Position>,
    pub(super) claim: Option<Claim>,
    /// Databases that are not the server's own.
    pub(super) databases: Vec<String>,
    pub(super) answers: Option<Answers>,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// It is cut off, or not what a member says.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lines: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let value = |name: &str| lines.get(name).copied().filter(|value| !value.is_empty());
        if value("end") != Some("yes") {
            return Err("its answer is cut off".to_owned());
        }
        let process = match value("process") {
            Some("running") => Process::Running,
            Some("stopped") => Process::Stopped,
            Some("changing") => Process::Changing,
            _ => return Err("it does not say whether MariaDB runs".to_owned()),
        };
        let seqno = value("seqno").map_or(Ok(-1), |text| text.parse().map_err(|_| format!("its seqno {text:?} is no number")))?;
        let datadir = value("datadir").unwrap_or(DATADIR);
        if !datadir.starts_with('/') {
            return Err(format!("its datadir {datadir:?} is no whole path"));
        }
        let claim = match value("turn") {
            Some("wish") => Some(Claim::Wish),
            Some("mine") => Some(Claim::Mine),
            _ => None,
        };
        let arbitrators =
            value("wsrep_incoming_addresses").map_or(0, |addresses| addresses.split(',').filter(|address| address.is_empty()).count());
        let size = value("wsrep_cluster_size").and_then(|size| size.parse::<usize>().ok()).unwrap_or_default();
        let answers = (process == Process::Running && value("wsrep_ready").is_some()).then(|| Answers {
            is_member: value("wsrep_provider_name").is_some(),
            cluster_status: value("wsrep_cluster_status").unwrap_or_default().to_owned(),
            local_state: value("wsrep_local_state").and_then(|state| state.parse().ok()).unwrap_or_default(),
            is_ready: value("wsrep_ready") == Some("ON"),
            is_connected: value("wsrep_connected") == Some("ON"),
            size: size.saturating_sub(arbitrators),
            uuid: value("wsrep_cluster_state_uuid").and_then(known_uuid),
        });
        Ok(Self {
            process,
            has_flag: value("flag") == Some("yes"),
            identity: value("identity").and_then(known_uuid),
            datadir: datadir.to_owned(),
            uuid: value("uuid").and_then(known_uuid),
            seqno,
            is_safe: value("safe") == Some("1"),
            measured: value("measured").map(position).transpose()?,
            claim,
            databases: value("databases").map(|names| names.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
            answers,
        })
    }

    /// Whether it takes part, has all data and says so.
    pub(super) fn is_synced(&self) -> bool {
        self.is_in_primary()
            && self.answers.as_ref().is_some_and(|answers| answers.local_state == 4 && answers.is_ready && answers.is_connected)
    }

    /// Whether it belongs to the part of a cluster that may write.
    pub(super) fn is_in_primary(&self) -> bool {
        self.answers.as_ref().is_some_and(|answers| answers.is_member && answers.cluster_status == "Primary")
    }

    /// Whether it runs as a server of its own.
    pub(super) fn is_alone(&self) -> bool {
        self.answers.as_ref().is_some_and(|answers| !answers.is_member)
    }

    /// The cluster that it takes part in, or that its data is of.
    pub(super) fn cluster(&self) -> Option<&str> {
        let running = self.answers.as_ref().filter(|answers| answers.is_member).and_then(|answers| answers.uuid.as_deref());
        running.or(self.uuid.as_deref())
    }

    /// How far its data goes, where that is known.
    pub(super) fn position(&self) -> Option<Position> {
        match &self.uuid {
            Some(uuid) if self.seqno >= 0 => Some(Position { uuid: uuid.clone(), seqno: self.seqno }),
            _ => self.measured.clone(),
        }
    }

    /// What it does, in a word or two.
    pub(super) fn state(&self) -> &'static str {
        match (self.process, &self.answers) {
            (Process::Stopped, _) => "stopped",
            (Process::Changing, _) => "starting or stopping",
            (Process::Running, None) => "not answering",
            (Process::Running, Some(answers)) if !answers.is_member && !self.databases.is_empty() => ALONE_WITH_DATABASES,
            (Process::Running, Some(answers)) if !answers.is_member => "alone",
            (Process::Running, Some(_)) if self.is_synced() => "synced",
            (Process::Running, Some(answers)) if self.is_in_primary() && answers.local_state == 2 => "a donor",
            (Process::Running, Some(_)) if self.is_in_primary() => "joining",
            (Process::Running, Some(_)) => "cut off",
        }
    }
}

fn known_uuid(text: &str) -> Option<String> {
    (text != NULL_UUID).then(|| text.to_owned())
}

/// Reads `UUID:SEQNO`.
pub(super) fn position(text: &str) -> Result<Position, String> {
    let odd = || format!("its position {text:?} cannot be read");
    let (uuid, seqno) = text.trim().rsplit_once(':').ok_or_else(odd)?;
    let is_uuid = uuid.len() == NULL_UUID.len() && uuid.chars().all(|char| char.is_ascii_hexdigit() || char == '-');
    let seqno = seqno.parse().map_err(|_| odd())?;
    if is_uuid { Ok(Position { uuid: uuid.to_owned(), seqno }) } else { Err(odd()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "8a1b2c3d-0000-11ef-8000-0242ac120002";

    #[test]
    fn a_report_is_read() {
        let text = format!(
            "process=running\nflag=no\nidentity={UUID}\nuuid={UUID}\nseqno=-1\nsafe=0\ndatabases=shop wiki\nturn=mine\n\
             wsrep_ready=ON\nwsrep_connected=ON\nwsrep_provider_name=Galera\nwsrep_cluster_status=Primary\nwsrep_local_state=4\n\
             wsrep_cluster_size=3\nwsrep_cluster_state_uuid={UUID}\nend=yes\n"
        );
        let report = Report::parse(&text).unwrap();
        assert!(report.is_synced() && report.is_in_primary() && !report.is_alone() && !report.has_flag);
        assert_eq!((report.state(), report.cluster(), report.position(), report.claim), ("synced", Some(UUID), None, Some(Claim::Mine)));
        assert_eq!((report.databases.as_slice(), report.datadir.as_str()), (["shop", "wiki"].map(str::to_owned).as_slice(), DATADIR));
        let with = Report::parse(&text.replace("end=yes", "wsrep_incoming_addresses=10.0.0.1:0,10.0.0.2:0,\nend=yes")).unwrap();
        assert_eq!([report, with].map(|report| report.answers.unwrap().size), [3, 2], "an arbitrator is no member");
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        let report = Report::parse("process=stopped\nuuid=00000000-0000-0000-0000-000000000000\nend=yes\n").unwrap();
        assert_eq!((report.uuid.clone(), report.seqno, report.is_safe, report.state()), (None, -1, false, "stopped"));
        for (text, wrong) in [
            ("", "cut off"),
            ("process=running\n", "cut off"),
            ("end=yes\n", "does not say"),
            ("process=stopped\nseqno=many\nend=yes\n", "no number"),
            ("process=stopped\ndatadir=data\nend=yes\n", "no whole path"),
            ("process=stopped\nmeasured=x:1\nend=yes\n", "cannot be read"),
        ] {
            assert!(Report::parse(text).is_err_and(|error| error.contains(wrong)), "{text}");
        }
        assert_eq!(Report::parse("process=running\nend=yes\n").map(|report| report.state()), Ok("not answering"));
    }

    #[test]
    fn a_clean_position_goes_before_a_measured_one() {
        let report =
            |seqno: &str| Report::parse(&format!("process=stopped\nuuid={UUID}\nseqno={seqno}\nmeasured={UUID}:7\nend=yes\n")).unwrap();
        assert_eq!(report("12").position().map(|position| position.seqno), Some(12));
        assert_eq!(report("-1").position().map(|position| position.seqno), Some(7));
    }
}
