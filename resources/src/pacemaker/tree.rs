//! XML as a tree of elements: the form in which a cluster's configuration is read, compared and changed.

use std::fmt;

use indexmap::IndexMap;
use keel_engine::resource::Failure;

use crate::xml_value::document::{Element, parse};

/// An element. Its text is left out: no element of a CIB has any.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) attributes: IndexMap<String, String>,
    pub(super) children: Vec<Node>,
}

/// Says what it is and not what is in it: a configuration may hold passwords.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// As people name an element: `<op id="vip-monitor">`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            Some(id) => write!(f, "<{} id=\"{id}\">", self.name),
            None => write!(f, "<{}>", self.name),
        }
    }
}

impl Node {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), attributes: IndexMap::new(), children: Vec::new() }
    }

    pub(super) fn with(mut self, attribute: &str, value: impl Into<String>) -> Self {
        self.set(attribute, value);
        self
    }

    pub(super) fn set(&mut self, attribute: &str, value: impl Into<String>) {
        self.attributes.insert(attribute.to_owned(), value.into());
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.attribute("id")
    }

    pub(super) fn named<'n>(&'n self, tag: &'n str) -> impl Iterator<Item = &'n Node> {
        self.children.iter().filter(move |child| child.name == tag)
    }

    pub(super) fn child(&self, tag: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == tag)
    }

    /// The first child of this name, made where there is none.
    pub(super) fn child_or_new(&mut self, tag: &str) -> &mut Node {
        let at = self.children.iter().position(|child| child.name == tag).unwrap_or_else(|| {
            self.children.push(Node::new(tag));
            self.children.len() - 1
        });
        &mut self.children[at]
    }

    /// It and everything below it, from the top.
    pub(super) fn walk<'n>(&'n self, visit: &mut dyn FnMut(&'n Node)) {
        visit(self);
        self.children.iter().for_each(|child| child.walk(visit));
    }

    /// The same for changing.
    pub(super) fn walk_mut(&mut self, visit: &mut dyn FnMut(&mut Node)) {
        visit(self);
        self.children.iter_mut().for_each(|child| child.walk_mut(visit));
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is no XML, or there is nothing in it.
    pub(super) fn parse(text: &str) -> Result<Node, Failure> {
        let top = parse(text)?.ok_or_else(|| Failure::new("there is no element"))?;
        Ok(Node::of(text, &top))
    }

    fn of(text: &str, element: &Element) -> Node {
        let value = |name: &String| element.attribute(text, name).unwrap_or_default();
        Node {
            name: element.name.clone(),
            attributes: element.attributes.iter().map(|attribute| (attribute.name.clone(), value(&attribute.name))).collect(),
            children: element.children.iter().map(|child| Node::of(text, child)).collect(),
        }
    }

    /// The text of it.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        out.push_str(&format!("{indent}<{}", self.name));
        for (name, value) in &self.attributes {
            out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        if self.children.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push_str(">\n");
        self.children.iter().for_each(|child| child.write(out, depth + 1));
        out.push_str(&format!("{indent}</{}>\n", self.name));
    }
}

/// A text as it stands between the quotes of an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // As they are, they would be read as spaces.
            '\n' | '\r' | '\t' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let tree = Node { children: vec![Node::new("nvpair").with("value", "a\"<&>'\n\té")], ..Node::new("cib").with("epoch", "1") };
        assert_eq!(Node::parse(&tree.text()).unwrap(), tree);
        assert_eq!(format!("{:?}", Node::new("op").with("id", "a").with("passwd", "x")), "<op id=\"a\">");
    }
}
