//! The type `apt_repository`: an archive that apt takes packages from.

use indexmap::IndexMap;
use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, wrong_type};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listed, Listing, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::schema::Kind as ValueKind;
use keel_engine::text::Text;
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::{Host, Ownership};
use crate::package::fetch_lists_of;
use crate::whole_file::{Deviation, WholeFile, files_in, undescribed};

const FOLDER: &str = "/etc/apt/sources.list.d";
const KEYS: &str = "/etc/apt/keyrings";
/// How a key in letters begins; others are bytes.
const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

choices! {
    /// Whether apt knows an archive.
    pub enum Ensure {
        /// It does.
        Present = "present",
        /// It does not.
        Absent = "absent",
    }
}

choices! {
    /// What is taken from an archive.
    pub enum Kind {
        /// Packages.
        Deb = "deb",
        /// Their sources.
        DebSrc = "deb-src",
    }
}

attributes! {
    /// An archive that apt takes packages from: a file in `/etc/apt/sources.list.d`, with the key that signs
    /// it, for this archive alone, in `/etc/apt/keyrings`.
    ///
    /// A new or changed one is tried out: where it cannot be reached or is not signed by the key, the
    /// resource fails with apt's own words and the old files come back. All packages come after it.
    ///
    ///     apt_repository "docker" uris="https://download.docker.com/linux/debian" suites=bookworm components=stable source="/root/docker.asc"
    ///     apt_repository "backports" uris="http://mirror.example.org/debian" suites="bookworm-backports" components=main signed_by="/usr/share/keyrings/debian-archive-keyring.gpg"
    ///
    /// With `purge apt_repository` the other `.sources` files go; `debian.sources` and `ubuntu.sources`, the
    /// distribution's own, and what packages brought stay. So do files in the older form, `.list`, with their one line
    /// for each archive, because nothing in them tells whose they are: a run warns of each, and
    /// `file "/etc/apt/sources.list.d/NAME.list" ensure=absent` removes one.
    pub struct AptRepository: "apt_repository" {
        /// What people call it; the files' name.
        [title] pub name: String,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// The addresses of its mirrors.
        pub uris: Vec<String>,
        /// The suites, such as `bookworm`; or one exact path with a slash at its end, and no components.
        pub suites: Vec<String>,
        /// The components, such as `main`.
        pub components: Vec<String>,
        /// `deb` for packages, `deb-src` for their sources.
        pub types: Vec<Kind>,
        /// The architectures. Not given: all that the host takes.
        pub architectures: Vec<String>,
        /// The key that signs it, as text.
        pub content: Option<Text>,
        /// The key that signs it: a file of the module's `files/`, or an absolute path on the host.
        pub source: Option<Key>,
        /// A key that is on the host already, instead of `source` and `content`.
        pub signed_by: Option<AbsolutePath>,
        /// Whether apt uses it.
        pub enabled: bool = true,
        /// Further fields of the file, such as `Check-Valid-Until no`.
        pub options: IndexMap<String, String>,
        /// Whether its lists are fetched when it is new or changed.
        pub fetch: bool = true,
    }
    check |desired| { check(desired) }
}

/// Where a key comes from.
#[derive(Debug, Clone)]
pub enum Key {
    /// From the site.
    Text(Text),
    /// From the host.
    Path(AbsolutePath),
}

impl AttributeValue for Key {
    fn kind() -> ValueKind {
        ValueKind::OneOf(vec![ValueKind::Path, ValueKind::Text])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Blob(blob) => Ok(Key::Text(Text::Blob(*blob))),
            Value::String(_) => AbsolutePath::read(value).map(Key::Path),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

fn check(desired: &AptRepository) -> Vec<AttributeError> {
    let mut errors = Vec::new();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !text.starts_with('.');
    refuse(!is_name(&desired.name), "name", "must be a file's name of letters, digits, `-`, `_` and `.`");
    let here = desired.ensure == Ensure::Present;
    refuse(here && desired.uris.is_empty(), "uris", "is required and not given");
    refuse(here && desired.suites.is_empty(), "suites", "is required and not given");
    let exact = desired.suites.iter().any(|suite| suite.ends_with('/'));
    refuse(
        here && exact != desired.components.is_empty(),
        "components",
        "stand with suites, and do not with an exact path, which ends in a slash",
    );
    let broken = |text: &String| text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control());
    let login = |uri: &String| uri.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'));
    refuse(
        desired.uris.iter().any(|uri| broken(uri) || !uri.contains(':')),
        "uris",
        "are addresses such as \"https://deb.example.org/debian\"",
    );
    refuse(
        desired.uris.iter().any(login),
        "uris",
        "hold a password, which every user could read; it belongs into a `file` in /etc/apt/auth.conf.d",
    );
    for (attribute, words) in [("suites", &desired.suites), ("components", &desired.components), ("architectures", &desired.architectures)]
    {
        refuse(words.iter().any(broken), attribute, "are words without spaces");
    }
    refuse(desired.content.as_ref().is_some_and(Text::is_secret), "content", "is a public key, which everybody may read, and no secret");
    let keys = [desired.content.is_some(), desired.source.is_some(), desired.signed_by.is_some()];
    refuse(keys.iter().filter(|given| **given).count() > 1, "source", "`content` and `signed_by` exclude each other");
    let bad_option = |(name, value): (&String, &String)| !is_name(name) || value.contains('\n');
    refuse(desired.options.iter().any(bad_option), "options", "are names of fields with one line of text each");
    errors
}

impl AptRepository {
    /// The bytes of the key that is to be kept with the archive.
    fn key(&self, host: &Host) -> Result<Option<Vec<u8>>, ObserveError> {
        let text = match (&self.content, &self.source) {
            (Some(text), _) | (None, Some(Key::Text(text))) => text,
            (None, Some(Key::Path(path))) => {
                let missing = || Failure::new(format!("there is no key {path}")).help("require what brings it");
                return host.read(path)?.map(Some).ok_or_else(|| ObserveError::NotYet(missing()));
            }
            (None, None) => return Ok(None),
        };
        let bytes = text.bytes(host.contents()).map_err(Failure::new)?;
        // A text that was indented or written in quotes still is the same key.
        let is_armored = bytes.trim_ascii_start().starts_with(ARMOR);
        Ok(Some(if is_armored { [bytes.trim_ascii(), b"\n"].concat() } else { bytes.to_vec() }))
    }

    fn list_path(&self) -> String {
        format!("{FOLDER}/{}.sources", self.name)
    }

    /// The key's file in both spellings, the one that fits its bytes first. Another run may have left the other.
    fn key_paths(&self, bytes: Option<&[u8]>) -> [String; 2] {
        let (armored, binary) = (format!("{KEYS}/{}.asc", self.name), format!("{KEYS}/{}.gpg", self.name));
        if bytes.is_none_or(|bytes| bytes.starts_with(ARMOR)) { [armored, binary] } else { [binary, armored] }
    }

    /// The file of the archive, and those of its key.
    fn files(&self, host: &Host) -> Result<[WholeFile; 3], ObserveError> {
        let is_here = self.ensure == Ensure::Present;
        let bytes = if is_here { self.key(host)? } else { None };
        let [used, other] = self.key_paths(bytes.as_deref());
        let signed_by = match (&bytes, &self.signed_by) {
            (Some(_), _) => Some(used.clone()),
            (None, path) => path.as_ref().map(ToString::to_string),
        };
        let list = is_here.then(|| self.text(signed_by.as_deref()));
        let key = WholeFile { path: used, wanted: bytes, is_secret: false };
        // A key that is named by its path is somebody else's, wherever it lies.
        let others = |file: WholeFile| {
            if self.signed_by.as_ref().is_some_and(|path| path.as_str() == file.path) { file.as_found(host) } else { Ok(file) }
        };
        Ok([WholeFile::open(self.list_path(), list), others(key)?, others(WholeFile::open(other, None))?])
    }

    fn text(&self, signed_by: Option<&str>) -> String {
        let types: Vec<&str> = if self.types.is_empty() { vec!["deb"] } else { self.types.iter().map(|kind| kind.as_str()).collect() };
        let mut fields = vec![
            ("Types".to_owned(), types.join(" ")),
            ("URIs".to_owned(), self.uris.join(" ")),
            ("Suites".to_owned(), self.suites.join(" ")),
        ];
        let mut add = |name: &str, words: &[String]| {
            if !words.is_empty() {
                fields.push((name.to_owned(), words.join(" ")));
            }
        };
        add("Components", &self.components);
        add("Architectures", &self.architectures);
        add("Signed-By", &signed_by.map(str::to_owned).into_iter().collect::<Vec<_>>());
        if !self.enabled {
            add("Enabled", &["no".to_owned()]);
        }
        fields.extend(self.options.iter().map(|(name, value)| (name.clone(), value.clone())));
        fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }
}

/// The archives of the distribution itself, without which a host gets no updates: nobody's to purge.
const DISTRIBUTIONS: [&str; 3] = ["debian", "debian-backports", "ubuntu"];

/// How the file of the archive and those of its key differ.
#[derive(Debug)]
pub struct ObservedRepository([Option<Deviation>; 3]);

/// The type `apt_repository`.
pub struct AptRepositoryType;

impl ResourceType for AptRepositoryType {
    type Host = Host;
    type Desired = AptRepository;
    type Observed = ObservedRepository;

    fn observe(&self, host: &Host, desired: &[&AptRepository]) -> Vec<Result<ObservedRepository, ObserveError>> {
        let look = |repository: &&AptRepository| {
            let [list, key, other] = repository.files(host)?;
            let folder_is_missing = key.wanted.is_some() && host.stat_followed(KEYS)?.is_none();
            if folder_is_missing {
                host.folders().expect_folder_of(KEYS)?;
            }
            let key = if folder_is_missing { Some(key.as_new()) } else { key.look(host)? };
            Ok(ObservedRepository([list.look(host)?, key, other.look(host)?]))
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, _desired: &AptRepository, observed: &ObservedRepository) -> Vec<Change> {
        let [list, key, other] = &observed.0;
        let list = list.iter().map(|deviation| deviation.change("list"));
        list.chain(key.iter().map(|deviation| deviation.change("key")))
            .chain(other.iter().map(|deviation| deviation.change("old key")))
            .collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let repository = work.desired;
        let mut files = repository.files(host).map_err(|error| error.failure().clone())?;
        if host.stat_followed(KEYS)?.is_none() && files.iter().any(|file| file.path.starts_with(KEYS) && file.wanted.is_some()) {
            host.create_folder(KEYS, Ownership { mode: Some(0o755), ..Ownership::default() })?;
        }
        // The key is there before the list that names it, and goes after it.
        if repository.ensure == Ensure::Present {
            files.reverse();
        }
        let before: Vec<WholeFile> = files.iter().map(|file| file.as_found(host)).collect::<Result<_, _>>()?;
        let settled = files.iter().try_for_each(|file| file.settle(host)).and_then(|()| try_out(host, repository));
        if settled.is_err() {
            // Otherwise the next run would find everything in order.
            before.iter().rev().try_for_each(|file| file.settle(host))?;
        }
        settled
    }

    fn footprint(&self, desired: &AptRepository) -> Footprint {
        let [armored, binary] = desired.key_paths(None);
        let footprint =
            Footprint::default().own(format!("path:{}", desired.list_path())).provide("apt:sources").need(format!("path:{FOLDER}"));
        let footprint = footprint.need(format!("path:{KEYS}"));
        let footprint = footprint.write(format!("path:{armored}")).write(format!("path:{binary}"));
        let source = match &desired.source {
            Some(Key::Path(path)) => Some(path),
            _ => None,
        };
        desired.signed_by.iter().chain(source).fold(footprint, |footprint, key| footprint.need(format!("path:{key}")))
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, opaque: true, ..Nature::default() }
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| {
            let files = files_in(host, FOLDER, ".sources")?.into_iter();
            let things = files.filter(|file| !DISTRIBUTIONS.contains(&file.title.as_str())).collect();
            let old =
                |file: Described| format!("{FOLDER}/{}.list is in apt's older form: a `file` with `ensure=absent` removes it", file.title);
            Ok(Listed { things, left: files_in(host, FOLDER, ".list")?.into_iter().map(old).collect() })
        })
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let mut unsaid =
            undescribed(host, (FOLDER, ".sources"), described, "it has several paragraphs, or fields that the type does not know")?;
        unsaid.extend(undescribed(host, (FOLDER, ".list"), &[], "it is in apt's older form")?);
        let old = host.read_text("/etc/apt/sources.list")?.unwrap_or_default();
        if old.lines().any(|line| line.starts_with("deb")) {
            unsaid.push(Unsaid { what: "/etc/apt/sources.list".to_owned(), why: "it is in apt's older form" });
        }
        Ok(unsaid)
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let name = entry.name.to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(".sources").filter(|name| title.is_none_or(|title| title == *name)) else { continue };
            let text = host.read_text(format!("{FOLDER}/{name}.sources"))?.unwrap_or_default();
            found.extend(describe(&text).map(|attributes| Described { title: name.to_owned(), attributes }));
        }
        Ok(Some(found))
    }
}

/// Fetches the lists of this archive alone, so that nothing else can be the reason.
fn try_out(host: &Host, repository: &AptRepository) -> Result<(), Failure> {
    if !host.is_machine() || !repository.fetch || !repository.enabled || repository.ensure == Ensure::Absent {
        return Ok(());
    }
    fetch_lists_of(host, &repository.list_path()).map_err(|failure| {
        let help = "check the address, the suite and the key; fetch=#false leaves the trial out";
        Failure::new(format!("apt refuses the archive {}: {}", repository.name, failure.message)).help(help)
    })
}

/// The attributes behind a file of one paragraph; none where it has several, or fields over several lines.
fn describe(text: &str) -> Option<Map> {
    let mut attributes = Map::new();
    let mut options = Map::new();
    for line in text.trim().lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t']))?;
        let words = Value::from(value.split_whitespace().collect::<Vec<_>>());
        let attribute = match name {
            "Types" => "types",
            "URIs" => "uris",
            "Suites" => "suites",
            "Components" => "components",
            "Architectures" => "architectures",
            "Signed-By" if value.trim().starts_with('/') => {
                attributes.insert("signed_by".to_owned(), Value::from(value.trim()));
                continue;
            }
            "Signed-By" => return None,
            "Enabled" => {
                attributes.insert("enabled".to_owned(), Value::Bool(value.trim() != "no"));
                continue;
            }
            _ => {
                options.insert(name.to_owned(), Value::from(value.trim()));
                continue;
            }
        };
        attributes.insert(attribute.to_owned(), words);
    }
    if !options.is_empty() {
        attributes.insert("options".to_owned(), Value::Map(options));
    }
    attributes.contains_key("uris").then_some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.write("/etc/apt/sources.list.d/README", "");
        trial
    }

    fn archive() -> Vec<(&'static str, Value)> {
        vec![
            ("uris", Value::from("https://x.example/deb")),
            ("suites", Value::from("bookworm")),
            ("components", list(&["main", "contrib"])),
        ]
    }

    #[test]
    fn an_archive_comes_with_its_key_and_goes_with_it() {
        let trial = trial();
        let key = ("content", Value::from("-----BEGIN PGP PUBLIC KEY BLOCK-----\nx\n"));
        let made = trial.converge(&AptRepositoryType, "x", &[&archive()[..], &[key]].concat()).unwrap();
        assert_eq!(made, ["+ list: absent -> 5 lines", "+ key: absent -> 2 lines"]);
        let text =
            "Types: deb\nURIs: https://x.example/deb\nSuites: bookworm\nComponents: main contrib\nSigned-By: /etc/apt/keyrings/x.asc\n";
        assert_eq!(trial.read("/etc/apt/sources.list.d/x.sources"), text);
        let other = ("content", Value::from("binary key"));
        let made = trial.converge(&AptRepositoryType, "x", &[&archive()[..], &[other]].concat()).unwrap();
        assert_eq!(made.len(), 3, "{made:?}");
        assert!(trial.exists("/etc/apt/keyrings/x.gpg") && !trial.exists("/etc/apt/keyrings/x.asc"));
        trial.converge(&AptRepositoryType, "x", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists("/etc/apt/keyrings/x.gpg") && !trial.exists("/etc/apt/sources.list.d/x.sources"));
    }

    #[test]
    fn what_is_described_plans_to_nothing() {
        let trial = trial();
        let options = ("options", Value::Map(Map::from_iter([("Check-Valid-Until".to_owned(), Value::from("no"))])));
        let more = [("signed_by", Value::from("/k.gpg")), ("enabled", Value::Bool(false)), options];
        trial.converge(&AptRepositoryType, "x", &[&archive()[..], &more].concat()).unwrap();
        let described = AptRepositoryType.describe(&trial.host, Some("x")).unwrap().unwrap().remove(0);
        let attributes: Vec<(&str, Value)> = described.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(trial.plan(&AptRepositoryType, "x", &attributes).unwrap(), [""; 0]);
        assert_eq!(describe("Types: deb\nURIs: a:b\n\nTypes: deb-src\n"), None, "two paragraphs");
    }

    #[test]
    fn what_apt_would_misread_is_refused() {
        let refused = |more: &[(&str, Value)]| Trial::refuses::<AptRepositoryType>("x", &[&archive()[..], more].concat());
        assert!(Trial::refuses::<AptRepositoryType>("x", &[]).contains("uris is required"));
        assert!(refused(&[("signed_by", Value::from("/k")), ("content", Value::from("k"))]).contains("exclude"));
        assert!(refused(&[("architectures", Value::from("amd64\nTrusted: yes"))]).contains("words"));
        let login = [("uris", Value::from("https://me:pass@x/deb")), ("suites", Value::from("x")), ("components", Value::from("main"))];
        assert!(Trial::refuses::<AptRepositoryType>("x", &login).contains("password"));
        assert!(Trial::refuses::<AptRepositoryType>("../x", &archive()).contains("name"));
    }
}
