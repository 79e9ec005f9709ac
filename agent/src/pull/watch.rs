//! Watching what the catalog manages: files through inotify, services through systemd's signals. Between
//! events this costs nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures_core::Stream;
use inotify::{EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use keel_engine::address::Address;
use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::footprint::Footprint;
use keel_resources::host::units::UnitWatch;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::home::Home;
use super::service::Event;
use crate::state::read_if_there;

const FILE: &str = "watch.json";
/// Everything by which a file becomes another one, but not reading it.
const MASK: WatchMask =
    WatchMask::CLOSE_WRITE.union(WatchMask::ATTRIB).union(WatchMask::CREATE).union(WatchMask::DELETE).union(WatchMask::MOVE).union(GOES);
/// By which a folder goes away with everything in it. The mask of one that is watched for several reasons grows.
const GOES: WatchMask = WatchMask::MOVE_SELF.union(WatchMask::DELETE_SELF).union(WatchMask::ONLYDIR).union(WatchMask::MASK_ADD);

/// What is watched, with the resources that manage it. A run leaves it for the agent, which never reads a catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchList {
    /// The catalog that it was made from.
    pub catalog: Option<Digest>,
    /// Files and folders.
    pub paths: BTreeMap<PathBuf, Vec<Address>>,
    /// Units of systemd.
    pub units: BTreeMap<String, Vec<Address>>,
}

impl WatchList {
    /// What the resources of a catalog decide over, or put there for others, by their footprints.
    pub fn of(catalog: &Catalog, id: Digest, footprints: &[Footprint]) -> Self {
        let mut list = Self { catalog: Some(id), ..Self::default() };
        for (resource, footprint) in catalog.resources.iter().zip(footprints).filter(|(resource, _)| !resource.noop) {
            let paths = footprint.writes.iter().chain(&footprint.provides).filter_map(|key| key.strip_prefix("path:"));
            let paths: BTreeSet<&str> = paths.map(|path| path.split('#').next().unwrap_or(path)).collect();
            for path in paths {
                list.paths.entry(PathBuf::from(path)).or_default().push(resource.address.clone());
            }
            for unit in footprint.writes.iter().filter_map(|key| key.strip_prefix("unit:")) {
                list.units.entry(unit.to_owned()).or_default().push(resource.address.clone());
            }
        }
        list
    }

    /// What the last run left.
    pub fn load(home: &Home) -> Option<Self> {
        serde_json::from_slice(&read_if_there(&home.running.join(FILE)).ok()??).ok()
    }

    /// Leaves it for the agent.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, home: &Home) -> Result<(), String> {
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        crate::state::replace(&home.running.join(FILE), &text)
    }
}

/// Tells of files that are touched from now on, for as long as anybody hears; and first, whether all of them are watched.
pub fn files(root: &Path, paths: BTreeMap<PathBuf, Vec<Address>>, events: UnboundedSender<Event>) -> Option<JoinHandle<()>> {
    let begun = begin(root, &paths).and_then(|watched| {
        let stream = watched.inotify.into_event_stream([0; 4096])?;
        Ok((Touches { stream, folders: watched.folders, paths }, watched.refused))
    });
    match begun {
        Ok((touches, refused)) => {
            events.send(Event::Unwatched(refused)).ok()?;
            Some(tokio::spawn(touches.tell(events)))
        }
        Err(error) => {
            // Whoever does not hear it has no agent any more.
            let _ = events.send(Event::Unwatched(Some(format!("no files are watched: {error}{}", advice(&error)))));
            None
        }
    }
}

/// Files that are watched.
struct Touches {
    stream: EventStream<[u8; 4096]>,
    folders: Folders,
    paths: BTreeMap<PathBuf, Vec<Address>>,
}

impl Touches {
    async fn tell(mut self, events: UnboundedSender<Event>) {
        while let Some(Ok(event)) = std::future::poll_fn(|context| Pin::new(&mut self.stream).poll_next(context)).await {
            let told = if event.mask.contains(EventMask::Q_OVERFLOW) {
                events.send(Event::Missed(self.paths.values().flatten().cloned().collect()))
            } else {
                let folders = self.folders.get(&event.wd).map(Vec::as_slice).unwrap_or_default();
                let meant = folders.iter().map(|folder| event.name.as_ref().map_or_else(|| folder.clone(), |name| folder.join(name)));
                let touched: Vec<Address> = meant.flat_map(|path| touched(&self.paths, &path, event.mask)).cloned().collect();
                if touched.is_empty() { Ok(()) } else { events.send(Event::Touched(touched)) }
            };
            if told.is_err() {
                return;
            }
        }
    }
}

/// Who manages what an event means: the path, and everything below a folder that came or went.
fn touched<'p>(paths: &'p BTreeMap<PathBuf, Vec<Address>>, path: &Path, event: EventMask) -> Vec<&'p Address> {
    let goes = EventMask::MOVE_SELF.union(EventMask::DELETE_SELF).union(EventMask::UNMOUNT);
    let whole = event.intersects(goes) || event.contains(EventMask::ISDIR) && !event.contains(EventMask::ATTRIB);
    let from = paths.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
    from.take_while(|(other, _)| if whole { other.starts_with(path) } else { **other == path })
        .flat_map(|(_, addresses)| addresses)
        .collect()
}

/// Folders by what the kernel calls them; one may have several names, through links.
type Folders = HashMap<WatchDescriptor, Vec<PathBuf>>;

/// Folders that are watched.
struct Watched {
    inotify: Inotify,
    folders: Folders,
    /// What is to be said of those that could not be.
    refused: Option<String>,
}

/// Watches the folders of all paths, and whether one further up goes. A folder that is not there is nobody's yet.
fn begin(root: &Path, paths: &BTreeMap<PathBuf, Vec<Address>>) -> std::io::Result<Watched> {
    let inotify = Inotify::init()?;
    let mut folders = Folders::new();
    let parents: BTreeSet<&Path> = paths.keys().map(|path| path.parent().unwrap_or(path)).collect();
    let further_up: BTreeSet<&Path> =
        parents.iter().flat_map(|folder| folder.ancestors().skip(1)).filter(|folder| !parents.contains(folder)).collect();
    let mut refused = Vec::new();
    for (folder, mask) in parents.iter().map(|folder| (*folder, MASK)).chain(further_up.iter().map(|folder| (*folder, GOES))) {
        let place = root.join(folder.strip_prefix("/").unwrap_or(folder));
        match inotify.watches().add(place, mask) {
            Ok(descriptor) => folders.entry(descriptor).or_default().push(folder.to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => refused.push((folder, error)),
        }
    }
    let refused = in_words(&refused);
    Ok(Watched { inotify, folders, refused })
}

/// What is to be said of folders that could not be watched.
fn in_words(refused: &[(&Path, std::io::Error)]) -> Option<String> {
    let (folder, error) = refused.first()?;
    let more = match refused.len() {
        1 => String::new(),
        many => format!(" and {} more folders", many - 1),
    };
    Some(format!("{}{more} cannot be watched: {error}{}", folder.display(), advice(error)))
}

/// What helps where the kernel has no room: so it says that somebody watches as much as one user may.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull => "; raise it with `sysctl fs.inotify.max_user_watches=1048576`",
        _ if error.raw_os_error() == Some(nix::libc::EMFILE) => "; raise it with `sysctl fs.inotify.max_user_instances=1024`",
        _ => "",
    }
}

/// Tells of services that are started or stopped, for as long as anybody hears.
pub async fn units(root: PathBuf, units: BTreeMap<String, Vec<Address>>, events: UnboundedSender<Event>) {
    if units.is_empty() || root != Path::new("/") {
        return;
    }
    let names: Vec<&str> = units.keys().map(String::as_str).collect();
    // Without systemd, services are looked at by every run, as ever.
    let Ok(mut watch) = UnitWatch::open(&names).await else { return };
    while let Some(unit) = watch.next().await {
        let touched = units.get(&unit).cloned().unwrap_or_default();
        if !touched.is_empty() && events.send(Event::Touched(touched)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_engine::catalog::Resource;
    use keel_engine::value::Map;

    fn list() -> WatchList {
        let mut catalog = Catalog::empty("h", "s");
        for (type_name, title) in [("file", "/etc/a"), ("line", "b"), ("service", "nginx")] {
            let address = Address::new(type_name, title);
            catalog.resources.push(Resource::new(address, Map::new()));
        }
        let footprints = [
            Footprint::default().own("path:/etc/a").need("user:root").provide("path:/etc/c"),
            Footprint::default().write("path:/etc/b#x"),
            Footprint::default().write("unit:nginx.service"),
        ];
        WatchList::of(&catalog, Digest::of(b"c"), &footprints)
    }

    #[test]
    fn what_resources_write_and_provide_is_watched_and_what_they_need_is_not() {
        let list = list();
        assert_eq!(list.paths.keys().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["/etc/a", "/etc/b", "/etc/c"]);
        assert_eq!(list.paths[Path::new("/etc/a")].len(), 1, "once, though it provides and writes it");
        assert_eq!(list.units["nginx.service"], [Address::new("service", "nginx")]);
    }

    #[test]
    fn a_touched_file_is_told_and_its_neighbour_is_not() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let watcher = files(root.path(), list().paths, sender);
            std::fs::write(etc.join("neighbour"), "x").unwrap();
            std::fs::write(etc.join("b"), "x").unwrap();
            assert!(matches!(receiver.recv().await, Some(Event::Unwatched(None))), "all folders that are there are watched");
            let Some(Event::Touched(touched)) = receiver.recv().await else { panic!("nothing was told") };
            assert_eq!(touched, [Address::new("line", "b")]);
            drop(watcher);
        });
    }

    #[test]
    fn a_folder_that_comes_or_goes_means_all_that_is_in_it() {
        let address = |title: &str| vec![Address::new("file", title)];
        let titles = ["/srv", "/srv/a", "/srv/a/b", "/srv-2"];
        let paths: BTreeMap<PathBuf, Vec<Address>> = titles.iter().map(|title| (PathBuf::from(title), address(title))).collect();
        let count = |path: &str, event: EventMask| touched(&paths, Path::new(path), event).len();
        assert_eq!(count("/srv", EventMask::ISDIR | EventMask::MOVED_FROM), 3);
        assert_eq!(count("/srv", EventMask::MOVE_SELF), 3);
        assert_eq!(count("/", EventMask::DELETE_SELF), 4, "one further up, that nobody manages");
        assert_eq!(count("/srv", EventMask::ISDIR | EventMask::ATTRIB), 1, "its own mode is nobody else's");
        assert_eq!(count("/srv/a", EventMask::CLOSE_WRITE), 1);
        assert_eq!(count("/srv/other", EventMask::CLOSE_WRITE), 0);
    }

    #[test]
    fn folders_that_cannot_be_watched_are_named_with_what_helps() {
        let full = || std::io::Error::from_raw_os_error(nix::libc::ENOSPC);
        assert_eq!(in_words(&[]), None);
        let said = in_words(&[(Path::new("/etc"), full()), (Path::new("/srv"), full())]).unwrap();
        assert!(said.starts_with("/etc and 1 more folders cannot be watched") && said.contains("max_user_watches"), "{said}");
    }
}
