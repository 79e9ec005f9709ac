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

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use keel_engine::attributes::{AttributeError, Span};
use keel_engine::catalog::Effect;
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Disruption, Failure, Nature, ObserveError, PlannedRefresh, Refreshed, ResourceType, Work};
use keel_engine::text::Text;

use crate::host::Host;
use crate::host::attend::pause;
use crate::host::statement::Statement;
use crate::mysql::SERVER;
use crate::mysql::variable_value::{QUERY, Variable};
use acts::{Acts, STARTED, UNIT};
use decide::{Quorum, Reports, Step, Turn};
use report::{ALONE_WITH_DATABASES, Process};
use settings::{Owing, Remedy, Running};

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
    /// A notification with `effect=reload` brings a changed file of settings into effect. Where it is enough to set what can
    /// change while the server runs, that is done; anything else in the file that the server did not start with restarts
    /// MariaDB here, as a notification without `effect` always does. That happens only while all other members answer and
    /// are synced: one at a time, also where all agents run at once.
    ///
    ///     galera_cluster shop member=db-1 {
    ///         members {
    ///             db-1 "10.0.0.1"
    ///             db-2 "10.0.0.2"
    ///             db-3 "10.0.0.3"
    ///         }
    ///         content "[mysqld]\nwsrep_on = ON\nwsrep_cluster_name = shop\nwsrep_cluster_address = gcomm://10.0.0.1,10.0.0.2,10.0.0.3\n"
    ///     }
    pub struct GaleraCluster: "galera_cluster" {
        /// The cluster's name.
        [title] pub name: String,
        /// All members and their addresses.
        pub members: IndexMap<String, String>,
        /// Which of them this host is.
        pub member: String,
        /// The text of its file of settings, `/etc/mysql/mariadb.conf.d/70-galera.cnf`, which another resource writes.
        pub content: Text,
        /// Which settings in it are set while the server runs, where that can be done.
        pub settings: IndexMap<String, String>,
        /// Likewise the options of Galera itself.
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
    /// Where it runs without what its file says; none where it cannot be asked now.
    owing: Option<Owing>,
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

    fn plan_refresh(&self, _desired: &GaleraCluster, observed: &Observed, effect: Effect, made: &[Change]) -> PlannedRefresh {
        if is_started_by(made) {
            return PlannedRefresh::NotNeeded("this run starts it");
        }
        if !observed.runs {
            return PlannedRefresh::NotNeeded("it does not run");
        }
        match (effect, observed.owing.as_ref().map(Owing::remedy)) {
            (Effect::Reload, Some(Remedy::Nothing)) => PlannedRefresh::NotNeeded("it runs with what its file says"),
            (Effect::Reload, Some(Remedy::Set)) => PlannedRefresh::Due("set what differs"),
            (Effect::Reload, None) => PlannedRefresh::Due("set what differs, or restart where that is not enough"),
            (Effect::Reload, Some(Remedy::Restart)) | (Effect::Restart, _) => PlannedRefresh::Due("restart, while all others are synced"),
        }
    }

    fn refresh(&self, host: &Host, desired: &GaleraCluster, effect: Effect, made: &[Change]) -> Result<Refreshed, Failure> {
        if is_started_by(made) {
            return Ok(Refreshed::NotNeeded("this run starts it"));
        }
        if effect == Effect::Reload {
            let owing = owing(host, desired).map_err(|error| error.failure().clone())?;
            match owing.remedy() {
                Remedy::Nothing => return Ok(Refreshed::NotNeeded("it runs with what its file says")),
                Remedy::Set => {
                    let sql = host.sql(None).map_err(|error| error.failure().clone())?;
                    owing.set.iter().try_for_each(|difference| sql.run(&difference.statement()))?;
                    return Ok(Refreshed::Done("set while it runs"));
                }
                Remedy::Restart => {}
            }
        }
        let acts = desired.acts(host);
        let restarted = restart(desired, &acts);
        acts.give_back()?;
        restarted.map(|()| Refreshed::Done("restarted"))
    }

    fn warning(&self, desired: &GaleraCluster, observed: &Observed) -> Option<String> {
        let names: Vec<&str> = observed.owing.as_ref()?.names().into_iter().collect();
        (!names.is_empty())
            .then(|| format!("member {} of {} runs without what its file says of {}", desired.member, desired.name, names.join(", ")))
    }

    fn disruption(&self, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption> {
        let stops = |change: &Change| change.attribute == "member" && change.before == Shown::from(ALONE_WITH_DATABASES);
        refresh.map(|_| Disruption::Restart).or(changes.iter().any(stops).then_some(Disruption::Stop))
    }

    /// Nobody notices what is set while the server runs.
    fn disrupts(
        &self,
        host: &Host,
        desired: &GaleraCluster,
        changes: &[Change],
        refresh: Option<Effect>,
    ) -> Result<Option<Disruption>, Failure> {
        let is_noticed = || refresh != Some(Effect::Reload) || owing(host, desired).map_or(true, |owing| owing.remedy() == Remedy::Restart);
        Ok(self.disruption(changes, refresh).filter(|_| is_noticed()))
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
    let owing = report.is_synced().then(|| owing(host, desired)).transpose()?;
    Ok(Observed { step, state: report.state(), runs: report.process != Process::Stopped, owing })
}

/// Whether the server started after everything that notifies this member: it did not run when it was looked at last,
/// which was behind all of that. One that was about to join, or another one copied from it, may have read an older file.
fn is_started_by(made: &[Change]) -> bool {
    let was_down = |change: &Change| ["stopped", "alone", ALONE_WITH_DATABASES].map(Shown::from).contains(&change.before);
    made.iter().any(|change| change.attribute == "member" && was_down(change))
}

/// Where the server here runs without what its file says.
fn owing(host: &Host, desired: &GaleraCluster) -> Result<Owing, ObserveError> {
    let rows = host.sql(None)?.rows(&Statement::new(QUERY))?;
    let variables = rows.iter().map(Variable::read).map(|variable| (variable.name.clone(), variable)).collect();
    let content = desired.content.bytes(host.contents()).map_err(Failure::new)?;
    let started = host.read_text(STARTED)?;
    let running = Running { variables };
    Ok(Owing::find(&desired.settings, &desired.provider_options, &String::from_utf8_lossy(&content), started.as_deref(), &running))
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
            Step::Recover(_) => acts.begin(datadir(desired, &reports)).map(|()| None)?,
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

/// Where this member's data is.
fn datadir<'r>(desired: &GaleraCluster, reports: &'r Reports) -> Option<&'r str> {
    Some(reports.get(&desired.member)?.as_ref().ok()?.datadir.as_str())
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

    fn declared() -> GaleraCluster {
        let attributes =
            [("members", members(&[("n1", "10.0.0.1")])), ("member", Value::from("n1")), ("content", Value::from("[mysqld]\n"))];
        let map = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        <GaleraCluster as keel_engine::attributes::Attributes>::from_attributes("shop", &map).unwrap()
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
            let attributes = [attributes, vec![("content", Value::from(""))]].concat();
            let said = Trial::refuses::<GaleraClusterType>("shop", &attributes);
            assert!(said.contains(wrong), "{said}");
        }
    }

    #[test]
    fn a_plan_says_what_comes_first() {
        let changes = |step: Step| {
            let observed = Observed { step, state: "stopped", runs: false, owing: None };
            GaleraClusterType
                .diff(&declared(), &observed)
                .iter()
                .map(|change| format!("{}: {} -> {}", change.attribute, change.before.summary(), change.after.summary()))
                .collect::<Vec<_>>()
        };
        assert_eq!(changes(Step::Settled), [""; 0]);
        assert_eq!(changes(Step::Bootstrap), ["member: stopped -> synced, as the first of a new cluster"]);
        assert_eq!(changes(Step::Wait("n1 begins the cluster".to_owned())), ["member: stopped -> synced, later: n1 begins the cluster"]);
        assert_eq!(changes(Step::ClearFlag), ["bootstrap_flag: set -> absent"]);
    }

    #[test]
    fn who_ran_when_its_settings_changed_is_owed_their_effect_also_where_it_was_not_synced() {
        let observed = |state, owing| Observed { step: Step::Settled, state, runs: state != "stopped", owing };
        let planned = |effect, observed: &Observed, was: Option<&str>| {
            let made: Vec<Change> = was.map(|was| Change::update("member", was, "synced")).into_iter().collect();
            GaleraClusterType.plan_refresh(&declared(), observed, effect, &made)
        };
        let late = Owing { restart: ["bind_address".to_owned()].into(), ..Owing::default() };
        let (well, late) = (observed("synced", Some(Owing::default())), observed("synced", Some(late)));
        let restart = PlannedRefresh::Due("restart, while all others are synced");
        for was in ["stopped", "alone", ALONE_WITH_DATABASES] {
            assert_eq!(planned(Effect::Reload, &late, Some(was)), PlannedRefresh::NotNeeded("this run starts it"));
        }
        for was in ["joining", "a donor", "starting or stopping", "cut off", "not answering"] {
            assert_eq!(planned(Effect::Reload, &late, Some(was)), restart, "{was}");
        }
        assert_eq!(planned(Effect::Reload, &late, None), restart);
        assert_eq!(planned(Effect::Reload, &well, None), PlannedRefresh::NotNeeded("it runs with what its file says"));
        assert_eq!(planned(Effect::Restart, &well, None), restart);
        for state in ["a donor", "starting or stopping"] {
            assert!(matches!(planned(Effect::Reload, &observed(state, None), None), PlannedRefresh::Due(_)), "{state}");
        }
        assert_eq!(planned(Effect::Reload, &observed("stopped", None), None), PlannedRefresh::NotNeeded("it does not run"));
        assert!(GaleraClusterType.warning(&declared(), &late).is_some_and(|said| said.ends_with("its file says of bind_address")));
        assert_eq!(GaleraClusterType.warning(&declared(), &well), None);
    }

    #[test]
    fn a_server_that_serves_alone_is_stopped_under_its_guard_and_an_empty_one_is_not() {
        let stops = |before: &str| GaleraClusterType.disruption(&[Change::update("member", before, "synced")], None);
        assert_eq!(stops(ALONE_WITH_DATABASES), Some(Disruption::Stop));
        for before in ["alone", "stopped", "a donor"] {
            assert_eq!(stops(before), None, "{before}");
        }
    }
}
