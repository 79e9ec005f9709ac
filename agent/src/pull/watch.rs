//! Watching what the catalog manages: files through inotify, services through systemd's signals. Between
//! events this costs nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures_core::Stream;
use inotify::{Inotify, WatchDescriptor, WatchMask};
use keel_engine::address::Address;
use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::footprint::Footprint;
use keel_resources::host::units::UnitWatch;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use super::home::Home;
use super::service::Event;
use crate::state::read_if_there;

const FILE: &str = "watch.json";
/// Everything by which a file becomes another one, but not reading it.
const MASK: WatchMask = WatchMask::CLOSE_WRITE
    .union(WatchMask::ATTRIB)
    .union(WatchMask::CREATE)
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVE)
    .union(WatchMask::ONLYDIR);

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
    /// What the resources of a catalog decide over, by their footprints.
    pub fn of(catalog: &Catalog, id: Digest, footprints: &[Footprint]) -> Self {
        let mut list = Self { catalog: Some(id), ..Self::default() };
        for (resource, footprint) in catalog.resources.iter().zip(footprints).filter(|(resource, _)| !resource.noop) {
            for key in &footprint.writes {
                let address = resource.address.clone();
                if let Some(path) = key.strip_prefix("path:") {
                    let whole = path.split('#').next().unwrap_or(path);
                    list.paths.entry(PathBuf::from(whole)).or_default().push(address);
                } else if let Some(unit) = key.strip_prefix("unit:") {
                    list.units.entry(unit.to_owned()).or_default().push(address);
                }
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

/// Tells of files that are touched, for as long as anybody hears.
pub async fn files(root: PathBuf, paths: BTreeMap<PathBuf, Vec<Address>>, events: UnboundedSender<Event>) {
    let Ok((inotify, folders)) = begin(&root, &paths) else { return };
    let Ok(mut stream) = inotify.into_event_stream([0; 4096]) else { return };
    while let Some(Ok(event)) = std::future::poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        let path = folders.get(&event.wd).zip(event.name).map(|(folder, name)| folder.join(name));
        let touched = path.and_then(|path| paths.get(&path)).cloned().unwrap_or_default();
        if !touched.is_empty() && events.send(Event::Touched(touched)).is_err() {
            return;
        }
    }
}

/// Watches the folders of all paths. A folder that is not there is nobody's yet.
fn begin(root: &Path, paths: &BTreeMap<PathBuf, Vec<Address>>) -> std::io::Result<(Inotify, HashMap<WatchDescriptor, PathBuf>)> {
    let inotify = Inotify::init()?;
    let mut folders = HashMap::new();
    let parents: BTreeSet<&Path> = paths.keys().filter_map(|path| path.parent()).collect();
    for folder in parents {
        let place = root.join(folder.strip_prefix("/").unwrap_or(folder));
        if let Ok(descriptor) = inotify.watches().add(place, MASK) {
            folders.insert(descriptor, folder.to_owned());
        }
    }
    Ok((inotify, folders))
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
    use keel_engine::catalog::{Origin, Resource};
    use keel_engine::value::Map;

    fn list() -> WatchList {
        let mut catalog = Catalog::empty("h", "s");
        for (type_name, title) in [("file", "/etc/a"), ("line", "b"), ("service", "nginx")] {
            let address = Address::new(type_name, title);
            catalog.resources.push(Resource {
                address,
                attributes: Map::new(),
                origin: Origin::default(),
                container: None,
                tags: Vec::new(),
                noop: false,
                schedule: None,
            });
        }
        let footprints = [
            Footprint::default().own("path:/etc/a").need("user:root"),
            Footprint::default().write("path:/etc/b#x"),
            Footprint::default().write("unit:nginx.service"),
        ];
        WatchList::of(&catalog, Digest::of(b"c"), &footprints)
    }

    #[test]
    fn what_resources_write_is_watched_and_what_they_need_is_not() {
        let list = list();
        assert_eq!(list.paths.keys().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["/etc/a", "/etc/b"]);
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
            tokio::spawn(files(root.path().to_owned(), list().paths, sender));
            // The watcher begins at its first turn, which comes when this one waits.
            tokio::task::yield_now().await;
            std::fs::write(etc.join("neighbour"), "x").unwrap();
            std::fs::write(etc.join("b"), "x").unwrap();
            let Some(Event::Touched(touched)) = receiver.recv().await else { panic!("nothing was told") };
            assert_eq!(touched, [Address::new("line", "b")]);
        });
    }
}
