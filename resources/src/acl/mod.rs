//! The type `acl`: rights of further users and groups on files and folders.

mod entry;
mod list;

use std::path::PathBuf;

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::{Accounts, FileKind, Host, Stat};
pub use entry::Entry;
use list::{Acl, Grant, Holder};

/// How deep `recurse` goes.
const DEPTH_MAX: usize = 200;

choices! {
    /// Whether the rights are given.
    pub enum Ensure {
        /// They are.
        Present = "present",
        /// They are not, whatever they are.
        Absent = "absent",
    }
}

attributes! {
    /// Rights on a file or folder for users and groups beside its owner and group (an access control list).
    ///
    /// Who is not named keeps what rights there are, unless `exact=#true`. While there is a list, the group's
    /// bits in the file's mode are the most that anybody named can have: where a `file` gives a mode, give it
    /// the bits that are meant here too.
    ///
    ///     acl "/srv/www" entries="user:deploy:rwX" defaults="user:deploy:rwX" recurse=#true
    ///     acl "/var/log/app.log" entries="group:adm:r"
    pub struct AclRights: "acl" {
        /// The file or folder, which has to be there.
        [title] pub path: AbsolutePath,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// Who may do what: `user:NAME:rwx` or `group:NAME:r`. `X` is `x` for folders and programs only.
        pub entries: Vec<Entry>,
        /// The same for what is newly made in a folder.
        pub defaults: Vec<Entry>,
        /// Whether nobody else may have rights beside owner and group.
        pub exact: bool = false,
        /// Whether it holds for everything in a folder too.
        pub recurse: bool = false,
    }
    check |desired| {
        let mut errors: Vec<AttributeError> = crate::file::check_path("path", &desired.path).into_iter().collect();
        if desired.entries.is_empty() && desired.defaults.is_empty() && !desired.exact {
            errors.push(AttributeError::new("entries", "is required and not given").help("such as \"user:deploy:rwX\""));
        }
        if desired.exact && desired.ensure == Ensure::Absent {
            errors.push(AttributeError::new("exact", "has no meaning with ensure=absent"));
        }
        for (attribute, entries) in [("entries", &desired.entries), ("defaults", &desired.defaults)] {
            let twice = entries.iter().enumerate().find(|(at, entry)| entries.iter().take(*at).any(|other| other.is_same_holder(entry)));
            errors.extend(twice.map(|(_, entry)| AttributeError::new(attribute, format!("names {} twice", entry.holder_name()))));
        }
        errors
    }
}

/// Which of the two lists of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Access,
    Default,
}

impl Which {
    fn name(self) -> &'static std::ffi::CStr {
        match self {
            Which::Access => c"system.posix_acl_access",
            Which::Default => c"system.posix_acl_default",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Which::Access => "entries",
            Which::Default => "defaults",
        }
    }
}

/// A list that is not as it shall be.
#[derive(Debug)]
struct Deviation {
    path: PathBuf,
    /// Its name in a change: the attribute, with the path in the folder where it is another one.
    name: String,
    which: Which,
    before: Vec<String>,
    after: Vec<String>,
    wanted: Acl,
}

/// The lists that are not as they shall be.
#[derive(Debug)]
pub struct ObservedAcl(Vec<Deviation>);

/// The type `acl`.
pub struct AclType;

impl ResourceType for AclType {
    type Host = Host;
    type Desired = AclRights;
    type Observed = ObservedAcl;

    fn observe(&self, host: &Host, desired: &[&AclRights]) -> Vec<Result<ObservedAcl, ObserveError>> {
        desired.iter().map(|acl| observe(host, acl)).collect()
    }

    fn diff(&self, _desired: &AclRights, observed: &ObservedAcl) -> Vec<Change> {
        let shown = |grants: &[String]| if grants.is_empty() { Shown::Absent } else { Shown::from(grants.to_vec()) };
        observed.0.iter().map(|deviation| Change::update(&deviation.name, shown(&deviation.before), shown(&deviation.after))).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        work.observed.0.iter().try_for_each(|deviation| {
            // An empty list of defaults goes; an empty list of access is the mode alone.
            let bytes = (deviation.which == Which::Access || !deviation.wanted.grants.is_empty()).then(|| deviation.wanted.to_bytes());
            host.set_extended(&deviation.path, deviation.which.name(), bytes.as_deref())
        })
    }

    fn footprint(&self, desired: &AclRights) -> Footprint {
        let path = &desired.path;
        let footprint = Footprint::default().need(format!("path:{path}"));
        let holders = desired.entries.iter().chain(&desired.defaults).map(Entry::key);
        let footprint = holders.fold(footprint, Footprint::need);
        footprint.write(format!("acl:{path}")).need(format!("text:{path}"))
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        // Nobody wants every list of a whole disk.
        let Some(path) = title else { return Ok(Some(Vec::new())) };
        let Some(stat) = host.stat(path)? else { return Ok(Some(Vec::new())) };
        let accounts = host.accounts()?;
        let mut attributes = Map::new();
        for which in [Which::Access, Which::Default] {
            let list = read(host, path.as_ref(), which, &stat)?;
            if !list.grants.is_empty() {
                attributes.insert(which.word().to_owned(), Value::from(shown(&list, &accounts)));
            }
        }
        let found = (!attributes.is_empty()).then(|| Described { title: path.to_owned(), attributes });
        Ok(Some(found.into_iter().collect()))
    }
}

fn observe(host: &Host, desired: &AclRights) -> Result<ObservedAcl, ObserveError> {
    let path = &desired.path;
    let Some(stat) = host.stat(path)? else {
        if desired.ensure == Ensure::Absent {
            return Ok(ObservedAcl(Vec::new()));
        }
        return Err(ObserveError::NotYet(Failure::new(format!("{path} does not exist")).help("declare it, or require what brings it")));
    };
    if !desired.defaults.is_empty() && stat.kind != FileKind::Folder {
        return Err(Failure::new(format!("{path} is no folder, so nothing is made in it")).help("leave out `defaults`").into());
    }
    let accounts = host.accounts()?;
    let entries = resolve(&desired.entries, &accounts, desired.ensure)?;
    let defaults = resolve(&desired.defaults, &accounts, desired.ensure)?;
    let mut places = vec![(PathBuf::new(), stat)];
    if desired.recurse && stat.kind == FileKind::Folder {
        places.extend(host.list_tree(path.as_path(), DEPTH_MAX)?);
    }
    let mut deviations = Vec::new();
    for (below, stat) in places.iter().filter(|(_, stat)| matches!(stat.kind, FileKind::File | FileKind::Folder)) {
        let place = if below.as_os_str().is_empty() { path.as_path().to_owned() } else { path.as_path().join(below) };
        for (which, grants) in [(Which::Access, &entries), (Which::Default, &defaults)] {
            let is_managed = !grants.is_empty() || desired.exact;
            if !is_managed || which == Which::Default && stat.kind != FileKind::Folder {
                continue;
            }
            let now = read(host, &place, which, stat)?;
            let wanted = settle(&now, grants, desired, stat);
            if wanted != now {
                let suffix = if below.as_os_str().is_empty() { String::new() } else { format!(" {}", below.display()) };
                let (before, after) = (shown(&now, &accounts), shown(&wanted, &accounts));
                deviations.push(Deviation { path: place.clone(), name: format!("{}{suffix}", which.word()), which, before, after, wanted });
            }
        }
    }
    Ok(ObservedAcl(deviations))
}

/// Who is meant, by number. Nobody takes rights from a user that is not there.
fn resolve(entries: &[Entry], accounts: &Accounts, ensure: Ensure) -> Result<Vec<(Holder, entry::Rights)>, ObserveError> {
    let mut resolved = Vec::new();
    for entry in entries {
        match entry.resolve(accounts) {
            Some(holder) => resolved.push((holder, entry.rights)),
            None if ensure == Ensure::Absent => {}
            None => {
                let failure = Failure::new(format!("there is no {}", entry.holder_name()));
                return Err(ObserveError::NotYet(failure.help(format!("declare the {}", entry.holder_name()))));
            }
        }
    }
    Ok(resolved)
}

fn read(host: &Host, path: &std::path::Path, which: Which, stat: &Stat) -> Result<Acl, Failure> {
    let bytes = host.extended(path, which.name())?;
    let damaged = || Failure::new(format!("the access control list of {} is damaged", path.display()));
    bytes.map_or_else(|| Ok(Acl::of_mode(stat.mode)), |bytes| Acl::parse(&bytes).ok_or_else(damaged))
}

fn settle(now: &Acl, grants: &[(Holder, entry::Rights)], desired: &AclRights, stat: &Stat) -> Acl {
    let is_entered = stat.kind == FileKind::Folder || stat.mode & 0o111 != 0;
    let wanted: Vec<Grant> = grants.iter().map(|(holder, rights)| Grant { holder: *holder, bits: rights.bits(is_entered) }).collect();
    match desired.ensure {
        Ensure::Present if desired.exact => now.exactly(&wanted),
        Ensure::Present => now.with(&wanted),
        Ensure::Absent => now.without(&wanted),
    }
}

/// The named rights as manifests write them.
fn shown(list: &Acl, accounts: &Accounts) -> Vec<String> {
    let name = |holder: &Holder| match holder {
        Holder::User(id) => format!("user:{}", accounts.user_name(*id)),
        Holder::Group(id) => format!("group:{}", accounts.group_name(*id)),
    };
    list.grants.iter().map(|grant| format!("{}:{}", name(&grant.holder), entry::letters(grant.bits & list.mask()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn trial() -> Option<Trial> {
        let trial = Trial::as_root()?;
        trial.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n");
        trial.write("/etc/group", "root:x:0:\nadm:x:4:\n");
        trial.write("/srv/www/a", "");
        Some(trial)
    }

    #[test]
    fn rights_come_in_a_whole_folder_and_go() {
        let Some(trial) = trial() else { return };
        let rights = [("entries", list(&["user:ada:rwX"])), ("defaults", Value::from("user:ada:rwX")), ("recurse", Value::Bool(true))];
        let made = trial.converge(&AclType, "/srv/www", &rights).unwrap();
        assert_eq!(
            made,
            ["~ entries: absent -> [user:ada:rwx]", "~ defaults: absent -> [user:ada:rwx]", "~ entries a: absent -> [user:ada:rw-]"]
        );
        let described = AclType.describe(&trial.host, Some("/srv/www")).unwrap().unwrap().remove(0);
        let attributes: Vec<(&str, Value)> = described.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(trial.plan(&AclType, "/srv/www", &attributes).unwrap(), [""; 0]);
        let only = [("entries", Value::from("group:adm:r")), ("exact", Value::Bool(true))];
        assert_eq!(trial.converge(&AclType, "/srv/www/a", &only).unwrap(), ["~ entries: [user:ada:rw-] -> [group:adm:r--]"]);
        let gone = [("entries", Value::from("group:adm:r")), ("ensure", Value::from("absent"))];
        assert_eq!(trial.converge(&AclType, "/srv/www/a", &gone).unwrap(), ["~ entries: [group:adm:r--] -> absent"]);
    }

    #[test]
    fn who_is_not_there_is_waited_for() {
        let Some(trial) = trial() else { return };
        let ghost = [("entries", Value::from("user:ghost:r"))];
        assert_eq!(trial.plan(&AclType, "/srv/www", &ghost).unwrap_err(), "there is no user ghost");
        assert_eq!(trial.plan(&AclType, "/srv/none", &ghost).unwrap_err(), "/srv/none does not exist");
        assert!(Trial::refuses::<AclType>("/srv", &[("entries", list(&["user:a:r", "user:a:w"]))]).contains("twice"));
    }
}
