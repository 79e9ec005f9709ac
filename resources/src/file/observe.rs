//! Looking at files: one system call each where nothing is to be done, in as many threads as help.

use std::path::PathBuf;

use keel_engine::change::Shown;
use keel_engine::digest::Digest;
use keel_engine::resource::{Failure, ObserveError};

use super::account::Account;
use super::attributes::{Ensure, File, Links};
use super::source::{show, wanted_bytes};
use super::tree::{self, Deviation};
use crate::host::{Accounts, FileKind, Folders, Host, Stat};

/// What stands at a path, as far as the manifest asks.
#[derive(Debug)]
pub struct Observed {
    pub(super) stat: Option<Stat>,
    /// Where the link points, where one is wanted and there.
    pub(super) target: Option<PathBuf>,
    pub(super) content: Content,
    /// The ids that are asked for.
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    /// The names of the present owner and group, where one of them is to change.
    pub(super) names: Option<Box<[String; 2]>>,
    /// What is not right below a directory.
    pub(super) tree: Vec<Deviation>,
}

/// How the bytes stand to the wanted ones.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    /// They are right, or nobody asks.
    Settled,
    /// They are to be written.
    Wanted { before: Shown, after: Shown },
}

/// So many files are looked at by one thread before another one pays.
const CHUNK_MIN: usize = 256;
/// More threads than this only wait for the kernel's locks.
const THREADS_MAX: usize = 8;

pub(super) fn observe_all(host: &Host, desired: &[&File]) -> Vec<Result<Observed, ObserveError>> {
    // Files that nobody gave an owner do not fail with the files of accounts.
    let accounts = host.accounts().map_err(ObserveError::Failed);
    let look = |chunk: &[&File]| {
        let mut folders = host.folders();
        chunk.iter().map(|desired| observe(host, accounts.as_deref(), &mut folders, desired)).collect::<Vec<_>>()
    };
    let chunks = desired.len() / CHUNK_MIN;
    // Asking for the processors reads files of the kernel: too much for the look at a single file.
    let threads = if chunks < 2 { 1 } else { std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(chunks) };
    if threads <= 1 {
        return look(desired);
    }
    std::thread::scope(|scope| {
        let chunks: Vec<_> =
            desired.chunks(desired.len().div_ceil(threads)).map(|chunk| (chunk, scope.spawn(move || look(chunk)))).collect();
        let lost = |chunk: &[&File]| {
            chunk.iter().map(|_| Err(ObserveError::Failed(Failure::new("the thread that looked at it broke down")))).collect::<Vec<_>>()
        };
        chunks.into_iter().flat_map(|(chunk, thread)| thread.join().unwrap_or_else(|_| lost(chunk))).collect()
    })
}

fn observe<'h>(
    host: &'h Host,
    accounts: Result<&Accounts, &ObserveError>,
    folders: &mut Folders<'h>,
    desired: &File,
) -> Result<Observed, ObserveError> {
    let stat = match desired.links {
        Links::Manage => folders.stat(&desired.path)?,
        Links::Follow => host.stat_followed(&desired.path)?,
    };
    let kind = desired.kind();
    refuse_obstacles(host, desired, kind, stat.as_ref())?;
    let mut observed = Observed { stat, target: None, content: Content::Settled, uid: None, gid: None, names: None, tree: Vec::new() };
    if kind == Ensure::Absent {
        return Ok(observed);
    }
    if stat.is_none() {
        folders.expect_folder_of(&desired.path)?;
    }
    if desired.owner.is_some() || desired.group.is_some() {
        observe_owner(accounts.map_err(Clone::clone)?, desired, &mut observed)?;
    }
    match kind {
        Ensure::Link => observed.target = host.read_link(&desired.path)?,
        Ensure::File => observed.content = observe_content(host, folders, desired, stat.as_ref())?,
        Ensure::Directory if desired.recurse => {
            observed.tree = tree::observe(host, accounts.map_err(Clone::clone)?, folders, desired, (observed.uid, observed.gid))?;
        }
        _ => {}
    }
    Ok(observed)
}

/// Finds who is to own a file, and who does where that differs.
fn observe_owner(accounts: &Accounts, desired: &File, observed: &mut Observed) -> Result<(), ObserveError> {
    observed.uid = id(desired.owner.as_ref(), "user", |name| accounts.user_id(name))?;
    observed.gid = id(desired.group.as_ref(), "group", |name| accounts.group_id(name))?;
    if let Some(stat) = observed.stat {
        let differs = observed.uid.is_some_and(|uid| uid != stat.uid) || observed.gid.is_some_and(|gid| gid != stat.gid);
        observed.names = differs.then(|| Box::new([accounts.user_name(stat.uid), accounts.group_name(stat.gid)]));
    }
    Ok(())
}

/// Says so, before anything is planned, where only `force` could go on.
fn refuse_obstacles(host: &Host, desired: &File, kind: Ensure, stat: Option<&Stat>) -> Result<(), ObserveError> {
    let stands_folder = stat.is_some_and(|stat| stat.kind == FileKind::Folder);
    if desired.force || !stands_folder || matches!(kind, Ensure::Directory | Ensure::Present) {
        return Ok(());
    }
    let path = &desired.path;
    let failure = match kind {
        Ensure::Absent if host.list(path)?.is_none_or(|entries| entries.is_empty()) => return Ok(()),
        Ensure::Absent => Failure::new(format!("the directory {path} is not empty")).help("with force=#true it goes with all it holds"),
        kind => Failure::new(format!("a directory stands at {path}, where a {kind} is wanted"))
            .help("with force=#true it is removed with all it holds"),
    };
    // Something upstream may still clear the way.
    Err(ObserveError::NotYet(failure))
}

fn id(account: Option<&Account>, kind: &str, find: impl Fn(&str) -> Option<u32>) -> Result<Option<u32>, ObserveError> {
    match account {
        None => Ok(None),
        Some(Account::Id(id)) => Ok(Some(*id)),
        Some(Account::Name(name)) => match find(name) {
            Some(id) => Ok(Some(id)),
            None => Err(ObserveError::NotYet(
                Failure::new(format!("the {kind} {name:?} does not exist")).help(format!("declare it: {kind} {name:?}")),
            )),
        },
    }
}

fn observe_content(host: &Host, folders: &mut Folders<'_>, desired: &File, stat: Option<&Stat>) -> Result<Content, ObserveError> {
    if !desired.replace && stat.is_some() {
        return Ok(Content::Settled);
    }
    let stat = stat.filter(|stat| stat.kind == FileKind::File);
    let wanted = wanted_bytes(host, desired)?;
    if let (Some(stat), Some(wanted)) = (stat, &wanted)
        && wanted.is(host, stat.size, || digest(host, folders, desired, stat))?
    {
        return Ok(Content::Settled);
    }
    let (before, after) = match (stat, wanted) {
        // `ensure=file` alone makes an empty file and leaves the bytes of one alone.
        (Some(_), None) => return Ok(Content::Settled),
        (Some(_), Some(wanted)) => (before(host, desired)?, wanted.show(host, desired.show_diff)?),
        (None, Some(wanted)) => (Shown::Absent, wanted.show(host, desired.show_diff)?),
        (None, None) => (Shown::Absent, Shown::Absent),
    };
    Ok(Content::Wanted { before, after })
}

fn digest(host: &Host, folders: &mut Folders<'_>, desired: &File, stat: &Stat) -> Result<Option<Digest>, Failure> {
    match desired.links {
        Links::Manage => folders.digest(&desired.path, stat),
        Links::Follow => Ok(host.read(&desired.path)?.map(|bytes| Digest::of(&bytes))),
    }
}

fn before(host: &Host, desired: &File) -> Result<Shown, Failure> {
    if desired.is_secret() {
        return Ok(Shown::Hidden);
    }
    let Some(bytes) = host.read(&desired.path)? else { return Ok(Shown::Absent) };
    Ok(show(&bytes, desired.show_diff))
}
