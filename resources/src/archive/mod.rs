//! The type `archive`: what a tar archive holds, unpacked in a folder.

mod members;

use std::path::PathBuf;
use std::time::Duration;

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, Span, wrong_type};
use keel_engine::change::{Change, Shown};
use keel_engine::contents::Blob;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::secret::Secret;
use keel_engine::text::Text;
use keel_engine::value::Value;

use crate::host::command::Command;
use crate::host::{Backup, Host, NewFile, Ownership, Staging, TREE};

/// The file in the folder that says which archive was unpacked there.
const MARK: &str = ".keel-archive";
/// The archive itself in the staging, where nobody else can change it once it was looked at.
const ARCHIVE: &str = "archive";
/// What the list of an archive may be long.
const LISTING_BYTES_MAX: usize = 64 << 20;

/// Where an archive comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From the site.
    Blob(Blob),
    /// From the host.
    Path(AbsolutePath),
    /// From the network.
    Url(String),
}

impl AttributeValue for Source {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Path, Kind::Text])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Blob(blob) => Ok(Source::Blob(*blob)),
            Value::String(text) if text.starts_with("https://") || text.starts_with("http://") => Ok(Source::Url(text.clone())),
            Value::String(_) => AbsolutePath::read(value).map(Source::Path),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

attributes! {
    /// A tar archive, compressed or not, unpacked in a folder. Other kinds (zip, 7z) are not taken:
    /// their own tools unpack them, in an `exec` with `creates`.
    ///
    /// All of it is looked at before anything is written: what leads out of the folder, devices,
    /// setuid programs and bombs are refused. It is unpacked out of everybody's reach, made to last, and only
    /// then put into the folder, each file whole. Which archive was unpacked is kept in the folder, in
    /// `.keel-archive`; another archive is unpacked over it. Files belong to whoever runs this unless
    /// `owner` and `group` say otherwise, whatever the archive says.
    ///
    ///     archive "/opt/app" source="https://example.org/app-2.1.tar.gz" strip_components=1 {
    ///         digest "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    ///     }
    pub struct Archive: "archive" {
        /// The folder, which is made if need be.
        [title] pub path: AbsolutePath,
        /// Where the archive comes from: a file of the site, an absolute path on the host or an `https://` address.
        pub source: Source,
        /// `sha256:` or `sha512:` and the digest of the archive. Needed for one from the network.
        pub digest: Option<String>,
        /// How many leading names are taken off what is in the archive.
        pub strip_components: u32 = 0,
        /// A path that the archive brings. Where it is there already and nobody knows which archive it
        /// came from, it is taken for this one.
        pub creates: Option<AbsolutePath>,
        /// Whose the unpacked files are.
        pub owner: Option<String>,
        /// Which group the unpacked files have.
        pub group: Option<String>,
        /// The name to log in with where `password` is given.
        pub username: Option<String>,
        /// The password or token for an `https://` address; may be a secret. It goes to that host alone.
        [secret] pub password: Option<Text>,
        /// The proxy for an archive from the network, such as `http://proxy:3128`. Not given: none.
        [how] pub proxy: Option<String>,
        /// How long fetching and unpacking may each take; at least a second.
        [how] pub timeout: Span = Span(Duration::from_secs(900)),
    }
    check |desired| {
        let mut errors = Vec::new();
        if desired.timeout.0.is_zero() {
            errors.push(AttributeError::new("timeout", "is 0").help("a second or more"));
        }
        if desired.digest.as_deref().is_some_and(|digest| split_digest(digest).is_none()) {
            errors.push(AttributeError::new("digest", "is none").help("`sha256:` and 64 digits, or `sha512:` and 128"));
        }
        if let Source::Url(url) = &desired.source {
            if desired.digest.is_none() {
                errors.push(AttributeError::new("digest", "is required for an archive from the network"));
            }
            if url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '@') {
                errors.push(AttributeError::new("source", "holds what no address may: spaces, or a name and password before `@`"));
            }
        }
        let name = match &desired.source {
            Source::Url(url) => url.split(['?', '#']).next().unwrap_or_default(),
            Source::Path(path) => path.as_str(),
            Source::Blob(_) => "",
        };
        if let Some(kind) = OTHER_KINDS.iter().find(|kind| name.to_lowercase().ends_with(**kind)) {
            let error = AttributeError::new("source", format!("is a {kind} file, and only tar archives are unpacked"));
            errors.push(error.help("give a .tar, .tar.gz, .tar.xz, .tar.bz2 or .tar.zst; or unpack it in an `exec` with `creates`"));
        }
        let is_private = matches!(&desired.source, Source::Url(url) if url.starts_with("https://"));
        if desired.password.is_some() && !is_private {
            errors.push(AttributeError::new("password", "is for an https:// address, which nobody can read on the way"));
        }
        if desired.password.is_some() != desired.username.is_some() {
            errors.push(AttributeError::new("username", "and `password` belong together"));
        }
        if desired.proxy.as_deref().is_some_and(|proxy| proxy.contains(|c: char| c.is_whitespace() || c == '@')) {
            errors.push(AttributeError::new("proxy", "is an address such as \"http://proxy:3128\", without a password"));
        }
        errors
    }
}

/// What tar does not read.
const OTHER_KINDS: [&str; 9] = [".zip", ".jar", ".war", ".7z", ".rar", ".deb", ".rpm", ".iso", ".exe"];

/// The program that computes a digest, and the digest.
fn split_digest(text: &str) -> Option<(&'static str, &str)> {
    let (algorithm, digits) = text.split_once(':')?;
    let (program, length) = match algorithm {
        "sha256" => ("sha256sum", 64),
        "sha512" => ("sha512sum", 128),
        _ => return None,
    };
    (digits.len() == length && digits.chars().all(|c| c.is_ascii_hexdigit())).then_some((program, digits))
}

impl Archive {
    fn inside(&self, name: &str) -> PathBuf {
        self.path.as_path().join(name)
    }

    /// What stands in the mark for this archive.
    fn identity(&self, host: &Host) -> Result<String, ObserveError> {
        match (&self.digest, &self.source) {
            (Some(digest), _) => Ok(digest.to_lowercase()),
            (None, Source::Blob(blob)) => Ok(format!("blake3:{}", blob.digest)),
            (None, Source::Path(path)) => {
                let missing = || Failure::new(format!("there is no archive {path}")).help("require what brings it");
                let stat = host.stat_followed(path.as_path())?.ok_or_else(|| ObserveError::NotYet(missing()))?;
                Ok(format!("file:{} {} {}", path, stat.size, stat.modified_ns))
            }
            (None, Source::Url(url)) => Ok(url.clone()),
        }
    }
}

/// What was found of an archive.
#[derive(Debug)]
pub struct ObservedArchive {
    /// Which archive was unpacked.
    mark: Option<String>,
    /// Which one it shall be.
    identity: String,
    /// Whether what it brings is there; none if nobody said what that is.
    created: Option<bool>,
}

/// The type `archive`.
pub struct ArchiveType;

impl ResourceType for ArchiveType {
    type Host = Host;
    type Desired = Archive;
    type Observed = ObservedArchive;

    fn observe(&self, host: &Host, desired: &[&Archive]) -> Vec<Result<ObservedArchive, ObserveError>> {
        let look = |archive: &&Archive| {
            if host.stat_followed(archive.path.as_path())?.is_none() {
                host.folders().expect_folder_of(&archive.path)?;
            }
            let mark = host.read_text(archive.inside(MARK))?.map(|mark| mark.trim_end().to_owned());
            let created = match &archive.creates {
                Some(path) => Some(host.stat_followed(path.as_path())?.is_some()),
                None => None,
            };
            Ok(ObservedArchive { mark, identity: archive.identity(host)?, created })
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, _desired: &Archive, observed: &ObservedArchive) -> Vec<Change> {
        let identity = observed.identity.as_str();
        match (&observed.mark, observed.created) {
            (None, Some(true)) => Vec::new(),
            (Some(mark), None | Some(true)) if mark == identity => Vec::new(),
            (Some(mark), _) if mark != identity => vec![Change::update("source", mark.as_str(), identity)],
            _ => vec![Change::create("source", Shown::from(identity))],
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let archive = work.desired;
        if host.stat_followed(archive.path.as_path())?.is_none() {
            host.create_folder(archive.path.as_path(), Ownership { mode: Some(0o755), ..Ownership::default() })?;
        }
        unpack(host, archive)?;
        let mark = format!("{}\n", work.observed.identity);
        host.replace(archive.inside(MARK), &NewFile { backup: Backup::None, ..NewFile::of(mark.as_bytes()) })
    }

    fn footprint(&self, desired: &Archive) -> Footprint {
        let folder = format!("path:{}", desired.path);
        let footprint = Footprint::default().write(format!("{folder}/{MARK}")).need(&folder).provide(&folder);
        let footprint = desired.creates.iter().fold(footprint, |footprint, path| footprint.provide(format!("path:{path}")));
        let footprint = match &desired.source {
            Source::Path(path) => footprint.need(format!("path:{path}")),
            Source::Url(_) => footprint.need("package:curl"),
            Source::Blob(_) => footprint,
        };
        let footprint = desired.owner.iter().fold(footprint, |footprint, owner| footprint.need(format!("user:{owner}")));
        desired.group.iter().fold(footprint, |footprint, group| footprint.need(format!("group:{group}")))
    }

    fn nature(&self) -> Nature {
        Nature { opaque: true, ..Nature::default() }
    }
}

/// Gets the archive, checks it and all that is in it, and only then unpacks it.
fn unpack(host: &Host, archive: &Archive) -> Result<(), Failure> {
    let (uid, gid) = owner(host, archive)?;
    let staging = host.stage(archive.path.as_path())?;
    fetch(host, archive, &staging)?;
    let command = |program: &str| host.command(program).directory(staging.directory()).timeout(Some(archive.timeout.0));
    if let Some((program, digits)) = archive.digest.as_deref().and_then(split_digest) {
        let output = command(program).arguments(["--", ARCHIVE]).succeed()?.text()?;
        let found = output.trim_start_matches('\\').split(' ').next().unwrap_or_default();
        if !found.eq_ignore_ascii_case(digits) {
            let failure = Failure::new(format!("the archive has another digest: {found} instead of {digits}"));
            return Err(failure.help("it was changed where it comes from, or on the way; nothing was unpacked"));
        }
    }
    let tar = || command("tar").argument(format!("--file={ARCHIVE}"));
    let listing =
        tar().arguments(["--list", "--verbose", "--numeric-owner", "--full-time", "--quoting-style=escape"]).capture(LISTING_BYTES_MAX);
    let bytes = staging.stat(ARCHIVE)?.map_or(0, |stat| stat.size);
    let members = members::parse_listing(&listing.succeed()?.text()?).map_err(Failure::new)?;
    members::check(&members, bytes)
        .map_err(|reason| Failure::new(format!("the archive is refused: {reason}")).help("nothing was unpacked"))?;
    tar()
        .arguments(["--extract", "--no-same-owner", "--no-same-permissions"])
        .argument(format!("--strip-components={}", archive.strip_components))
        .argument(format!("--directory={TREE}"))
        .succeed()?;
    staging.move_in(uid, gid)
}

/// The ids of whose the files shall be.
fn owner(host: &Host, archive: &Archive) -> Result<(Option<u32>, Option<u32>), Failure> {
    let accounts = host.accounts()?;
    let known = |kind: &str, name: &Option<String>, id: Option<u32>| match (name, id) {
        (Some(name), None) => Err(Failure::new(format!("there is no {kind} {name}")).help(format!("declare ({kind}){name}"))),
        (_, id) => Ok(id),
    };
    Ok((
        known("user", &archive.owner, archive.owner.as_deref().and_then(|owner| accounts.user_id(owner)))?,
        known("group", &archive.group, archive.group.as_deref().and_then(|group| accounts.group_id(group)))?,
    ))
}

/// Brings the archive into the staging.
fn fetch(host: &Host, archive: &Archive, staging: &Staging<'_>) -> Result<(), Failure> {
    match &archive.source {
        Source::Path(path) => staging.copy(path.as_path(), ARCHIVE),
        Source::Blob(blob) => staging.write(ARCHIVE, &host.contents().read(blob).map_err(Failure::new)?),
        Source::Url(url) => {
            let protocols = ["--proto", "=http,https", "--proto-redir", "=http,https", "--retry", "2"];
            let command = host.command("curl").arguments(["--fail", "--silent", "--show-error", "--location"]).arguments(protocols);
            let command = archive.proxy.iter().fold(command, |command, proxy| command.arguments(["--proxy", proxy]));
            let command = log_in(host, archive, command)?.directory(staging.directory());
            command.arguments(["--output", ARCHIVE, "--", url]).timeout(Some(archive.timeout.0)).succeed().map(drop)
        }
    }
}

/// Gives curl the password as a line of its settings, which it reads from its standard input.
fn log_in(host: &Host, archive: &Archive, command: Command) -> Result<Command, Failure> {
    let (Some(username), Some(password)) = (&archive.username, &archive.password) else { return Ok(command) };
    let bytes = password.bytes(host.contents()).map_err(Failure::new)?;
    let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
    let quoted = format!("{username}:{text}").replace('\\', r"\\").replace('"', r#"\""#);
    let secret = Secret::new(text);
    Ok(command.arguments(["--config", "-"]).input(format!("user = \"{quoted}\"\n")).conceal(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    /// Makes `/app.tar.gz` of a folder `app` by these commands in it.
    fn archive(trial: &Trial, script: &str) {
        let script = format!(
            "mkdir -p app && cd app && {script} && cd .. && tar --create --gzip --absolute-names --file app.tar.gz app && rm -r app"
        );
        trial.host.command("/bin/sh").arguments(["-c", &script]).directory(trial.path("/")).succeed().unwrap();
    }

    fn source() -> (&'static str, Value) {
        ("source", Value::from("/app.tar.gz"))
    }

    #[test]
    fn is_unpacked_once_and_again_when_it_changes() {
        let trial = Trial::new();
        archive(&trial, "echo 1 >version; mkdir bin; ln -s ../version bin/link");
        let attributes = [source(), ("strip_components", Value::Int(1))];
        assert_eq!(trial.converge(&ArchiveType, "/opt", &attributes).unwrap().len(), 1);
        assert_eq!((trial.read("/opt/version").as_str(), trial.read("/opt/bin/link").as_str()), ("1\n", "1\n"));
        archive(&trial, "echo 22 >version");
        let made = trial.converge(&ArchiveType, "/opt", &attributes).unwrap();
        assert!(made.len() == 1 && made[0].starts_with("~ source: "), "{made:?}");
        assert_eq!(trial.read("/opt/version"), "22\n");
        let names: Vec<_> = std::fs::read_dir(trial.path("/opt")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "nothing else than {names:?}");
    }

    #[test]
    fn a_wrong_digest_or_a_dangerous_member_unpacks_nothing() {
        let trial = Trial::new();
        archive(&trial, "echo 1 >a; ln -s /etc b");
        let digest = ("digest", Value::from(format!("sha256:{}", "0".repeat(64))));
        let error = trial.converge(&ArchiveType, "/opt", &[source(), digest]).unwrap_err();
        assert!(error.contains("another digest"), "{error}");
        let error = trial.converge(&ArchiveType, "/opt", &[source()]).unwrap_err();
        assert_eq!(error, "the archive is refused: the link app/b points outside the folder, to /etc");
        assert!(!trial.exists("/opt/app") && !trial.exists("/opt/.keel-archive"));
    }

    #[test]
    fn what_is_there_already_is_taken_for_it() {
        let trial = Trial::new();
        archive(&trial, "echo 1 >version");
        let creates = ("creates", Value::from("/opt/app/version"));
        trial.write("/opt/app/version", "by hand");
        assert_eq!(trial.plan(&ArchiveType, "/opt", &[source(), creates.clone()]).unwrap(), [""; 0]);
        std::fs::remove_file(trial.path("/opt/app/version")).unwrap();
        trial.converge(&ArchiveType, "/opt", &[source(), creates]).unwrap();
        assert_eq!(trial.read("/opt/app/version"), "1\n");
    }

    #[test]
    fn files_belong_to_whom_it_says() {
        use std::os::unix::fs::MetadataExt;
        let Some(trial) = Trial::as_root() else { return };
        archive(&trial, "echo 1 >a; chown 7:7 a; chmod 775 a");
        trial.write("/etc/passwd", "app:x:77:77::/:/bin/sh\n");
        trial.write("/etc/group", "app:x:78:\n");
        trial.converge(&ArchiveType, "/one", &[source()]).unwrap();
        let one = trial.path("/one/app/a").metadata().unwrap();
        assert_eq!((one.uid(), one.gid(), one.mode() & 0o7777), (0, 0, 0o755));
        trial.converge(&ArchiveType, "/two", &[source(), ("owner", Value::from("app")), ("group", Value::from("app"))]).unwrap();
        let two = trial.path("/two/app/a").metadata().unwrap();
        assert_eq!((two.uid(), two.gid()), (77, 78));
        let error = trial.converge(&ArchiveType, "/three", &[source(), ("owner", Value::from("ghost"))]).unwrap_err();
        assert_eq!(error, "there is no user ghost");
    }

    #[test]
    fn a_password_reaches_curl_and_no_list_of_processes() {
        let trial = Trial::new();
        let map = [
            ("source", Value::from("https://127.0.0.1:1/x.tar")),
            ("digest", Value::from(format!("sha256:{}", "0".repeat(64)))),
            ("username", Value::from("me")),
            ("password", Value::Secret(Secret::new("can\"ary".to_owned()))),
        ];
        let map = map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let archive = <Archive as keel_engine::attributes::Attributes>::from_attributes("/opt", &map).unwrap();
        let command = log_in(&trial.host, &archive, trial.host.command("cat")).unwrap();
        assert_eq!(command.to_string(), "cat --config -");
    }

    #[test]
    fn a_missing_folder_is_waited_for() {
        let trial = Trial::new();
        archive(&trial, "echo 1 >version");
        assert!(trial.plan(&ArchiveType, "/no/such/app", &[source()]).unwrap_err().contains("the directory /no/such does not exist"));
    }

    #[test]
    fn archives_from_the_network_need_a_digest() {
        let refused = |url: &str| Trial::refuses::<ArchiveType>("/x", &[("source", Value::from(url))]);
        assert!(refused("https://x/y.tar").contains("digest is required"));
        assert!(refused("https://me:pass@x/y.tar").contains("name and password"));
        assert!(refused("ftp://x/y.tar").contains("absolute path"));
        assert!(refused("https://x/y.ZIP?raw=1").contains("only tar archives"));
        assert!(Trial::refuses::<ArchiveType>("/x", &[("source", Value::from("/srv/y.zip"))]).contains("is a .zip file"));
        let login = [source(), ("username", Value::from("me")), ("password", Value::from("p"))];
        assert!(Trial::refuses::<ArchiveType>("/x", &login).contains("https"));
        assert!(Trial::refuses::<ArchiveType>("/x", &[source(), ("digest", Value::from("md5:0"))]).contains("digest is none"));
    }
}
