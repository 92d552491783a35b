//! Variables `CLIENTELE_<SECTION>__<KEY>` as a source of configuration.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::Error;

/// What the source is called in figment's metadata.
pub(super) const NAME: &str = "environment";

pub(super) const PREFIX: &str = "CLIENTELE_";
const SEPARATOR: &str = "__";

/// What follows the prefix in variables that programs of ours read and that set no key. What begins with `TEST_` is for
/// those who work on Clientele.
pub(super) const OTHERS: [&str; 11] = [
    "API_KEY",
    "BIN",
    "CACHE",
    "CHROMIUM",
    "CONFIG",
    "DATA_DIR",
    "LOGIN",
    "NATS_SERVER",
    "PASSWORD",
    "POSTGRES_BIN",
    "WAL_ARCHIVE",
];

/// The variable that sets a key.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', SEPARATOR))
}

/// The keys that variables set, typed as the defaults are: a password of digits stays text.
#[derive(Debug)]
pub(super) struct Variables(Dict);

impl Variables {
    pub(super) fn read(environment: &[(String, String)], known: &Dict) -> Result<Self, Error> {
        let mut keys = Dict::new();
        for (name, text) in environment {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if !rest.contains(SEPARATOR) {
                refuse_single_underscore(name, rest, known)?;
                if !OTHERS.contains(&rest) && !rest.starts_with("TEST_") && !is_service_link(name, text) {
                    return Err(Error::unknown_variable(name));
                }
                continue;
            }
            let path: Vec<String> = rest.split(SEPARATOR).map(str::to_lowercase).collect();
            let value = typed(name, &path, text, known)?;
            insert(&mut keys, &path, value);
        }
        Ok(Self(keys))
    }
}

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named(NAME)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.0.clone())]))
    }
}

/// Kubernetes and Docker tell containers of services near them: one called `clientele-orders` gives
/// `CLIENTELE_ORDERS_SERVICE_HOST`, `CLIENTELE_ORDERS_SERVICE_PORT_GRPC`, `CLIENTELE_ORDERS_PORT=tcp://…`,
/// `CLIENTELE_ORDERS_PORT_7100_TCP_ADDR` and so on. They are none of ours, whatever the service is called.
fn is_service_link(name: &str, text: &str) -> bool {
    let of_a_port = |rest: &str| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
            rest.strip_prefix(protocol).is_some_and(|end| ["", "_PROTO", "_PORT", "_ADDR"].contains(&end))
        })
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && text.contains("://"))
        || name.match_indices("_PORT_").any(|(at, found)| of_a_port(&name[at + found.len()..]))
}

/// A variable that names a section and lacks the second underscore: the refusal says how it is written.
fn refuse_single_underscore(name: &str, rest: &str, known: &Dict) -> Result<(), Error> {
    let rest = rest.to_lowercase();
    for (section, keys) in known {
        let Value::Dict(_, keys) = keys else { continue };
        let key = rest.strip_prefix(section.as_str()).and_then(|key| key.strip_prefix('_'));
        if let Some(key) = key.filter(|key| keys.contains_key(*key)) {
            let right = variable(&format!("{section}.{key}"));
            return Err(Error::UnknownKey {
                origin: "the environment".to_owned(),
                key: name.to_owned(),
                known: format!("write {right}, with two underscores after the section"),
            });
        }
    }
    Ok(())
}

fn typed(name: &str, path: &[String], text: &str, known: &Dict) -> Result<Value, Error> {
    let mut section = known;
    let mut above = String::new();
    for (depth, key) in path.iter().enumerate() {
        let last = depth + 1 == path.len();
        match section.get(key) {
            Some(Value::Dict(_, inner)) if !last => section = inner,
            Some(Value::Dict(..)) => return Err(Error::not_a_section(name, &path.join("."))),
            Some(default) if last => return like(default, name, path, text),
            _ => return Err(Error::unknown(name, &path.join("."), section, &above)),
        }
        above = path[..=depth].join(".");
    }
    Err(Error::unknown(name, &path.join("."), section, &above))
}

/// The text as a value of the default's type.
fn like(default: &Value, name: &str, path: &[String], text: &str) -> Result<Value, Error> {
    let wrong = |expected: &str| Error::Value {
        origin: name.to_owned(),
        key: path.join("."),
        message: format!("expected {expected}, found `{}`", clientele_kernel::error::shorten(text)),
    };
    match default {
        Value::Bool(..) => text.trim().parse::<bool>().map(Value::from).map_err(|_| wrong("`true` or `false`")),
        Value::Num(_, number) if number.to_f64().is_some() => {
            text.trim().parse::<f64>().map(Value::from).map_err(|_| wrong("a number"))
        }
        Value::Num(..) => text.trim().parse::<i64>().map(Value::from).map_err(|_| wrong("a whole number")),
        Value::Array(..) => Ok(Value::from(
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect::<Vec<_>>(),
        )),
        _ => Ok(Value::from(text)),
    }
}

fn insert(keys: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            keys.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = keys.entry(key.clone()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
