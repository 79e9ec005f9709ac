//! The stable codes of all diagnostics, with the explanations that `keel explain CODE` prints.

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code itself, `KE0301`.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// One to three sentences: what it means and what to do.
    pub explanation: &'static str,
}

/// All codes in ascending order, from the tables of each part of the compiler.
pub fn all() -> impl Iterator<Item = &'static Code> {
    text::TEXT.iter().chain(language::LANGUAGE).chain(DATA).chain(graph::GRAPH).chain(lints::LINTS).chain(site_tests::SITE_TESTS)
}

/// What a code means.
pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|known| known.code == code)
}

macro_rules! codes {
    ($table:ident: $($name:ident = $code:literal, $title:literal, $explanation:literal;)*) => {
        $(#[doc = $title] pub const $name: &str = $code;)*
        pub(crate) const $table: &[Code] = &[$(Code { code: $code, title: $title, explanation: $explanation }),*];
    };
}

mod graph;
mod language;
mod lints;
mod site_tests;
mod text;

pub use graph::*;
pub use language::*;
pub use lints::*;
pub use site_tests::*;
pub use text::*;

codes! { DATA:
    TOML_SYNTAX = "KE0301", "not valid TOML",
        "A file of the site is not valid TOML. The label shows where the parser stopped.";
    UNKNOWN_KEY = "KE0302", "unknown key",
        "A TOML file has a key that means nothing there. Keys are never ignored, because an ignored key is a setting that silently does not hold.";
    WRONG_TYPE = "KE0303", "value of the wrong type",
        "A key of a TOML file holds a value of another type than it takes.";
    BAD_VALUE = "KE0304", "value out of range",
        "A value has the right type, but is not one that can be used there.";
    MISSING_KEY = "KE0305", "missing key",
        "A TOML file lacks a key that must be given.";
    UNREADABLE = "KE0306", "unreadable file",
        "A file of the site exists and cannot be read, or is not UTF-8.";
    BAD_HOST_NAME = "KE0310", "not a host name",
        "Host names are lower-case letters, digits, dots and hyphens, and are no IP addresses: a name is an identity, and addresses move. Write the address into the host's `address`.";
    DUPLICATE_HOST = "KE0311", "host given twice",
        "Two entries of the inventory mean one host. Names that differ by case or by a dot at the end are the same name.";
    UNKNOWN_GROUP = "KE0312", "unknown group",
        "A host or a group names a group that has no file in `inventory/groups`.";
    GROUP_CYCLE = "KE0313", "groups contain each other",
        "Following the `groups` of a group leads back to it.";
    GROUP_DEPTH = "KE0314", "groups nested too deeply",
        "Groups may be nested 32 levels deep.";
    UNKNOWN_TIER = "KE0315", "unknown tier",
        "A group's tier is not in the list `tiers` of keel.toml.";
    GROUP_CONFLICT = "KE0316", "groups disagree",
        "Two groups of the same tier and priority give one variable different values, and a host is in both. Give one group a higher priority, or set the variable in a stronger tier.";
    GROUP_MATCH = "KE0317", "match of a group fails",
        "The `match` expression of a group cannot be evaluated for a host. It sees `host.name`, `host.address`, `host.tags`, `host.groups` (those by name), `host.vars` and `facts`.";
    NO_FACTS = "KE0318", "no facts for a dynamic group",
        "A group's `match` uses facts, and some hosts have none recorded; they are not members until they have.";
    EMPTY_PATTERN = "KE0319", "pattern without hosts",
        "A member pattern of a group matches no host.";
    BAD_FACTS = "KE0320", "facts unusable",
        "A file in `facts/` is not a JSON object, or has no host of its name.";
    SELECTOR_SYNTAX = "KE0330", "not a selector",
        "A selector is made of `NAME`, `host:GLOB`, `group:NAME`, `tag:NAME`, `fact:PATH=VALUE`, `var:PATH=VALUE`, `and`, `or`, `not` and parentheses.";
    SELECTOR_UNKNOWN = "KE0331", "selector names what does not exist",
        "A selector names a host, a group or a tag that the inventory does not have.";
    VARIABLE_LOOP = "KE0401", "variables refer to each other in a circle",
        "Evaluating a variable needs its own value. The message shows the whole chain.";
    VARIABLE_DEPTH = "KE0402", "chain of variables too long",
        "A variable refers to another, that to a third, and so on for more than 40 steps.";
    MERGE_MISMATCH = "KE0403", "merge of different types",
        "keel.toml merges this variable over the tiers, but one place gives a table or list and another something else.";
    RUN_VARIABLE = "KE0404", "bad variable on the command line",
        "`--var` takes `NAME=VALUE`; NAME may have dots. A value that reads as a TOML value is one, everything else is text.";
    RESERVED_VARIABLE = "KE0405", "reserved variable name",
        "The names `host`, `hosts`, `groups`, `facts` and `inventory_hostname` are built in and cannot be set.";
    EXPRESSION_SYNTAX = "KE0501", "expression syntax",
        "An expression or a template cannot be parsed.";
    UNDEFINED = "KE0502", "undefined value",
        "An expression uses a name or a field that does not exist. Use `default(...)` or `is defined` where it may be missing.";
    NOT_BOOL = "KE0503", "not a bool",
        "A condition must be true or false; there is no truthiness. Compare, or use `is defined`, `| bool`, `| length > 0`.";
    EVALUATION = "KE0504", "evaluation failed",
        "An expression or a template fails: a filter does not take the value, an operation does not fit its operands.";
    NUMBER_RANGE = "KE0505", "number out of range",
        "A number does not fit into 64 bits, or is not a number at all.";
    LIMIT = "KE0506", "evaluation too large",
        "An expression or a template takes too many steps, nests too deeply, or makes more than 1 MiB of text.";
    UNKNOWN_FILTER = "KE0507", "unknown filter, test or function",
        "An expression calls something that does not exist.";
    REFUSED_FUNCTION = "KE0508", "not available in catalogs",
        "What reads the clock, the environment, files or chance gives other results each time, and is refused. The help names the replacement.";
    TEMPLATE_MISSING = "KE0509", "template not found",
        "There is no such file in the module's `templates` folder. Templates include and import within their module only.";
    SECRET_UNKNOWN = "KE0601", "unknown secret",
        "There is no secret of this path. `galera/sst` is the key `sst` of the file `secrets/galera.toml`.";
    SECRET_FILTER = "KE0602", "operation on a secret",
        "The compiler never sees a secret's text, so only what the host can do after opening it is possible: `b64encode`, `urlencode`, `to_json`, `quote`, and inserting it into text.";
    SECRET_FILE = "KE0603", "secret in the clear",
        "A value in `secrets/` is not an encrypted text. Set it with `keel secret set`.";
    SECRET_BY_FACT = "KE0604", "secret given by facts",
        "A host says its own facts, so a group that hosts enter by facts must not give them a secret.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_explain_themselves() {
        let codes: Vec<_> = all().collect();
        assert!(codes.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(codes.iter().all(|code| code.explanation.ends_with('.') && code.explanation.len() > 30));
        assert_eq!(find(UNDEFINED).map(|code| code.title), Some("undefined value"));
    }
}
