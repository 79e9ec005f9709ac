//! The lab: real hosts for tests.
//!
//! A [`Lab`] is a set of Debian trees on one private bridge, each booted with systemd by
//! systemd-nspawn on a disk of its own that is gone when the lab goes down. There is one lab at a
//! time on a machine; a lock that the kernel holds sees to that. What is dear to make, the base tree
//! and the images with packages, is kept between labs in [`Place`].
//!
//! ```no_run
//! use keel_tests::lab::{Image, Lab};
//!
//! let lab = Lab::up(&["n1", "n2"], &Image::bare())?;
//! let answer = lab.node("n1").shell("ping -c1 n2")?;
//! assert!(answer.success());
//! # Ok::<(), keel_tests::lab::LabError>(())
//! ```

mod command;
mod holding;
mod image;
mod machine;
mod network;
mod node;
mod place;
mod proxy;
mod sources;

use std::fmt;

use nix::fcntl::{Flock, FlockArg};

pub use command::{Ran, say};
pub use holding::take_down;
pub use image::Image;
pub use machine::why_not;
pub use network::GATEWAY;
pub use node::Node;
pub use place::Place;

use network::Bridge;
use proxy::Proxy;
use sources::Sources;

/// What a lab could not do, for people.
#[derive(Debug)]
pub struct LabError(String);

impl LabError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Makes an error of the system say what was being done.
    pub(crate) fn doing(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> LabError {
        move |error| LabError(format!("{what}: {error}"))
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LabError {}

impl From<std::io::Error> for LabError {
    fn from(error: std::io::Error) -> Self {
        LabError(error.to_string())
    }
}

/// What every operation of the lab gives.
pub type Result<T> = std::result::Result<T, LabError>;

/// The nodes of one test. Dropping it ends them and deletes their disks.
pub struct Lab {
    nodes: Vec<Node>,
    // Ended in this order, after the nodes: the proxy listens on the bridge, the lock covers all.
    _proxy: Proxy,
    _bridge: Bridge,
    _lock: Flock<std::fs::File>,
}

impl Lab {
    /// Waits for its turn, cleans up after a lab that died, and boots one node for each name.
    ///
    /// # Errors
    /// Says what the machine refused; everything that was started is ended again.
    pub fn up(names: &[&str], image: &Image) -> Result<Lab> {
        let place = Place::of_this_machine();
        place.make()?;
        let lock = lock(&place)?;
        node::clean_up(&place)?;
        let bridge = Bridge::up()?;
        let sources = Sources::of_this_machine()?;
        let proxy = Proxy::start(network::GATEWAY, sources.clone(), place.packages())?;
        let layers = image.prepare(&place, &sources)?;
        let nodes = names.iter().enumerate().map(|(index, name)| Node::new(&place, name, index, &layers)).collect();
        let mut lab = Lab { nodes, _proxy: proxy, _bridge: bridge, _lock: lock };
        let hosts = node::hosts_file(&lab.nodes);
        for node in &mut lab.nodes {
            node.furnish(&hosts)?;
            node.start()?;
        }
        for node in &lab.nodes {
            node.wait_booted()?;
        }
        Ok(lab)
    }

    /// A lab for a test, or `None` where the machine cannot have one: the test then counts as
    /// skipped and says why. Where `CI=true` nothing is skipped.
    ///
    /// # Panics
    /// When the lab does not come up, or cannot and `CI=true`.
    pub fn for_test(names: &[&str], image: &Image) -> Option<Lab> {
        if let Some(reason) = why_not() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no lab on this machine, and in CI nothing is skipped: {reason}");
            command::say(&format!("skipped: {reason}"));
            return None;
        }
        match Lab::up(names, image) {
            Ok(lab) => Some(lab),
            Err(error) => panic!("the lab did not come up: {error}"),
        }
    }

    /// The node of that name.
    ///
    /// # Panics
    /// When the lab has no such node.
    pub fn node(&self, name: &str) -> &Node {
        match self.nodes.iter().find(|node| node.name() == name) {
            Some(node) => node,
            None => panic!("the lab has no node {name}"),
        }
    }

    /// All nodes, in the order in which they were named.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Drops every frame between two nodes; neither can tell it from a lost network.
    ///
    /// # Errors
    /// When the machine refuses the rule.
    pub fn cut(&self, one: &str, other: &str) -> Result<()> {
        network::cut_between(self.node(one).address(), self.node(other).address())
    }

    /// Takes all cuts back.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn heal(&self) -> Result<()> {
        network::heal_pairs()?;
        self.nodes.iter().try_for_each(Node::plug_in)
    }

    /// Ends the nodes and deletes their disks; the same as dropping the lab.
    pub fn down(self) {}
}

impl Drop for Lab {
    fn drop(&mut self) {
        for node in &self.nodes {
            if let Err(error) = node.remove() {
                command::say(&format!("lab: {error}"));
            }
        }
    }
}

fn lock(place: &Place) -> Result<Flock<std::fs::File>> {
    let path = place.lock();
    let file = std::fs::File::create(&path).map_err(LabError::doing(path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| LabError::new(format!("{}: {error}", path.display())))
}
