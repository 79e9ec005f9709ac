//! What a member of a Galera cluster does to itself.

use std::path::Path;
use std::time::Duration;

use keel_engine::resource::Failure;

use super::report::{Claim, Position, position};
use crate::host::{Backup, Host, NewFile, Ownership};
use crate::service::Systemd;
use crate::text_file::{Content, edit_text};

/// The server's unit.
pub(super) const UNIT: &str = "mariadb.service";
/// The variable that makes the unit's next start begin a cluster.
const FLAG: &str = "_WSREP_NEW_CLUSTER";
/// What outlives the data: which cluster this member is in.
const KEPT: &str = "/var/lib/keel-galera";
/// What is forgotten with the machine's next start.
const STATE: &str = "/run/keel-galera";
/// The file of settings that the server started with: its unit keeps it, see the module.
pub(super) const STARTED: &str = "/run/keel-galera/started";
/// Where the server keeps how far its data goes, beside the data.
const GRASTATE: &str = "grastate.dat";

/// A member, and how long each of its acts may take.
pub(super) struct Acts<'h> {
    pub(super) host: &'h Host,
    pub(super) limit: Duration,
}

impl Acts<'_> {
    /// Says whether it wishes for the turn or has it. The process that says so is written down with it: once that is
    /// gone nobody waits for it.
    pub(super) fn say(&self, claim: Claim) -> Result<(), Failure> {
        let word = match claim {
            Claim::Wish => "wish",
            Claim::Mine => "mine",
        };
        self.write(STATE, "turn", &format!("{word} {}\n", std::process::id()))
    }

    /// Gives the turn back.
    pub(super) fn give_back(&self) -> Result<(), Failure> {
        self.host.remove(format!("{STATE}/turn")).map(drop)
    }

    /// Writes down which cluster this member is in.
    pub(super) fn record(&self, uuid: &str) -> Result<(), Failure> {
        self.write(KEPT, "identity", &format!("{uuid}\n"))
    }

    /// Makes the next start an ordinary one.
    pub(super) fn clear_flag(&self) -> Result<(), Failure> {
        self.host.bus()?.call("UnsetEnvironment", &vec![FLAG.to_owned()])
    }

    pub(super) fn stop(&self) -> Result<(), Failure> {
        self.systemd("StopUnit")
    }

    /// Starts as one more member.
    pub(super) fn start(&self) -> Result<(), Failure> {
        self.clear_flag()?;
        self.systemd("StartUnit")
    }

    pub(super) fn restart(&self) -> Result<(), Failure> {
        self.clear_flag()?;
        self.systemd("RestartUnit")
    }

    /// Starts as the first member. What makes this one start special is gone when it is over, also where it failed; and
    /// systemd takes it back itself (see the unit's settings in the module) should this process not live to do so. Where it
    /// goes on from data that was there, the folder of that data is given.
    pub(super) fn begin(&self, recovered_in: Option<&str>) -> Result<(), Failure> {
        if let Some(datadir) = recovered_in {
            self.mark_safe(datadir, "0", "1")?;
        }
        self.host.bus()?.call::<_, ()>("SetEnvironment", &vec![format!("{FLAG}=--wsrep-new-cluster")])?;
        let started = self.systemd("StartUnit");
        self.clear_flag()?;
        if let (Err(_), Some(datadir)) = (&started, recovered_in) {
            // It was this run that said so. The data is measured anew before the next try: each start forgets that.
            self.mark_safe(datadir, "1", "0")?;
        }
        started
    }

    /// Asks the data how far it goes. The unit forgets the answer with each start (see its settings in the module).
    pub(super) fn measure(&self) -> Result<(), Failure> {
        let output = self.host.command("galera_recovery").timeout(Some(self.limit)).succeed()?;
        let said = output.text()?;
        let found = recovered(&said).ok_or_else(|| {
            Failure::new("galera_recovery does not tell how far the data here goes")
                .help("its log is in MariaDB's; `journalctl -u mariadb` may say more")
        })?;
        self.write(STATE, "measured", &format!("{}:{}\n", found.uuid, found.seqno))
    }

    fn mark_safe(&self, datadir: &str, from: &str, to: &str) -> Result<(), Failure> {
        let (from, to) = (format!("safe_to_bootstrap: {from}"), format!("safe_to_bootstrap: {to}"));
        let path = Path::new(datadir).join(GRASTATE);
        edit_text(self.host, &path, Content::Open, |text| Ok(text.contains(&from).then(|| text.replace(&from, &to))))
    }

    fn systemd(&self, method: &str) -> Result<(), Failure> {
        Systemd::of(self.host)?.run(self.host, method, UNIT, self.limit)
    }

    fn write(&self, folder: &str, name: &str, text: &str) -> Result<(), Failure> {
        if self.host.stat(folder)?.is_none() {
            self.host.create_folder(folder, Ownership { mode: Some(0o755), ..Ownership::default() })?;
        }
        let ownership = Ownership { mode: Some(0o644), ..Ownership::default() };
        self.host.replace(format!("{folder}/{name}"), &NewFile { ownership, backup: Backup::None, ..NewFile::of(text.as_bytes()) })
    }
}

/// The position in what galera_recovery prints, `--wsrep_start_position=UUID:SEQNO`.
fn recovered(said: &str) -> Option<Position> {
    said.split_whitespace().find_map(|word| position(word.split_once("start_position=")?.1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recovered_position_is_read() {
        let uuid = "8a1b2c3d-0000-11ef-8000-0242ac120002";
        let said = format!("WSREP: Recovered\n--wsrep_start_position={uuid}:42\n");
        assert_eq!(recovered(&said), Some(Position { uuid: uuid.to_owned(), seqno: 42 }));
        assert_eq!(recovered("--wsrep_start_position="), None);
        assert_eq!(recovered(""), None);
    }
}
