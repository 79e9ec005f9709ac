//! Where a module's parameter gets its value: from the use, from a variable, or by default.

use keel_engine::value::Value;
use serde::Serialize;

use super::{Candidate, Explanation};
use crate::compile::{Compiler, Place, Usage};
use crate::evaluation_error::EvalError;
use crate::site::Site;
use crate::sources::ModulePlace;
use crate::syntax::{Attribute, Data, Mark, Parameter, Scalar};

/// The parameter behind a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedParameter {
    /// Its module.
    pub module: String,
    /// Its type.
    pub kind: String,
    /// `file:line` of the module's use on the host; none where it has no use that can be followed.
    pub used: Option<String>,
}

impl Site {
    /// Explains a variable of a host, or a module's parameter, by its dotted name; none if there is no
    /// such host.
    ///
    /// # Errors
    /// Fails if the variable cannot be evaluated.
    pub fn explain(&self, host: &str, key: &str) -> Result<Option<Explanation>, EvalError> {
        let Some(explanation) = self.data().explain(host, key)? else { return Ok(None) };
        let (whole, inside) = split_parameter(key);
        let Some((place, module, parameter)) = self.parameter(whole) else { return Ok(Some(explanation)) };
        let usage = Compiler::usage_of(self, host, module);
        let Some(inside) = inside else {
            return Ok(Some(self.explain_parameter(explanation, (place, module, parameter), usage)));
        };
        // Where variables say it, each of them is asked for this very key.
        let is_given = usage.as_ref().is_some_and(|usage| usage.used.arguments.iter().any(|given| given.name.text == parameter.name.text));
        let variable = if is_given { None } else { Some(explanation).filter(|explanation| explanation.value.is_some()) };
        let Some(of_whole) = self.data().explain(host, whole)? else { return Ok(None) };
        let explained = self.explain_parameter(of_whole, (place, module, parameter), usage);
        Ok(Some(match variable {
            Some(variable) => Explanation { parameter: explained.parameter, ..variable },
            None => narrowed(explained, key, inside),
        }))
    }

    /// The names that one which nothing has could be meant for: the host's variables, or for a dotted name
    /// what its table and its module hold.
    pub fn names_beside(&self, host: &str, key: &str) -> Vec<String> {
        let Some(scope) = self.data().scope(host) else { return Vec::new() };
        let Some((table, _)) = key.rsplit_once('.') else { return scope.names() };
        let mut names: Vec<String> = match scope.lookup(table) {
            Ok(Some(Value::Map(map))) => map.into_iter().map(|(name, _)| name).collect(),
            _ => Vec::new(),
        };
        names.extend(self.parameters_of(table).unwrap_or_default());
        names.iter().map(|name| format!("{table}.{name}")).collect()
    }

    /// The parameters of a module that the site uses; none if it uses no such module.
    pub fn parameters_of(&self, module: &str) -> Option<Vec<String>> {
        let (_, module) = self.sources.module(module)?;
        Some(module.parameters.iter().map(|parameter| parameter.name.text.to_string()).collect())
    }

    fn parameter(&self, key: &str) -> Option<(&ModulePlace, &str, &Parameter)> {
        let (module, name) = key.split_once('.')?;
        let (place, module) = self.sources.module(module)?;
        let parameter = module.parameters.iter().find(|parameter| *parameter.name.text == *name)?;
        Some((place, &module.name.text, parameter))
    }

    /// Puts the default before what variables say, and the use behind it.
    fn explain_parameter(
        &self,
        variable: Explanation,
        (place, module, parameter): (&ModulePlace, &str, &Parameter),
        usage: Option<Usage<'_>>,
    ) -> Explanation {
        let name = &parameter.name.text;
        let given = usage.as_ref().and_then(|usage| {
            let argument = usage.used.arguments.iter().find(|argument| argument.name.text == *name)?;
            Some(self.given(argument, usage.place, module))
        });
        let said = variable.value.is_some();
        let mut candidates: Vec<Candidate> = Vec::new();
        if let Some(default) = &parameter.default {
            let why = match (&given, said) {
                (Some(_), _) => format!("beaten by the use of {module}"),
                (None, true) => format!("beaten by the variable {}", variable.key),
                (None, false) => "neither a use nor a variable says anything".to_owned(),
            };
            let place = Place { source: place.source, span: parameter.name.span };
            candidates.push(self.candidate("default", place, default, given.is_none() && !said, why));
        }
        // A table may hold other parameters of the module and not this one.
        for candidate in variable.candidates.into_iter().filter(|_| said) {
            let beaten = given.is_some();
            let why = if beaten { format!("beaten by the use of {module}") } else { candidate.why };
            candidates.push(Candidate { winner: candidate.winner && !beaten, why, ..candidate });
        }
        candidates.extend(given);
        let in_use = usage.as_ref().and_then(|usage| usage.arguments.get(&**name).cloned());
        let value = in_use.or(variable.value);
        let used = usage.map(|usage| self.file_and_line(usage.place)).map(|(file, line)| format!("{file}:{line}"));
        let parameter = ExplainedParameter { module: module.to_owned(), kind: parameter.kind.text.to_string(), used };
        Explanation { candidates, value, parameter: Some(parameter), ..variable }
    }

    fn given(&self, argument: &Attribute, used: Place, module: &str) -> Candidate {
        let place = Place { span: argument.name.span, ..used };
        self.candidate("use", place, &argument.value, true, format!("the use of {module} gives it"))
    }

    fn candidate(&self, tier: &str, place: Place, written: &Data, winner: bool, why: String) -> Candidate {
        let (file, line) = self.file_and_line(place);
        Candidate { tier: tier.to_owned(), group: None, file, line, value: as_written(written), winner, why }
    }

    fn file_and_line(&self, place: Place) -> (String, u32) {
        let source = self.sources.all.get(place.source);
        source.map_or_else(Default::default, |source| (source.path.to_string(), source.position(place.span.start as usize).0))
    }
}

/// `module.parameter` of a dotted name, and what of the parameter's value is meant.
fn split_parameter(key: &str) -> (&str, Option<&str>) {
    let dots = key.match_indices('.').nth(1);
    match dots.and_then(|(at, _)| Some((key.get(..at)?, key.get(at + 1..)?))) {
        Some((whole, inside)) => (whole, Some(inside)),
        None => (key, None),
    }
}

/// What is said of a key inside of a parameter's value; nothing where there is no such key.
fn narrowed(whole: Explanation, key: &str, inside: &str) -> Explanation {
    let step = |value: Value, name: &str| if let Value::Map(map) = value { map.get(name).cloned() } else { None };
    let at = |value: &Value| inside.split('.').try_fold(value.clone(), step);
    let value = whole.value.as_ref().and_then(at);
    let candidate = |candidate: Candidate| match &candidate.value {
        Value::Map(_) => at(&candidate.value).map(|value| Candidate { value, ..candidate }),
        // An expression makes the whole of it.
        _ => Some(candidate),
    };
    let candidates = whole.candidates.into_iter().filter_map(candidate).collect();
    let parameter = whole.parameter.filter(|_| value.is_some());
    Explanation { key: key.to_owned(), candidates, value, parameter, ..whole }
}

/// A value before anything in it is evaluated; a secret by its name.
fn as_written(data: &Data) -> Value {
    let table = |entries: &[Attribute]| {
        let entry = |entry: &Attribute| (entry.name.text.to_string(), as_written(&entry.value));
        Value::Map(entries.iter().map(entry).collect())
    };
    match data {
        Data::Literal(literal) => match &literal.scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(*value),
            Scalar::Int(value) | Scalar::Octal(value) => Value::Int(*value),
            Scalar::Float(value) => Value::Float(*value),
            Scalar::Text(text) if literal.mark == Mark::Secret => Value::from(format!("(secret){text}")),
            Scalar::Text(text) => Value::from(&**text),
        },
        Data::List(items, _) => Value::List(items.iter().map(as_written).collect()),
        Data::Table(entries, _) => table(entries),
        Data::Keyed(key, entries, _) => {
            let key = key.scalar.as_text().map(ToString::to_string).unwrap_or_default();
            Value::Map([(key, table(entries))].into_iter().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keel_engine::attributes::AttributeError;
    use keel_engine::catalog::Resource;
    use keel_engine::footprint::Footprint;
    use keel_engine::resource::Types;
    use keel_engine::schema::TypeSchema;

    use super::*;
    use crate::files::MemoryFiles;
    use crate::site::LoadOptions;

    struct NoTypes;

    impl Types for NoTypes {
        fn can_purge(&self, _type_name: &str) -> bool {
            false
        }

        fn is_of_cluster(&self, _type_name: &str) -> bool {
            false
        }

        fn schemas(&self) -> &[TypeSchema] {
            &[]
        }

        fn check(&self, _resource: &Resource) -> Result<Footprint, Vec<AttributeError>> {
            Ok(Footprint::default())
        }
    }

    const MODULE: &str =
        "module web {\n param (int)workers default=4\n param (string)name\n param (string)mode default=\"x-{{ name }}\"\n}\n";

    fn explained(vars: &str, manifest: &str, key: &str) -> Explanation {
        let hosts = format!("[hosts.h]\n[hosts.h.vars]\n{vars}\n");
        let files = [("inventory/hosts.toml", hosts.as_str()), ("manifests/site.kdl", manifest), ("modules/web/module.kdl", MODULE)];
        let (site, _) = Site::load(Arc::new(MemoryFiles::new(files)), LoadOptions::default(), &NoTypes);
        site.unwrap().explain("h", key).unwrap().unwrap()
    }

    fn told(explanation: &Explanation) -> Vec<String> {
        let told = |it: &Candidate| {
            let mark = if it.winner { ">" } else { " " };
            format!("{mark} {} {}:{} {} {}", it.tier, it.file, it.line, it.value, it.why)
        };
        explanation.candidates.iter().map(told).collect()
    }

    #[test]
    fn a_use_beats_a_variable_and_a_variable_the_default() {
        let with_use = explained("web.workers = 8", "host h {\n use web name=a \\\n  workers=\"{{ 2 * 8 }}\"\n}\n", "web.workers");
        assert_eq!(
            told(&with_use),
            [
                "  default modules/web/module.kdl:2 4 beaten by the use of web",
                "  host inventory/hosts.toml:3 8 beaten by the use of web",
                "> use manifests/site.kdl:3 {{ 2 * 8 }} the use of web gives it",
            ]
        );
        assert_eq!(with_use.value, Some(Value::Int(16)));
        let parameter = with_use.parameter.unwrap();
        assert_eq!((parameter.kind.as_str(), parameter.used.as_deref()), ("int", Some("manifests/site.kdl:2")));

        let looked_up = explained("web.workers = 8", "host h {\n use web name=a\n}\n", "web.workers");
        assert_eq!(told(&looked_up)[0], "  default modules/web/module.kdl:2 4 beaten by the variable web.workers");
        assert_eq!((looked_up.candidates[1].winner, looked_up.value), (true, Some(Value::Int(8))));
    }

    #[test]
    fn a_default_holds_where_nobody_says_anything_and_is_evaluated() {
        let by_default = explained("web.workers = 8", "host h {\n use web name=a\n}\n", "web.mode");
        assert_eq!(told(&by_default), ["> default modules/web/module.kdl:4 x-{{ name }} neither a use nor a variable says anything"]);
        assert_eq!(by_default.value, Some(Value::from("x-a")));
    }

    #[test]
    fn a_misspelt_name_has_names_beside_it() {
        let files = [("inventory/hosts.toml", "[hosts.h]\nvars = { web = { port = 1 } }\n"), ("modules/web/module.kdl", MODULE)];
        let files = MemoryFiles::new(files.into_iter().chain([("manifests/site.kdl", "host h {\n use web name=a\n}\n")]));
        let site = Site::load(Arc::new(files), LoadOptions::default(), &NoTypes).0.unwrap();
        assert_eq!(site.names_beside("h", "web.wrkers"), ["web.port", "web.workers", "web.name", "web.mode"]);
        assert!(site.names_beside("h", "wbe").contains(&"web".to_owned()));
        assert_eq!(site.explain("h", "web.wrkers").unwrap().unwrap().value, None);
    }

    #[test]
    fn a_module_that_the_host_does_not_use_is_said() {
        let unused = explained("", "host h {\n if \"false\" {\n  use web name=a\n }\n}\n", "web.workers");
        assert_eq!((unused.parameter.and_then(|parameter| parameter.used), unused.value), (None, None));
        let required = explained("", "host h {\n use web\n}\n", "web.name");
        assert_eq!((told(&required), required.value), (Vec::new(), None));
    }
}
