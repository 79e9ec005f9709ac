//! A checkout that is there, as the attributes that keep it.

use keel_engine::attributes::Attributes;
use keel_engine::resource::{Described, Failure};
use keel_engine::value::{Map, Value};

use super::{Git, inside, is_revision, trust};
use crate::host::Host;

/// The checkout at a path at the commit that it is at, by the name of its tag where it has one alone; none where no
/// checkout is that came from somewhere. Its own settings are asked as its owner.
pub(super) fn listing(host: &Host, path: &str) -> Result<Option<Described>, Failure> {
    let Some(stat) = host.stat(path)?.filter(|_| path.starts_with('/')) else { return Ok(None) };
    if host.stat(format!("{path}/.git"))?.is_none() {
        return Ok(None);
    }
    let mut attributes = Map::new();
    if host.is_machine() && stat.uid != 0 {
        attributes.insert("user".to_owned(), Value::from(host.accounts()?.user_name(stat.uid)));
    }
    // Looking at one takes nothing that a manifest would have to say of it.
    let mut bare = attributes.clone();
    bare.extend([("ensure".to_owned(), Value::from("absent")), ("force".to_owned(), Value::Bool(true))]);
    let Ok(git) = Git::from_attributes(path, &bare) else { return Ok(None) };
    trust::expect_ours(host, &git)?;
    let ask = |arguments: &[&str]| -> Result<Option<String>, Failure> {
        let output = inside(host, &git)?.arguments(arguments.iter().copied()).run()?;
        Ok(if output.is_success() { Some(output.text()?.trim().to_owned()) } else { None })
    };
    let Some(repo) = ask(&["config", "--get", "remote.origin.url"])? else { return Ok(None) };
    let Some(head) = ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])? else { return Ok(None) };
    let tags = ask(&["tag", "--points-at", "HEAD"])?.unwrap_or_default();
    attributes.insert("repo".to_owned(), Value::from(repo));
    attributes.insert("revision".to_owned(), Value::from(only_tag(&tags).unwrap_or(head)));
    if host.stat(format!("{path}/.git/modules"))?.is_some() {
        attributes.insert("submodules".to_owned(), Value::Bool(true));
    }
    Ok(Some(Described { title: path.to_owned(), attributes }))
}

/// The one tag of a list. Of several nobody can tell which one was meant.
fn only_tag(listed: &str) -> Option<String> {
    let mut tags = listed.lines().filter(|tag| is_revision(tag));
    let first = tags.next()?;
    tags.next().is_none().then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use keel_engine::resource::ResourceType;

    use super::super::GitType;
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn of_several_tags_none_is_meant() {
        assert_eq!([only_tag("v1\n"), only_tag("v1\nv2\n"), only_tag("")], [Some("v1".to_owned()), None, None]);
    }

    #[test]
    fn a_checkout_is_kept_where_it_is() {
        let trial = Trial::new();
        let shell = |script: &str| {
            let folder = trial.path("/");
            trial.host.command("/bin/sh").arguments(["-c", script]).directory(&folder).environment("HOME", "/").succeed().unwrap();
        };
        shell(
            "git init -q -b main origin && cd origin && git config user.email a@b && git config user.name a && \
             git commit -q --allow-empty -m 1 && git tag v1 && git commit -q --allow-empty -m 2 && mkdir ../srv ../plain",
        );
        let origin = trial.path("/origin").display().to_string();
        let of = |revision: &str| [("repo", Value::from(origin.as_str())), ("revision", Value::from(revision))];
        for revision in ["v1", "main"] {
            trial.converge(&GitType, "/srv/app", &of(revision)).unwrap();
            let found = GitType.describe(&trial.host, Some("/srv/app")).unwrap().unwrap();
            let attributes: Vec<(&str, Value)> = found[0].attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(trial.plan(&GitType, "/srv/app", &attributes).unwrap(), [""; 0], "{revision}");
            let said = found[0].attributes.get("revision").and_then(Value::as_str).unwrap_or_default();
            assert_eq!((said == "v1", said.len() == 40), (revision == "v1", revision == "main"), "{said}");
        }
        for none in ["/plain", "/none", "srv/app"] {
            assert_eq!(GitType.describe(&trial.host, Some(none)).unwrap().unwrap(), [], "{none}");
        }
        assert_eq!(GitType.describe(&trial.host, None).unwrap().unwrap(), []);
    }
}
