//! Filters of lists: the part of [AIP-160](https://google.aip.dev/160) that indexes can serve. Comparisons of a declared
//! field with a literal, joined by `AND`:
//!
//! ```text
//! country = "Spain" AND created_at >= "2026-01-01T00:00:00Z" AND has_phone = true
//! ```
//!
//! A service declares its [`Field`]s and gets typed [`Comparison`]s; what it does not declare is refused with the names
//! that exist. Every error tells the place, counted in characters from 1.

use chrono::{DateTime, SubsecRound, Utc};
use clientele_kernel::Error;
use clientele_kernel::error::shorten;
use uuid::Uuid;

/// The longest filter in bytes, and the most comparisons of one.
const LONGEST: usize = 4_000;
const MOST_COMPARISONS: usize = 20;

/// A field that a list may be filtered by.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in the contract.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// What a field holds, and with that which operators it knows.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text: `=`, `!=`, and `:` for "has this part".
    Text,
    /// `true` or `false`: `=`, `!=`.
    Bool,
    /// A moment in RFC 3339: all but `:`.
    Time,
    /// One of these names: `=`, `!=`. Compared without regard to case.
    Enum(&'static [&'static str]),
    /// An id, or `""` for none: `=`, `!=`.
    Id,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `:`
    Has,
}

impl Op {
    /// The operator in SQL; [`Op::Has`] has none of its own.
    pub const fn sql(self) -> Option<&'static str> {
        match self {
            Self::Eq => Some("="),
            Self::Ne => Some("<>"),
            Self::Lt => Some("<"),
            Self::Le => Some("<="),
            Self::Gt => Some(">"),
            Self::Ge => Some(">="),
            Self::Has => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Has => ":",
        }
    }
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of a [`Kind::Text`].
    Text(String),
    /// Of a [`Kind::Bool`].
    Bool(bool),
    /// Of a [`Kind::Time`], cut to microseconds.
    Time(DateTime<Utc>),
    /// Of a [`Kind::Enum`]: the name as declared.
    Enum(&'static str),
    /// Of a [`Kind::Id`]; `None` for `""`.
    Id(Option<Uuid>),
}

/// One comparison of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Name of the field, as declared.
    pub field: &'static str,
    /// How.
    pub op: Op,
    /// With what.
    pub value: Value,
}

/// Reads a filter; the empty one has no comparisons. Errors are about the field `filter`.
pub fn parse(text: &str, fields: &[Field]) -> Result<Vec<Comparison>, Error> {
    if text.len() > LONGEST {
        return Err(Error::invalid("filter", format!("is too long: at most {LONGEST} bytes are wanted")));
    }
    let mut reader = Reader { rest: text, place: 1 };
    let mut comparisons = Vec::new();
    while let Some(first) = reader.next()? {
        if comparisons.len() == MOST_COMPARISONS {
            return Err(Error::invalid(
                "filter",
                format!("has too many comparisons: at most {MOST_COMPARISONS} are wanted"),
            ));
        }
        comparisons.push(comparison(&first, &mut reader, fields)?);
        match reader.next()? {
            None => break,
            Some(Token { what: What::Word(word), .. }) if word == "AND" => {
                if reader.rest.trim().is_empty() {
                    return Err(at(reader.place, "ends after `AND`: another comparison is wanted"));
                }
            }
            Some(token) => {
                return Err(at(
                    token.place,
                    &format!("{} is not understood here: `AND` or the end is wanted", token.shown()),
                ));
            }
        }
    }
    Ok(comparisons)
}

fn comparison(first: &Token, reader: &mut Reader<'_>, fields: &[Field]) -> Result<Comparison, Error> {
    let known = || fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ");
    let What::Word(name) = &first.what else {
        return Err(at(
            first.place,
            &format!("{} is not understood here: a field is wanted, of {}", first.shown(), known()),
        ));
    };
    if matches!(name.as_str(), "NOT" | "OR" | "AND") {
        return Err(at(first.place, &format!("`{name}` is not understood here: only comparisons joined by `AND` are")));
    }
    let field = fields.iter().find(|field| field.name == name).ok_or_else(|| {
        at(first.place, &format!("`{}` is not a field to filter by: there are {}", shorten(name), known()))
    })?;
    let wanted_operator = || format!("an operator is wanted after `{}`: {}", field.name, operators(field.kind));
    let op = match reader.next()? {
        Some(Token { what: What::Op(op), place }) => {
            if !knows(field.kind, op) {
                let text =
                    format!("`{}` cannot be compared by `{}`: {}", field.name, op.as_str(), operators(field.kind));
                return Err(at(place, &text));
            }
            op
        }
        Some(token) => return Err(at(token.place, &format!("{}: {}", token.shown(), wanted_operator()))),
        None => return Err(at(reader.place, &format!("ends too early: {}", wanted_operator()))),
    };
    match reader.next()? {
        Some(Token { what: What::Word(text) | What::Quoted(text), place }) => {
            Ok(Comparison { field: field.name, op, value: value(field, &text).map_err(|error| at(place, &error))? })
        }
        Some(token) => Err(at(token.place, &format!("{} is not a value for `{}`", token.shown(), field.name))),
        None => Err(at(reader.place, &format!("ends too early: a value for `{}` is wanted", field.name))),
    }
}

fn value(field: &Field, text: &str) -> Result<Value, String> {
    let shown = shorten(text);
    match field.kind {
        Kind::Text if text.contains('\0') => Err(format!("`{shown}` has a NUL character: plain text is wanted")),
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| format!("`{shown}` is not `true` or `false`")),
        Kind::Time => DateTime::parse_from_rfc3339(text)
            .map(|moment| Value::Time(moment.with_timezone(&Utc).trunc_subsecs(6)))
            .map_err(|_| format!("`{shown}` is not a moment such as \"2026-01-31T12:00:00Z\"")),
        Kind::Enum(names) => names
            .iter()
            .find(|name| name.eq_ignore_ascii_case(text))
            .map(|name| Value::Enum(name))
            .ok_or_else(|| format!("`{shown}` is not one of {}", names.join(", "))),
        Kind::Id if text.is_empty() => Ok(Value::Id(None)),
        Kind::Id => clientele_kernel::id::parse_uuid(text, "filter")
            .map(|id| Value::Id(Some(id)))
            .map_err(|_| format!("`{shown}` is not an id: a UUID of 36 characters is wanted")),
    }
}

fn knows(kind: Kind, op: Op) -> bool {
    match op {
        Op::Eq | Op::Ne => true,
        Op::Lt | Op::Le | Op::Gt | Op::Ge => matches!(kind, Kind::Time),
        Op::Has => matches!(kind, Kind::Text),
    }
}

fn operators(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "`=`, `!=` or `:`",
        Kind::Time => "`=`, `!=`, `<`, `<=`, `>` or `>=`",
        Kind::Bool | Kind::Enum(_) | Kind::Id => "`=` or `!=`",
    }
}

fn at(place: usize, text: &str) -> Error {
    Error::invalid("filter", format!("at character {place}: {text}"))
}

#[derive(Debug, PartialEq)]
struct Token {
    what: What,
    place: usize,
}

#[derive(Debug, PartialEq)]
enum What {
    Word(String),
    Quoted(String),
    Op(Op),
    Other(char),
}

impl Token {
    fn shown(&self) -> String {
        match &self.what {
            What::Word(text) => format!("`{}`", shorten(text)),
            What::Quoted(text) => format!("\"{}\"", shorten(text)),
            What::Op(op) => format!("`{}`", op.as_str()),
            What::Other(c) => format!("`{}`", shorten(&c.to_string())),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    place: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Option<Token>, Error> {
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.skip(blank);
        let place = self.place;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let what = match first {
            '"' | '\'' => What::Quoted(self.quoted(first)?),
            '=' => self.op(Op::Eq),
            ':' => self.op(Op::Has),
            '!' if self.rest.starts_with("!=") => self.op(Op::Ne),
            '<' if self.rest.starts_with("<=") => self.op(Op::Le),
            '>' if self.rest.starts_with(">=") => self.op(Op::Ge),
            '<' => self.op(Op::Lt),
            '>' => self.op(Op::Gt),
            _ => {
                // A colon belongs to a word where it cannot be an operator: between the digits of a time of day.
                let mut before = ' ';
                let end = self.rest.char_indices().find(|(_, c)| {
                    let within = c.is_alphanumeric()
                        || matches!(c, '_' | '-' | '.' | '+')
                        || (*c == ':' && before.is_ascii_digit() && first.is_ascii_digit());
                    before = *c;
                    !within
                });
                match end.map_or(self.rest.len(), |(end, _)| end) {
                    0 => {
                        self.skip(first.len_utf8());
                        What::Other(first)
                    }
                    end => What::Word(self.skip(end)),
                }
            }
        };
        Ok(Some(Token { what, place }))
    }

    fn op(&mut self, op: Op) -> What {
        self.skip(op.as_str().len());
        What::Op(op)
    }

    /// Text in quotes; a backslash takes the next character as it is.
    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let place = self.place;
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((i, c)) = characters.next() {
            if c == quote {
                self.skip(i + c.len_utf8());
                return Ok(text);
            }
            let taken = if c == '\\' { characters.next().map(|(_, next)| next) } else { Some(c) };
            text.extend(taken);
        }
        Err(at(place, "a quotation begins that does not end"))
    }

    /// Goes on by so many bytes, which end at a character; gives what was passed.
    fn skip(&mut self, bytes: usize) -> String {
        let (passed, rest) = self.rest.split_at(bytes);
        self.place += passed.chars().count();
        self.rest = rest;
        passed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIELDS: &[Field] = &[
        Field { name: "country", kind: Kind::Text },
        Field { name: "has_phone", kind: Kind::Bool },
        Field { name: "created_at", kind: Kind::Time },
        Field { name: "kind", kind: Kind::Enum(&["person", "company"]) },
        Field { name: "manager_id", kind: Kind::Id },
    ];

    fn read(text: &str) -> Vec<Comparison> {
        parse(text, FIELDS).unwrap()
    }

    fn error(text: &str) -> String {
        let error = parse(text, FIELDS).unwrap_err();
        assert_eq!(error.violations[0].field, "filter");
        error.violations[0].description.clone()
    }

    #[test]
    fn comparisons_are_typed_by_their_fields() {
        let moment = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        assert_eq!(
            read(
                "country = \"Spain\" AND created_at >= \"2026-01-01T00:00:00Z\" AND has_phone=true AND kind != COMPANY"
            ),
            [
                Comparison { field: "country", op: Op::Eq, value: Value::Text("Spain".into()) },
                Comparison { field: "created_at", op: Op::Ge, value: Value::Time(moment) },
                Comparison { field: "has_phone", op: Op::Eq, value: Value::Bool(true) },
                Comparison { field: "kind", op: Op::Ne, value: Value::Enum("company") },
            ]
        );
    }

    #[test]
    fn an_empty_filter_has_no_comparisons() {
        assert_eq!(read(""), []);
        assert_eq!(read("  "), []);
    }

    #[test]
    fn a_moment_may_stand_without_quotes() {
        assert_eq!(read("created_at<2026-01-01T00:00:00.5+02:00").len(), 1);
    }

    #[test]
    fn an_empty_id_means_none() {
        assert_eq!(read("manager_id = ''")[0].value, Value::Id(None));
        assert!(matches!(read("manager_id=0193a1f0-0000-7000-8000-000000000001")[0].value, Value::Id(Some(_))));
    }

    #[test]
    fn quotes_and_backslashes_can_be_part_of_a_text() {
        assert_eq!(read(r#"country:"a\"b\\c'd""#)[0].value, Value::Text(r#"a"b\c'd"#.into()));
        assert_eq!(read("country = \"Côte d’Ivoire AND more\"")[0].value, Value::Text("Côte d’Ivoire AND more".into()));
    }

    #[test]
    fn errors_tell_the_place_and_what_would_be_right() {
        for (filter, part) in [
            ("name = 'x'", "at character 1: `name` is not a field to filter by: there are country, has_phone"),
            ("country = 'é' AND x = 1", "at character 19: `x`"),
            ("country", "an operator is wanted after `country`: `=`, `!=` or `:`"),
            ("country =", "a value for `country` is wanted"),
            ("country > 'a'", "at character 9: `country` cannot be compared by `>`"),
            ("has_phone = yes", "`yes` is not `true` or `false`"),
            ("created_at > yesterday", "is not a moment such as"),
            ("kind = robot", "`robot` is not one of person, company"),
            ("manager_id = 7", "`7` is not an id"),
            ("country = 'a' OR country = 'b'", "at character 15: `OR` is not understood here: `AND`"),
            ("NOT has_phone = true", "only comparisons joined by `AND`"),
            ("(has_phone = true)", "`(` is not understood here"),
            ("country = 'a' AND", "ends after `AND`"),
            ("country = 'a", "at character 11: a quotation begins that does not end"),
            ("= 1", "a field is wanted"),
            ("country = = 1", "`=` is not a value"),
        ] {
            let told = error(filter);
            assert!(told.contains(part), "{filter}: {told}");
        }
    }

    #[test]
    fn a_filter_is_bounded() {
        assert!(error(&"x".repeat(5_000)).contains("too long"));
        assert!(error(&vec!["has_phone=true"; 21].join(" AND ")).contains("too many"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_but_never_a_panic(text in any::<String>()) {
            let _ = parse(&text, FIELDS);
        }

        #[test]
        fn almost_filters_never_panic(text in "((country|has_phone|kind|AND|=|!=|:|<=|>|'|\"|\\\\|é|[0-9:]{1,4}| ){1,12})") {
            let _ = parse(&text, FIELDS);
        }

        #[test]
        fn any_quoted_text_comes_back_as_it_was(text in "[^\0]{0,40}") {
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            let read = parse(&format!("country = \"{quoted}\""), FIELDS).unwrap();
            prop_assert_eq!(&read[0].value, &Value::Text(text));
        }
    }
}
