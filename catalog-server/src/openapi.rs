//! The OpenAPI document of both listeners, made from the table of routes and the types on the wire.

use keel_engine::protocol::machine::MACHINE_HEADER;
use keel_engine::protocol::problem::{Code, Problem};
use keel_engine::protocol::{JSON, PROBLEM_JSON};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::access::Who;
use crate::route::{Content, Header, Route, SchemaOf};
use crate::routes;

/// What every host may say of itself.
const MACHINE: Header = Header {
    name: MACHINE_HEADER,
    about: "Which machine speaks for the host; a copy of it with the same key is refused.",
    required: false,
};

/// The document.
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for (listener, table) in [("agents", routes::agents()), ("operators", routes::operators())] {
        for route in table {
            let operation = operation(&route, listener, &mut generator);
            let entry = paths.entry(route.path).or_insert_with(|| json!({}));
            if let Some(methods) = entry.as_object_mut() {
                methods.insert(route.method.as_str().to_ascii_lowercase(), operation);
            }
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Evenkeel catalog server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What `keel agent` asks (tag agents, one listener, client certificates) and what operators ask (tag operators, another listener, bearer tokens).",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": { "problem": { "description": codes(), "content": { PROBLEM_JSON: { "schema": problem } } } },
            "securitySchemes": {
                "certificate": { "type": "mutualTLS", "description": "A certificate from enrolment; the host is the one that it names." },
                "token": { "type": "http", "scheme": "bearer", "description": "A token from `keel-server operator add`." },
            },
        },
    })
}

fn codes() -> String {
    let names =
        Code::ALL.iter().map(|code| format!("{} {}", code.status(), serde_json::to_string(code).unwrap_or_default().replace('"', "")));
    format!("A problem. Its codes: {}.", names.collect::<Vec<_>>().join(", "))
}

fn operation(route: &Route, listener: &str, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "tags": [listener],
        "summary": route.about,
        "description": format!("For: {}.", route.who),
        "security": security(route.who),
        "responses": answers(route, generator),
    });
    let mut parameters = in_path(route.path);
    parameters.extend(route.query.iter().flat_map(|query| in_query(*query, generator)));
    parameters.extend(in_headers(route));
    if let Some(fields) = operation.as_object_mut() {
        if !parameters.is_empty() {
            fields.insert("parameters".to_owned(), Value::Array(parameters));
        }
        if let Some(content) = content(route.takes, generator) {
            let body = json!({ "required": true, "description": format!("At most {} bytes.", route.body_max), "content": content });
            fields.insert("requestBody".to_owned(), body);
        }
    }
    operation
}

fn security(who: Who) -> Value {
    match who {
        Who::Anyone => json!([]),
        Who::Host | Who::RenewingHost => json!([{ "certificate": [] }]),
        Who::Role(role) => json!([{ "token": [role.word()] }]),
    }
}

fn answers(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let body = content(route.gives, generator);
    let answer = |about: &str, body: Option<&Value>| {
        let mut answer = Map::from_iter([("description".to_owned(), json!(about))]);
        answer.extend(body.map(|content| ("content".to_owned(), content.clone())));
        if !route.http.sets.is_empty() {
            answer.insert("headers".to_owned(), set_headers(route));
        }
        Value::Object(answer)
    };
    let about = if body.is_some() { "Done." } else { "Done; there is nothing to say." };
    let mut answers = Map::from_iter([("2XX".to_owned(), answer(about, body.as_ref()))]);
    for (status, about) in route.http.also {
        let body = body.as_ref().filter(|_| *status < 300);
        answers.insert(status.to_string(), answer(about, body));
    }
    answers.insert("default".to_owned(), json!({ "$ref": "#/components/responses/problem" }));
    Value::Object(answers)
}

fn set_headers(route: &Route) -> Value {
    let header =
        |one: &Header| (one.name.to_owned(), json!({ "description": one.about, "required": one.required, "schema": { "type": "string" } }));
    Value::Object(route.http.sets.iter().map(header).collect())
}

/// The headers that a request may have, the machine's own among them where a host asks.
fn in_headers(route: &Route) -> Vec<Value> {
    let hosts = matches!(route.who, Who::Host | Who::RenewingHost).then_some(&MACHINE);
    let all = route.http.reads.iter().chain(hosts);
    let parameter = |one: &Header| json!({ "name": one.name, "in": "header", "required": one.required, "description": one.about, "schema": { "type": "string" } });
    all.map(parameter).collect()
}

fn content(content: Content, generator: &mut SchemaGenerator) -> Option<Value> {
    match content {
        Content::Nothing => None,
        Content::Json(schema) => Some(json!({ JSON: { "schema": schema(generator) } })),
        Content::Media(media) => Some(json!({ media: {} })),
    }
}

fn in_path(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })).collect()
}

/// The fields of a query's type, one parameter each.
fn in_query(query: SchemaOf, generator: &mut SchemaGenerator) -> Vec<Value> {
    let schema = query(generator);
    let name = schema.as_value()["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
    let whole = match name.and_then(|name| generator.definitions().get(&name).cloned()) {
        Some(definition) => definition,
        None => schema.to_value(),
    };
    let fields = whole["properties"].as_object().cloned().unwrap_or_default();
    fields.into_iter().map(|(name, schema)| json!({ "name": name, "in": "query", "required": false, "schema": schema })).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The document stands in the repository, so that a change of the API is seen in review.
    #[test]
    fn the_document_is_the_one_that_was_reviewed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("KEEL_REFRESH").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == reviewed, "the API is another one than openapi.json says: look at it, and run the test with KEEL_REFRESH=1");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn look(document: &Value, at: &Value, missing: &mut Vec<String>) {
            match at {
                Value::Object(fields) => {
                    if let Some(Value::String(reference)) = fields.get("$ref") {
                        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                        missing.extend(target.is_none().then(|| reference.clone()));
                    }
                    fields.values().for_each(|value| look(document, value, missing));
                }
                Value::Array(items) => items.iter().for_each(|value| look(document, value, missing)),
                _ => {}
            }
        }
        let document = document();
        let mut missing = Vec::new();
        look(&document, &document, &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn what_a_client_has_to_know_of_headers_is_said() {
        let document = document();
        let catalog = &document["paths"]["/v1/catalog"]["get"];
        let read = |name: &str| catalog["parameters"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
        assert_eq!(read("keel-facts").unwrap()["required"], true);
        assert!(read("if-none-match").is_some() && read("keel-machine").is_some());
        assert!(catalog["responses"]["304"]["headers"]["etag"].is_object() && catalog["responses"]["304"]["content"].is_null());
        assert!(document["paths"]["/v1/content/{blake3}"]["get"]["responses"]["206"]["content"].is_object());
    }

    #[test]
    fn every_route_says_whom_it_answers() {
        let document = document();
        let operations: Vec<&Value> =
            document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()).collect();
        assert_eq!(operations.len(), routes::agents().len() + routes::operators().len());
        for operation in operations {
            assert!(operation["security"].is_array() && operation["description"].as_str().unwrap().starts_with("For: "));
        }
    }
}
