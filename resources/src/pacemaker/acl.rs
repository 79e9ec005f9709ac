//! `pcmk_acl`: who may do what with a cluster.

use super::declared::Keeps;
use super::shape::{Part, Shape, Tag};
use super::word::Plain;
use super::{PacemakerType, Tables};

super::element::element! {
    /// Who may read and change what of a Pacemaker cluster: roles with permissions, and users and groups that have roles.
    ///
    ///     pcmk_acl operator kind=role {
    ///         permission all kind=read xpath="/cib"
    ///         permission standby kind=write object_type=node
    ///     }
    ///     pcmk_acl ada kind=user {
    ///         roles operator
    ///     }
    pub struct Acl: "pcmk_acl" [id] {
        /// Whether it is a role, or a user or group of the host.
        pub kind: AclKind,
        /// The user's or group's name where the id is another one.
        pub name: Option<Plain>,
        /// What it is for.
        pub description: Option<String>,
        /// What a role may do, each by a name: `kind` (`read`, `write`, `deny`), and `xpath`, `reference` or `object_type` with
        /// `attribute`.
        pub permission: Tables,
        /// The roles that a user or group has.
        pub roles: Vec<String>,
    } []
}

/// The type `pcmk_acl`.
pub static TYPE: PacemakerType = PacemakerType::new::<Acl>("pcmk_acl", Keeps::Elements(&SHAPE));

static SHAPE: Shape = Shape {
    section: "acls",
    tag: Tag::By { attribute: "kind", tags: &[("role", "acl_role"), ("user", "acl_target"), ("group", "acl_group")] },
    parts: &[
        Part::Attribute("name"),
        Part::Text("description"),
        Part::Keyed { name: "permission", tag: "acl_permission", parts: PERMISSION },
        Part::Names { name: "roles", wrapper: None, tag: "role", attribute: "id" },
    ],
};

/// What a permission says.
static PERMISSION: &[Part] = &[
    Part::Attribute("kind"),
    Part::Attribute("xpath"),
    Part::Attribute("reference"),
    Part::Attribute("object-type"),
    Part::Attribute("attribute"),
    Part::Text("description"),
];

keel_engine::choices! {
    /// What an entry of the access control is.
    pub enum AclKind {
        /// Permissions under a name.
        Role = "role",
        /// A user of the host.
        User = "user",
        /// A group of the host.
        Group = "group",
    }
}
