//! The cluster's configuration as it was read, and where things are in it.

use std::collections::BTreeSet;

use keel_engine::resource::Failure;

use super::shape::{RESOURCE_TAGS, Shape};
use super::tree::Node;

/// Elements whose `id` is the name of something else: of another element, or of a user of the host.
const POINTERS: [&str; 5] = ["resource_ref", "obj_ref", "role", "acl_target", super::render::MEMBER];
/// Sets of names with values: elements may refer to those of others.
const SETS: [&str; 3] = ["instance_attributes", "meta_attributes", "utilization"];
/// Elements that manifests know by what is in them and not by their ids.
const NAMELESS: [&str; 12] = [
    "nvpair",
    "op",
    "operations",
    "rule",
    "expression",
    "date_expression",
    "date_spec",
    "duration",
    "rsc_expression",
    "op_expression",
    "resource_set",
    "attribute",
];
/// What is called "off" in the many ways that Pacemaker takes.
const OFF: [&str; 5] = ["false", "no", "off", "n", "0"];

/// A whole CIB.
#[derive(Clone)]
pub(super) struct Cib {
    pub(super) root: Node,
}

impl Cib {
    /// Reads what `cibadmin --query` prints.
    ///
    /// # Errors
    /// It is no CIB.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let root = Node::parse(text)?;
        match root.name.as_str() {
            "cib" => Ok(Self { root }),
            other => Err(Failure::new(format!("expected a <cib>, found <{other}>"))),
        }
    }

    pub(super) fn configuration(&self) -> Option<&Node> {
        self.root.child("configuration")
    }

    pub(super) fn configuration_mut(&mut self) -> &mut Node {
        self.root.child_or_new("configuration")
    }

    pub(super) fn section(&self, name: &str) -> Option<&Node> {
        self.configuration()?.child(name)
    }

    /// An element of this shape, wherever in its section it stands.
    pub(super) fn element(&self, shape: &Shape, id: &str) -> Option<&Node> {
        self.elements(shape).into_iter().find(|node| node.id() == Some(id))
    }

    /// All elements of this shape, in their order.
    pub(super) fn elements(&self, shape: &Shape) -> Vec<&Node> {
        let Some(section) = self.section(shape.section) else { return Vec::new() };
        let mut found = Vec::new();
        let mut open: Vec<&Node> = section.children.iter().rev().collect();
        while let Some(node) = open.pop() {
            if shape.is_tag(&node.name) {
                found.push(node);
            }
            if RESOURCE_TAGS.contains(&node.name.as_str()) {
                open.extend(node.children.iter().rev());
            }
        }
        found
    }

    pub(super) fn node(&self, uname: &str) -> Option<&Node> {
        self.section("nodes")?.children.iter().find(|node| node.attribute("uname") == Some(uname))
    }

    /// The elements that have this id.
    pub(super) fn with_id(&self, id: &str) -> Vec<&Node> {
        let mut found = Vec::new();
        if let Some(configuration) = self.configuration() {
            configuration.walk(&mut |node| {
                if node.id() == Some(id) && has_own_id(&node.name) {
                    found.push(node);
                }
            });
        }
        found
    }

    /// The ids that elements refer to where any element may be meant.
    pub(super) fn referenced(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        if let Some(configuration) = self.configuration() {
            configuration.walk(&mut |node| {
                let named = [node.attribute("id-ref"), node.attribute("reference")];
                ids.extend(named.into_iter().flatten().map(str::to_owned));
            });
        }
        ids
    }

    /// The value of a property of the cluster, in the first set that has it.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        let sets = self.section("crm_config")?.named("cluster_property_set");
        sets.flat_map(|set| set.named("nvpair")).find(|pair| pair.attribute("name") == Some(name))?.attribute("value")
    }

    /// Whether nobody is fenced in this cluster.
    pub(super) fn is_without_fencing(&self) -> bool {
        self.property("stonith-enabled").is_some_and(|value| OFF.contains(&value.to_lowercase().as_str()))
    }

    /// Whether fencing is on and there is nothing to fence with: such a cluster starts nothing.
    pub(super) fn is_without_fence_devices(&self) -> bool {
        let mut has_device = false;
        if let Some(resources) = self.section("resources") {
            resources.walk(&mut |node| has_device |= node.attribute("class") == Some("stonith"));
        }
        !has_device && !self.is_without_fencing()
    }

    /// The node that decides for the cluster, if there is one.
    pub(super) fn designated_controller(&self) -> Option<&str> {
        let id = self.root.attribute("dc-uuid").filter(|id| !id.is_empty())?;
        self.section("nodes")?.children.iter().find(|node| node.id() == Some(id))?.attribute("uname")
    }

    pub(super) fn has_quorum(&self) -> bool {
        self.root.attribute("have-quorum") == Some("1")
    }

    /// What tells one state of the configuration from another.
    pub(super) fn version(&self) -> (u64, u64) {
        let number = |name| self.root.attribute(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        (number("admin_epoch"), number("epoch"))
    }

    /// The same with a version that follows: whoever takes a patch to it counts the epoch on by itself.
    pub(super) fn next_version(mut self) -> Self {
        let updates: u64 = self.root.attribute("num_updates").and_then(|text| text.parse().ok()).unwrap_or_default();
        self.root.set("num_updates", (updates + 1).to_string());
        self
    }
}

/// Whether the id of such an element is its own, so that no other one may have it.
pub(super) fn has_own_id(tag: &str) -> bool {
    !POINTERS.contains(&tag)
}

/// Whether nobody chose the id of such an element, so that it may be made different where it clashes.
pub(super) fn is_nameless(tag: &str) -> bool {
    NAMELESS.contains(&tag) || is_set(tag)
}

/// Whether such an element is a set of names with values.
pub(super) fn is_set(tag: &str) -> bool {
    SETS.contains(&tag)
}

/// Whether an element is a resource of the cluster.
pub(super) fn is_resource(node: &Node) -> bool {
    RESOURCE_TAGS.contains(&node.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pacemaker::shape::Tag;

    const TEXT: &str = "<cib admin_epoch='1' epoch='7' num_updates='3' dc-uuid='2' have-quorum='1'><configuration>\
        <crm_config><cluster_property_set id='o'><nvpair id='x' name='stonith-enabled' value='No'/></cluster_property_set></crm_config>\
        <nodes><node id='1' uname='a'/><node id='2' uname='b'/></nodes>\
        <resources><clone id='c'><group id='g'><primitive id='p'/></group></clone><primitive id='q'/></resources>\
        <tags><tag id='t'><obj_ref id='p'/></tag></tags></configuration></cib>";

    #[test]
    fn things_are_found_wherever_they_stand() {
        let cib = Cib::parse(TEXT).unwrap();
        let shape = Shape { section: "resources", tag: Tag::Always("primitive"), parts: &[] };
        assert_eq!(cib.elements(&shape).iter().filter_map(|node| node.id()).collect::<Vec<_>>(), ["p", "q"]);
        assert_eq!(cib.with_id("p").len(), 1, "a reference is not the thing");
        assert_eq!((cib.designated_controller(), cib.version(), cib.has_quorum()), (Some("b"), (1, 7), true));
        assert!(cib.is_without_fencing());
        assert_eq!(cib.next_version().root.attribute("num_updates"), Some("4"));
        assert!(Cib::parse("<crib/>").is_err());
    }
}
