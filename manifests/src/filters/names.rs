//! The names of all filters and tests, and what to say of one that is not there.

use super::refused;
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::evaluation_error::EvalError;

/// Every filter; a test holds the list against the environment.
#[rustfmt::skip]
const FILTERS: &[&str] = &[
    "abs", "attr", "b64decode", "b64encode", "basename", "batch", "bool", "capitalize", "center", "chain", "checksum", "combinations",
    "combine", "comment", "count", "d", "default", "dict2items", "dictsort", "difference", "dirname", "e", "escape", "extract",
    "filesizeformat", "first", "flatten", "float", "format", "from_json", "from_yaml", "groupby", "hash", "human_readable",
    "human_to_bytes", "indent", "int", "intersect", "ipaddr", "ipsubnet", "ipv4", "ipv6", "ipwrap", "items", "items2dict", "join",
    "last", "length", "lines", "list", "log", "lower", "mandatory", "map", "max", "md5", "min", "normpath", "nthhost", "path_join",
    "permutations", "pow", "product", "quote", "regex_escape", "regex_findall", "regex_replace", "regex_search", "reject",
    "rejectattr", "relpath", "replace", "reverse", "root", "round", "safe", "select", "selectattr", "sha1", "slice", "sort", "split",
    "splitext", "string", "subelements", "sum", "symmetric_difference", "ternary", "title", "to_json", "to_nice_json", "to_nice_yaml",
    "to_toml", "to_uuid", "to_yaml", "tojson", "trim", "truncate", "union", "unique", "upper", "urlencode", "urlsplit", "wordcount",
    "wordwrap", "zip", "zip_longest",
];

/// Every test; a test holds the list against the environment.
#[rustfmt::skip]
const TESTS: &[&str] = &[
    "!=", "<", "<=", "==", ">", ">=", "all", "any", "boolean", "contains", "defined", "divisibleby", "endingwith", "eq", "equalto",
    "escaped", "even", "false", "falsy", "filter", "float", "ge", "greaterthan", "gt", "in", "in_network", "int", "integer", "iterable",
    "le", "lessthan", "lower", "lt", "mapping", "match", "ne", "none", "number", "odd", "regex", "safe", "sameas", "search",
    "sequence", "startingwith", "string", "subset", "superset", "test", "true", "truthy", "undefined", "upper", "version",
    "version_compare",
];

/// What can be called as a function.
const FUNCTIONS: &[&str] = &["dict", "namespace", "range", "secret"];

/// Filters and tests that people know from elsewhere, with what does the same here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("json_query", "write `selectattr(...)` and `map(attribute=...)`"),
    ("ipmath", "`nthhost` counts addresses within a network"),
    ("ip", "write `is ipaddr` as `(value | ipaddr) != false`"),
    ("network_in_network", "write `is in_network('10.0.0.0/8')`"),
    ("realpath", "the compiler does not see the host's files; write the path"),
    ("expanduser", "the compiler does not see the host's users; write the path"),
    ("expandvars", "the compiler has no environment; use a variable of the inventory"),
    ("type_debug", "ask `is string`, `is mapping`, `is sequence`"),
    ("forceescape", "write `escape`"),
    ("pprint", "write `to_nice_json`"),
    ("from_ini", "keep the values as variables"),
    ("to_ini", "the type `ini` writes settings one by one"),
    ("file", "the compiler does not see the host's files; a resource of the type `file` looks at them"),
    ("exists", "the compiler does not see the host's files; `exec` has `creates`, `onlyif` and `unless`"),
    ("succeeded", "a run goes on by relations: `require` what has to succeed first"),
    ("failed", "a run goes on by relations: what requires a failed resource is skipped"),
    ("changed", "write `notify` or `subscribe` for what follows a change"),
];

/// The complaint about a filter; none if there is such a filter.
pub(crate) fn unknown_filter(name: &str) -> Option<EvalError> {
    let known = FILTERS.contains(&name) || refused::filters().any(|refused| refused == name);
    (!known).then(|| unknown("filter", name, FILTERS))
}

/// The complaint about a test; none if there is such a test.
pub(crate) fn unknown_test(name: &str) -> Option<EvalError> {
    (!TESTS.contains(&name)).then(|| unknown("test", name, TESTS))
}

/// The complaint about a function that is not there.
pub(crate) fn unknown_function(name: &str) -> EvalError {
    match FILTERS.contains(&name) {
        true => EvalError::new(codes::UNKNOWN_FILTER, format!("there is no function `{name}`"))
            .help(format!("there is a filter of this name: `value | {name}`")),
        false => unknown("function", name, FUNCTIONS),
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> EvalError {
    let mut error = EvalError::new(codes::UNKNOWN_FILTER, format!("there is no {what} `{name}`"));
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name).map(|(_, help)| (*help).to_owned());
    error.help.extend(elsewhere.or_else(|| did_you_mean(name, known.iter().copied())));
    error
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minijinja::Environment;

    use super::*;
    use crate::secrets::SecretNames;

    /// What stands between a word and the end of its list where an environment prints itself.
    fn listed(printed: &str, word: &str) -> Vec<String> {
        let rest = printed.split_once(&format!("{word}: [")).unwrap().1;
        let names = rest.split_once(']').unwrap().0.split(", ").map(|name| name.trim_matches('"').to_owned());
        names.filter(|name| !name.starts_with("keel_")).collect()
    }

    #[test]
    fn the_lists_are_what_an_environment_has() {
        let mut environment = Environment::new();
        super::super::register(&mut environment, &Arc::new(SecretNames::default()));
        let printed = format!("{environment:?}");
        let mut filters: Vec<&str> = FILTERS.iter().copied().chain(refused::filters()).collect();
        filters.sort_unstable();
        assert_eq!(filters, listed(&printed, "filters"));
        assert_eq!(TESTS, listed(&printed, "tests"));
        let functions: Vec<&str> =
            environment.globals().map(|(name, _)| name).filter(|name| !refused::functions().any(|no| no == *name)).collect();
        assert_eq!(FUNCTIONS, functions);
    }

    #[test]
    fn near_names_are_said() {
        assert_eq!(unknown_filter("defualt").unwrap().help, ["did you mean `default`?"]);
        assert_eq!(unknown_test("mathc").unwrap().help, ["did you mean `match`?"]);
        assert_eq!(unknown_function("rnage").help, ["did you mean `range`?"]);
        assert!(unknown_function("regex_replace").help[0].contains("value | regex_replace"));
        assert!(unknown_filter("json_query").unwrap().help[0].contains("selectattr"));
        assert_eq!(unknown_filter("to_json"), None);
    }
}
