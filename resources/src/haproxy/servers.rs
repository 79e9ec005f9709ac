//! The servers of an HAProxy, read from what its runtime socket prints.

use std::collections::BTreeMap;
use std::fmt;

use keel_engine::resource::Failure;

use super::State;

/// What asks for how servers stand.
pub(super) const STATES: &str = "show servers state";
/// What asks for their figures: of all backends, the servers.
pub(super) const FIGURES: &str = "show stat -1 4 -1";

/// In HAProxy's own bits: somebody said `maint`.
const FORCED_MAINTENANCE: u32 = 0x01;
/// Somebody said `drain`.
const FORCED_DRAIN: u32 = 0x08;
/// HAProxy's own number for a server that is down.
const DOWN: u32 = 0;
/// The number for one that is up, with its full share.
const RUNNING: u32 = 2;

/// A server's name: its backend's and its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) backend: String,
    pub(super) server: String,
}

impl Name {
    /// Reads `backend/server`. HAProxy's names have letters, digits and `-_.:`, so that nothing else can be said in one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (backend, server) = text.split_once('/')?;
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.' | ':'));
        (is_name(backend) && is_name(server)).then(|| Self { backend: backend.to_owned(), server: server.to_owned() })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.server)
    }
}

/// How a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What somebody said of it.
    pub(super) state: State,
    /// Its share now.
    pub(super) weight: u32,
    /// Its share as the configuration has it.
    pub(super) first_weight: u32,
    /// How its checks find it: HAProxy's own number.
    health: u32,
    /// The sessions that it has, and those that wait for it.
    pub(super) sessions: u64,
}

impl Standing {
    /// Whether it is up, with its full share.
    pub(super) fn is_up(&self) -> bool {
        self.health == RUNNING
    }

    /// Whether checks, or a server that it follows, keep it down.
    pub(super) fn is_down(&self) -> bool {
        self.health == DOWN
    }

    /// The word for how checks find it.
    pub(super) fn health(&self) -> &'static str {
        match self.health {
            DOWN => "down",
            1 => "starting",
            RUNNING => "up",
            _ => "stopping",
        }
    }
}

/// All servers by name.
pub(super) type Servers = BTreeMap<Name, Standing>;

/// Reads both answers.
pub(super) fn read(states: &str, figures: &str) -> Result<Servers, Failure> {
    let mut servers = read_states(states)?;
    let mut table = Table::of(figures, ',')?;
    let columns = table.columns(["pxname", "svname", "qcur", "scur"])?;
    while let Some([backend, server, queued, current]) = table.next(&columns)? {
        let name = Name { backend: backend.to_owned(), server: server.to_owned() };
        if let Some(standing) = servers.get_mut(&name) {
            standing.sessions = number::<u64>(queued)?.saturating_add(number(current)?);
        }
    }
    Ok(servers)
}

fn read_states(text: &str) -> Result<Servers, Failure> {
    // The first line is the version of the format.
    let (version, rest) = text.split_once('\n').unwrap_or((text, ""));
    if version.trim() != "1" {
        return Err(odd(format!("it says {version:?}")));
    }
    let mut table = Table::of(rest, ' ')?;
    let columns = table.columns(["be_name", "srv_name", "srv_op_state", "srv_admin_state", "srv_uweight", "srv_iweight"])?;
    let mut servers = Servers::new();
    while let Some([backend, server, health, admin, weight, first_weight]) = table.next(&columns)? {
        let standing = Standing {
            state: state_of(number(admin)?),
            weight: number(weight)?,
            first_weight: number(first_weight)?,
            health: number(health)?,
            sessions: 0,
        };
        servers.insert(Name { backend: backend.to_owned(), server: server.to_owned() }, standing);
    }
    Ok(servers)
}

fn state_of(admin: u32) -> State {
    match admin {
        admin if admin & FORCED_MAINTENANCE != 0 => State::Maint,
        admin if admin & FORCED_DRAIN != 0 => State::Drain,
        _ => State::Ready,
    }
}

fn odd(what: impl fmt::Display) -> Failure {
    Failure::new(format!("HAProxy answers with something else than its servers: {what}"))
        .help("the socket has to be HAProxy's own, of version 2.2 or later, with `level admin`")
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, Failure> {
    // Figures that there are none of are left out.
    let text = if text.is_empty() { "0" } else { text };
    text.parse().map_err(|_| odd(format!("{text:?} is no number")))
}

/// A table with the names of its columns in its first line.
struct Table<'t> {
    names: Vec<&'t str>,
    lines: std::str::Lines<'t>,
    separator: char,
}

impl<'t> Table<'t> {
    fn of(text: &'t str, separator: char) -> Result<Self, Failure> {
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        let Some(head) = head.strip_prefix("# ") else { return Err(odd(format!("it says {:?}", head.trim()))) };
        Ok(Self { names: head.trim_end().split(separator).collect(), lines, separator })
    }

    fn columns<const N: usize>(&self, wanted: [&str; N]) -> Result<[usize; N], Failure> {
        let mut columns = [0; N];
        for (column, name) in columns.iter_mut().zip(wanted) {
            *column = self.names.iter().position(|known| *known == name).ok_or_else(|| odd(format!("there is no {name}")))?;
        }
        Ok(columns)
    }

    /// The fields of the next line. Those that are asked for stand before any that may be quoted.
    fn next<const N: usize>(&mut self, columns: &[usize; N]) -> Result<Option<[&'t str; N]>, Failure> {
        let Some(line) = self.lines.find(|line| !line.trim().is_empty()) else { return Ok(None) };
        let fields: Vec<&str> = line.split(self.separator).collect();
        let mut found = [""; N];
        for (field, column) in found.iter_mut().zip(columns) {
            *field = fields.get(*column).copied().ok_or_else(|| odd(format!("a line ends early: {line:?}")))?;
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change\n";
    const FIGURES_HEAD: &str = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,last_chk\n";

    #[test]
    fn servers_are_read_by_the_names_of_the_columns() {
        let states = format!("{HEAD}3 web 1 a 10.0.0.1 2 0 5 1 77\n3 web 2 b 10.0.0.2 0 8 1 1 77\n3 web 3 c - 0 5 1 1 7\n\n");
        let figures = format!("{FIGURES_HEAD}web,a,1,9,3,4,,77,\"ok, it is\"\nweb,b,,,,,,,\nnew,x,0,0,0,0,,,\n\n");
        let servers = read(&states, &figures).unwrap();
        let found = |name: &str| &servers[&Name::parse(name).unwrap()];
        assert_eq!(servers.len(), 3);
        let of = |name: &str| (found(name).state, found(name).weight, found(name).first_weight, found(name).health(), found(name).sessions);
        assert_eq!(of("web/a"), (State::Ready, 5, 1, "up", 4));
        assert_eq!(of("web/b"), (State::Drain, 1, 1, "down", 0));
        assert_eq!(of("web/c"), (State::Maint, 1, 1, "down", 0), "by the configuration, which is as good as said");
    }

    #[test]
    fn what_a_server_inherits_nobody_said() {
        for (bits, state) in [(0, State::Ready), (2, State::Ready), (0x20, State::Ready), (0x0a, State::Drain), (0x09, State::Maint)] {
            assert_eq!(state_of(bits), state, "{bits:#x}");
        }
    }

    #[test]
    fn what_is_no_list_of_servers_is_refused() {
        for states in [
            "",
            "Permission denied\n\n",
            "2\n# be_id\n",
            "1\n# be_id be_name\n",
            &format!("{HEAD}3 web 1\n"),
            &format!("{HEAD}3 w 1 a - x 0 1 1\n"),
        ] {
            let failure = read(states, FIGURES_HEAD).unwrap_err();
            assert!(failure.message.starts_with("HAProxy answers with something else"), "{states:?}: {failure}");
        }
        assert!(read(HEAD, "").is_err());
    }

    #[test]
    fn names_hold_nothing_that_could_be_a_command() {
        assert!(Name::parse("web/a-1.b:c_d").is_some());
        for odd in ["", "web", "/a", "web/", "web/a b", "web/a;disable", "web/a\nshow", "web/a/b", "wéb/a"] {
            assert_eq!(Name::parse(odd), None, "{odd:?}");
        }
    }
}
