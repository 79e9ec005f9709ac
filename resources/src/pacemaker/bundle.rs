//! `pcmk_bundle`: containers that a cluster runs.

use indexmap::IndexMap;
use keel_engine::value::Value;

use super::PacemakerType;
use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};

super::element::element! {
    /// Containers that a Pacemaker cluster runs, with their addresses and folders, and the primitive inside.
    ///
    ///     pcmk_bundle web {
    ///         podman image="localhost/web:1" replicas=3
    ///         network {
    ///             ip_range_start "192.168.1.10"
    ///             port http port=80
    ///         }
    ///         storage {
    ///             mapping html source_dir="/srv/html" target_dir="/var/www/html"
    ///         }
    ///         resource httpd
    ///     }
    pub struct Bundle: "pcmk_bundle" [id] {
        /// Containers of Docker: `image`, `replicas`, `replicas_per_host`, `promoted_max`, `run_command`, `network`, `options`.
        pub docker: Option<IndexMap<String, Value>>,
        /// The same of Podman.
        pub podman: Option<IndexMap<String, Value>>,
        /// The same of rkt.
        pub rkt: Option<IndexMap<String, Value>>,
        /// Their network: `ip_range_start`, `control_port`, `host_interface`, `host_netmask`, `add_host`, and each `port` by a
        /// name, with `port`, `internal_port` or `range`.
        pub network: Option<IndexMap<String, Value>>,
        /// Their folders: each `mapping` by a name, with `source_dir` or `source_dir_root`, `target_dir` and `options`.
        pub storage: Option<IndexMap<String, Value>>,
        /// The primitive that runs inside.
        pub resource: Option<String>,
    } [description passed_params meta may_stop]
}

/// The type `pcmk_bundle`.
pub static TYPE: PacemakerType = PacemakerType::new::<Bundle>("pcmk_bundle", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "resources",
    tag: Tag::Always("bundle"),
    parts: &[
        Part::Text("description"),
        Part::Pairs { name: "params", tag: "instance_attributes" },
        Part::Pairs { name: "meta", tag: "meta_attributes" },
        Part::One { name: "docker", tag: "docker", parts: CONTAINER },
        Part::One { name: "podman", tag: "podman", parts: CONTAINER },
        Part::One { name: "rkt", tag: "rkt", parts: CONTAINER },
        Part::One { name: "network", tag: "network", parts: NETWORK },
        Part::One { name: "storage", tag: "storage", parts: STORAGE },
        Part::Members { is_many: false },
    ],
};

/// What is said of the containers themselves.
static CONTAINER: &[Part] = &[
    Part::Attribute("image"),
    Part::Attribute("replicas"),
    Part::Attribute("replicas-per-host"),
    Part::Attribute("masters"),
    Part::Attribute("promoted-max"),
    Part::Attribute("run-command"),
    Part::Attribute("network"),
    Part::Attribute("options"),
];

/// What is said of their network.
static NETWORK: &[Part] = &[
    Part::Attribute("ip-range-start"),
    Part::Attribute("control-port"),
    Part::Attribute("host-interface"),
    Part::Attribute("host-netmask"),
    Part::Attribute("add-host"),
    Part::Keyed {
        name: "port",
        tag: "port-mapping",
        parts: &[Part::Attribute("port"), Part::Attribute("internal-port"), Part::Attribute("range")],
    },
];

/// What is said of their folders.
static STORAGE: &[Part] = &[Part::Keyed {
    name: "mapping",
    tag: "storage-mapping",
    parts: &[Part::Attribute("source-dir"), Part::Attribute("source-dir-root"), Part::Attribute("target-dir"), Part::Attribute("options")],
}];
