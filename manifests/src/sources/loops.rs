//! Which modules use which, and that none leads back to itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Sources;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::syntax::{Name, Statement};

/// How many names a chain of uses may have.
const USE_DEPTH_MAX: usize = 64;

/// A module on the way down, with the uses that are still to be followed and the file they stand in.
struct Step<'s> {
    module: &'s str,
    file: &'s Arc<str>,
    uses: Vec<Name>,
}

impl Sources {
    /// A module that leads back to itself would never end, whatever its conditions are.
    pub(super) fn refuse_loops(&self, out: &mut Vec<Diagnostic>) {
        let mut finished: BTreeSet<&str> = BTreeSet::new();
        for start in self.modules.keys() {
            let mut way: Vec<Step<'_>> = Vec::new();
            self.enter(start, &mut way);
            while let Some(step) = way.last_mut() {
                let Some(used) = step.uses.pop() else {
                    finished.insert(step.module);
                    way.pop();
                    continue;
                };
                let file = Arc::clone(step.file);
                let Some((known, _)) = self.modules.get_key_value(&used.text) else { continue };
                let from = way.iter().position(|step| *step.module == **known);
                if from.is_some() || way.len() >= USE_DEPTH_MAX {
                    let message = match from {
                        Some(from) => {
                            let names: Vec<&str> = way.iter().skip(from).map(|step| step.module).chain([&**known]).collect();
                            format!("module `{known}` uses itself: {}", names.join(" -> "))
                        }
                        None => format!("the uses of module `{start}` lead more than {USE_DEPTH_MAX} modules deep"),
                    };
                    let diagnostic = Diagnostic::error(codes::MODULE_LOOP, message).at(&file, used.span.into(), "this use");
                    return out.push(diagnostic.help("take one of these uses away"));
                }
                if !finished.contains(&**known) {
                    self.enter(known, &mut way);
                }
            }
        }
    }

    fn enter<'s>(&'s self, name: &'s str, way: &mut Vec<Step<'s>>) {
        let Some((place, module)) = self.module(name) else { return };
        let Some(source) = self.all.get(place.source) else { return };
        way.push(Step { module: name, file: &source.path, uses: uses_of(&module.body) });
    }
}

/// The modules that statements use, also under conditions.
pub(super) fn uses_of(statements: &[Statement]) -> Vec<Name> {
    let mut found = Vec::new();
    let mut open: Vec<&Statement> = statements.iter().collect();
    while let Some(statement) = open.pop() {
        match statement {
            Statement::Use(used) => found.push(used.module.clone()),
            other => open.extend(other.inner()),
        }
    }
    found
}
