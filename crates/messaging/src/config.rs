//! The section `[messaging]` of the configuration.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clientele_kernel::{Error, Violations};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::domain::address::Address;

/// The documented defaults of the section.
pub const DEFAULT: &str = include_str!("../default.toml");

/// What messaging takes from configuration; `default.toml` of this crate says what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is documented in default.toml, which a test keeps complete")]
pub struct Config {
    pub company_name: String,
    pub from_address: String,
    pub from_name: String,
    pub reply_to: String,
    pub smtp_host: String,
    pub smtp_port: u16,
    pub smtp_tls: SmtpTls,
    pub smtp_ca_file: PathBuf,
    pub smtp_hello_name: String,
    pub smtp_user: String,
    pub smtp_password: SecretString,
    pub smtp_password_file: PathBuf,
    #[serde(with = "humantime_serde")]
    pub smtp_timeout: Duration,
    pub send_concurrency: u16,
    pub send_attempts: u16,
    #[serde(with = "humantime_serde")]
    pub send_first_wait: Duration,
    #[serde(with = "humantime_serde")]
    pub send_longest_wait: Duration,
    pub send_most_waiting: u32,
    #[serde(with = "humantime_serde")]
    pub send_poll: Duration,
    #[serde(with = "humantime_serde")]
    pub customer_lookup_deadline: Duration,
    #[serde(with = "humantime_serde")]
    pub mailbox_keep: Duration,
    pub mailbox_most: u32,
}

/// How the conversation with the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// Not at all.
    None,
    /// By STARTTLS, without which nothing is said.
    Starttls,
    /// From the first byte.
    Tls,
}

const LONGEST_NAME: usize = 200;

impl Config {
    /// Fails, naming the keys, where values make no sense.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut violations = Violations::new();
        for (key, name, required) in
            [("messaging.company_name", &self.company_name, true), ("messaging.from_name", &self.from_name, false)]
        {
            let fits = name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control);
            violations.check(fits && !(required && name.trim().is_empty()), key, || {
                let least = usize::from(required);
                format!("is no name of one line: {least} to {LONGEST_NAME} characters are wanted")
            });
        }
        violations.take("messaging.from_address", Address::parse(&self.from_address, "messaging.from_address"));
        if !self.reply_to.is_empty() {
            violations.take("messaging.reply_to", Address::parse(&self.reply_to, "messaging.reply_to"));
        }
        self.check_server(&mut violations);
        self.check_sending(&mut violations);
        violations.into_result()
    }

    fn check_server(&self, violations: &mut Violations) {
        let is_name = |name: &str| {
            name.len() <= 253 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'))
        };
        for (key, name) in
            [("messaging.smtp_host", &self.smtp_host), ("messaging.smtp_hello_name", &self.smtp_hello_name)]
        {
            violations.check(is_name(name), key, || {
                format!("`{}` is no name of a host", clientele_kernel::error::shorten(name))
            });
        }
        violations.check(self.smtp_port > 0, "messaging.smtp_port", || "0 is no port: 1 to 65535 are".to_owned());
        let password = !self.smtp_password.expose_secret().is_empty();
        violations.check(password || self.smtp_user.is_empty(), "messaging.smtp_password", || {
            "is empty although messaging.smtp_user is set".to_owned()
        });
        violations.check(!password || !self.smtp_user.is_empty(), "messaging.smtp_user", || {
            "is empty although messaging.smtp_password is set".to_owned()
        });
        let is_local = self.smtp_host == "localhost"
            || self.smtp_host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        violations.check(
            self.smtp_user.is_empty() || self.smtp_tls != SmtpTls::None || is_local,
            "messaging.smtp_tls",
            || "`none` would show the password to everybody on the way: take `starttls` or `tls`".to_owned(),
        );
    }

    fn check_sending(&self, violations: &mut Violations) {
        for (key, count, most) in [
            ("messaging.send_concurrency", self.send_concurrency.into(), 64),
            ("messaging.send_attempts", self.send_attempts.into(), 100),
            ("messaging.send_most_waiting", self.send_most_waiting, 1_000_000),
            ("messaging.mailbox_most", self.mailbox_most, 1_000_000),
        ] {
            violations.bounds(count, 1..=most, key);
        }
        let (second, day) = (Duration::from_secs(1), Duration::from_hours(24));
        for (key, value, least, most) in [
            ("messaging.smtp_timeout", self.smtp_timeout, Duration::from_millis(100), Duration::from_mins(10)),
            ("messaging.send_first_wait", self.send_first_wait, second, day),
            ("messaging.send_longest_wait", self.send_longest_wait, self.send_first_wait.min(day), day),
            ("messaging.send_poll", self.send_poll, Duration::from_millis(10), Duration::from_mins(1)),
            (
                "messaging.customer_lookup_deadline",
                self.customer_lookup_deadline,
                Duration::from_millis(10),
                Duration::from_mins(1),
            ),
            ("messaging.mailbox_keep", self.mailbox_keep, Duration::from_hours(1), Duration::from_hours(24 * 3660)),
        ] {
            violations.time_bounds(value, least..=most, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use clientele_testkit::configuration;

    use super::*;

    fn config(keys: &[(&str, &str)]) -> Config {
        configuration::section("messaging", DEFAULT, keys)
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        config(&[]).check().unwrap();
    }

    #[test]
    fn every_key_of_the_defaults_is_explained() {
        configuration::assert_explained(DEFAULT);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (key, value) in [
            ("COMPANY_NAME", " "),
            ("FROM_ADDRESS", "nobody"),
            ("FROM_NAME", "a\nb"),
            ("REPLY_TO", "x@y"),
            ("SMTP_HOST", "a host"),
            ("SMTP_PORT", "0"),
            ("SMTP_TIMEOUT", "0s"),
            ("SEND_CONCURRENCY", "0"),
            ("SEND_ATTEMPTS", "101"),
            ("SEND_FIRST_WAIT", "25h"),
            ("SEND_LONGEST_WAIT", "1s"),
            ("SEND_POLL", "0s"),
            ("CUSTOMER_LOOKUP_DEADLINE", "2h"),
            ("SEND_MOST_WAITING", "0"),
            ("MAILBOX_KEEP", "1m"),
            ("MAILBOX_MOST", "1000001"),
        ] {
            let error = config(&[(key, value)]).check().unwrap_err();
            assert_eq!(error.violations[0].field, format!("messaging.{}", key.to_lowercase()), "{value}");
        }
    }

    #[test]
    fn a_password_does_not_travel_unprotected_to_another_host() {
        let signed_in = [("SMTP_USER", "crm"), ("SMTP_PASSWORD", "secret"), ("SMTP_TLS", "none")];
        let of = |host| config(&[signed_in.as_slice(), &[("SMTP_HOST", host)]].concat()).check();
        assert_eq!(of("mail.example.com").unwrap_err().violations[0].field, "messaging.smtp_tls");
        of("127.0.0.1").unwrap();
        assert!(config(&[("SMTP_USER", "crm")]).check().is_err(), "a user without a password");
    }
}
