//! Path templates of `google.api.http`: `/v1/users/{user.id}`, `/v1/users:batchGet`, `/v1/apiKeys/{id}:revoke`.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// A path template whose variables are bound to fields of a request message.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// The parts between slashes, in order.
    pub(crate) segments: Vec<Segment>,
    /// The custom verb after the last segment, without its colon.
    pub(crate) verb: Option<String>,
}

/// One part of a path between slashes.
#[derive(Debug, Clone)]
pub(crate) enum Segment {
    /// Exactly this text.
    Literal(String),
    /// Any one segment, bound to a field.
    Variable(FieldPath),
}

/// A field of a message, or of a message within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<FieldDescriptor>);

impl FieldPath {
    /// The fields from the outermost inwards; never empty.
    pub(crate) fn fields(&self) -> &[FieldDescriptor] {
        &self.0
    }

    /// The path in JSON names, for instance `customer.id`.
    pub(crate) fn json_name(&self) -> String {
        let names: Vec<_> = self.0.iter().map(FieldDescriptor::json_name).collect();
        names.join(".")
    }

    /// The field at the end of the path.
    pub(crate) fn last(&self) -> &FieldDescriptor {
        &self.0[self.0.len() - 1]
    }

    /// Follows a dotted path of field names (as in the proto file or in JSON). Says which name leads nowhere.
    pub(crate) fn resolve(message: &MessageDescriptor, path: &str) -> Result<Self, String> {
        let mut within = Some(message.clone());
        let mut fields = Vec::new();
        for name in path.split('.') {
            let parent = within.ok_or_else(|| format!("`{name}` of `{path}` is not inside a message"))?;
            let field =
                field_of(&parent, name).ok_or_else(|| format!("{} has no field `{name}`", parent.full_name()))?;
            within = match field.kind() {
                // What JSON spells as one value, a moment for instance, has no fields there.
                Kind::Message(inner) if inner.package_name() == "google.protobuf" => None,
                Kind::Message(inner) if !field.is_list() && !field.is_map() => Some(inner),
                _ => None,
            };
            fields.push(field);
        }
        Ok(Self(fields))
    }
}

/// The field of this name, as the proto file or as JSON spells it.
pub(crate) fn field_of(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name))
}

impl Template {
    /// Reads a template. Patterns over several segments (`{name=shelves/*}`, `**`) are not used by our contracts and
    /// refused.
    pub(crate) fn parse(text: &str, request: &MessageDescriptor) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or_else(|| format!("path `{text}` does not begin with a slash"))?;
        // A colon inside braces would belong to a variable; ours have none, so the last one begins the verb.
        let (path, verb) = match path.rsplit_once(':') {
            Some((before, verb)) if !verb.contains(['/', '}']) => (before, Some(verb.to_owned())),
            _ => (path, None),
        };
        let segments = path
            .split('/')
            .map(|part| {
                let Some(variable) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) else {
                    if part.is_empty() || part.contains(['{', '}', '*']) {
                        return Err(format!("`{part}` in `{text}` is neither a plain word nor one variable"));
                    }
                    return Ok(Segment::Literal(part.to_owned()));
                };
                let field = FieldPath::resolve(request, variable)?;
                match field.last().kind() {
                    Kind::Message(_) => Err(format!("`{variable}` in `{text}` is a message")),
                    _ if field.last().is_list() => Err(format!("`{variable}` in `{text}` is repeated")),
                    _ => Ok(Segment::Variable(field)),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { segments, verb })
    }

    /// The variables in the order of the path.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &FieldPath> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable(field) => Some(field),
            Segment::Literal(_) => None,
        })
    }

    /// The template as logs, spans and metrics name it, with the variables' names in JSON.
    pub(crate) fn route(&self) -> String {
        self.to_openapi(&self.variables().map(FieldPath::json_name).collect::<Vec<_>>())
    }

    /// Whether both templates match the same paths.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let same = |(one, two): (&Segment, &Segment)| match (one, two) {
            (Segment::Literal(one), Segment::Literal(two)) => one == two,
            (Segment::Variable(_), Segment::Variable(_)) => true,
            _ => false,
        };
        self.verb == other.verb
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }

    /// The template as OpenAPI writes it, with these names for its variables.
    pub(crate) fn to_openapi(&self, names: &[String]) -> String {
        let mut names = names.iter();
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            match segment {
                Segment::Literal(word) => text.push_str(word),
                Segment::Variable(_) => {
                    text.push('{');
                    text.push_str(names.next().map_or("", String::as_str));
                    text.push('}');
                }
            }
        }
        if let Some(verb) = &self.verb {
            text.push(':');
            text.push_str(verb);
        }
        text
    }
}
