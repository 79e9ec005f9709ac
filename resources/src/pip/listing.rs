//! What stands in a virtual environment, as the packages that a manifest keeps there.

use keel_engine::resource::{Described, Failure};
use keel_engine::value::{Map, Value};

use super::{installed, version_of};
use crate::host::Host;

/// What each environment brings itself.
const OWN: [&str; 2] = ["pip", "setuptools"];

/// The packages of the environment at a path, each at its version. Without a path nobody knows where one is.
pub(super) fn listing(host: &Host, title: Option<&str>) -> Result<Vec<Described>, Failure> {
    let Some(venv) = title.filter(|title| title.starts_with('/')) else { return Ok(Vec::new()) };
    let is_venv = host.stat_followed(format!("{venv}/pyvenv.cfg"))?.is_some();
    let Some(packages) = (if is_venv { installed(host, venv)? } else { None }) else { return Ok(Vec::new()) };
    let owner = host.stat_followed(venv)?.map(|stat| stat.uid).filter(|uid| host.is_machine() && *uid != 0);
    let user = owner.map(|uid| Ok::<_, Failure>(host.accounts()?.user_name(uid))).transpose()?;
    let mut found = Vec::new();
    for (name, installations) in packages.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        let mut attributes = Map::from_iter([("venv".to_owned(), Value::from(venv))]);
        attributes.extend(version_of(host, installations)?.map(|version| ("version".to_owned(), Value::from(version))));
        attributes.extend(user.as_deref().map(|user| ("user".to_owned(), Value::from(user))));
        found.push(Described { title: name.clone(), attributes });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use keel_engine::resource::ResourceType;

    use super::super::PipType;
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn an_environment_is_listed_by_its_path() {
        let trial = Trial::new();
        trial.write("/opt/venv/pyvenv.cfg", "home = /usr/bin\n");
        for package in ["Flask_Login-0.6.3", "six-1.16.0", "pip-23.0"] {
            let folder = format!("/opt/venv/lib/python3.11/site-packages/{package}.dist-info");
            trial.write(&format!("{folder}/RECORD"), &format!("{package}.dist-info/INSTALLER,sha256=0,4\n"));
        }
        let found = PipType.describe(&trial.host, Some("/opt/venv")).unwrap().unwrap();
        let titles: Vec<&str> = found.iter().map(|thing| thing.title.as_str()).collect();
        assert_eq!(titles, ["flask-login", "six"]);
        for thing in &found {
            let attributes: Vec<(&str, Value)> = thing.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(trial.plan(&PipType, &thing.title, &attributes).unwrap(), [""; 0], "{}", thing.title);
        }
        assert_eq!(found[1].attributes.get("version"), Some(&Value::from("1.16.0")));
        for none in [None, Some("/opt"), Some("six")] {
            assert_eq!(PipType.describe(&trial.host, none).unwrap().unwrap(), [], "{none:?}");
        }
    }
}
