//! `galera_cluster`: this host's place in a Galera cluster of MariaDB.
//!
//! Every member says how it is on a port of its own, whether MariaDB runs there or not (`members.rs`, `report.rs`). What a
//! member does next follows from what all of them say (`decide.rs`): pure, and any doubt is a refusal. `acts.rs` does it.
//! What a change of its settings takes, the server itself says (`settings.rs`).

mod acts;
mod decide;
mod members;
mod report;
mod settings;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use keel_engine::attributes::{AttributeError, Span};
use keel_engine::catalog::Effect;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Disruption, Failure, Nature, ObserveError, PlannedRefresh, Refreshed, ResourceType, Work};

use crate::host::Host;
use crate::host::attend::pause;
use crate::host::statement::Statement;
use crate::mysql::SERVER;
use crate::mysql::variable_value::{QUERY, Variable};
use acts::{Acts, UNIT};
use decide::{Quorum, Reports, Step, Turn};
use report::Process;
use settings::{Class, Difference};

/// How long to wait between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

keel_engine::attributes! {
    /// This host's membership in a Galera cluster. The module `galera` declares it with all that it needs.
    ///
    /// A cluster that never was is begun once, by its first member, when all members answer and none knows of one; which
    /// cluster it is, is written down outside of the data. The others join one at a time. After a full stop the member
    /// begins whose data goes furthest, once *all* members have told how far theirs goes. In any doubt (one does not
    /// answer, data of different clusters, marks that contradict each other) nothing is started, and the report says why.
    /// A start that begins a cluster leaves nothing behind that could make another one do so.
    ///
    /// A notification brings a changed file of settings into effect. What can change while the server runs is set. Anything
    /// else restarts MariaDB here, and only while all other members answer and are synced: one at a time, also where all
    /// agents run at once.
    ///
    ///     galera_cluster shop member=db-1 {
    ///         members {
    ///             db-1 "10.0.0.1"
    ///             db-2 "10.0.0.2"
    ///             db-3 "10.0.0.3"
    ///         }
    ///     }
    pub struct GaleraCluster: "galera_cluster" {
        /// The cluster's name.
        [title] pub name: String,
        /// All members and their addresses.
        pub members: IndexMap<String, String>,
        /// Which of them this host is.
        pub member: String,
        /// Settings of the server, as its file has them.
        pub settings: IndexMap<String, String>,
        /// Options of Galera itself, as the file has them.
        pub provider_options: IndexMap<String, String>,
        /// The port on which members say how they are.
        pub report_port: u32 = 4569,
        /// How long the cluster may take until this member is in it, copying of data included.
        [how] pub timeout: Span = Span(Duration::from_secs(600)),
    }
    check |desired| {
        let mut errors = Vec::new();
        if !desired.members.contains_key(&desired.member) {
            errors.push(AttributeError::of_value("member", format!("{} is none of the members", desired.member)));
        }
        let is_odd = |text: &str| text.is_empty() || text.contains(|char: char| char.is_whitespace() || char.is_control());
        if let Some((name, address)) = desired.members.iter().find(|(name, address)| is_odd(name) || is_odd(address)) {
            errors.push(AttributeError::of_value("members", format!("{name:?} at {address:?} is no member with an address")));
        }
        let mut addresses: Vec<&String> = desired.members.values().collect();
        addresses.sort();
        if addresses.windows(2).any(|pair| pair[0] == pair[1]) {
            errors.push(AttributeError::of_value("members", "two members have the same address"));
        }
        if !(1..=65535).contains(&desired.report_port) {
            errors.push(AttributeError::of_value("report_port", format!("{} is no port", desired.report_port)));
        }
        errors
    }
}

impl GaleraCluster {
    fn ask(&self) -> Reports {
        members::ask(&self.members, u16::try_from(self.report_port).unwrap_or_default())
    }

    fn acts<'h>(&self, host: &'h Host) -> Acts<'h> {
        Acts { host, limit: self.timeout.0 }
    }
}

/// What was found of this member.
#[derive(Debug)]
pub struct Observed {
    step: Step,
    state: &'static str,
    runs: bool,
    /// The settings that it runs without.
    differing: Vec<Difference>,
}

/// The type `galera_cluster`.
pub struct GaleraClusterType;

impl ResourceType for GaleraClusterType {
    type Host = Host;
    type Desired = GaleraCluster;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&GaleraCluster]) -> Vec<Result<Observed, ObserveError>> {
        desired.iter().map(|desired| observe(host, desired)).collect()
    }

    fn diff(&self, _desired: &GaleraCluster, observed: &Observed) -> Vec<Change> {
        let member = |after: String| vec![Change::update("member", observed.state, after)];
        match &observed.step {
            Step::Settled | Step::Refuse(_) => Vec::new(),
            Step::Record(uuid) => vec![Change::create("identity", uuid.as_str())],
            Step::ClearFlag => vec![Change::delete("bootstrap_flag", "set")],
            Step::Bootstrap => member("synced, as the first of a new cluster".to_owned()),
            Step::Recover(position) => member(format!("synced, as the first after a full stop, from seqno {}", position.seqno)),
            Step::Measure => member("synced, once it is known how far its data goes".to_owned()),
            Step::Wait(why) => member(format!("synced, later: {why}")),
            Step::StopAlone | Step::Join => member("synced".to_owned()),
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let acts = work.desired.acts(host);
        let settled = settle(work.desired, &acts);
        acts.give_back()?;
        settled
    }

    fn nature(&self) -> Nature {
        Nature { refreshable: true, ..Nature::default() }
    }

    fn plan_refresh(&self, _desired: &GaleraCluster, observed: &Observed, _effect: Effect, made: &[Change]) -> PlannedRefresh {
        if made.iter().any(|change| change.attribute == "member") {
            return PlannedRefresh::NotNeeded("this run starts it");
        }
        if !observed.runs {
            return PlannedRefresh::NotNeeded("it does not run");
        }
        PlannedRefresh::Due(match settings::class(&observed.differing) {
            Class::Now => "set what differs",
            Class::Restart => "restart, while all others are synced",
        })
    }

    fn refresh(&self, host: &Host, desired: &GaleraCluster, _effect: Effect, made: &[Change]) -> Result<Refreshed, Failure> {
        if made.iter().any(|change| change.attribute == "member") {
            return Ok(Refreshed::NotNeeded("this run starts it"));
        }
        let differing = differing(host, desired).map_err(|error| error.failure().clone())?;
        if settings::class(&differing) == Class::Now {
            let sql = host.sql(None).map_err(|error| error.failure().clone())?;
            differing.iter().try_for_each(|difference| sql.run(&difference.statement()))?;
            return Ok(Refreshed::Done("set while it runs"));
        }
        let acts = desired.acts(host);
        let restarted = restart(desired, &acts);
        acts.give_back()?;
        restarted.map(|()| Refreshed::Done("restarted"))
    }

    fn warning(&self, desired: &GaleraCluster, observed: &Observed) -> Option<String> {
        let names: Vec<&str> = observed.differing.iter().map(|difference| difference.name.as_str()).collect();
        (!names.is_empty())
            .then(|| format!("member {} of {} runs without what its file says of {}", desired.member, desired.name, names.join(", ")))
    }

    fn disruption(&self, _changes: &[Change], refresh: Option<Effect>) -> Option<Disruption> {
        refresh.map(|_| Disruption::Restart)
    }

    fn footprint(&self, desired: &GaleraCluster) -> Footprint {
        let report = Footprint::default().need("unit:galera-report.socket").need(format!("unit-file:{UNIT}"));
        report.own(format!("galera:{}", desired.name)).provide(SERVER).write("galera:member")
    }
}

fn observe(host: &Host, desired: &GaleraCluster) -> Result<Observed, ObserveError> {
    if !host.is_machine() {
        let failure = Failure::new(format!("a member of a cluster cannot be looked at below {}", host.root().display()));
        return Err(failure.help("run keel on the machine itself").into());
    }
    let reports = desired.ask();
    let report = match reports.get(&desired.member) {
        Some(Ok(report)) => report,
        Some(Err(why)) => {
            let failure = Failure::new(format!("this member does not say how it is: {why}"));
            return Err(ObserveError::NotYet(failure.help("galera-report.socket has to run, and the address has to be this host's")));
        }
        None => return Err(Failure::new(format!("{} is none of the members", desired.member)).into()),
    };
    let step = decide::next(&desired.member, &reports);
    if let Step::Refuse(why) = step {
        return Err(refused(&why).into());
    }
    let differing = if report.is_synced() { differing(host, desired)? } else { Vec::new() };
    Ok(Observed { step, state: report.state(), runs: report.process == Process::Running, differing })
}

/// The settings that the server here runs without.
fn differing(host: &Host, desired: &GaleraCluster) -> Result<Vec<Difference>, ObserveError> {
    let rows = host.sql(None)?.rows(&Statement::new(QUERY))?;
    let variables: BTreeMap<String, Variable> = rows.iter().map(Variable::read).map(|variable| (variable.name.clone(), variable)).collect();
    let running = variables.get("wsrep_provider_options").and_then(|options| options.value.clone()).unwrap_or_default();
    let mut found = settings::of_server(&desired.settings, &variables);
    found.extend(settings::of_provider(&desired.provider_options, &running));
    Ok(found)
}

fn refused(why: &str) -> Failure {
    Failure::new(why).help("nothing was started; what each member says of itself is what its port for reports prints")
}

/// Does one step after the other until this member is where it belongs.
fn settle(desired: &GaleraCluster, acts: &Acts<'_>) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let reports = desired.ask();
        let why = match decide::next(&desired.member, &reports) {
            Step::Settled => return Ok(()),
            Step::Refuse(why) => return Err(refused(&why)),
            Step::Wait(why) => Some(why),
            Step::Record(uuid) => acts.record(&uuid).map(|()| None)?,
            Step::ClearFlag => acts.clear_flag().map(|()| None)?,
            Step::StopAlone => acts.stop().map(|()| None)?,
            Step::Measure => acts.measure().map(|()| None)?,
            Step::Bootstrap => acts.begin(None).map(|()| None)?,
            Step::Recover(position) => acts.begin(Some(&position)).map(|()| None)?,
            Step::Join => match decide::turn(&desired.member, &reports, Quorum::Answering) {
                Turn::Say(claim) => acts.say(claim).map(|()| None)?,
                Turn::Have => acts.start().map(|()| None)?,
                Turn::Wait(why) => Some(why),
            },
        };
        if let Some(why) = why {
            wait(desired, began, "this member is not in the cluster", &why)?;
        }
    }
}

/// Restarts the server once it is this member's turn and all others are well, and waits until it is back.
fn restart(desired: &GaleraCluster, acts: &Acts<'_>) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let reports = desired.ask();
        let why = match decide::may_not_stop(&desired.member, &reports) {
            // Who is not well may wish for the turn to join, and comes first.
            Some(why) => acts.give_back().map(|()| Some(why))?,
            None => match decide::turn(&desired.member, &reports, Quorum::All) {
                Turn::Say(claim) => acts.say(claim).map(|()| None)?,
                Turn::Have => break,
                Turn::Wait(why) => Some(why),
            },
        };
        if let Some(why) = why {
            wait(desired, began, "it is not restarted", &why)?;
        }
    }
    acts.restart()?;
    settle(desired, acts)?;
    loop {
        match decide::may_not_stop(&desired.member, &desired.ask()) {
            None => return Ok(()),
            Some(why) => wait(desired, began, "it was restarted, and the cluster is not whole again", &why)?,
        }
    }
}

/// Waits a moment, unless the time is up.
fn wait(desired: &GaleraCluster, began: Instant, what: &str, why: &str) -> Result<(), Failure> {
    let left = desired.timeout.0.saturating_sub(began.elapsed());
    if !left.is_zero() && pause(INTERVAL.min(left)) {
        return Ok(());
    }
    Err(Failure::new(format!("after {} {what}: {why}", desired.timeout)).help("the next run goes on with it"))
}

#[cfg(test)]
mod tests {
    use keel_engine::value::{Map, Value};

    use super::*;
    use crate::trial::Trial;

    fn members(entries: &[(&str, &str)]) -> Value {
        Value::Map(entries.iter().map(|(name, address)| ((*name).to_owned(), Value::from(*address))).collect::<Map>())
    }

    #[test]
    fn members_are_checked() {
        let three = members(&[("n1", "10.0.0.1"), ("n2", "10.0.0.2")]);
        for (attributes, wrong) in [
            (vec![("members", three.clone()), ("member", Value::from("n9"))], "n9 is none of the members"),
            (vec![("members", members(&[("n1", "10.0.0.1"), ("n2", "10.0.0.1")])), ("member", Value::from("n1"))], "the same address"),
            (vec![("members", members(&[("n1", "")])), ("member", Value::from("n1"))], "no member with an address"),
            (vec![("members", three.clone()), ("member", Value::from("n1")), ("report_port", Value::Int(0))], "is no port"),
            (vec![("members", three)], "member"),
        ] {
            let said = Trial::refuses::<GaleraClusterType>("shop", &attributes);
            assert!(said.contains(wrong), "{said}");
        }
    }

    #[test]
    fn a_plan_says_what_comes_first() {
        let changes = |step: Step| {
            let observed = Observed { step, state: "stopped", runs: false, differing: Vec::new() };
            let attributes = [("members", members(&[("n1", "10.0.0.1")])), ("member", Value::from("n1"))];
            let map = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let desired = <GaleraCluster as keel_engine::attributes::Attributes>::from_attributes("shop", &map).unwrap();
            GaleraClusterType
                .diff(&desired, &observed)
                .iter()
                .map(|change| format!("{}: {} -> {}", change.attribute, change.before.summary(), change.after.summary()))
                .collect::<Vec<_>>()
        };
        assert_eq!(changes(Step::Settled), [""; 0]);
        assert_eq!(changes(Step::Bootstrap), ["member: stopped -> synced, as the first of a new cluster"]);
        assert_eq!(changes(Step::Wait("n1 begins the cluster".to_owned())), ["member: stopped -> synced, later: n1 begins the cluster"]);
        assert_eq!(changes(Step::ClearFlag), ["bootstrap_flag: set -> absent"]);
    }
}
