//! What a test expects of a host, against what the host's compile came to.

use std::sync::OnceLock;

use keel_engine::address::{Address, CONTAINER_TYPE};
use keel_engine::catalog::{Catalog, Effect, Node, Origin};
use keel_engine::glob;
use keel_engine::graph::Graph;
use keel_engine::value::Value;

use super::coverage::Steps;
use super::expectation::compare;
use super::{Claim, ExpectedAttribute, SiteTest};
use crate::codes;
use crate::compile::Compiled;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::site::Site;
use crate::syntax::{Name, Reference, Scalar, Span};

/// How many things that should not be there are named.
const NAMED_MAX: usize = 3;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// What is not as expected.
    pub(super) failures: Vec<Diagnostic>,
    /// What it came by.
    pub(super) steps: Steps,
}

/// Judges a host's compile by a test.
pub(super) fn judge(test: &SiteTest, site: &Site, compiled: &Compiled) -> Verdict {
    if let [expectation] = test.expectations.as_slice()
        && let Claim::Fails(wanted) = &expectation.claim
    {
        let failures = not_failed(test, wanted.as_ref(), expectation.span, compiled);
        return Verdict { failures, steps: Steps::default() };
    }
    let Some(catalog) = &compiled.catalog else {
        let errors: Vec<Diagnostic> = compiled.diagnostics.iter().filter(|found| found.is_error()).cloned().collect();
        let diagnostic = Diagnostic::error(codes::TEST_NO_CATALOG, "the host does not compile with what the test gives");
        let diagnostic = diagnostic.at(&test.file, test.name.span.into(), "this test").help("what follows says why; `fails` expects it");
        return Verdict { failures: std::iter::once(diagnostic).chain(errors).collect(), steps: Steps::default() };
    };
    let verdict = Verdict { failures: Vec::new(), steps: Steps::of(catalog) };
    let mut judge = Judge { test, site, compiled, catalog, graph: OnceLock::new(), verdict };
    test.expectations.iter().for_each(|expectation| judge.claim(&expectation.claim, expectation.span));
    judge.verdict
}

fn not_failed(test: &SiteTest, wanted: Option<&Name>, span: Span, compiled: &Compiled) -> Vec<Diagnostic> {
    let errors: Vec<&Diagnostic> = compiled.diagnostics.iter().filter(|found| found.is_error()).collect();
    let fits = |error: &Diagnostic| wanted.is_none_or(|wanted| error.code == &*wanted.text || error.message.contains(&*wanted.text));
    if compiled.catalog.is_none() && errors.iter().any(|error| fits(error)) {
        return Vec::new();
    }
    let diagnostic = match errors.first() {
        None => Diagnostic::error(codes::TEST_COMPILES, "the host compiles").at(&test.file, span.into(), "expected to fail"),
        Some(error) => {
            let span = wanted.map_or(span, |wanted| wanted.span);
            let diagnostic =
                Diagnostic::error(codes::TEST_COMPILES, "the host fails in another way").at(&test.file, span.into(), "expected");
            diagnostic.help(format!("it says {}: {}", error.code, error.message))
        }
    };
    vec![diagnostic]
}

struct Judge<'j> {
    test: &'j SiteTest,
    site: &'j Site,
    compiled: &'j Compiled,
    catalog: &'j Catalog,
    graph: OnceLock<Option<Graph>>,
    verdict: Verdict,
}

impl Judge<'_> {
    /// Says something; the place in the test comes first.
    fn say(&mut self, mut diagnostic: Diagnostic, span: Span, text: &str) {
        let declared = std::mem::take(&mut diagnostic.labels);
        let mut diagnostic = diagnostic.at(&self.test.file, span.into(), text);
        diagnostic.labels.extend(declared);
        self.verdict.failures.push(diagnostic);
    }

    /// Adds the place where something of the catalog is declared.
    fn declared(&self, diagnostic: Diagnostic, origin: Origin) -> Diagnostic {
        match self.site.locate(self.catalog, origin) {
            Some((file, span)) => diagnostic.at(&file, span, "declared here"),
            None => diagnostic,
        }
    }

    fn claim(&mut self, claim: &Claim, span: Span) {
        match claim {
            Claim::Contains { target, attributes } => self.contains(target, attributes),
            Claim::Lacks(target) => self.lacks(target),
            Claim::Orders { first, then } => self.orders(first, then, span),
            Claim::Refreshes { target, after, effect } => self.refreshes(target, after, effect.as_ref(), span),
            // Where it stands alone it was judged before.
            Claim::Fails(_) => {}
        }
    }

    /// Whether the type of a reference is one; if not, that is said.
    fn is_known_type(&mut self, target: &Reference) -> bool {
        let name = &*target.type_name.text;
        if name == CONTAINER_TYPE || self.site.schema(name).is_some() {
            return true;
        }
        let near = did_you_mean(name, self.site.types.schemas().iter().map(|schema| schema.name));
        let help = near.unwrap_or_else(|| "`keel doc` lists the types".to_owned());
        self.say(Diagnostic::error(codes::UNKNOWN_TYPE, format!("there is no type `{name}`")).help(help), target.type_name.span, "here");
        false
    }

    /// The place of a thing in the catalog; that it is not there is said.
    fn find(&mut self, target: &Reference) -> Option<Node> {
        if !self.is_known_type(target) {
            return None;
        }
        let address = address(target)?;
        let catalog = self.catalog;
        let node = if address.is_container() {
            catalog.containers.iter().position(|container| container.address == address).map(Node::Container)
        } else {
            catalog.resources.iter().position(|resource| resource.address == address).map(Node::Resource)
        };
        match node {
            Some(Node::Resource(position)) => {
                let origin = catalog.resources.get(position).map(|resource| resource.origin).unwrap_or_default();
                self.verdict.steps.expect(catalog, origin);
            }
            Some(Node::Container(_)) => {}
            None => {
                let resources = catalog.resources.iter().map(|resource| &resource.address);
                let all = resources.chain(catalog.containers.iter().map(|container| &container.address));
                let titles: Vec<&str> = all.filter(|one| one.type_name == address.type_name).map(|one| &*one.title).collect();
                let message = format!("the catalog has no {address}");
                let help = did_you_mean(&address.title, titles.iter().copied()).unwrap_or_else(|| match titles.len() {
                    0 => format!("it has nothing of the type `{}`", address.type_name),
                    count => format!("it has {count} of the type `{}`, with other titles", address.type_name),
                });
                self.say(Diagnostic::error(codes::TEST_MISSING, message).help(help), target.title.span, "expected here");
            }
        }
        node
    }

    fn contains(&mut self, target: &Reference, attributes: &[ExpectedAttribute]) {
        let node = self.find(target);
        let Some(Node::Resource(position)) = node else {
            if let (Some(_), Some(first)) = (node, attributes.first()) {
                let diagnostic = Diagnostic::error(codes::TEST_FORM, "the attributes of a module cannot be compared");
                self.say(diagnostic.help("name a resource of it"), first.name.span, "here");
            }
            return;
        };
        let (Some(resource), Some(schema)) = (self.catalog.resources.get(position), self.site.schema(&target.type_name.text)) else {
            return;
        };
        for expected in attributes {
            let name = &*expected.name.text;
            let Some(attribute) = schema.attribute(name) else {
                let near = did_you_mean(name, schema.attributes.iter().map(|attribute| attribute.name));
                let help = near.unwrap_or_else(|| "a template is `content` in the catalog: content (part)\"...\"".to_owned());
                let message = format!("`{}` has no attribute `{name}`", schema.name);
                self.say(Diagnostic::error(codes::UNKNOWN_ATTRIBUTE, message).help(help), expected.name.span, "here");
                continue;
            };
            let value = resource.attributes.get(name);
            if value.is_none() && attribute.default.is_some() && attribute.default == printed(&expected.value) {
                continue;
            }
            let mut mismatches = Vec::new();
            compare(name, &expected.value, value, &self.compiled.contents, &mut mismatches);
            let conceals = attribute.secret && value.is_some_and(|value| !matches!(value, Value::Sealed(_)));
            for mismatch in mismatches {
                let message = if conceals { format!("`{name}` is another one, which is not shown") } else { mismatch.message };
                let diagnostic = Diagnostic::error(codes::TEST_DIFFERENT, format!("{}: {message}", resource.address));
                let diagnostic = self.declared(diagnostic, resource.origin);
                self.say(diagnostic, mismatch.span, "expected here");
            }
        }
    }

    fn lacks(&mut self, target: &Reference) {
        if !self.is_known_type(target) {
            return;
        }
        let Some(address) = address(target) else { return };
        let fits =
            |one: &Address| one.type_name == address.type_name && (one.title == address.title || glob::matches(&address.title, &one.title));
        let resources = self.catalog.resources.iter().map(|resource| (&resource.address, resource.origin));
        let all = resources.chain(self.catalog.containers.iter().map(|container| (&container.address, container.origin)));
        let found: Vec<(&Address, Origin)> = all.filter(|(one, _)| fits(one)).collect();
        let Some((first, origin)) = found.first() else { return };
        let more = if found.len() > 1 { format!(" and {} more like it", found.len() - 1) } else { String::new() };
        let diagnostic = Diagnostic::error(codes::TEST_PRESENT, format!("the catalog has {first}{more}"));
        let mut diagnostic = self.declared(diagnostic, *origin);
        for (_, origin) in found.iter().skip(1).take(NAMED_MAX - 1) {
            diagnostic = self.declared(diagnostic, *origin);
        }
        self.say(diagnostic, target.title.span, "not expected");
    }

    fn orders(&mut self, first: &Reference, then: &Reference, span: Span) {
        let (Some(one), Some(other)) = (self.find(first), self.find(then)) else { return };
        let (catalog, types) = (self.catalog, self.site.types);
        let graph = self.graph.get_or_init(|| {
            // The compile checked the same: every resource has a footprint, and there is no cycle.
            let footprints: Vec<_> = catalog.resources.iter().map(|resource| types.check(resource).unwrap_or_default()).collect();
            Graph::build(catalog, &footprints).ok()
        });
        let Some(graph) = graph else { return };
        if graph.comes_before(catalog, one, other) {
            return;
        }
        let (first, then) = (catalog.address(one).clone(), catalog.address(other).clone());
        let help = if graph.comes_before(catalog, other, one) {
            format!("it is the other way round: {then} comes before {first}")
        } else {
            format!("no relation leads from one to the other: `require` in {then}, or `before` in {first}, makes one")
        };
        let diagnostic = Diagnostic::error(codes::TEST_UNORDERED, format!("{first} does not come before {then}")).help(help);
        self.say(diagnostic, span, "expected here");
    }

    fn refreshes(&mut self, target: &Reference, after: &Reference, effect: Option<&Name>, span: Span) {
        let (Some(target), Some(after)) = (self.find(target), self.find(after)) else { return };
        let catalog = self.catalog;
        let told =
            catalog.relations.iter().filter(|relation| holds(catalog, relation.first, after) && holds(catalog, relation.then, target));
        let effects: Vec<Effect> = told.filter_map(|relation| relation.notify).collect();
        let wanted = effect.map(|effect| &*effect.text);
        if effects.iter().any(|effect| wanted.is_none_or(|wanted| effect.to_string() == wanted)) {
            return;
        }
        let (target, after) = (catalog.address(target), catalog.address(after));
        let message = format!("a change of {after} does not {} {target}", wanted.unwrap_or("refresh"));
        let help = match effects.first() {
            Some(other) => format!("it makes it {other}"),
            None => format!("`notify` in {after}, or `subscribe` in {target}, says so"),
        };
        let diagnostic = Diagnostic::error(codes::TEST_UNREFRESHED, message).help(help);
        let span = effect.filter(|_| !effects.is_empty()).map_or(span, |effect| effect.span);
        self.say(diagnostic, span, "expected here");
    }
}

/// Whether a node is the other one, or a container around it.
fn holds(catalog: &Catalog, node: Node, other: Node) -> bool {
    let Node::Container(outer) = node else { return node == other };
    let mut next = match other {
        Node::Container(position) => Some(position),
        Node::Resource(position) => catalog.resources.get(position).and_then(|resource| resource.container),
    };
    while let Some(position) = next {
        if position == outer {
            return true;
        }
        next = catalog.containers.get(position).and_then(|container| container.parent);
    }
    false
}

fn address(target: &Reference) -> Option<Address> {
    Some(Address::new(target.type_name.text.clone(), target.title.scalar.as_text()?.clone()))
}

/// A single expected value as the manual prints defaults.
fn printed(expected: &super::Expected) -> Option<String> {
    let super::Expected::Scalar(scalar, _) = expected else { return None };
    Some(match scalar {
        Scalar::Null => return None,
        Scalar::Bool(flag) => format!("#{flag}"),
        Scalar::Int(number) | Scalar::Octal(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Text(text) => text.to_string(),
    })
}
