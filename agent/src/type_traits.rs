//! What previews have to know of the resource types, answered by the types themselves.

use std::collections::HashMap;
use std::sync::Arc;

use keel_engine::catalog::{Catalog, Effect, Resource};
use keel_engine::change::{Change, Shown};
use keel_engine::difference;
use keel_engine::resource::{AnyType, Disruption};
use keel_engine::schema::{AttributeSchema, TypeSchema};
use keel_engine::secret::Secret;
use keel_engine::value::Value;
use keel_resources::host::Host;

use crate::run::removal;

/// What stands beside a resource's attributes and says nothing of the host.
const BESIDES: [&str; 4] = ["tags", "noop", "schedule", "guard"];

/// All resource types by their names.
pub struct TypeTraits {
    by_name: HashMap<&'static str, &'static dyn AnyType<Host>>,
    schemas: HashMap<&'static str, TypeSchema>,
}

impl TypeTraits {
    /// The types of this program.
    pub fn of_all() -> Self {
        let schemas = keel_resources::all().into_iter().map(|kind| kind.schema()).map(|schema| (schema.name, schema)).collect();
        Self { by_name: keel_resources::all().into_iter().map(|kind| (kind.schema().name, kind)).collect(), schemas }
    }

    /// Hides what a manifest gives in plain text where a type wants a secret.
    pub fn conceal(&self, catalog: &mut Catalog) {
        for resource in &mut catalog.resources {
            let Some(schema) = self.schemas.get(&*resource.address.type_name) else { continue };
            for attribute in schema.attributes.iter().filter(|attribute| attribute.secret) {
                let is_open = |value: &Value| !matches!(value, Value::Sealed(sealed) if !sealed.has_text());
                if resource.attributes.get(attribute.name).is_some_and(is_open) {
                    let hidden = Value::Secret(Secret::new(String::new()));
                    Arc::make_mut(&mut resource.attributes).insert(attribute.name.to_owned(), hidden);
                }
            }
        }
    }
}

impl difference::TypeTraits for TypeTraits {
    fn is_refreshable(&self, type_name: &str) -> bool {
        self.by_name.get(type_name).is_some_and(|kind| kind.nature().refreshable)
    }

    fn removal(&self, orphan: &Resource) -> Option<Resource> {
        removal::by(*self.by_name.get(&*orphan.address.type_name)?, orphan)
    }

    fn disruption(&self, type_name: &str, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption> {
        self.by_name.get(type_name)?.disruption(changes, refresh)
    }

    fn acts(&self, resource: &Resource) -> bool {
        self.by_name.get(&*resource.address.type_name).is_none_or(|kind| kind.acts(resource))
    }

    fn is_of_host(&self, resource: &Resource, change: &Change) -> bool {
        let name = change.attribute.split(['.', ':']).next().unwrap_or_default();
        let declared = self.schemas.get(&*resource.address.type_name).and_then(|schema| schema.attribute(name));
        let is_default = |declared: &AttributeSchema| match (&change.before, &change.after) {
            (Shown::Absent, Shown::Value(value)) | (Shown::Value(value), Shown::Absent) => declared.default == Some(value.to_string()),
            _ => false,
        };
        !BESIDES.contains(&name) && declared.is_none_or(|declared| !declared.how && !is_default(declared))
    }

    fn is_secret(&self, type_name: &str, attribute: &str) -> bool {
        self.schemas.get(type_name).and_then(|schema| schema.attribute(attribute)).is_some_and(|declared| declared.secret)
    }

    fn heeds_refresh(&self, resource: &Resource, made: &[Change], is_new: bool) -> bool {
        self.by_name.get(&*resource.address.type_name).is_none_or(|kind| kind.heeds_refresh(resource, made, is_new))
    }
}
