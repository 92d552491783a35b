//! The configuration of the whole house: the sections all services share, and each context's own.

use std::io::Write;
use std::path::{Path, PathBuf};

use clientele_kernel::{Code, Error};
use clientele_platform::config::{self, Bus, Database, FILE_VARIABLE, Loader, Secrets, Server, Services, Telemetry};
use serde::Deserialize;

/// What `config` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Instead, say whether this environment and this file are a configuration: whether each key is known, each value one
    /// that is taken, and each file that is named can be read
    #[arg(long)]
    check: bool,
    /// Check as this service reads it, which refuses what belongs to another; all sections are known without
    #[arg(long, requires = "check", value_parser = clap::builder::PossibleValuesParser::new(OWN.map(|(name, _)| name)))]
    service: Option<String>,
    /// Configuration file (TOML)
    #[arg(long, requires = "check", env = FILE_VARIABLE)]
    config: Option<PathBuf>,
}

/// Every section there is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Everything {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) bus: Bus,
    pub(crate) telemetry: Telemetry,
    pub(crate) services: Services,
    pub(crate) secrets: Secrets,
    pub(crate) identity: clientele_identity::Config,
    pub(crate) customers: clientele_customers::Config,
    pub(crate) messaging: clientele_messaging::Config,
    pub(crate) orders: clientele_orders::Config,
    pub(crate) campaigns: clientele_campaigns::Config,
    pub(crate) analytics: clientele_analytics::Config,
    pub(crate) gateway: clientele_gateway::Config,
}

/// The documented defaults, section by section.
pub(crate) const DEFAULTS: [&str; 8] = [
    config::DEFAULT,
    clientele_gateway::config::DEFAULT,
    clientele_identity::DEFAULT,
    clientele_customers::DEFAULT,
    clientele_messaging::DEFAULT,
    clientele_orders::DEFAULT,
    clientele_campaigns::DEFAULT,
    clientele_analytics::config::DEFAULT,
];

/// The sections that one service alone has.
const OWN: [(&str, &str); 7] = [
    ("identity", clientele_identity::DEFAULT),
    ("customers", clientele_customers::DEFAULT),
    ("messaging", clientele_messaging::DEFAULT),
    ("orders", clientele_orders::DEFAULT),
    ("campaigns", clientele_campaigns::DEFAULT),
    ("analytics", clientele_analytics::config::DEFAULT),
    ("gateway", clientele_gateway::config::DEFAULT),
];

/// Prints the defaults, or checks what there is.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    if !arguments.check {
        return print();
    }
    let file = arguments.config.as_deref();
    load(file, std::env::vars())?;
    if let Some(service) = &arguments.service {
        // The values have been looked at: here it is about the keys.
        let own = OWN.iter().filter(|(name, _)| name == service).map(|(_, text)| *text);
        let loader = [config::DEFAULT].into_iter().chain(own).fold(Loader::new(), Loader::defaults);
        loader.file(file).environment(std::env::vars()).read().map_err(|error| wrong(&error))?;
    }
    say("the configuration can be read")
}

/// Reads defaults, file and environment.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Everything, Error> {
    let defaults = DEFAULTS.iter().fold(Loader::new(), |loader, text| loader.defaults(text));
    let read = defaults.file(file).environment(environment).read().and_then(|configuration| configuration.all());
    read.map_err(|error| wrong(&error))
}

fn wrong(error: &config::Error) -> Error {
    Error::new(Code::InvalidArgument, "CONFIGURATION", error.to_string())
}

/// Prints the defaults, as a file that can be edited and given to `--config`.
fn print() -> Result<(), Error> {
    say(&DEFAULTS.map(str::trim_end).join("\n\n"))
}

fn say(text: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout(), "{text}") {
        // Whoever reads may stop before the end.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_defaults_are_the_ones_compiled_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clientele.toml");
        std::fs::write(&file, DEFAULTS.join("\n")).unwrap();
        let printed = load(Some(&file), []).unwrap();
        let compiled_in = load(None, []).unwrap();
        assert_eq!(format!("{printed:?}"), format!("{compiled_in:?}"));
    }

    #[test]
    fn a_key_that_does_not_exist_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clientele.toml");
        std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\nlsiten = \"127.0.0.1:2\"\n").unwrap();
        assert!(load(Some(&file), []).unwrap_err().message.contains("lsiten"));
        std::fs::write(&file, "[sever]\nlisten = \"127.0.0.1:1\"\n").unwrap();
        assert!(load(Some(&file), []).unwrap_err().message.contains("sever"));
    }
}
