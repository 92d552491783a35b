//! The section `[identity]` of the configuration.

use std::time::Duration;

use chrono::TimeDelta;
use clientele_kernel::error::shorten;
use clientele_kernel::{Error, Violations};
use clientele_platform::config::named_files;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::domain::password::HashCost;
use crate::domain::session::Lifetimes;
use crate::domain::throttle::Limits;
use crate::domain::token;

/// The documented defaults of the section.
pub const DEFAULT: &str = include_str!("../default.toml");

/// What identity takes from configuration; `default.toml` of this crate says what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is documented in default.toml, which a test keeps complete")]
pub struct Config {
    pub password_memory_kib: u32,
    pub password_iterations: u32,
    pub password_parallelism: u32,
    pub password_concurrency: usize,
    pub password_queue: usize,
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,
    #[serde(with = "humantime_serde")]
    pub session_absolute: Duration,
    #[serde(with = "humantime_serde")]
    pub signing_key_rotation: Duration,
    pub sign_in_login_failures: u16,
    pub sign_in_address_failures: u16,
    #[serde(with = "humantime_serde")]
    pub sign_in_window: Duration,
    #[serde(with = "humantime_serde")]
    pub sign_in_first_wait: Duration,
    #[serde(with = "humantime_serde")]
    pub sign_in_longest_wait: Duration,
    pub administrator_login: String,
    pub administrator_password: SecretString,
    pub administrator_password_file: String,
    pub analytics_secret: SecretString,
    pub analytics_secret_file: String,
    pub campaigns_secret: SecretString,
    pub campaigns_secret_file: String,
    pub customers_secret: SecretString,
    pub customers_secret_file: String,
    pub gateway_secret: SecretString,
    pub gateway_secret_file: String,
    pub messaging_secret: SecretString,
    pub messaging_secret_file: String,
    pub orders_secret: SecretString,
    pub orders_secret_file: String,
    pub other_service_secrets: Vec<String>,
    /// Set by the process that fills its own house for a demonstration, and by no configuration.
    #[serde(skip)]
    pub demo_secret: SecretString,
}

/// A secret of fewer characters can be guessed.
const SHORTEST_SERVICE_SECRET: usize = 32;
/// How often the use of a session is written down, at most.
const SESSION_NOTICE: TimeDelta = TimeDelta::minutes(5);

/// The configuration, checked and in the domain's terms.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) hash_cost: HashCost,
    pub(crate) hash_concurrency: usize,
    pub(crate) hash_queue: usize,
    pub(crate) sessions: Lifetimes,
    pub(crate) rotation: TimeDelta,
    pub(crate) login_limits: Limits,
    pub(crate) address_limits: Limits,
    pub(crate) administrator_login: String,
    pub(crate) administrator_password: Option<SecretString>,
    pub(crate) services: Vec<(&'static str, SecretString)>,
}

impl Config {
    /// Sets the secret by which a service of ours proves who it is; for the process that makes these secrets itself.
    /// `INVALID_ARGUMENT` for a service that identity does not know.
    pub fn set_service_secret(&mut self, service: &str, secret: SecretString) -> Result<(), Error> {
        let place = match service {
            "analytics" => &mut self.analytics_secret,
            "campaigns" => &mut self.campaigns_secret,
            "customers" => &mut self.customers_secret,
            "demo" => &mut self.demo_secret,
            "gateway" => &mut self.gateway_secret,
            "messaging" => &mut self.messaging_secret,
            "orders" => &mut self.orders_secret,
            other => return Err(Error::invalid("service", format!("there is no service `{other}`"))),
        };
        *place = secret;
        Ok(())
    }

    /// Checks every value; the error names each key that is wrong.
    pub(crate) fn settings(&self) -> Result<Settings, Error> {
        let mut v = Violations::new();
        let hash_cost = HashCost {
            memory_kib: self.password_memory_kib,
            iterations: self.password_iterations,
            parallelism: self.password_parallelism,
        };
        v.take("identity", hash_cost.validate());
        v.bounds(self.password_concurrency, 1..=64, "identity.password_concurrency");
        v.bounds(self.password_queue, 1..=10_000, "identity.password_queue");
        let minute = Duration::from_mins(1);
        let year = minute * 60 * 24 * 365;
        let mut span = |key: &str, value: Duration, least: Duration, most: Duration| {
            v.time_bounds(value, least..=most, &format!("identity.{key}"));
            TimeDelta::from_std(value).unwrap_or(TimeDelta::MAX)
        };
        let idle = span("session_idle", self.session_idle, minute * 10, year);
        let absolute = span("session_absolute", self.session_absolute, minute * 10, year);
        let rotation = span("signing_key_rotation", self.signing_key_rotation, minute * 60, year);
        let window = span("sign_in_window", self.sign_in_window, minute, minute * 60 * 24);
        let first_wait = span("sign_in_first_wait", self.sign_in_first_wait, Duration::from_secs(1), minute * 15);
        let longest_wait = span("sign_in_longest_wait", self.sign_in_longest_wait, Duration::from_secs(1), minute * 60);
        let mut limits = |key: &str, failures: u16| {
            v.bounds(failures, 1..=1000, &format!("identity.{key}"));
            Limits { failures: failures.into(), window, first_wait, longest_wait }
        };
        let login_limits = limits("sign_in_login_failures", self.sign_in_login_failures);
        let address_limits = limits("sign_in_address_failures", self.sign_in_address_failures);
        let services = self.services(&mut v);
        v.into_result()?;
        Ok(Settings {
            hash_cost,
            hash_concurrency: self.password_concurrency,
            hash_queue: self.password_queue,
            sessions: Lifetimes { idle, absolute, notice: SESSION_NOTICE },
            rotation,
            login_limits,
            address_limits,
            administrator_login: self.administrator_login.clone(),
            administrator_password: given(&self.administrator_password),
            services,
        })
    }

    fn services(&self, violations: &mut Violations) -> Vec<(&'static str, SecretString)> {
        let secret_of = |name| match name {
            "analytics" => given(&self.analytics_secret),
            "campaigns" => given(&self.campaigns_secret),
            "customers" => given(&self.customers_secret),
            "demo" => given(&self.demo_secret),
            "gateway" => given(&self.gateway_secret),
            "messaging" => given(&self.messaging_secret),
            "orders" => given(&self.orders_secret),
            _ => None,
        };
        let mut services: Vec<_> = token::service_names().filter_map(|name| Some((name, secret_of(name)?))).collect();
        for (name, secret) in &services {
            let length = secret.expose_secret().chars().count();
            violations.check(length >= SHORTEST_SERVICE_SECRET, &format!("identity.{name}_secret"), || {
                format!("has {length} characters: at least {SHORTEST_SERVICE_SECRET} are wanted")
            });
        }
        match named_files("identity.other_service_secrets", &self.other_service_secrets) {
            Ok(others) => {
                for (name, secret) in others {
                    let known = token::service_names().find(|known| *known == name);
                    let length = secret.expose_secret().chars().count();
                    violations.check(known.is_some(), "identity.other_service_secrets", || {
                        format!("names `{}`, which is no service", shorten(&name))
                    });
                    violations.check(length >= SHORTEST_SERVICE_SECRET, "identity.other_service_secrets", || {
                        let least = SHORTEST_SERVICE_SECRET;
                        format!("the one of {} has {length} characters: at least {least} are wanted", shorten(&name))
                    });
                    services.extend(known.map(|known| (known, secret)));
                }
            }
            Err(error) => violations.check(false, "identity.other_service_secrets", || error.to_string()),
        }
        services
    }
}

fn given(secret: &SecretString) -> Option<SecretString> {
    (!secret.expose_secret().is_empty()).then(|| secret.clone())
}

#[cfg(test)]
mod tests {
    use clientele_platform::config::Loader;
    use clientele_testkit::configuration;

    use super::*;

    fn config(keys: &[(&str, &str)]) -> Config {
        configuration::section("identity", DEFAULT, keys)
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        let settings = config(&[]).settings().unwrap();
        assert_eq!(settings.sessions.idle, TimeDelta::hours(12));
        assert!(settings.services.is_empty() && settings.administrator_password.is_none());
    }

    #[test]
    fn every_key_of_the_defaults_is_explained() {
        configuration::assert_explained(DEFAULT);
    }

    #[test]
    fn every_wrong_value_is_named_at_once() {
        let wrong = config(&[
            ("PASSWORD_MEMORY_KIB", "64"),
            ("SESSION_IDLE", "1s"),
            ("SIGN_IN_LOGIN_FAILURES", "0"),
            ("ORDERS_SECRET", "short"),
        ]);
        let error = wrong.settings().unwrap_err();
        let fields: Vec<_> = error.violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "identity.password_memory_kib",
                "identity.session_idle",
                "identity.sign_in_login_failures",
                "identity.orders_secret"
            ]
        );
        assert!(!error.message.contains("short"));
    }

    #[test]
    fn a_service_s_secret_can_be_set_by_its_name() {
        let mut config = config(&[]);
        config.set_service_secret("orders", "x".repeat(32).into()).unwrap();
        assert!(config.set_service_secret("root", "x".repeat(32).into()).is_err());
        assert_eq!(config.settings().unwrap().services[0].0, "orders");
    }

    #[test]
    fn a_further_secret_names_a_service_and_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "short").unwrap();
        let path = file.path().to_str().unwrap();
        for (item, told) in [
            (format!("root={path}"), "`root`, which is no service"),
            (format!("orders={path}"), "the one of orders has 5 characters"),
            ("orders".to_owned(), "`name=file`"),
            ("orders=/nowhere".to_owned(), "the file of `orders` cannot be read"),
        ] {
            let error = config(&[("OTHER_SERVICE_SECRETS", &item)]).settings().unwrap_err();
            let violation = &error.violations[0];
            assert_eq!(violation.field, "identity.other_service_secrets");
            assert!(error.violations.iter().any(|v| v.description.contains(told)), "{error:?}");
        }
    }

    #[test]
    fn who_fills_a_house_for_a_demonstration_is_known_to_its_own_process_alone() {
        let mut config = config(&[]);
        assert!(config.settings().unwrap().services.is_empty());
        let variables = [("CLIENTELE_IDENTITY__DEMO_SECRET".to_owned(), "x".repeat(32))];
        let configured = Loader::new().defaults(DEFAULT).environment(variables).read();
        assert!(configured.and_then(|read| read.section::<Config>("identity")).is_err());
        config.set_service_secret("demo", "x".repeat(32).into()).unwrap();
        assert_eq!(config.settings().unwrap().services[0].0, "demo");
    }
}
