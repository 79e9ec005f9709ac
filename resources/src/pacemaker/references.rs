//! What elements of the CIB say about others, by name.

use keel_engine::resource::Failure;

use super::cib::{Cib, is_resource};
use super::render::MEMBER;
use super::tree::Node;

/// A name in an element that means another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// What the manifest calls it.
    pub(super) role: String,
    pub(super) id: String,
    meant: Meant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    /// A resource, or what stands for some: a tag or a template.
    Resource,
    Template,
    Role,
    Any,
}

/// Everything that an element names.
pub(super) fn of(node: &Node) -> Vec<Reference> {
    let mut found = Vec::new();
    node.walk(&mut |node| {
        let mut add = |role: &str, id: &str, meant| found.push(Reference { role: role.replace('-', "_"), id: id.to_owned(), meant });
        for (attribute, value) in &node.attributes {
            match (node.name.as_str(), attribute.as_str()) {
                (_, role @ ("rsc" | "with-rsc" | "first" | "then")) => add(role, value, Meant::Resource),
                ("primitive", "template") => add("agent", value, Meant::Template),
                ("resource_ref", "id") => add("resources", value, Meant::Resource),
                (MEMBER, "id") => add("members", value, Meant::Resource),
                ("obj_ref", "id") => add("resources", value, Meant::Any),
                ("role", "id") => add("roles", value, Meant::Role),
                (_, "id-ref") => add("from", value, Meant::Any),
                ("acl_permission", "reference") => add("reference", value, Meant::Any),
                ("fencing-level", "devices") => {
                    value.split(',').for_each(|device| add("devices", device.trim(), Meant::Resource));
                }
                _ => {}
            }
        }
    });
    found
}

/// What cannot do without an element that is to go: it names it, or holds nothing else.
pub(super) fn still_needed(id: &str, before: &Cib, after: &Cib) -> Option<Failure> {
    if !after.with_id(id).is_empty() {
        return None;
    }
    let elements = |cib: &Cib| -> Vec<Node> {
        let sections = cib.configuration().map(|configuration| configuration.children.as_slice()).unwrap_or_default();
        sections.iter().flat_map(|section| section.children.iter().cloned()).collect()
    };
    let names_it = |element: &Node| of(element).iter().any(|reference| reference.id == id);
    let other = elements(after).iter().find(|element| names_it(element)).map(Node::to_string).or_else(|| emptied(id, before, after))?;
    Some(Failure::new(format!("{id} is still needed by {other}")).help("remove that as well, or leave both"))
}

/// The group or clone that would hold nothing without this resource.
fn emptied(id: &str, before: &Cib, after: &Cib) -> Option<String> {
    let mut holder = None;
    before.section("resources")?.walk(&mut |node| {
        if node.children.iter().any(|child| is_resource(child) && child.id() == Some(id)) {
            holder = node.id().map(str::to_owned);
        }
    });
    let holder = after.with_id(&holder?).into_iter().find(|node| matches!(node.name.as_str(), "group" | "clone" | "master"))?;
    (!holder.children.iter().any(is_resource)).then(|| holder.to_string())
}

/// What an element names that is not there.
pub(super) fn dangling(node: &Node, cib: &Cib) -> Option<Failure> {
    let is_there = |reference: &Reference| {
        cib.with_id(&reference.id).into_iter().any(|node| match reference.meant {
            Meant::Resource => is_resource(node) || matches!(node.name.as_str(), "tag" | "template"),
            Meant::Template => node.name == "template",
            Meant::Role => node.name == "acl_role",
            Meant::Any => true,
        })
    };
    let missing = of(node).into_iter().find(|reference| !is_there(reference))?;
    let what = match missing.meant {
        Meant::Resource => "no such resource",
        Meant::Template => "no such template",
        Meant::Role => "no such role",
        Meant::Any => "nothing of that id",
    };
    let failure =
        Failure::new(format!("{} names {}, and there is {what} in the cluster or among what is declared", missing.role, missing.id));
    Some(failure.help("declare it, or mend the name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nothing_are_told() {
        let cib = Cib::parse("<cib><configuration><resources><primitive id='a'/></resources><tags><tag id='t'><obj_ref id='a'/></tag></tags></configuration></cib>").unwrap();
        let colocation = |with: &str| Node::new("rsc_colocation").with("id", "c").with("rsc", "a").with("with-rsc", with);
        assert_eq!(dangling(&colocation("t"), &cib), None);
        let failure = dangling(&colocation("nothing"), &cib).unwrap();
        assert!(failure.message.starts_with("with_rsc names nothing, and there is no such resource"), "{}", failure.message);
        let text = |resources: &str| {
            let tags = "<tags><tag id='t'><obj_ref id='a'/></tag></tags>";
            Cib::parse(&format!("<cib><configuration><resources>{resources}</resources>{tags}</configuration></cib>")).unwrap()
        };
        let (before, after) = (text("<primitive id='a'/><group id='g'><primitive id='b'/></group>"), text("<group id='g'/>"));
        let needed = |id: &str| still_needed(id, &before, &after).map(|failure| failure.message);
        assert_eq!(needed("a").unwrap(), "a is still needed by <tag id=\"t\">");
        assert_eq!(needed("b").unwrap(), "b is still needed by <group id=\"g\">");
        assert_eq!((needed("t"), needed("x")), (None, None));
    }
}
