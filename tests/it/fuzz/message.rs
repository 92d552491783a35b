//! Messages of any type, from the descriptors: plausible ones, and ones that are wrong in one place or all over.

use std::collections::HashMap;

use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

use super::chance::Chance;
use super::memory::Memory;

/// Messages within messages are made so deep where they are plausible.
const DEPTH: usize = 4;
/// And so deep where they are not: beyond what a reader of protocol buffers takes.
const ABYSS: usize = 120;

/// Makes messages.
pub(super) struct Maker<'a> {
    pub(super) chance: &'a mut Chance,
    pub(super) memory: &'a Memory,
    /// Whether a list of very many is still to be had: one within another would be beyond all bounds.
    pub(super) many: bool,
}

/// How wrong a message is to be.
#[derive(Clone, Copy)]
struct Mood {
    /// Of a hundred values, so many are wild.
    wild: usize,
    /// Of a hundred fields, so many are set.
    full: usize,
}

impl Maker<'_> {
    /// A request; those of the first round are plausible throughout.
    pub(super) fn request(&mut self, kind: &MessageDescriptor, round: usize) -> DynamicMessage {
        let mood = match (round, self.chance.below(8)) {
            (0, _) | (_, 0..3) => Mood { wild: 0, full: 80 },
            (_, 3) => Mood { wild: 0, full: 30 },
            (_, 4 | 5) => Mood { wild: 8, full: 80 },
            (_, 6) => Mood { wild: 40, full: 70 },
            _ => Mood { wild: 100, full: 50 },
        };
        let mut message = self.message(kind, DEPTH, mood);
        self.point_at_fields(&mut message, mood);
        message
    }

    fn message(&mut self, kind: &MessageDescriptor, depth: usize, mood: Mood) -> DynamicMessage {
        if let Some(known) = self.well_known(kind, mood) {
            return known;
        }
        let remembered = self.memory.messages(kind.full_name());
        if !remembered.is_empty() && self.chance.percent(40) {
            let mut message = self.chance.one_of(remembered).clone();
            let fields: Vec<_> = kind.fields().collect();
            let field = self.chance.one_of(&fields).clone();
            if let Some(value) = self.value_of(&field, kind, depth, mood) {
                message.set_field(&field, value);
            }
            return message;
        }
        let mut message = DynamicMessage::new(kind.clone());
        let chosen: Vec<_> = kind
            .oneofs()
            .filter_map(|oneof| {
                let fields: Vec<_> = oneof.fields().collect();
                (!fields.is_empty()).then(|| self.chance.one_of(&fields).number())
            })
            .collect();
        for field in kind.fields() {
            let left_out = field.containing_oneof().is_some_and(|oneof| oneof.fields().len() > 1)
                && !chosen.contains(&field.number());
            if left_out || !self.chance.percent(mood.full) {
                continue;
            }
            if let Some(value) = self.value_of(&field, kind, depth, mood) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value_of(&mut self, field: &FieldDescriptor, of: &MessageDescriptor, depth: usize, mood: Mood) -> Option<Value> {
        let single = |maker: &mut Self| maker.single(&field.kind(), field.name(), of, depth, mood);
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { return None };
            let mut entries = HashMap::new();
            for _ in 0..self.chance.below(4) {
                let key = self.text("key", of, mood);
                let value = entry.map_entry_value_field();
                let value = self.single(&value.kind(), value.name(), of, depth.checked_sub(1)?, mood)?;
                entries.insert(MapKey::String(key), value);
            }
            return matches!(entry.map_entry_key_field().kind(), Kind::String).then_some(Value::Map(entries));
        }
        if field.cardinality() == Cardinality::Repeated {
            let count = match self.chance.below(100) {
                0..20 if mood.wild > 20 => 0,
                20..23 if mood.wild > 20 => 10_000,
                _ => 1 + self.chance.below(3),
            };
            // Many of the same: what is tried is the number.
            if count > 100 && std::mem::take(&mut self.many) {
                let value = single(self)?;
                return Some(Value::List(vec![value; count]));
            }
            let count = count.min(3);
            return Some(Value::List((0..count).filter_map(|_| single(self)).collect()));
        }
        single(self)
    }

    fn single(&mut self, kind: &Kind, name: &str, of: &MessageDescriptor, depth: usize, mood: Mood) -> Option<Value> {
        let wild = self.chance.percent(mood.wild);
        Some(match kind {
            Kind::Message(inner) => {
                // A type that holds itself, as deep as it goes.
                if wild && self.chance.one_in(6) && holds_itself(inner) {
                    return Some(Value::Message(self.abyss(inner)));
                }
                Value::Message(self.message(inner, depth.checked_sub(1)?, mood))
            }
            Kind::String => Value::String(self.text(name, of, mood)),
            Kind::Bytes => {
                let length = if wild { *self.chance.one_of(&[0, 1, 300, 100_000]) } else { 12 };
                Value::Bytes(self.chance.bytes(length).into())
            }
            Kind::Bool => Value::Bool(self.chance.one_in(2)),
            Kind::Enum(known) => Value::EnumNumber(self.enumeration(known, wild)),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(if wild {
                *self.chance.one_of(&[0, -1, i32::MIN, i32::MAX, 501, 1_000_000])
            } else {
                i32::try_from(self.chance.below(32)).expect("it is small")
            }),
            Kind::Uint32 | Kind::Fixed32 => {
                Value::U32(if wild { *self.chance.one_of(&[0, u32::MAX, 1 << 31]) } else { 3 })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(if wild {
                *self.chance.one_of(&[0, -1, i64::MIN, i64::MAX, i64::MAX - 1, 1 << 53, 1 << 32])
            } else {
                i64::try_from(self.chance.below(2000)).expect("it is small")
            }),
            Kind::Uint64 | Kind::Fixed64 => {
                Value::U64(if wild { *self.chance.one_of(&[0, u64::MAX, 1 << 63]) } else { 7 })
            }
            Kind::Double => Value::F64(if wild {
                *self.chance.one_of(&[
                    f64::NAN,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    -0.0,
                    f64::MAX,
                    f64::MIN_POSITIVE,
                    -1.0,
                ])
            } else {
                0.5
            }),
            Kind::Float => {
                Value::F32(if wild { *self.chance.one_of(&[f32::NAN, f32::INFINITY, f32::MAX]) } else { 0.5 })
            }
        })
    }

    fn enumeration(&mut self, known: &EnumDescriptor, wild: bool) -> i32 {
        if wild {
            return *self.chance.one_of(&[0, -1, 99, i32::MAX, i32::MIN]);
        }
        let values: Vec<_> = known.values().map(|value| value.number()).collect();
        *self.chance.one_of(&values)
    }

    fn abyss(&mut self, kind: &MessageDescriptor) -> DynamicMessage {
        let mut deep = DynamicMessage::new(kind.clone());
        for _ in 0..=self.chance.below(ABYSS) {
            let Some(way) = way_into_itself(kind) else { break };
            let mut outer = DynamicMessage::new(kind.clone());
            let mut inner = Value::Message(deep);
            for field in way.iter().rev() {
                if field.is_list() {
                    inner = Value::List(vec![inner]);
                }
                let mut holder = DynamicMessage::new(field.parent_message().clone());
                holder.set_field(field, inner);
                outer = holder.clone();
                inner = Value::Message(holder);
            }
            deep = outer;
        }
        deep
    }

    fn well_known(&mut self, kind: &MessageDescriptor, mood: Mood) -> Option<DynamicMessage> {
        let wild = self.chance.percent(mood.wild);
        let mut message = DynamicMessage::new(kind.clone());
        match kind.full_name() {
            "google.protobuf.Timestamp" => {
                // About a year around the beginning of 2026; else the ends of what can be said, and beyond.
                let near = 1_767_225_600 + i64::try_from(self.chance.below(31_536_000)).expect("it is small");
                let ends = [i64::MIN, i64::MAX, 0, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800];
                message.set_field_by_name("seconds", Value::I64(if wild { *self.chance.one_of(&ends) } else { near }));
                let nanos = if wild { *self.chance.one_of(&[0, -1, 999_999_999, 1_000_000_000, i32::MIN]) } else { 0 };
                message.set_field_by_name("nanos", Value::I32(nanos));
            }
            "google.protobuf.Duration" => {
                let seconds = if wild { *self.chance.one_of(&[i64::MIN, i64::MAX, -1, 315_576_000_001]) } else { 3600 };
                message.set_field_by_name("seconds", Value::I64(seconds));
            }
            "google.protobuf.FieldMask" => {
                let paths = if wild { self.chance.one_of(&MASKS).to_vec() } else { Vec::new() };
                let paths = paths.into_iter().map(|path| Value::String(path.to_owned())).collect();
                message.set_field_by_name("paths", Value::List(paths));
            }
            _ => return None,
        }
        Some(message)
    }

    /// A plausible mask names fields of the message beside it.
    fn point_at_fields(&mut self, message: &mut DynamicMessage, mood: Mood) {
        let kind = prost_reflect::ReflectMessage::descriptor(message);
        let is_mask = |field: &FieldDescriptor| matches!(field.kind(), Kind::Message(m) if m.full_name() == "google.protobuf.FieldMask");
        let Some(mask) = kind.fields().find(is_mask) else { return };
        if self.chance.percent(mood.wild) {
            return;
        }
        let beside = kind.fields().find_map(|field| match field.kind() {
            Kind::Message(inner) if inner.package_name() == kind.package_name() => Some(inner),
            _ => None,
        });
        let Some(beside) = beside else { return };
        let names: Vec<_> = beside.fields().map(|field| Value::String(field.name().to_owned())).collect();
        let some = (0..=self.chance.below(3)).map(|_| self.chance.one_of(&names).clone()).collect();
        let Kind::Message(type_of_mask) = mask.kind() else { return };
        let mut value = DynamicMessage::new(type_of_mask);
        value.set_field_by_name("paths", Value::List(some));
        message.set_field(&mask, Value::Message(value));
    }

    fn text(&mut self, name: &str, of: &MessageDescriptor, mood: Mood) -> String {
        if self.chance.percent(mood.wild) {
            return match self.chance.below(TEXTS.len() + 4) {
                0 => "x".repeat(301),
                1 => "й".repeat(70_000),
                2 => "(".repeat(20_000),
                3 => "not(".repeat(3_000),
                n => TEXTS[n - 4].to_owned(),
            };
        }
        let known = self.memory.values(name, of.name());
        if !known.is_empty() && self.chance.percent(75) {
            return self.chance.one_of(known).clone();
        }
        let n = self.chance.below(1000);
        match name {
            "page_token" | "order_by" | "etag" => String::new(),
            "request_id" if self.chance.one_in(4) => "the same again".to_owned(),
            "id" | "request_id" => self.id(),
            name if name.ends_with("_id") && name != "external_id" => self.id(),
            name if name.ends_with("_ids") => self.id(),
            name if name.contains("currency") => "EUR".to_owned(),
            name if name.contains("zone") => "Europe/Madrid".to_owned(),
            name if name.contains("locale") || name.contains("language") => "en".to_owned(),
            name if name.contains("country") => "ES".to_owned(),
            "address" | "to_address" | "from_address" | "email" => format!("ana{n}@example.com"),
            "number" | "phone" => format!("+34600111{n:03}"),
            "source" => "shop".to_owned(),
            "quantity" | "unit_price" | "price" | "amount" | "discount" | "tax" | "total" => format!("{n}.50"),
            "login" => format!("colleague{n}@example.com"),
            "password" | "new_password" => "correct horse battery 9".to_owned(),
            "filter" => (*self.chance.one_of(&FILTERS)).to_owned(),
            "html" | "body" | "text" => (*self.chance.one_of(&LETTERS)).to_owned(),
            _ => format!("word {n}"),
        }
    }

    fn id(&mut self) -> String {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.chance.bytes(16));
        uuid::Builder::from_bytes(bytes).with_version(uuid::Version::SortRand).into_uuid().to_string()
    }
}

/// The fields that lead from a message to one of its own type, where some do.
fn way_into_itself(kind: &MessageDescriptor) -> Option<Vec<FieldDescriptor>> {
    let inner = |field: &FieldDescriptor| match field.kind() {
        Kind::Message(inner) if !field.is_map() => Some(inner),
        _ => None,
    };
    for field in kind.fields() {
        let Some(within) = inner(&field) else { continue };
        if within == *kind {
            return Some(vec![field]);
        }
        if let Some(second) = within.fields().find(|second| inner(second).is_some_and(|deeper| deeper == *kind)) {
            return Some(vec![field, second]);
        }
    }
    None
}

fn holds_itself(kind: &MessageDescriptor) -> bool {
    way_into_itself(kind).is_some()
}

/// The beginning of a message, for whoever reads about a finding.
pub(super) fn shown(message: &DynamicMessage) -> String {
    message.to_string().chars().take(600).collect()
}

/// Texts that have broken programs.
const TEXTS: [&str; 32] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\u{1}\u{7f}\u{9f}",
    "\r\nBcc: everybody@example.com",
    "\u{feff}",
    "\u{202e}txt.exe",
    "\u{fdfa}\u{fdfa}\u{fdfa}",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "İıſßΣς",
    "%",
    "%_\\",
    "';drop table customers.customer;--",
    "{{ 7 * 7 }}",
    "{% for x in range(1000000000) %}{{ x }}{% endfor %}",
    "{{ '%999999999d' }}",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "-1",
    "99999999999999999999999999999999999999.99",
    "1e308",
    "NaN",
    "0.000000000000000000000000000001",
    "+999999999999999999",
    "a@b",
    "\"quoted local\"@example.com",
    "2026-02-30T25:61:61Z",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

const FILTERS: [&str; 8] = [
    "",
    "display_name = \"Ana\"",
    "created_at > \"2026-01-01T00:00:00Z\"",
    "kind = PERSON and",
    "not not not not",
    "a = \"\\u0000\"",
    "created_at > 99999999999999999999",
    "tags : \"%\"",
];

const LETTERS: [&str; 6] = [
    "Dear {{ customer.display_name }}",
    "{{ customer.nothing.of.this }}",
    "{% if %}",
    "{{",
    "{% include 'x' %}",
    "<p>Hello<a href=\"javascript:1\">x</a>",
];

const MASKS: [&[&str]; 7] =
    [&[], &[""], &["*"], &["."], &["a.b.c.d"], &["id"], &["display_name", "display_name", "displayName"]];
