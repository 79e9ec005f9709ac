//! Where the thing behind a word is declared.

use keel_manifests::cursor::{Cursor, Spot};
use keel_manifests::lookup::Location;
use keel_manifests::site::Site;
use keel_manifests::syntax::{Resource, Scalar};

use super::surroundings::{Block, RELATIONS, block, module_around, parameter, within};

/// All places where the word at a place is declared.
pub(super) fn places(cursor: &Cursor, site: &Site) -> Vec<Location> {
    let (word, head) = (&*cursor.typed, &cursor.head);
    let is_first = head.words.len() == 1;
    match (&cursor.spot, head.name()) {
        (Spot::Expression, _) => variable(cursor, site),
        (Spot::Argument, "use") if is_first => site.module(word).map(|(_, place)| place).into_iter().collect(),
        (Spot::Argument, "use") => parameter_of(site, head.argument(1), word),
        (Spot::Argument, "host") if cursor.blocks.is_empty() => site.host_location(word).into_iter().collect(),
        (Spot::Argument, "group") if cursor.blocks.is_empty() => site.group_location(word).into_iter().collect(),
        (Spot::Argument, name) if RELATIONS.contains(&name) || (name == "override" && is_first) => referred(cursor, site),
        (Spot::Name, _) => match block(&cursor.blocks, Some(site)) {
            Block::Parameters(module) => parameter_of(site, &module.name.text, word),
            _ => Vec::new(),
        },
        (Spot::Value(name), _) if matches!(within(head, Some(site)).kind_of(name), Some(keel_engine::schema::Kind::Host)) => {
            site.host_location(word).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn parameter_of(site: &Site, module: &str, name: &str) -> Vec<Location> {
    let found = site.module(module).and_then(|(module, place)| Some((parameter(module, name)?, place)));
    found.map(|(parameter, place)| Location { span: parameter.name.span.into(), ..place }).into_iter().collect()
}

fn variable(cursor: &Cursor, site: &Site) -> Vec<Location> {
    let mut parts = cursor.typed.split('.');
    let (name, part) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match name {
        "groups" => return site.group_location(part).into_iter().collect(),
        "hosts" => return site.host_location(part).into_iter().collect(),
        _ => {}
    }
    if let Some(module) = module_around(cursor, site).filter(|module| parameter(module, name).is_some()) {
        return parameter_of(site, &module.name.text, name);
    }
    site.setters_of(name).into_iter().map(|setter| setter.location).collect()
}

/// What `(type)title` points at.
fn referred(cursor: &Cursor, site: &Site) -> Vec<Location> {
    let Some(kind) = cursor.annotation.as_deref() else { return Vec::new() };
    if kind == "module" {
        return site.module(&cursor.typed).map(|(_, place)| place).into_iter().collect();
    }
    let is_titled =
        |resource: &Resource| resource.titles.iter().any(|title| matches!(&title.scalar, Scalar::Text(text) if **text == *cursor.typed));
    let found = site.declarations().into_iter().filter(|(resource, _)| &*resource.type_name.text == kind && is_titled(resource));
    found.map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use keel_manifests::files::SiteFiles;

    use super::super::trial::{at as cursor_at, files, site};
    use super::*;

    /// The words at which things are declared that the word at the `|` of a text names.
    fn at(marked: &str) -> Vec<String> {
        let show = |place: Location| {
            let bytes = files().read(&place.path).unwrap().unwrap();
            format!("{} {}", place.path, String::from_utf8_lossy(&bytes[place.span]).lines().next().unwrap_or_default())
        };
        places(&cursor_at(marked, Cursor::around), &site()).into_iter().map(show).collect()
    }

    #[test]
    fn modules_and_parameters_are_found() {
        assert_eq!(at("group web { use web_se|rver\n}"), ["modules/web_server/module.kdl web_server"]);
        assert_eq!(at("group web { use web_server po|rt=1\n}"), ["modules/web_server/module.kdl port"]);
        assert_eq!(at("group web { file \"/y\" { require (module)web_se|rver; }\n}"), ["modules/web_server/module.kdl web_server"]);
        assert_eq!(at("module web_server { file \"/{{ po|rt }}\"\n}"), ["modules/web_server/module.kdl port"]);
    }

    #[test]
    fn variables_hosts_groups_and_resources_are_found() {
        assert_eq!(at("group web { file \"/{{ wor|kers }}\"\n}"), ["inventory/groups/web.toml workers"]);
        assert_eq!(at("gro|up web {\n}"), Vec::<String>::new());
        assert_eq!(at("group we|b {\n}"), ["inventory/groups/web.toml "]);
        assert!(at("host web|-1 {\n}")[0].starts_with("inventory/hosts.toml "));
        assert_eq!(at("group web { file \"/y\" { require (package)ng|inx; }\n}"), ["modules/web_server/module.kdl package"]);
        assert_eq!(at("group web { file \"/y\" { require (file)\"/etc|/x y\"; }\n}"), ["manifests/site.kdl file"]);
    }
}
