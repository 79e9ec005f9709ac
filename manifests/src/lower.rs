//! Lowering: from KDL's nodes to the [syntax tree](crate::syntax), with everything that is wrong about
//! their form. What names mean is not looked at here.

mod data;
mod extras;
mod guard;
mod parts;
mod removals;
mod schedule;
mod site_test;

use std::sync::Arc;

use kdl::{KdlDocument, KdlNode};

use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::lower::parts::{Parts, Placed, name_of};
use crate::syntax::{
    Assignment, AssignmentWord, Data, For, If, Let, Manifest, Module, Name, Override, Parameter, Resource, Say, Scalar, Statement,
    TypeDefaults, Use,
};
pub(crate) use extras::{EXTRA_WORDS, REFERENCE_HELP};
pub(crate) use site_test::lower_tests;

/// Lowers a parsed document. The tree lacks what could not be understood; errors say what that is.
pub(crate) fn lower(file: &Arc<str>, document: &KdlDocument) -> (Manifest, Vec<Diagnostic>) {
    let mut lowerer = Lowerer { file, diagnostics: Vec::new() };
    let statements = lowerer.statements(document.nodes().iter(), Level::Top);
    (Manifest { statements }, lowerer.diagnostics)
}

/// Where statements stand: who gets what is said at the top only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Body,
}

/// What may stand at the top of a manifest.
pub(crate) const TOP_WORDS: [&str; 9] = ["module", "host", "group", "on", "let", "defaults", "prune", "schedule", "guard"];

/// Words of the language that cannot be used as names of resource types.
pub(crate) const STATEMENT_WORDS: [&str; 17] = [
    "module", "on", "use", "let", "for", "if", "elif", "else", "defaults", "override", "fail", "warn", "prune", "purge", "param",
    "schedule", "guard",
];

/// Collects what is wrong while it lowers.
struct Lowerer<'l> {
    file: &'l Arc<str>,
    diagnostics: Vec<Diagnostic>,
}

impl<'l> Lowerer<'l> {
    fn error(&mut self, code: &'static str, message: impl Into<String>, span: std::ops::Range<usize>, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, message).at(self.file, span, "here").help(help));
    }

    fn statements<'k>(&mut self, nodes: impl Iterator<Item = &'k KdlNode>, level: Level) -> Vec<Statement> {
        let mut statements: Vec<Statement> = Vec::new();
        // Whether the last node was a branch that may go on.
        let mut open_if = false;
        for node in nodes {
            let word = node.name().value();
            if let Some(ty) = node.ty() {
                let help = "an annotation stands before a value or a title: `require (service)nginx`";
                self.error(codes::BAD_ANNOTATION, "a node takes no annotation", ty.range(), help);
            }
            if matches!(word, "elif" | "else") {
                match statements.last_mut() {
                    Some(Statement::If(chain)) if open_if => open_if = self.branch(node, chain),
                    _ => {
                        let help = "it follows the closing brace of an `if` or `elif`, on a new line";
                        self.error(codes::STRAY_ELSE, format!("`{word}` without an `if` before it"), node.name().range(), help);
                    }
                }
                continue;
            }
            open_if = word == "if" && level == Level::Body;
            if let Some(statement) = self.statement(node, level) {
                statements.push(statement);
            }
        }
        statements
    }

    fn statement(&mut self, node: &KdlNode, level: Level) -> Option<Statement> {
        let parts = Parts::of(node);
        match (node.name().value(), level) {
            ("module", Level::Top) => self.module(&parts).map(Statement::Module),
            ("host", Level::Top) => self.assignment(&parts, AssignmentWord::Host),
            ("group", Level::Top) => self.assignment(&parts, AssignmentWord::Group),
            ("on", Level::Top) => self.assignment(&parts, AssignmentWord::On),
            ("let", _) => self.bindings(&parts),
            ("defaults", _) => Some(self.defaults(&parts)),
            ("prune", _) => self.prune(&parts),
            ("purge", Level::Body) => self.purge(&parts).map(Statement::Purge),
            ("schedule", _) => self.schedule(&parts).map(Statement::Schedule),
            ("guard", _) => self.guard(&parts).map(Statement::Guard),
            (word, Level::Top) => {
                self.outside(word, node);
                None
            }
            ("use", _) => self.use_module(&parts),
            ("for", _) => self.for_loop(&parts),
            ("if", _) => self.condition(&parts),
            ("override", _) => self.override_resource(&parts),
            ("fail", _) => self.say(&parts, true),
            ("warn", _) => self.say(&parts, false),
            (word @ ("module" | "on" | "param" | "doc"), Level::Body) => {
                let help = match word {
                    "param" | "doc" => "it stands directly in a `module`, before what uses it",
                    _ => "it stands at the top of a manifest, in no other block",
                };
                self.error(codes::MISPLACED, format!("`{word}` cannot stand here"), node.name().range(), help);
                None
            }
            _ => self.resource(&parts),
        }
    }

    fn outside(&mut self, word: &str, node: &KdlNode) {
        let help = match did_you_mean(word, TOP_WORDS) {
            Some(near) if !STATEMENT_WORDS.contains(&word) => near,
            _ => "put it into a `host`, `group`, `on` or `module` block; `group all { ... }` is every host".to_owned(),
        };
        self.error(codes::OUTSIDE, format!("`{word}` stands outside of every block: who shall have it?"), node.name().range(), help);
    }

    fn module(&mut self, parts: &Parts<'_>) -> Option<Module> {
        let name = self.only_name(parts, "a module has one name: `module NAME { ... }`");
        self.refuse_properties(parts, &[]);
        let mut module = Module { name: name?, doc: None, parameters: Vec::new(), body: Vec::new() };
        let mut rest = Vec::new();
        for child in parts.children() {
            match child.name().value() {
                "param" => module.parameters.extend(self.parameter(&Parts::of(child))),
                "doc" => module.doc = self.plain_text(&Parts::of(child)),
                _ => rest.push(child),
            }
        }
        self.refuse_duplicates(module.parameters.iter().map(|parameter| &parameter.name), codes::DUPLICATE_PARAMETER, "the parameter");
        module.body = self.statements(rest.into_iter(), Level::Body);
        Some(module)
    }

    fn parameter(&mut self, parts: &Parts<'_>) -> Option<Parameter> {
        let form = "a parameter is written `param (TYPE)NAME default=VALUE`";
        let [entry] = parts.arguments.as_slice() else {
            self.error(codes::MISSING_NAME, "a parameter has one name", parts.name_range(), form);
            return None;
        };
        let Some(kind) = entry.ty() else {
            self.error(codes::BAD_KIND, "the parameter has no type", entry.range(), form);
            return None;
        };
        let name = Name { text: Arc::from(self.text_of(entry, form)?), span: parts::value_span(entry) };
        if extras::EXTRA_WORDS.contains(&&*name.text) {
            let help = "choose another name";
            self.error(codes::DUPLICATE_PARAMETER, format!("`{}` is a word of the language", name.text), name.span.into(), help);
        }
        let mut parameter = Parameter { name, kind: name_of(kind), default: None, doc: None };
        let (fields, _) = self.fields(parts, data::Extras::Refused);
        for field in fields {
            match (&*field.name.text, &field.value) {
                ("default", value) => parameter.default = Some(value.clone()),
                ("doc", Data::Literal(literal)) if matches!(literal.scalar, Scalar::Text(_)) => {
                    parameter.doc = literal.scalar.as_text().cloned();
                }
                (other, _) => {
                    let help = "a parameter has `default` and `doc`";
                    self.error(codes::UNEXPECTED, format!("`{other}` is nothing that a parameter has"), field.name.span.into(), help);
                }
            }
        }
        Some(parameter)
    }

    fn assignment(&mut self, parts: &Parts<'_>, to: AssignmentWord) -> Option<Statement> {
        let word = parts.word();
        self.refuse_properties(parts, &[]);
        if parts.arguments.is_empty() {
            self.error(codes::MISSING_NAME, format!("`{word}` needs a name"), parts.name_range(), format!("write `{word} NAME {{ ... }}`"));
            return None;
        }
        let names = self.names(parts, "names of hosts and groups, and selectors, are plain texts");
        let body = self.statements(parts.children(), Level::Body);
        Some(Statement::Assignment(Assignment { to, names, body }))
    }

    fn use_module(&mut self, parts: &Parts<'_>) -> Option<Statement> {
        let module = self.only_name(parts, "write `use MODULE parameter=value`, one module each")?;
        let (arguments, extras) = self.fields(parts, data::Extras::Taken);
        Some(Statement::Use(Use { module, arguments, extras }))
    }

    fn resource(&mut self, parts: &Parts<'_>) -> Option<Statement> {
        let word = parts.word();
        if parts.arguments.is_empty() {
            let help = format!("write `{word} TITLE attribute=value`");
            self.error(codes::MISSING_NAME, format!("`{word}` has no title"), parts.name_range(), help);
        }
        let titles: Vec<_> = parts.arguments.iter().filter_map(|entry| self.literal(entry)).collect();
        let (attributes, extras) = self.fields(parts, data::Extras::Taken);
        let type_name = name_of(parts.node.name());
        (!titles.is_empty()).then_some(Statement::Resource(Resource { type_name, titles, attributes, extras }))
    }

    fn bindings(&mut self, parts: &Parts<'_>) -> Option<Statement> {
        self.refuse_arguments(parts, "write `let name=\"{{ expression }}\"`");
        let (bindings, _) = self.fields(parts, data::Extras::Refused);
        if bindings.is_empty() {
            self.error(codes::MISSING_NAME, "`let` names nothing", parts.name_range(), "write `let name=\"{{ expression }}\"`");
            return None;
        }
        Some(Statement::Let(Let { bindings }))
    }

    fn for_loop(&mut self, parts: &Parts<'_>) -> Option<Statement> {
        let form = "write `for item in=\"list\" { ... }`, or `for key value in=\"table\" { ... }`";
        let names = self.names(parts, form);
        if names.is_empty() || names.len() > 2 {
            self.error(codes::MISSING_NAME, "a loop has one or two names", parts.name_range(), form);
        }
        let list = self.property(parts, "in");
        self.refuse_properties(parts, &["in"]);
        let body = self.statements(parts.children(), Level::Body);
        let Some(list) = list else {
            self.error(codes::MISSING_NAME, "the loop has no `in=`", parts.name_range(), form);
            return None;
        };
        (1..=2).contains(&names.len()).then_some(Statement::For(For { names, list, body }))
    }

    fn condition(&mut self, parts: &Parts<'_>) -> Option<Statement> {
        self.refuse_properties(parts, &[]);
        let body = self.statements(parts.children(), Level::Body);
        let [condition] = parts.arguments.as_slice() else {
            let help = "write `if \"expression\" { ... }`, the whole expression in quotes";
            self.error(codes::MISSING_NAME, "a condition is one expression", parts.name_range(), help);
            return None;
        };
        let condition = self.literal(condition)?;
        Some(Statement::If(If { branches: vec![(condition, body)], otherwise: Vec::new() }))
    }

    /// Adds an `elif` or `else` to its chain; tells whether the chain may go on.
    fn branch(&mut self, node: &KdlNode, chain: &mut If) -> bool {
        let parts = Parts::of(node);
        if parts.word() == "else" {
            self.refuse_arguments(&parts, "`else` has no condition; `elif` has one");
            self.refuse_properties(&parts, &[]);
            chain.otherwise = self.statements(parts.children(), Level::Body);
            return false;
        }
        if let Some(Statement::If(mut one)) = self.condition(&parts) {
            chain.branches.append(&mut one.branches);
        }
        true
    }

    fn defaults(&mut self, parts: &Parts<'_>) -> Statement {
        let form = "write `defaults { file owner=root }`";
        self.refuse_arguments(parts, form);
        self.refuse_properties(parts, &[]);
        let mut defaults = Vec::new();
        for child in parts.children() {
            let parts = Parts::of(child);
            self.refuse_arguments(&parts, "defaults hold for a type, not for a title");
            let (attributes, _) = self.fields(&parts, data::Extras::Refused);
            defaults.push(TypeDefaults { type_name: name_of(child.name()), attributes });
        }
        Statement::Defaults(defaults)
    }

    fn override_resource(&mut self, parts: &Parts<'_>) -> Option<Statement> {
        let form = "write `override (file)\"/x\" mode=\"0600\"`";
        let (attributes, extras) = self.fields(parts, data::Extras::Taken);
        let [target] = parts.arguments.as_slice() else {
            self.error(codes::MISSING_NAME, "an override has one target", parts.name_range(), form);
            return None;
        };
        let target = self.reference(target)?;
        Some(Statement::Override(Override { target, attributes, extras }))
    }

    fn say(&mut self, parts: &Parts<'_>, fails: bool) -> Option<Statement> {
        let when = self.property(parts, "when");
        self.refuse_properties(parts, &["when"]);
        let [text] = parts.arguments.as_slice() else {
            let help = format!("write `{} \"text\"`", parts.word());
            self.error(codes::MISSING_NAME, "a message is one text", parts.name_range(), help);
            return None;
        };
        let text = self.literal(text)?;
        Some(Statement::Say(Say { fails, text, when, span: parts.name_range().into() }))
    }
}
