//! The files that keep a host's packet filter, as manifests that keep them, and what no file keeps.

use std::collections::BTreeSet;
use std::path::Path;

use keel_engine::attributes::Attributes;
use keel_engine::resource::{Described, Failure, Unsaid};
use keel_engine::value::{Map, Value};

use super::ruleset::Ruleset;
use super::{Nftables, USUAL_FILE, trial_run};
use crate::host::Host;
use crate::whole_file::files_in;

/// Where the usual file finds further ones, by an `include` that most people write.
const FURTHER: &str = "/etc/nftables.d";
const END: &str = ".nft";
/// The permission bit of a file that everybody may read.
const READ_BY_ALL: u32 = 0o004;

/// All of them, those of one title, or the file at a path. Whatever is for a few to read may be a secret.
pub(super) fn listing(host: &Host, title: Option<&str>) -> Result<Vec<Described>, Failure> {
    let mut found = Vec::new();
    for path in title.filter(|title| title.starts_with('/')).map_or_else(|| usual(host), |path| Ok(vec![path.to_owned()]))? {
        let name = stem(&path);
        if title.is_some_and(|title| title != name && title != path)
            || host.stat_followed(&path)?.is_none_or(|stat| stat.mode & READ_BY_ALL == 0)
        {
            continue;
        }
        let Some(content) = host.read_text(&path)?.as_deref().and_then(Ruleset::kept_in) else { continue };
        let mut attributes = Map::new();
        if path != USUAL_FILE {
            attributes.insert("file".to_owned(), Value::from(path.as_str()));
        }
        attributes.insert("content".to_owned(), Value::from(content.as_str()));
        if !is_in_force(host, &name, &attributes, &content) {
            attributes.insert("live".to_owned(), Value::Bool(false));
        }
        found.push(Described { title: name, attributes });
    }
    Ok(found)
}

/// What stands in files that are not described, and in the kernel alone.
pub(super) fn unsaid(host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
    let file = |thing: &Described| thing.attributes.get("file").and_then(Value::as_str).unwrap_or(USUAL_FILE).to_owned();
    let known: BTreeSet<String> = described.iter().map(file).collect();
    let why = "it adds to tables and replaces none, begins with another line than `#!/usr/sbin/nft -f`, or is for a few to read";
    let mut unsaid: Vec<Unsaid> = usual(host)?.into_iter().filter(|path| !known.contains(path)).map(|what| Unsaid { what, why }).collect();
    let in_force = described.iter().filter(|thing| !thing.attributes.contains_key("live"));
    let rules = in_force.filter_map(|thing| Ruleset::parse(thing.attributes.get("content")?.as_str()?).ok());
    let (mut kept, mut flushes) = (BTreeSet::new(), false);
    for rules in rules {
        flushes |= rules.flushes;
        kept.extend(rules.tables);
    }
    // Rules that replace everything and are in force leave nothing else there.
    if host.is_machine() && !flushes {
        let why = "it is in the kernel alone, and no file that is described brings it back";
        let running = trial_run::running_tables(host)?.into_iter().filter(|table| !kept.contains(table));
        unsaid.extend(running.map(|table| Unsaid { what: format!("table {table}"), why }));
    }
    Ok(unsaid)
}

/// The files that the host loads, as far as there are any.
fn usual(host: &Host) -> Result<Vec<String>, Failure> {
    let first = host.stat_followed(USUAL_FILE)?.map(|_| USUAL_FILE.to_owned());
    let further = files_in(host, FURTHER, END)?.into_iter().map(|file| format!("{FURTHER}/{}{END}", file.title));
    Ok(first.into_iter().chain(further).collect())
}

fn stem(path: &str) -> String {
    Path::new(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// Whether the kernel has these rules. Where that cannot be told the file is described as it would be in force, and
/// whoever looks at it as a resource says what is in the way.
fn is_in_force(host: &Host, name: &str, attributes: &Map, content: &str) -> bool {
    let (Ok(desired), Ok(ruleset)) = (Nftables::from_attributes(name, attributes), Ruleset::parse(content)) else { return true };
    !host.is_machine() || !matches!(trial_run::difference(host, &desired, &ruleset), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use keel_engine::resource::ResourceType;

    use super::super::NftablesType;
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn files_of_rules_are_kept_as_they_are_whoever_wrote_them() {
        let trial = Trial::new();
        let debian = "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n\tchain input {\n\t}\n}\n";
        trial.write(USUAL_FILE, debian);
        trial.write("/etc/nftables.d/adds.nft", "add rule inet filter input accept\n");
        trial.write("/etc/nftables.d/bare.nft", "table inet bare {\n}\n");
        let own = [("content", Value::from("table inet own {\n}\n")), ("file", Value::from("/etc/nftables.d/own.nft"))];
        trial.converge(&NftablesType, "own", &own).unwrap();
        let found = NftablesType.describe(&trial.host, None).unwrap().unwrap();
        let titles: Vec<&str> = found.iter().map(|thing| thing.title.as_str()).collect();
        assert_eq!(titles, ["nftables", "own"]);
        for thing in &found {
            let attributes: Vec<(&str, Value)> = thing.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(trial.plan(&NftablesType, &thing.title, &attributes).unwrap(), [""; 0], "{}", thing.title);
        }
        assert_eq!(found[1].attributes.get("content"), Some(&own[0].1));
        let left: Vec<String> = NftablesType.unsaid(&trial.host, &found).unwrap().into_iter().map(|left| left.what).collect();
        assert_eq!(left, ["/etc/nftables.d/adds.nft", "/etc/nftables.d/bare.nft"]);
        assert_eq!(NftablesType.describe(&trial.host, Some("/etc/nftables.d/own.nft")).unwrap().unwrap(), found[1..]);
        assert_eq!(NftablesType.describe(&trial.host, Some("none")).unwrap().unwrap(), []);
    }
}
