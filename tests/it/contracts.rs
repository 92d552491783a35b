//! Whoever was built against yesterday's protos must go on working: the present descriptors are compared with the committed
//! ones, and what would break a caller of gRPC, of REST, or a reader of events fails with what has changed.
//!
//! Additions are fine. `UPDATE_CONTRACTS=1 cargo nextest run -p clientele-tests contracts` writes the present descriptors to
//! `tests/contracts/v1.binpb`, which is to be committed with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clientele_contracts::DESCRIPTORS;
use prost::Message;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value,
};

const UPDATE: &str = "UPDATE_CONTRACTS";
/// What is promised to callers. Other packages are not ours.
const OURS: &str = "clientele.";
/// The options of a method that are part of the promise.
const OPTIONS: [(&str, &str); 2] = [("REST route", "google.api.http"), ("access", "clientele.platform.v1.access")];

#[test]
fn nothing_that_callers_rely_on_has_changed_since_the_committed_descriptors() {
    let committed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contracts/v1.binpb");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&committed, without_comments(DESCRIPTORS)).expect("the descriptors can be written");
    }
    let bytes = std::fs::read(&committed).expect("descriptors are committed");
    let before = DescriptorPool::decode(bytes.as_slice()).expect("the committed descriptors can be read");
    let after = DescriptorPool::decode(DESCRIPTORS).expect("the present descriptors can be read");
    let broken = breaking_changes(&before, &after);
    assert!(broken.is_empty(), "callers would break:\n  {}\nif that is meant: {UPDATE}=1", broken.join("\n  "));
}

/// The descriptors without the comments of the protos, which change often and break nobody. Options stay: they are unknown
/// to the messages of prost and would be lost there, so the set is read dynamically.
fn without_comments(descriptors: &[u8]) -> Vec<u8> {
    let pool = DescriptorPool::global();
    let set = pool.get_message_by_name("google.protobuf.FileDescriptorSet").expect("the well-known types are there");
    let mut set = DynamicMessage::decode(set, descriptors).expect("descriptors are a set of files");
    if let Some(files) = set.get_field_by_name_mut("file").and_then(Value::as_list_mut) {
        for file in files.iter_mut().filter_map(Value::as_message_mut) {
            file.clear_field_by_name("source_code_info");
        }
    }
    set.encode_to_vec()
}

/// Everything that would break somebody, one line each.
fn breaking_changes(before: &DescriptorPool, after: &DescriptorPool) -> Vec<String> {
    let mut broken = Vec::new();
    for message in
        before.all_messages().filter(|message| message.full_name().starts_with(OURS) && !message.is_map_entry())
    {
        match after.get_message_by_name(message.full_name()) {
            Some(present) => compare_messages(&message, &present, &mut broken),
            None => broken.push(format!("message {} is gone", message.full_name())),
        }
    }
    for known in before.all_enums().filter(|known| known.full_name().starts_with(OURS)) {
        match after.get_enum_by_name(known.full_name()) {
            Some(present) => compare_enums(&known, &present, &mut broken),
            None => broken.push(format!("enum {} is gone", known.full_name())),
        }
    }
    for service in before.services().filter(|service| service.full_name().starts_with(OURS)) {
        let Some(present) = after.get_service_by_name(service.full_name()) else {
            broken.push(format!("service {} is gone", service.full_name()));
            continue;
        };
        for method in service.methods() {
            match present.methods().find(|other| other.name() == method.name()) {
                Some(present) => compare_methods(&method, &present, &mut broken),
                None => broken.push(format!("method {} is gone", method.full_name())),
            }
        }
    }
    broken
}

fn compare_messages(before: &MessageDescriptor, after: &MessageDescriptor, broken: &mut Vec<String>) {
    for field in before.fields() {
        let name = field.full_name();
        let Some(present) = after.get_field(field.number()) else {
            match after.get_field_by_name(field.name()) {
                Some(moved) => {
                    broken.push(format!("field {name} has number {} instead of {}", moved.number(), field.number()));
                }
                None => broken.push(format!("field {name} is gone")),
            }
            continue;
        };
        if present.name() != field.name() || present.json_name() != field.json_name() {
            broken.push(format!("field {name} is called {} now", present.name()));
        }
        let (was, is) = (shape(&field), shape(&present));
        if was != is {
            broken.push(format!("field {name} is {is} instead of {was}"));
        }
    }
}

/// What a reader of a field must know.
fn shape(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) if field.is_map() => {
            format!(
                "a map of {:?} to {:?}",
                message.map_entry_key_field().kind(),
                message.map_entry_value_field().kind()
            )
        }
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(known) => known.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    };
    let choice = field.containing_oneof().filter(|choice| !choice.is_synthetic());
    let choice = choice.map(|choice| format!(" in {}", choice.name())).unwrap_or_default();
    let presence = match (field.cardinality(), field.supports_presence(), field.kind()) {
        (Cardinality::Repeated, ..) => "repeated ",
        (_, true, Kind::Message(_)) | (_, false, _) => "",
        (_, true, _) => "optional ",
    };
    format!("{presence}{kind}{choice}")
}

fn compare_enums(before: &EnumDescriptor, after: &EnumDescriptor, broken: &mut Vec<String>) {
    let present: BTreeMap<_, _> = after.values().map(|value| (value.name().to_owned(), value.number())).collect();
    for value in before.values() {
        match present.get(value.name()) {
            Some(number) if *number == value.number() => {}
            Some(number) => {
                broken.push(format!("value {} has number {number} instead of {}", value.full_name(), value.number()));
            }
            None => broken.push(format!("value {} is gone", value.full_name())),
        }
    }
}

fn compare_methods(before: &MethodDescriptor, after: &MethodDescriptor, broken: &mut Vec<String>) {
    let name = before.full_name();
    for (what, was, is) in [("takes", before.input(), after.input()), ("gives", before.output(), after.output())] {
        if was.full_name() != is.full_name() {
            broken.push(format!("method {name} {what} {} instead of {}", is.full_name(), was.full_name()));
        }
    }
    let streams = |method: &MethodDescriptor| (method.is_client_streaming(), method.is_server_streaming());
    if streams(before) != streams(after) {
        broken.push(format!("method {name} streams otherwise"));
    }
    for (what, option) in OPTIONS {
        let (was, is) = (option_of(before, option), option_of(after, option));
        if was != is {
            broken.push(format!("{what} of {name} is {is} instead of {was}"));
        }
    }
}

/// An option of a method as text; `nothing` where it is not set.
fn option_of(method: &MethodDescriptor, name: &str) -> String {
    let Some(extension) = method.parent_pool().get_extension_by_name(name) else { return "nothing".to_owned() };
    let options = method.options();
    if !options.has_extension(&extension) {
        return "nothing".to_owned();
    }
    options.get_extension(&extension).as_message().map(ToString::to_string).unwrap_or_default()
}

mod checker {
    //! The check itself, on protos made up for it.

    use super::{DescriptorPool, PathBuf, breaking_changes};

    const BEFORE: &str = r#"
        syntax = "proto3";
        package clientele.example.v1;
        import "clientele/platform/v1/access.proto";
        import "google/api/annotations.proto";
        service Things {
          rpc GetThing(GetThingRequest) returns (Thing) {
            option (google.api.http) = {get: "/v1/things/{id}"};
            option (clientele.platform.v1.access) = {permission: "example.thing.read"};
          }
          rpc DropThing(GetThingRequest) returns (Thing) {
            option (clientele.platform.v1.access) = {signed_in: true};
          }
        }
        message GetThingRequest { string id = 1; }
        message Thing {
          string id = 1;
          int32 size = 2;
          repeated string tags = 3;
          Colour colour = 4;
          optional double weight = 5;
          oneof owner { string user = 6; string team = 7; }
          map<string, int32> counts = 8;
        }
        message Spare { string id = 1; }
        enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }
    "#;

    fn compiled(proto: &str) -> DescriptorPool {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let file = folder.path().join("example.proto");
        std::fs::write(&file, proto).expect("the temporary folder is writable");
        let ours = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto");
        let mut compiler = protox::Compiler::new([folder.path(), ours.as_path()]).expect("both folders are there");
        compiler.include_imports(true).open_file(file).unwrap_or_else(|error| panic!("{error:?}"));
        DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice())
            .expect("the compiler writes descriptors")
    }

    #[test]
    fn a_change_that_would_break_somebody_is_named() {
        let before = compiled(BEFORE);
        for (was, is, told) in [
            ("int32 size = 2;", "", "field clientele.example.v1.Thing.size is gone"),
            ("int32 size = 2;", "int32 size = 9;", "field clientele.example.v1.Thing.size has number 9 instead of 2"),
            ("int32 size = 2;", "int64 size = 2;", "field clientele.example.v1.Thing.size is int64 instead of int32"),
            ("int32 size = 2;", "int32 length = 2;", "field clientele.example.v1.Thing.size is called length now"),
            (
                "int32 size = 2;",
                "int32 size = 2 [json_name = \"s\"];",
                "field clientele.example.v1.Thing.size is called size now",
            ),
            (
                "repeated string tags",
                "string tags",
                "field clientele.example.v1.Thing.tags is string instead of repeated string",
            ),
            (
                "optional double",
                "double",
                "field clientele.example.v1.Thing.weight is double instead of optional double",
            ),
            (
                "oneof owner { string user = 6; string team = 7; }",
                "oneof owner { string user = 6; } string team = 7;",
                "field clientele.example.v1.Thing.team is string instead of optional string in owner",
            ),
            (
                "Colour colour = 4;",
                "string colour = 4;",
                "field clientele.example.v1.Thing.colour is string instead of clientele.example.v1.Colour",
            ),
            (
                "map<string, int32>",
                "map<string, string>",
                "field clientele.example.v1.Thing.counts is repeated a map of string to string instead of repeated a map of \
                 string to int32",
            ),
            ("COLOUR_RED = 1;", "", "value clientele.example.v1.COLOUR_RED is gone"),
            ("COLOUR_RED = 1;", "COLOUR_RED = 2;", "value clientele.example.v1.COLOUR_RED has number 2 instead of 1"),
            ("message Spare { string id = 1; }", "", "message clientele.example.v1.Spare is gone"),
            (
                "rpc DropThing(GetThingRequest) returns (Thing)",
                "rpc DropThing(Spare) returns (Thing)",
                "method clientele.example.v1.Things.DropThing takes clientele.example.v1.Spare instead of \
                 clientele.example.v1.GetThingRequest",
            ),
            (
                "rpc DropThing(GetThingRequest) returns (Thing)",
                "rpc DropThing(GetThingRequest) returns (stream Thing)",
                "method clientele.example.v1.Things.DropThing streams otherwise",
            ),
            ("rpc DropThing", "rpc LoseThing", "method clientele.example.v1.Things.DropThing is gone"),
            ("service Things", "service Objects", "service clientele.example.v1.Things is gone"),
            ("/v1/things/{id}", "/v1/objects/{id}", "REST route of clientele.example.v1.Things.GetThing is "),
            ("{signed_in: true}", "{public: true}", "access of clientele.example.v1.Things.DropThing is "),
            ("example.thing.read", "example.thing.see", "access of clientele.example.v1.Things.GetThing is "),
        ] {
            let after = BEFORE.replacen(was, is, 1);
            assert_ne!(after, BEFORE, "{was} is not there to be changed");
            let broken = breaking_changes(&before, &compiled(&after));
            assert_eq!(broken.len(), 1, "{was} -> {is}: {broken:?}");
            assert!(broken[0].starts_with(told), "{was} -> {is}: {}", broken[0]);
        }
    }

    #[test]
    fn additions_and_comments_break_nobody() {
        let after = BEFORE
            .replace("int32 size = 2;", "// How large it is.\n int32 size = 2; string note = 12;")
            .replace("COLOUR_RED = 1;", "COLOUR_RED = 1; COLOUR_BLUE = 2;")
            .replace("message Spare", "message More { string id = 1; } message Spare")
            .replace("rpc DropThing", "rpc KeepThing(Spare) returns (Thing); rpc DropThing");
        assert_eq!(breaking_changes(&compiled(BEFORE), &compiled(&after)), Vec::<String>::new());
    }
}
