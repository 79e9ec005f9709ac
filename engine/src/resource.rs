//! The contract of a resource type: observe, diff, apply.
//!
//! A type implements [`ResourceType`] on its own typed values. The engine only ever sees the erased
//! form, [`AnyType`] and [`Group`]: all resources of one type in one run, addressed by position. Types of
//! one family, such as those of a cluster's configuration, make one group together.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::attributes::{AttributeError, Attributes};
use crate::catalog::{Effect, Resource};
use crate::change::Change;
use crate::footprint::{Footprint, Key};
use crate::schema::TypeSchema;
use crate::value::Map;

/// Why something could not be observed or applied, for people: one sentence, then what to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, with the path, command or name it went wrong with.
    pub message: String,
    /// What to try next, if there is anything to say.
    pub help: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The same failure with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a resource was not observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObserveError {
    /// It cannot be told before something else is there (a package's program, a user, a folder).
    /// In a plan, where that something would still come, the resource is *unknown*; otherwise this
    /// is a failure like any other.
    NotYet(Failure),
    /// It cannot be told.
    Failed(Failure),
}

impl From<Failure> for ObserveError {
    fn from(failure: Failure) -> Self {
        ObserveError::Failed(failure)
    }
}

impl ObserveError {
    /// The failure behind it.
    pub fn failure(&self) -> &Failure {
        match self {
            ObserveError::NotYet(failure) | ObserveError::Failed(failure) => failure,
        }
    }
}

/// How much a plan can rely on an observation while earlier resources still have changes to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reliance {
    /// The result of the diff is the same whatever upstream does.
    Firm,
    /// A package, a command or another opaque resource upstream may still bring or alter it.
    UntilOpaque,
    /// Any change upstream may alter it (a command with a guard).
    UntilAny,
}

/// What a refresh came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It was done, and the text says what: `restarted`.
    Done(&'static str),
    /// There was nothing to do: a stopped service, one that this run started.
    NotNeeded(&'static str),
}

/// What a refresh would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedRefresh {
    /// It is to be done, and the text says what: `restart`.
    Due(&'static str),
    /// The same, but guards have the last word once its time has come: [`ResourceType::guards_let`].
    Guarded(&'static str),
    /// There is nothing to do, and why.
    NotNeeded(&'static str),
    /// It cannot be done on this host as it is, and why: it stays owed to a later run.
    Later(&'static str),
}

/// What others notice of a change or a refresh while it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Disruption {
    /// A service starts anew.
    Restart,
    /// A service stops.
    Stop,
    /// Software is installed, replaced or removed; its own scripts may restart what it belongs to.
    Software,
}

impl Disruption {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Disruption::Restart => "restarts",
            Disruption::Stop => "stops",
            Disruption::Software => "software changes",
        }
    }
}

/// Facts about a type that the walk needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nature {
    /// Only one resource of the type is applied at a time (one apt).
    pub serial: bool,
    /// Ready resources of the type are applied together, with those behind them.
    pub batch: bool,
    /// Ready resources of the type are applied some at a time, which share what each would cost (the
    /// sync of a folder); several such lots at once.
    pub lots: bool,
    /// An apply may bring things that no footprint tells of (packages, commands, archives).
    pub opaque: bool,
    /// A refresh means something to it.
    pub refreshable: bool,
    /// All that it decides is in files, below whatever root and by its attributes alone: it can be tried in a
    /// scratch folder.
    pub file_level: bool,
    /// It is of a whole cluster: all members declare the same, and one of them acts.
    pub of_cluster: bool,
}

/// A thing on the host in the words of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Its title.
    pub title: String,
    /// The attributes that would keep it as it is.
    pub attributes: Map,
}

/// A thing on the host that no manifest can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaid {
    /// Its file, or its name.
    pub what: String,
    /// Why not.
    pub why: &'static str,
}

/// What a look for things of a host came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// What was found.
    pub things: Vec<Described>,
    /// What could not be looked at, or has no place in a manifest, each with the reason.
    pub left: Vec<String>,
}

impl From<Vec<Described>> for Listed {
    fn from(things: Vec<Described>) -> Self {
        Self { things, left: Vec::new() }
    }
}

/// Lists things of a host.
pub type Listing<H> = fn(&H) -> Result<Listed, Failure>;

/// What one apply is given.
pub struct Work<'a, T: ResourceType> {
    /// What shall be.
    pub desired: &'a T::Desired,
    /// What was observed just before.
    pub observed: &'a T::Observed,
    /// Exactly what is to be changed.
    pub changes: &'a [Change],
}

/// The contract. Three operations are required; the rest has defaults.
///
/// `observe` reads and never writes. `diff` is pure. `apply` makes exactly the given changes.
pub trait ResourceType: Sized + Send + Sync + 'static {
    /// The door to the host; the engine only passes it through.
    type Host: ?Sized + Sync;
    /// The typed attributes.
    type Desired: Attributes + Send + Sync;
    /// What was found on the host.
    type Observed: fmt::Debug + Send + Sync;

    /// Looks at all given resources at once; one result each, in the same order.
    fn observe(&self, host: &Self::Host, desired: &[&Self::Desired]) -> Vec<Result<Self::Observed, ObserveError>>;

    /// What has to change. Empty when all is well.
    fn diff(&self, desired: &Self::Desired, observed: &Self::Observed) -> Vec<Change>;

    /// Makes the changes.
    ///
    /// # Errors
    /// Says why a change could not be made; what was made before it stays made.
    fn apply(&self, host: &Self::Host, work: &Work<'_, Self>) -> Result<(), Failure>;

    /// Makes the changes of several resources together; called only where [`Nature::batch`] or
    /// [`Nature::lots`] says so.
    fn apply_batch(&self, host: &Self::Host, works: &[Work<'_, Self>]) -> Vec<Result<(), Failure>> {
        works.iter().map(|work| self.apply(host, work)).collect()
    }

    /// What it touches.
    fn footprint(&self, _desired: &Self::Desired) -> Footprint {
        Footprint::default()
    }

    /// What the walk has to know of the type.
    fn nature(&self) -> Nature {
        Nature::default()
    }

    /// The file in which it is a line of a table: one that says the same whatever order its lines have.
    fn table(&self, _desired: &Self::Desired) -> Option<String> {
        None
    }

    /// Whether the changes found can be relied on while upstream is still to change.
    fn reliance(&self, _desired: &Self::Desired, _observed: &Self::Observed) -> Reliance {
        Reliance::Firm
    }

    /// Does what a notified resource of the type does. `made` are the changes that this run has
    /// just made to it: a service that was started needs no restart.
    ///
    /// # Errors
    /// Says why the refresh failed; it stays owed.
    fn refresh(&self, _host: &Self::Host, _desired: &Self::Desired, _effect: Effect, _made: &[Change]) -> Result<Refreshed, Failure> {
        Ok(Refreshed::NotNeeded("the type has no refresh"))
    }

    /// What a refresh would come to, judged on what was observed; pure. A plan prints it, and a run
    /// calls [`ResourceType::refresh`] only where it is due or guarded. `made` are the changes that this
    /// run makes to the resource before the refresh.
    fn plan_refresh(&self, _desired: &Self::Desired, _observed: &Self::Observed, effect: Effect, _made: &[Change]) -> PlannedRefresh {
        PlannedRefresh::Due(match effect {
            Effect::Reload => "reload",
            Effect::Restart => "restart",
        })
    }

    /// Whether the guards of a [`PlannedRefresh::Guarded`] refresh let it be done now; read-only. Plans
    /// ask, where nothing upstream would still change the answer; a refresh asks for itself.
    ///
    /// # Errors
    /// A guard that cannot be asked.
    fn guards_let(&self, _host: &Self::Host, _desired: &Self::Desired) -> Result<bool, Failure> {
        Ok(true)
    }

    /// What of the type is on the host: everything, or the things of one title. A manifest of it plans
    /// to nothing. None where the type cannot tell.
    ///
    /// # Errors
    /// What kept it from being read.
    fn describe(&self, _host: &Self::Host, _title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        Ok(None)
    }

    /// What there is of the type that [`ResourceType::describe`] leaves out, so that nobody takes its list for
    /// complete. `described` is that list.
    ///
    /// # Errors
    /// As there.
    fn unsaid(&self, _host: &Self::Host, _described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        Ok(Vec::new())
    }

    /// What has to be named to [`ResourceType::describe`] where the host has no list of such things, as people
    /// write it. None where nothing but a list is of use.
    fn asked_by(&self) -> Option<&'static str> {
        (<Self::Desired as Attributes>::schema().title_attribute == "path").then_some("/PATH")
    }

    /// Lists what of the type may be removed where no resource declares it, without what the system needs for
    /// itself: manifests say `purge TYPE`. The attributes are those that its removal takes. None where the
    /// type cannot be purged.
    fn removable(&self) -> Option<Listing<Self::Host>> {
        None
    }

    /// The footprint keys of what keeps the thing of this title from being removed, such as the users whose first
    /// group it is: it goes after them, and stays where one of them does.
    ///
    /// # Errors
    /// What kept that from being read.
    fn holders(&self, _host: &Self::Host, _title: &str) -> Result<Vec<Key>, Failure> {
        Ok(Vec::new())
    }

    /// Why the changes are not this host's to make now, judged on what was observed; see [`Group::held`].
    fn held(&self, _desired: &Self::Desired, _observed: &Self::Observed) -> Option<String> {
        None
    }

    /// What everybody should know who reads the report, judged on what was observed. What this run changed
    /// speaks for itself.
    fn warning(&self, _desired: &Self::Desired, _observed: &Self::Observed) -> Option<String> {
        None
    }

    /// What others notice of these changes, or of this refresh, judged by what manifests say: it can be told
    /// without the host.
    fn disruption(&self, _changes: &[Change], _refresh: Option<Effect>) -> Option<Disruption> {
        None
    }

    /// Whether it may change a host without being refreshed, judged by what manifests say.
    fn acts(&self, _desired: &Self::Desired) -> bool {
        true
    }

    /// Whether a refresh does something, judged by what manifests say. `made` is what differs from what was declared
    /// before; what is new is brought about by its own change.
    fn heeds_refresh(&self, _desired: &Self::Desired, _made: &[Change], is_new: bool) -> bool {
        !is_new
    }

    /// What the other members of a cluster would notice of these changes, or of this refresh, on this host as it is;
    /// read-only. Asked before anything that stands under a guard.
    ///
    /// # Errors
    /// What kept that from being told.
    fn disrupts(
        &self,
        _host: &Self::Host,
        _desired: &Self::Desired,
        changes: &[Change],
        refresh: Option<Effect>,
    ) -> Result<Option<Disruption>, Failure> {
        Ok(self.disruption(changes, refresh))
    }

    /// The attributes that remove what an earlier catalog declared; none if the type cannot.
    fn removal(&self) -> Option<(&'static str, &'static str)> {
        self.schema_has_ensure_absent().then_some(("ensure", "absent"))
    }

    /// Whether `ensure=absent` is a word of this type.
    fn schema_has_ensure_absent(&self) -> bool {
        use crate::schema::Kind;
        let schema = <Self::Desired as Attributes>::schema();
        schema
            .attribute("ensure")
            .is_some_and(|ensure| matches!(&ensure.kind, Kind::Enum(words) if words.iter().any(|word| word == "absent")))
    }
}

/// All resource types as the compiler sees them: declarations and checks, no host.
pub trait Types: Sync {
    /// The declarations, in the order of the manual.
    fn schemas(&self) -> &[TypeSchema];
    /// Checks one resource the way a run would read it, and tells what it touches.
    ///
    /// # Errors
    /// Everything that is wrong with the attributes.
    fn check(&self, resource: &Resource) -> Result<Footprint, Vec<AttributeError>>;
    /// Whether what no resource declares of a type can be found and removed.
    fn can_purge(&self, type_name: &str) -> bool;
    /// Whether things of a type belong to a whole cluster and not to a host, see [`Nature::of_cluster`].
    fn is_of_cluster(&self, type_name: &str) -> bool;
}

/// A resource type whose values are hidden from the engine.
pub trait AnyType<H: ?Sized>: Send + Sync {
    /// Its declaration.
    fn schema(&self) -> TypeSchema;
    /// What the walk has to know of it.
    fn nature(&self) -> Nature;
    /// The attribute and value that remove a resource of the type.
    fn removal(&self) -> Option<(&'static str, &'static str)>;
    /// What others notice, see [`ResourceType::disruption`].
    fn disruption(&self, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption>;
    /// Whether it may change a host by itself, see [`ResourceType::acts`].
    fn acts(&self, _resource: &Resource) -> bool {
        true
    }
    /// Whether a refresh does something, see [`ResourceType::heeds_refresh`].
    fn heeds_refresh(&self, _resource: &Resource, _made: &[Change], is_new: bool) -> bool {
        !is_new
    }
    /// Checks one resource's attributes the way a run would, for the compiler.
    fn check(&self, resource: &Resource) -> Result<Footprint, Vec<AttributeError>>;
    /// The file that is a table for a resource, see [`ResourceType::table`].
    fn table(&self, _resource: &Resource) -> Option<String> {
        None
    }
    /// What of the type is on the host, see [`ResourceType::describe`].
    ///
    /// # Errors
    /// As there.
    fn describe(&self, host: &H, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure>;
    /// What there is of the type that no manifest can say, see [`ResourceType::unsaid`].
    ///
    /// # Errors
    /// As there.
    fn unsaid(&self, _host: &H, _described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        Ok(Vec::new())
    }
    /// What has to be named where there is no list, see [`ResourceType::asked_by`].
    fn asked_by(&self) -> Option<&'static str> {
        None
    }
    /// Lists what may be removed where no resource declares it, see [`ResourceType::removable`].
    fn removable(&self) -> Option<Listing<H>>;
    /// What keeps a thing from being removed, see [`ResourceType::holders`].
    ///
    /// # Errors
    /// As there.
    fn holders(&self, _host: &H, _title: &str) -> Result<Vec<Key>, Failure> {
        Ok(Vec::new())
    }
    /// The family it belongs to: types whose things live in one place, and are read and changed together.
    fn family(&self) -> Option<&'static str> {
        None
    }
    /// Makes the group of these resources for a run; members keep the given order. They are of this type, or
    /// of any types of its family.
    fn group<'t>(&'t self, resources: &[&Resource]) -> Result<Box<dyn Group<H> + 't>, (usize, Vec<AttributeError>)>;
}

/// All resources of one type, or of one family of types, in one run. Members are addressed by their position.
pub trait Group<H: ?Sized>: Send + Sync {
    /// Observes these members and returns what has to change, one result each.
    fn observe(&self, host: &H, members: &[usize]) -> Vec<Result<Vec<Change>, ObserveError>>;
    /// Applies the changes of these members, together if the type batches.
    fn apply(&self, host: &H, members: &[(usize, &[Change])]) -> Vec<Result<(), Failure>>;
    /// Refreshes a member.
    ///
    /// # Errors
    /// As [`ResourceType::refresh`].
    fn refresh(&self, host: &H, member: usize, effect: Effect, made: &[Change]) -> Result<Refreshed, Failure>;
    /// What a member's refresh would come to, as last observed.
    fn plan_refresh(&self, member: usize, effect: Effect, made: &[Change]) -> PlannedRefresh;
    /// Whether a member's guards let it be refreshed now.
    ///
    /// # Errors
    /// As [`ResourceType::guards_let`].
    fn guards_let(&self, host: &H, member: usize) -> Result<bool, Failure>;
    /// What others would notice of a member's changes or its refresh. A family whose members never interrupt anything
    /// by themselves leaves it as it is.
    ///
    /// # Errors
    /// As [`ResourceType::disrupts`].
    fn disrupts(&self, _host: &H, _member: usize, _changes: &[Change], _refresh: Option<Effect>) -> Result<Option<Disruption>, Failure> {
        Ok(None)
    }
    /// What a member touches.
    fn footprint(&self, member: usize) -> Footprint;
    /// How far a member's last observation can be relied on.
    fn reliance(&self, member: usize) -> Reliance;
    /// Why a member's changes are not this host's to make now, as last observed: they are another host's,
    /// or wait for a permission. Its resource waits, and shows them.
    fn held(&self, _member: usize) -> Option<String> {
        None
    }
    /// What everybody should know who reads the report, as last observed.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The group of a concrete type.
struct TypedGroup<'t, T: ResourceType> {
    kind: &'t T,
    desired: Vec<T::Desired>,
    observed: Vec<Mutex<Option<T::Observed>>>,
    /// Members that this run has changed or refreshed.
    changed: Mutex<BTreeSet<usize>>,
}

/// A lock that outlives a panic of another thread: the value is replaced whole, never half.
fn lock<V>(mutex: &Mutex<V>) -> std::sync::MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<T: ResourceType> Group<T::Host> for TypedGroup<'_, T> {
    fn observe(&self, host: &T::Host, members: &[usize]) -> Vec<Result<Vec<Change>, ObserveError>> {
        let desired: Vec<&T::Desired> = members.iter().map(|&member| &self.desired[member]).collect();
        let results = self.kind.observe(host, &desired);
        members
            .iter()
            .zip(results)
            .map(|(&member, result)| match result {
                Ok(observed) => {
                    let changes = self.kind.diff(&self.desired[member], &observed);
                    *lock(&self.observed[member]) = Some(observed);
                    Ok(changes)
                }
                Err(error) => {
                    *lock(&self.observed[member]) = None;
                    Err(error)
                }
            })
            .collect()
    }

    fn apply(&self, host: &T::Host, members: &[(usize, &[Change])]) -> Vec<Result<(), Failure>> {
        let guards: Vec<_> = members.iter().map(|(member, _)| lock(&self.observed[*member])).collect();
        let works: Vec<Work<'_, T>> = members
            .iter()
            .zip(&guards)
            .filter_map(|((member, changes), guard)| {
                let observed = guard.as_ref()?;
                Some(Work { desired: &self.desired[*member], observed, changes })
            })
            .collect();
        if works.len() != members.len() {
            return members.iter().map(|_| Err(Failure::new("applied before it was observed"))).collect();
        }
        lock(&self.changed).extend(members.iter().map(|(member, _)| *member));
        match works.as_slice() {
            [work] => vec![self.kind.apply(host, work)],
            works => self.kind.apply_batch(host, works),
        }
    }

    fn refresh(&self, host: &T::Host, member: usize, effect: Effect, made: &[Change]) -> Result<Refreshed, Failure> {
        lock(&self.changed).insert(member);
        self.kind.refresh(host, &self.desired[member], effect, made)
    }

    fn plan_refresh(&self, member: usize, effect: Effect, made: &[Change]) -> PlannedRefresh {
        match &*lock(&self.observed[member]) {
            Some(observed) => self.kind.plan_refresh(&self.desired[member], observed, effect, made),
            None => PlannedRefresh::NotNeeded("not observed"),
        }
    }

    fn guards_let(&self, host: &T::Host, member: usize) -> Result<bool, Failure> {
        self.kind.guards_let(host, &self.desired[member])
    }

    fn disrupts(&self, host: &T::Host, member: usize, changes: &[Change], refresh: Option<Effect>) -> Result<Option<Disruption>, Failure> {
        self.kind.disrupts(host, &self.desired[member], changes, refresh)
    }

    fn footprint(&self, member: usize) -> Footprint {
        self.kind.footprint(&self.desired[member])
    }

    fn reliance(&self, member: usize) -> Reliance {
        match &*lock(&self.observed[member]) {
            Some(observed) => self.kind.reliance(&self.desired[member], observed),
            None => Reliance::UntilAny,
        }
    }

    fn held(&self, member: usize) -> Option<String> {
        lock(&self.observed[member]).as_ref().and_then(|observed| self.kind.held(&self.desired[member], observed))
    }

    fn warnings(&self) -> Vec<String> {
        let changed = lock(&self.changed);
        let warning = |member: usize| self.kind.warning(&self.desired[member], lock(&self.observed[member]).as_ref()?);
        (0..self.desired.len()).filter(|member| !changed.contains(member)).filter_map(warning).collect()
    }
}

impl<T: ResourceType> AnyType<T::Host> for T {
    fn schema(&self) -> TypeSchema {
        T::Desired::schema()
    }

    fn nature(&self) -> Nature {
        ResourceType::nature(self)
    }

    fn removal(&self) -> Option<(&'static str, &'static str)> {
        ResourceType::removal(self)
    }

    fn disruption(&self, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption> {
        ResourceType::disruption(self, changes, refresh)
    }

    fn acts(&self, resource: &Resource) -> bool {
        let desired = T::Desired::from_attributes(&resource.address.title, &resource.attributes);
        desired.map_or(true, |desired| ResourceType::acts(self, &desired))
    }

    fn heeds_refresh(&self, resource: &Resource, made: &[Change], is_new: bool) -> bool {
        let desired = T::Desired::from_attributes(&resource.address.title, &resource.attributes);
        desired.map_or(true, |desired| ResourceType::heeds_refresh(self, &desired, made, is_new))
    }

    fn check(&self, resource: &Resource) -> Result<Footprint, Vec<AttributeError>> {
        let desired = T::Desired::from_attributes(&resource.address.title, &resource.attributes)?;
        Ok(ResourceType::footprint(self, &desired))
    }

    fn table(&self, resource: &Resource) -> Option<String> {
        let desired = T::Desired::from_attributes(&resource.address.title, &resource.attributes).ok()?;
        ResourceType::table(self, &desired)
    }

    fn describe(&self, host: &T::Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        ResourceType::describe(self, host, title)
    }

    fn unsaid(&self, host: &T::Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        ResourceType::unsaid(self, host, described)
    }

    fn asked_by(&self) -> Option<&'static str> {
        ResourceType::asked_by(self)
    }

    fn removable(&self) -> Option<Listing<T::Host>> {
        ResourceType::removable(self)
    }

    fn holders(&self, host: &T::Host, title: &str) -> Result<Vec<Key>, Failure> {
        ResourceType::holders(self, host, title)
    }

    fn group<'t>(&'t self, resources: &[&Resource]) -> Result<Box<dyn Group<T::Host> + 't>, (usize, Vec<AttributeError>)> {
        let mut desired = Vec::with_capacity(resources.len());
        for (position, resource) in resources.iter().enumerate() {
            let attributes = T::Desired::from_attributes(&resource.address.title, &resource.attributes);
            desired.push(attributes.map_err(|errors| (position, errors))?);
        }
        let observed = resources.iter().map(|_| Mutex::new(None)).collect();
        Ok(Box::new(TypedGroup { kind: self, desired, observed, changed: Mutex::default() }))
    }
}
