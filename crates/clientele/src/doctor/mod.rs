//! `clientele doctor`: what is wrong with a configuration, or with the machine and the servers that it names, in plain words:
//! what was found, why it matters, what to do. It tries things for real, and changes nothing.
//!
//! - [`local`]: files, folders, ports, disk, programs
//! - [`database`]: PostgreSQL as the service's own role meets it
//! - [`others`]: NATS, the other services, the mail server

mod database;
mod local;
mod others;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clientele_kernel::{Code, Error};
use clientele_platform::config::FILE_VARIABLE;
use serde::Serialize;

use crate::configuration;

/// What `doctor` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Look at what this service is given, instead of at a house in one process; run it with that service's environment
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(SERVICES))]
    service: Option<String>,
    /// Data directory of a house in one process [default: as for `up`]
    #[arg(long, env = "CLIENTELE_DATA_DIR", conflicts_with = "service")]
    data_dir: Option<PathBuf>,
    /// Address and port to serve on, as for `up`
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Configuration file (TOML)
    #[arg(long, env = FILE_VARIABLE)]
    config: Option<PathBuf>,
    /// How to tell
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const SERVICES: [&str; 7] = ["identity", "customers", "messaging", "orders", "campaigns", "analytics", "gateway"];

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// A stable word for programs.
    pub(super) id: &'static str,
    /// What was found.
    pub(super) what: String,
    /// Why it matters.
    pub(super) why: &'static str,
    /// What to do about it.
    pub(super) todo: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// What is as it should be.
    fine: Vec<String>,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn fine(&mut self, what: impl Into<String>) {
        self.fine.push(what.into());
    }

    pub(super) fn find(
        &mut self,
        id: &'static str,
        what: impl Into<String>,
        why: &'static str,
        todo: impl Into<String>,
    ) {
        self.findings.push(Finding { id, what: what.into(), why, todo: todo.into() });
    }
}

/// An error with its causes, on one line.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if told.last().is_none_or(|last| !last.contains(&text)) {
            told.push(text);
        }
        next = cause.source();
    }
    told.join(": ")
}

/// Looks at everything and tells. An error where there was anything to find.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let mut report = Report::default();
    match configuration::load(arguments.config.as_deref(), std::env::vars()) {
        Err(error) => report.find(
            "configuration",
            error.message,
            "nothing starts with a configuration that is wrong, and what follows from it cannot be looked at",
            "mend it and ask again; `clientele config` prints every key with what it means",
        ),
        Ok(mut configuration) => {
            report.fine("the configuration can be read");
            if let Some(listen) = arguments.listen {
                configuration.server.listen = listen;
            }
            local::files(&mut report, &configuration);
            local::certificate(&mut report, &configuration);
            match arguments.service.as_deref() {
                None => local::house(&mut report, &configuration, arguments.data_dir).await,
                Some(service) => {
                    local::port(&mut report, configuration.server.listen).await;
                    if service != "gateway" {
                        database::look(&mut report, &configuration, service).await;
                    }
                    others::bus(&mut report, &configuration, service).await;
                    others::services(&mut report, &configuration, service).await;
                }
            }
            if arguments.service.as_deref().is_none_or(|service| service == "messaging") {
                others::mail(&mut report, &configuration.messaging).await;
            }
        }
    }
    tell(&report, arguments.format)?;
    match report.findings.len() {
        0 => Ok(()),
        1 => Err(Error::new(Code::FailedPrecondition, "FINDINGS", "1 thing is not as it should be")),
        many => {
            Err(Error::new(Code::FailedPrecondition, "FINDINGS", format!("{many} things are not as they should be")))
        }
    }
}

fn tell(report: &Report, format: Format) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let told = match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(report).map_err(Error::internal)?;
            writeln!(out, "{text}")
        }
        Format::Text => report.fine.iter().try_for_each(|fine| writeln!(out, "fine: {fine}")).and_then(|()| {
            report.findings.iter().try_for_each(|finding| {
                writeln!(
                    out,
                    "\nnot fine: {}\n  why it matters: {}\n  what to do: {}",
                    finding.what, finding.why, finding.todo
                )
            })
        }),
    };
    told.map_err(Error::internal)
}
