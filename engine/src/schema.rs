//! What a resource type declares of itself, as plain data: the compiler checks manifests against it
//! without running a line of the type's code, and the reference pages are printed from it.

use serde::Serialize;

/// A resource type as the compiler and the manual see it.
#[derive(Debug, Clone, Serialize)]
pub struct TypeSchema {
    /// The name that manifests use.
    pub name: &'static str,
    /// What the type is for; the first line is its summary.
    pub doc: &'static str,
    /// The attribute that the title stands for when it is not given.
    pub title_attribute: &'static str,
    /// All attributes, in the order of the manual.
    pub attributes: Vec<AttributeSchema>,
    /// The name of the attribute that may stand as the resource's own child nodes
    /// (`ini` has `section`), if there is one.
    pub block: Option<&'static str>,
}

impl TypeSchema {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&AttributeSchema> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// One attribute of a type.
#[derive(Debug, Clone, Serialize)]
pub struct AttributeSchema {
    /// Its name.
    pub name: &'static str,
    /// Meaning, unit and default, from the doc comment.
    pub doc: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Whether a manifest must give it.
    pub required: bool,
    /// What holds when it is not given, as the manual prints it.
    pub default: Option<String>,
    /// Whether what it holds is meant to stay among few, such as a password.
    pub secret: bool,
    /// Whether it only says how a change is made: with another value alone a host stays as it is.
    pub how: bool,
}

/// The kinds of values that attributes and module parameters take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Kind {
    /// Any value.
    Any,
    /// A text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `#true` or `#false`.
    Bool,
    /// An absolute path.
    Path,
    /// One of these words.
    Enum(Vec<String>),
    /// A file mode: `"0644"` or symbolic, `"u=rw,go=r"`.
    Mode,
    /// A text that may be a secret.
    Text,
    /// A length of time: `"30s"`, `"5m"`, `"1h30m"`.
    Duration,
    /// A number of bytes: `"64MiB"`, `"1G"`, or a plain number.
    Size,
    /// A TCP or UDP port, 1 to 65535.
    Port,
    /// An IP address.
    Ip,
    /// An address with a prefix length.
    Cidr,
    /// The name of a host of the inventory.
    Host,
    /// A secret, never in clear.
    Secret,
    /// `#null` or the kind.
    Nullable(Box<Kind>),
    /// Several of a kind. One value alone stands for a list of one.
    List(Box<Kind>),
    /// Names with values of a kind.
    Map(Box<Kind>),
    /// Any of these kinds.
    OneOf(Vec<Kind>),
}

impl Kind {
    /// Whether a value of this kind may be a secret: what was given in its place is not to be shown either.
    pub fn may_be_secret(&self) -> bool {
        match self {
            Kind::Secret | Kind::Text => true,
            Kind::Nullable(inner) | Kind::List(inner) | Kind::Map(inner) => inner.may_be_secret(),
            Kind::OneOf(kinds) => kinds.iter().any(Kind::may_be_secret),
            _ => false,
        }
    }
}

impl std::fmt::Display for Kind {
    /// Prints the kind as module parameters write it: `list<string>`, `enum<a,b>`, `int?`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Kind::Any => "any",
            Kind::String => "string",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Bool => "bool",
            Kind::Path => "path",
            Kind::Mode => "mode",
            Kind::Text => "text",
            Kind::Duration => "duration",
            Kind::Size => "size",
            Kind::Port => "port",
            Kind::Ip => "ip",
            Kind::Cidr => "cidr",
            Kind::Host => "host",
            Kind::Secret => "secret",
            Kind::Enum(words) => return write!(f, "enum<{}>", words.join(",")),
            Kind::Nullable(inner) => return write!(f, "{inner}?"),
            Kind::List(inner) => return write!(f, "list<{inner}>"),
            Kind::Map(inner) => return write!(f, "map<{inner}>"),
            Kind::OneOf(kinds) => {
                let names: Vec<_> = kinds.iter().map(Kind::to_string).collect();
                return f.write_str(&names.join(" or "));
            }
        };
        f.write_str(name)
    }
}
