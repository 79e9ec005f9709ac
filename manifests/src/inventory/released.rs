//! A group that hosts enter by what they say of themselves must not hand out secrets.

use super::Group;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::toml_reader::{Node, Tree};

/// Reports the secrets among the variables of a group whose `match` asks facts.
pub(crate) fn check_secrets_by_facts(group: &Group, out: &mut Vec<Diagnostic>) {
    for (name, entry) in &group.vars {
        let mut places = Vec::new();
        find_secrets(&entry.node, &mut places);
        for span in places {
            let message = format!("group `{}` is entered by facts and gives the secret in `{name}` to whoever claims them", group.name);
            let diagnostic = Diagnostic::error(codes::SECRET_BY_FACT, message).at(&group.source.path, span, "this secret");
            out.push(diagnostic.help("set the variable in a group whose members are named"));
        }
    }
}

fn find_secrets(node: &Node, places: &mut Vec<std::ops::Range<usize>>) {
    match &node.tree {
        Tree::Scalar(_) => {
            if node.as_str().is_some_and(|text| text.contains("{{") && text.contains("secret")) {
                places.push(node.span.clone());
            }
        }
        Tree::List(items) => items.iter().for_each(|item| find_secrets(item, places)),
        Tree::Table(table) => table.values().for_each(|entry| find_secrets(&entry.node, places)),
    }
}
