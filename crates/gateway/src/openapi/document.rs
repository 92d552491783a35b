//! The parts of an OpenAPI 3.1 document that we write, as types.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// A JSON object whose keys stay in the order they were put in.
#[derive(Debug, Clone)]
pub(super) struct Ordered<V>(pub(super) Vec<(String, V)>);

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Ordered<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) openapi: &'static str,
    pub(super) info: Info,
    pub(super) servers: Vec<Server>,
    pub(super) tags: Vec<Tag>,
    pub(super) paths: BTreeMap<String, Ordered<Operation>>,
    pub(super) components: Components,
}

#[derive(Debug, Serialize)]
pub(super) struct Info {
    pub(super) title: &'static str,
    pub(super) version: &'static str,
    pub(super) description: &'static str,
    pub(super) license: License,
}

#[derive(Debug, Serialize)]
pub(super) struct License {
    pub(super) name: &'static str,
    pub(super) identifier: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) url: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) description: String,
}

/// Security schemes that are needed together, with their scopes, of which ours have none.
pub(super) type Requirement = BTreeMap<&'static str, Vec<&'static str>>;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    #[serde(rename = "operationId")]
    pub(super) id: String,
    pub(super) tags: Vec<String>,
    pub(super) summary: String,
    pub(super) description: String,
    #[serde(rename = "x-permission", skip_serializing_if = "Option::is_none")]
    pub(super) permission: Option<String>,
    #[serde(rename = "x-also-permissions", skip_serializing_if = "<[String]>::is_empty")]
    pub(super) also: &'static [String],
    #[serde(rename = "x-grpc-method")]
    pub(super) grpc_method: String,
    pub(super) security: Vec<Requirement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<RequestBody>,
    pub(super) responses: Ordered<Response>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Parameter {
    Reference {
        #[serde(rename = "$ref")]
        reference: &'static str,
    },
    Inline(Box<InlineParameter>),
}

#[derive(Debug, Serialize)]
pub(super) struct InlineParameter {
    pub(super) name: String,
    #[serde(rename = "in")]
    pub(super) place: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) required: bool,
    pub(super) schema: Schema,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Debug, Serialize)]
pub(super) struct RequestBody {
    #[serde(skip_serializing_if = "is_false")]
    pub(super) required: bool,
    pub(super) content: BTreeMap<&'static str, MediaType>,
}

#[derive(Debug, Serialize)]
pub(super) struct MediaType {
    pub(super) schema: Schema,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Response {
    Reference {
        #[serde(rename = "$ref")]
        reference: &'static str,
    },
    Inline {
        description: String,
        content: BTreeMap<&'static str, MediaType>,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Components {
    pub(super) schemas: BTreeMap<String, Schema>,
    pub(super) responses: BTreeMap<&'static str, Response>,
    pub(super) parameters: BTreeMap<&'static str, InlineParameter>,
    pub(super) security_schemes: BTreeMap<&'static str, SecurityScheme>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub(super) enum SecurityScheme {
    Http {
        scheme: &'static str,
        description: &'static str,
    },
    ApiKey {
        #[serde(rename = "in")]
        place: &'static str,
        name: &'static str,
        description: &'static str,
    },
}

#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(rename = "$ref", skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(rename = "type", skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_several")]
    pub(super) kinds: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) any_of: Vec<Schema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub(super) values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<Box<Schema>>,
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub(super) properties: Ordered<Schema>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) required: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) additional_properties: Option<Additional>,
}

/// Whether an object may have properties that its schema does not name.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Additional {
    Allowed(bool),
    Of(Box<Schema>),
}

fn one_or_several<S: Serializer>(kinds: &[&'static str], serializer: S) -> Result<S::Ok, S::Error> {
    match kinds {
        [one] => one.serialize(serializer),
        several => several.serialize(serializer),
    }
}

impl Schema {
    /// The same where further types are understood too.
    pub(super) fn or(mut self, kinds: &[&'static str]) -> Self {
        if self.reference.is_none() && self.any_of.is_empty() {
            if !self.kinds.is_empty() {
                self.kinds.extend(kinds);
            }
            return self;
        }
        if self.any_of.is_empty() {
            let description = std::mem::take(&mut self.description);
            self = Self { any_of: vec![self], ..Self::default() }.described(description);
        }
        self.any_of.extend(kinds.iter().map(|kind| Self::of(kind)));
        self
    }

    pub(super) fn of(kind: &'static str) -> Self {
        Self { kinds: vec![kind], ..Self::default() }
    }

    pub(super) fn formatted(kind: &'static str, format: &'static str) -> Self {
        Self { format: Some(format), ..Self::of(kind) }
    }

    pub(super) fn to(name: &str) -> Self {
        Self { reference: Some(format!("#/components/schemas/{name}")), ..Self::default() }
    }

    pub(super) fn list(items: Self) -> Self {
        Self { items: Some(Box::new(items)), ..Self::of("array") }
    }

    pub(super) fn described(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }
}
