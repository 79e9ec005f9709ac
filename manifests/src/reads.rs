//! What an evaluation asks about the host that it is made for. With the same answers it comes to the same
//! result, for whichever host: so results can be kept and used for others.
//!
//! The objects that expressions see tell this thread's recorder what somebody asks them. What the site
//! holds for all hosts alike is not asked here: a result is kept no longer than its site.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::ValueKind;

use crate::host_objects::{GroupObject, Groups, HostFacts, HostObject, HostVariables, Hosts};
use crate::inventory::HostId;
use crate::scope::Scope;
use crate::secrets::SealedObject;
use crate::variables::{LazyTable, Raw, realise};

/// The most questions of one evaluation: with more of them asking costs more than evaluating.
const QUESTIONS_MAX: usize = 48;
/// The most parts of an answer that are compared.
const PARTS_MAX: usize = 256;

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// The host's that the evaluation is made for, whichever it is.
    Own,
    /// This host's in any case.
    Of(HostId),
}

/// Something that an evaluation asks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Question {
    /// What a name means where the evaluation stands.
    Name(Arc<str>),
    /// What the inventory says of a host.
    Field(Whose, Arc<str>),
    /// One fact.
    Fact(Whose, Arc<str>),
    /// The names of all facts.
    FactNames(Whose),
    /// One variable, by the host's `vars`.
    Variable(Whose, Arc<str>),
    /// The names of all variables.
    VariableNames(Whose),
    /// An entry of a table whose entries are evaluated when somebody asks.
    Entry(Whose, Lazy, Arc<str>),
}

/// A table whose entries are evaluated when somebody asks, by its dotted name and its text.
#[derive(Debug, Clone)]
pub(crate) struct Lazy {
    pub(crate) path: Arc<str>,
    pub(crate) table: Arc<IndexMap<String, Raw>>,
}

impl PartialEq for Lazy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table) && self.path == other.path
    }
}

impl Eq for Lazy {}

impl Hash for Lazy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

/// What came of a question. Two that are equal are the same to every expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// There is none.
    Missing,
    /// A single value.
    Single(Single),
    /// A list of plain values.
    List(Vec<Answer>),
    /// A table of plain values, in its order.
    Table(Vec<(Answer, Answer)>),
    /// A host of the inventory.
    Host(Whose),
    /// The facts of a host.
    Facts(Whose),
    /// The variables of a host.
    Variables(Whose),
    /// A table whose entries are further questions.
    Lazy(Whose, Lazy),
    /// A group.
    Group(String),
    /// All groups.
    Groups,
    /// All hosts.
    Hosts,
    /// A secret, by the token that stands for it.
    Secret(String),
}

/// A single value. Unlike in expressions, `1`, `1.0` and `true` are three.
#[derive(Debug, Clone)]
pub(crate) struct Single(Value);

impl PartialEq for Single {
    fn eq(&self, other: &Self) -> bool {
        match (self.0.as_str(), other.0.as_str()) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.0.kind() == other.0.kind() && self.0.is_integer() == other.0.is_integer() && self.0 == other.0,
            _ => false,
        }
    }
}

impl Eq for Single {}

impl Hash for Single {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match (self.0.as_str(), self.0.as_i64()) {
            (Some(text), _) => text.hash(state),
            (None, Some(number)) => number.hash(state),
            (None, None) => 0.hash(state),
        }
    }
}

impl Answer {
    /// The answer that a value is, in an evaluation for a host; none for what cannot be compared.
    fn of(value: Option<&Value>, own: HostId) -> Option<Self> {
        let Some(value) = value else { return Some(Answer::Missing) };
        let mut room = PARTS_MAX;
        Self::read(value, own, &mut room)
    }

    fn read(value: &Value, own: HostId, room: &mut usize) -> Option<Self> {
        *room = room.checked_sub(1)?;
        match value.kind() {
            ValueKind::Undefined => Some(Answer::Missing),
            // Two numbers that print alike may differ, and one that is none equals nothing.
            ValueKind::Number
                if !value.is_integer() && f64::try_from(value.clone()).is_ok_and(|number| number == 0.0 || number.is_nan()) =>
            {
                None
            }
            ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::String if !value.is_safe() => {
                Some(Answer::Single(Single(value.clone())))
            }
            ValueKind::Seq | ValueKind::Map | ValueKind::Plain => Self::read_object(value, own, room),
            _ => None,
        }
    }

    fn read_object(value: &Value, own: HostId, room: &mut usize) -> Option<Self> {
        let whose = |id| whose(id, own);
        if let Some(list) = value.downcast_object_ref::<Vec<Value>>() {
            return list.iter().map(|item| Self::read(item, own, room)).collect::<Option<_>>().map(Answer::List);
        }
        if let Some(table) = value.downcast_object_ref::<IndexMap<Value, Value>>() {
            let mut entry = |(key, value)| Some((Self::read(key, own, room)?, Self::read(value, own, room)?));
            return table.iter().map(&mut entry).collect::<Option<_>>().map(Answer::Table);
        }
        if let Some(table) = value.downcast_object_ref::<LazyTable>() {
            return Some(Answer::Lazy(whose(table.host), table.lazy()));
        }
        if let Some(host) = value.downcast_object_ref::<HostObject>() {
            return Some(Answer::Host(whose(host.id)));
        }
        if let Some(facts) = value.downcast_object_ref::<HostFacts>() {
            return Some(Answer::Facts(whose(facts.id)));
        }
        if let Some(variables) = value.downcast_object_ref::<HostVariables>() {
            return Some(Answer::Variables(whose(variables.host().id)));
        }
        if let Some(group) = value.downcast_object_ref::<GroupObject>() {
            return Some(Answer::Group(group.name().to_owned()));
        }
        if let Some(secret) = value.downcast_object_ref::<SealedObject>() {
            return Some(Answer::Secret(secret.token()));
        }
        if value.downcast_object_ref::<Groups>().is_some() {
            return Some(Answer::Groups);
        }
        value.downcast_object_ref::<Hosts>().map(|_| Answer::Hosts)
    }
}

fn whose(id: HostId, own: HostId) -> Whose {
    if id == own { Whose::Own } else { Whose::Of(id) }
}

/// The answer to a question for a scope's host; none for what cannot be compared.
pub(crate) fn ask(scope: &Scope, question: &Question) -> Option<Answer> {
    let (site, own) = (scope.site(), scope.host);
    let id = |whose: &Whose| match whose {
        Whose::Own => own,
        Whose::Of(id) => *id,
    };
    let names = |names: Vec<String>| Some(Value::from(names.into_iter().map(Value::from).collect::<Vec<_>>()));
    let value = match question {
        Question::Name(name) => scope.meaning(name),
        Question::Field(of, name) => site.host_object(id(of)).field(name),
        Question::Fact(of, name) => site.fact(id(of), name),
        Question::FactNames(of) => names(site.fact_names(id(of))),
        Question::Variable(of, name) => site.variable(id(of), name).ok()?,
        Question::VariableNames(of) => names(site.variable_names(id(of)).map(str::to_owned).collect()),
        Question::Entry(of, lazy, key) => {
            let raw = lazy.table.get(&**key)?;
            Some(realise(site, id(of), &format!("{}.{key}", lazy.path), raw).ok()?)
        }
    };
    Answer::of(value.as_ref(), own)
}

/// What was asked, in order, with the answers.
pub(crate) type Reads = Vec<(Question, Answer)>;

#[derive(Default)]
struct Notes {
    reads: Reads,
    /// Something was asked that another host's evaluation would not ask in the same way.
    spoilt: bool,
}

thread_local! {
    /// The host that is being evaluated, while this is recorded.
    static RECORDED: Cell<Option<HostId>> = const { Cell::new(None) };
    static NOTES: RefCell<Notes> = const { RefCell::new(Notes { reads: Vec::new(), spoilt: false }) };
}

/// Puts back who was recorded before.
struct Before(Option<HostId>);

impl Drop for Before {
    fn drop(&mut self) {
        RECORDED.set(self.0);
    }
}

/// Does something for a host, and tells what it asked; none if the result is for this host only.
pub(crate) fn record<T>(own: HostId, work: impl FnOnce() -> T) -> (T, Option<Reads>) {
    let outer = NOTES.take();
    let result = {
        let _before = Before(RECORDED.replace(Some(own)));
        work()
    };
    let notes = NOTES.replace(outer);
    (result, (!notes.spoilt).then_some(notes.reads))
}

/// Does something whose result is an answer as a whole, whatever it asks on its way.
pub(crate) fn unrecorded<T>(work: impl FnOnce() -> T) -> T {
    let _before = Before(RECORDED.replace(None));
    work()
}

/// Notes a question with its answer, if this is recorded. The question is told whose it is.
pub(crate) fn note(of: Option<HostId>, question: impl FnOnce(Whose) -> Question, value: Option<&Value>) {
    let Some(own) = RECORDED.get() else { return };
    let question = question(of.map_or(Whose::Own, |id| whose(id, own)));
    let known = NOTES.with_borrow(|notes| notes.spoilt || notes.reads.iter().any(|(asked, _)| *asked == question));
    if known {
        return;
    }
    let answer = unrecorded(|| Answer::of(value, own));
    NOTES.with_borrow_mut(|notes| match answer {
        Some(answer) if notes.reads.len() < QUESTIONS_MAX => notes.reads.push((question, answer)),
        _ => notes.spoilt = true,
    });
}

/// Whether anything is noted now.
pub(crate) fn is_recorded() -> bool {
    RECORDED.get().is_some()
}

/// Notes that a host was met by its name or in a list. Where it happens to be the own host, others would meet
/// the same one, and not theirs.
pub(crate) fn met(id: HostId) {
    if RECORDED.get() == Some(id) {
        NOTES.with_borrow_mut(|notes| notes.spoilt = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: impl Into<Value>) -> Option<Answer> {
        Answer::of(Some(&value.into()), 0)
    }

    #[test]
    fn answers_are_equal_only_if_every_expression_takes_them_for_equal() {
        let different =
            [Value::from(1), Value::from(1.5), Value::from(true), Value::from("1"), Value::from(()), Value::from(vec![Value::from(1)])];
        for (at, one) in different.iter().enumerate() {
            for (other_at, other) in different.iter().enumerate() {
                assert_eq!(answer(one.clone()) == answer(other.clone()), at == other_at && answer(one.clone()).is_some(), "{one} {other}");
            }
        }
        assert_ne!(answer(1), answer(1.0));
        let pairs = |names: [&str; 2]| answer(Value::from_pairs(names.map(|name| (name, 1))));
        assert_eq!(pairs(["a", "b"]), pairs(["a", "b"]));
        assert_ne!(pairs(["a", "b"]), pairs(["b", "a"]), "their order shows");
        assert_eq!(answer(0.0), None, "0.0 and -0.0 are equal, and print differently");
        assert_eq!(answer(vec![Value::from("x"); PARTS_MAX]), None);
        assert_eq!(Answer::of(None, 0), answer(Value::UNDEFINED));
    }

    #[test]
    fn what_is_asked_is_noted_once_and_pauses_are_not() {
        let name = |name: &'static str| move |_| Question::Name(Arc::from(name));
        let ((), reads) = record(7, || {
            note(None, name("a"), Some(&Value::from(1)));
            note(None, name("a"), Some(&Value::from(1)));
            unrecorded(|| note(None, name("b"), None));
            note(Some(7), Question::FactNames, None);
            note(Some(8), Question::FactNames, None);
            met(8);
        });
        let questions: Vec<Question> = reads.unwrap().into_iter().map(|(question, _)| question).collect();
        assert_eq!(questions, [Question::Name(Arc::from("a")), Question::FactNames(Whose::Own), Question::FactNames(Whose::Of(8))]);
        assert_eq!(record(7, || met(7)).1, None, "met by its name");
        note(None, name("a"), None);
        assert_eq!(record(7, || ()).1, Some(Vec::new()), "outside of a record nothing is noted");
    }
}
