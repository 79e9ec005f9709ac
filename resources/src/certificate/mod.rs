//! The type `certificate`: a certificate with its key, by its own signature or a given authority's, renewed in time.

mod attributes;
mod issue;
mod listing;
mod verdict;

use std::time::SystemTime;

use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::text::Text;
use rcgen::KeyPair;

use crate::ensure::Ensure;
use crate::host::{Backup, Host, NewFile, Ownership, Stat};
pub use attributes::{Algorithm, Certificate, Usage};
use attributes::{as_path, no_key};
use verdict::{Authority, verdict};

/// What was found of a certificate and its key.
#[derive(Debug)]
pub struct ObservedCertificate {
    /// What is wrong with the certificate; none where nothing is.
    certificate: Option<Wrong>,
    key_is_there: bool,
    /// What the key's file is not.
    ownership: Vec<Change>,
}

/// Why a certificate has to be made.
#[derive(Debug, PartialEq)]
enum Wrong {
    Missing,
    /// There is one, and this is the matter with it.
    This(String),
    /// There is one that shall go.
    Present,
}

/// The type `certificate`.
pub struct CertificateType;

impl ResourceType for CertificateType {
    type Host = Host;
    type Desired = Certificate;
    type Observed = ObservedCertificate;

    fn observe(&self, host: &Host, desired: &[&Certificate]) -> Vec<Result<ObservedCertificate, ObserveError>> {
        desired.iter().map(|certificate| observe(host, certificate)).collect()
    }

    fn diff(&self, desired: &Certificate, observed: &ObservedCertificate) -> Vec<Change> {
        let mut changes = Vec::new();
        if desired.ensure == Ensure::Absent {
            changes.extend(observed.certificate.iter().map(|_| Change::delete("certificate", "present")));
            changes.extend(observed.key_is_there.then(|| Change::delete("key", Shown::Hidden)));
            return changes;
        }
        if !observed.key_is_there {
            changes.push(Change::create("key", Shown::Hidden));
        }
        let after = desired.summary();
        match &observed.certificate {
            Some(Wrong::Missing) => changes.push(Change::create("certificate", after)),
            Some(Wrong::This(why)) => changes.push(Change::update("certificate", why.as_str(), after)),
            Some(Wrong::Present) | None => {}
        }
        changes.extend(observed.ownership.iter().cloned());
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if desired.ensure == Ensure::Absent {
            // The key outlives nothing that it belongs to.
            host.remove(desired.key_path())?;
            return host.remove(desired.path()).map(drop);
        }
        let (ownership, _) = ownership(host, desired, None).map_err(|error| error.failure().clone())?;
        let key = if has("key") {
            let key = issue::new_key(host, desired.algorithm)?;
            let pem = key.serialize_pem();
            host.replace(desired.key_path(), &NewFile { ownership, backup: Backup::None, ..NewFile::of(pem.as_bytes()) })?;
            key
        } else {
            if work.observed.ownership.iter().any(|change| has(&change.attribute)) {
                host.set_ownership(desired.key_path(), ownership)?;
            }
            read_key(host, desired)?.ok_or_else(|| Failure::new(format!("the key {} is gone", desired.key_path())))?
        };
        if has("certificate") {
            let authority = authority(host, desired).map_err(|error| error.failure().clone())?;
            let pem = issue::issue(desired, &key, authority.as_ref(), now())?;
            host.replace(desired.path(), &NewFile::of(pem.as_bytes()))?;
        }
        Ok(())
    }

    fn footprint(&self, desired: &Certificate) -> Footprint {
        let paths = [desired.path(), desired.key_path()];
        let mut footprint = Footprint::default();
        for path in &paths {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            footprint = footprint.own(format!("path:{path}")).need(format!("path:{}", if folder.is_empty() { "/" } else { folder }));
        }
        let of_authority = [&desired.ca_certificate, &desired.ca_key].into_iter().flatten().filter_map(as_path);
        footprint = of_authority.map(|path| format!("path:{path}")).fold(footprint, Footprint::need);
        let accounts = [
            desired.key_owner.as_ref().and_then(|owner| owner.key("user")),
            desired.key_group.as_ref().and_then(|group| group.key("group")),
        ];
        accounts.into_iter().flatten().fold(footprint, Footprint::need)
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        listing::listing(host, title).map(Some)
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        listing::unsaid(host, described)
    }

    /// Besides those with a key in the usual place.
    fn asked_by(&self) -> Option<&'static str> {
        Some("/PATH")
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default()
}

fn observe(host: &Host, desired: &Certificate) -> Result<ObservedCertificate, ObserveError> {
    let found = host.read_text(desired.path())?;
    if desired.ensure == Ensure::Absent {
        let key_is_there = host.stat(desired.key_path())?.is_some();
        return Ok(ObservedCertificate { certificate: found.map(|_| Wrong::Present), key_is_there, ownership: Vec::new() });
    }
    let key = read_key(host, desired)?;
    let authority = authority(host, desired)?;
    let certificate = match (&found, &key) {
        (None, _) => Some(Wrong::Missing),
        (Some(_), None) => Some(Wrong::This("without its key".to_owned())),
        (Some(pem), Some(key)) => verdict(pem, key, desired, authority.as_ref(), now()).map(Wrong::This),
    };
    if found.is_none() {
        host.folders().expect_folder_of(desired.path())?;
    }
    if key.is_none() {
        host.folders().expect_folder_of(desired.key_path())?;
    }
    let stat = if key.is_some() { host.stat_followed(desired.key_path())? } else { None };
    let (_, ownership) = ownership(host, desired, stat)?;
    Ok(ObservedCertificate { certificate, key_is_there: key.is_some(), ownership })
}

fn read_key(host: &Host, desired: &Certificate) -> Result<Option<KeyPair>, Failure> {
    let path = desired.key_path();
    let Some(pem) = host.read_text(&path)? else { return Ok(None) };
    let key = KeyPair::from_pem(&pem).map_err(|_| {
        Failure::new(format!("{path} holds no key that can be read"))
            .help("move it away, and a new one is made; keys with a passphrase cannot be used")
    })?;
    Ok(Some(key))
}

/// The text of an authority's file, which may stand in the manifest or on the host.
fn text_of(host: &Host, text: &Text) -> Result<String, ObserveError> {
    let Some(path) = as_path(text) else {
        let bytes = text.bytes(host.contents()).map_err(Failure::new)?;
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    };
    let missing = || ObserveError::NotYet(Failure::new(format!("the file {path} of the authority does not exist")));
    host.read_text(path)?.ok_or_else(missing)
}

fn authority(host: &Host, desired: &Certificate) -> Result<Option<Authority>, ObserveError> {
    let (Some(certificate), Some(key)) = (&desired.ca_certificate, &desired.ca_key) else { return Ok(None) };
    let pem = text_of(host, certificate)?;
    let key = KeyPair::from_pem(&text_of(host, key)?).map_err(|_| no_key("the authority's key"))?;
    Authority::of(pem, key).map(Some).map_err(ObserveError::Failed)
}

/// Who shall own the key, and what of that is not so.
fn ownership(host: &Host, desired: &Certificate, stat: Option<Stat>) -> Result<(Ownership, Vec<Change>), ObserveError> {
    let accounts = host.accounts()?;
    let unknown = |kind: &str, name: &str| {
        ObserveError::NotYet(Failure::new(format!("the {kind} {name:?} does not exist")).help(format!("declare it: {kind} {name:?}")))
    };
    let uid = desired.owner_id(|name| accounts.user_id(name)).map_err(|name| unknown("user", &name))?;
    let gid = desired.group_id(|name| accounts.group_id(name)).map_err(|name| unknown("group", &name))?;
    let mode = desired.key_mode.as_ref().map_or(0o600, |mode| mode.resolve(0o600, false));
    let mut changes = Vec::new();
    if let Some(stat) = stat {
        if stat.mode & 0o7777 != mode {
            changes.push(Change::update("key mode", format!("{:04o}", stat.mode & 0o7777), format!("{mode:04o}")));
        }
        if let Some(uid) = uid.filter(|uid| *uid != stat.uid) {
            changes.push(Change::update("key owner", accounts.user_name(stat.uid), accounts.user_name(uid)));
        }
        if let Some(gid) = gid.filter(|gid| *gid != stat.gid) {
            changes.push(Change::update("key group", accounts.group_name(stat.gid), accounts.group_name(gid)));
        }
    }
    Ok((Ownership { uid, gid, mode: Some(mode) }, changes))
}

#[cfg(test)]
mod tests;
