//! Messages and enums as JSON schemas.
//!
//! A message that is both sent and received has two schemas: `Customer` is what comes out, with every field that JSON
//! always shows listed as required, and `CustomerInput` is what goes in, where nothing is required and a field that is
//! not known is refused. One shared schema could not say both, and clients would have to test for fields that are
//! always there.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::comment::Comments;
use super::document::{Additional, Ordered, Schema};
use super::operation::PARAMETER_DEPTH;
use crate::rest::{Binding, Body, Form};

/// Which way a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// Sent by the client.
    Input,
    /// A part of an address, sent by the client.
    Parameter,
    /// Sent by the gateway.
    Output,
}

/// The schemas of everything that requests and responses reach.
pub(super) struct Schemas<'a> {
    comments: &'a Comments,
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
    uses: BTreeSet<(String, Direction)>,
    names: BTreeMap<String, String>,
}

impl<'a> Schemas<'a> {
    /// Finds what the bodies and parameters of these bindings reach.
    pub(super) fn reach(comments: &'a Comments, bindings: &[Binding]) -> Self {
        let mut found = Self {
            comments,
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
            uses: BTreeSet::new(),
            names: BTreeMap::new(),
        };
        for binding in bindings {
            let request = binding.method.input();
            match &binding.body {
                // Bytes have no schema.
                Body::Field(_) if binding.form == Form::Upload => found.visit_parameters(&request, PARAMETER_DEPTH),
                Body::Whole => found.visit(&request, Direction::Input),
                Body::Field(field) => {
                    found.visit_kind(&field.kind(), Direction::Input);
                    found.visit_parameters(&request, PARAMETER_DEPTH);
                }
                Body::None => found.visit_parameters(&request, PARAMETER_DEPTH),
            }
            if binding.form != Form::Download {
                found.visit(&binding.method.output(), Direction::Output);
            }
        }
        found.choose_names();
        found
    }

    fn visit(&mut self, message: &MessageDescriptor, direction: Direction) {
        if is_well_known(message) || !self.uses.insert((message.full_name().to_owned(), direction)) {
            return;
        }
        self.messages.insert(message.full_name().to_owned(), message.clone());
        for field in message.fields() {
            let kind = match field.kind() {
                Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
                kind => kind,
            };
            self.visit_kind(&kind, direction);
        }
    }

    fn visit_kind(&mut self, kind: &Kind, direction: Direction) {
        match kind {
            Kind::Message(inner) => self.visit(inner, direction),
            Kind::Enum(inner) => {
                self.enums.insert(inner.full_name().to_owned(), inner.clone());
            }
            _ => {}
        }
    }

    /// Parameters name the fields of messages one by one, so that only enums need a schema.
    fn visit_parameters(&mut self, message: &MessageDescriptor, depth: usize) {
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) if depth > 0 => self.visit_parameters(&inner, depth - 1),
                Kind::Message(_) => {}
                kind => self.visit_kind(&kind, Direction::Input),
            }
        }
    }

    /// The short name where only one package has it, else the package's context before it.
    fn choose_names(&mut self) {
        let mut by_short: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for full in self.messages.keys().chain(self.enums.keys()) {
            let short = full.rsplit('.').next().unwrap_or(full).to_owned();
            by_short.entry(short).or_default().push(full.clone());
        }
        for (short, fulls) in by_short {
            let unique = fulls.len() == 1;
            for full in fulls {
                let name = if unique { short.clone() } else { format!("{}{short}", context_name(&full)) };
                self.names.insert(full, name);
            }
        }
    }

    fn name(&self, full_name: &str, direction: Direction) -> String {
        let name = self.names.get(full_name).cloned().unwrap_or_else(|| full_name.to_owned());
        let also_output = self.uses.contains(&(full_name.to_owned(), Direction::Output));
        if direction != Direction::Output && also_output && self.messages.contains_key(full_name) {
            format!("{name}Input")
        } else {
            name
        }
    }

    /// The schema that a message is referred to by.
    pub(super) fn of_message(&self, message: &MessageDescriptor, direction: Direction) -> Schema {
        well_known(message).unwrap_or_else(|| Schema::to(&self.name(message.full_name(), direction)))
    }

    /// The schema of a field's value.
    pub(super) fn of_field(&self, field: &FieldDescriptor, direction: Direction) -> Schema {
        let description = self.comments.at(field.parent_file().name(), field.path());
        let schema = match field.kind() {
            Kind::Message(entry) if field.is_map() => Schema {
                additional_properties: Some(Additional::Of(Box::new(
                    self.of_kind(&entry.map_entry_value_field().kind(), direction),
                ))),
                ..Schema::of("object")
            },
            kind if field.is_list() => Schema::list(self.of_kind(&kind, direction)),
            kind => self.of_kind(&kind, direction),
        };
        // In a body, a field that is null is not there.
        let schema = if direction == Direction::Input { schema.or(&["null"]) } else { schema };
        schema.described(description)
    }

    fn of_kind(&self, kind: &Kind, direction: Direction) -> Schema {
        let schema = match kind {
            Kind::Double => Schema::formatted("number", "double"),
            Kind::Float => Schema::formatted("number", "float"),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Schema::formatted("integer", "int32"),
            Kind::Uint32 | Kind::Fixed32 => Schema::formatted("integer", "uint32"),
            // JSON numbers lose digits beyond 2^53, so the canonical mapping writes these as text.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Schema::formatted("string", "int64"),
            Kind::Uint64 | Kind::Fixed64 => Schema::formatted("string", "uint64"),
            Kind::Bool => Schema::of("boolean"),
            Kind::String => Schema::of("string"),
            Kind::Bytes => Schema::formatted("string", "byte"),
            Kind::Message(message) => self.of_message(message, direction),
            Kind::Enum(found) => Schema::to(&self.name(found.full_name(), direction)),
        };
        if direction != Direction::Input {
            return schema;
        }
        // What the canonical mapping understands besides what it writes.
        match kind {
            Kind::Message(_) | Kind::Bool | Kind::String | Kind::Bytes => schema,
            Kind::Enum(_) => schema.or(&["integer"]),
            _ if schema.kinds == ["string"] => schema.or(&["integer"]),
            _ => schema.or(&["string"]),
        }
    }

    /// All schemas by name, for the document's components.
    pub(super) fn components(&self) -> BTreeMap<String, Schema> {
        let mut components = BTreeMap::new();
        for (full_name, direction) in &self.uses {
            let message = &self.messages[full_name];
            components.insert(self.name(full_name, *direction), self.object(message, *direction));
        }
        for (full_name, found) in &self.enums {
            components.insert(self.name(full_name, Direction::Output), self.enumeration(found));
        }
        components
    }

    fn object(&self, message: &MessageDescriptor, direction: Direction) -> Schema {
        let fields = || {
            // In the order of the proto file; the key of a repetition travels as a header.
            let mut fields: Vec<_> = message.fields().collect();
            fields.sort_by_key(|field| field.path().to_vec());
            fields.into_iter().filter(|field| direction == Direction::Output || field.name() != "request_id")
        };
        let required = match direction {
            Direction::Input | Direction::Parameter => Vec::new(),
            Direction::Output => {
                fields().filter(|field| !field.supports_presence()).map(|f| f.json_name().to_owned()).collect()
            }
        };
        Schema {
            properties: Ordered(fields().map(|f| (f.json_name().to_owned(), self.of_field(&f, direction))).collect()),
            required,
            additional_properties: (direction != Direction::Output).then_some(Additional::Allowed(false)),
            ..Schema::of("object").described(self.comments.at(message.parent_file().name(), message.path()))
        }
    }

    fn enumeration(&self, found: &EnumDescriptor) -> Schema {
        let mut description = self.comments.at(found.parent_file().name(), found.path());
        description.push('\n');
        for value in found.values() {
            let comment = self.comments.at(found.parent_file().name(), value.path());
            description.push_str("\n- `");
            description.push_str(value.name());
            description.push_str("`: ");
            description.push_str(&comment);
        }
        Schema { values: found.values().map(|v| v.name().to_owned()).collect(), ..Schema::of("string") }
            .described(description)
    }
}

/// `Customers` of `clientele.customers.v1.Customer`.
pub(super) fn context_name(full_name: &str) -> String {
    let context = full_name.split('.').nth(1).unwrap_or_default();
    let mut letters = context.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn is_well_known(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

/// The JSON forms that the canonical mapping gives to well-known types.
fn well_known(message: &MessageDescriptor) -> Option<Schema> {
    if !is_well_known(message) {
        return None;
    }
    Some(match message.name() {
        "Timestamp" => Schema::formatted("string", "date-time"),
        "Duration" => Schema::of("string").described("Seconds with up to nine decimal places and `s`, as `3.5s`."),
        "FieldMask" => Schema::of("string").described("Paths of fields joined by commas, as `displayName,phones`."),
        "Any" => Schema {
            properties: Ordered(vec![("@type".to_owned(), Schema::of("string").described("The type of the message."))]),
            required: vec!["@type".to_owned()],
            additional_properties: Some(Additional::Allowed(true)),
            ..Schema::of("object")
        },
        "StringValue" => Schema::of("string"),
        "BytesValue" => Schema::formatted("string", "byte"),
        "BoolValue" => Schema::of("boolean"),
        "Int32Value" => Schema::formatted("integer", "int32"),
        "UInt32Value" => Schema::formatted("integer", "uint32"),
        "Int64Value" => Schema::formatted("string", "int64"),
        "UInt64Value" => Schema::formatted("string", "uint64"),
        "FloatValue" | "DoubleValue" => Schema::of("number"),
        "ListValue" => Schema::list(Schema::default()),
        "Value" => Schema::default(),
        // Struct and Empty.
        _ => Schema::of("object"),
    })
}
