//! The syntax tree of a manifest: what was written, typed and with places, before anything is evaluated.
//!
//! Plain data without references into the text, so that it can be cached under the text's hash.

mod blocks;

use std::ops::Range;
use std::sync::Arc;

use keel_engine::catalog::RelationWord;
use serde::{Deserialize, Serialize};

/// A place in a file, in bytes. Manifests are at most 1 MiB long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One after the last byte.
    pub end: u32,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        let clamp = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(range.start), end: clamp(range.end) }
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start as usize..span.end as usize
    }
}

/// A name as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// The name.
    pub text: Arc<str>,
    /// Its place.
    pub span: Span,
}

/// A file of statements.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it says, in order.
    pub statements: Vec<Statement>,
}

/// One thing that a manifest says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Statement {
    /// `module NAME { ... }`
    Module(Module),
    /// `host NAME { ... }`, `group NAME { ... }`, `on "SELECTOR" { ... }`
    Assignment(Assignment),
    /// `use NAME ...`
    Use(Use),
    /// `TYPE TITLE ...`
    Resource(Resource),
    /// `let NAME=VALUE`
    Let(Let),
    /// `for NAME in="EXPRESSION" { ... }`
    For(For),
    /// `if "EXPRESSION" { ... }` with all its branches
    If(If),
    /// `defaults { TYPE ATTRIBUTES }`
    Defaults(Vec<TypeDefaults>),
    /// `override (TYPE)TITLE ...`
    Override(Override),
    /// `fail "TEXT"` and `warn "TEXT"`
    Say(Say),
    /// `prune TYPE max=N`
    Prune(Prune),
    /// `schedule NAME range=HOURS days=DAYS timezone=ZONE`
    Schedule(Schedule),
    /// `purge TYPE max=N keep=NAMES`
    Purge(Purge),
    /// `guard NAME members=HOSTS max=N { ready { ... } }`
    Guard(Guard),
}

/// A named, parameterised set of resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub doc: Option<Arc<str>>,
    /// What can be given to it.
    pub parameters: Vec<Parameter>,
    /// What it says.
    pub body: Vec<Statement>,
}

/// One parameter of a module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Its type as written, `list<host>`.
    pub kind: Name,
    /// What it is when neither the use nor a variable gives it.
    pub default: Option<Data>,
    /// What it is for.
    pub doc: Option<Arc<str>>,
}

/// Who gets some statements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The word before the names.
    pub to: AssignmentWord,
    /// Hosts, groups or selectors; each is enough.
    pub names: Vec<Name>,
    /// What they get.
    pub body: Vec<Statement>,
}

/// What an assignment's names are names of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssignmentWord {
    /// Hosts.
    Host,
    /// Groups.
    Group,
    /// Selectors.
    On,
}

/// What resources and uses can have beside their attributes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extras {
    /// `require`, `before`, `notify`, `subscribe`
    pub relations: Vec<Relation>,
    /// `when="EXPRESSION"`
    pub when: Option<Literal>,
    /// `tag`
    pub tags: Vec<Literal>,
    /// `noop=#true`
    pub noop: Option<Literal>,
    /// `schedule=NAME`
    pub schedule: Option<Literal>,
    /// `guard=NAME`
    pub guard: Option<Literal>,
}

/// A use of a module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// The module.
    pub module: Name,
    /// What is given to it.
    pub arguments: Vec<Attribute>,
    /// Relations, tags and a condition.
    pub extras: Extras,
}

/// A declaration of resources of one type with the same attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// The type.
    pub type_name: Name,
    /// The titles, one resource each.
    pub titles: Vec<Literal>,
    /// The attributes.
    pub attributes: Vec<Attribute>,
    /// Relations, tags and a condition.
    pub extras: Extras,
}

/// A name with a value: an attribute, an argument or a binding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// The name.
    pub name: Name,
    /// The value.
    pub value: Data,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Data {
    /// A single value.
    Literal(Literal),
    /// Several arguments, or `-` items.
    List(Vec<Data>, Span),
    /// Child nodes and properties.
    Table(Vec<Attribute>, Span),
    /// `section NAME { ... }`: the table stands under the name, and may be one of several.
    Keyed(Literal, Vec<Attribute>, Span),
}

impl Data {
    /// Where it was written.
    pub fn span(&self) -> Span {
        match self {
            Data::Literal(literal) => literal.span,
            Data::List(_, span) | Data::Table(_, span) | Data::Keyed(_, _, span) => *span,
        }
    }
}

/// A single value as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Literal {
    /// The value.
    pub scalar: Scalar,
    /// How it is to be taken.
    pub mark: Mark,
    /// Its place, without the annotation.
    pub span: Span,
}

/// KDL's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// `#null`
    Null,
    /// `#true`, `#false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number written in octal, which file modes may be.
    Octal(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(Arc<str>),
}

/// How a literal is to be taken: its annotation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mark {
    /// No annotation: `{{ }}` in a text is interpolated.
    Plain,
    /// `(lit)`: nothing is interpolated.
    Verbatim,
    /// `(secret)`: the name of a secret.
    Secret,
    /// `(expr)`: a bare expression.
    Expression,
}

/// One relation word with its targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// The word.
    pub word: RelationWord,
    /// What it points at.
    pub targets: Vec<Reference>,
    /// Whose things are meant.
    pub place: RelationPlace,
    /// `optional=#true`
    pub optional: bool,
    /// `effect=reload`
    pub effect: Option<Name>,
    /// The word's place.
    pub span: Span,
}

/// Whose things a relation points at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RelationPlace {
    /// This host's.
    Here,
    /// `host=`
    Host(Literal),
    /// `group=`
    Group(Literal),
    /// `on=`
    On(Literal),
}

/// `(type)title`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The type, or `module`.
    pub type_name: Name,
    /// The title.
    pub title: Literal,
}

/// Names for values, for the rest of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Let {
    /// In order; later ones may use earlier ones.
    pub bindings: Vec<Attribute>,
}

/// A loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct For {
    /// One name for the items of a list, two for the keys and values of a table.
    pub names: Vec<Name>,
    /// The expression after `in=`.
    pub list: Literal,
    /// What is said for each.
    pub body: Vec<Statement>,
}

/// A choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct If {
    /// Conditions with what holds under them; the first true one counts.
    pub branches: Vec<(Literal, Vec<Statement>)>,
    /// What holds if none is true.
    pub otherwise: Vec<Statement>,
}

/// Attributes that resources of a type have unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeDefaults {
    /// The type.
    pub type_name: Name,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

/// A change of another declaration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// What is changed.
    pub target: Reference,
    /// The attributes that replace the declared ones.
    pub attributes: Vec<Attribute>,
    /// Relations and tags that are added.
    pub extras: Extras,
}

/// A message of the manifest's author.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Say {
    /// Whether it stops the compile of this host.
    pub fails: bool,
    /// The text.
    pub text: Literal,
    /// `when="EXPRESSION"`
    pub when: Option<Literal>,
    /// The word's place.
    pub span: Span,
}

/// A permission to remove orphans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prune {
    /// The type; all if none.
    pub type_name: Option<Name>,
    /// The most that one run may remove.
    pub max: u32,
}

/// The wish that nothing of a type is there but what is declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purge {
    /// The type.
    pub type_name: Name,
    /// The most that one run may remove.
    pub max: u32,
    /// Names that stay, with `*` and `?`.
    pub keep: Vec<Literal>,
}

/// The hours in which changes may be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: Name,
    /// Parts of a day, each is enough.
    pub ranges: Vec<Literal>,
    /// Days of the week; every day if none.
    pub days: Option<Literal>,
    /// The zone whose clock counts; the host's own if none.
    pub timezone: Option<Literal>,
}

/// The rule for what interrupts a member of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Its name.
    pub name: Name,
    /// The members.
    pub members: Data,
    /// How many may be interrupted at once; one if it is not said.
    pub max: Option<Literal>,
    /// How a member sees that it is well: attributes of a `wait`.
    pub ready: Vec<Attribute>,
    /// The command that takes a member out of service.
    pub drain: Option<Data>,
    /// The command that brings it back.
    pub undrain: Option<Data>,
    /// How another member is seen to be well, from the host that asks: attributes of a `wait`.
    pub ask: Option<Vec<Attribute>>,
    /// How long a turn is where no server keeps leases.
    pub turn: Option<Literal>,
}

impl Scalar {
    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }
}
