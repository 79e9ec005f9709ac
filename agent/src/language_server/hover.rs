//! What there is to know of a word: the reference page of a type or attribute, what a module or parameter is for, and
//! who sets a variable.

use keel_manifests::cursor::{Cursor, Spot};
use keel_manifests::site::Site;

use super::surroundings::{Block, block, module_around, parameter, schema, within};
use crate::render::paint::Paint;
use crate::render::{module_page, reference};

const PLAIN: Paint = Paint { colour: false };

/// What there is to know of the word at a place.
pub(super) fn text(cursor: &Cursor, site: Option<&Site>) -> Option<String> {
    let (word, around) = (&*cursor.typed, block(&cursor.blocks, site));
    match &cursor.spot {
        Spot::Name => match around {
            Block::Top => None,
            Block::Attributes(_) | Block::Parameters(_) => one_of(around, word),
            _ => schema(word).map(|schema| reference::page(schema, PLAIN)),
        },
        Spot::Argument if cursor.head.name() == "use" && cursor.head.words.len() == 1 => {
            site?.module(word).map(|(found, _)| module_page::page(found, PLAIN))
        }
        Spot::Argument => one_of(within(&cursor.head, site), word),
        Spot::Annotation if word == "module" => None,
        Spot::Annotation => schema(word).map(|schema| reference::page(schema, PLAIN)),
        Spot::Expression => variable(cursor, site?),
        Spot::Value(_) | Spot::Comment => None,
    }
}

fn one_of(of: Block<'_>, name: &str) -> Option<String> {
    match of {
        Block::Attributes(schema) => schema.attribute(name).map(|attribute| reference::attribute(attribute, PLAIN)),
        Block::Parameters(module) => parameter(module, name).map(|found| module_page::parameter(found, PLAIN)),
        _ => None,
    }
}

fn variable(cursor: &Cursor, site: &Site) -> Option<String> {
    let name = cursor.typed.split('.').next().unwrap_or_default();
    if let Some(parameter) = module_around(cursor, site).and_then(|module| parameter(module, name)) {
        return Some(module_page::parameter(parameter, PLAIN));
    }
    let setters = site.setters_of(name);
    let line = |who: &str, path: &str, line: u32| format!("  set by {who}, {path}:{line}\n");
    let lines: String = setters.iter().map(|setter| line(&setter.who, &setter.location.path, setter.line)).collect();
    (!setters.is_empty()).then(|| format!("{name}\n\n{lines}\nThe strongest counts: keel explain {name} --host HOST\n"))
}

#[cfg(test)]
mod tests {
    use super::super::trial::{at as cursor_at, site};
    use super::*;

    /// What is said of the word at the `|` of a text.
    fn at(marked: &str) -> String {
        text(&cursor_at(marked, Cursor::around), Some(&site())).unwrap_or_default()
    }

    #[test]
    fn types_and_attributes_show_their_reference() {
        assert!(at("group web {\n fi|le \"/etc/x\"\n}").contains("Attributes"));
        assert!(at("group web {\n file \"/etc/x\" mo|de=\"0644\"\n}").starts_with("mode  "));
        assert!(at("group web {\n file \"/etc/x\" {\n  ow|ner root\n }\n}").starts_with("owner  "));
        assert!(at("group web {\n file \"/x\" { require (serv|ice)a; }\n}").contains("Attributes"));
    }

    #[test]
    fn modules_parameters_and_variables_are_told() {
        let module = at("group web {\n use web|_server\n}");
        assert!(module.contains("Serves.") && module.contains("port  port, "), "{module}");
        assert!(at("group web {\n use web_server po|rt=1\n}").contains("Where."));
        assert!(at("group web {\n file \"/{{ work|ers }}\"\n}").contains("set by group web, inventory/groups/web.toml:2"));
        assert_eq!(at("group web {\n file \"/{{ nobody| }}\"\n}"), "");
    }
}
