//! Which HTTP requests stand for which gRPC methods, read from the `google.api.http` options.

use clientele_contracts::access;
use http::Method;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MethodDescriptor, Value};

use super::template::{FieldPath, Template};

/// The package whose methods the gateway answers itself.
const OWN_PACKAGE: &str = "clientele.gateway.v1";

/// The field that `Idempotency-Key` fills.
pub(super) const REQUEST_ID: &str = "request_id";

/// One HTTP form of one gRPC method.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// The gRPC method.
    pub(crate) method: MethodDescriptor,
    /// The HTTP method.
    pub(crate) verb: Method,
    /// The path.
    pub(crate) template: Template,
    /// What the body holds.
    pub(crate) body: Body,
    /// What goes over the wire.
    pub(crate) form: Form,
}

/// What goes over the wire, which follows from what the method streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON comes in and goes out.
    Json,
    /// Bytes of any type come in, in parts; JSON goes out. The body is a field of type `google.api.HttpBody`.
    Upload,
    /// Bytes with their type go out, in parts: the answer is a stream of `google.api.HttpBody`.
    Download,
    /// Messages go out as server-sent events.
    Events,
}

/// What the body of a request holds.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// Nothing: there is no body.
    None,
    /// All fields that the path does not bind.
    Whole,
    /// This field.
    Field(FieldDescriptor),
}

/// An option that cannot be understood; the contracts are wrong.
#[derive(Debug, thiserror::Error)]
#[error("google.api.http of {method}: {reason}")]
pub struct BindingError {
    method: String,
    reason: String,
}

impl BindingError {
    pub(super) fn clash(one: &Binding, other: &Binding) -> Self {
        Self {
            method: one.method.full_name().to_owned(),
            reason: format!("{} has the same path and HTTP method", other.method.full_name()),
        }
    }
}

impl Binding {
    /// Every binding of every method under `clientele.`, in the order of the files.
    pub(crate) fn all(pool: &DescriptorPool) -> Result<Vec<Self>, BindingError> {
        let mut bindings = Vec::new();
        for service in pool.services().filter(|s| s.package_name().starts_with("clientele.")) {
            for method in service.methods() {
                let mut rules = Vec::new();
                if let Some(rule) = rule_of(pool, &method) {
                    collect(rule, &mut rules);
                }
                for rule in rules {
                    let binding = Self::read(&method, &rule)
                        .map_err(|reason| BindingError { method: method.full_name().to_owned(), reason })?;
                    bindings.push(binding);
                }
            }
        }
        Ok(bindings)
    }

    fn read(method: &MethodDescriptor, rule: &DynamicMessage) -> Result<Self, String> {
        if !text(rule, "response_body").is_empty() {
            return Err("response_body is not supported".to_owned());
        }
        let patterns = [
            ("get", Method::GET),
            ("put", Method::PUT),
            ("post", Method::POST),
            ("delete", Method::DELETE),
            ("patch", Method::PATCH),
        ];
        let (path, verb) = patterns
            .into_iter()
            .map(|(name, verb)| (text(rule, name), verb))
            .find(|(path, _)| !path.is_empty())
            .ok_or("no path for a known HTTP method")?;
        let request = method.input();
        let body = match text(rule, "body").as_str() {
            "" => Body::None,
            "*" => Body::Whole,
            name => {
                Body::Field(request.get_field_by_name(name).ok_or_else(|| format!("no field `{name}` for the body"))?)
            }
        };
        let form = form(method, &body)?;
        Ok(Self { template: Template::parse(&path, &request)?, method: method.clone(), verb, body, form })
    }

    /// The part of the package that names the service, for instance `customers` of `clientele.customers.v1`.
    pub(crate) fn context(&self) -> String {
        let service = self.method.parent_service();
        service.package_name().split('.').nth(1).unwrap_or_default().to_owned()
    }

    /// Whether the gateway answers the method itself.
    pub(crate) fn is_own(&self) -> bool {
        self.method.parent_service().package_name() == OWN_PACKAGE
    }

    /// The method's gRPC path, `/package.Service/Method`.
    pub(crate) fn grpc_path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    /// Who may call the method.
    pub(crate) fn access(&self) -> Option<&'static access::Access> {
        access::of_path(&self.grpc_path())
    }

    /// Whether a request has to have a body: where it may bring more than what path and headers bind.
    pub(crate) fn wants_body(&self) -> bool {
        match &self.body {
            Body::None => false,
            Body::Field(_) => true,
            Body::Whole => self.method.input().fields().any(|field| {
                let bound = self.template.variables().any(|bound| bound.fields().first() == Some(&field));
                !bound && field.name() != REQUEST_ID
            }),
        }
    }

    /// Whether the field can be given as a query parameter: it is bound neither by the path nor by the body.
    pub(crate) fn takes_from_query(&self, field: &FieldPath) -> bool {
        match &self.body {
            Body::Whole => false,
            Body::Field(body) if field.fields().first() == Some(body) => false,
            Body::None | Body::Field(_) => !self.template.variables().any(|bound| bound == field),
        }
    }
}

/// The type of bodies that are not JSON.
const BYTES: &str = "google.api.HttpBody";

fn form(method: &MethodDescriptor, body: &Body) -> Result<Form, String> {
    let takes_bytes =
        matches!(body, Body::Field(field) if matches!(field.kind(), Kind::Message(m) if m.full_name() == BYTES));
    let gives_bytes = method.output().full_name() == BYTES;
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) if takes_bytes || gives_bytes => Err(format!("{BYTES} travels in streams only")),
        (false, false) => Ok(Form::Json),
        (true, false) if takes_bytes => Ok(Form::Upload),
        (false, true) if gives_bytes => Ok(Form::Download),
        (false, true) => Ok(Form::Events),
        _ => Err(format!("a stream that comes in has a REST form only as a body of {BYTES}")),
    }
}

fn rule_of(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name("google.api.http")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    match options.get_extension(&extension).into_owned() {
        Value::Message(rule) => Some(rule),
        _ => None,
    }
}

fn collect(rule: DynamicMessage, rules: &mut Vec<DynamicMessage>) {
    let further = rule.get_field_by_name("additional_bindings").map(std::borrow::Cow::into_owned);
    rules.push(rule);
    if let Some(Value::List(further)) = further {
        for value in further {
            if let Value::Message(rule) = value {
                collect(rule, rules);
            }
        }
    }
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
