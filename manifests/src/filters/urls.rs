//! Paths and URLs put together and taken apart, as in Ansible.

use minijinja::{Environment, Error, Value};

use super::{add, refuse};

pub(super) fn register(environment: &mut Environment<'static>) {
    add(environment, "path_join", |parts: &Value| {
        let parts = parts.try_iter()?.checked().collect::<Result<Vec<_>, Error>>()?;
        Ok::<_, Error>(path_join(parts.iter().map(|part| part.as_str().unwrap_or_default())))
    });
    add(environment, "relpath", |path: &str, start: &str| relative(path, start));
    add(environment, "normpath", |path: &str| normal(path));
    add(environment, "urlsplit", |url: &str, part: Option<&str>| url_part(url, part));
}

/// As Python's `os.path.join`: an absolute part begins anew.
fn path_join<'p>(parts: impl Iterator<Item = &'p str>) -> String {
    let mut joined = String::new();
    for part in parts {
        if part.starts_with('/') {
            joined.clear();
        } else if !joined.is_empty() && !joined.ends_with('/') {
            joined.push('/');
        }
        joined.push_str(part);
    }
    joined
}

/// A path without `.`, `..` and doubled slashes.
fn normal(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
        match (name, names.last()) {
            ("..", Some(last)) if *last != ".." => drop(names.pop()),
            ("..", None) if path.starts_with('/') => {}
            _ => names.push(name),
        }
    }
    let joined = names.join("/");
    match (path.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The way from one folder to a path.
fn relative(path: &str, start: &str) -> String {
    let (path, start) = (normal(path), normal(start));
    let names = |path: &str| path.split('/').filter(|name| !matches!(*name, "" | ".")).map(str::to_owned).collect::<Vec<_>>();
    let (to, from) = (names(&path), names(&start));
    let shared = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let way: Vec<String> = up.chain(to.into_iter().skip(shared)).collect();
    if way.is_empty() { ".".to_owned() } else { way.join("/") }
}

/// The parts of a URL, by the names of Python's `urlsplit`.
fn url_part(url: &str, part: Option<&str>) -> Result<Value, Error> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = rest.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).unwrap_or(("", rest));
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, place) = netloc.rsplit_once('@').map_or((None, netloc), |(user, place)| (Some(user), place));
    let (username, password) = match user.and_then(|user| user.split_once(':')) {
        Some((name, password)) => (Some(name), Some(password)),
        None => (user, None),
    };
    let port_at = place.rfind(':').filter(|at| !place.get(*at..).unwrap_or_default().contains(']'));
    let (host, port) = port_at.map_or((place, None), |at| (place.get(..at).unwrap_or_default(), place.get(at + 1..)));
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let port = port.and_then(|port| port.parse::<u16>().ok());
    let parts = [
        ("scheme", Value::from(scheme.to_lowercase())),
        ("netloc", Value::from(netloc)),
        ("hostname", Value::from(host)),
        ("port", port.map_or(Value::from(()), Value::from)),
        ("path", Value::from(path)),
        ("query", Value::from(query)),
        ("fragment", Value::from(fragment)),
        ("username", username.map_or(Value::from(()), Value::from)),
        ("password", password.map_or(Value::from(()), Value::from)),
    ];
    let Some(wanted) = part else { return Ok(Value::from_pairs(parts)) };
    let known = parts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("`, `");
    let found = parts.into_iter().find(|(name, _)| *name == wanted);
    found.map(|(_, value)| value).ok_or_else(|| refuse(format!("a URL has no `{wanted}`; it has `{known}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_in_python() {
        assert_eq!(path_join(["/etc", "nginx/", "a.conf"].into_iter()), "/etc/nginx/a.conf");
        assert_eq!(path_join(["a", "/b", "c"].into_iter()), "/b/c");
        assert_eq!(normal("/a/./b//../c/"), "/a/c");
        assert_eq!((normal("../a/.."), normal("/.."), normal("")), ("..".to_owned(), "/".to_owned(), ".".to_owned()));
        assert_eq!(relative("/a/b/c", "/a/d"), "../b/c");
        assert_eq!(relative("/a", "/a/"), ".");
    }

    #[test]
    fn urls_as_in_python() {
        let url = "https://user:pw@Example.org:8443/a/b?x=1#top";
        let part = |name: &str| url_part(url, Some(name)).unwrap().to_string();
        for (name, expected) in [
            ("scheme", "https"),
            ("netloc", "user:pw@Example.org:8443"),
            ("hostname", "example.org"),
            ("port", "8443"),
            ("path", "/a/b"),
            ("query", "x=1"),
            ("fragment", "top"),
            ("username", "user"),
            ("password", "pw"),
        ] {
            assert_eq!(part(name), expected, "{name}");
        }
        assert!(url_part(url, Some("hots")).is_err());
        assert_eq!(url_part("http://[::1]:80/", Some("hostname")).unwrap().to_string(), "::1");
        assert!(url_part("//h", Some("port")).unwrap().is_none());
    }
}
