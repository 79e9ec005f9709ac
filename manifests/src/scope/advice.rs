//! What to say of an expression or a template that fails: where it stands, and which names are near.

use minijinja::value::ValueKind;

use super::Scope;
use crate::amplification::Bounded;
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::environment::{template_name, template_syntax};
use crate::evaluation_error::{EvalError, template_place};

impl Scope {
    /// An error of a template, with its place in the template's file.
    pub(super) fn locate(&self, error: &minijinja::Error, module: &str, path: &str) -> EvalError {
        let name = template_name(module, path);
        let place = template_place(error);
        let mut told = EvalError::from_minijinja(error, "");
        told.range = None;
        if error.kind() == minijinja::ErrorKind::TemplateNotFound {
            let detail = error.detail().unwrap_or_default();
            let missing = detail.split(['"', '\'']).nth(1).unwrap_or(&name);
            let own = missing == name;
            let path = missing.split_once(':').map_or(missing, |(_, path)| path);
            let place = if module.is_empty() { "the site's templates".to_owned() } else { format!("module `{module}`") };
            told = EvalError::new(codes::TEMPLATE_MISSING, format!("there is no template `{path}` in {place}"));
            told.help.extend(did_you_mean(path, self.site.template_paths(module).iter().map(String::as_str)));
            if own {
                return told;
            }
        }
        // A template that must not even be parsed says itself where.
        if !told.places.is_empty() && place.is_none() {
            return told;
        }
        let (inner, range) = place.unwrap_or((name, 0..0));
        let source = self.site.template_source(&inner);
        let range = source
            .as_deref()
            .and_then(|source| Bounded::template(source, &template_syntax()).ok())
            .map_or(0..0, |bounded| bounded.original(range));
        let snippet = source.as_deref().and_then(|source| source.get(range.clone())).unwrap_or_default().trim();
        // A field of a name that is unknown here is one of the template's own, a loop's for instance.
        let of_the_host = snippet.split_once('.').is_none_or(|(first, _)| self.find(first).is_some());
        // What comes from a variable's value has its advice already.
        if told.code == codes::UNDEFINED && told.help.is_empty() && !snippet.is_empty() {
            told.message = format!("`{snippet}` is not defined");
            if of_the_host {
                told = self.advise(told, snippet);
            }
        }
        // A name that leads out of the templates has no file that anybody could be shown.
        if source.is_none() {
            return told;
        }
        told.at(&self.site.template_file(&inner), range, "in this template")
    }

    /// Adds the nearest names to a complaint about a name that does not exist.
    pub(super) fn advise(&self, mut error: EvalError, source: &str) -> EvalError {
        if error.code != codes::UNDEFINED || !error.help.is_empty() {
            return error;
        }
        let snippet = error.range.clone().and_then(|range| source.get(range)).unwrap_or(source).trim();
        // Of `name['key']` with an unknown name, the name is what is missing.
        let snippet = match snippet.split_once('[') {
            Some((name, _)) if is_name(name) && self.find(name).is_none() => name,
            _ => snippet,
        };
        let is_path = |text: &str| text.split('.').all(is_name);
        if is_path(snippet) {
            let mut keys = snippet.split('.');
            let first = keys.next().unwrap_or_default();
            match self.find(first) {
                None => {
                    error.message = format!("`{first}` is not defined");
                    if first == "facts" {
                        let host = self.host_name();
                        error.help.push(format!("the site has no facts of {host}: on it, run `keel facts > facts/{host}.json`"));
                    } else if let Some(help) = from_ansible(first) {
                        error.help.push(help.to_owned());
                    } else {
                        error.help.extend(did_you_mean(first, self.names().iter().map(String::as_str)));
                    }
                }
                Some(value) => advise_field(&mut error, first, value, keys),
            }
        }
        if error.help.is_empty() {
            error.help.push("use `default(...)` or `is defined` where it may be missing".to_owned());
        }
        error
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Variables that people know from Ansible, with what says the same here.
const ANSIBLE: [(&str, &str); 13] = [
    ("hostvars", "another host's variables are `hosts['NAME'].vars.KEY`, its facts `hosts['NAME'].facts.KEY`"),
    ("group_names", "write `host.groups`"),
    ("ansible_host", "write `host.address`"),
    ("ansible_managed", "write the line down"),
    ("ansible_check_mode", "a plan is an apply that stops before the change: nothing can depend on which of them it is"),
    ("ansible_play_hosts", "write `hosts`, or `groups.NAME.hosts`"),
    ("play_hosts", "write `hosts`, or `groups.NAME.hosts`"),
    ("inventory_hostname_short", "write `inventory_hostname.split('.')[0]`"),
    ("item", "a loop names its items itself: `for user in=\"users\"`"),
    ("vars", "write the variable's name; a table holds those that are looked up by name"),
    ("role_path", "templates and files are named below their module's own folders"),
    ("playbook_dir", "templates and files are named below their module's own folders"),
    ("lookup", "use a variable, a fact, a template or `secret('...')`"),
];

fn from_ansible(name: &str) -> Option<&'static str> {
    let known = ANSIBLE.iter().find(|(other, _)| *other == name).map(|(_, help)| *help);
    known.or_else(|| name.starts_with("ansible_").then_some("what a host says of itself is in `facts`; `keel facts` prints it"))
}

/// Finds the first field on a path that is missing, and the fields that are there instead.
fn advise_field<'a>(error: &mut EvalError, first: &str, mut value: minijinja::Value, keys: impl Iterator<Item = &'a str>) {
    let mut passed = first.to_owned();
    for key in keys {
        match value.get_attr(key) {
            Ok(next) if !next.is_undefined() => value = next,
            _ => {
                error.message = format!("`{passed}` has no `{key}`");
                let fields: Vec<String> = value.try_iter().map(|keys| keys.map(|key| key.to_string()).collect()).unwrap_or_default();
                if value.kind() == ValueKind::Map {
                    error.help.extend(did_you_mean(key, fields.iter().map(String::as_str)));
                }
                return;
            }
        }
        passed = format!("{passed}.{key}");
    }
}
