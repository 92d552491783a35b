//! Configuration: compiled-in documented defaults, then a file, then the environment.
//!
//! The defaults (`default.toml` of this crate, and one of each context for its own section) name every key there is.
//! So a key they do not name is refused wherever it is set, and the type of a default is the type of a variable.
//! A key `x` that has a sister `x_file` can be given as the content of a file, which is how secrets arrive.
//!
//! - [`Loader`] collects the sources and reads them into a [`Configuration`]
//! - [`Configuration`] gives out sections
//! - [`Common`] and the structs in it are the sections every service has

mod environment;
mod error;
mod sections;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

pub use self::error::Error;
pub use self::sections::{
    Bus, BusKind, Common, Database, LogFormat, NamedKey, Secrets, Server, Services, Telemetry, named_files,
};

/// The defaults of the sections every service has, with a comment on each key.
pub const DEFAULT: &str = include_str!("../../default.toml");

/// The variable that names the configuration file when the command line does not.
pub const FILE_VARIABLE: &str = "CLIENTELE_CONFIG";

/// Reads the whole configuration into `T`, whose fields are the sections.
///
/// `environment` is what the process was started with; only what begins with `CLIENTELE_` is looked at.
pub fn load<T: DeserializeOwned>(
    defaults: &[&str],
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, Error> {
    let mut loader = Loader::new();
    for text in defaults {
        loader = loader.defaults(text);
    }
    loader.file(file).environment(environment).read()?.all()
}

/// The sources of a configuration.
#[derive(Debug, Default)]
pub struct Loader {
    defaults: Vec<String>,
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Loader {
    /// No sources yet, not even [`DEFAULT`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds defaults (TOML); those added later win.
    pub fn defaults(mut self, text: &str) -> Self {
        self.defaults.push(text.to_owned());
        self
    }

    /// Sets the file. Without one, [`FILE_VARIABLE`] of the environment is looked at.
    pub fn file(mut self, path: Option<&Path>) -> Self {
        self.file = path.map(Path::to_owned);
        self
    }

    /// Sets the variables the process was started with.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = variables.into_iter().collect();
        self
    }

    /// Reads the sources. Every key in them has been checked against the defaults afterwards.
    pub fn read(self) -> Result<Configuration, Error> {
        let mut figment = Figment::new();
        for text in &self.defaults {
            figment = figment.merge(Toml::string(text));
        }
        let known: Dict = figment.extract().map_err(|error| Error::syntax("the built-in defaults", &error))?;

        let named = || self.environment.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
        let file = self.file.clone().or_else(|| named().map(|(_, value)| PathBuf::from(value)));
        if let Some(path) = &file {
            let source = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| Error::file(&source, error))?;
            let given: Dict =
                Figment::from(Toml::string(&text)).extract().map_err(|error| Error::syntax(&source, &error))?;
            refuse_unknown(&source, &known, &given, "")?;
            figment = figment.merge(Toml::file_exact(path));
        }

        let variables = environment::Variables::read(&self.environment, &known)?;
        let (figment, secrets) = resolve_files(figment.merge(variables), &known)?;
        let open = secrets.into_iter().filter(|file| is_open_to_everybody(file)).collect();
        Ok(Configuration { figment, open })
    }
}

/// A configuration that has been read and whose keys all exist.
#[derive(Debug)]
pub struct Configuration {
    figment: Figment,
    /// Files with secrets that every user of the machine may read.
    open: Vec<PathBuf>,
}

impl Configuration {
    /// Tells in the log what is allowed and unwise. To be called once there is a log.
    ///
    /// Files with secrets that everybody may read are served from all the same: in a container there is but one user, and
    /// Kubernetes makes them so by default.
    pub fn warn(&self) {
        for file in &self.open {
            tracing::warn!(
                file = %file.display(),
                "every user of this machine may read a file with a secret; take that right away, as `chmod o-rwx` does"
            );
        }
    }

    /// The sections every service has.
    pub fn common(&self) -> Result<Common, Error> {
        Ok(Common {
            server: self.section("server")?,
            database: self.section("database")?,
            bus: self.section("bus")?,
            telemetry: self.section("telemetry")?,
            services: self.section("services")?,
            secrets: self.section("secrets")?,
        })
    }

    /// One section, by its name.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        self.figment.focus(name).extract().map_err(|error| Error::value(name, &error))
    }

    /// Every section, as the fields of one struct.
    pub fn all<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.figment.extract().map_err(|error| Error::value("", &error))
    }
}

/// Refuses a key the defaults do not have. `above` is the path of the section the keys are in.
fn refuse_unknown(source: &str, known: &Dict, given: &Dict, above: &str) -> Result<(), Error> {
    for (key, value) in given {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match (known.get(key), value) {
            (None, _) => return Err(Error::unknown(source, &path, known, above)),
            (Some(Value::Dict(_, known)), Value::Dict(_, given)) => refuse_unknown(source, known, given, &path)?,
            (Some(Value::Dict(..)), _) => return Err(Error::not_a_section(source, &path)),
            (Some(_), _) => {}
        }
    }
    Ok(())
}

/// Keys of files that hold secrets and stand for no other key.
const SECRET_FILES: [&str; 2] = ["bus.credentials_file", "server.tls_key_file"];

/// Reads the files that keys named `…_file` name into the keys they stand for. Gives the files with secrets, too.
fn resolve_files(mut figment: Figment, known: &Dict) -> Result<(Figment, Vec<PathBuf>), Error> {
    let mut secrets = Vec::new();
    for key in SECRET_FILES {
        let file = figment.find_value(key).ok().and_then(Value::into_string).unwrap_or_default();
        secrets.extend((!file.is_empty()).then(|| PathBuf::from(file)));
    }
    for (section, keys) in known {
        let Value::Dict(_, keys) = keys else { continue };
        for (key, default) in keys {
            let file_key = format!("{key}_file");
            if !keys.contains_key(&file_key) {
                continue;
            }
            let (path, file_path) = (format!("{section}.{key}"), format!("{section}.{file_key}"));
            let text = |path: &str| figment.find_value(path).ok().and_then(Value::into_string).unwrap_or_default();
            let file = text(&file_path);
            if file.is_empty() {
                continue;
            }
            if default.as_str() != Some(text(&path).as_str()) {
                return Err(Error::SetTwice { key: path, file_key: file_path });
            }
            let content = std::fs::read_to_string(&file)
                .map_err(|error| Error::file(&format!("{file}, which `{file_path}` names"), error))?;
            figment = figment.merge(Serialized::default(&path, content.trim_end_matches(['\r', '\n'])));
            secrets.push(PathBuf::from(file));
        }
    }
    Ok((figment, secrets))
}

/// Whether more than the owner and the group may read the file.
fn is_open_to_everybody(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests;
