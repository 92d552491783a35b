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
        violations.check(bounds.contains(&self.count_timeout), "campaigns.count_timeout", || {
            format!("{} s is out of bounds: 0.01 s to 60 s", self.count_timeout.as_secs_f64())
        });
        violations.into_result()
    }
}

#[cfg(test)]
mod tests {
    use clientele_platform::config::Loader;

    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Loader::new().defaults(DEFAULT).environment(variables).read().unwrap().section("campaigns").unwrap()
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        config(&[]).check().unwrap();
    }

    #[test]
    fn a_timeout_that_makes_no_sense_is_refused_by_its_key() {
        let error = config(&[("CLIENTELE_CAMPAIGNS__COUNT_TIMEOUT", "2h")]).check().unwrap_err();
        assert_eq!(error.violations[0].field, "campaigns.count_timeout");
    }

    #[test]
    fn every_key_of_the_defaults_is_explained() {
        let lines: Vec<_> = DEFAULT.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
            assert!(pair[0].starts_with("# "), "{}", pair[1]);
        }
    }
}
