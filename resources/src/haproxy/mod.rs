//! `haproxy_server`: what a running HAProxy does with one of its servers.
//!
//! HAProxy is asked and told over its runtime socket; all resources of a socket share one look (`servers.rs`).

#[cfg(test)]
pub(crate) mod scratch_balancer;
mod servers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};

use crate::host::Host;
use crate::host::attend::pause;
use servers::{FIGURES, Name, STATES, Servers, Standing};

/// Where Debian's HAProxy listens.
pub(crate) const SOCKET: &str = "/run/haproxy/admin.sock";
/// HAProxy's own limit.
const WEIGHT_MAX: u32 = 256;
/// How long to wait between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

keel_engine::choices! {
    /// What HAProxy does with a server.
    pub enum State {
        /// It gives it new sessions.
        Ready = "ready",
        /// It gives it no new ones; those that there are go on.
        Drain = "drain",
        /// It gives it none, and no longer looks how it is.
        Maint = "maint",
    }
}

keel_engine::attributes! {
    /// A server of a running HAProxy: whether it gets sessions, and how many.
    ///
    /// HAProxy is told over its runtime socket; nobody's session ends and nothing is reloaded. What is told so a restart of
    /// HAProxy forgets, and the next run says again; the module `haproxy` keeps it over a reload. `drain` lets
    /// the sessions that there are come to their end: with `timeout` it is waited for that.
    ///
    ///     haproxy_server "shop/db-1"
    ///     haproxy_server "shop/db-2" state=drain timeout="2m"
    ///     haproxy_server "shop/db-3" weight=10
    pub struct HaproxyServer: "haproxy_server" {
        /// The backend's name and the server's, `backend/server`.
        [title] pub name: String,
        /// `ready`; `drain`: no new sessions; or `maint`: none, and no checks.
        pub state: State = State::Ready,
        /// Its share beside those of the others, 0 to 256. Not given: it stays as it is.
        pub weight: Option<u32>,
        /// How long to wait until no session is left on it, or, with `ready`, until its checks find it up. Not given: it is not waited
        /// for.
        pub timeout: Option<Span>,
        /// HAProxy's socket, with `level admin`. Not given: `/run/haproxy/admin.sock`.
        pub socket: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if Name::parse(&desired.name).is_none() {
            let error = AttributeError::of_value("name", format!("{:?} is no `backend/server`", desired.name));
            errors.push(error.help("the two names as HAProxy's configuration has them, such as \"shop/db-1\""));
        }
        if desired.weight.is_some_and(|weight| weight > WEIGHT_MAX) {
            errors.push(AttributeError::of_value("weight", format!("is more than {WEIGHT_MAX}")));
        }
        if desired.timeout.as_ref().is_some_and(|timeout| timeout.0.is_zero()) {
            errors.push(AttributeError::new("timeout", "is 0").help("a second or more; leave it out where nothing is to be waited for"));
        }
        errors
    }
}

impl HaproxyServer {
    fn socket(&self) -> &str {
        self.socket.as_ref().map_or(SOCKET, AbsolutePath::as_str)
    }

    /// What has yet to come about by itself once everything is said; none where nothing is waited for.
    fn lack(&self, standing: &Standing) -> Option<Lack> {
        self.timeout.as_ref()?;
        match self.state {
            State::Ready => (!standing.is_up()).then(|| Lack::Check(standing.health())),
            State::Drain | State::Maint => (standing.sessions > 0).then_some(Lack::Sessions(standing.sessions)),
        }
    }
}

/// What has yet to come about.
enum Lack {
    /// Sessions have yet to end.
    Sessions(u64),
    /// Checks have yet to find the server up, and find it so.
    Check(&'static str),
}

impl Lack {
    fn change(&self, timeout: &Span) -> Change {
        match self {
            Lack::Sessions(left) => Change::run("sessions", format!("{left} left"), format!("none, up to {timeout}")),
            Lack::Check(found) => Change::run("check", *found, format!("up, up to {timeout}")),
        }
    }

    fn sentence(&self, name: &str) -> String {
        match self {
            Lack::Sessions(left) => format!("{left} sessions are left on {name}"),
            Lack::Check(found) => format!("the checks of {name} find it {found}"),
        }
    }
}

/// The type `haproxy_server`.
pub struct HaproxyServerType;

impl ResourceType for HaproxyServerType {
    type Host = Host;
    type Desired = HaproxyServer;
    type Observed = Standing;

    fn observe(&self, host: &Host, desired: &[&HaproxyServer]) -> Vec<Result<Standing, ObserveError>> {
        let mut sockets: BTreeMap<&str, Result<Servers, ObserveError>> = BTreeMap::new();
        let mut looks = Vec::with_capacity(desired.len());
        for desired in desired {
            let socket = desired.socket();
            looks.push(match sockets.entry(socket).or_insert_with(|| read(host, socket)) {
                Ok(servers) => find(servers, &desired.name, socket).cloned(),
                Err(error) => Err(error.clone()),
            });
        }
        looks
    }

    fn diff(&self, desired: &HaproxyServer, observed: &Standing) -> Vec<Change> {
        let mut changes = Vec::new();
        if desired.state != observed.state {
            changes.push(Change::update("state", observed.state.as_str(), desired.state.as_str()));
        }
        if let Some(weight) = desired.weight.filter(|weight| *weight != observed.weight) {
            changes.push(Change::update("weight", observed.weight.to_string(), weight.to_string()));
        }
        let waited_for = desired.lack(observed).zip(desired.timeout.as_ref());
        changes.extend(waited_for.map(|(lack, timeout)| lack.change(timeout)));
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if has("state") {
            say(host, desired, &format!("state {}", desired.state.as_str()))?;
        }
        if let Some(weight) = desired.weight.filter(|_| has("weight")) {
            say(host, desired, &format!("weight {weight}"))?;
        }
        desired.timeout.as_ref().map_or(Ok(()), |timeout| wait(host, desired, timeout))
    }

    fn warning(&self, desired: &HaproxyServer, observed: &Standing) -> Option<String> {
        let is_unexpected = desired.state == State::Ready && observed.state == State::Ready && observed.is_down();
        is_unexpected.then(|| format!("HAProxy finds {} down", desired.name))
    }

    fn footprint(&self, desired: &HaproxyServer) -> Footprint {
        let footprint = Footprint::default().need("unit:haproxy.service").need("path:/etc/haproxy/haproxy.cfg");
        footprint.write(format!("haproxy_server:{}:{}", desired.socket(), desired.name))
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let servers = match read(host, SOCKET) {
            Ok(servers) => servers,
            Err(ObserveError::NotYet(_)) if title.is_none() => return Ok(Some(Vec::new())),
            Err(error) => return Err(error.failure().clone()),
        };
        let described = servers.into_iter().map(|(name, standing)| {
            let mut attributes = Map::from_iter([("state".to_owned(), Value::from(standing.state.as_str()))]);
            if standing.weight != standing.first_weight {
                attributes.insert("weight".to_owned(), Value::Int(i64::from(standing.weight)));
            }
            Described { title: name.to_string(), attributes }
        });
        Ok(Some(described.filter(|described| title.is_none_or(|title| title == described.title)).collect()))
    }
}

fn read(host: &Host, socket: &str) -> Result<Servers, ObserveError> {
    Ok(servers::read(&host.ask_runtime(socket, STATES)?, &host.ask_runtime(socket, FIGURES)?)?)
}

/// A server among those that there are. One that is missing may come with a configuration that is yet to be loaded.
fn find<'s>(servers: &'s Servers, name: &str, socket: &str) -> Result<&'s Standing, ObserveError> {
    if let Some(standing) = Name::parse(name).and_then(|name| servers.get(&name)) {
        return Ok(standing);
    }
    let known: Vec<String> = servers.keys().map(Name::to_string).take(KNOWN_MAX).collect();
    let help = match known.as_slice() {
        [] => "it has no servers at all".to_owned(),
        known => format!("it has {}{}", known.join(", "), if servers.len() > KNOWN_MAX { " and others" } else { "" }),
    };
    Err(ObserveError::NotYet(Failure::new(format!("HAProxy on {socket} has no server {name}")).help(help)))
}

/// More names than these help nobody.
const KNOWN_MAX: usize = 8;

/// Says one thing of a server. HAProxy answers with nothing, or with what is wrong.
fn say(host: &Host, desired: &HaproxyServer, what: &str) -> Result<(), Failure> {
    let answer =
        host.ask_runtime(desired.socket(), &format!("set server {} {what}", desired.name)).map_err(|error| error.failure().clone())?;
    match answer.trim() {
        "" => Ok(()),
        wrong => Err(Failure::new(format!("HAProxy refuses `set server {} {what}`: {wrong}", desired.name))),
    }
}

/// Waits until what was said has come about.
fn wait(host: &Host, desired: &HaproxyServer, timeout: &Span) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let servers = read(host, desired.socket()).map_err(|error| error.failure().clone())?;
        let standing = find(&servers, &desired.name, desired.socket()).map_err(|error| error.failure().clone())?;
        let Some(lack) = desired.lack(standing) else { return Ok(()) };
        let left = timeout.0.saturating_sub(began.elapsed());
        if left.is_zero() || !pause(INTERVAL.min(left)) {
            let failure = Failure::new(format!("after {timeout} {}", lack.sentence(&desired.name)));
            return Err(failure.help(format!("its state is {} all the same", desired.state)));
        }
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;

    use super::scratch_balancer::Balancer;
    use super::*;
    use crate::trial::Trial;

    /// A host with a balancer that has `web/a` and `web/b`.
    fn trial() -> (Trial, Balancer) {
        let trial = Trial::new();
        let balancer = Balancer::lend_to(&trial.host);
        (trial, balancer)
    }

    #[test]
    fn a_server_is_drained_and_comes_back() {
        let (trial, balancer) = trial();
        let state = |word: &'static str| vec![("state", Value::from(word))];
        assert_eq!(trial.converge(&HaproxyServerType, "web/a", &state("drain")).unwrap(), ["~ state: ready -> drain"]);
        assert_eq!(trial.converge(&HaproxyServerType, "web/a", &state("maint")).unwrap(), ["~ state: drain -> maint"]);
        assert_eq!(trial.converge(&HaproxyServerType, "web/a", &[]).unwrap(), ["~ state: maint -> ready"]);
        assert_eq!(trial.converge(&HaproxyServerType, "web/b", &[("weight", Value::Int(7))]).unwrap(), ["~ weight: 1 -> 7"]);
        let said = balancer.told();
        assert_eq!(said, ["web/a state drain", "web/a state maint", "web/a state ready", "web/b weight 7"]);
    }

    #[test]
    fn a_hundred_servers_are_one_look() {
        let (trial, balancer) = trial();
        let desired = HaproxyServer::from_attributes("web/a", &Map::new()).unwrap();
        let looks = HaproxyServerType.observe(&trial.host, &vec![&desired; 100]);
        assert!(looks.iter().all(Result::is_ok));
        assert_eq!(balancer.asked(), 2, "one question for how they stand, one for their figures");
    }

    #[test]
    fn what_is_waited_for_is_said_and_fails_in_the_end() {
        let (trial, balancer) = trial();
        let drained = [("state", Value::from("drain")), ("timeout", Value::Int(1))];
        balancer.keep_sessions("web/a", 3);
        assert_eq!(
            trial.plan(&HaproxyServerType, "web/a", &drained).unwrap(),
            ["~ state: ready -> drain", "! sessions: 3 left -> none, up to 1s"]
        );
        let error = trial.converge(&HaproxyServerType, "web/a", &drained).unwrap_err();
        assert_eq!(error, "after 1s 3 sessions are left on web/a");
        assert_eq!(trial.plan(&HaproxyServerType, "web/a", &drained).unwrap(), ["! sessions: 3 left -> none, up to 1s"]);
        balancer.keep_sessions("web/a", 0);
        assert_eq!(trial.plan(&HaproxyServerType, "web/a", &drained).unwrap(), [""; 0]);
    }

    #[test]
    fn a_server_that_checks_find_down_is_warned_of() {
        let (trial, balancer) = trial();
        balancer.find_down("web/b");
        let warning = |attributes: &[(&str, Value)]| {
            let map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let desired = HaproxyServer::from_attributes("web/b", &map).unwrap();
            let observed = HaproxyServerType.observe(&trial.host, &[&desired]).remove(0).unwrap();
            HaproxyServerType.warning(&desired, &observed)
        };
        assert_eq!(warning(&[]).as_deref(), Some("HAProxy finds web/b down"));
        assert_eq!(warning(&[("state", Value::from("maint"))]), None);
        let up = [("timeout", Value::Int(1))];
        assert_eq!(trial.plan(&HaproxyServerType, "web/b", &up).unwrap(), ["! check: down -> up, up to 1s"]);
    }

    #[test]
    fn what_is_not_there_may_come_and_what_is_refused_says_why() {
        let (trial, _balancer) = trial();
        let error = trial.plan(&HaproxyServerType, "web/c", &[]).unwrap_err();
        assert_eq!(error, format!("HAProxy on {SOCKET} has no server web/c"));
        let error = trial.converge(&HaproxyServerType, "web/b", &[("weight", Value::Int(256))]).unwrap_err();
        assert!(error.starts_with("HAProxy refuses `set server web/b weight 256`: Backend is using a static"), "{error}");
        let desired = HaproxyServer::from_attributes("web/a", &Map::new()).unwrap();
        let nobody = HaproxyServerType.observe(&Trial::new().host, &[&desired]).remove(0);
        assert!(matches!(nobody, Err(ObserveError::NotYet(_))));
    }

    #[test]
    fn titles_and_numbers_are_checked() {
        assert!(Trial::refuses::<HaproxyServerType>("web", &[]).contains("is no `backend/server`"));
        assert!(Trial::refuses::<HaproxyServerType>("web/a;x", &[]).contains("is no `backend/server`"));
        assert!(Trial::refuses::<HaproxyServerType>("web/a", &[("weight", Value::Int(257))]).contains("more than 256"));
        assert!(Trial::refuses::<HaproxyServerType>("web/a", &[("timeout", Value::Int(0))]).contains("is 0"));
    }
}
