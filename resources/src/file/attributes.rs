//! The attributes of `file` and what may not be said together.

use indexmap::IndexMap;
use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue, wrong_type};
use keel_engine::contents::Blob;
use keel_engine::schema::Kind;
use keel_engine::text::Text;
use keel_engine::value::Value;

use super::account::Account;
use super::mode::ModeSpec;

keel_engine::choices! {
    /// What shall stand at a path.
    pub enum Ensure {
        /// Anything; an empty file where there is nothing.
        Present = "present",
        /// A regular file.
        File = "file",
        /// A directory.
        Directory = "directory",
        /// A symbolic link.
        Link = "link",
        /// Nothing.
        Absent = "absent",
    }
}

keel_engine::choices! {
    /// Whether a link at the path is the thing itself.
    pub enum Links {
        /// It is: a file takes its place.
        Manage = "manage",
        /// It is not: what it points to is meant.
        Follow = "follow",
    }
}

/// Where old bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupChoice {
    /// Nowhere.
    Nowhere,
    /// Into the store of backups.
    Store,
    /// Beside the file, under its name with this at the end.
    Beside(String),
}

impl AttributeValue for BackupChoice {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Bool, Kind::String])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(true) => Ok(BackupChoice::Store),
            Value::Bool(false) => Ok(BackupChoice::Nowhere),
            Value::String(suffix) if suffix.is_empty() || suffix.contains(['/', '\0']) => {
                Err(format!("expected the end of a file name such as \".bak\", found {suffix:?}"))
            }
            Value::String(suffix) => Ok(BackupChoice::Beside(suffix.clone())),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From the site, one file.
    Blob(Blob),
    /// From the site, a tree of files by their path in it.
    Tree(IndexMap<String, Blob>),
    /// From a file or directory of the host.
    Path(AbsolutePath),
}

impl AttributeValue for Source {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Path, Kind::Text, Kind::Map(Box::new(Kind::Text))])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Blob(blob) => Ok(Source::Blob(*blob)),
            Value::String(_) => AbsolutePath::read(value).map(Source::Path),
            Value::Map(entries) => entries.iter().map(|(path, value)| tree_entry(path, value)).collect::<Result<_, _>>().map(Source::Tree),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

fn tree_entry(path: &str, value: &Value) -> Result<(String, Blob), String> {
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
        return Err(format!("{path:?} is no path inside a tree"));
    }
    match value {
        Value::Blob(blob) => Ok((path.to_owned(), *blob)),
        other => Err(format!("{path}: {}", wrong_type(&Kind::Text, other))),
    }
}

keel_engine::attributes! {
    /// A file, a directory or a symbolic link, or that there is none.
    ///
    /// What is new is written beside its place, complete with owner and mode, and then moved into
    /// it: there is the old or the new, never half. ACLs, labels and extended attributes stay.
    ///
    ///     file "/etc/motd" owner=root mode="0644" content="Welcome.\n"
    ///     file "/etc/nginx/sites-enabled/default" ensure=absent
    ///     file "/srv/www" ensure=directory owner=www-data mode="0755"
    ///     file "/etc/localtime" target="/usr/share/zoneinfo/UTC"
    pub struct File: "file" {
        /// Where it is, an absolute path.
        [title] pub path: AbsolutePath,
        /// What shall stand there. Without it: a link where `target` is given, a directory where
        /// `recurse` or a `source` tree is, a file where `content` or `source` is; otherwise
        /// `present`, which makes an empty file where nothing is and keeps whatever is there.
        ///
        ///     file "/var/cache/old" ensure=absent force=#true
        pub ensure: Option<Ensure>,
        /// The file's bytes, exactly: no newline is added. A file with a secret in it is never
        /// shown nor backed up, and a new one has mode 0600 unless `mode` says otherwise.
        /// `template` in its place takes the text from a file of the module's `templates/`.
        ///
        ///     file "/etc/hostname" content="db-1\n"
        ///     file "/etc/app.conf" { template "app.conf.j2" }
        pub content: Option<Text>,
        /// Where the bytes come from: a file or folder of the module's `files/`, or an absolute
        /// path on the host. Of several the first that exists is taken. The bytes come as they are;
        /// for a file with variables in it write `template` instead, see `content`.
        ///
        ///     file "/etc/app.conf" source="/etc/app.conf.local"
        pub source: Vec<Source>,
        /// The owner, a name or an id. Not given: as it is; new things belong to who runs this.
        pub owner: Option<Account>,
        /// The group, a name or an id. Not given: as it is.
        pub group: Option<Account>,
        /// The mode as text, octal or symbolic. A directory also gets the search bit wherever an
        /// octal mode has the read bit. Not given: as it is; new files get 0644, new directories
        /// 0755 less what the umask takes.
        ///
        ///     file "/etc/app.key" mode="u=rw,g=r,o="
        pub mode: Option<ModeSpec>,
        /// Where a link points, written into it as it stands here. It need not exist.
        ///
        ///     file "/etc/alternatives/editor" target="/usr/bin/vim.basic"
        pub target: Option<String>,
        /// Whether a directory may be removed with all it holds, or be replaced by a file or link.
        [how] pub force: bool = false,
        /// Whether the content of an existing file is changed. Owner and mode are in any case.
        pub replace: bool = true,
        /// Whether what a directory holds is managed too: `source` is mirrored into it, and owner,
        /// group and mode hold for everything in it. What other resources declare is left to them.
        ///
        ///     file "/srv/www" source="www" recurse=#true purge=#true
        pub recurse: bool = false,
        /// How many levels below the directory are managed. Not given: all.
        pub recurselimit: Option<u32>,
        /// Whether `recurse` removes what no resource of the catalog declares. Directories only
        /// go with `force`.
        pub purge: bool = false,
        /// How many removals by `purge` in one run are believed; more than that are refused.
        [how] pub purge_max: u32 = 100,
        /// Names or paths in the tree that `recurse` neither changes nor removes; `*` and `?` stand
        /// for any text and any character.
        ///
        ///     file "/etc/app.d" ensure=directory recurse=#true purge=#true ignore="*.local"
        pub ignore: Vec<String>,
        /// A command that must succeed on the new file before it replaces the old one; `%` stands
        /// for its path. The arguments are separate values, there is no shell.
        ///
        ///     file "/etc/sudoers.d/ops" {
        ///         content "%ops ALL=(ALL) ALL\n"
        ///         validate visudo "-cf" "%"
        ///     }
        [how] pub validate: Vec<String>,
        /// Where the old bytes go: `#true` keeps them in the agent's store, `#false` nowhere, a
        /// text such as `".bak"` beside the file. Default: `#true`.
        ///
        /// Root alone can read the store, and nothing is kept as long as `content` is a secret. The
        /// run after a secret has left the manifest replaces bytes that may still be the secret, and
        /// keeps them: say `backup=#false` for that run, or change the secret.
        /// Of files that are removed only those up to 16 MiB are kept.
        [how] pub backup: Option<BackupChoice>,
        /// Whether a link at the path is itself meant (`manage`: a file replaces it) or what it
        /// points to (`follow`).
        pub links: Links = Links::Manage,
        /// Whether changes of the content are shown as a diff; otherwise only that they differ.
        [how] pub show_diff: bool = true,
        /// Whether `mode` may lend a program the rights of its owner or group (4755, `u+s`).
        pub allow_setuid: bool = false,
    }
    check |desired| { check(desired) }
}

/// Folders whose files are the kernel's or the agent's own.
const REFUSED: [(&str, &str); 4] = [
    ("/proc", "is the kernel's; use `sysctl` for its settings"),
    ("/sys", "is the kernel's"),
    ("/dev", "is the kernel's and udev's"),
    ("/var/lib/keel", "is the agent's own"),
];

/// Refuses paths that no manifest can mean.
pub(crate) fn check_path(attribute: &str, path: &AbsolutePath) -> Option<AttributeError> {
    if path.as_str() == "/" {
        return Some(AttributeError::new(attribute, "is the root directory, which exists in any case"));
    }
    let (_, reason) = REFUSED.iter().find(|(folder, _)| path.as_path().starts_with(folder))?;
    Some(AttributeError::of_value(attribute, format!("{path} {reason}")))
}

fn check(desired: &File) -> Vec<AttributeError> {
    let mut errors: Vec<AttributeError> = check_path("path", &desired.path).into_iter().collect();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    let has_source = !desired.source.is_empty();
    let is = |ensure| desired.ensure == Some(ensure);
    refuse(desired.content.is_some() && has_source, "content", "and `source` exclude each other");
    refuse(
        desired.target.is_some() && (desired.content.is_some() || has_source),
        "target",
        "is for links, which have no content of their own",
    );
    refuse(is(Ensure::Link) && desired.target.is_none(), "target", "is required for a link");
    refuse(
        desired.target.is_some() && !(is(Ensure::Link) || is(Ensure::Present) || desired.ensure.is_none()),
        "target",
        "is for links only",
    );
    refuse(
        desired.target.as_ref().is_some_and(|target| target.is_empty() || target.contains('\0')),
        "target",
        "cannot be empty or hold a NUL",
    );
    refuse(desired.content.is_some() && (is(Ensure::Directory) || is(Ensure::Absent)), "content", "is for files only");
    refuse(is(Ensure::Absent) && has_source, "source", "is for what shall be there");
    let is_folder = desired.kind() == Ensure::Directory;
    refuse(desired.recurse && !is_folder, "recurse", "is for directories");
    refuse(is_folder && has_source && !desired.recurse, "recurse", "must be #true for a directory with a source");
    refuse(desired.purge && !desired.recurse, "purge", "needs recurse=#true");
    refuse(
        !desired.recurse && (desired.recurselimit.is_some() || !desired.ignore.is_empty()),
        "recurse",
        "is what `recurselimit` and `ignore` are for",
    );
    refuse(desired.recurselimit == Some(0), "recurselimit", "is at least 1");
    refuse(
        !desired.validate.is_empty() && !desired.validate.iter().any(|word| word.contains('%')),
        "validate",
        "names the new file nowhere; write \"%\" for its path",
    );
    refuse(
        matches!(desired.validate.as_slice(), [one] if one.contains(' ')),
        "validate",
        "is one text; there is no shell, so write each argument as a value of its own: validate visudo \"-cf\" \"%\"",
    );
    refuse(desired.allow_setuid && desired.mode.is_none(), "allow_setuid", "is for a `mode` with setuid or setgid bits");
    // A directory's setgid bit only passes its group on.
    let lending = if is_folder && !desired.recurse { 0o4000 } else { 0o6000 };
    let lends = desired.mode.as_ref().is_some_and(|mode| mode.lends_rights(lending));
    if lends && !desired.allow_setuid {
        let error = AttributeError::new("mode", "lends a program the rights of its owner or group");
        errors.push(error.help("if that is meant, add allow_setuid=#true"));
    }
    errors
}

impl File {
    /// What shall stand at the path, with what the other attributes say about it.
    pub(super) fn kind(&self) -> Ensure {
        match self.ensure {
            Some(Ensure::Present) | None => {}
            Some(ensure) => return ensure,
        }
        if self.target.is_some() {
            Ensure::Link
        } else if self.recurse || self.source.iter().any(|source| matches!(source, Source::Tree(_))) {
            Ensure::Directory
        } else if self.content.is_some() || !self.source.is_empty() {
            Ensure::File
        } else {
            Ensure::Present
        }
    }

    /// Whether it says what a file's bytes are.
    pub(super) fn has_content(&self) -> bool {
        self.content.is_some() || !self.source.is_empty()
    }

    /// Whether nobody may see what is in it.
    pub(super) fn is_secret(&self) -> bool {
        self.content.as_ref().is_some_and(Text::is_secret)
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;
    use keel_engine::value::Map;

    use super::*;

    fn errors(title: &str, attributes: &[(&str, Value)]) -> Vec<String> {
        let map: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        match File::from_attributes(title, &map) {
            Ok(_) => vec![],
            Err(errors) => errors.into_iter().map(|error| error.attribute).collect(),
        }
    }

    #[test]
    fn paths_that_nobody_can_mean_are_refused() {
        for path in ["/", "/proc/sys/vm/swappiness", "/sys/x", "/dev/sda", "/var/lib/keel/state", "relative", "/a/../b", "/a//b", "/a/", ""]
        {
            assert_eq!(errors(path, &[]), ["path"], "{path}");
        }
        assert_eq!(errors("/process", &[]), Vec::<String>::new());
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        let text = Value::from("x");
        for (attributes, expected) in [
            (vec![("content", text.clone()), ("source", Value::from("/b"))], "content"),
            (vec![("target", text.clone()), ("content", text.clone())], "target"),
            (vec![("ensure", Value::from("link"))], "target"),
            (vec![("ensure", Value::from("directory")), ("content", text.clone())], "content"),
            (vec![("purge", Value::Bool(true))], "purge"),
            (vec![("mode", Value::Int(644))], "mode"),
            (vec![("mode", Value::from("4755"))], "mode"),
            (vec![("mode", Value::from("u+s"))], "mode"),
            (vec![("validate", text.clone())], "validate"),
            (vec![("validate", Value::from("visudo -cf %"))], "validate"),
            (vec![("colour", text.clone())], "colour"),
            (vec![("source", Value::from("relative"))], "source"),
            (vec![("backup", Value::from("/x"))], "backup"),
        ] {
            assert_eq!(errors("/a", &attributes), [expected], "{attributes:?}");
        }
        assert_eq!(errors("/a", &[("mode", Value::from("4755")), ("allow_setuid", Value::Bool(true))]), Vec::<String>::new());
        assert_eq!(errors("/a", &[("mode", Value::from("2775")), ("ensure", Value::from("directory"))]), Vec::<String>::new());
    }

    #[test]
    fn a_tree_holds_paths_inside_it_only() {
        let blob = Value::Blob(Blob::of(b"x"));
        for path in ["../x", "/x", "a/../../x", "", "a//b", "."] {
            let tree: Map = [(path.to_owned(), blob.clone())].into_iter().collect();
            assert_eq!(errors("/a", &[("source", Value::Map(tree)), ("recurse", Value::Bool(true))]), ["source"], "{path}");
        }
    }
}
