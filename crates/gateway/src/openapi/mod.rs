//! The OpenAPI 3.1 document, made from the descriptors: paths from `google.api.http`, schemas from messages, prose from
//! the comments, permissions from the access option.

mod comment;
mod document;
mod operation;
mod schema;

use std::collections::BTreeMap;

use prost_reflect::DescriptorPool;

use crate::rest::{Binding, BindingError, Template};
use comment::Comments;
use document::{
    Additional, Components, Document, Info, InlineParameter, License, MediaType, Ordered, Response, Schema,
    SecurityScheme, Server, Tag,
};
use operation::{Operations, tag_of};
use schema::Schemas;

const ABOUT: &str = "Everything Clientele knows about customers, over REST.\n\n\
The paths are another form of the gRPC methods (`x-grpc-method`); JSON follows the canonical mapping of protocol \
buffers: names in camelCase (snake_case is understood too), 64-bit numbers as text, moments as RFC 3339, enums by name. \
Answers show every field that has a value or a default; a message, a moment or an `optional` field that is not there is \
left out. A field that is not known is refused.\n\n\
A program sends its API key as `Authorization: Bearer <key>`, and may name itself in `X-Clientele-Integration`; with \
`X-Clientele-Origin: import` its changes are marked as an import. A browser has the session cookie, and sends the \
session's token in `X-CSRF-Token` with everything that changes something.\n\n\
Every answer carries `X-Request-Id`. Limits are told in `RateLimit-Policy` and `RateLimit`; with 429 and 503 comes \
`Retry-After`.";

/// The document as it is committed and served. A test keeps it equal to what the contracts give.
pub const DOCUMENT: &str = include_str!("../../openapi.json");

/// Makes the document from the descriptors: pretty-printed JSON with a newline at its end.
pub fn generate(pool: &DescriptorPool) -> Result<String, BindingError> {
    let bindings = Binding::all(pool)?;
    let comments = Comments::of(pool);
    let schemas = Schemas::reach(&comments, &bindings);
    let operations = Operations::new(&bindings, &comments, &schemas);

    let mut paths: BTreeMap<String, Ordered<_>> = BTreeMap::new();
    let mut tags: BTreeMap<String, Tag> = BTreeMap::new();
    for binding in &bindings {
        let service = binding.method.parent_service();
        let name = tag_of(&bindings, service);
        tags.entry(name.clone())
            .or_insert_with(|| Tag { description: comments.at(service.parent_file().name(), service.path()), name });
        let names = variable_names(&bindings, &binding.template);
        let path = paths.entry(binding.template.to_openapi(&names)).or_default();
        path.0.push((binding.verb.as_str().to_ascii_lowercase(), operations.describe(binding, &names)));
    }

    let mut components = schemas.components();
    components.insert("Problem".to_owned(), problem());
    let document = Document {
        openapi: "3.1.0",
        info: Info {
            title: "Clientele",
            version: "1",
            description: ABOUT,
            license: License { name: "Apache License 2.0", identifier: "Apache-2.0" },
        },
        servers: vec![Server { url: "/" }],
        tags: tags.into_values().collect(),
        paths,
        components: Components {
            schemas: components,
            responses: BTreeMap::from([("Problem", problem_response())]),
            parameters: BTreeMap::from([("IdempotencyKey", idempotency_key())]),
            security_schemes: security_schemes(),
        },
    };
    let mut text = serde_json::to_string_pretty(&document).expect("the document has text keys only");
    text.push('\n');
    Ok(text)
}

/// Templates that differ in the names of their variables only are one path to OpenAPI: of the names that bindings give to
/// a variable (`id`, `customer.id`) the shortest is taken, without the message that it is in: programs that fill in
/// templates take what is before a dot for an object.
fn variable_names(bindings: &[Binding], template: &Template) -> Vec<String> {
    let alike: Vec<_> = bindings.iter().map(|other| &other.template).filter(|other| other.is_alike(template)).collect();
    let count = template.variables().count();
    (0..count)
        .filter_map(|place| {
            let names = alike.iter().filter_map(|other| other.variables().nth(place));
            let names = names.map(|variable| variable.last().json_name().to_owned());
            names.min_by_key(|name| (name.len(), name.clone()))
        })
        .collect()
}

fn problem() -> Schema {
    let field = |name: &str, schema: Schema, about: &str| (name.to_owned(), schema.described(about));
    let metadata = || Schema {
        additional_properties: Some(Additional::Of(Box::new(Schema::of("string")))),
        ..Schema::of("object")
    };
    let violation = Schema {
        properties: Ordered(vec![
            field("field", Schema::of("string"), "Path of the field in the request, as `customer.phones[2].number`."),
            field("description", Schema::of("string"), "What is wrong and what would be right, in English."),
            field(
                "reason",
                Schema::of("string"),
                "What is wrong, for a program; never changes, as `EMAIL_INVALID`; empty where it has no name.",
            ),
            field("metadata", metadata(), "Facts that belong to the reason, as the `value` that was refused."),
        ]),
        required: ["field", "description", "reason", "metadata"].map(str::to_owned).to_vec(),
        ..Schema::of("object")
    };
    let required = ["type", "title", "status", "detail", "reason", "requestId", "errors", "metadata"];
    Schema {
        properties: Ordered(vec![
            field("type", Schema::of("string"), "Always `about:blank`: `reason` tells problems apart."),
            field("title", Schema::of("string"), "The status in words."),
            field("status", Schema::formatted("integer", "int32"), "The HTTP status."),
            field("detail", Schema::of("string"), "What went wrong, for a person."),
            field("reason", Schema::of("string"), "What went wrong, for a program; never changes, as `ETAG_MISMATCH`."),
            field("requestId", Schema::of("string"), "The request's id, as in `X-Request-Id`."),
            field("errors", Schema::list(violation), "The fields that are wrong; empty where it is about none."),
            field("metadata", metadata(), "Facts that belong to the reason."),
        ]),
        required: required.map(str::to_owned).to_vec(),
        ..Schema::of("object").described("A request that was refused or failed (RFC 9457).")
    }
}

fn problem_response() -> Response {
    Response::Inline {
        description: "The request was refused or failed.".to_owned(),
        content: BTreeMap::from([("application/problem+json", MediaType { schema: Schema::to("Problem") })]),
    }
}

fn idempotency_key() -> InlineParameter {
    InlineParameter {
        name: "Idempotency-Key".to_owned(),
        place: "header",
        description: "Makes a repetition harmless: the same key with the same request gives the same answer for 24 \
                      hours, with another request an error. At most 128 characters."
            .to_owned(),
        required: false,
        schema: Schema::of("string"),
    }
}

fn security_schemes() -> BTreeMap<&'static str, SecurityScheme> {
    BTreeMap::from([
        ("apiKey", SecurityScheme::Http { scheme: "bearer", description: "An API key, for programs." }),
        (
            "session",
            SecurityScheme::ApiKey {
                place: "cookie",
                name: "__Host-clientele",
                description: "The session of a browser; `clientele_session` where the page came over plain HTTP.",
            },
        ),
        (
            "csrf",
            SecurityScheme::ApiKey {
                place: "header",
                name: "X-CSRF-Token",
                description: "The session's token, with everything that changes something.",
            },
        ),
    ])
}

#[cfg(test)]
mod tests {
    use clientele_contracts::access::POOL;

    #[test]
    fn the_committed_document_is_the_one_the_contracts_give() {
        let generated = super::generate(&POOL).unwrap();
        assert!(
            super::DOCUMENT == generated,
            "openapi.json is not what the contracts give: README.md says how to make it anew"
        );
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(&super::generate(&POOL).unwrap()).unwrap();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 100, "{}", references.len());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    fn collect(value: &serde_json::Value, references: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                references.extend(map.get("$ref").and_then(|r| r.as_str()).map(str::to_owned));
                map.values().for_each(|inner| collect(inner, references));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|inner| collect(inner, references)),
            _ => {}
        }
    }

    #[test]
    fn an_operation_tells_what_it_needs_and_what_it_asks_about_besides() {
        let document: serde_json::Value = serde_json::from_str(&super::generate(&POOL).unwrap()).unwrap();
        let of = |operation: &str| {
            let paths =
                document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
            let found = paths.into_iter().find(|found| found["operationId"] == operation).unwrap();
            (found["x-permission"].clone(), found.get("x-also-permissions").cloned())
        };
        let also = serde_json::json!(["messaging.dialog.reassign"]);
        assert_eq!(of("Dialogs_AssignDialog"), ("messaging.dialog.write".into(), Some(also)));
        assert_eq!(of("Dialogs_GetDialog"), ("messaging.dialog.read".into(), None));
    }

    #[test]
    fn operation_ids_are_unique() {
        let document: serde_json::Value = serde_json::from_str(&super::generate(&POOL).unwrap()).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for operations in document["paths"].as_object().unwrap().values() {
            for operation in operations.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(seen.insert(id.to_owned()), "{id} is there twice");
                assert!(!operation["description"].as_str().unwrap().is_empty(), "{id} has no comment");
            }
        }
        assert!(seen.contains("Customers_ListCustomers"), "{seen:?}");
    }
}
