//! The type `directory_tree`: a folder with all it holds, from the site's `files/` or from the host.

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, Nature, ObserveError, Reliance, ResourceType, Work};

use crate::ensure::Ensure;
use crate::file::{self, Account, File, FileType, Links, ModeSpec, Source};
use crate::host::Host;

attributes! {
    /// A folder with all it holds, as one resource: what changes anywhere in it is one change of the whole, so one
    /// `notify` is enough, and whoever requires the folder has everything in it.
    ///
    /// Each file is put in place whole. What other resources of the catalog declare in the folder is theirs.
    ///
    ///     directory_tree "/srv/www" source="www" owner=root group=www-data mode="0640" purge=#true {
    ///         exclude "uploads" "*.local"
    ///     }
    ///     directory_tree "/opt/app/plugins" source="/usr/share/app/plugins"
    pub struct DirectoryTree: "directory_tree" {
        /// Where it is, an absolute path.
        [title] pub path: AbsolutePath,
        /// Whether it is there. With `absent` the folder goes with all it holds.
        pub ensure: Ensure = Ensure::Present,
        /// Where it comes from: a folder of the module's `files/`, or an absolute path on the host. Of several the
        /// first that exists is taken.
        pub source: Vec<Source>,
        /// Who owns everything in it, a name or an id. Not given: as it is.
        pub owner: Option<Account>,
        /// The group of everything in it. Not given: as it is.
        pub group: Option<Account>,
        /// The mode of everything in it, octal or symbolic. Folders also get the search bit wherever an octal mode
        /// has the read bit. Not given: as it is, and as usual for what is new.
        pub mode: Option<ModeSpec>,
        /// Whether files that the source does not have are removed.
        pub purge: bool = false,
        /// How many removals in one run are believed; more than that are refused.
        [how] pub purge_max: u32 = 100,
        /// Names or paths in the folder that are neither changed nor removed; `*` and `?` stand for any text and any
        /// character.
        pub exclude: Vec<String>,
        /// Whether folders may be removed with all they hold where a file is wanted, or by `purge`.
        [how] pub force: bool = false,
        /// Whether changes are shown as a diff; otherwise only that they differ.
        [how] pub show_diff: bool = true,
    }
    check |desired| {
        let mut errors = Vec::new();
        let present = desired.ensure == Ensure::Present;
        if present && desired.source.is_empty() {
            errors.push(AttributeError::new("source", "is required and not given").help("a folder of `files/`; for an empty one write a `file` with ensure=directory"));
        }
        if !present && !desired.source.is_empty() {
            errors.push(AttributeError::new("source", "is for what shall be there"));
        }
        if desired.source.iter().any(|source| matches!(source, Source::Blob(_))) {
            errors.push(AttributeError::new("source", "is a file and not a folder").help("the type `file` has one file"));
        }
        if errors.is_empty() {
            errors.extend(desired.folder().check().into_iter().map(of_tree));
        }
        errors
    }
}

/// An error of the folder in the words of this type.
fn of_tree(error: AttributeError) -> AttributeError {
    if error.attribute == "allow_setuid" || error.message.contains("lends a program") {
        return AttributeError::new("mode", "lends every program in it the rights of its owner or group")
            .help("declare those programs as files of their own");
    }
    error
}

impl DirectoryTree {
    /// The same as the type `file` has it.
    fn folder(&self) -> File {
        let present = self.ensure == Ensure::Present;
        File {
            path: self.path.clone(),
            ensure: Some(if present { file::Ensure::Directory } else { file::Ensure::Absent }),
            content: None,
            source: self.source.clone(),
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.mode.clone(),
            target: None,
            force: self.force || !present,
            replace: true,
            recurse: present,
            recurselimit: None,
            purge: self.purge && present,
            purge_max: self.purge_max,
            ignore: if present { self.exclude.clone() } else { Vec::new() },
            validate: Vec::new(),
            backup: None,
            links: Links::Manage,
            show_diff: self.show_diff,
            allow_setuid: false,
        }
    }
}

/// What was found of a folder.
#[derive(Debug)]
pub struct ObservedTree {
    folder: File,
    found: file::Observed,
}

/// The type `directory_tree`.
pub struct DirectoryTreeType;

impl ResourceType for DirectoryTreeType {
    type Host = Host;
    type Desired = DirectoryTree;
    type Observed = ObservedTree;

    fn observe(&self, host: &Host, desired: &[&DirectoryTree]) -> Vec<Result<ObservedTree, ObserveError>> {
        let folders: Vec<File> = desired.iter().map(|tree| tree.folder()).collect();
        let found = FileType.observe(host, &folders.iter().collect::<Vec<_>>());
        folders.into_iter().zip(found).map(|(folder, found)| Ok(ObservedTree { folder, found: found? })).collect()
    }

    fn diff(&self, _desired: &DirectoryTree, observed: &ObservedTree) -> Vec<Change> {
        FileType.diff(&observed.folder, &observed.found)
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        FileType.apply(host, &as_file(work))
    }

    fn apply_batch(&self, host: &Host, works: &[Work<'_, Self>]) -> Vec<Result<(), Failure>> {
        FileType.apply_batch(host, &works.iter().map(as_file).collect::<Vec<_>>())
    }

    fn footprint(&self, desired: &DirectoryTree) -> Footprint {
        FileType.footprint(&desired.folder())
    }

    fn nature(&self) -> Nature {
        ResourceType::nature(&FileType)
    }

    fn reliance(&self, _desired: &DirectoryTree, observed: &ObservedTree) -> Reliance {
        FileType.reliance(&observed.folder, &observed.found)
    }
}

fn as_file<'w>(work: &Work<'w, DirectoryTreeType>) -> Work<'w, FileType> {
    Work { desired: &work.observed.folder, observed: &work.observed.found, changes: work.changes }
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::{Trial, list};

    fn trial() -> Trial {
        let trial = Trial::new();
        for (path, text) in [("/s/a", "a"), ("/s/deep/b", "b"), ("/t/old", "o"), ("/t/my.local", "m"), ("/t/deep/b", "other")] {
            trial.write(path, text);
        }
        trial
    }

    #[test]
    fn a_folder_becomes_what_its_source_is() {
        let trial = trial();
        let attributes =
            [("source", Value::from("/s")), ("purge", Value::Bool(true)), ("exclude", list(&["*.local"])), ("mode", Value::from("0600"))];
        let changes = trial.converge(&DirectoryTreeType, "/t", &attributes).unwrap();
        assert!(changes.iter().any(|change| change.starts_with("- old")), "{changes:?}");
        assert_eq!((trial.read("/t/a"), trial.read("/t/deep/b"), trial.read("/t/my.local")), ("a".into(), "b".into(), "m".into()));
        assert!(!trial.exists("/t/old"));
        let mode = |path: &str| std::os::unix::fs::PermissionsExt::mode(&trial.path(path).metadata().unwrap().permissions()) & 0o777;
        assert_eq!((mode("/t/deep"), mode("/t/deep/b")), (0o700, 0o600));
        trial.converge(&DirectoryTreeType, "/t", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists("/t"));
    }

    #[test]
    fn too_many_removals_and_what_is_no_folder_are_refused() {
        let trial = trial();
        let attributes = [("source", Value::from("/s")), ("purge", Value::Bool(true)), ("purge_max", Value::Int(1))];
        assert!(trial.plan(&DirectoryTreeType, "/t", &attributes).unwrap_err().contains("purge_max"));
        let refused = |attributes: &[(&str, Value)]| Trial::refuses::<DirectoryTreeType>("/t", attributes);
        assert!(refused(&[]).contains("source is required"));
        assert!(refused(&[("source", Value::from("/s")), ("mode", Value::from("4755"))]).contains("every program"));
        assert!(refused(&[("source", Value::Blob(keel_engine::contents::Blob::of(b"x")))]).contains("a file and not a folder"));
    }
}
