//! Tests of a site: `test "NAME" { host NAME; facts { }; variables { }; contains (TYPE)TITLE ... }`.

use std::sync::Arc;

use kdl::{KdlDocument, KdlEntry, KdlNode};

use super::parts::{Parts, Placed, name_of, value_span};
use super::{Lowerer, data};
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::site_tests::{Claim, Expectation, Expected, ExpectedAttribute, FactsOf, SiteTest};
use crate::syntax::{AssignmentWord, Name, Reference, Span};

/// What may stand in a test.
const WORDS: [&str; 10] = ["host", "group", "on", "facts", "variables", "contains", "lacks", "orders", "refreshes", "fails"];
/// The annotations of expected values.
const MARKS: [&str; 4] = ["lit", "secret", "part", "regex"];
const FORM: &str = "write `test \"what holds\" { host NAME; contains (file)\"/etc/motd\" }`, each on a line of its own";

/// Lowers a parsed file of tests.
pub(crate) fn lower_tests(file: &Arc<str>, document: &KdlDocument) -> (Vec<SiteTest>, Vec<Diagnostic>) {
    let mut lowerer = Lowerer { file, diagnostics: Vec::new() };
    let mut tests = Vec::new();
    for node in document.nodes() {
        let parts = Parts::of(node);
        if parts.word() == "test" {
            tests.extend(lowerer.site_test(&parts));
        } else {
            lowerer.error(codes::TEST_FORM, format!("`{}` is no test", parts.word()), parts.name_range(), FORM);
        }
    }
    (tests, lowerer.diagnostics)
}

impl Lowerer<'_> {
    fn site_test(&mut self, parts: &Parts<'_>) -> Option<SiteTest> {
        let name = self.only_name(parts, FORM);
        self.refuse_properties(parts, &[]);
        let mut test = SiteTest {
            name: name?,
            file: Arc::clone(self.file),
            subjects: Vec::new(),
            facts: Vec::new(),
            variables: Vec::new(),
            expectations: Vec::new(),
        };
        for child in parts.children() {
            self.part_of_test(&Parts::of(child), &mut test);
        }
        let fails = test.expectations.iter().find(|one| matches!(one.claim, Claim::Fails(_)));
        let wrong = match (test.subjects.is_empty(), fails) {
            (true, _) => Some(("the test is about nobody", "name who it is about: `host web-1`, `group web`, or `on \"SELECTOR\"`")),
            (_, None) if test.expectations.is_empty() => Some(("the test expects nothing", FORM)),
            (_, Some(_)) if test.expectations.len() > 1 => {
                Some(("the test expects something of a catalog that shall not be", "`fails` stands alone"))
            }
            _ => None,
        };
        match wrong {
            Some((message, help)) => {
                self.error(codes::TEST_FORM, message, test.name.span.into(), help);
                None
            }
            None => Some(test),
        }
    }

    fn part_of_test(&mut self, parts: &Parts<'_>, test: &mut SiteTest) {
        let help = "names of hosts and groups, and selectors, are plain texts";
        let mut subjects = |lowerer: &mut Self, word| {
            lowerer.refuse_properties(parts, &[]);
            test.subjects.extend(lowerer.names(parts, help).into_iter().map(|name| (word, name)));
        };
        match parts.word() {
            "host" => subjects(self, AssignmentWord::Host),
            "group" => subjects(self, AssignmentWord::Group),
            "on" => subjects(self, AssignmentWord::On),
            "facts" => test.facts.extend(self.facts_of(parts)),
            "variables" => {
                self.refuse_arguments(parts, "write `variables { NAME VALUE }`");
                test.variables.extend(self.fields(parts, data::Extras::Refused).0);
            }
            word @ ("contains" | "lacks" | "orders" | "refreshes" | "fails") => {
                let span = parts.name_range().into();
                let claims = self.claims(word, parts);
                test.expectations.extend(claims.into_iter().map(|claim| Expectation { claim, span }));
            }
            word => {
                let help = did_you_mean(word, WORDS).unwrap_or_else(|| format!("a test has `{}`", WORDS.join("`, `")));
                self.error(codes::TEST_FORM, format!("`{word}` is nothing that a test has"), parts.name_range(), help);
            }
        }
    }

    /// `facts "FILE" host=NAME { NAME VALUE }`
    fn facts_of(&mut self, parts: &Parts<'_>) -> Option<FactsOf> {
        let form = "write `facts { os family=debian }`, `facts \"tests/debian-12.json\"`, or both";
        let mut names = self.names(parts, form);
        if names.len() > 1 {
            self.error(codes::TEST_FORM, "facts are read from one file", parts.name_range(), form);
        }
        let host = self.property(parts, "host").and_then(|literal| {
            let text = literal.scalar.as_text().cloned();
            Some(Name { text: text?, span: literal.span })
        });
        self.refuse_properties(parts, &["host"]);
        let block = parts.node.children().map(|children| {
            let mut block = KdlNode::new(parts.word());
            block.set_children(children.clone());
            block
        });
        let values = block.map(|block| self.fields(&Parts::of(&block), data::Extras::Refused).0).unwrap_or_default();
        let file = (!names.is_empty()).then(|| names.swap_remove(0));
        Some(FactsOf { file, host, values })
    }

    fn claims(&mut self, word: &str, parts: &Parts<'_>) -> Vec<Claim> {
        if word == "fails" {
            let form = "write `fails \"a part of the message, or its code\"`";
            self.refuse_properties(parts, &[]);
            let mut names = self.names(parts, form);
            return vec![Claim::Fails((!names.is_empty()).then(|| names.swap_remove(0)))];
        }
        let targets: Vec<Reference> = parts.arguments.iter().filter_map(|entry| self.reference(entry)).collect();
        if parts.arguments.is_empty() {
            let help = "write (type)title after it, such as (service)nginx or (file)\"/etc/motd\"";
            self.error(codes::TEST_FORM, format!("`{word}` points at nothing"), parts.name_range(), help);
        }
        match word {
            "contains" => {
                let attributes = self.expected_attributes(parts);
                targets.into_iter().map(|target| Claim::Contains { target, attributes: attributes.clone() }).collect()
            }
            "lacks" => {
                self.refuse_properties(parts, &[]);
                targets.into_iter().map(Claim::Lacks).collect()
            }
            "orders" => {
                self.refuse_properties(parts, &["before"]);
                let then = self.other(parts, "before");
                let then = then.into_iter().flat_map(|then| targets.iter().map(move |first| (first.clone(), then.clone())));
                then.map(|(first, then)| Claim::Orders { first, then }).collect()
            }
            _ => {
                self.refuse_properties(parts, &["after", "effect"]);
                let after = self.other(parts, "after");
                let effect = self.effect(parts);
                let after = after.into_iter().flat_map(|after| targets.iter().map(move |target| (target.clone(), after.clone())));
                after.map(|(target, after)| Claim::Refreshes { target, after, effect: effect.clone() }).collect()
            }
        }
    }

    /// The reference that a property holds.
    fn other(&mut self, parts: &Parts<'_>, wanted: &str) -> Option<Reference> {
        match parts.properties.iter().find(|(name, _)| name.value() == wanted) {
            Some((_, entry)) => self.reference(entry),
            None => {
                let help = format!("write `{} (file)\"/etc/motd\" {wanted}=(service)nginx`", parts.word());
                self.error(codes::TEST_FORM, format!("`{}` needs `{wanted}`", parts.word()), parts.name_range(), help);
                None
            }
        }
    }

    /// What is expected of attributes: properties and child nodes.
    fn expected_attributes(&mut self, parts: &Parts<'_>) -> Vec<ExpectedAttribute> {
        let mut found: Vec<ExpectedAttribute> = Vec::new();
        for (name, entry) in &parts.properties {
            let value = self.expected(entry);
            found.extend(value.map(|value| ExpectedAttribute { name: name_of(name), value }));
        }
        for child in parts.children() {
            let value = self.expected_child(child);
            found.extend(value.map(|value| ExpectedAttribute { name: name_of(child.name()), value }));
        }
        found
    }

    fn expected_child(&mut self, node: &KdlNode) -> Option<Expected> {
        let parts = Parts::of(node);
        let span: Span = parts.name_range().into();
        let has_table = parts.has_block() || !parts.properties.is_empty();
        let is_item = |node: &&KdlNode| node.name().value() == "-";
        match parts.arguments.as_slice() {
            [] if parts.children().any(|child| is_item(&child)) => {
                let items: Vec<&KdlNode> = parts.children().filter(is_item).collect();
                Some(Expected::List(items.into_iter().filter_map(|item| self.expected_child(item)).collect(), span))
            }
            [] if has_table => Some(Expected::Table(self.expected_attributes(&parts), span)),
            [] => {
                let help = format!("write `{} VALUE`; `#null` expects that it is not given", parts.word());
                self.error(codes::MISSING_NAME, format!("`{}` has no value", parts.word()), parts.name_range(), help);
                None
            }
            [one] if !has_table => self.expected(one),
            [key] => {
                // `section main { ... }`: the table stands under the name.
                let name = Name { text: Arc::from(self.text_of(key, FORM)?), span: value_span(key) };
                let table = Expected::Table(self.expected_attributes(&parts), span);
                Some(Expected::Table(vec![ExpectedAttribute { name, value: table }], span))
            }
            several => Some(Expected::List(several.iter().filter_map(|entry| self.expected(entry)).collect(), span)),
        }
    }

    /// One expected value. Nothing in it is evaluated: what a test computed would agree with anything.
    fn expected(&mut self, entry: &KdlEntry) -> Option<Expected> {
        let span = value_span(entry);
        let mark = entry.ty().map(|ty| ty.value());
        let text = entry.value().as_string().map(Arc::from);
        Some(match (mark, text) {
            (None, _) => Expected::Scalar(self.scalar(entry)?, span),
            (Some("lit"), Some(_)) => Expected::Scalar(self.scalar(entry)?, span),
            (Some("secret"), Some(text)) => Expected::Secret(text, span),
            (Some("part"), Some(text)) => Expected::Part(text, span),
            (Some("regex"), Some(text)) => match regex::Regex::new(&text) {
                Ok(_) => Expected::Pattern(text, span),
                Err(error) => {
                    let message = error.to_string();
                    let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    self.error(
                        codes::TEST_FORM,
                        format!("this is no regular expression: {last}"),
                        span.into(),
                        "write `\\\\` for one backslash, or `#\"...\"#` around it",
                    );
                    return None;
                }
            },
            (Some(other), _) => {
                let help =
                    did_you_mean(other, MARKS).unwrap_or_else(|| "expected texts take (part), (regex), (secret) and (lit)".to_owned());
                self.error(codes::BAD_ANNOTATION, format!("`({other})` says nothing of an expected value"), entry.range(), help);
                return None;
            }
        })
    }
}
