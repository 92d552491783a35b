//! The section `[campaigns]` of the configuration.

use std::time::Duration;

use clientele_kernel::{Error, Violations};
use serde::Deserialize;

/// The documented defaults of the section.
pub const DEFAULT: &str = include_str!("../default.toml");

/// What campaigns takes from configuration; `default.toml` of this crate says what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is documented in default.toml, which a test keeps complete")]
pub struct Config {
    #[serde(with = "humantime_serde")]
    pub count_timeout: Duration,
}

impl Config {
    /// Fails, naming the key, where a value makes no sense.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut violations = Violations::new();
        let bounds = Duration::from_millis(10)..=Duration::from_mins(1);
        violations.time_bounds(self.count_timeout, bounds, "campaigns.count_timeout");
        violations.into_result()
    }
}

#[cfg(test)]
mod tests {
    use clientele_testkit::configuration;

    use super::*;

    fn config(keys: &[(&str, &str)]) -> Config {
        configuration::section("campaigns", DEFAULT, keys)
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        config(&[]).check().unwrap();
    }

    #[test]
    fn a_timeout_that_makes_no_sense_is_refused_by_its_key() {
        let error = config(&[("COUNT_TIMEOUT", "2h")]).check().unwrap_err();
        assert_eq!(error.violations[0].field, "campaigns.count_timeout");
    }

    #[test]
    fn every_key_of_the_defaults_is_explained() {
        configuration::assert_explained(DEFAULT);
    }
}
