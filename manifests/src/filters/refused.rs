//! What Ansible has and a catalog cannot have: the clock, chance, the environment, the disk.

use minijinja::value::Rest;
use minijinja::{Environment, Error, Value};

use crate::codes;
use crate::evaluation_error::EvalError;

const FILTERS: [(&str, &str); 8] = [
    ("password_hash", "keep the hash as a secret, `secret('...')`: a new salt each time would never converge"),
    ("random", "take `(text | hash('sha256'))` of something that belongs to the host"),
    ("shuffle", "sort the list, or rotate it by a host's variable"),
    ("fileglob", "list the files in a variable, or use `file ... recurse=#true`"),
    ("vault", "use `secret('...')`"),
    ("unvault", "use `secret('...')`"),
    ("strftime", "catalogs have no clock; let the host do it, for instance in a command"),
    ("to_datetime", "catalogs have no clock; compare texts or numbers"),
];

const FUNCTIONS: [(&str, &str); 11] = [
    ("lookup", "use a variable, a fact, a template or `secret('...')`"),
    ("query", "use a variable, a fact, a template or `secret('...')`"),
    ("q", "use a variable, a fact, a template or `secret('...')`"),
    ("now", "catalogs have no clock; let the host do it, for instance in a command"),
    ("env", "give it on the command line, `--var NAME=VALUE`, or as a variable"),
    ("getenv", "give it on the command line, `--var NAME=VALUE`, or as a variable"),
    ("random", "take `(text | hash('sha256'))` of something that belongs to the host"),
    ("randrange", "take `(text | hash('sha256'))` of something that belongs to the host"),
    ("open", "use a template's `include`, or `file ... source=`"),
    ("exec", "declare an `exec` resource"),
    ("lipsum", "write the text down"),
];

pub(super) fn register(environment: &mut Environment<'static>) {
    for (name, help) in FILTERS {
        environment.add_filter(name, move |_: Rest<Value>| -> Result<Value, Error> { Err(refused(name, help)) });
    }
    for (name, help) in FUNCTIONS {
        environment.add_function(name, move |_: Rest<Value>| -> Result<Value, Error> { Err(refused(name, help)) });
    }
}

/// The names of the filters.
pub(super) fn filters() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|(name, _)| *name)
}

/// The names of the functions.
#[cfg(test)]
pub(super) fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name)
}

fn refused(name: &str, help: &str) -> Error {
    EvalError::new(codes::REFUSED_FUNCTION, format!("`{name}` would give another result each time, and is not available")).help(help).into()
}
