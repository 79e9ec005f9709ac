//! Pages of modules: what they are for, and what can be given to them.

use keel_manifests::syntax::{Data, Literal, Module, Parameter, Scalar};

use super::paint::Paint;

/// One module's page.
pub fn page(module: &Module, paint: Paint) -> String {
    let doc = module.doc.as_deref().map(|doc| format!("\n{}\n", doc.trim())).unwrap_or_default();
    let parameters = module.parameters.iter().map(|one| format!("\n{}", parameter(one, paint)));
    format!("{}\n{doc}{}", paint.bold(&format!("module {}", module.name.text)), parameters.collect::<String>())
}

/// One parameter.
pub fn parameter(parameter: &Parameter, paint: Paint) -> String {
    let given = parameter.default.as_ref().map_or_else(|| "required".to_owned(), |default| format!("default {}", written(default)));
    let doc = parameter.doc.as_deref().map(|doc| format!("    {}\n", doc.trim())).unwrap_or_default();
    format!("{}  {}\n{doc}", paint.bold(&parameter.name.text), paint.dim(&format!("{}, {given}", parameter.kind.text)))
}

/// A default as it was written, but for what takes several lines.
fn written(data: &Data) -> String {
    match data {
        Data::Literal(Literal { scalar, .. }) => match scalar {
            Scalar::Null => "#null".to_owned(),
            Scalar::Bool(value) => format!("#{value}"),
            Scalar::Int(value) => value.to_string(),
            Scalar::Octal(value) => format!("0o{value:o}"),
            Scalar::Float(value) => value.to_string(),
            Scalar::Text(text) if text.is_empty() => "\"\"".to_owned(),
            Scalar::Text(text) => text.to_string(),
        },
        Data::List(items, _) => items.iter().map(written).collect::<Vec<_>>().join(" "),
        Data::Table(..) | Data::Keyed(..) => "a table".to_owned(),
    }
}
