//! One HTTP form of a method as an operation.

use std::collections::BTreeMap;

use clientele_contracts::access::{self, Access};
use http::Method;
use prost_reflect::{Kind, MessageDescriptor, ServiceDescriptor};

use super::comment::{Comments, first_sentence};
use super::document::{
    InlineParameter, MediaType, Operation, Ordered, Parameter, RequestBody, Requirement, Response, Schema,
};
use super::schema::{Direction, Schemas, context_name};
use crate::rest::{Binding, Body, FieldPath, Form};

/// Query parameters reach so deep into messages; none of ours is deeper.
pub(super) const PARAMETER_DEPTH: usize = 3;

/// Describes bindings as operations.
pub(super) struct Operations<'a> {
    bindings: &'a [Binding],
    comments: &'a Comments,
    schemas: &'a Schemas<'a>,
}

impl<'a> Operations<'a> {
    pub(super) fn new(bindings: &'a [Binding], comments: &'a Comments, schemas: &'a Schemas<'a>) -> Self {
        Self { bindings, comments, schemas }
    }

    /// `names` are those of the path's variables, in order.
    pub(super) fn describe(&self, binding: &Binding, names: &[String]) -> Operation {
        let method = &binding.method;
        let tag = tag_of(self.bindings, method.parent_service());
        let description = self.comments.at(method.parent_file().name(), method.path());
        let ok = Response::Inline {
            description: self.comments.at(method.output().parent_file().name(), method.output().path()),
            content: match binding.form {
                Form::Json | Form::Upload => json(self.schemas.of_message(&method.output(), Direction::Output)),
                Form::Download => content("*/*", Schema::formatted("string", "binary")),
                Form::Events => content(EVENTS, self.schemas.of_message(&method.output(), Direction::Output)),
            },
        };
        Operation {
            id: format!("{tag}_{}", method.name()),
            tags: vec![tag],
            summary: first_sentence(&description),
            description,
            permission: match binding.access() {
                Some(Access::Permission(permission)) => Some(permission.clone()),
                _ => None,
            },
            also: access::also(&binding.grpc_path()),
            grpc_method: method.full_name().to_owned(),
            security: security(binding),
            parameters: self.parameters(binding, names),
            request_body: self.request_body(binding),
            responses: Ordered(vec![
                ("200".to_owned(), ok),
                ("default".to_owned(), Response::Reference { reference: "#/components/responses/Problem" }),
            ]),
        }
    }

    fn parameters(&self, binding: &Binding, names: &[String]) -> Vec<Parameter> {
        let mut parameters: Vec<_> = binding
            .template
            .variables()
            .zip(names)
            .map(|(field, name)| {
                Parameter::Inline(Box::new(InlineParameter {
                    name: name.clone(),
                    ..self.parameter(field, "path", true)
                }))
            })
            .collect();
        self.query(binding, &binding.method.input(), "", PARAMETER_DEPTH, &mut parameters);
        if binding.form == Form::Events && binding.verb == Method::GET {
            parameters.push(Parameter::Inline(Box::new(last_event_id())));
        }
        if binding.method.input().get_field_by_name("request_id").is_some() {
            parameters.push(Parameter::Reference { reference: "#/components/parameters/IdempotencyKey" });
        }
        parameters
    }

    fn query(
        &self,
        binding: &Binding,
        message: &MessageDescriptor,
        prefix: &str,
        depth: usize,
        to: &mut Vec<Parameter>,
    ) {
        let mut fields: Vec<_> = message.fields().filter(|field| field.name() != "request_id").collect();
        fields.sort_by_key(|field| field.path().to_vec());
        for field in fields {
            let path = format!("{prefix}{}", field.name());
            let Ok(place) = FieldPath::resolve(&binding.method.input(), &path) else { continue };
            if !binding.takes_from_query(&place) {
                continue;
            }
            match field.kind() {
                Kind::Message(inner) if inner.package_name() != "google.protobuf" => {
                    if depth > 0 && !field.is_list() {
                        self.query(binding, &inner, &format!("{path}."), depth - 1, to);
                    }
                }
                _ => to.push(Parameter::Inline(Box::new(self.parameter(&place, "query", false)))),
            }
        }
    }

    fn parameter(&self, field: &FieldPath, place: &'static str, required: bool) -> InlineParameter {
        let mut schema = self.schemas.of_field(field.last(), Direction::Parameter);
        InlineParameter {
            name: field.json_name(),
            place,
            description: std::mem::take(&mut schema.description),
            required,
            schema,
        }
    }

    fn request_body(&self, binding: &Binding) -> Option<RequestBody> {
        if binding.form == Form::Upload {
            let bytes = content("application/octet-stream", Schema::formatted("string", "binary"));
            return Some(RequestBody { required: true, content: bytes });
        }
        let message = match &binding.body {
            Body::None => return None,
            Body::Whole => binding.method.input(),
            Body::Field(field) => field.kind().as_message()?.clone(),
        };
        let schema = self.schemas.of_message(&message, Direction::Input);
        Some(RequestBody { required: binding.wants_body(), content: json(schema) })
    }
}

/// Server-sent events.
const EVENTS: &str = "text/event-stream";

fn json(schema: Schema) -> BTreeMap<&'static str, MediaType> {
    content("application/json", schema)
}

fn content(media_type: &'static str, schema: Schema) -> BTreeMap<&'static str, MediaType> {
    BTreeMap::from([(media_type, MediaType { schema })])
}

fn last_event_id() -> InlineParameter {
    InlineParameter {
        name: "Last-Event-ID".to_owned(),
        place: "header",
        description: "The `id` of the last event that has arrived: what was missed since follows.".to_owned(),
        required: false,
        schema: Schema::of("string"),
    }
}

fn security(binding: &Binding) -> Vec<Requirement> {
    if binding.access() == Some(&Access::Public) {
        return Vec::new();
    }
    let mut session = Requirement::from([("session", Vec::new())]);
    if binding.verb != Method::GET {
        session.insert("csrf", Vec::new());
    }
    vec![Requirement::from([("apiKey", Vec::new())]), session]
}

/// The service's name, with its context before it where several contexts have a service of that name.
pub(super) fn tag_of(bindings: &[Binding], service: &ServiceDescriptor) -> String {
    let shared = bindings.iter().any(|other| {
        let other = other.method.parent_service();
        other.name() == service.name() && other.full_name() != service.full_name()
    });
    if shared { format!("{}{}", context_name(service.full_name()), service.name()) } else { service.name().to_owned() }
}
