//! Configurations made at random from Pacemaker's own schema: each survives the way through manifests, or
//! is refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::cib::is_nameless;
use super::super::declared::Declared;
use super::super::merge::merge;
use super::super::tree::Node;
use super::*;
use crate::chance::Chance;
use crate::xml_value::document::{Element, parse};

const SCHEMAS: &str = "/usr/share/pacemaker";
/// The parts of the newest schema that Debian 12 has.
const PARTS: [&str; 8] =
    ["options-3.9", "nodes-3.9", "resources-3.9", "constraints-3.9", "fencing-2.4", "acls-3.8", "tags-3.3", "alerts-3.9"];
/// How many configurations that hold something have to survive of each part, and how many are made for that at most.
const ENOUGH: u32 = 50;
const SEEDS_MAX: u64 = 12_000;
const EMPTY: &str = "<cib validate-with='pacemaker-3.9' admin_epoch='0' epoch='0' num_updates='0'>\
    <configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>";

/// A grammar in RELAX NG, as far as Pacemaker uses it.
struct Grammar {
    texts: BTreeMap<String, (String, Element)>,
}

impl Grammar {
    /// None where Pacemaker is not installed.
    fn load() -> Option<Self> {
        let mut texts = BTreeMap::new();
        for entry in std::fs::read_dir(SCHEMAS).ok()? {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_string_lossy().into_owned();
            if path.extension().is_some_and(|extension| extension == "rng") {
                let text = std::fs::read_to_string(&path).unwrap();
                let element = parse(&text).unwrap().unwrap();
                texts.insert(name, (text, element));
            }
        }
        Some(Self { texts })
    }

    /// A definition, in the file itself or in what it includes.
    fn define<'g>(&'g self, file: &str, name: &str) -> (&'g str, &'g Element) {
        let (file, (text, grammar)) = self.texts.get_key_value(file).unwrap();
        let is_it = |child: &&Element| child.name == "define" && child.attribute(text, "name").as_deref() == Some(name);
        if let Some(define) = grammar.children.iter().find(is_it) {
            return (file, define);
        }
        let include = grammar.children.iter().find(|child| child.name == "include");
        let include = include.unwrap_or_else(|| panic!("{name} is nowhere in {file}"));
        self.define(&include.attribute(text, "href").unwrap(), name)
    }
}

/// One configuration in the making.
struct Maker<'g> {
    grammar: &'g Grammar,
    chance: Chance,
    ids: Vec<String>,
}

impl<'g> Maker<'g> {
    fn file(&mut self, file: &str, into: &mut Node, depth: usize) {
        let whole: &'g Grammar = self.grammar;
        let (text, grammar) = &whole.texts[file];
        let start = grammar.children.iter().find(|child| child.name == "start").unwrap();
        self.all(file, text, start, into, depth);
    }

    fn all(&mut self, file: &str, text: &str, pattern: &Element, into: &mut Node, depth: usize) {
        for child in &pattern.children {
            self.pattern(file, text, child, into, depth);
        }
    }

    fn pattern(&mut self, file: &str, text: &str, pattern: &Element, into: &mut Node, depth: usize) {
        if depth == 0 {
            return;
        }
        let name = pattern.attribute(text, "name").unwrap_or_default();
        let often = if depth > 24 { 3 } else { 2 };
        match pattern.name.as_str() {
            "group" | "interleave" => self.all(file, text, pattern, into, depth),
            "optional" if self.is_taken(text, pattern) => self.all(file, text, pattern, into, depth),
            "optional" | "empty" | "text" => {}
            "zeroOrMore" => (0..self.chance.below(often)).for_each(|_| self.all(file, text, pattern, into, depth)),
            "oneOrMore" => (0..=self.chance.below(often - 1)).for_each(|_| self.all(file, text, pattern, into, depth)),
            "choice" => {
                let at = self.chance.below(pattern.children.len());
                self.pattern(file, text, &pattern.children[at], into, depth);
            }
            "ref" => {
                let whole: &'g Grammar = self.grammar;
                let (file, define) = whole.define(file, &name);
                let text = &whole.texts[file].0;
                self.all(file, text, define, into, depth - 1);
            }
            // One within another stands for the file that it includes; what it narrows there does not matter.
            "grammar" => {
                let include = pattern.children.iter().find(|child| child.name == "include").unwrap();
                self.file(&include.attribute(text, "href").unwrap(), into, depth - 1);
            }
            "externalRef" => self.file(&pattern.attribute(text, "href").unwrap(), into, depth - 1),
            "element" => {
                let mut node = Node::new(&name);
                self.all(file, text, pattern, &mut node, depth - 1);
                into.children.push(node);
            }
            "attribute" => {
                let value = pattern.children.first().map_or_else(|| "text".to_owned(), |value| self.value(file, text, value));
                into.set(&name, value);
            }
            other => panic!("{other} in {file} is not known to this test"),
        }
    }

    /// Whether what may be missing is there: mostly, where it is the value of a name, which manifests cannot do without.
    fn is_taken(&mut self, text: &str, optional: &Element) -> bool {
        let is_value = optional.children.iter().any(|child| child.attribute(text, "name").as_deref() == Some("value"));
        if is_value { self.chance.below(16) != 0 } else { self.chance.below(2) == 0 }
    }

    fn value(&mut self, file: &str, text: &str, pattern: &Element) -> String {
        let pick = |chance: &mut Chance, of: &[&str]| of[chance.below(of.len())].to_owned();
        match (pattern.name.as_str(), pattern.attribute(text, "type").as_deref()) {
            ("choice", _) => {
                let at = self.chance.below(pattern.children.len());
                self.value(file, text, &pattern.children[at])
            }
            ("value", _) => pattern.text(text).unwrap(),
            ("ref", _) => {
                let whole: &'g Grammar = self.grammar;
                let (file, define) = whole.define(file, &pattern.attribute(text, "name").unwrap());
                let text = &whole.texts[file].0;
                self.value(file, text, &define.children[0])
            }
            ("externalRef", _) => pick(&mut self.chance, &["INFINITY", "-INFINITY", "100", "+5"]),
            ("data", Some("ID")) => {
                let id = format!("id-{}", self.ids.len());
                self.ids.push(id.clone());
                id
            }
            ("data", Some("IDREF")) if !self.ids.is_empty() => {
                let at = self.chance.below(self.ids.len());
                self.ids[at].clone()
            }
            ("data", Some("boolean")) => pick(&mut self.chance, &["true", "false", "1"]),
            ("data", Some(number)) if number.to_lowercase().contains("integer") => pick(&mut self.chance, &["1", "7", "42"]),
            ("data", Some("decimal")) => "1.5".to_owned(),
            _ => {
                // Names have to differ where they stand in one set.
                let word = pick(&mut self.chance, &["plain", "with space", "a'b\"c<&>", "{{ x }}", "10s", "007", "é", ""]);
                format!("{word}{}", self.chance.below(1000))
            }
        }
    }
}

/// A configuration without what means nothing: the order of names, ids that nobody refers to.
fn canonical(cib: &Cib) -> String {
    let referenced = cib.referenced();
    let mut root = cib.configuration().unwrap().clone();
    root.walk_mut(&mut |node| {
        // What joins expressions says nothing where there is one.
        if node.attribute("boolean-op") == Some("and") || (node.name == "rule" && node.children.len() == 1) {
            node.attributes.shift_remove("boolean-op");
        }
        let is_nameless = is_nameless(&node.name) || node.name == "cluster_property_set";
        if is_nameless && node.id().is_some_and(|id| !referenced.contains(id)) {
            node.attributes.shift_remove("id");
        }
        node.attributes.sort_keys();
        // The schema interleaves parts of different names; those of one name have an order, and all of constraints.
        if node.name != "rule" && !node.name.starts_with("rsc_") {
            node.children.sort_by(|one, other| one.name.cmp(&other.name));
        }
        if node.children.iter().any(|child| child.name == "nvpair") {
            node.children.sort_by_key(|child| (child.name != "rule", child.attribute("name").map(str::to_owned)));
        }
        // Sets of operations and of settings that hold nothing.
        if matches!(node.name.as_str(), "crm_config" | "rsc_defaults" | "op_defaults" | "node") {
            node.children.retain(|set| set.child("nvpair").is_some());
        }
    });
    for section in &mut root.children {
        section.children.sort_by_key(Node::text);
    }
    root.children.sort_by_key(|section| section.name.clone());
    root.children.retain(|section| !section.children.is_empty());
    root.text()
}

/// What comes of a configuration that is made from these resources alone.
fn rebuilt(resources: &[Resource]) -> Cib {
    let read = |resource: &Resource| TYPES.iter().find(|kind| kind.name == &*resource.address.type_name).unwrap().read(resource);
    let declared: Vec<Declared> =
        resources.iter().map(|resource| read(resource).unwrap_or_else(|errors| panic!("{}: {errors:?}", resource.address))).collect();
    let (cib, failures) = merge(&Cib::parse(EMPTY).unwrap(), &declared.iter().collect::<Vec<_>>());
    assert_eq!(failures, vec![], "{resources:?}");
    cib
}

/// Configurations with what came of them, until the schema has judged both.
#[derive(Default)]
struct Judged {
    pairs: Vec<(u64, Cib, Cib)>,
}

impl Judged {
    /// What Pacemaker takes it takes as well when manifests made it. All files in one process: there are hundreds.
    fn judge(&self, part: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = |word: &str, seed: u64| folder.path().join(format!("{word}-{seed}.xml"));
        for (seed, source, rebuilt) in &self.pairs {
            let mut whole = Cib::parse(EMPTY).unwrap();
            let configuration = whole.configuration_mut();
            for section in source.configuration().into_iter().flat_map(|source| &source.children) {
                configuration.children.retain(|empty| empty.name != section.name);
                configuration.children.push(section.clone());
            }
            std::fs::write(file("source", *seed), whole.root.text()).unwrap();
            std::fs::write(file("rebuilt", *seed), rebuilt.root.text()).unwrap();
        }
        let files = self.pairs.iter().flat_map(|(seed, ..)| [file("source", *seed), file("rebuilt", *seed)]);
        let schema = Path::new(SCHEMAS).join("pacemaker-3.9.rng");
        let command = std::process::Command::new("xmllint").args(["--noout", "--relaxng"]).arg(schema).args(files).output();
        let Ok(output) = command else {
            assert!(std::env::var_os("CI").is_none(), "xmllint is not there, and in CI nothing is left out");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let valid: BTreeSet<&str> = said.lines().filter_map(|line| line.strip_suffix(" validates")).collect();
        let said = said.lines().filter(|line| !line.ends_with(" validates")).collect::<Vec<_>>().join("\n");
        let is_valid = |word: &str, seed: u64| valid.contains(file(word, seed).to_str().unwrap());
        let taken: Vec<&(u64, Cib, Cib)> = self.pairs.iter().filter(|(seed, ..)| is_valid("source", *seed)).collect();
        assert!(taken.len() >= ENOUGH as usize, "the schema takes only {} of {part}: {said}", taken.len());
        for (seed, _, rebuilt) in taken {
            assert!(is_valid("rebuilt", *seed), "{part} {seed}: {}\n{said}", rebuilt.root.text());
        }
    }
}

#[test]
fn what_the_schema_allows_survives_or_is_refused_by_name() {
    let Some(grammar) = Grammar::load().filter(|_| Path::new(SCHEMAS).join("resources-3.9.rng").exists()) else { return };
    let mut survived: BTreeMap<&str, u32> = BTreeMap::new();
    let mut refusals: BTreeSet<String> = BTreeSet::new();
    for part in PARTS {
        let mut judged = Judged::default();
        for seed in 0..SEEDS_MAX {
            if seed >= 400 && survived.get(part).is_some_and(|count| *count >= ENOUGH) {
                break;
            }
            let mut maker = Maker { grammar: &grammar, chance: Chance::from(seed), ids: Vec::new() };
            let mut configuration = Node::new("configuration");
            maker.file(&format!("{part}.rng"), &mut configuration, 40);
            // What constraints, tags and levels name has to be somewhere.
            let targets: BTreeSet<String> = maker.ids.into_iter().collect();
            add_targets(&mut configuration, &targets);
            let cib = Cib { root: Node { children: vec![configuration], ..Node::new("cib") } };
            match described(&cib) {
                Ok(resources) => {
                    let rebuilt = rebuilt(&resources);
                    assert_eq!(canonical(&rebuilt), canonical(&cib), "{part} {seed}: {resources:?}");
                    judged.pairs.push((seed, cib, rebuilt));
                    // What holds nothing proves nothing.
                    *survived.entry(part).or_default() += u32::from(!resources.is_empty());
                }
                Err(refusal) => {
                    assert!(refusal.contains('<'), "{refusal} names no element");
                    refusals.insert(
                        refusal
                            .split_once('>')
                            .map_or(String::new(), |(_, what)| what.split_whitespace().take(4).collect::<Vec<_>>().join(" ")),
                    );
                }
            }
        }
        judged.judge(part);
    }
    for part in PARTS {
        let count = survived.get(part).copied().unwrap_or_default();
        assert!(count >= ENOUGH, "only {count} of {part} survived; refused were {refusals:#?}");
    }
}

/// Puts resources of the names that constraints, tags and levels use where those are missing.
fn add_targets(configuration: &mut Node, made: &BTreeSet<String>) {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    configuration.walk(&mut |node| {
        wanted.extend(super::super::references::of(node).into_iter().map(|reference| reference.id));
    });
    let cib = Cib { root: Node { children: vec![configuration.clone()], ..Node::new("cib") } };
    for id in wanted.iter().filter(|id| cib.with_id(id).is_empty() && super::super::word::is_id(id) && !made.contains(*id)) {
        let primitive = Node::new("primitive").with("id", id.as_str()).with("class", "ocf").with("provider", "p").with("type", "t");
        configuration.child_or_new("resources").children.push(primitive);
    }
}
