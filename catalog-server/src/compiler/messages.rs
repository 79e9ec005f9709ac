//! What the server and its compile workers say to each other over pipes: frames of a length and a body
//! in postcard.

use std::collections::BTreeSet;
use std::fmt;

use keel_engine::contents::Blob;
use keel_engine::digest::Digest;
use keel_engine::protocol::environment::Finding;
use keel_manifests::fact_reads::FactKeys;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::repository::{FILE_BYTES_MAX, TreeEntry};

/// The most bytes of a frame: one file of a site, or one catalog, and what is said of it.
pub const FRAME_BYTES_MAX: usize = FILE_BYTES_MAX as usize + (16 << 20);

/// What the server wants from a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Load the site of a commit, anew if it is there already. Answered by [`Answer::Opened`].
    Open {
        /// The commit in hexadecimal.
        commit: String,
        /// Its files.
        files: Vec<TreeEntry>,
    },
    /// Compile one host of a site that is open. Answered by [`Answer::Compiled`].
    Compile {
        /// The commit in hexadecimal.
        commit: String,
        /// The host's name.
        host: String,
        /// What the host last said of itself, in JSON.
        facts: Option<Bytes>,
        /// Send contents that were sent before once more.
        again: bool,
    },
    /// Judge relations across hosts. The catalogs follow, each a frame of its own. Answered by
    /// [`Answer::Judged`].
    Judge {
        /// The commit in hexadecimal.
        commit: String,
        /// How many catalogs follow.
        catalogs: u32,
        /// Hosts that cannot be judged yet: what points at them is not looked at.
        without: BTreeSet<String>,
    },
    /// Say which hosts of a site that is open a selector means. Answered by [`Answer::Selected`].
    Select {
        /// The commit in hexadecimal.
        commit: String,
        /// The selector; all hosts, if there is none.
        selector: Option<String>,
    },
    /// Forget the site of a commit. Not answered.
    Close {
        /// The commit in hexadecimal.
        commit: String,
    },
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It needs a file's bytes; the server answers with [`Supply::File`].
    NeedFile {
        /// The object's name in hexadecimal.
        id: String,
    },
    /// It needs the facts of another host; the server answers with [`Supply::Facts`].
    NeedFacts {
        /// The host's name.
        host: String,
    },
    /// Bytes that the catalog of the compile going on names.
    Content {
        /// The bytes.
        bytes: Bytes,
    },
    /// A site is loaded, with whatever is wrong with it.
    Opened(Opened),
    /// A host is compiled, or cannot be.
    Compiled(Box<Compiled>),
    /// What is wrong with relations across hosts.
    Judged(Vec<Finding>),
    /// Who is meant, or what is wrong with the selector.
    Selected(Result<Selected, String>),
}

/// What the server gives a worker that needs something.
#[derive(Debug, Serialize, Deserialize)]
pub enum Supply {
    /// A file's bytes, or why they cannot be had.
    File(Result<Bytes, String>),
    /// What a host last said of itself, in JSON.
    Facts(Option<Bytes>),
}

/// A loaded site.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Opened {
    /// Whether hosts can have catalogs.
    pub good: bool,
    /// What there is to say about the site as a whole.
    pub findings: Vec<Finding>,
    /// Its hosts, in the order of the inventory.
    pub hosts: Vec<String>,
    /// The hosts that others' manifests make wait.
    pub pointed_at: Vec<String>,
}

/// Hosts that were asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Selected {
    /// The site's name.
    pub site: String,
    /// The hosts with their groups, in the order of the inventory.
    pub hosts: Vec<(String, Vec<String>)>,
}

/// What came of compiling a host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Compiled {
    /// The catalog, if nothing is wrong.
    pub catalog: Option<Packed>,
    /// What there is to say.
    pub findings: Vec<Finding>,
    /// The facts that were read: the result is good as long as these stay as they are.
    pub reads: Vec<FactsRead>,
    /// What facts decide for all catalogs together; none where they decide nothing of it.
    pub fleet_state: Option<Digest>,
    /// The site was loaded anew because the host's facts changed what they decide for all.
    pub reloaded: bool,
}

/// What was read of one host's facts, and the state in which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsRead {
    /// The host.
    pub host: String,
    /// Which facts.
    pub keys: FactKeys,
    /// Their state, as [`FactKeys::digest`] makes it.
    pub state: Digest,
    /// Whether the host had any facts.
    pub existed: bool,
}

/// A catalog, ready to be sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Packed {
    /// The blake3 of its binary form.
    pub id: Digest,
    /// The bytes of its binary form.
    pub size: u64,
    /// The binary form, compressed by zstd.
    pub compressed: Bytes,
    /// The contents that it names, in the order of their addresses.
    pub contents: Vec<Blob>,
    /// The secrets that it names, in the order of their paths.
    pub secrets: Vec<ClosedSecret>,
    /// The other hosts that its gates point at, in the order of their names.
    pub gates: Vec<String>,
    /// What it declares, as the store remembers it.
    pub fingerprints: Bytes,
}

/// A secret as the site keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedSecret {
    /// `FILE/KEY`.
    pub path: String,
    /// Its encrypted value.
    pub closed: String,
}

/// Bytes that travel as a whole and are not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Whole)
    }
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }
}

/// A message as a frame: four bytes of length, the lowest first, and the body.
///
/// # Errors
/// The message cannot be encoded or is too large.
pub fn frame(message: &impl Serialize) -> Result<Vec<u8>, String> {
    let bytes = postcard::to_extend(message, vec![0; 4]).map_err(|error| error.to_string())?;
    let length = bytes.len().saturating_sub(4);
    match u32::try_from(length) {
        Ok(short) if length <= FRAME_BYTES_MAX => Ok(with_length(bytes, short)),
        _ => Err(format!("a message of {length} bytes is too large")),
    }
}

fn with_length(mut bytes: Vec<u8>, length: u32) -> Vec<u8> {
    for (to, from) in bytes.iter_mut().zip(length.to_le_bytes()) {
        *to = from;
    }
    bytes
}

/// The length of a body from the first four bytes, if it may be so long.
///
/// # Errors
/// It may not.
pub fn body_length(head: [u8; 4]) -> Result<usize, String> {
    match usize::try_from(u32::from_le_bytes(head)) {
        Ok(length) if length <= FRAME_BYTES_MAX => Ok(length),
        _ => Err("a message is too large".to_owned()),
    }
}

/// Reads a body.
///
/// # Errors
/// The bytes are no such message.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| format!("a message cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were() {
        let supply = Supply::File(Ok(Bytes(vec![1, 2, 3])));
        let framed = frame(&supply).unwrap();
        assert_eq!(body_length(framed[..4].try_into().unwrap()).unwrap(), framed.len() - 4);
        let back: Supply = body(&framed[4..]).unwrap();
        assert!(matches!(back, Supply::File(Ok(bytes)) if bytes.0 == [1, 2, 3]));
        assert!(body::<Supply>(&framed[4..framed.len() - 1]).is_err());
    }

    #[test]
    fn long_messages_are_refused_before_anything_is_allocated() {
        assert!(body_length(u32::MAX.to_le_bytes()).is_err());
        assert!(frame(&Bytes(vec![0; FRAME_BYTES_MAX])).is_err());
    }
}
